"""The conformance suite notices what is wrong: each engine here breaks one promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import OPTIONAL, Atmosphere
from stokeswarm.contract.errors import PlanError, UnsupportedError
from stokeswarm.contract.inversion import EngineInfo, InvertResults, ResponseResults, SynthesizeResults
from stokeswarm.contract.status import Status
from stokeswarm.contract.testing import Check, EngineConformance, StubSlot
from stokeswarm.contract.testing.measure import LIGHT, ZEEMAN

Spoil = Callable[["ToyJob", Sequence[int], Any], Any]
INFO = EngineInfo("toy", "1.0", "ab" * 32, available=True, responds=True)


@dataclass
class ToyEngine:
    """A weak Zeeman triplet in closed form; `spoil` makes something of its results."""

    spoil: Spoil = lambda job, rows, results: results
    identity: EngineInfo = INFO

    def info(self) -> EngineInfo:
        return self.identity

    def warm_up(self) -> None:
        pass

    def _prepare(self, request: Any, make: Callable[[Any, int, Any], Any]) -> ToyJob:
        if any(key.startswith("toy.") for key in request.plan.options):
            raise PlanError(f"unknown option: {', '.join(request.plan.options)}")
        if request.plan.vacuum:
            raise PlanError("in air only")
        return ToyJob(self, request, make)

    def prepare_inversion(self, request: Any) -> ToyJob:
        return self._prepare(request, invert)

    def prepare_synthesis(self, request: Any) -> ToyJob:
        if len({part.log_tau.tobytes() for part in request.atmosphere}) > 1:
            raise UnsupportedError("one depth axis only")
        return self._prepare(request, synthesize)

    def prepare_response(self, request: Any) -> ToyJob:
        return self._prepare(request, respond)


@dataclass
class ToyJob:
    engine: ToyEngine
    request: Any
    make: Callable[[Any, int, Any], Any]
    batch: int = 2

    def run(self, rows: Sequence[int], slot: Any) -> Any:
        parts = [self.make(self.request, row, slot) for row in rows]
        return self.engine.spoil(self, rows, join(parts))


def join(parts: list[Any]) -> Any:
    first = parts[0]
    values: dict[str, Any] = {}
    for name in first.__dataclass_fields__:
        column = [getattr(part, name) for part in parts]
        if isinstance(column[0], np.ndarray):
            values[name] = np.concatenate(column)
        elif name in ("atmosphere", "uncertainty"):
            values[name] = tuple(Atmosphere.concatenate(list(c)) for c in zip(*column, strict=True))
        elif name in ("status", "message"):
            values[name] = tuple(entry for entries in column for entry in entries)
        else:
            values[name] = column[0]
    return type(first)(**values)


def profile(plan: Any, wavelength: Any, parts: Sequence[Atmosphere], stray: Any = None) -> Any:
    """Stokes profiles (4, n) of one pixel."""
    total = np.zeros((4, wavelength.size))
    for number, part in enumerate(parts):
        share = 1.0 if len(parts) == 1 else float(part.filling_factor[0])
        total += share * component(plan, wavelength, part)
        if number == 0 and stray is not None:
            total = (1 - part.stray_light[0]) * total + part.stray_light[0] * stray
    return total


def component(plan: Any, wavelength: Any, part: Atmosphere) -> Any:
    t, b, v, gamma, phi, micro = (
        float(getattr(part, name)[0].mean())
        for name in (
            "temperature",
            "field_strength",
            "velocity",
            "inclination",
            "azimuth",
            "microturbulence",
        )
    )
    level, gamma, phi = (t / 6000.0) ** 4, np.radians(gamma), np.radians(phi)
    variance = 1.0 + micro**2 + float(part.macroturbulence[0]) ** 2
    strength = 0.5 * np.sqrt((1 + micro**2) / variance)
    stokes = np.zeros((4, wavelength.size))
    for line in plan.regions[0].lines:
        lande = 2.5 if line.wavelength > 6302 else 5 / 3
        width = line.wavelength * np.sqrt(variance) / LIGHT
        split = ZEEMAN * lande * line.wavelength**2 * b
        x = wavelength - line.wavelength * (1 + v / LIGHT)
        pi, blue, red = (np.exp(-0.5 * ((x + shift) / width) ** 2) for shift in (0.0, split, -split))
        wings, sin2 = 0.5 * (blue + red), np.sin(gamma) ** 2
        stokes[0] += 0.5 * strength * (pi * sin2 + wings * (1 + np.cos(gamma) ** 2))
        stokes[1] += 0.5 * strength * (wings - pi) * sin2 * np.cos(2 * phi)
        stokes[2] += 0.5 * strength * (wings - pi) * sin2 * np.sin(2 * phi)
        stokes[3] += 0.5 * strength * (blue - red) * np.cos(gamma)
    stokes[0] = 1 - stokes[0]
    return level * stokes


def pressures(part: Atmosphere, mu: float) -> Atmosphere:
    return replace(part, **{name: np.full_like(part.temperature, 100.0 * mu) for name in OPTIONAL})


def mu_of(request: Any, row: int) -> float:
    return float(request.plan.mu if request.mu is None else request.mu[row])


def synthesize(request: Any, row: int, slot: Any) -> SynthesizeResults:
    parts = tuple(pressures(part.take([row]), mu_of(request, row)) for part in request.atmosphere)
    pixel = request.pixel[[row]]
    if slot.cancelled():
        nothing = np.full((1, 4, request.wavelength.size), np.nan, np.float32)
        return SynthesizeResults(pixel, (Status.NO_OUTPUT,), ("cancelled",), nothing, parts)
    made = profile(request.plan, request.wavelength, parts, request.stray_light_profile)
    return SynthesizeResults(pixel, (Status.OK,), ("",), made[None].astype(np.float32), parts)


def respond(request: Any, row: int, slot: Any) -> ResponseResults:
    one, n_depth = request.atmosphere.take([row]), request.atmosphere.n_depth
    rows = []
    for name in request.quantities:
        ends = [
            component(request.plan, request.wavelength, replace(one, **{name: getattr(one, name) + step}))
            for step in (1e-3, -1e-3)
        ]
        rows.append(np.repeat((ends[0] - ends[1])[None] / 2e-3 / n_depth, n_depth, axis=0))
    made = profile(request.plan, request.wavelength, (one,))[None].astype(np.float32)
    response = np.array(rows)[None].astype(np.float32)
    pixel = request.pixel[[row]]
    return ResponseResults(pixel, (Status.OK,), ("",), request.quantities, response, made)


def invert(request: Any, row: int, slot: Any) -> InvertResults:
    """The best of the start and some changes of its field."""
    plan, observed = request.plan, request.spectra.stokes[row].astype(float)
    weight = np.where(np.isfinite(observed), 1 / np.asarray(plan.noise)[:, None] ** 2, 0.0)
    if request.spectra.weights is not None:
        weight = weight * request.spectra.weights
    pixel = request.pixel[[row]]
    blank = {"n_component": plan.n_component, "log_tau": plan.log_tau, "n_wavelength": observed.shape[1]}
    for bad, status, message in (
        (slot.cancelled(), Status.NO_OUTPUT, "cancelled"),
        (slot.out_of_time(), Status.TIMEOUT, "too late"),
        (not weight.any(), Status.INVALID_INPUT, "no data"),
    ):
        if bad:
            return InvertResults.failed(pixel, status, message, **blank)
    start = tuple(part.take([row]).resample(plan.log_tau) for part in request.start)

    def changed(scale: float, offset: float) -> tuple[Atmosphere, ...]:
        part = start[0]
        return (
            replace(part, field_strength=part.field_strength * scale, temperature=part.temperature + offset),
            *start[1:],
        )

    def fit(parts: tuple[Atmosphere, ...]) -> Any:
        made = profile(plan, request.spectra.wavelength, parts, request.stray_light_profile)
        return made.astype(np.float32)

    known, seen = weight > 0, np.nan_to_num(observed)
    tries = [changed(scale, offset) for scale in (0.8, 1.0, 1.5) for offset in (-250.0, -100.0, 0.0)]
    best = min(tries, key=lambda parts: float((weight * (seen - fit(parts)) ** 2)[known].sum()))
    made = fit(best)
    squares, count = np.where(known, weight * (seen - made) ** 2, 0.0), known.sum(axis=1)
    asked = request.cycles or tuple(range(len(plan.cycles)))
    cycle = plan.cycles[asked[-1]]
    n_free = cycle.n_free
    with np.errstate(invalid="ignore"):
        by_stokes = np.where(count > 0, squares.sum(axis=1) / count, np.nan)
    filled = tuple(pressures(part, 1.0) for part in best)
    return InvertResults(
        pixel=pixel,
        status=(Status.OK,),
        message=("",),
        atmosphere=filled,
        uncertainty=tuple(Atmosphere.full(1, plan.log_tau) for _ in best),
        fit=made[None],
        chi2=np.array([squares.sum() / max(int(count.sum()) - n_free, 1)]),
        chi2_stokes=by_stokes[None],
        chi2_engine=np.array([squares.sum()]),
        cycles=np.array([sum(1 << n for n in asked)], np.int32),
        best_cycle=np.array([asked[-1]], np.int32),
        iterations=np.array([3], np.int32),
        seconds=np.array([0.0]),
    )


def suite(spoil: Spoil | None = None, identity: EngineInfo = INFO, **opt_outs: str) -> EngineConformance:
    """The suite, set up for a toy engine."""

    class Toy(EngineConformance):
        opt_outs = {Check.ALL_CYCLES: "no"}  # noqa: RUF012

        @classmethod
        def make_engine(cls) -> ToyEngine:
            return ToyEngine(spoil, identity) if spoil else ToyEngine(identity=identity)

    Toy.setup_class()
    return Toy()


class TestToyConformance(EngineConformance):
    """An engine in order passes."""

    opt_outs = {Check.ALL_CYCLES: "the toy has no cycles"}  # noqa: RUF012

    @classmethod
    def make_engine(cls) -> ToyEngine:
        return ToyEngine()


def change(**values: Callable[[Any], Any]) -> Spoil:
    """Change fields of inversion results."""

    def spoil(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
        if not isinstance(results, InvertResults):
            return results
        return replace(results, **{name: make(results) for name, make in values.items()})

    return spoil


def change_profile(make: Callable[[Any, Any], Any]) -> Spoil:
    """Change the synthesised profiles."""

    def spoil(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
        if not isinstance(results, SynthesizeResults):
            return results
        return replace(results, stokes=make(job.request, results.stokes).astype(np.float32))

    return spoil


def flip(*indices: int) -> Spoil:
    signs = np.ones((4, 1), np.float32)
    signs[list(indices)] = -1.0
    return change_profile(lambda request, stokes: stokes * signs)


def other_speed(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
    """Velocities taken for m/s."""
    if not isinstance(results, SynthesizeResults):
        return results
    slow = tuple(replace(part, velocity=part.velocity * 1e-3) for part in job.request.atmosphere)
    request = replace(job.request, atmosphere=slow)
    return join([synthesize(request, row, StubSlot()) for row in rows])


def tesla(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
    """Fields taken for something ten times weaker."""
    if not isinstance(results, SynthesizeResults):
        return results
    weak = tuple(replace(part, field_strength=part.field_strength * 0.1) for part in job.request.atmosphere)
    return join([synthesize(replace(job.request, atmosphere=weak), row, StubSlot()) for row in rows])


def leftovers(results: InvertResults) -> Any:
    """The fit of the pixel before, where there is none."""
    none = np.array([not status.has_result for status in results.status])
    return np.where(none[:, None, None], np.roll(results.fit, 1, axis=0), results.fit)


def by_slot(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
    """The last digits depend on how many pixels came together."""
    if not isinstance(results, InvertResults):
        return results
    return replace(results, chi2=results.chi2 * (1 + 1e-9 * len(rows)))


def reverse(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
    again = [job.make(job.request, row, StubSlot()) for row in reversed(rows)]
    return join(again)


def negative(results: InvertResults) -> Any:
    return tuple(replace(p, velocity=np.full_like(p.velocity, -1.0)) for p in results.uncertainty)


def hole(results: InvertResults) -> Any:
    fit = results.fit.copy()
    fit[:, 0, 7] = np.nan
    return fit


def believe_nobody(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
    """Errors that are not known are taken for certainty."""
    if not isinstance(results, InvertResults) or not job.request.start_error:
        return results
    return replace(results, fit=np.nan_to_num(results.fit) * 0.999)


BROKEN: dict[str, tuple[Spoil, str, str]] = {
    "chi2 of something else": (
        change(chi2=lambda r: r.chi2 * 1.01),
        "test_chi2_is_that_of_the_fit",
        "χ² is",
    ),
    "chi2 of V": (
        change(chi2_stokes=lambda r: r.chi2_stokes[:, ::-1]),
        "test_chi2_is_that_of_the_fit",
        "χ² of Stokes I",
    ),
    "NaN called good": (change(fit=hole), "test_every_pixel_gets_a_result", "fit is not finite"),
    "zeros for nothing": (
        change(fit=lambda r: np.nan_to_num(r.fit)),
        "test_a_pixel_without_data_has_no_result",
        "fit holds numbers",
    ),
    "leftovers": (change(fit=leftovers), "test_a_pixel_without_data_has_no_result", "fit holds numbers"),
    "no reason": (
        change(message=lambda r: ("",) * len(r)),
        "test_a_pixel_without_data_has_no_result",
        "gives no reason",
    ),
    "terminal escapes": (
        change(message=lambda r: tuple(m and m + "\x1b[31m" for m in r.message)),
        "test_nobody_waits_any_more",
        "control characters",
    ),
    "another order": (reverse, "test_results_are_in_the_order_of_the_rows", "in this order"),
    "depends on the batch": (by_slot, "test_results_are_in_the_order_of_the_rows", "chi2 differ"),
    "errors nobody knows": (believe_nobody, "test_errors_of_a_start", "fit differ"),
    "negative uncertainty": (
        change(uncertainty=negative),
        "test_every_pixel_gets_a_result",
        "uncertainty of velocity is negative",
    ),
    "cycles nobody asked for": (
        change(cycles=lambda r: r.cycles | 2),
        "test_only_the_cycles_asked_for_run",
        "cycles 0b11 ran",
    ),
    "a best cycle that did not run": (
        change(best_cycle=lambda r: r.best_cycle + 1),
        "test_every_pixel_gets_a_result",
        "none of those that ran",
    ),
    "V upside down": (
        flip(3),
        "test_stokes_v_is_positive_in_the_blue_for_a_field_towards_us",
        "wrong sign",
    ),
    "Q upside down": (flip(1), "test_linear_polarisation", "Q is not positive"),
    "Q and U exchanged": (
        change_profile(lambda request, stokes: stokes[:, [0, 2, 1, 3]]),
        "test_linear_polarisation",
        "Q is not positive",
    ),
    "red and blue exchanged": (
        change_profile(lambda request, stokes: stokes[:, :, ::-1]),
        "test_receding_matter_is_redshifted",
        "move the line by",
    ),
    "velocity in m/s": (other_speed, "test_receding_matter_is_redshifted", "move the line by"),
    "field in another unit": (tesla, "test_the_field_is_in_gauss", "split the line by"),
    "profiles over the local continuum": (
        change_profile(lambda request, stokes: stokes / stokes[:, :1].max(axis=2, keepdims=True)),
        "test_hotter_is_brighter",
        "continua at",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_engine_is_found_out(what: str) -> None:
    spoil, test, message = BROKEN[what]
    broken = suite(spoil)
    with pytest.raises(AssertionError, match=message):
        getattr(broken, test)()


def test_an_engine_that_does_not_stop_is_found_out() -> None:
    def deaf(job: ToyJob, rows: Sequence[int], results: Any) -> Any:
        return join([job.make(job.request, row, StubSlot()) for row in rows])

    broken = suite(deaf)
    for test in (broken.test_nobody_waits_any_more, broken.test_a_deadline_that_has_passed):
        with pytest.raises(AssertionError, match="but a pixel is OK"):
            test()


def test_opting_out_needs_a_reason() -> None:
    class Silent(EngineConformance):
        opt_outs = {Check.MU: " "}  # noqa: RUF012

        @classmethod
        def make_engine(cls) -> ToyEngine:
            return ToyEngine()

    with pytest.raises(AssertionError, match="no reason is given for heliocentric angle"):
        Silent.setup_class()


def test_a_reason_is_printed() -> None:
    toy = suite()
    with pytest.raises(pytest.skip.Exception, match="toy opts out of 'results of every cycle': no"):
        toy.test_results_of_every_cycle()


def test_what_the_engine_denies_must_be_refused() -> None:
    denying = suite(identity=replace(INFO, inverts=False))
    with pytest.raises(AssertionError, match="expected UnsupportedError"):
        denying.test_what_it_cannot_do_is_refused()
    with pytest.raises(pytest.skip.Exception, match="says that it does not invert"):
        denying.test_every_pixel_gets_a_result()
