"""The inversion server over a real channel, with an engine that misbehaves on demand."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from stokeswarm.contract import errors, messages
from stokeswarm.contract.rpc import INVERSION_SERVICE, channel_options, translated_errors
from stokeswarm.contract.status import Status
from stokeswarm.inversion.lifecycle import Wish, Wishes
from stokeswarm.inversion.server import InversionServer, ServerSettings
from stokeswarm.inversion.servicer import StreamSettings
from stokeswarm.v1 import inversion_pb2 as pb
from stokeswarm.v1 import inversion_pb2_grpc

SCRIPTED = Path(__file__).parents[1] / "unit" / "inversion" / "scripted.py"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
#: no call of a test lasts longer [s]
PATIENCE = 20.0


def _scripted() -> ModuleType:
    name = "stokeswarm_tests_scripted"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SCRIPTED)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


scripted: Any = _scripted()


class Running:
    """A server with one scripted engine, and a client of it."""

    def __init__(self, slots: int = 2, queue: int | None = None, serve: bool = True, **stream: Any) -> None:
        self.engine = scripted.ScriptedEngine()
        self.core = scripted.core(self.engine, slots, queue=queue)
        settings = ServerSettings(
            port=0, drain_seconds=0.0, grace_seconds=PATIENCE, stream=StreamSettings(**stream)
        )
        self.server = InversionServer(self.core, settings)
        if serve:
            self.server.serve()
        self.channel = grpc.insecure_channel(self.server.address, options=channel_options(max_attempts=1))
        self.stub = inversion_pb2_grpc.InversionServiceStub(self.channel)

    def health(self, service: str) -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE).status)

    def start(self, request: Any, timeout: float = PATIENCE) -> Any:
        return self.stub.Invert(messages.invert_request_to_proto(request), timeout=timeout)

    def invert(self, request: Any) -> dict[int, tuple[Status, str]]:
        return read(self.start(request))

    def close(self) -> None:
        self.channel.close()
        self.server.stop()


def answers_of(stream: Any) -> Iterator[Any]:
    """The results among a stream's events."""
    return (event.results for event in stream if event.HasField("results"))


def read(stream: Any) -> dict[int, tuple[Status, str]]:
    found: dict[int, tuple[Status, str]] = {}
    with translated_errors():
        for results in answers_of(stream):
            part = messages.invert_results_from_proto(results)
            for pixel, status, message in zip(part.pixel, part.status, part.message, strict=True):
                assert int(pixel) not in found, f"pixel {pixel} ended twice"
                found[int(pixel)] = (status, message)
    return found


@pytest.fixture
def running() -> Iterator[Any]:
    made: list[Running] = []

    def make(*args: Any, **kwargs: Any) -> Running:
        made.append(Running(*args, **kwargs))
        return made[-1]

    yield make
    for server in made:
        server.close()


def test_a_tile_comes_back_whole(running):
    server = running(linger=0.0)

    def broken(slot):
        raise RuntimeError("bang")

    server.engine.acts = {30: broken, 33: lambda slot: Status.NOT_CONVERGED}
    found = server.invert(scripted.invert_request(200))
    assert set(found) == set(range(0, 600, 3))
    assert found.pop(30) == (Status.ENGINE_FAILED, "RuntimeError: bang")
    assert found.pop(33)[0] is Status.NOT_CONVERGED
    assert set(found.values()) == {(Status.OK, "")}


def test_the_answer_does_not_depend_on_slots_batch_or_message_size(running):
    answers = []
    for slots, batch, size in ((1, 1, 1), (3, 7, 20_000), (2, 100, 2**20)):
        server = running(slots, message_bytes=size, linger=0.0)
        server.engine.batch = batch
        values = {}
        for results in answers_of(server.start(scripted.invert_request(40))):
            part = messages.invert_results_from_proto(results)
            for i, pixel in enumerate(part.pixel):
                values[int(pixel)] = (
                    part.atmosphere[0].temperature[i].tobytes()
                    + part.fit[i].tobytes()
                    + part.chi2[i].tobytes()
                )
        answers.append(values)
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == 40


