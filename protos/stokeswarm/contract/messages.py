"""Service requests, results and events ⇄ protobuf messages."""

from __future__ import annotations

import numpy as np

from stokeswarm.contract.arrays import from_array, optional_array, to_array
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.codec import (
    atmosphere_from_proto,
    atmosphere_to_proto,
    plan_from_proto,
    plan_to_proto,
    reference_from_proto,
    reference_to_proto,
    spectra_from_proto,
    spectra_to_proto,
    status_from_proto,
    status_to_proto,
)
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import (
    CycleResults,
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.v1 import common_pb2, inference_pb2, inversion_pb2


def _array_or_none(values: object) -> common_pb2.Array | None:
    return None if values is None else to_array(values)  # type: ignore[arg-type]


def _atmospheres(messages: object, name: str) -> tuple[Atmosphere, ...]:
    return tuple(atmosphere_from_proto(m, f"{name}[{i}]") for i, m in enumerate(messages))  # type: ignore[arg-type, var-annotated]


def invert_request_to_proto(request: InvertRequest) -> inversion_pb2.InvertRequest:
    """Invert request → message."""
    return inversion_pb2.InvertRequest(
        engine=request.engine,
        plan=plan_to_proto(request.plan),
        spectra=spectra_to_proto(request.spectra),
        pixel=to_array(request.pixel),
        start=[atmosphere_to_proto(start) for start in request.start],
        start_error=[atmosphere_to_proto(error) for error in request.start_error],
        mu=_array_or_none(request.mu),
        stray_light_profile=_array_or_none(request.stray_light_profile),
        cycles=request.cycles,
        seed=request.seed,
        position=_array_or_none(request.position),
        all_cycles=request.all_cycles,
    )


def invert_request_from_proto(message: inversion_pb2.InvertRequest) -> InvertRequest:
    """Message → invert request, validated.

    Raises
    ------
    InvalidArgumentError
        Anything is damaged or contradicts the rest.
    """
    return InvertRequest(
        engine=message.engine,
        plan=plan_from_proto(message.plan),
        spectra=spectra_from_proto(message.spectra),
        pixel=from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,)),
        start=_atmospheres(message.start, "start"),
        start_error=_atmospheres(message.start_error, "start_error"),
        mu=optional_array(message.mu, "mu", dtype=np.float64, shape=(None,)),
        stray_light_profile=optional_array(
            message.stray_light_profile, "stray_light_profile", dtype=np.float32
        ),
        cycles=tuple(message.cycles),
        seed=message.seed,
        position=optional_array(message.position, "position", dtype=np.float64, shape=(None, 2)),
        all_cycles=message.all_cycles,
    )


def invert_results_to_proto(results: InvertResults) -> inversion_pb2.InvertResults:
    """Invert results → message."""
    return inversion_pb2.InvertResults(
        pixel=to_array(results.pixel),
        status=status_to_proto(results.status),
        message=results.message,
        atmosphere=[atmosphere_to_proto(a) for a in results.atmosphere],
        uncertainty=[atmosphere_to_proto(a) for a in results.uncertainty],
        fit=to_array(results.fit),
        chi2=to_array(results.chi2),
        chi2_stokes=to_array(results.chi2_stokes),
        chi2_engine=to_array(results.chi2_engine),
        cycles=to_array(results.cycles),
        best_cycle=to_array(results.best_cycle),
        iterations=to_array(results.iterations),
        seconds=to_array(results.seconds),
        by_cycle=[
            inversion_pb2.CycleResults(
                cycle=one.cycle,
                atmosphere=[atmosphere_to_proto(a) for a in one.atmosphere],
                fit=to_array(one.fit),
                chi2=to_array(one.chi2),
            )
            for one in results.by_cycle
        ],
    )


