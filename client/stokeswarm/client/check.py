"""Whether an observation and a plan go together, before anything is computed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from stokeswarm.client.line_centres import line_shift, noise_estimate
from stokeswarm.client.project import Project
from stokeswarm.client.readers.assemble import map_continuum
from stokeswarm.client.readers.observation import Observation
from stokeswarm.client.sources import ReadError
from stokeswarm.client.wavelengths import air_to_vacuum, vacuum_to_air
from stokeswarm.contract.errors import SpectraError
from stokeswarm.contract.plan import QUANTITIES, Plan, Region
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES

#: km/s: no mean velocity of a solar structure is larger
MAX_VELOCITY: Final = 8.0
#: Å: a displacement this close to the vacuum shift is the vacuum shift
VACUUM_TOLERANCE: Final = 0.15
#: a plausible continuum, in units of its reference: umbra in the blue … faculae
CONTINUUM_RANGE: Final = (0.05, 1.6)
#: the noise of plan and data may differ by this factor before it is worth a word
NOISE_FACTOR: Final = 4.0
#: steps of an evenly sampled region differ by less than this part of a step
EVEN_SAMPLING: Final = 0.01
#: coordinates shown of each kind of bad pixel
SHOWN: Final = 5
#: pixels from which noise is estimated
NOISE_PIXELS: Final = 400
#: CPU seconds of the LTE engine for one cycle of a pixel of 112 wavelengths × 53 depths: its order
SECONDS_PER_CYCLE: Final = 0.1
_TYPICAL_SIZE: Final = 112 * 53


@dataclass
class Report:
    """What `check` found.

    Attributes
    ----------
    facts : list of str
        How input and plan were understood.
    warnings : list of str
        Worth a look; the inversion runs.
    errors : list of str
        The inversion would fail or be meaningless.
    """

    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def raise_for_errors(self) -> None:
        """Raise if there are errors.

        Raises
        ------
        ReadError
            With all of them.
        """
        if self.errors:
            raise ReadError("; ".join(self.errors))


def check(observation: Observation, project: Project | Plan) -> Report:
    """Compare an observation with a plan.

    Parameters
    ----------
    observation : Observation
    project : Project or Plan

    Returns
    -------
    Report
        Nothing is raised: everything that was found stands in it. Bad pixels are warnings, since each ends
        with its own status and stops nothing; an error is what makes the whole run useless.
    """
    whole = project if isinstance(project, Project) else Project(project)
    plan, report = whole.plan, Report()
    if observation.recognised:
        report.facts.append(f"observation: {observation.recognised}")
    slices = _check_wavelengths(observation, plan, report)
    _check_pixels(observation, report)
    _check_level(observation, plan, report)
    if slices is not None:
        mean = observation.mean_profile()[0]
        for region, part in zip(plan.regions, slices, strict=True):
            _check_sampling(observation.wavelength[part], region, plan, report)
            _check_lines(observation.wavelength[part], mean[part], region, plan, report)
    _check_noise(observation, plan, report)
    _check_cycles(observation, whole, report)
    _check_project(observation, whole, report)
    return report


def _check_wavelengths(observation: Observation, plan: Plan, report: Report) -> tuple[slice, ...] | None:
    """Where the regions lie on the axis; an axis in vacuum is recognised by fitting after conversion."""
    axis = observation.wavelength
    try:
        return plan.region_slices(axis)
    except SpectraError as error:
        problem = str(error)
    others = (
        (("air", air_to_vacuum(axis)),)
        if plan.vacuum
        else (("vacuum", vacuum_to_air(axis)), ("air, converted twice", air_to_vacuum(axis)))
    )
    for name, converted in others:
        try:
            plan.region_slices(converted)
        except SpectraError:
            continue
        shift = float(np.mean(axis - converted))
        advice = "read it with medium='vacuum'" if name == "vacuum" else "read it with medium='air'"
        report.errors.append(
            f"wavelength: the axis fits the plan when moved by {-shift:+.3f} Å, the difference of vacuum and "
            f"air: it looks like {name}; {advice}"
        )
        return None
    report.errors.append(problem)
    return None


def _check_pixels(observation: Observation, report: Report) -> None:
    ny, nx = observation.shape
    masked = 0 if observation.mask is None else int(observation.mask.sum())
    invalid = observation.invalid_pixels()
    report.facts.append(
        f"{ny} × {nx} pixels (y × x), {observation.wavelength.size} wavelengths"
        + (f", {masked} masked" if masked else "")
    )
    if len(invalid) + masked >= observation.n_pixel:
        reason = next(iter(invalid.values()), "masked")
        report.errors.append(f"no pixel can be inverted ({observation.n_pixel} of them; the first: {reason})")
        return
    # numbers in the reasons differ from pixel to pixel; the words before them say the kind
    for reason, group in itertools.groupby(sorted(invalid.items(), key=_kind), key=_kind):
        where = [pixel for pixel, _ in group]
        shown = ", ".join(f"({y}, {x})" for y, x in where[:SHOWN])
        more = f" and {len(where) - SHOWN} more" if len(where) > SHOWN else ""
        report.warnings.append(
            f"{len(where)} pixel(s) cannot be inverted and will end as INVALID_INPUT: {reason}; "
            f"(y, x) = {shown}{more}"
        )
    missing = np.isnan(observation.stokes).sum() - sum(
        int(np.isnan(observation.stokes[pixel]).sum()) for pixel in invalid
    )
    if missing:
        report.facts.append(f"{int(missing)} missing samples (NaN) in pixels that can be inverted")


def _kind(item: tuple[tuple[int, int], str]) -> str:
    return item[1].split(" reaches", 1)[0].split(" (maximum", 1)[0]


def _check_level(observation: Observation, plan: Plan, report: Report) -> None:
    level = map_continuum(observation.stokes)
    if not math.isfinite(level):
        return
    low, high = CONTINUUM_RANGE
    if level > MAX_INTENSITY:
        report.errors.append(
            f"stokes: the median continuum is {level:.5g}: counts, not intensities over a continuum "
            "reference; read it with continuum=…"
        )
    elif level < low:
        report.errors.append(
            f"stokes: the median continuum is {level:.3g} of the reference; at least {low:g} was expected. "
            "Is the order of the axes or of the Stokes parameters another? Say axes=… or stokes_order=…; "
            "crop a map that is mostly off the limb"
        )
    elif level > high:
        report.warnings.append(
            f"stokes: the median continuum is {level:.3g}; {low:g}–{high:g} of the reference was expected"
        )
    else:
        report.facts.append(f"median continuum {level:.3f} of the {observation.reference.value} reference")
    if observation.reference is not plan.reference:
        report.warnings.append(
            f"reference: the observation is over the {observation.reference.value} continuum, the plan over "
            f"the {plan.reference.value} one; the observation's is used"
        )


def _check_sampling(axis: np.ndarray, region: Region, plan: Plan, report: Report) -> None:
    steps = np.diff(axis)
    if steps.size == 0:
        report.warnings.append(f"region {region.name}: a single sample")
        return
    step = float(np.median(steps))
    text = (
        f"region {region.name}: {axis.size} samples {axis[0]:.3f}–{axis[-1]:.3f} Å every {1e3 * step:.2f} mÅ"
    )
    report.facts.append(text)
    convolves = region.psf is not None or any(n.macroturbulence for c in plan.cycles for n in c.components)
    if convolves and float(np.ptp(steps)) > EVEN_SAMPLING * step:
        report.warnings.append(
            f"region {region.name}: samples are {1e3 * steps.min():.2f} to {1e3 * steps.max():.2f} mÅ apart, "
            "but its PSF or macroturbulence wants even sampling; the engine interpolates, at some loss"
        )
    if region.psf is not None and region.psf.offset[-1] - region.psf.offset[0] > 1e3 * (axis[-1] - axis[0]):
        report.warnings.append(f"region {region.name}: its PSF is wider than the spectrum")
    outside = [line for line in region.lines if not axis[0] <= line.wavelength <= axis[-1]]
    for line in outside:
        report.warnings.append(
            f"region {region.name}: {line.element} {line.wavelength:.4f} Å lies outside the observed samples"
        )


def _check_lines(axis: np.ndarray, mean: np.ndarray, region: Region, plan: Plan, report: Report) -> None:
    found = line_shift(axis, mean, region.lines)
    if found is None:
        report.facts.append(f"region {region.name}: no line is clear enough to check the wavelengths")
        return
    vacuum = float(np.mean([air_to_vacuum(line.wavelength) - line.wavelength for line in region.lines]))
    where = f"wavelength: the lines of region {region.name} lie {found.shift:+.3f} Å from the plan's"
    if not plan.vacuum and abs(found.shift - vacuum) < VACUUM_TOLERANCE:
        report.errors.append(
            f"{where}, which is the difference of vacuum and air ({vacuum:.3f} Å): "
            "read it with medium='vacuum'"
        )
    elif abs(found.velocity) > MAX_VELOCITY:
        report.warnings.append(
            f"{where} ({found.velocity:+.1f} km/s in the mean profile): is the wavelength calibration right?"
        )
    else:
        report.facts.append(
            f"region {region.name}: lines of the mean profile {1e3 * found.shift:+.1f} mÅ "
            f"({found.velocity:+.2f} km/s) from the plan's"
        )


def _check_noise(observation: Observation, plan: Plan, report: Report) -> None:
    flat = observation.stokes.reshape(-1, *observation.stokes.shape[2:])
    some = flat[:: max(1, flat.shape[0] // NOISE_PIXELS)]
    measured = noise_estimate(some[:, None])
    text = ", ".join(f"{s} {m:.1e}" for s, m in zip(STOKES, measured, strict=True))
    report.facts.append(f"noise estimated from the data: {text}; the plan's: {_list(plan.noise)}")
    # Q, U, V decide: in I the profile itself leaves more behind than the noise
    pairs = [(m, p) for m, p in zip(measured[1:], plan.noise[1:], strict=True) if m > 0]
    if pairs and all(m > NOISE_FACTOR * p for m, p in pairs):
        report.warnings.append(
            f"noise: the data show about {max(m for m, _ in pairs):.1e} in Q, U, V, the plan says "
            f"{_list(plan.noise[1:])}: χ² will be large and the gate will reject every pixel"
        )
    elif pairs and all(m * NOISE_FACTOR < p for m, p in pairs):
        report.warnings.append(
            f"noise: the data show about {max(m for m, _ in pairs):.1e} in Q, U, V, the plan says "
            f"{_list(plan.noise[1:])}: polarisation weighs less than it could"
        )


def _list(values: Sequence[float]) -> str:
    distinct = dict.fromkeys(values)
    return ", ".join(f"{value:.1e}" for value in (distinct if len(distinct) == 1 else values))


def _check_cycles(observation: Observation, project: Project, report: Report) -> None:
    plan = project.plan
    if not plan.cycles:
        report.errors.append(f"plan {plan.name!r} has no cycles: it can synthesise, not invert")
        return
    report.facts.append(
        f"depth grid log τ {plan.depth_bottom:g} … {plan.depth_top:g} by {plan.depth_step:g} "
        f"({plan.n_depth} points), {plan.n_component} component(s)"
    )
    for number, cycle in enumerate(plan.cycles, start=1):
        used = [s for s, weight in zip(STOKES, cycle.weights, strict=True) if weight > 0]
        n_data = len(used) * observation.wavelength.size
        carried = plan.carried_nodes(cycle)
        nodes = carried.components[0]
        text = ", ".join(f"{q} {getattr(nodes, q)}" for q in QUANTITIES if getattr(nodes, q))
        report.facts.append(
            f"cycle {number}: {carried.n_free} free parameters, {n_data} data ({''.join(used)})"
            + (f"; at most {text}" if cycle.automatic else f"; nodes {text}")
        )
        if carried.n_free >= n_data:
            report.errors.append(
                f"cycle {number}: {carried.n_free} free parameters and only {n_data} data: "
                "fewer nodes are needed"
            )
    if project.engine:
        return
    size = plan.n_depth * observation.wavelength.size * plan.n_component / _TYPICAL_SIZE
    seconds = observation.n_pixel * len(plan.cycles) * SECONDS_PER_CYCLE * size
    report.facts.append(
        f"size {observation.stokes.nbytes / 2**20:.1f} MiB; of the order of {_duration(seconds)} of CPU time "
        f"for all {len(plan.cycles)} cycle(s) of the embedded engine"
    )


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(1.0, seconds):.0f} s"


def _check_project(observation: Observation, project: Project, report: Report) -> None:
    plan, stray = project.plan, project.stray_light_profile
    n_wavelength = observation.wavelength.size
    if stray is not None and stray.shape != (4, n_wavelength):
        report.errors.append(
            f"stray light: expected a profile of shape (4, {n_wavelength}) on the observation's axis, "
            f"found {stray.shape}"
        )
    if stray is None and any(cycle.stray_light for cycle in plan.cycles):
        report.errors.append("stray light: it is free in a cycle, but there is no profile of it")
    for number, guess in enumerate(project.guess, start=1):
        name = "guess" if len(project.guess) == 1 else f"guess of component {number}"
        low, high = plan.limit("temperature")
        if guess.temperature.min() < low or guess.temperature.max() > high:
            report.warnings.append(
                f"{name}: temperatures of {guess.temperature.min():.0f}–{guess.temperature.max():.0f} K "
                f"leave the plan's limits {low:g}–{high:g} K"
            )
        if not np.array_equal(np.round(guess.log_tau, 4), np.round(plan.log_tau, 4)):
            report.facts.append(f"{name}: its {guess.n_depth} depths are interpolated onto the plan's grid")
        free = {q for c in plan.cycles for q in QUANTITIES if getattr(c.components[number - 1], q)}
        for quantity in ("field_strength", "microturbulence"):
            if quantity in free and not np.any(getattr(guess, quantity)):
                report.warnings.append(
                    f"{name}: {quantity} is zero everywhere but to be inverted: at zero the profiles hardly "
                    "respond to it; start from a small positive value"
                )
