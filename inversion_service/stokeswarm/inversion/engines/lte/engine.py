"""The LTE engine behind the server's protocol: contract requests in, contract results out."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from importlib import metadata, resources
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import PlanError, UnsupportedError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import (
    CycleResults,
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import QUANTITIES, Cycle, Nodes, Plan, Region
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte import kernels
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.forward import Workspace
from stokeswarm.inversion.engines.lte.invert import Outcome, PixelInverter
from stokeswarm.inversion.engines.lte.observed import Fit, Observed
from stokeswarm.inversion.engines.lte.parameters import Layout
from stokeswarm.inversion.engines.lte.prior import StartError
from stokeswarm.inversion.engines.lte.state import (
    ELECTRON_PRESSURE,
    TEMPERATURE,
    TO_ENGINE,
    Component,
    component_values,
    to_atmosphere,
)
from stokeswarm.inversion.hydrostatic import top_gas_pressure
from stokeswarm.inversion.merit import merit, observed_and_weight

Floats = npt.NDArray[np.float64]

NAME: Final = "lte"
#: message of a pixel that nobody waits for any more
CANCELLED: Final = "cancelled"


class LteEngine:
    """Depth-stratified LTE synthesis, response functions and inversion in compiled Python."""

    def info(self) -> EngineInfo:
        """Name, version and the sha256 of the engine's sources."""
        return EngineInfo(
            name=NAME,
            version=metadata.version("stokeswarm"),
            digest=_digest(),
            available=True,
            inverts=True,
            synthesizes=True,
            responds=True,
        )

    def warm_up(self) -> None:
        """Compile every kernel by inverting one small profile."""
        kernels.warm_up()
        plan, atmosphere = _tiny_problem()
        wavelength = plan.wavelength
        made = self.prepare_synthesis(
            SynthesizeRequest(NAME, plan, (atmosphere,), np.array([0]), wavelength, hydrostatic=True)
        ).run([0], Slot())
        evaluator = Evaluator(plan, wavelength, atmosphere.log_tau)
        observed = Observed(made.stokes[0].astype(np.float64), np.ones((4, wavelength.size)), None, plan.mu)
        start = Model((_component(evaluator, plan, atmosphere, 0, 0, 1.0, hydrostatic=True),), 0.0, 0.0)
        PixelInverter(evaluator).invert(observed, start, (0,), evaluator.workspace(), Slot())

    def prepare_inversion(self, request: InvertRequest) -> LteInversion:
        """Check and set up an inversion; see `stokeswarm.inversion.engine.Engine`."""
        _check(request.plan)
        return LteInversion(request)

    def prepare_synthesis(self, request: SynthesizeRequest) -> LteSynthesis:
        """Check and set up a synthesis."""
        _check(request.plan)
        return LteSynthesis(request)

    def prepare_response(self, request: ResponseRequest) -> LteResponse:
        """Check and set up response functions."""
        _check(request.plan)
        return LteResponse(request)

    def close(self) -> None:
        """Nothing is held."""


