"""Errors cross the wire unchanged, and both ends agree on the channel."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from stokeswarm.contract import error_codes, errors, rpc

METHOD = "/stokeswarm.v1.InversionService/"


class Handlers(grpc.GenericRpcHandler):
    """Two methods that do what the test says."""

    def __init__(self):
        self.act = lambda context: None

    def service(self, details):
        if details.method.endswith("Unary"):
            return grpc.unary_unary_rpc_method_handler(self._unary)
        return (
            grpc.unary_stream_rpc_method_handler(self._stream) if details.method.endswith("Stream") else None
        )

    def _unary(self, request, context):
        self.act(context)
        return b"answer"

    def _stream(self, request, context):
        yield b"first"
        self.act(context)


@pytest.fixture(scope="module")
def wire():
    """Handlers, and a caller of their unary or streaming method."""
    handlers = Handlers()
    server = grpc.server(
        ThreadPoolExecutor(4),
        handlers=[handlers],
        interceptors=[rpc.ErrorInterceptor()],
        options=rpc.server_options(),
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=rpc.channel_options(max_attempts=1))

    def call(kind):
        with rpc.translated_errors():
            if kind == "Unary":
                return channel.unary_unary(METHOD + kind)(b"", timeout=20)
            return list(channel.unary_stream(METHOD + kind)(b"", timeout=20))

    yield handlers, call
    channel.close()
    server.stop(0).wait()


def raising(error):
    def act(context):
        raise error

    return act


@pytest.mark.parametrize("kind", ["Unary", "Stream"])
@pytest.mark.parametrize("cls", [cls for cls, _ in error_codes.STATUS_TABLE])
def test_every_error_arrives_as_itself(wire, kind, cls):
    handlers, call = wire
    handlers.act = raising(cls("row 7: 5 Å expected"))
    with pytest.raises(cls, match="row 7: 5 Å expected") as caught:
        call(kind)
    assert type(caught.value) is cls
    assert isinstance(caught.value.__cause__, grpc.RpcError)


@pytest.mark.parametrize("kind", ["Unary", "Stream"])
def test_good_calls_pass_unchanged(wire, kind):
    handlers, call = wire
    handlers.act = lambda context: None
    assert call(kind) == (b"answer" if kind == "Unary" else [b"first"])


@pytest.mark.parametrize("kind", ["Unary", "Stream"])
def test_a_bug_is_internal_and_tells_the_log_not_the_caller(wire, kind, caplog):
    handlers, call = wire
    handlers.act = raising(KeyError("secret"))
    with caplog.at_level(logging.ERROR), pytest.raises(errors.StokeswarmError) as caught:
        call(kind)
    assert type(caught.value) is errors.StokeswarmError
    assert str(caught.value) == "internal error: KeyError; the server's log has the details"
    (record,) = [r for r in caplog.records if r.name == rpc.__name__]
    assert record.exc_info is not None
    assert METHOD in record.getMessage()


@pytest.mark.parametrize(("asked", "given"), [(2.5, 2.5), (0.0, rpc.PUSHBACK_RANGE[0]), (1e9, 600.0)])
def test_push_back(wire, asked, given):
    handlers, call = wire
    handlers.act = raising(errors.ResourceExhaustedError("full", asked))
    with pytest.raises(errors.ResourceExhaustedError) as caught:
        call("Stream")
    assert caught.value.retry_after == pytest.approx(given)


def test_a_long_message_is_cut_not_lost(wire):
    handlers, call = wire
    handlers.act = raising(errors.PlanError("Å" * 100_000))
    with pytest.raises(errors.PlanError, match=r"…$") as caught:
        call("Unary")
    assert len(str(caught.value)) == rpc.MAX_DETAILS


@pytest.mark.parametrize("kind", ["Unary", "Stream"])
def test_a_handlers_own_abort_passes(wire, kind):
    handlers, call = wire
    handlers.act = lambda context: context.abort(grpc.StatusCode.DATA_LOSS, "torn")
    with pytest.raises(errors.DataLossError, match="torn"):
        call(kind)


def test_unknown_methods_and_absent_servers(wire):
    _, call = wire
    with pytest.raises(errors.UnsupportedError):
        call("Other")
    options = rpc.channel_options(max_attempts=1)
    with (
        grpc.insecure_channel("127.0.0.1:1", options=options) as channel,
        pytest.raises(errors.UnavailableError),
        rpc.translated_errors(),
    ):
        channel.unary_unary(METHOD + "Unary")(b"", timeout=20)


class Foreign(grpc.RpcError):
    """What a proxy in between may answer."""

    def __init__(self, code, metadata=()):
        self._code, self._metadata = code, metadata

    def code(self):
        return self._code

    def details(self):
        return None

    def trailing_metadata(self):
        return self._metadata


@pytest.mark.parametrize("text", ["soon", "-1", "", "1e3", "²"])
def test_foreign_push_back_that_is_no_number(text):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    error = rpc.translate_rpc_error(Foreign(code, ((rpc.PUSHBACK_METADATA, text),)))
    assert isinstance(error, errors.ResourceExhaustedError)
    assert error.retry_after == 1.0
    assert "RESOURCE_EXHAUSTED" in str(error)


def test_a_class_that_contradicts_its_status_is_not_believed():
    named = ((rpc.ERROR_METADATA, "PlanError"), ("blob-bin", b"\xff"))
    assert type(rpc.translate_rpc_error(Foreign(grpc.StatusCode.NOT_FOUND, named))) is errors.NotFoundError
    assert type(rpc.translate_rpc_error(grpc.RpcError("odd"))) is errors.StokeswarmError


def test_both_ends_agree():
    server, client = dict(rpc.server_options()), dict(rpc.channel_options())
    assert server["grpc.max_receive_message_length"] == client["grpc.max_send_message_length"] == 64 * 2**20
    assert client["grpc.keepalive_time_ms"] > server["grpc.http2.min_ping_interval_without_data_ms"]
    assert server["grpc.so_reuseport"] == 0
    config = json.loads(client["grpc.service_config"])
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    (method,) = config["methodConfig"]
    assert method["retryPolicy"]["maxAttempts"] == 4
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert "methodConfig" not in json.loads(dict(rpc.channel_options(max_attempts=1))["grpc.service_config"])
    assert "grpc.max_connection_age_ms" not in dict(rpc.server_options(max_connection_age=float("inf")))
