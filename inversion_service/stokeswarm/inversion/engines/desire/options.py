"""Plan options of family ``desire``: which keys there are, and which values they take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from stokeswarm.contract.atmosphere import Floats
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import MAX_CYCLES, QUANTITIES, Plan
from stokeswarm.inversion.engines.sir.options import Choice, Kind, Number, parse

FAMILY: Final = "desire"
#: from this threshold on DeSIRe treats every line in LTE and never calls RH; also what it takes for a blank
LTE_THRESHOLD: Final = 10.0
#: μ from which on a pixel counts as at the disc's centre
CENTRE: Final = 0.999
#: what DeSIRe takes for a blank
DEFAULT_RAYS: Final = 3
#: model, profile and uncertainties after every cycle
WITH_ERRORS: Final = 2
_TRUTH: Final = Choice({"true": True, "false": False})


@dataclass(frozen=True, slots=True)
class Digits:
    """One digit a cycle, the last of which holds for the cycles that follow."""

    highest: int

    def parse(self, text: str) -> object:
        """The digits, as a tuple of int."""
        if re.fullmatch(rf"[0-{self.highest}]{{1,{MAX_CYCLES}}}", text) is None:
            raise ValueError(f"1 to {MAX_CYCLES} digits from 0 to {self.highest}, one a cycle")
        return tuple(map(int, text))


@dataclass(frozen=True, slots=True)
class LevelPair:
    """``lower-upper``: positions of a line's levels in its model atom, counted from 0."""

    def parse(self, text: str) -> object:
        """Lower and upper level."""
        match = re.fullmatch(r"(\d{1,3})-(\d{1,3})", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise ValueError("the lower and the upper level, counted from 0, such as '2-4'")
        return int(match[1]), int(match[2])


_TABLE: Final[Mapping[str, Kind]] = {
    "nlte_threshold": Number(0.0, 1e3),
    "skip_threshold": Number(0.0, 9.99),
    "rays": Number(1, 40, whole=True),
    "integrator": Choice({"0": 0, "1": 1, "2": 2, "3": 3}),
    "final_evaluation": Digits(4),
    "rh_model": Choice({"mass": "m", "tau": "t"}),
    "interpolation": Choice({"splines": 0, "linear": 1}),
    "contrast": Number(0.0, 1e3),
    "velocity_x": Number(-100.0, 100.0),
    "velocity_y": Number(-100.0, 100.0),
    "units": Choice({"per": "per", "spc": "spc"}),
    "hydrostatic": _TRUTH,
    "line_of_sight": _TRUTH,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a plan says to DeSIRe.

    Attributes
    ----------
    nlte_threshold : float
        Relative change of the temperature above which the departure coefficients are computed anew;
        0 = after every step, from `LTE_THRESHOLD` on LTE.
    skip_threshold : float
        A cycle is skipped where the χ² of the one before it, as DeSIRe counts it, is below this.
    rays : int
        Rays of the angular quadrature.
    integrator : int
        0 Hermite over intervals, 1 Hermite, 2 Bézier of third order, 3 the same of logarithms.
    final_evaluation : tuple of int
        After each cycle run (the last one repeats): 0 nothing is written, 1 model and profile, 2 also
        uncertainties, 3 also hydrogen populations, 4 also the model in RH's format.
    rh_model : str
        Depth scale handed to RH: ``"m"`` column mass, ``"t"`` log τ.
    interpolation : int
        Between nodes: 0 splines, 1 linear.
    contrast : float or None
        Ratio of the two components' continua.
    velocity : tuple of 2 floats
        Horizontal velocity of the solar rotation, km/s.
    units : str
        ``"per"``: over the HSRA's continuum, ``"spc"``: SI; of the files, not of results.
    hydrostatic : bool
        Whether DeSIRe itself imposes hydrostatic equilibrium on what it synthesises, as it does by hand.
    line_of_sight : bool
        Whether NLTE pixels off the disc's centre are taken as if they were at it, which is what DeSIRe does.
    levels : mapping
        Line index → its lower and upper level.
    numerical : mapping
        Quantity and component (0, 1) → 0 or 1 after each cycle: response function by finite differences.
    """

    nlte_threshold: float = LTE_THRESHOLD
    skip_threshold: float = 0.0
    rays: int = DEFAULT_RAYS
    integrator: int = 0
    final_evaluation: tuple[int, ...] = (WITH_ERRORS,)
    rh_model: str = "m"
    interpolation: int = 0
    contrast: float | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    units: str = "per"
    hydrostatic: bool = False
    line_of_sight: bool = False
    levels: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    numerical: Mapping[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)

    @property
    def nlte(self) -> bool:
        """Whether RH is called at all."""
        return self.nlte_threshold < LTE_THRESHOLD

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Those of a plan.

        Raises
        ------
        PlanError
            A key is unknown or its value is not what it takes; names key, expected and found.
        """
        indices = [line.index for region in plan.regions for line in region.lines]
        table = dict(_TABLE)
        table |= {f"levels_{index}": LevelPair() for index in indices}
        table |= {_numerical(q, c): Digits(1) for c in range(plan.n_component) for q in QUANTITIES}
        found = parse(plan, FAMILY, table)
        levels = {i: found.pop(f"levels_{i}") for i in indices if f"levels_{i}" in found}
        numerical = {
            (q, c): found.pop(_numerical(q, c))
            for c in range(plan.n_component)
            for q in QUANTITIES
            if _numerical(q, c) in found
        }
        velocity = tuple(found.pop(f"velocity_{axis}", 0.0) for axis in "xy")
        values = found | {"levels": levels, "numerical": numerical, "velocity": velocity}
        return cls(**values)  # type: ignore[arg-type]  # each kind makes the type of its field


def check_position(plan: Plan, options: Options, mu: Floats | None, position: Floats | None) -> None:
    """Refuse NLTE of pixels off the disc's centre, unless the plan says what becomes of them.

    DeSIRe 5.06 reads the coordinates, warns, and goes on as for the centre: RH's radiation field is that of
    an atmosphere layered across the line of sight. In LTE only the hydrostatic equilibrium that inversions
    impose is affected: gravity acts along the line of sight.

    Parameters
    ----------
    plan : Plan
    options : Options
    mu : ndarray (n,) float64 or None
        None = the plan's.
    position : ndarray (n, 2) float64 or None
        In solar radii; counts before μ.

    Raises
    ------
    PlanError
    """
    if options.line_of_sight:
        return
    cosines = np.atleast_1d(plan.mu if mu is None else mu)
    if position is not None:
        cosines = np.sqrt(np.maximum(1.0 - np.square(position).sum(axis=1), 0.0))
    lowest = float(cosines.min())
    if lowest < CENTRE:
        raise PlanError(
            f"mu: DeSIRe computes NLTE as at the disc's centre wherever a pixel is; expected mu = 1, found "
            f"{lowest:.3g}, or option {FAMILY}.line_of_sight = true where that is meant"
        )


def _numerical(quantity: str, component: int) -> str:
    return f"numerical_{quantity}" + ("_2" if component else "")


def digit(digits: Sequence[int], position: int) -> int:
    """The digit of the cycle at a position of the run; the last one repeats."""
    return digits[min(position, len(digits) - 1)]


def check(plan: Plan, options: Options) -> None:
    """Refuse what contradicts itself.

    Raises
    ------
    PlanError
    """
    if plan.vacuum:
        raise PlanError("vacuum: DeSIRe takes air wavelengths only")
    if options.contrast is not None and plan.n_component != 2:
        raise PlanError("option desire.contrast: expected a plan with two components, found one")
    if options.numerical and not options.nlte:
        key, component = next(iter(options.numerical))
        raise PlanError(
            f"option desire.{_numerical(key, component)}: response functions by finite differences are for "
            f"NLTE; expected desire.nlte_threshold below {LTE_THRESHOLD:g}, found {options.nlte_threshold:g}"
        )
    for region in plan.regions:
        for line in region.lines:
            if line.ion > 2:
                raise PlanError(
                    f"line {line.index}: DeSIRe treats neutral and singly ionised species (ion 1 or 2), "
                    f"found ion {line.ion}"
                )
