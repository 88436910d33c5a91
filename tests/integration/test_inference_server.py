"""The inference server through its front door: gRPC, health, reflection, a child process and its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from stokeswarm.contract.codec import spectra_to_proto
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    SpectraError,
    UnavailableError,
)
from stokeswarm.contract.messages import model_from_proto, prediction_from_proto
from stokeswarm.contract.rpc import channel_options, translate_rpc_error, translated_errors
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inference.lifecycle import Ending, watch_parent
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import Repository
from stokeswarm.inference.server import InferenceServer, ServerOptions
from stokeswarm.inference.telemetry import PrometheusObserver
from stokeswarm.inference.testing import (
    LOG_TAU,
    WAVELENGTH,
    linear_answer,
    linear_extras,
    linear_onnx,
    write_linear_model,
)
from stokeswarm.v1 import inference_pb2, inference_pb2_grpc

TIMEOUT = 60.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def _stokes(n_pixel: int) -> np.ndarray:
    stokes = np.random.default_rng(7).normal(0, 0.05, (n_pixel, 4, WAVELENGTH.size))
    stokes[:, 0] += 0.9
    return stokes.astype(np.float32)


def _request(n_pixel: int = 5, model: str = "tiny", version: str = "") -> inference_pb2.PredictRequest:
    spectra = Spectra(WAVELENGTH, _stokes(n_pixel), ContinuumReference.DISC_CENTRE)
    return inference_pb2.PredictRequest(model=model, version=version, spectra=spectra_to_proto(spectra))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_linear_model(root)
    write_linear_model(root, "broken", model=b"no network")
    write_linear_model(root, "full", model=linear_onnx(WAVELENGTH.size, LOG_TAU.size, extended=True))
    return root


@pytest.fixture
def server(models: Path) -> Iterator[InferenceServer]:
    options = ServerOptions(port=0, workers=1, queue=1, drain_seconds=0.0, grace_seconds=5.0)
    running = InferenceServer(Predictor(Repository([models])), options)
    running.start()
    yield running
    running.stop(lambda seconds: None)


@pytest.fixture
def channel(server: InferenceServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address, options=channel_options()) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> inference_pb2_grpc.InferenceServiceStub:
    return inference_pb2_grpc.InferenceServiceStub(channel)


def test_predict_round_trip(stub: inference_pb2_grpc.InferenceServiceStub) -> None:
    found = prediction_from_proto(stub.Predict(_request(40), timeout=TIMEOUT))
    atmosphere, _, novelty = linear_answer(_stokes(40), LOG_TAU.size)
    assert found.status == (Status.OK,) * 40
    assert (found.model, found.version, len(found.digest)) == ("tiny", "1", 64)
    assert np.allclose(found.atmosphere.velocity, atmosphere[:, 2], atol=1e-5)
    assert np.allclose(found.novelty, novelty / 0.5, rtol=1e-5)
    assert np.array_equal(found.atmosphere.log_tau, LOG_TAU)


def test_errors_and_features_cross_the_wire(stub: inference_pb2_grpc.InferenceServiceStub) -> None:
    request = _request(40, model="full")
    plain = prediction_from_proto(stub.Predict(request, timeout=TIMEOUT))
    request.features = True
    found = prediction_from_proto(stub.Predict(request, timeout=TIMEOUT))
    error, scalars_error, features = linear_extras(_stokes(40), LOG_TAU.size)
    assert plain.features is None
    assert found.features is not None
    assert np.allclose(found.features, features, rtol=1e-5)
    for prediction in (plain, found):
        assert prediction.error is not None
        assert np.allclose(prediction.error.temperature, error[:, 0], rtol=1e-5)
        assert np.allclose(prediction.error.macroturbulence, scalars_error[:, 0], rtol=1e-5)
        assert np.isnan(prediction.error.stray_light).all()


def test_models_are_listed_with_what_is_wrong_with_them(
    stub: inference_pb2_grpc.InferenceServiceStub,
) -> None:
    listed = stub.ListModels(inference_pb2.ListModelsRequest(), timeout=TIMEOUT).models
    info = {model.name: model_from_proto(model) for model in listed}
    assert info["tiny"].ready
    assert info["tiny"].provider == "CPUExecutionProvider"
    assert json.loads(info["tiny"].card)["title"] == "A linear model for tests"
    assert not info["broken"].ready
    assert "ONNX Runtime refuses" in info["broken"].message
    one = model_from_proto(stub.GetModel(inference_pb2.GetModelRequest(name="tiny"), timeout=TIMEOUT))
    assert np.array_equal(one.wavelength, WAVELENGTH)
    assert one.quantities[-1] == "macroturbulence"


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"model": "nobody"}, NotFoundError, "unknown"),
        ({"version": "9"}, NotFoundError, "no version"),
        ({"model": "broken"}, FailedPreconditionError, "not ready"),
    ],
)
def test_errors_keep_their_class_and_message(
    stub: inference_pb2_grpc.InferenceServiceStub, change: dict[str, str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words), translated_errors():
        stub.Predict(_request(**change), timeout=TIMEOUT)


def test_damaged_and_wrong_spectra_are_refused(stub: inference_pb2_grpc.InferenceServiceStub) -> None:
    damaged = _request()
    damaged.spectra.stokes.data = damaged.spectra.stokes.data[:-4]
    with pytest.raises(InvalidArgumentError, match="bytes"), translated_errors():
        stub.Predict(damaged, timeout=TIMEOUT)
    shifted = Spectra(WAVELENGTH + 1.74, _stokes(2), ContinuumReference.DISC_CENTRE)
    request = inference_pb2.PredictRequest(model="tiny", spectra=spectra_to_proto(shifted))
    with pytest.raises(SpectraError, match="air wavelengths"), translated_errors():
        stub.Predict(request, timeout=TIMEOUT)
    with pytest.raises(InvalidArgumentError), translated_errors():
        stub.Predict(inference_pb2.PredictRequest(model="tiny"), timeout=TIMEOUT)


def test_health_per_model(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)

    def health(name: str) -> int:
        answer: int = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT).status
        return answer

    assert health("") == SERVING
    assert health("stokeswarm.v1.InferenceService") == SERVING
    assert health("model/tiny") == SERVING
    assert health("model/broken") == NOT_SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health("model/nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_names_the_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT))
    names = {service.name for service in answer.list_services_response.service}
    assert {"stokeswarm.v1.InferenceService", "grpc.health.v1.Health"} <= names


def test_a_full_queue_pushes_back_and_health_still_answers(
    server: InferenceServer, channel: grpc.Channel, stub: inference_pb2_grpc.InferenceServiceStub
) -> None:
    admission = server.admission
    with admission.admit(admission.ticket()):
        waiting = stub.Predict.future(_request(), timeout=TIMEOUT)
        with admission._changed:
            assert admission._changed.wait_for(lambda: len(admission._waiting) == 1, TIMEOUT)
        with pytest.raises(ResourceExhaustedError) as caught, translated_errors():
            stub.Predict(_request(), timeout=TIMEOUT)
        assert caught.value.retry_after > 0
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT).status == SERVING
    assert len(prediction_from_proto(waiting.result(TIMEOUT))) == 5


def test_a_caller_that_leaves_the_queue_frees_its_place(
    server: InferenceServer, stub: inference_pb2_grpc.InferenceServiceStub
) -> None:
    admission = server.admission
    with admission.admit(admission.ticket()):
        waiting = stub.Predict.future(_request(), timeout=TIMEOUT)
        with admission._changed:
            assert admission._changed.wait_for(lambda: len(admission._waiting) == 1, TIMEOUT)
        waiting.cancel()
        with admission._changed:
            assert admission._changed.wait_for(lambda: not admission._waiting, TIMEOUT)


def test_draining_is_seen_by_health_watchers(models: Path) -> None:
    options = ServerOptions(port=0, drain_seconds=1.0, grace_seconds=5.0)
    server = InferenceServer(Predictor(Repository([models])), options)
    server.start()
    with grpc.insecure_channel(server.address, options=channel_options()) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
        assert next(watch).status == SERVING
        drained = []

        def drain(seconds: float) -> None:
            drained.append((seconds, next(watch).status))

        server.stop(drain)
        assert drained == [(1.0, NOT_SERVING)]
        with pytest.raises(grpc.RpcError) as caught:
            inference_pb2_grpc.InferenceServiceStub(channel).ListModels(
                inference_pb2.ListModelsRequest(), timeout=2.0
            )
        assert isinstance(translate_rpc_error(caught.value), UnavailableError)


def test_an_address_in_use_is_named(server: InferenceServer, models: Path) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        InferenceServer(Predictor(Repository([models])), ServerOptions(port=port))


def test_the_parents_end_is_noticed() -> None:
    ending = Ending()
    parents = iter([10, 10, 10, 1])
    watch_parent(ending, poll=0.001, getppid=lambda: next(parents, 1))
    assert ending.wait(TIMEOUT) == "the parent's end"


def test_a_child_ends_when_its_parents_pipe_closes(models: Path) -> None:
    command = _command("serve", "--port", "0", "--models", str(models), "--no-bundled", "--exit-with-parent")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline().startswith("READY")
            child.stdin.close()
            child.wait(TIMEOUT)
            assert child.returncode == 0
        finally:
            child.kill()


def test_prometheus_counts_pixels_by_status(models: Path) -> None:
    pytest.importorskip("prometheus_client")
    observer = PrometheusObserver(0, {("tiny", "1"): "CPUExecutionProvider"}, host="127.0.0.1")
    predictor = Predictor(Repository([models]))
    server = InferenceServer(predictor, ServerOptions(port=0, drain_seconds=0.0), observer)
    server.start()
    try:
        request = _request(6)
        stokes = _stokes(6)
        stokes[2] = np.nan
        spectra = Spectra(WAVELENGTH, stokes, ContinuumReference.DISC_CENTRE)
        request.spectra.CopyFrom(spectra_to_proto(spectra))
        with grpc.insecure_channel(server.address, options=channel_options()) as channel:
            inference_pb2_grpc.InferenceServiceStub(channel).Predict(request, timeout=TIMEOUT)
        with urllib.request.urlopen(f"http://127.0.0.1:{observer.port}/metrics", timeout=TIMEOUT) as page:
            text = page.read().decode()
    finally:
        server.stop(lambda seconds: None)
        observer.close()
    assert 'stokeswarm_inference_pixels_total{model="tiny",status="OK"} 5.0' in text
    assert 'stokeswarm_inference_pixels_total{model="tiny",status="INVALID_INPUT"} 1.0' in text
    assert 'provider="CPUExecutionProvider"' in text


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stokeswarm.inference.cli", *arguments]


def test_the_child_process_announces_itself_serves_and_drains(models: Path) -> None:
    command = _command(
        "serve", "--port", "0", "--models", str(models), "--no-bundled", "--drain-seconds", "0"
    )
    with subprocess.Popen(
        [*command, "--exit-with-parent"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            word, _, text = child.stdout.readline().partition(" ")
            assert word == "READY"
            with grpc.insecure_channel(json.loads(text)["address"], options=channel_options()) as channel:
                found = inference_pb2_grpc.InferenceServiceStub(channel).Predict(_request(3), timeout=TIMEOUT)
                assert len(prediction_from_proto(found)) == 3
            child.send_signal(signal.SIGTERM)
            _, errors = child.communicate(timeout=TIMEOUT)
            assert child.returncode == 0, errors
        finally:
            child.kill()


def test_the_models_command_lists_and_judges(models: Path) -> None:
    command = _command("models", "--models", str(models), "--no-bundled")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["tiny", "1", "ready", "CPUExecutionProvider", "24", "4", "disc-centre"] in [
        line[:7] for line in lines
    ]
    assert "broken/1: ONNX Runtime refuses the model" in done.stdout


def test_a_repository_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = _command("serve", "--port", "0", "--models", str(tmp_path / "nowhere"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 1
    assert "nowhere is not a folder" in done.stderr
    assert "Traceback" not in done.stderr
