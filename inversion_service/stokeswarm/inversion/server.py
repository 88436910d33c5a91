"""The inversion server's life: listen, warm up, serve, drain, stop."""

from __future__ import annotations

import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TextIO

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.contract.rpc import INVERSION_SERVICE, ErrorInterceptor, server_options
from stokeswarm.inversion.core import InversionCore
from stokeswarm.inversion.lifecycle import Wish, Wishes, watch_parent
from stokeswarm.inversion.metrics import Observer, PrometheusObserver
from stokeswarm.inversion.pool import SlotPool
from stokeswarm.inversion.registry import EngineRegistry
from stokeswarm.inversion.servicer import InversionServicer, StreamSettings
from stokeswarm.v1 import inversion_pb2_grpc

_LOG = logging.getLogger(__name__)

DEFAULT_PORT: Final = 50052
#: their sum stays below Kubernetes' default termination grace period of 30 s
DRAIN_SECONDS: Final = 5.0
GRACE_SECONDS: Final = 20.0
#: threads for short calls (engine lists, health), beside one per open request
SPARE_THREADS: Final = 8
#: calls that wait for a thread before further ones are refused; health watchers need none while they wait
WAITING_CALLS: Final = 64
#: seconds between two looks for slots whose engine does not return
REAP_INTERVAL: Final = 5.0
SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a server is run.

    Attributes
    ----------
    host : str
        Address to listen on.
    port : int
        0 = any free one.
    metrics_port : int or None
        Where Prometheus scrapes; None = nowhere, 0 = any free port.
    drain_seconds : float
        From saying NOT_SERVING until new calls are refused, for load balancers to notice.
    grace_seconds : float
        For running calls to end; drain and grace together stay below the pod's termination grace period.
    exit_with_parent : bool
        End when the process that started this one does.
    stream : StreamSettings

    Raises
    ------
    FailedPreconditionError
        On construction, where a number is out of range.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    metrics_port: int | None = None
    drain_seconds: float = DRAIN_SECONDS
    grace_seconds: float = GRACE_SECONDS
    exit_with_parent: bool = False
    stream: StreamSettings = field(default_factory=StreamSettings)

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("metrics port", self.metrics_port)):
            if port is not None and not 0 <= port <= 65535:
                raise FailedPreconditionError(f"{name}: expected 0–65535, found {port}")
        if self.drain_seconds < 0 or self.grace_seconds < 0:
            raise FailedPreconditionError(
                f"drain and grace: expected seconds >= 0, found {self.drain_seconds} and {self.grace_seconds}"
            )


