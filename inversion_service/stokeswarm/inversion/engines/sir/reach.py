"""Limits that a plan sets: SIR has its own, so a result is compared with them afterwards.

SIR keeps the temperature above 2500 K, the field above 0 and the inclination between 0 and 180 degrees while
it iterates, and knows no other bounds; ``max_iterations`` has no counterpart either (a cycle ends after 100
improvements, or when they become small).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Plan

#: single precision and printed digits
_MARGIN: Final = 1e-4


def outside(
    plan: Plan, components: Sequence[Mapping[str, npt.NDArray[np.float64]]], *, has_stray_light: bool
) -> str:
    """Which limit a result exceeds, that the plan sets by itself; empty where none.

    Parameters
    ----------
    plan : Plan
    components : sequence of mapping
        Field → values in the contract's units, one a component.
    has_stray_light : bool
    """
    for name, (low, high) in plan.limits.items():
        if name == "filling_factor" and len(components) == 1:
            continue
        if name == "stray_light" and not has_stray_light:
            continue
        margin = _MARGIN * max(abs(low), abs(high))
        for number, fields in enumerate(components, start=1):
            values = np.asarray(fields[name])
            found = float(values.min()) if values.min() < low - margin else float(values.max())
            if not low - margin <= found <= high + margin:
                of = f" of component {number}" if len(components) > 1 else ""
                return (
                    f"{name}{of} reaches {found:.5g}, beyond the plan's limits {low:g} to {high:g}, "
                    "which the code does not know"
                )
    return ""
