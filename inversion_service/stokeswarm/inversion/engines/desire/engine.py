"""DeSIRe behind the server's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import FailedPreconditionError, UnsupportedError
from stokeswarm.contract.inversion import EngineInfo, InvertRequest, ResponseRequest, SynthesizeRequest
from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.desire.installation import Installation
from stokeswarm.inversion.engines.desire.jobs import DesireInversion, DesireSynthesis
from stokeswarm.inversion.engines.sir.response import SirResponse
from stokeswarm.inversion.external.runner import Runner

VARIABLE: Final = "STOKESWARM_DESIRE"
NAME: Final = "desire"


class DesireEngine:
    """One installed DeSIRe.

    Parameters
    ----------
    variable : str
        Environment variable with the path of the executable, or of the folder that holds ``bin/desire`` and
        ``var``.
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
        self.name: Final = name
        self._installation = Installation.find(variable, environment)
        self._runner = Runner(name)

    def info(self) -> EngineInfo:
        """Name, release with a digest of ``var``, and the sha256 of the executable."""
        installation = self._installation
        return EngineInfo(
            name=self.name,
            version=f"DeSIRe {installation.label}",
            digest=installation.program.digest,
            available=True,
            message=installation.missing,
            inverts=True,
            synthesizes=True,
            responds=False,
        )

    def warm_up(self) -> None:
        """Synthesise one pixel in LTE and, where there is ``var``, one in NLTE.

        Raises
        ------
        FailedPreconditionError
            The executable does not work; says what it said.
        """
        self._self_test(_FE_6302, "10.")
        if self._installation.var is not None:
            self._self_test(_CA_8542, "0.")

    def _self_test(self, region: Region, threshold: str) -> None:
        plan = Plan(
            name="self-test",
            regions=(region,),
            options={"desire.nlte_threshold": threshold, "rh.ITER_LIMIT": "1e-2"},
            reference=ContinuumReference.DISC_CENTRE,
        )
        request = SynthesizeRequest(
            self.name, plan, (_quiet_sun(plan),), np.array([0]), plan.wavelength, hydrostatic=True
        )
        made = self.prepare_synthesis(request).run([0], Slot())
        what = f"{self._installation.program.path}: self-test at {region.lines[0].wavelength:.0f} Å"
        if not made.status[0].has_result:
            raise FailedPreconditionError(f"{what}: {made.message[0]}")
        intensity = made.stokes[0, 0]
        if not (0.5 < intensity.max() < 1.5 and 0.0 < intensity.min() < 0.9 * intensity.max()):
            raise FailedPreconditionError(
                f"{what}: expected an absorption line in a continuum near 1, found intensities of "
                f"{intensity.min():.3g} to {intensity.max():.3g}"
            )

    def prepare_inversion(self, request: InvertRequest) -> DesireInversion:
        """Check and set up an inversion; see `stokeswarm.inversion.engine.Engine`."""
        return DesireInversion(request, self._installation, self._runner)

    def prepare_synthesis(self, request: SynthesizeRequest) -> DesireSynthesis:
        """Check and set up a synthesis."""
        return DesireSynthesis(request, self._installation, self._runner)

    def prepare_response(self, request: ResponseRequest) -> SirResponse:  # noqa: ARG002
        """Refuse.

        Raises
        ------
        UnsupportedError
            Always.
        """
        raise UnsupportedError("DeSIRe's response functions are not served; those of sir and lte are")

    def close(self) -> None:
        """End what runs, and remove the scratch folders."""
        self._runner.close()


_FE_6302: Final = Region(
    "Fe I",
    (Line(1, "Fe", 1, 6302.4936, 3.686, -1.235, "5P1.0", "5D0.0", 1.0, 0.239, 2.38024e-14),),
    6301.9936,
    6302.9936,
    0.02,
)
_CA_8542: Final = Region(
    "Ca II",
    (Line(1, "Ca", 2, 8542.091, 1.7, -0.36199, "2D2.5", "2P1.5", 1.0, 0.275, 8.1486e-15),),
    8540.091,
    8544.091,
    0.1,
)


def _quiet_sun(plan: Plan) -> Atmosphere:
    """A grey atmosphere (effective temperature 5780 K) with a weak field."""
    log_tau = plan.log_tau
    one = np.ones((1, log_tau.size))
    return Atmosphere(
        log_tau=log_tau,
        temperature=5780.0 * (0.75 * (10.0 ** log_tau[None] + 2.0 / 3.0)) ** 0.25,
        microturbulence=1.0 * one,
        field_strength=100.0 * one,
        velocity=0.0 * one,
        inclination=45.0 * one,
        azimuth=45.0 * one,
        macroturbulence=np.zeros(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