class InversionServer:
    """A gRPC server around a core: it listens from construction, and serves from `serve` on.

    Parameters
    ----------
    core : InversionCore
    settings : ServerSettings

    Attributes
    ----------
    address : str
        host:port it listens on.

    Raises
    ------
    FailedPreconditionError
        The address cannot be listened on.
    """

    def __init__(self, core: InversionCore, settings: ServerSettings) -> None:
        self._core = core
        self._settings = settings
        threads = core.pool.capacity + SPARE_THREADS
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="rpc")
        self._server = grpc.server(
            self._executor,
            interceptors=[ErrorInterceptor()],
            options=server_options(),
            maximum_concurrent_rpcs=threads + WAITING_CALLS,
        )
        # Non-blocking, or every watcher (and a client's channel may be one) would hold a thread.
        self._health = health.HealthServicer(
            experimental_non_blocking=True, experimental_thread_pool=ThreadPoolExecutor(1)
        )
        self._state: bool | None = None
        self._set_health(serving=False)
        servicer = InversionServicer(core, settings.stream)
        inversion_pb2_grpc.add_InversionServiceServicer_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        services = (INVERSION_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(services, self._server)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            port = self._server.add_insecure_port(f"{host}:{settings.port}")
        except RuntimeError as error:
            raise FailedPreconditionError(f"cannot listen on {host}:{settings.port}: {error}") from None
        self.address: Final = f"{host}:{port}"
        self._server.start()
        _LOG.info("listening on %s, slots=%d queue=%d", self.address, core.pool.slots, core.pool.capacity)

    def serve(self) -> None:
        """Say SERVING: the service as a whole, and each engine that is available."""
        self._set_health(serving=True)

    def watch_slots(self) -> None:
        """Give up engine calls that never return; a server without a working slot says NOT_SERVING."""
        self._set_health(serving=self._core.pool.reap() > 0)

    def drain(self, wishes: Wishes) -> bool:
        """Say NOT_SERVING, wait, refuse new calls, let the running ones end, stop.

        Parameters
        ----------
        wishes : Wishes
            A `Wish.STOP` that arrives meanwhile ends all waiting.

        Returns
        -------
        bool
            As of `stop`.
        """
        _LOG.info(
            "draining: drain=%g s grace=%g s", self._settings.drain_seconds, self._settings.grace_seconds
        )
        self._health.enter_graceful_shutdown()
        if wishes.wait(self._settings.drain_seconds) is not Wish.STOP:
            ended = self._server.stop(self._settings.grace_seconds)
            threading.Thread(target=_tell, args=(ended, wishes), name="drained", daemon=True).start()
            while not ended.is_set():
                if wishes.wait() is Wish.STOP:
                    break
        return self.stop()

    def stop(self) -> bool:
        """Stop at once: running calls are cancelled.

        Returns
        -------
        bool
            Whether every slot returned from its engine.
        """
        self._server.stop(0).wait()
        returned = self._core.pool.close()
        if not returned:
            _LOG.warning("a slot has not returned from its engine; it ends with the process")
        self._executor.shutdown(wait=False)
        _LOG.info("stopped")
        return returned

    def _set_health(self, *, serving: bool) -> None:
        if serving is self._state:
            return
        self._state = serving
        state = SERVING if serving else NOT_SERVING
        for service in ("", INVERSION_SERVICE):
            self._health.set(service, state)
        for info in self._core.engines():
            self._health.set(f"engine/{info.name}", state if info.available else NOT_SERVING)
        _LOG.info("health: %s", "SERVING" if serving else "NOT_SERVING")


def _tell(ended: threading.Event, wishes: Wishes) -> None:
    ended.wait()
    wishes.put(Wish.DRAIN)


def announce(address: str, stream: TextIO | None = None) -> None:
    """Write the line a parent process waits for: ``READY {"address": "127.0.0.1:50052"}``."""
    print(f"READY {json.dumps({'address': address})}", file=stream or sys.stdout, flush=True)


def run(
    registry: EngineRegistry,
    settings: ServerSettings,
    *,
    slots: int,
    queue: int | None = None,
    stream: TextIO | None = None,
) -> bool:
    """Run a server in the main thread until a signal (or the parent's end) stops it.

    The line ``READY {…}`` is written once it serves.

    Parameters
    ----------
    registry : EngineRegistry
    settings : ServerSettings
    slots : int
    queue : int or None
        Requests that may be open at once; None = four per slot.
    stream : text file, optional
        For the READY line; standard output.

    Returns
    -------
    bool
        Whether all threads ended. Otherwise leave by `os._exit`: one is inside compiled code or the compiler
        itself, which an ordinary exit would pull down beneath it.

    Raises
    ------
    FailedPreconditionError
        The address is taken, the metrics cannot be served, or no engine is available.
    """
    wishes = Wishes()
    wishes.on_signals()
    if settings.exit_with_parent:
        watch_parent(lambda: wishes.put(Wish.STOP))
    observer = Observer() if settings.metrics_port is None else PrometheusObserver(settings.metrics_port)
    try:
        pool = SlotPool(slots, queue, observer=observer)
        server = InversionServer(InversionCore(registry, pool), settings)
        # Compiling takes a while; in the main thread it would keep signals waiting.
        warming = threading.Thread(target=_warm_up, args=(registry, wishes), name="warm-up", daemon=True)
        warming.start()
        wish = wishes.wait()
        if wish is Wish.SERVE:
            wish = _serve(server, registry, wishes, stream)
        returned = server.stop() if wish is Wish.STOP else server.drain(wishes)
        return returned and not warming.is_alive()
    finally:
        registry.close()
        observer.close()


def _serve(
    server: InversionServer, registry: EngineRegistry, wishes: Wishes, stream: TextIO | None
) -> Wish | None:
    """Serve until there is a wish to end."""
    if not registry.available():
        server.stop()
        reasons = "; ".join(f"{info.name}: {info.message}" for info in registry.infos())
        raise FailedPreconditionError(f"no engine is available ({reasons or 'none is known'})")
    server.serve()
    announce(server.address, stream)
    wish = None
    while wish is None:
        wish = wishes.wait(REAP_INTERVAL)
        server.watch_slots()
    return wish


def _warm_up(registry: EngineRegistry, wishes: Wishes) -> None:
    registry.warm_up()
    wishes.put(Wish.SERVE)
