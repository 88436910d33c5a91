"""The RH engine behind the server's protocol: where it is, what it can do, and whether it works."""

from __future__ import annotations

from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, UnsupportedError
from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
)
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Job, Slot
from stokeswarm.inversion.engines.rh.installation import Installation
from stokeswarm.inversion.engines.rh.selftest import CONTINUUM, one_pixel
from stokeswarm.inversion.engines.rh.synthesis import RhSynthesis
from stokeswarm.inversion.external.runner import Runner

VARIABLE: Final = "STOKESWARM_RH"
#: characters of the digest that tell one build of RH, which does not say its version, from another
_SHOWN: Final = 12


class RhEngine:
    """Synthesis by an installation of RH (``rhf1d`` and ``solveray``).

    Parameters
    ----------
    variable : str
        Environment variable that names the installation.
    name : str
        Of the engine, where several installations stand side by side.

    Raises
    ------
    FailedPreconditionError
        The variable is unset, or the installation is not complete; says what to do.
    """

    def __init__(self, variable: str = VARIABLE, name: str = "rh") -> None:
        self._name = name
        self._installation = Installation.find(variable)
        self._runner = Runner(name)

    def info(self) -> EngineInfo:
        """Name, build, and the sha256 of both programs."""
        digest = self._installation.digest
        return EngineInfo(
            name=self._name,
            version=f"rhf1d {digest[:_SHOWN]}",
            digest=digest,
            available=True,
            inverts=False,
            synthesizes=True,
            responds=False,
        )

    def warm_up(self) -> None:
        """Synthesise one line of the quiet Sun, to prove that the installation works.

        Raises
        ------
        FailedPreconditionError
            It does not; says why.
        """
        results = self.prepare_synthesis(one_pixel(self._name)).run([0], Slot())
        if results.status[0] is not Status.OK:
            raise FailedPreconditionError(f"self-test: {results.status[0].name}: {results.message[0]}")
        continuum, (low, high) = float(results.stokes[0, 0].max()), CONTINUUM
        if not low < continuum < high:
            raise FailedPreconditionError(
                f"self-test: expected a continuum of {low:g} to {high:g} of the HSRA's, found {continuum:.4g}"
            )

    def prepare_inversion(self, request: InvertRequest) -> Job[InvertResults]:  # noqa: ARG002
        """Refuse: RH does not invert."""
        raise UnsupportedError(f"engine {self._name!r}: RH does not invert; desire does, with RH inside")

    def prepare_synthesis(self, request: SynthesizeRequest) -> RhSynthesis:
        """Check and set up a synthesis."""
        return RhSynthesis(request, self._installation, self._runner)

    def prepare_response(self, request: ResponseRequest) -> Job[ResponseResults]:  # noqa: ARG002
        """Refuse: RH has no response functions."""
        raise UnsupportedError(f"engine {self._name!r}: RH does not compute response functions")

    def close(self) -> None:
        """End what runs and remove the scratch folders; safe to call twice."""
        self._runner.close()