class _Workspaces:
    """One workspace a thread."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._local = threading.local()

    def get(self) -> Workspace:
        found: Workspace | None = getattr(self._local, "workspace", None)
        if found is None:
            found = self._evaluator.workspace()
            self._local.workspace = found
        return found


class LteInversion:
    """A prepared inversion."""

    #: pixels a call: small, so that results flow and a cancelled request stops soon
    batch: int = 2

    def __init__(self, request: InvertRequest) -> None:
        self._request = request
        spectra = request.spectra
        self._evaluator = Evaluator(request.plan, spectra.wavelength, request.plan.log_tau, spectra.reference)
        self._inverter = PixelInverter(self._evaluator)
        self._workspaces = _Workspaces(self._evaluator)
        self._starts = tuple(start.resample(request.plan.log_tau) for start in request.start)
        self._errors = tuple(error.resample(request.plan.log_tau) for error in request.start_error)

    def run(self, rows: Sequence[int], slot: Slot) -> InvertResults:
        """Invert the request's pixels at some positions."""
        outcomes, seconds, observed = [], [], []
        for row in rows:
            began = time.thread_time()
            pixel = _observed(self._request, row)
            observed.append(pixel)
            start = _start(self._request, self._evaluator, self._starts, row, pixel.mu)
            cycles = self._request.cycles or tuple(range(len(self._request.plan.cycles)))
            error = tuple(
                StartError(component_values(part, row), float(part.macroturbulence[row]))
                for part in self._errors
            )
            workspace = self._workspaces.get()
            outcomes.append(self._inverter.invert(pixel, start, cycles, workspace, slot, error))
            seconds.append(time.thread_time() - began)
        return self._results(rows, outcomes, observed, seconds)

    def _results(
        self,
        rows: Sequence[int],
        outcomes: list[Outcome],
        observed: list[Observed],
        seconds: list[float],
    ) -> InvertResults:
        n_component = self._request.plan.n_component
        n_wavelength = self._evaluator.wavelength.size
        k = len(rows)
        fit = np.full((k, 4, n_wavelength), np.nan, np.float32)
        chi2, chi2_stokes = np.full(k, np.nan), np.full((k, 4), np.nan)
        for i, (outcome, pixel) in enumerate(zip(outcomes, observed, strict=True)):
            if outcome.fit is None:
                continue
            fit[i] = outcome.fit.profile
            n_free = outcome.layout.n_free if outcome.layout is not None else 0
            chi2[i], chi2_stokes[i] = merit(pixel.stokes, fit[i], pixel.weight, n_free)
        return InvertResults(
            pixel=self._request.pixel[list(rows)],
            status=tuple(o.status for o in outcomes),
            message=tuple(o.message for o in outcomes),
            atmosphere=tuple(self._atmospheres(outcomes, c) for c in range(n_component)),
            uncertainty=tuple(self._uncertainties(outcomes, c) for c in range(n_component)),
            fit=fit,
            chi2=chi2,
            chi2_stokes=chi2_stokes,
            chi2_engine=np.array([o.merit for o in outcomes]),
            cycles=np.array([sum(1 << n for n in o.ran) for o in outcomes], np.int32),
            best_cycle=np.array([o.best_cycle for o in outcomes], np.int32),
            iterations=np.array([o.iterations for o in outcomes], np.int32),
            seconds=np.array(seconds),
            by_cycle=self._by_cycle(outcomes, observed) if self._request.all_cycles else (),
        )

    def _by_cycle(self, outcomes: list[Outcome], observed: list[Observed]) -> tuple[CycleResults, ...]:
        request, log_tau = self._request, self._evaluator.log_tau
        k, n_wavelength = len(outcomes), self._evaluator.wavelength.size
        results = []
        for number in request.cycles or range(len(request.plan.cycles)):
            fit = np.full((k, 4, n_wavelength), np.nan, np.float32)
            chi2 = np.full(k, np.nan)
            parts = [[Atmosphere.full(1, log_tau)] * k for _ in range(request.plan.n_component)]
            for i, (outcome, pixel) in enumerate(zip(outcomes, observed, strict=True)):
                for cycle, made, n_free in outcome.by_cycle:
                    if cycle != number:
                        continue
                    fit[i] = made.profile
                    chi2[i] = merit(pixel.stokes, fit[i], pixel.weight, n_free)[0]
                    for c, part in enumerate(parts):
                        part[i] = _atmosphere(made, c, log_tau)
            atmospheres = tuple(Atmosphere.concatenate(part) for part in parts)
            results.append(CycleResults(number, atmospheres, fit, chi2))
        return tuple(results)

    def _atmospheres(self, outcomes: list[Outcome], component: int) -> Atmosphere:
        log_tau = self._evaluator.log_tau
        return Atmosphere.concatenate(
            [
                Atmosphere.full(1, log_tau)
                if outcome.fit is None
                else _atmosphere(outcome.fit, component, log_tau)
                for outcome in outcomes
            ]
        )

    def _uncertainties(self, outcomes: list[Outcome], component: int) -> Atmosphere:
        log_tau = self._evaluator.log_tau
        parts = []
        for outcome in outcomes:
            empty = Atmosphere.full(1, log_tau)
            n_component = outcome.sigma.shape[0]
            named = {
                name: (outcome.sigma[component, q] / TO_ENGINE[q])[None] for q, name in enumerate(QUANTITIES)
            }
            scalars = {
                "macroturbulence": outcome.sigma_scalar[component : component + 1],
                "filling_factor": outcome.sigma_scalar[n_component : n_component + 1],
                "stray_light": outcome.sigma_scalar[n_component + 1 : n_component + 2],
            }
            parts.append(Atmosphere(log_tau=log_tau, **(empty.arrays() | named | scalars)))
        return Atmosphere.concatenate(parts)


