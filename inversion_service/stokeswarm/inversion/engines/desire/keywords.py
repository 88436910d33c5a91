"""``keyword.input`` of the RH inside DeSIRe: RH's keywords, less what DeSIRe decides itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Plan
from stokeswarm.inversion.engines.rh.keywords import FAMILY, Value, check, format_keywords

ATOMS_INPUT: Final = "atoms.input"
MOLECULES_INPUT: Final = "molecules.input"
KEYWORD_INPUT: Final = "keyword.input"
MAX_ITERATIONS: Final = "N_MAX_ITER"
LIMIT: Final = "ITER_LIMIT"
RAYS: Final = "NRAYS"

#: where a plan says nothing: the values of the first example that ships with DeSIRe
DEFAULTS: Final[Mapping[str, Value]] = {
    MAX_ITERATIONS: 200,
    LIMIT: 1e-4,
    "STOKES_MODE": "FIELD_FREE",
    "S_INTERPOLATION_STOKES": "DELO_BEZIER3",
    "NG_DELAY": 10,
    "NG_ORDER": 2,
    "NG_PERIOD": 6,
    "HYDROGEN_LTE": False,
}
#: keywords that DeSIRe takes with one value only, and ends the run with any other
_FIXED: Final[Mapping[str, Value]] = {"MAGNETO_OPTICAL": True, "RLK_SCATTER": False, "VMACRO_TRESH": 0.0}
#: keywords of RH that DeSIRe does not have: it would warn and go on without them
_MISSING: Final = ("ANGLE_SET", "COLL_RELAX_NSTEP", "COLL_RELAX_FACTOR")


def of(plan: Plan) -> dict[str, Value]:
    """Keywords of a plan on top of the defaults.

    Returns
    -------
    dict
        Keyword → value; `RAYS` only where the plan sets it, for the control file.

    Raises
    ------
    PlanError
        A keyword is unknown, not the client's to set, has a bad value, or is none that DeSIRe honours.
    """
    chosen = check(plan.options)
    for name in _MISSING:
        if name in chosen:
            raise PlanError(f"option {FAMILY}.{name}: the RH inside DeSIRe does not have this keyword")
    for name, only in _FIXED.items():
        if name in chosen and chosen[name] != only:
            raise PlanError(
                f"option {FAMILY}.{name}: DeSIRe runs with {str(only).upper()} only, found {chosen[name]}"
            )
    return {**DEFAULTS, **chosen}


def text(values: Mapping[str, Value]) -> str:
    """``keyword.input``; both lists of models lie beside it."""
    files: dict[str, Value] = {"ATOMS_FILE": ATOMS_INPUT, "MOLECULES_FILE": MOLECULES_INPUT}
    return format_keywords({**files, **{name: value for name, value in values.items() if name != RAYS}})