def invert_results_from_proto(message: inversion_pb2.InvertResults) -> InvertResults:
    """Message → invert results, validated.

    Raises
    ------
    InvalidArgumentError
        An array is damaged or the counts disagree.
    """
    pixel = from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,))
    k = pixel.size
    one = (k,)
    return InvertResults(
        pixel=pixel,
        status=status_from_proto(message.status),
        message=tuple(message.message),
        atmosphere=_atmospheres(message.atmosphere, "atmosphere"),
        uncertainty=_atmospheres(message.uncertainty, "uncertainty"),
        fit=from_array(message.fit, "fit", dtype=np.float32, shape=(k, 4, None)),
        chi2=from_array(message.chi2, "chi2", dtype=np.float64, shape=one),
        chi2_stokes=from_array(message.chi2_stokes, "chi2_stokes", dtype=np.float64, shape=(k, 4)),
        chi2_engine=from_array(message.chi2_engine, "chi2_engine", dtype=np.float64, shape=one),
        cycles=from_array(message.cycles, "cycles", dtype=np.int32, shape=one),
        best_cycle=from_array(message.best_cycle, "best_cycle", dtype=np.int32, shape=one),
        iterations=from_array(message.iterations, "iterations", dtype=np.int32, shape=one),
        seconds=from_array(message.seconds, "seconds", dtype=np.float64, shape=one),
        by_cycle=tuple(
            CycleResults(
                cycle=part.cycle,
                atmosphere=_atmospheres(part.atmosphere, f"by_cycle[{part.cycle}]"),
                fit=from_array(part.fit, "fit", dtype=np.float32, shape=(k, 4, None)),
                chi2=from_array(part.chi2, "chi2", dtype=np.float64, shape=one),
            )
            for part in message.by_cycle
        ),
    )


def synthesize_request_to_proto(request: SynthesizeRequest) -> inversion_pb2.SynthesizeRequest:
    """Synthesize request → message."""
    return inversion_pb2.SynthesizeRequest(
        engine=request.engine,
        plan=plan_to_proto(request.plan),
        wavelength=to_array(request.wavelength),
        pixel=to_array(request.pixel),
        atmosphere=[atmosphere_to_proto(a) for a in request.atmosphere],
        mu=_array_or_none(request.mu),
        stray_light_profile=_array_or_none(request.stray_light_profile),
        hydrostatic=request.hydrostatic,
        position=_array_or_none(request.position),
    )


def synthesize_request_from_proto(message: inversion_pb2.SynthesizeRequest) -> SynthesizeRequest:
    """Message → synthesize request, validated; an absent wavelength axis is the plan's."""
    plan = plan_from_proto(message.plan)
    wavelength = optional_array(message.wavelength, "wavelength", dtype=np.float64, shape=(None,))
    return SynthesizeRequest(
        engine=message.engine,
        plan=plan,
        atmosphere=_atmospheres(message.atmosphere, "atmosphere"),
        pixel=from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,)),
        wavelength=plan.wavelength if wavelength is None else wavelength,
        mu=optional_array(message.mu, "mu", dtype=np.float64, shape=(None,)),
        stray_light_profile=optional_array(
            message.stray_light_profile, "stray_light_profile", dtype=np.float32
        ),
        hydrostatic=message.hydrostatic,
        position=optional_array(message.position, "position", dtype=np.float64, shape=(None, 2)),
    )


def synthesize_results_to_proto(results: SynthesizeResults) -> inversion_pb2.SynthesizeResults:
    """Synthesize results → message."""
    return inversion_pb2.SynthesizeResults(
        pixel=to_array(results.pixel),
        status=status_to_proto(results.status),
        message=results.message,
        stokes=to_array(results.stokes),
        atmosphere=[atmosphere_to_proto(a) for a in results.atmosphere],
    )


def synthesize_results_from_proto(message: inversion_pb2.SynthesizeResults) -> SynthesizeResults:
    """Message → synthesize results, validated.

    Raises
    ------
    InvalidArgumentError
        An array is damaged or the counts disagree.
    """
    pixel = from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,))
    return SynthesizeResults(
        pixel=pixel,
        status=status_from_proto(message.status),
        message=tuple(message.message),
        stokes=from_array(message.stokes, "stokes", dtype=np.float32, shape=(pixel.size, 4, None)),
        atmosphere=_atmospheres(message.atmosphere, "atmosphere"),
    )


def response_request_to_proto(request: ResponseRequest) -> inversion_pb2.ResponseFunctionsRequest:
    """Response-function request → message."""
    return inversion_pb2.ResponseFunctionsRequest(
        engine=request.engine,
        plan=plan_to_proto(request.plan),
        wavelength=to_array(request.wavelength),
        pixel=to_array(request.pixel),
        atmosphere=atmosphere_to_proto(request.atmosphere),
        mu=_array_or_none(request.mu),
        quantities=request.quantities,
    )


def response_request_from_proto(message: inversion_pb2.ResponseFunctionsRequest) -> ResponseRequest:
    """Message → response-function request, validated."""
    plan = plan_from_proto(message.plan)
    wavelength = optional_array(message.wavelength, "wavelength", dtype=np.float64, shape=(None,))
    return ResponseRequest(
        engine=message.engine,
        plan=plan,
        atmosphere=atmosphere_from_proto(message.atmosphere),
        pixel=from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,)),
        wavelength=plan.wavelength if wavelength is None else wavelength,
        mu=optional_array(message.mu, "mu", dtype=np.float64, shape=(None,)),
        quantities=tuple(message.quantities),
    )


