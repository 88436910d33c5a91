"""SIR's jobs with DeSIRe's dialect, and models that RH can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stokeswarm.contract.atmosphere import OPTIONAL, Atmosphere, Floats
from stokeswarm.contract.inversion import InvertRequest, SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.desire.dialect import DesireDialect
from stokeswarm.inversion.engines.desire.installation import Installation
from stokeswarm.inversion.engines.desire.options import check_position
from stokeswarm.inversion.engines.sir import bench, models
from stokeswarm.inversion.engines.sir.dialect import Mode
from stokeswarm.inversion.engines.sir.inversion import SirInversion
from stokeswarm.inversion.engines.sir.synthesis import SirSynthesis
from stokeswarm.inversion.external.runner import Runner


class DesireInversion(SirInversion):
    """A prepared inversion.

    Parameters
    ----------
    request : InvertRequest
    installation : Installation
    runner : Runner

    Raises
    ------
    PlanError
        DeSIRe cannot do what is asked.
    """

    def __init__(self, request: InvertRequest, installation: Installation, runner: Runner) -> None:
        plan = request.plan
        dialect = DesireDialect(installation, plan, request.spectra.wavelength, Mode.INVERSION)
        if dialect.settings.nlte:
            check_position(plan, dialect.settings, request.mu, request.position)
            starts = tuple(
                _completed(start.resample(plan.log_tau), plan, request.mu, component)
                for component, start in enumerate(request.start)
            )
            request = replace(request, start=starts)
        super().__init__(request, bench.Installation(installation.program, dialect, runner))


class DesireSynthesis(SirSynthesis):
    """A prepared synthesis.

    Parameters
    ----------
    request : SynthesizeRequest
    installation : Installation
    runner : Runner

    Raises
    ------
    PlanError
        DeSIRe cannot do what is asked.
    UnsupportedError
        The components have different depth axes.
    """

    def __init__(self, request: SynthesizeRequest, installation: Installation, runner: Runner) -> None:
        plan = request.plan
        dialect = DesireDialect(installation, plan, request.wavelength, Mode.SYNTHESIS)
        settings = dialect.settings
        if settings.nlte:
            check_position(plan, settings, request.mu, request.position)
            # seconds instead of hundredths of one
            self.batch = 1
            atmosphere = tuple(
                _completed(part, plan, request.mu, component)
                for component, part in enumerate(request.atmosphere)
            )
            request = replace(request, atmosphere=atmosphere)
        self._own_equilibrium = settings.hydrostatic
        if settings.hydrostatic:
            request = replace(request, hydrostatic=False)
        super().__init__(request, bench.Installation(installation.program, dialect, runner))

    def run(self, rows: Sequence[int], slot: Slot) -> SynthesizeResults:
        """Synthesise the request's pixels at some positions."""
        made = super().run(rows, slot)
        if not self._own_equilibrium:
            return made
        # DeSIRe does not say which pressures it used
        return replace(made, atmosphere=tuple(_without_pressures(part) for part in made.atmosphere))


def _completed(atmosphere: Atmosphere, plan: Plan, mu: Floats | None, component: int) -> Atmosphere:
    """With height, gas pressure and density, which RH takes from the model: where one is missing, all three.

    A given electron pressure stays; where it is missing too, SIR's job makes all four.
    """
    missing = any(getattr(atmosphere, name) is None for name in OPTIONAL)
    if not missing or not models.has_pressure(atmosphere).any():
        return atmosphere
    # Here, not above: it brings the LTE engine's compiler, which most requests never need.
    from stokeswarm.inversion.hydrostatic import with_pressures

    made = with_pressures(atmosphere, plan, plan.mu if mu is None else mu, component)
    return replace(made, electron_pressure=atmosphere.electron_pressure)


def _without_pressures(atmosphere: Atmosphere) -> Atmosphere:
    unknown = np.full((len(atmosphere), atmosphere.n_depth), np.nan)
    return replace(atmosphere, **dict.fromkeys(OPTIONAL, unknown))
