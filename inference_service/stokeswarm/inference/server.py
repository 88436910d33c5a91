"""The inference server: health, reflection, readiness line, and an orderly end.

Life of a server: load and warm every model → bind → SERVING → ``READY {"address": …}`` on stdout → …
→ SIGTERM → NOT_SERVING → a short wait, in which clients see it → running calls end → exit.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stokeswarm.contract.errors import UnavailableError
from stokeswarm.contract.rpc import INFERENCE_SERVICE, ErrorInterceptor, server_options
from stokeswarm.inference.batching import Admission
from stokeswarm.inference.lifecycle import DEFAULT_PORT, DRAIN_SECONDS, GRACE_SECONDS, Ending, watch_parent
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import Repository, default_roots
from stokeswarm.inference.servicer import InferenceServicer
from stokeswarm.inference.session import SessionOptions
from stokeswarm.inference.telemetry import Observer, PrometheusObserver
from stokeswarm.v1 import inference_pb2_grpc

#: threads beyond those of Predict, so that health checks and ListModels are answered under full load
_SPARE_THREADS: Final = 8
_MAX_PORT: Final = 65535

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server runs.

    Attributes
    ----------
    host : str
    port : int
        0 = a free one.
    models : tuple of Path
        Model repositories besides the bundled one.
    bundled : bool
        Offer the models that come with the package.
    workers : int
        Requests computed at a time; 0 = cores of this process over ``session.threads``.
    queue : int
        Requests waiting; −1 = four per worker.
    drain_seconds : float
        Between NOT_SERVING and the end of the listening socket.
    grace_seconds : float
        That running calls then have.
    exit_with_parent : bool
        End when the process that started this one is gone.
    metrics_port : int or None
        Serve Prometheus metrics there; 0 = a free one, None = none.
    session : SessionOptions

    Raises
    ------
    ValueError
        On construction, a number is out of range.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    models: tuple[Path, ...] = ()
    bundled: bool = True
    workers: int = 0
    queue: int = -1
    drain_seconds: float = DRAIN_SECONDS
    grace_seconds: float = GRACE_SECONDS
    exit_with_parent: bool = False
    metrics_port: int | None = None
    session: SessionOptions = field(default_factory=SessionOptions)

    def __post_init__(self) -> None:
        ports = {"port": self.port, "metrics port": self.metrics_port or 0}
        for name, port in ports.items():
            if not 0 <= port <= _MAX_PORT:
                raise ValueError(f"{name}: expected 0–{_MAX_PORT}, found {port}")
        if self.workers < 0:
            raise ValueError(f"workers: expected at least 1, or 0 for one a core, found {self.workers}")
        if not (0 <= self.drain_seconds < math.inf and 0 <= self.grace_seconds < math.inf):
            raise ValueError(
                f"drain and grace: expected seconds >= 0, found {self.drain_seconds}, {self.grace_seconds}"
            )

    @property
    def n_worker(self) -> int:
        """Requests computed at a time."""
        return self.workers or max(1, len(os.sched_getaffinity(0)) // self.session.threads)

    @property
    def n_queue(self) -> int:
        """Requests that may wait."""
        return self.queue if self.queue >= 0 else 4 * self.n_worker


def health_name(model: str) -> str:
    """The name under which ``grpc.health.v1`` knows a model."""
    return f"model/{model}"


class InferenceServer:
    """A bound server; `start` makes it serve, `stop` drains it.

    Parameters
    ----------
    predictor : Predictor
    options : ServerOptions
    observer : Observer, optional

    Raises
    ------
    UnavailableError
        The address cannot be bound.
    """

    def __init__(
        self, predictor: Predictor, options: ServerOptions, observer: Observer | None = None
    ) -> None:
        self._predictor = predictor
        self._options = options
        self.admission = Admission(options.n_worker, options.n_queue)
        threads = options.n_worker + options.n_queue + _SPARE_THREADS
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
            options=server_options(),
            interceptors=[ErrorInterceptor()],
        )
        servicer = InferenceServicer(predictor, self.admission, observer or Observer())
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(servicer, self._server)
        self._health = health.HealthServicer(
            experimental_non_blocking=True,
            experimental_thread_pool=ThreadPoolExecutor(1, thread_name_prefix="health"),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (INFERENCE_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        wanted = f"{options.host}:{options.port}"
        try:
            port = self._server.add_insecure_port(wanted)
        except RuntimeError:
            port = 0
        if not port:
            raise UnavailableError(f"cannot listen on {wanted}: in use, or not an address of this machine")
        self.address = f"{options.host}:{port}"

    def start(self) -> None:
        """Listen, and report every service and model with its health."""
        self._server.start()
        serving, broken = (
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        )
        for name in {model.entry.name for model in self._predictor.models}:
            ready = self._predictor.find(name).session is not None
            self._health.set(health_name(name), serving if ready else broken)
        self._health.set(INFERENCE_SERVICE, serving)
        self._health.set("", serving)

    def stop(self, drain: Callable[[float], object]) -> None:
        """End in order.

        Parameters
        ----------
        drain : callable (seconds) -> object
            Waits, or returns early where there is no time to wait.
        """
        self._health.enter_graceful_shutdown()
        drain(self._options.drain_seconds)
        self._server.stop(self._options.grace_seconds).wait()


def serve(options: ServerOptions) -> None:
    """Run a server until SIGTERM, SIGINT or, if asked, the parent's end.

    Raises
    ------
    NotFoundError
        A model repository is not a folder.
    FailedPreconditionError
        A GPU is required and there is none, or the metrics cannot be served.
    UnavailableError
        The address cannot be bound.
    """
    ending = Ending()
    ending.on_signals()
    if options.exit_with_parent:
        watch_parent(ending)
    predictor = Predictor(Repository(default_roots(options.models, bundled=options.bundled)), options.session)
    if not any(model.session for model in predictor.models):
        _LOG.warning("no model is ready: Predict will fail until the server is started with one")
    observer = Observer()
    if options.metrics_port is not None:
        providers = {
            (model.entry.name, model.entry.version): model.session.provider
            for model in predictor.models
            if model.session is not None
        }
        observer = PrometheusObserver(options.metrics_port, providers)
    server = InferenceServer(predictor, options, observer)
    server.start()
    _LOG.info("serving on %s: %d workers, queue of %d", server.address, options.n_worker, options.n_queue)
    sys.stdout.write(f"READY {json.dumps({'address': server.address})}\n")
    sys.stdout.flush()
    _LOG.info("draining: %s", ending.wait())
    # A second signal during the drain means: do not wait for anybody.
    server.stop(ending.wait)
    observer.close()
