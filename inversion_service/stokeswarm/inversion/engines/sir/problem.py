"""What the three jobs share: a plan on a wavelength axis, checked against the code, as a bench to run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.plan import Cycle, Plan
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engines.sir import models, texts
from stokeswarm.inversion.engines.sir.bench import Bench, Installation
from stokeswarm.inversion.engines.sir.dialect import (
    ABUNDANCES,
    GRID,
    GUESS,
    LINES,
    MADE,
    OBSERVED,
    PSF,
    STRAY_LIGHT,
    Dialect,
    Mode,
    Task,
    Where,
)
from stokeswarm.inversion.engines.sir.sampling import Sampling, sampling
from stokeswarm.inversion.engines.sir.weighting import Weights

Floats = npt.NDArray[np.float64]

#: weights where nothing is fitted
EQUAL_WEIGHTS: Weights = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Units:
    """From the request's continuum reference to the code's unit of profiles.

    Attributes
    ----------
    plan : Plan
    slices : tuple of slice
        Of the regions on the request's axis.
    reference : ContinuumReference
    code : tuple of float or ndarray
        The code's unit of each region, as a number or by sample, 1 = the HSRA's continuum at disc centre.
    """

    plan: Plan
    slices: tuple[slice, ...]
    reference: ContinuumReference
    code: tuple[float | Floats, ...]

    def factor(self, mu: float) -> Floats:
        """What profiles (4, n_wavelength) over the reference are multiplied with, (n_wavelength,).

        The local quiet Sun is the HSRA's continuum darkened towards the limb, as in the LTE engine.
        """
        factor = np.empty(max(part.stop for part in self.slices))
        for region, part, unit in zip(self.plan.regions, self.slices, self.code, strict=True):
            local = self.reference is ContinuumReference.LOCAL_QUIET_SUN
            factor[part] = unit * (limb_darkening(region.lines[0].wavelength, mu) if local else 1.0)
        return factor


class Problem:
    """A plan on a wavelength axis, for one code.

    Parameters
    ----------
    installation : Installation
    plan : Plan
    mode : Mode
    wavelength : ndarray (n_wavelength,) float64
        Å.
    log_tau : ndarray (n_depth,) float64
    n_component : int
    reference : ContinuumReference
        Of the request's profiles.
    cycles : sequence of Cycle
        Of an inversion, those that run.
    stray_light : ndarray (4, n_wavelength) float32 or None
    smears : bool
        Whether there is a macroturbulence.

    Raises
    ------
    PlanError
        The code cannot do this; says what it can.
    """

    def __init__(
        self,
        installation: Installation,
        plan: Plan,
        mode: Mode,
        wavelength: Floats,
        log_tau: Floats,
        n_component: int,
        reference: ContinuumReference,
        *,
        cycles: Sequence[Cycle] = (),
        stray_light: npt.NDArray[np.float32] | None = None,
        smears: bool = False,
    ) -> None:
        self.plan, self.mode, self.log_tau = plan, mode, np.array(log_tau, dtype=np.float64)
        self.dialect: Dialect = installation.dialect
        self.options: Mapping[str, object] = self.dialect.options(plan)
        self.dialect.check(plan, self.options, mode)
        bounds = self.dialect.bounds
        if self.log_tau.size > bounds.depths:
            raise PlanError(f"depth axis: {self.log_tau.size} points, the code holds {bounds.depths}")
        psf = texts.psf_text(plan, bounds)
        self.sampling: Sampling = sampling(
            plan,
            wavelength,
            bounds,
            inverts=mode is Mode.INVERSION,
            smears=smears or bool(psf),
            exact=stray_light is not None,
        )
        self.cycles = tuple(cycles)
        self.has_stray_light = stray_light is not None
        self.units = Units(plan, plan.region_slices(wavelength), reference, tuple(self.dialect.unit(plan)))
        self._has_psf = bool(psf)
        self._stray_light = stray_light
        self._guess = GUESS[:n_component]
        self._writer = models.ModelWriter(self.log_tau)
        self.bench = Bench(
            installation,
            plan,
            self.options,
            {
                LINES: texts.lines_text(plan),
                ABUNDANCES: texts.abundances_text(plan),
                GRID: self.sampling.text,
                PSF: psf,
            },
        )

    def name(self, stem: str) -> str:
        """Name of a file of profiles."""
        return stem + self.dialect.suffix

    def task(self, mode: Mode, mu: float, weights: Sequence[Weights] = (EQUAL_WEIGHTS,)) -> Task:
        """One run; of an inversion on the observed profiles, else on those to be made."""
        return Task(
            mode=mode,
            cycles=self.cycles if mode is Mode.INVERSION else (),
            plan=self.plan,
            mu=mu,
            weights=tuple(weights),
            options=self.options,
            stray_light=self.has_stray_light,
            psf=self._has_psf,
            profile=self.name(OBSERVED if mode is Mode.INVERSION else MADE),
            models=self._guess,
        )

    def guess_files(self, values: Sequence[Floats], headers: Sequence[Floats]) -> dict[str, str]:
        """The models of one pixel, of `models.pixel_values`."""
        return {
            name: self._writer.text(columns, header)
            for name, columns, header in zip(self._guess, values, headers, strict=True)
        }

    def stray_light_files(self, factor: Floats) -> dict[str, str]:
        """The stray-light profile in the code's unit, where there is one."""
        if self._stray_light is None:
            return {}
        return {STRAY_LIGHT: texts.stray_light_text(self.sampling, self._stray_light, factor)}


def place_of(plan: Plan, mu: Floats | None, position: Floats | None, row: int) -> Where:
    """Where a request's pixel lies."""
    found = None if position is None else (float(position[row, 0]), float(position[row, 1]))
    return Where(plan.mu if mu is None else float(mu[row]), found)


def with_pressure(
    atmosphere: Atmosphere, plan: Plan, row: int, mu: float, component: int, *, always: bool
) -> Atmosphere:
    """One pixel, in hydrostatic equilibrium where it lacks an electron pressure, or ``always``."""
    one = atmosphere.take([row])
    pressure = one.electron_pressure
    if not always and bool(models.has_pressure(one)[0]):
        return one
    if pressure is not None and not pressure[0, -1] > 0.0:  # no boundary condition
        one = replace(one, electron_pressure=None)
    # Here, not above: it brings the LTE engine's compiler, which most requests never need.
    from stokeswarm.inversion.hydrostatic import with_pressures

    return with_pressures(one, plan, mu, component)


def make_ready(atmospheres: Sequence[Atmosphere], plan: Plan, *, always: bool = False) -> None:
    """Load and compile what `with_pressure` needs, where it will be: no pixel's time is to pay for it."""
    for component, atmosphere in enumerate(atmospheres):
        lacking = np.flatnonzero(always | ~models.has_pressure(atmosphere))
        if lacking.size:
            with_pressure(atmosphere, plan, int(lacking[0]), plan.mu, component, always=always)
