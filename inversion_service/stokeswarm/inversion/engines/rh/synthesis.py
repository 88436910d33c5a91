"""A synthesis by RH: pixels to columns, columns to spectra of their rays, spectra to profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.rh.column import Column, Frame, column
from stokeswarm.inversion.engines.rh.installation import Installation
from stokeswarm.inversion.engines.rh.observable import Observable, mixed
from stokeswarm.inversion.engines.rh.settings import settings_of
from stokeswarm.inversion.engines.rh.solver import CANCELLED, Failure, Solution, Solver
from stokeswarm.inversion.external.runner import Runner
from stokeswarm.inversion.hydrostatic import with_pressures

Floats = npt.NDArray[np.float64]

#: pixels that one call may carry where they have their atmosphere in common
MAX_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Ray:
    """What one component of one pixel gave.

    Attributes
    ----------
    stokes : ndarray (4, n_wavelength) float64
        J m⁻² s⁻¹ Hz⁻¹ sr⁻¹.
    solution : Solution
        Of the populations.
    """

    stokes: Floats
    solution: Solution


class RhSynthesis:
    """A prepared synthesis.

    Attributes
    ----------
    batch : int
        As many pixels as follow each other with one column, so that its populations are solved for once; 1
        where no two do.

    Raises
    ------
    PlanError, SpectraError
        On construction, where RH or this installation cannot do what the request says.
    """

    def __init__(self, request: SynthesizeRequest, installation: Installation, runner: Runner) -> None:
        self._request = request
        self._installation = installation
        self._runner = runner
        self._settings = settings_of(request, installation)
        self._observable = Observable(request.plan, request.wavelength, self._settings.vacuum)
        self._mu = np.full(len(request), request.plan.mu) if request.mu is None else request.mu
        upright = self._settings.frame is Frame.VERTICAL
        #: cosine of what the atmospheres lie along
        self._slant = np.ones(len(request)) if upright else self._mu
        self._stray = (
            None if request.stray_light_profile is None else request.stray_light_profile.astype(np.float64)
        )
        self.batch = min(MAX_BATCH, self._longest_run())

    def _longest_run(self) -> int:
        """Most pixels that follow each other with one column."""
        arrays = [array for part in self._request.atmosphere for array in part.arrays().values()]
        longest = current = 1
        for row in range(1, len(self._request)):
            same = self._slant[row] == self._slant[row - 1] and all(
                np.array_equal(array[row], array[row - 1], equal_nan=True) for array in arrays
            )
            current = current + 1 if same else 1
            longest = max(longest, current)
        return longest

    def run(self, rows: Sequence[int], slot: Slot) -> SynthesizeResults:
        """Synthesise the request's pixels at some positions."""
        request = self._request
        used = tuple(self._with_pressures(number, rows) for number in range(len(request.atmosphere)))
        solver = Solver(self._installation, self._settings, self._runner.place(slot), slot)
        spectra = [self._component(solver, number, part, rows, slot) for number, part in enumerate(used)]
        stokes = np.full((len(rows), 4, request.wavelength.size), np.nan, np.float32)
        status, message = [], []
        for i, row in enumerate(rows):
            parts = [component[i] for component in spectra]
            failure = next((part for part in parts if isinstance(part, Failure)), None)
            if failure is not None:
                status.append(failure.status)
                message.append(failure.message)
                continue
            rays = [part for part in parts if isinstance(part, Ray)]
            stokes[i] = self._profile(i, row, used, rays)
            late = [ray.solution.convergence.message for ray in rays if not ray.solution.convergence.reached]
            status.append(Status.NOT_CONVERGED if late else Status.OK)
            message.append(late[0] if late else "")
        failed = np.array([not s.has_result for s in status])
        return SynthesizeResults(
            pixel=request.pixel[list(rows)],
            status=tuple(status),
            message=tuple(message),
            stokes=stokes,
            atmosphere=tuple(_without(part, failed) for part in used),
        )

    def _profile(self, i: int, row: int, used: tuple[Atmosphere, ...], rays: list[Ray]) -> Floats:
        mu = float(self._mu[row])
        components = [
            self._observable.emergent(ray.stokes, mu, float(part.macroturbulence[i]))
            for part, ray in zip(used, rays, strict=True)
        ]
        filling, stray_light = float(used[-1].filling_factor[i]), float(used[0].stray_light[i])
        return mixed(components, filling, stray_light, self._stray)

    def _component(
        self, solver: Solver, number: int, atmosphere: Atmosphere, rows: Sequence[int], slot: Slot
    ) -> list[Ray | Failure]:
        """Spectra of one component; equal columns are solved for once."""
        outcomes: dict[int, Ray | Failure] = {}
        groups: dict[tuple[str, bytes], tuple[Column, list[int]]] = {}
        for i, row in enumerate(rows):
            reason = _unphysical(atmosphere, i)
            if reason:
                outcomes[i] = Failure(Status.INVALID_INPUT, f"component {number + 1}: {reason}")
                continue
            settings = self._settings
            made = column(atmosphere, i, float(self._slant[row]), settings.gas)
            groups.setdefault(made.identity(), (made, []))[1].append(i)
        for made, members in groups.values():
            mus = {i: float(self._mu[rows[i]]) for i in members}
            outcomes.update(_rays(solver, made, mus, slot))
        return [outcomes[i] for i in range(len(rows))]

    def _with_pressures(self, number: int, rows: Sequence[int]) -> Atmosphere:
        """The pixels' atmospheres, in hydrostatic equilibrium where asked or without an electron pressure."""
        part = self._request.atmosphere[number].take(list(rows))
        given = part.arrays()
        missing = np.full(part.temperature.shape, np.nan)
        filled: dict[str, Any] = {name: given.get(name, missing).copy() for name in OPTIONAL}
        known = np.isfinite(filled["electron_pressure"]).all(axis=1)
        needed = np.flatnonzero(~known | self._request.hydrostatic)
        if needed.size:
            slant = self._slant[list(rows)][needed]
            made = with_pressures(part.take(needed), self._request.plan, slant, number).arrays()
            for name in OPTIONAL:
                filled[name][needed] = made[name]
        return replace(part, **filled)