def test_results_are_gathered_into_messages_of_bounded_size(running):
    server = running(1, message_bytes=30_000, linger=PATIENCE)
    server.engine.batch = 1
    sizes = [event.ByteSize() for event in server.start(scripted.invert_request(100))]
    assert max(sizes) < 1.3 * 30_000
    assert len(sizes) < 50, "single pixels are gathered"


def test_results_come_before_the_tile_is_done(running):
    server = running(1, linger=0.0)
    gate = scripted.Gate()
    server.engine.acts, server.engine.batch = {3: gate}, 1
    stream = server.start(scripted.invert_request(2))
    first = messages.invert_results_from_proto(next(answers_of(stream)))
    assert first.pixel.tolist() == [0]
    assert not gate.opened.is_set()
    gate.opened.set()
    assert set(read(stream)) == {3}


def test_a_call_is_answered_as_soon_as_it_is_admitted(running):
    """Else gRPC repeats it by itself, for ever, when the server dies before the first result."""
    server = running(1, heartbeat=3600.0)
    gate = scripted.Gate()
    server.engine.acts = {0: gate}
    first = next(server.start(scripted.invert_request(2)))
    assert (first.heartbeat.done, first.heartbeat.total) == (0, 2)
    gate.opened.set()


def test_heartbeats_while_nothing_ends(running):
    server = running(1, heartbeat=0.02)
    gate = scripted.Gate()
    server.engine.acts = {0: gate}
    slow = server.start(scripted.invert_request(20))
    beats = [next(slow).heartbeat for _ in range(3)]
    assert [(beat.done, beat.total, beat.queued) for beat in beats] == [(0, 20, 0)] * 3
    behind = server.start(scripted.invert_request(2, first=100))
    assert next(behind).heartbeat.queued == 1
    gate.opened.set()
    assert len(read(slow)) == 20
    assert len(read(behind)) == 2


def test_cancelling_the_call_frees_its_slot(running):
    server = running(1)
    act = scripted.UntilCancelled()
    server.engine.acts, server.engine.batch = {0: act}, 1
    stream = server.start(scripted.invert_request(20))
    assert act.reached.wait(PATIENCE)
    stream.cancel()
    assert act.cancelled.wait(PATIENCE)
    assert len(server.invert(scripted.invert_request(4, first=1000))) == 4
    assert sum(len(call.pixels) for call in server.engine.calls) == 1 + 4


def test_the_callers_deadline_frees_its_slot(running):
    server = running(1)
    act = scripted.UntilCancelled()
    server.engine.acts = {0: act}
    with pytest.raises(errors.DeadlineError):
        read(server.start(scripted.invert_request(2), timeout=0.3))
    assert act.cancelled.wait(PATIENCE)
    assert len(server.invert(scripted.invert_request(4, first=1000))) == 4


def test_a_client_that_vanishes_frees_its_slot(running):
    server = running(1)
    act = scripted.UntilCancelled()
    server.engine.acts = {0: act}
    other = grpc.insecure_channel(server.server.address, options=channel_options())
    stub = inversion_pb2_grpc.InversionServiceStub(other)
    stream = stub.Invert(messages.invert_request_to_proto(scripted.invert_request(2)))
    assert act.reached.wait(PATIENCE)
    other.close()
    assert act.cancelled.wait(PATIENCE)
    del stream


def test_a_full_queue_pushes_back(running):
    server = running(1, queue=1)
    gate = scripted.Gate()
    server.engine.acts = {0: gate}
    first = server.start(scripted.invert_request(1))
    assert gate.reached.wait(PATIENCE)
    with pytest.raises(errors.ResourceExhaustedError, match="1 requests are open") as caught:
        server.invert(scripted.invert_request(1, first=9))
    assert 0 < caught.value.retry_after <= 60
    gate.opened.set()
    assert set(read(first)) == {0}


