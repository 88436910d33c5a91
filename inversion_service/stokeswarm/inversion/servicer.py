"""The gRPC methods: translate, delegate to the core, stream. Errors are mapped by `contract.rpc`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from stokeswarm.contract import messages
from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.core import InversionCore
from stokeswarm.inversion.outcomes import R, join, split
from stokeswarm.inversion.tasks import Task
from stokeswarm.v1 import inversion_pb2 as pb
from stokeswarm.v1 import inversion_pb2_grpc

E = TypeVar("E", pb.InvertEvent, pb.SynthesizeEvent, pb.ResponseFunctionsEvent)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How results are put into messages.

    Attributes
    ----------
    message_bytes : int
        Aim for messages of at most this size.
    linger : float
        Seconds that the first result of a message waits for others.
    heartbeat : float
        Seconds of silence after which a heartbeat is sent.

    Raises
    ------
    FailedPreconditionError
        On construction, where a number is not positive.
    """

    message_bytes: int = 2**20
    linger: float = 0.2
    heartbeat: float = 5.0

    def __post_init__(self) -> None:
        if self.message_bytes < 1 or self.linger < 0 or self.heartbeat <= 0:
            raise FailedPreconditionError(f"stream settings must be positive, found {self}")


class InversionServicer(inversion_pb2_grpc.InversionServiceServicer):  # type: ignore[misc]
    """`stokeswarm.v1.InversionService` over a core."""

    def __init__(self, core: InversionCore, settings: StreamSettings | None = None) -> None:
        self._core = core
        self._settings = settings or StreamSettings()

    def ListEngines(  # noqa: N802  # the method's name in the proto
        self, request: pb.ListEnginesRequest, context: grpc.ServicerContext
    ) -> pb.ListEnginesResponse:
        """Every engine of this server."""
        del request, context
        return pb.ListEnginesResponse(engines=[messages.engine_to_proto(i) for i in self._core.engines()])

    def Invert(  # noqa: N802
        self, request: pb.InvertRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.InvertEvent]:
        """Invert one tile."""
        task = self._core.invert(messages.invert_request_from_proto(request))
        yield from self._stream(task, context, pb.InvertEvent, messages.invert_results_to_proto)

    def Synthesize(  # noqa: N802
        self, request: pb.SynthesizeRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.SynthesizeEvent]:
        """Synthesise profiles."""
        task = self._core.synthesize(messages.synthesize_request_from_proto(request))
        yield from self._stream(task, context, pb.SynthesizeEvent, messages.synthesize_results_to_proto)

    def ResponseFunctions(  # noqa: N802
        self, request: pb.ResponseFunctionsRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.ResponseFunctionsEvent]:
        """Response functions."""
        task = self._core.respond(messages.response_request_from_proto(request))
        yield from self._stream(task, context, pb.ResponseFunctionsEvent, messages.response_results_to_proto)

    def _beat(self, task: Task[Any]) -> pb.Heartbeat:
        return pb.Heartbeat(done=task.done, total=task.total, queued=self._core.pool.ahead_of(task))

    def _stream(
        self,
        task: Task[R],
        context: grpc.ServicerContext,
        event: type[E],
        encode: Callable[[R], Any],
    ) -> Iterator[E]:
        """Results as they end, heartbeats while none does; the task ends with the RPC."""
        settings = self._settings
        try:
            # Called when the RPC ends in any way: finished, cancelled, past its deadline, connection lost.
            if not context.add_callback(task.cancel):
                return
            # At once: gRPC then takes the call as begun, and tells the client should this server die. Until
            # then it repeats the call by itself, silently, for as long as the client waits.
            yield event(heartbeat=self._beat(task))
            last_message = time.monotonic()
            while True:
                parts = task.collect(
                    max_bytes=settings.message_bytes,
                    linger=settings.linger,
                    timeout=max(0.0, last_message + settings.heartbeat - time.monotonic()),
                )
                if parts is None:
                    return
                if not parts:
                    yield event(heartbeat=self._beat(task))
                    self._core.pool.check(task)
                for joined in join(parts):
                    for results in split(joined, settings.message_bytes):
                        yield event(results=encode(results))
                last_message = time.monotonic()
        finally:
            self._core.pool.release(task)
