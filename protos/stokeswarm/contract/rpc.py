"""What the client and both servers agree on about gRPC: limits, keepalive, balancing, retries and errors.

Errors cross the wire as a status code (`contract.error_codes`), a message, and trailing metadata:
`ERROR_METADATA` names the exact class (PlanError and SpectraError share INVALID_ARGUMENT with others),
and `PUSHBACK_METADATA` says after how many milliseconds a full queue is worth another try. `ErrorInterceptor`
writes them on a server, `translate_rpc_error` reads them on a client.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc

from stokeswarm.contract.error_codes import STATUS_TABLE, from_status, to_status
from stokeswarm.contract.errors import ResourceExhaustedError, StokeswarmError

Option = tuple[str, int | str]
Behaviour = Callable[[Any, Any], Any]

_LOG = logging.getLogger(__name__)

INVERSION_SERVICE: Final = "stokeswarm.v1.InversionService"
INFERENCE_SERVICE: Final = "stokeswarm.v1.InferenceService"

#: largest message either side accepts; gRPC's own limit of 4 MiB is smaller than a tile of spectra and starts
MAX_MESSAGE_BYTES: Final = 64 * 2**20
#: the client pings while a call is open, to tell a lost pod from a slow one [ms]
CLIENT_KEEPALIVE_MS: Final = 30_000
CLIENT_KEEPALIVE_TIMEOUT_MS: Final = 10_000
#: shortest ping interval the server tolerates; below the client's, or the server ends the connection (GOAWAY)
MIN_PING_INTERVAL_MS: Final = CLIENT_KEEPALIVE_MS // 3
#: the server pings too, so that the slots of a client that vanished are freed [ms]
SERVER_KEEPALIVE_MS: Final = 60_000
SERVER_KEEPALIVE_TIMEOUT_MS: Final = 20_000
#: connections end after this age, so that clients look up new pods [s]; running streams get the grace
MAX_CONNECTION_AGE: Final = 300.0
MAX_CONNECTION_AGE_GRACE: Final = 3600.0
#: a client that lost its connection tries again after this, growing to the maximum [ms]
RECONNECT_MS: Final = (200, 5_000)
#: how often the name of a headless service may be looked up again [ms]
MIN_RESOLUTION_INTERVAL_MS: Final = 5_000
#: attempts of one call in all, the first included (gRPC allows five)
MAX_ATTEMPTS: Final = 4

ERROR_METADATA: Final = "stokeswarm-error"
PUSHBACK_METADATA: Final = "grpc-retry-pushback-ms"
#: status messages travel in HTTP/2 headers, of which gRPC accepts 8 KiB, percent-encoded
MAX_DETAILS: Final = 1000
#: no push-back is shorter or longer [s]
PUSHBACK_RANGE: Final = (0.05, 600.0)

_CLASSES: Final = {kind.__name__: (kind, code) for kind, code in STATUS_TABLE}


def server_options(
    max_connection_age: float = MAX_CONNECTION_AGE,
    max_connection_age_grace: float = MAX_CONNECTION_AGE_GRACE,
) -> list[Option]:
    """Options of a stokeswarm server.

    Parameters
    ----------
    max_connection_age : float
        Seconds after which a connection is asked to end; infinite = never.
    max_connection_age_grace : float
        Seconds that streams still running then have to end. A stream cut off costs the client a
        request for the pixels it has not got.

    Returns
    -------
    list of (str, int or str)
        For ``grpc.server(options=…)``.
    """
    options: list[Option] = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", SERVER_KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", SERVER_KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
        ("grpc.http2.max_pings_without_data", 0),
        # With it two servers would share one port in silence, and each would get half the calls.
        ("grpc.so_reuseport", 0),
    ]
    if math.isfinite(max_connection_age):
        options.append(("grpc.max_connection_age_ms", round(max_connection_age * 1000)))
        options.append(("grpc.max_connection_age_grace_ms", round(max_connection_age_grace * 1000)))
    return options


def service_config_json(max_attempts: int = MAX_ATTEMPTS) -> str:
    """Client-side service configuration: round-robin over the pods, retries where a pod is not there.

    Only UNAVAILABLE is retried by gRPC, and only before the first message of a stream; a full queue
    (RESOURCE_EXHAUSTED) is for the caller, who may give the tile to another pod instead.
    """
    policy = {
        "maxAttempts": max_attempts,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    services = [{"service": name} for name in (INVERSION_SERVICE, INFERENCE_SERVICE)]
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": services, "retryPolicy": policy}],
    }
    return json.dumps(config)


def channel_options(*, max_attempts: int = MAX_ATTEMPTS, http_proxy: bool = False) -> list[Option]:
    """Options of a client's channel.

    Parameters
    ----------
    max_attempts : int
        Of one call; 1 = no retries.
    http_proxy : bool
        Honour the environment's ``http_proxy``. Off by default: the services stand on loopback or inside
        the cluster, where an institute's web proxy cannot reach them.

    Returns
    -------
    list of (str, int or str)
        For ``grpc.insecure_channel(options=…)`` and its relatives.
    """
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", CLIENT_KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", CLIENT_KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        ("grpc.dns_min_time_between_resolutions_ms", MIN_RESOLUTION_INTERVAL_MS),
        ("grpc.enable_http_proxy", int(http_proxy)),
        ("grpc.enable_retries", int(max_attempts > 1)),
        # A request larger than this buffer is never retried, and gRPC's 256 KiB is smaller than a tile.
        ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
        ("grpc.service_config", service_config_json(max_attempts) if max_attempts > 1 else _balancing_only()),
    ]


def _balancing_only() -> str:
    return json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def translate_rpc_error(error: Any) -> StokeswarmError:
    """The exception that the server raised, or that the transport's failure amounts to.

    Parameters
    ----------
    error : grpc.RpcError
        As raised by a call or by iterating over a stream, blocking or asyncio.

    Returns
    -------
    StokeswarmError
        Of the class the server named, else of the status code's class; ready to be raised ``from error``.
    """
    code = error.code() if callable(getattr(error, "code", None)) else None
    if code is None:
        return StokeswarmError(f"the call failed without a status: {error}")
    details = error.details() if callable(getattr(error, "details", None)) else ""
    message = details or f"the server answered {code.name} without a message"
    metadata = _metadata(error)
    named = _CLASSES.get(metadata.get(ERROR_METADATA, ""))
    if named is not None and named[1] is code and named[0] is not ResourceExhaustedError:
        return named[0](message)
    return from_status(code, message, _pushback(metadata))


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn every gRPC error of the block into ours: ``with translated_errors(): stub.Predict(request)``.

    Raises
    ------
    StokeswarmError
        In place of grpc.RpcError, which becomes its cause.
    """
    try:
        yield
    except grpc.RpcError as error:
        raise translate_rpc_error(error) from error


