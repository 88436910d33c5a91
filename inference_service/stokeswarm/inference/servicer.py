"""The gRPC methods of the inference service: decode, delegate, encode.

Errors are simply raised; `contract.rpc.ErrorInterceptor` turns them into statuses.
"""

from __future__ import annotations

import time

import grpc

from stokeswarm.contract.codec import spectra_from_proto
from stokeswarm.contract.errors import ResourceExhaustedError
from stokeswarm.contract.messages import model_to_proto, prediction_to_proto
from stokeswarm.inference.batching import Admission
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.telemetry import Observer
from stokeswarm.v1 import inference_pb2, inference_pb2_grpc


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Answers ListModels, GetModel and Predict.

    Parameters
    ----------
    predictor : Predictor
    admission : Admission
        Bounds what is computed and queued at the same time.
    observer : Observer
    """

    def __init__(self, predictor: Predictor, admission: Admission, observer: Observer) -> None:
        self._predictor = predictor
        self._admission = admission
        self._observer = observer

    def ListModels(  # noqa: N802  # gRPC's name
        self,
        request: inference_pb2.ListModelsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> inference_pb2.ListModelsResponse:
        """Every model, also those that are not ready, with the reason."""
        models = [model_to_proto(model.info()) for model in self._predictor.models]
        return inference_pb2.ListModelsResponse(models=models)

    def GetModel(  # noqa: N802  # gRPC's name
        self,
        request: inference_pb2.GetModelRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> inference_pb2.Model:
        """One model; an empty version is the newest."""
        return model_to_proto(self._predictor.find(request.name, request.version).info())

    def Predict(  # noqa: N802  # gRPC's name
        self, request: inference_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> inference_pb2.PredictResponse:
        """Guesses for one tile."""
        ticket = self._admission.ticket()
        if not context.add_callback(ticket.cancel):  # the RPC has already ended
            ticket.cancel()
        # Before the queue: a request that cannot be served shall not take a place in it.
        spectra = spectra_from_proto(request.spectra)
        model = self._predictor.find(request.model, request.version)
        name, version = model.entry.name, model.entry.version
        try:
            with self._admission.admit(ticket, context.time_remaining()):
                began = time.perf_counter()
                prediction = self._predictor.predict(
                    name, version, spectra, ticket.cancelled, features=request.features
                )
                seconds = time.perf_counter() - began
        except ResourceExhaustedError:
            self._observer.rejected(name)
            raise
        novel = int((prediction.novelty > 1).sum())
        self._observer.predicted(name, prediction.status, novel, seconds)
        return prediction_to_proto(prediction)
