"""Thin stubs: requests and results as contract objects, gRPC errors as ours; and whether anyone is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stokeswarm.contract import codec, messages
from stokeswarm.contract.errors import DataLossError, DeadlineError, InvalidArgumentError, UnavailableError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import (
    EngineInfo,
    Heartbeat,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.rpc import channel_options, translated_errors
from stokeswarm.contract.spectra import Spectra
from stokeswarm.v1 import inference_pb2, inference_pb2_grpc, inversion_pb2, inversion_pb2_grpc

#: seconds that a question about a server (its engines, its models) may take
QUESTION_SECONDS = 30.0
#: seconds that a remote service has to answer its first health check
CONNECT_SECONDS = 60.0

Results = TypeVar("Results", InvertResults, SynthesizeResults, ResponseResults)


class EventStream(Generic[Results]):
    """The events of one streaming call, decoded; ``cancel`` may be called from any thread."""

    def __init__(self, call: Any, decode: Callable[[Any], Results]) -> None:
        self._call = call
        self._decode: Callable[[Any], Results] = decode

    def __iter__(self) -> Iterator[Results | Heartbeat]:
        with translated_errors():
            for event in self._call:
                if event.WhichOneof("event") == "results":
                    yield self._decoded(event.results)
                else:
                    beat = event.heartbeat
                    yield Heartbeat(beat.done, beat.total, beat.queued)

    def _decoded(self, message: Any) -> Results:
        # A damaged answer is the server's fault; left as it is, it would read as a mistake in the request.
        try:
            results: Results = self._decode(message)
        except InvalidArgumentError as error:
            raise DataLossError(f"the server's answer is damaged: {error}") from error
        return results

    def cancel(self) -> None:
        """End the call."""
        self._call.cancel()


class _Client:
    """A channel and who closes it."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._channel = grpc.insecure_channel(target, options=channel_options())

    def close(self) -> None:
        """Close the channel; calls still running end."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InversionClient(_Client):
    """Calls of the inversion service."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._stub: Any = inversion_pb2_grpc.InversionServiceStub(self._channel)

    def engines(self, timeout: float = QUESTION_SECONDS) -> tuple[EngineInfo, ...]:
        """The engines of one server."""
        with translated_errors():
            answer = self._stub.ListEngines(inversion_pb2.ListEnginesRequest(), timeout=timeout)
        return tuple(messages.engine_from_proto(engine) for engine in answer.engines)

    def invert(self, request: InvertRequest, timeout: float) -> EventStream[InvertResults]:
        """Start an inversion."""
        call = self._stub.Invert(messages.invert_request_to_proto(request), timeout=timeout)
        return EventStream(call, messages.invert_results_from_proto)

    def synthesize(self, request: SynthesizeRequest, timeout: float) -> EventStream[SynthesizeResults]:
        """Start a synthesis."""
        call = self._stub.Synthesize(messages.synthesize_request_to_proto(request), timeout=timeout)
        return EventStream(call, messages.synthesize_results_from_proto)

    def response_functions(self, request: ResponseRequest, timeout: float) -> EventStream[ResponseResults]:
        """Start a calculation of response functions."""
        call = self._stub.ResponseFunctions(messages.response_request_to_proto(request), timeout=timeout)
        return EventStream(call, messages.response_results_from_proto)


class InferenceClient(_Client):
    """Calls of the inference service."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self._stub: Any = inference_pb2_grpc.InferenceServiceStub(self._channel)

    def models(self, timeout: float = QUESTION_SECONDS) -> tuple[ModelInfo, ...]:
        """The models of one server."""
        with translated_errors():
            answer = self._stub.ListModels(inference_pb2.ListModelsRequest(), timeout=timeout)
        return tuple(messages.model_from_proto(model) for model in answer.models)

    def model(self, name: str, version: str = "", timeout: float = QUESTION_SECONDS) -> ModelInfo:
        """One model; the newest version where none is named.

        Raises
        ------
        NotFoundError
            The server does not hold it.
        """
        with translated_errors():
            answer = self._stub.GetModel(
                inference_pb2.GetModelRequest(name=name, version=version), timeout=timeout
            )
        return messages.model_from_proto(answer)

    def predict(
        self, model: str, version: str, spectra: Spectra, timeout: float, *, features: bool = False
    ) -> Prediction:
        """Guess the atmospheres of one tile, with the network's features where they are asked for."""
        request = inference_pb2.PredictRequest(
            model=model, version=version, spectra=codec.spectra_to_proto(spectra), features=features
        )
        with translated_errors():
            answer = self._stub.Predict(request, timeout=timeout)
        return messages.prediction_from_proto(answer)


def wait_until_serving(target: str, kind: str, timeout: float = CONNECT_SECONDS) -> None:
    """Wait for a service's health check.

    Raises
    ------
    UnavailableError
        It does not answer in time, or answers that it does not serve.
    """
    with grpc.insecure_channel(target) as channel:
        # Not channel_ready_future: its thread polls, and closing the channel would wait for it.
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True
        )
        answered = False
        try:
            with translated_errors():
                for answer in watch:
                    answered = True
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
        except DeadlineError:
            if not answered:
                raise UnavailableError(f"no {kind} server answers at {target} within {timeout:g} s") from None
        finally:
            watch.cancel()
    raise UnavailableError(f"the {kind} server at {target} does not serve")