def _rays(solver: Solver, made: Column, mus: dict[int, float], slot: Slot) -> dict[int, Ray | Failure]:
    """Spectra of several rays of a column, by key; what was cut short from outside is tried once more."""
    outcomes: dict[int, Ray | Failure] = {}
    solution: Solution | None = None
    for key, mu in mus.items():
        for last_try in (False, True):
            if slot.cancelled():
                outcomes[key] = Failure(Status.NO_OUTPUT, CANCELLED)
                break
            try:
                if solution is None:
                    solution = solver.solve(made)
                outcomes[key] = Ray(solver.ray(solution, mu), solution)
                break
            except Failure as failure:
                if failure.retriable and not last_try:
                    solution = None
                    continue
                if solution is None:
                    # the others would end the same way
                    return outcomes | dict.fromkeys((k for k in mus if k not in outcomes), failure)
                outcomes[key] = failure
                break
    return outcomes


def _unphysical(atmosphere: Atmosphere, i: int) -> str:
    """Why a pixel's atmosphere cannot be given to RH; empty where it can."""
    for name, values in atmosphere.arrays().items():
        if name in STRATIFIED and name not in ("height", "gas_pressure", "density"):
            if not np.isfinite(values[i]).all():
                return f"{name} is not finite everywhere"
        elif name in SCALAR and not np.isfinite(values[i]):
            return f"{name} is not finite"
    for name in ("temperature", "electron_pressure"):
        if not (atmosphere.arrays()[name][i] > 0.0).all():
            return f"{name} is not positive everywhere"
    for name in ("field_strength", "microturbulence"):
        if (atmosphere.arrays()[name][i] < 0.0).any():
            return f"{name} is negative somewhere"
    return ""


def _without(atmosphere: Atmosphere, failed: npt.NDArray[np.bool_]) -> Atmosphere:
    """The same, with NaN for the pixels that failed."""
    changed: dict[str, Any] = {}
    for name, values in atmosphere.arrays().items():
        changed[name] = values.copy()
        changed[name][failed] = np.nan
    return replace(atmosphere, **changed)
