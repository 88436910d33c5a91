"""SIR behind the server's protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    ResponseRequest,
    SynthesizeRequest,
)
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.bench import Installation
from stokeswarm.inversion.engines.sir.detect import dialect_of
from stokeswarm.inversion.engines.sir.inversion import SirInversion
from stokeswarm.inversion.engines.sir.response import SirResponse
from stokeswarm.inversion.engines.sir.synthesis import SirSynthesis
from stokeswarm.inversion.external.executable import find
from stokeswarm.inversion.external.runner import Runner

VARIABLE: Final = "STOKESWARM_SIR"
NAME: Final = "sir"
#: what a built SIR is called in its folder
PROGRAMS: Final = ("sir.x", "sir")


class SirEngine:
    """One installed SIR.

    Parameters
    ----------
    variable : str
        Environment variable with the executable's path, or its folder.
    name : str
        The engine's.
    environment : mapping, optional
        The process's own where not given.

    Raises
    ------
    FailedPreconditionError
        There is no such executable; says what to set.
    """

    def __init__(
        self, variable: str = VARIABLE, name: str = NAME, environment: Mapping[str, str] | None = None
    ) -> None:
        environment = os.environ if environment is None else environment
        self.name: Final = name
        executable = find(variable, PROGRAMS, environment)
        runner = Runner(name)
        try:
            dialect = dialect_of(executable, environment, runner)
        except BaseException:
            runner.close()
            raise
        self._installation = Installation(executable, dialect, runner)

    def info(self) -> EngineInfo:
        """Name, release and the sha256 of the executable."""
        return EngineInfo(
            name=self.name,
            version=self._installation.dialect.title,
            digest=self._installation.executable.digest,
            available=True,
            inverts=True,
            synthesizes=True,
            responds=True,
        )

    def warm_up(self) -> None:
        """Synthesise one pixel and look whether it has the lines it should have.

        Raises
        ------
        FailedPreconditionError
            The executable does not work; says what it said.
        """
        check_with_one_pixel(self, self._installation.executable.path.name)

    def prepare_inversion(self, request: InvertRequest) -> SirInversion:
        """Check and set up an inversion; see `stokeswarm.inversion.engine.Engine`."""
        return SirInversion(request, self._installation)

    def prepare_synthesis(self, request: SynthesizeRequest) -> SirSynthesis:
        """Check and set up a synthesis."""
        return SirSynthesis(request, self._installation)

    def prepare_response(self, request: ResponseRequest) -> SirResponse:
        """Check and set up response functions."""
        return SirResponse(request, self._installation)

    def close(self) -> None:
        """End what runs, and remove the scratch folders."""
        self._installation.runner.close()


def check_with_one_pixel(engine: SirEngine, program: str) -> None:
    """Self-test: the quiet Sun at 6302 Å through the engine's own synthesis.

    Parameters
    ----------
    engine : SirEngine
    program : str
        For the message.

    Raises
    ------
    FailedPreconditionError
        No profile, or not that of two absorption lines.
    """
    plan, atmosphere = _one_pixel()
    job = engine.prepare_synthesis(
        SynthesizeRequest(engine.name, plan, (atmosphere,), np.array([0]), plan.wavelength)
    )
    made = job.run([0], Slot())
    if not made.status[0].has_result:
        raise FailedPreconditionError(f"{program}: self-test: {made.message[0]}")
    intensity = made.stokes[0, 0]
    if not (0.8 < intensity.max() < 1.2 and intensity.min() < 0.6 * intensity.max()):
        raise FailedPreconditionError(
            f"{program}: self-test: expected two absorption lines in a continuum near 1, found "
            f"intensities of {intensity.min():.3g} to {intensity.max():.3g}"
        )


def _one_pixel() -> tuple[Plan, Atmosphere]:
    """A grey quiet Sun (effective temperature 5780 K) in the lines at 6302 Å."""
    plan = Plan(
        name="self-test",
        regions=instrument("hinode-sp").regions,
        depth_step=0.1,
        reference=ContinuumReference.DISC_CENTRE,
    )
    log_tau = plan.log_tau
    one = np.ones((1, log_tau.size))
    temperature = 5780.0 * (0.75 * (10.0**log_tau + 2.0 / 3.0)) ** 0.25
    # Hydrostatic equilibrium to 0.4 dex; the equation of state itself takes longer to load than all else.
    electron_pressure = 10.0 ** (1.9 + (1.44 + 0.21 * log_tau) * log_tau)
    return plan, Atmosphere(
        log_tau=log_tau,
        temperature=temperature[None],
        microturbulence=1.0 * one,
        field_strength=100.0 * one,
        velocity=0.0 * one,
        inclination=45.0 * one,
        azimuth=45.0 * one,
        electron_pressure=electron_pressure[None],
        macroturbulence=np.ones(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