class LteSynthesis:
    """A prepared synthesis."""

    batch: int = 16

    def __init__(self, request: SynthesizeRequest) -> None:
        self._request = request
        log_tau = request.atmosphere[0].log_tau
        if any(not np.array_equal(a.log_tau, log_tau) for a in request.atmosphere):
            raise UnsupportedError("both components of a synthesis need the same depth axis")
        self._evaluator = Evaluator(request.plan, request.wavelength, log_tau)
        self._workspaces = _Workspaces(self._evaluator)

    def run(self, rows: Sequence[int], slot: Slot) -> SynthesizeResults:
        """Synthesise the request's pixels at some positions."""
        request, evaluator = self._request, self._evaluator
        stray = _as_double(request.stray_light_profile)
        stokes = np.full((len(rows), 4, evaluator.wavelength.size), np.nan, np.float32)
        status, message = [], []
        used: list[list[Atmosphere]] = [[] for _ in request.atmosphere]
        for i, row in enumerate(rows):
            mu = request.plan.mu if request.mu is None else float(request.mu[row])
            if slot.cancelled():
                status.append(Status.NO_OUTPUT)
                message.append(CANCELLED)
                for c, atmosphere in enumerate(request.atmosphere):
                    used[c].append(Atmosphere.full(1, atmosphere.log_tau))
                continue
            components = tuple(
                _component(evaluator, request.plan, a, row, c, mu, hydrostatic=request.hydrostatic)
                for c, a in enumerate(request.atmosphere)
            )
            filling = float(request.atmosphere[1].filling_factor[row]) if len(components) == 2 else 0.0
            model = Model(components, filling, float(request.atmosphere[0].stray_light[row]))
            profile = evaluator.profile(model, stray, mu, self._workspaces.get())
            finite = bool(np.isfinite(profile).all())
            status.append(Status.OK if finite else Status.ENGINE_FAILED)
            message.append("" if finite else "the synthetic profile is not finite (check T and Pe)")
            if finite:
                stokes[i] = profile
            for c, component in enumerate(components):
                part = to_atmosphere(evaluator.log_tau, [component], [model.fraction(c)], [model.stray_light])
                used[c].append(part)
        return SynthesizeResults(
            pixel=request.pixel[list(rows)],
            status=tuple(status),
            message=tuple(message),
            stokes=stokes,
            atmosphere=tuple(Atmosphere.concatenate(parts) for parts in used),
        )


class LteResponse:
    """Prepared response functions."""

    batch: int = 1

    def __init__(self, request: ResponseRequest) -> None:
        self._request = request
        self._evaluator = Evaluator(request.plan, request.wavelength, request.atmosphere.log_tau)
        self._workspaces = _Workspaces(self._evaluator)
        n_depth = request.atmosphere.n_depth
        identity = np.eye(n_depth)
        groups = self._evaluator.node_groups(request.quantities, identity)
        self._layout = Layout(groups, (), False, False)

    def run(self, rows: Sequence[int], slot: Slot) -> ResponseResults:
        """Response functions of the request's pixels at some positions, convolved like the profiles."""
        request, evaluator = self._request, self._evaluator
        n_depth, n_wavelength = evaluator.log_tau.size, evaluator.wavelength.size
        n_quantity = len(request.quantities)
        response = np.full((len(rows), n_quantity, n_depth, 4, n_wavelength), np.nan, np.float32)
        stokes = np.full((len(rows), 4, n_wavelength), np.nan, np.float32)
        status, message = [], []
        for i, row in enumerate(rows):
            if slot.cancelled():
                status.append(Status.NO_OUTPUT)
                message.append(CANCELLED)
                continue
            mu = request.plan.mu if request.mu is None else float(request.mu[row])
            component = _component(evaluator, request.plan, request.atmosphere, row, 0, mu, hydrostatic=False)
            model = Model((component,), 0.0, 0.0)
            profile, jacobian = evaluator.profile_and_jacobian(
                model, self._layout, None, mu, self._workspaces.get()
            )
            unscaled = evaluator.unscaled(jacobian, self._layout, component)
            per_unit = unscaled.reshape(n_quantity, n_depth, 4, n_wavelength)
            units = np.array([TO_ENGINE[QUANTITIES.index(q)] for q in request.quantities])
            per_unit = per_unit * units[:, None, None, None]
            finite = bool(np.isfinite(profile).all() and np.isfinite(per_unit).all())
            status.append(Status.OK if finite else Status.ENGINE_FAILED)
            message.append("" if finite else "the response functions are not finite (check T and Pe)")
            if finite:
                response[i], stokes[i] = per_unit, profile
        return ResponseResults(
            pixel=request.pixel[list(rows)],
            status=tuple(status),
            message=tuple(message),
            quantities=request.quantities,
            response=response,
            stokes=stokes,
        )