def _metadata(error: Any) -> dict[str, str]:
    if not callable(getattr(error, "trailing_metadata", None)):
        return {}
    found: dict[str, str] = {}
    for key, value in error.trailing_metadata() or ():
        found[key] = value if isinstance(value, str) else value.decode("utf-8", "replace")
    return found


def _pushback(metadata: dict[str, str], default: float = 1.0) -> float:
    """Seconds from the push-back; it is another party's text, so whatever is not a number is ignored."""
    text = metadata.get(PUSHBACK_METADATA, "")
    return int(text) / 1000.0 if text.isascii() and text.isdigit() else default


def abort_with(context: grpc.ServicerContext, error: BaseException, method: str = "") -> None:
    """End an RPC with an exception's status; never returns (gRPC's own abort raises).

    Parameters
    ----------
    context : grpc.ServicerContext
    error : BaseException
        One of ours travels with its message. Anything else is a bug: the caller learns its class,
        and the log gets the traceback.
    method : str
        Full name of the RPC, for the log.
    """
    if isinstance(error, StokeswarmError):
        details = str(error) or type(error).__name__
        kind = next(kind for kind, _ in STATUS_TABLE if isinstance(error, kind))
        trailing = [(ERROR_METADATA, kind.__name__)]
        if isinstance(error, ResourceExhaustedError):
            low, high = PUSHBACK_RANGE
            seconds = min(max(error.retry_after, low), high)
            trailing.append((PUSHBACK_METADATA, str(round(seconds * 1000))))
        _LOG.info("%s: %s: %s", method, type(error).__name__, details)
    else:
        details = f"internal error: {type(error).__name__}; the server's log has the details"
        trailing = [(ERROR_METADATA, StokeswarmError.__name__)]
        _LOG.error("%s: unexpected %s", method, type(error).__name__, exc_info=error)
    if len(details) > MAX_DETAILS:
        details = details[: MAX_DETAILS - 1] + "…"
    context.set_trailing_metadata(tuple(trailing))
    context.abort(to_status(error), details)


class ErrorInterceptor(grpc.ServerInterceptor):  # type: ignore[misc, type-arg, unused-ignore]
    """Maps the exceptions of every handler, unary or streaming, onto status codes.

    Use it as ``grpc.server(…, interceptors=[ErrorInterceptor()])``; handlers then simply raise.
    """

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wrap the handler that would serve this call."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        maker, behaviour, streams = _parts(handler)
        wrap = _streaming if streams else _unary
        return maker(
            wrap(behaviour, method),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _parts(handler: Any) -> tuple[Callable[..., Any], Behaviour, bool]:
    """Constructor, behaviour and whether the response streams."""
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream, True
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary, False
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream, True
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary, False


def _unary(behaviour: Behaviour, method: str) -> Behaviour:
    def handle(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return behaviour(request, context)
        except Exception as error:  # noqa: BLE001  # the boundary where every error becomes a status
            return _fail(context, error, method)

    return handle


def _streaming(behaviour: Behaviour, method: str) -> Behaviour:
    def handle(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from behaviour(request, context)
        except Exception as error:  # noqa: BLE001  # the boundary where every error becomes a status
            _fail(context, error, method)

    return handle


def _fail(context: Any, error: Exception, method: str) -> None:
    # A handler that called context.abort itself has set a code and raised a bare Exception: let it pass.
    if context.code() is not None and not isinstance(error, StokeswarmError):
        raise error
    abort_with(context, error, method)