def test_clear_refusals(running):
    server = running()
    good = scripted.invert_request(2)
    with pytest.raises(errors.NotFoundError, match="'rh' is unknown here; there are scripted"):
        server.invert(replace(good, engine="rh"))
    message = messages.invert_request_to_proto(good)
    message.plan.noise[0] = 0.0
    with translated_errors_of(errors.PlanError, "noise of Stokes I"):
        next(server.stub.Invert(message, timeout=PATIENCE))
    message = messages.invert_request_to_proto(good)
    message.spectra.stokes.data = b"short"
    with translated_errors_of(errors.InvalidArgumentError, "needs 256 bytes, found 5"):
        next(server.stub.Invert(message, timeout=PATIENCE))

    def refuse(request):
        raise errors.UnsupportedError("no stray light here")

    server.engine.prepare = refuse
    with pytest.raises(errors.UnsupportedError, match="no stray light here"):
        server.invert(good)


class translated_errors_of:  # noqa: N801  # reads as pytest.raises does
    """`pytest.raises` of the exception that a gRPC error stands for."""

    def __init__(self, kind: type[Exception], text: str) -> None:
        self._raises = pytest.raises(kind, match=text)
        self._translated = translated_errors()

    def __enter__(self) -> None:
        self._raises.__enter__()
        self._translated.__enter__()

    def __exit__(self, *caught: Any) -> bool:
        try:
            self._translated.__exit__(*caught)
        except errors.StokeswarmError as error:
            return bool(self._raises.__exit__(type(error), error, error.__traceback__))
        return bool(self._raises.__exit__(*caught))


def test_engines_synthesis_and_response_functions(running):
    server = running(3)
    (engine,) = server.stub.ListEngines(pb.ListEnginesRequest(), timeout=PATIENCE).engines
    assert (engine.name, engine.available, engine.slots) == ("scripted", True, 3)
    request = messages.synthesize_request_to_proto(scripted.synthesize_request(5))
    pixels = [
        pixel
        for results in answers_of(server.stub.Synthesize(request, timeout=PATIENCE))
        for pixel in messages.synthesize_results_from_proto(results).pixel.tolist()
    ]
    assert sorted(pixels) == list(range(5))
    request = messages.response_request_to_proto(scripted.response_request(3, quantities=("velocity",)))
    parts = [
        messages.response_results_from_proto(results)
        for results in answers_of(server.stub.ResponseFunctions(request, timeout=PATIENCE))
    ]
    assert sorted(pixel for part in parts for pixel in part.pixel.tolist()) == [0, 1, 2]
    assert {part.response.shape[1:] for part in parts} == {(1, 6, 4, 8)}


def test_a_request_larger_than_grpcs_own_limit(running):
    server = running()
    server.engine.batch = 1000
    request = scripted.invert_request(20_000)
    assert request.start[0].temperature.nbytes * 6 > 4 * 2**20
    assert len(server.invert(request)) == 20_000


def test_health_and_reflection(running):
    server = running(serve=False)
    services = ("", INVERSION_SERVICE, "engine/scripted")
    assert [server.health(service) for service in services] == [NOT_SERVING] * 3
    server.server.serve()
    assert [server.health(service) for service in services] == [SERVING] * 3
    with pytest.raises(grpc.RpcError) as caught:
        server.health("engine/sir")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = stub.ServerReflectionInfo(asked, timeout=PATIENCE)
    assert INVERSION_SERVICE in {service.name for service in answer.list_services_response.service}


