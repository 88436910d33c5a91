"""RH's ``keyword.input``: which keywords a plan may set, the values they take, and how they are written.

RH reads one ``NAME = VALUE`` a line. It only warns of a name that it does not know, takes any text that is
not a number as 0, and any flag that does not contain ``TRUE`` as false; so nothing reaches it that was not
checked here. Keywords that name files belong to the engine: no client sets them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Final

from stokeswarm.contract.errors import PlanError

FAMILY: Final = "rh"
Value = bool | int | float | str

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_REAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
#: what RH reads as one word into an array of 160 characters
_WORD: Final = re.compile(r"[A-Za-z0-9_./+-]{1,150}")


class Kind(Enum):
    """Of a keyword's value."""

    FLAG = "TRUE or FALSE"
    INTEGER = "a whole number"
    REAL = "a number"
    CHOICE = "one of several words"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword that a plan may set.

    Attributes
    ----------
    name : str
        RH's.
    kind : Kind
    low, high : float
        Bounds of a number, both allowed.
    choices : tuple of str
        Words that a CHOICE takes.
    default : bool, int, float, str or None
        What the engine writes where the plan says nothing, after the example that ships with RH (with more
        iterations allowed); None = the keyword is left out, so that RH's own default holds.
    """

    name: str
    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    default: Value | None = None

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.kind is Kind.CHOICE:
            return " or ".join(self.choices)
        if self.kind is Kind.FLAG:
            return str(self.kind.value)
        return f"{self.kind.value} from {self.low:g} to {self.high:g}"

    def parse(self, text: str) -> Value:
        """Value of a text.

        Raises
        ------
        ValueError
            The text is not what the keyword takes.
        """
        if self.kind is Kind.CHOICE and text in self.choices:
            return text
        if self.kind is Kind.FLAG and text.upper() in ("TRUE", "FALSE"):
            return text.upper() == "TRUE"
        if self.kind is Kind.INTEGER and _INTEGER.fullmatch(text) and self.low <= int(text) <= self.high:
            return int(text)
        if self.kind is Kind.REAL and _REAL.fullmatch(text) and self.low <= float(text) <= self.high:
            return float(text)
        raise ValueError(text)


def _flag(name: str, default: bool | None = None) -> Keyword:
    return Keyword(name, Kind.FLAG, default=default)


def _integer(name: str, low: int, high: int, default: int | None = None) -> Keyword:
    return Keyword(name, Kind.INTEGER, low, high, default=default)


def _real(name: str, low: float, high: float, default: float | None = None) -> Keyword:
    return Keyword(name, Kind.REAL, low, high, default=default)


def _choice(name: str, choices: tuple[str, ...], default: str | None = None) -> Keyword:
    return Keyword(name, Kind.CHOICE, choices=choices, default=default)


_TABLE: Final = (
    # angles
    _integer("NRAYS", 1, 40, default=5),
    _choice("ANGLE_SET", ("NO_SET", "SET_VERTICAL", "SET_GAUSS_LOBATTO", "SET_EDDINGTON")),
    # iteration
    _integer("N_MAX_SCATTER", 0, 1000, default=20),
    _integer("I_SUM", -1, 999, default=-1),
    _integer("N_MAX_ITER", 1, 10000, default=100),
    _real("ITER_LIMIT", 1e-10, 1.0, default=1e-2),
    _integer("NG_DELAY", 0, 1000, default=10),
    _integer("NG_ORDER", 0, 10, default=2),
    _integer("NG_PERIOD", 1, 1000, default=3),
    _flag("NG_MOLECULES"),
    _integer("COLL_RELAX_NSTEP", 0, 1000),
    _real("COLL_RELAX_FACTOR", 1.0, 1e9),
    # partial redistribution
    _integer("PRD_N_MAX_ITER", 0, 1000, default=3),
    _real("PRD_ITER_LIMIT", -1.0, 1.0, default=1e-2),
    _integer("PRD_NG_DELAY", 0, 1000),
    _integer("PRD_NG_ORDER", 0, 10),
    _integer("PRD_NG_PERIOD", 0, 1000),
    _choice("PRD_ANGLE_DEP", ("PRD_ANGLE_AVER", "PRD_ANGLE_APPROX", "PRD_ANGLE_DEP")),
    _flag("PRDH_LIMIT_MEM"),
    _flag("XRD"),
    # equation of state and background
    _flag("HYDROGEN_LTE", default=True),
    _flag("HYDROSTATIC"),
    _choice("SOLVE_NE", ("NONE", "ONCE", "ITERATION")),
    _real("METALLICITY", -5.0, 2.0),
    _flag("RLK_SCATTER"),
    _flag("ALLOW_PASSIVE_BB"),
    # wavelength grids of active lines
    _real("VMICRO_CHAR", 0.1, 100.0, default=3.0),
    _real("VMACRO_TRESH", 0.0, 1000.0, default=0.0),
    _real("B_STRENGTH_CHAR", 0.0, 10.0, default=0.05),
    # polarization
    _choice("STOKES_MODE", ("NO_STOKES", "FIELD_FREE", "FULL_STOKES"), default="FIELD_FREE"),
    _flag("MAGNETO_OPTICAL"),
    _flag("BACKGROUND_POLARIZATION"),
    # formal solution
    _choice("S_INTERPOLATION", ("S_LINEAR", "S_PARABOLIC", "S_BEZIER3")),
    _choice("S_INTERPOLATION_STOKES", ("DELO_PARABOLIC", "DELO_BEZIER3")),
)

#: name → what a plan may set
KEYWORDS: Final[Mapping[str, Keyword]] = {keyword.name: keyword for keyword in _TABLE}

_FILE: Final = "it names a file, which the engine writes or finds itself"
_SERVER: Final = "the server decides it"

#: RH's other keywords → why a plan cannot set them
RESERVED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "ATMOS_FILE", "ABUND_FILE", "ATMOS_ITOP", "WAVETABLE", "ATOMS_FILE", "MOLECULES_FILE", "J_FILE",
            "BACKGROUND_FILE", "BACKGROUND_RAY_FILE", "KURUCZ_DATA", "KURUCZ_PF_DATA", "OPACITY_FUDGE",
            "BARKLEM_DIR", "ATMOS_OUTPUT", "GEOMETRY_OUTPUT", "SPECTRUM_OUTPUT", "OPACITY_OUTPUT",
            "RADRATE_OUTPUT", "COLLRATE_OUTPUT", "DAMPING_OUTPUT", "COOLING_OUTPUT", "STOKES_INPUT",
        ),
        _FILE,
    ),
    **dict.fromkeys(("N_THREADS", "LIMIT_MEMORY", "PRINT_CPU"), _SERVER),
    "XDR_ENDIAN": "the engine decodes RH's files, so it decides how they are written",
    "RLK_EXPLICIT": "the engine writes the line list, so it decides how levels are labelled",
    "LAMBDA_REF": "the depth axis is the optical depth at 500 nm",
    "VACUUM_TO_AIR": "the plan says whether its wavelengths are in air or in vacuum",
    "STARTING_J": "every pixel starts anew, so that it does not depend on others",
    "OLD_BACKGROUND": "every pixel starts anew, so that it does not depend on others",
    "NON_ICE": "every pixel starts anew, so that it does not depend on others",
    "EDDINGTON": "it concerns other geometries than plane-parallel ones",
    "INTERPOLATE_3D": "it concerns other geometries than plane-parallel ones",
}  # fmt: skip

#: options of the family that are no keywords: `stokeswarm.inversion.engines.rh.settings` reads them
OWN: Final = ("frame", "air")


def check(options: Mapping[str, str]) -> dict[str, Value]:
    """Check a plan's options for RH.

    Parameters
    ----------
    options : mapping of str to str
        The plan's; keys of other families and those of `OWN` are passed over.

    Returns
    -------
    dict
        Keyword → value, of those that the plan sets.

    Raises
    ------
    PlanError
        A keyword is unknown or not the client's to set, or its value is not what it takes.
    """
    found: dict[str, Value] = {}
    for key, text in options.items():
        family, _, name = key.partition(".")
        if family != FAMILY or name in OWN:
            continue
        if name in RESERVED:
            raise PlanError(f"option {key} cannot be set: {RESERVED[name]}")
        keyword = KEYWORDS.get(name)
        if keyword is None:
            near = get_close_matches(name.upper(), KEYWORDS, n=3)
            known = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(KEYWORDS)}"
            raise PlanError(f"option {key}: RH has no keyword of this name; {known}")
        try:
            found[name] = keyword.parse(text)
        except ValueError:
            raise PlanError(f"option {key}: expected {keyword.expected}, found {text!r}") from None
    return found


def defaults() -> dict[str, Value]:
    """Keyword → value, of those that are written where a plan says nothing."""
    return {k.name: k.default for k in _TABLE if k.default is not None}


def format_keywords(values: Mapping[str, Value]) -> str:
    """Text of ``keyword.input``.

    Parameters
    ----------
    values : mapping
        Keyword → value: those of a plan, from `check`, and the engine's own (`RESERVED`).

    Returns
    -------
    str
        One keyword a line, in the order given.

    Raises
    ------
    ValueError
        A keyword is not RH's, or a value is not one word: a bug of the engine.
    """
    lines = []
    for name, value in values.items():
        if name not in KEYWORDS and name not in RESERVED:
            raise ValueError(f"{name} is not a keyword of RH")
        if isinstance(value, bool):
            text = "TRUE" if value else "FALSE"
        elif isinstance(value, str):
            text = value
        else:
            text = repr(value)
        if _WORD.fullmatch(text) is None or text in ("nan", "inf", "-inf"):
            raise ValueError(f"keyword {name}: {text!r} is not one word of RH's")
        lines.append(f"  {name} = {text}\n")
    return "".join(lines)
