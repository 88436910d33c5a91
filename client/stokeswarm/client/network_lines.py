"""Whether a plan's lines are those that a network learnt.

A network has seen its lines with certain strengths only. Where a plan gives them others, profiles look hotter
or cooler to the network than to the inversion, and neither its novelty nor the gate can tell. Of its
temperature only the level and the slope are taken then (`stokeswarm.client.smooth.within_nodes`).
"""

from __future__ import annotations

import json
from typing import Any, Final

from stokeswarm.contract.inference import ModelInfo
from stokeswarm.contract.plan import Plan

#: lines this far apart are two [Å]; published wavelengths of one differ by a few mÅ
SAME_LINE: Final = 0.03
#: difference of log gf that is none [dex]: 7 % of a line's strength
NEGLIGIBLE: Final = 0.03


def other_strengths(model: ModelInfo, plan: Plan) -> tuple[str, ...]:
    """The plan's lines that are stronger or weaker than those that a network has seen, and by what.

    Parameters
    ----------
    model : ModelInfo
        Its card says with which log gf it was trained, and how far they were varied; where it says nothing
        that can be read, neither does this.
    plan : Plan

    Returns
    -------
    tuple of str
        One entry for every line that both know and whose log gf differ by more than one standard deviation of
        what the network has seen.
    """
    learnt, spread = _learnt(model.card)
    limit = max(spread, NEGLIGIBLE)
    return tuple(
        f"{line.element} {line.wavelength:.4f} Å: log gf {line.log_gf:g} in the plan, "
        f"{log_gf:g} in the network"
        for region in plan.regions
        for line in region.lines
        for wavelength, log_gf in learnt
        if abs(line.wavelength - wavelength) <= SAME_LINE and abs(line.log_gf - log_gf) > limit
    )


def _learnt(card: str) -> tuple[list[tuple[float, float]], float]:
    """Lines of a network's training set (Å, log gf), and by how much log gf was varied."""
    try:
        recipe: Any = json.loads(card)["training"]["recipe"]
        lines = [(float(w), float(g)) for region in recipe["regions"] for w, g in region["lines"]]
        return lines, float(recipe.get("log_gf_spread", 0.0))
    except (ValueError, KeyError, TypeError, AttributeError):
        return [], 0.0