def test_draining_finishes_what_runs_and_takes_nothing_new(running):
    server = running(1)
    gate = scripted.Gate()
    server.engine.acts = {0: gate}
    watcher = health_pb2_grpc.HealthStub(server.channel).Watch(
        health_pb2.HealthCheckRequest(), timeout=PATIENCE
    )
    assert next(watcher).status == SERVING
    stream = server.start(scripted.invert_request(5))
    assert gate.reached.wait(PATIENCE)
    draining = threading.Thread(target=server.server.drain, args=(Wishes(),))
    draining.start()
    assert next(watcher).status == NOT_SERVING
    # The listening socket closes soon after; until then a call may still get in behind the gate.
    other = grpc.insecure_channel(server.server.address, options=channel_options(max_attempts=1))
    refused = None
    while refused is None:
        call = inversion_pb2_grpc.InversionServiceStub(other).ListEngines.future(
            pb.ListEnginesRequest(), PATIENCE
        )
        refused = call.exception()
    # CANCELLED: it was under way when the socket closed
    assert refused.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    other.close()
    watcher.cancel()
    gate.opened.set()
    assert len(read(stream)) == 5
    draining.join(PATIENCE)
    assert not draining.is_alive()


def test_a_second_signal_does_not_wait_for_what_runs(running):
    server = running(1)
    act = scripted.UntilCancelled()
    server.engine.acts = {0: act}
    stream = server.start(scripted.invert_request(5))
    assert act.reached.wait(PATIENCE)
    wishes = Wishes()
    wishes.put(Wish.STOP)
    server.server.drain(wishes)
    with pytest.raises((errors.UnavailableError, errors.CancelledByCallerError)):
        read(stream)
    assert act.cancelled.is_set()


def test_a_port_that_is_taken(running):
    server = running()
    port = int(server.server.address.rsplit(":", 1)[1])
    with pytest.raises(errors.FailedPreconditionError, match="cannot listen on"):
        InversionServer(server.core, ServerSettings(port=port))


CHILD = """
import importlib.util, sys, threading
spec = importlib.util.spec_from_file_location("scripted", sys.argv[1])
scripted = importlib.util.module_from_spec(spec)
sys.modules["scripted"] = scripted
spec.loader.exec_module(scripted)
from stokeswarm.inversion import cli
from stokeswarm.inversion.registry import EngineRegistry
class Engine(scripted.ScriptedEngine):
    def warm_up(self):
        if sys.argv[2] == "cold":
            print("compiling", flush=True)
            threading.Event().wait()
cli.EngineRegistry = lambda slots, only=(): EngineRegistry({"scripted": Engine}, slots)
sys.exit(cli.main(sys.argv[3:]))
"""


def child(*arguments: str, engine: str = "warm") -> subprocess.Popen[str]:
    serve = ("serve", "--port", "0", "--slots", "2")
    command = [sys.executable, "-c", CHILD, str(SCRIPTED), engine, *serve, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    word, _, rest = process.stdout.readline().partition(" ")
    assert word == "READY"
    return str(json.loads(rest)["address"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_announces_itself_and_ends_on_a_signal(number):
    with child("--drain-seconds", "0") as process:
        with grpc.insecure_channel(ready(process), options=channel_options()) as channel:
            stub = inversion_pb2_grpc.InversionServiceStub(channel)
            request = messages.invert_request_to_proto(scripted.invert_request(7))
            assert len(read(stub.Invert(request, timeout=PATIENCE))) == 7
        process.send_signal(number)
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert "draining" in log
    assert "Traceback" not in log


def test_a_signal_does_not_wait_for_the_warm_up():
    with child("--drain-seconds", "0", engine="cold") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "compiling\n"
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert "READY" not in output
    assert "health: SERVING" not in log


def test_a_child_ends_with_its_parent():
    with child("--exit-with-parent") as process:
        ready(process)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert "is gone" in log


def test_numbers_of_a_pixel_without_a_result_are_nan(running):
    server = running()
    server.engine.acts = {0: lambda slot: Status.NO_OUTPUT}
    for results in answers_of(server.start(scripted.invert_request(1))):
        part = messages.invert_results_from_proto(results)
        assert part.status == (Status.NO_OUTPUT,)
        assert np.isnan(part.atmosphere[0].temperature).all()