def response_results_to_proto(results: ResponseResults) -> inversion_pb2.ResponseFunctionsResults:
    """Response-function results → message."""
    return inversion_pb2.ResponseFunctionsResults(
        pixel=to_array(results.pixel),
        status=status_to_proto(results.status),
        message=results.message,
        quantities=results.quantities,
        response=to_array(results.response),
        stokes=to_array(results.stokes),
    )


def response_results_from_proto(message: inversion_pb2.ResponseFunctionsResults) -> ResponseResults:
    """Message → response-function results, validated.

    Raises
    ------
    InvalidArgumentError
        An array is damaged or the counts disagree.
    """
    pixel = from_array(message.pixel, "pixel", dtype=np.int64, shape=(None,))
    shape = (pixel.size, len(message.quantities), None, 4, None)
    return ResponseResults(
        pixel=pixel,
        status=status_from_proto(message.status),
        message=tuple(message.message),
        quantities=tuple(message.quantities),
        response=from_array(message.response, "response", dtype=np.float32, shape=shape),
        stokes=from_array(message.stokes, "stokes", dtype=np.float32, shape=(pixel.size, 4, None)),
    )


def engine_to_proto(info: EngineInfo) -> inversion_pb2.Engine:
    """Engine description → message."""
    return inversion_pb2.Engine(
        name=info.name,
        version=info.version,
        digest=info.digest,
        available=info.available,
        message=info.message,
        inverts=info.inverts,
        synthesizes=info.synthesizes,
        responds=info.responds,
        slots=info.slots,
    )


def engine_from_proto(message: inversion_pb2.Engine) -> EngineInfo:
    """Message → engine description."""
    return EngineInfo(
        name=message.name,
        version=message.version,
        digest=message.digest,
        available=message.available,
        message=message.message,
        inverts=message.inverts,
        synthesizes=message.synthesizes,
        responds=message.responds,
        slots=message.slots,
    )


def model_to_proto(info: ModelInfo) -> inference_pb2.Model:
    """Model description → message."""
    return inference_pb2.Model(
        name=info.name,
        version=info.version,
        digest=info.digest,
        provider=info.provider,
        ready=info.ready,
        message=info.message,
        wavelength=to_array(info.wavelength),
        log_tau=to_array(info.log_tau),
        quantities=info.quantities,
        reference=reference_to_proto(info.reference),
        novelty_threshold=info.novelty_threshold,
        card=info.card,
    )


def model_from_proto(message: inference_pb2.Model) -> ModelInfo:
    """Message → model description."""
    return ModelInfo(
        name=message.name,
        version=message.version,
        digest=message.digest,
        provider=message.provider,
        ready=message.ready,
        message=message.message,
        wavelength=from_array(message.wavelength, "wavelength", dtype=np.float64, shape=(None,)),
        log_tau=from_array(message.log_tau, "log_tau", dtype=np.float64, shape=(None,)),
        quantities=tuple(message.quantities),
        reference=reference_from_proto(message.reference),
        novelty_threshold=message.novelty_threshold,
        card=message.card,
    )


def prediction_to_proto(prediction: Prediction) -> inference_pb2.PredictResponse:
    """Prediction → message."""
    return inference_pb2.PredictResponse(
        model=prediction.model,
        version=prediction.version,
        digest=prediction.digest,
        atmosphere=atmosphere_to_proto(prediction.atmosphere),
        novelty=to_array(prediction.novelty),
        status=status_to_proto(prediction.status),
        message=prediction.message,
        error=None if prediction.error is None else atmosphere_to_proto(prediction.error),
        features=_array_or_none(prediction.features),
    )


def prediction_from_proto(message: inference_pb2.PredictResponse) -> Prediction:
    """Message → prediction."""
    return Prediction(
        model=message.model,
        version=message.version,
        digest=message.digest,
        atmosphere=atmosphere_from_proto(message.atmosphere),
        novelty=from_array(message.novelty, "novelty", dtype=np.float32, shape=(None,)),
        status=status_from_proto(message.status),
        message=tuple(message.message),
        error=atmosphere_from_proto(message.error, "error") if message.HasField("error") else None,
        features=optional_array(message.features, "features", dtype=np.float32, shape=(None, None)),
    )
