"""What the service does, without any transport: find the engine, prepare the job, queue it."""

from __future__ import annotations

from typing import Final

from stokeswarm.contract.errors import InvalidArgumentError, UnsupportedError
from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.rpc import MAX_MESSAGE_BYTES
from stokeswarm.inversion.engine import Engine
from stokeswarm.inversion.outcomes import InvertOutcomes, ResponseOutcomes, SynthesisOutcomes
from stokeswarm.inversion.pool import SlotPool
from stokeswarm.inversion.registry import EngineRegistry
from stokeswarm.inversion.tasks import Task, Work

#: room in a message for everything but a pixel's response functions
MESSAGE_OVERHEAD: Final = 2**20
FLOAT32_BYTES: Final = 4


class InversionCore:
    """The data plane of the inversion service.

    Every request method returns a `Task` to `collect` results from; hand it to ``pool.release`` in the end.

    Parameters
    ----------
    registry : EngineRegistry
    pool : SlotPool
    """

    def __init__(self, registry: EngineRegistry, pool: SlotPool) -> None:
        self.registry: Final = registry
        self.pool: Final = pool

    def engines(self) -> tuple[EngineInfo, ...]:
        """Every engine, available or not."""
        return self.registry.infos()

    def invert(self, request: InvertRequest) -> Task[InvertResults]:
        """Queue an inversion.

        Raises
        ------
        NotFoundError, FailedPreconditionError
            There is no such engine, or it cannot be used here.
        UnsupportedError, PlanError, InvalidArgumentError
            The engine cannot do what the request says.
        ResourceExhaustedError, UnavailableError
            The queue is full; the server is shutting down.
        """
        engine = self._engine(request.engine, "inverts")
        job = engine.prepare_inversion(request)
        timeout = request.plan.pixel_timeout
        return self.pool.submit(Work(request.engine, "Invert", job, InvertOutcomes(request), timeout))

    def synthesize(self, request: SynthesizeRequest) -> Task[SynthesizeResults]:
        """Queue a synthesis; raises like `invert`."""
        engine = self._engine(request.engine, "synthesizes")
        job = engine.prepare_synthesis(request)
        timeout = request.plan.pixel_timeout
        return self.pool.submit(Work(request.engine, "Synthesize", job, SynthesisOutcomes(request), timeout))

    def respond(self, request: ResponseRequest) -> Task[ResponseResults]:
        """Queue response functions; raises like `invert`, and where one pixel's do not fit a message."""
        engine = self._engine(request.engine, "responds")
        outcomes = ResponseOutcomes(request)
        n_quantity, n_depth, n_stokes, n_wavelength = outcomes.shape
        size = n_quantity * n_depth * n_stokes * n_wavelength * FLOAT32_BYTES
        if size > MAX_MESSAGE_BYTES - MESSAGE_OVERHEAD:
            raise InvalidArgumentError(
                f"response functions of {n_quantity} quantities at {n_depth} depths and {n_wavelength} "
                f"wavelengths take {size / 2**20:.0f} MiB a pixel, a message holds "
                f"{MAX_MESSAGE_BYTES / 2**20:.0f}; ask for fewer quantities or wavelengths"
            )
        job = engine.prepare_response(request)
        timeout = request.plan.pixel_timeout
        return self.pool.submit(Work(request.engine, "ResponseFunctions", job, outcomes, timeout))

    def _engine(self, name: str, ability: str) -> Engine:
        engine, info = self.registry.get(name)
        if not getattr(info, ability):
            able = [other.name for other in self.engines() if other.available and getattr(other, ability)]
            raise UnsupportedError(
                f"engine {name!r} has not the ability {ability!r}; here it is found in: "
                f"{', '.join(able) or 'no engine'}"
            )
        return engine