def _atmosphere(fit: Fit, component: int, log_tau: Floats) -> Atmosphere:
    """One component of a fit, in the contract's units."""
    model = fit.model
    return to_atmosphere(
        log_tau, [model.components[component]], [model.fraction(component)], [model.stray_light]
    )


def _check(plan: Plan) -> None:
    """Refuse what the engine would pass over in silence.

    Raises
    ------
    PlanError
        Wavelengths in vacuum, or an option of this engine's family, which has none.
    """
    if plan.vacuum:
        raise PlanError("the lte engine takes wavelengths in air; the plan's are in vacuum")
    for key in plan.options:
        if key.startswith(f"{NAME}."):
            raise PlanError(f"option {key}: the lte engine has no options")


def _as_double(values: npt.NDArray[np.float32] | None) -> Floats | None:
    return None if values is None else values.astype(np.float64)


def _observed(request: InvertRequest, row: int) -> Observed:
    """Profile and weights of one pixel; missing samples get weight 0."""
    stokes, weight = observed_and_weight(request, row)
    mu = request.plan.mu if request.mu is None else float(request.mu[row])
    return Observed(stokes, weight, _as_double(request.stray_light_profile), mu)


def _start(
    request: InvertRequest, evaluator: Evaluator, starts: tuple[Atmosphere, ...], row: int, mu: float
) -> Model:
    components = tuple(
        _component(evaluator, request.plan, start, row, c, mu, hydrostatic=True)
        for c, start in enumerate(starts)
    )
    filling = float(starts[1].filling_factor[row]) if len(starts) == 2 else 0.0
    stray = float(starts[0].stray_light[row]) if request.stray_light_profile is not None else 0.0
    return Model(components, filling, stray)


def _component(
    evaluator: Evaluator,
    plan: Plan,
    atmosphere: Atmosphere,
    row: int,
    number: int,
    mu: float,
    *,
    hydrostatic: bool,
) -> Component:
    """Component of one pixel; in hydrostatic equilibrium where asked or without an electron pressure."""
    values = component_values(atmosphere, row)
    top = values[:, -1]
    missing = not np.isfinite(values[ELECTRON_PRESSURE]).all()
    boundary = top_gas_pressure(
        plan,
        number,
        float(top[TEMPERATURE]),
        float("nan") if missing else float(top[ELECTRON_PRESSURE]),
        evaluator.mixture,
    )
    arrays = atmosphere.arrays()
    unknown = np.full(atmosphere.n_depth, np.nan)
    component = Component(
        values=values,
        gas_pressure=arrays["gas_pressure"][row] if "gas_pressure" in arrays else unknown,
        density=arrays["density"][row] if "density" in arrays else unknown,
        height=arrays["height"][row] if "height" in arrays else unknown,
        top_gas_pressure=boundary,
        macroturbulence=float(atmosphere.macroturbulence[row]),
    )
    return evaluator.in_equilibrium(component, mu) if hydrostatic or missing else component


def _digest() -> str:
    """Return the sha256 of the engine's own sources, so that a result names the physics that made it."""
    hasher = hashlib.sha256()
    folder = resources.files("stokeswarm.inversion.engines.lte")
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".py"):
            hasher.update(entry.name.encode())
            hasher.update(entry.read_bytes())
    return hasher.hexdigest()


def _tiny_problem() -> tuple[Plan, Atmosphere]:
    """Return a few wavelengths of the Hinode lines on a coarse atmosphere: enough to touch every kernel."""
    region = instrument("hinode-sp").regions[0]
    small = Region(
        region.name, region.lines, region.start, region.start + 60 * region.step, region.step, region.psf
    )
    nodes = Nodes(
        temperature=3,
        microturbulence=1,
        field_strength=2,
        velocity=2,
        inclination=1,
        azimuth=1,
        macroturbulence=True,
    )
    plan = Plan(
        name="warm-up",
        regions=(small,),
        cycles=(Cycle((nodes,)),),
        depth_step=0.2,
        max_iterations=2,
        reference=ContinuumReference.DISC_CENTRE,
    )
    log_tau = plan.log_tau
    one = np.ones((1, log_tau.size))
    temperature = 6390.0 * (0.5 + 0.75 * 10.0 ** np.clip(log_tau, -4.0, 0.6)) ** 0.25
    return plan, Atmosphere(
        log_tau=log_tau,
        temperature=temperature[None] * one,
        microturbulence=1.0 * one,
        field_strength=1000.0 * one,
        velocity=0.1 * one,
        inclination=40.0 * one,
        azimuth=30.0 * one,
        macroturbulence=np.ones(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
