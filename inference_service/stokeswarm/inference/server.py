"""The inference server: health, reflection, readiness line, and an orderly end.

Life of a server: load and warm every model → bind → SERVING → ``READY {"address": …}`` on stdout → …
→ SIGTERM → NOT_SERVING → a short wait, in which clients see it → running calls end → exit.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from stokeswarm.contract.errors import UnavailableError
from stokeswarm.contract.rpc import INFERENCE_SERVICE, ErrorInterceptor, server_options
from stokeswarm.inference.batching import Admission
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import Repository, default_roots
from stokeswarm.inference.servicer import InferenceServicer
from stokeswarm.inference.session import SessionOptions
from stokeswarm.v1 import inference_pb2_grpc

#: threads beyond those of Predict, so that health checks and ListModels are answered under full load
_SPARE_THREADS: Final = 8
#: how often a child looks whether its parent still lives [s]
_PARENT_POLL: Final = 1.0

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
    session : SessionOptions
    """

    host: str = "127.0.0.1"
    port: int = 50051
    models: tuple[Path, ...] = ()
    bundled: bool = True
    workers: int = 0
    queue: int = -1
    drain_seconds: float = 2.0
    grace_seconds: float = 20.0
    exit_with_parent: bool = False
    session: SessionOptions = field(default_factory=SessionOptions)

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

    Raises
    ------
    UnavailableError
        The address cannot be bound.
    """

    def __init__(self, predictor: Predictor, options: ServerOptions) -> None:
        self._predictor = predictor
        self._options = options
        self.admission = Admission(options.n_worker, options.n_queue)
        threads = options.n_worker + options.n_queue + _SPARE_THREADS
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="rpc"),
            options=server_options(),
            interceptors=[ErrorInterceptor()],
        )
        servicer = InferenceServicer(predictor, self.admission)
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
        A GPU is required and there is none.
    UnavailableError
        The address cannot be bound.
    """
    ending, hurry = threading.Event(), threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # The second signal means: do not wait for anybody.
        (hurry if ending.is_set() else ending).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    if options.exit_with_parent:
        watch_parent(os.getppid(), ending)
    repository = Repository(default_roots(options.models, bundled=options.bundled))
    predictor = Predictor(repository, options.session)
    if not any(model.session for model in predictor.models):
        _LOG.warning("no model is ready: Predict will fail until the server is started with one")
    server = InferenceServer(predictor, options)
    server.start()
    _LOG.info("serving on %s: %d workers, queue of %d", server.address, options.n_worker, options.n_queue)
    sys.stdout.write(f"READY {json.dumps({'address': server.address})}\n")
    sys.stdout.flush()
    ending.wait()
    _LOG.info("draining")
    server.stop(hurry.wait)


def watch_parent(
    parent: int, ending: threading.Event, poll: float = _PARENT_POLL, getppid: Callable[[], int] = os.getppid
) -> threading.Thread:
    """Set ``ending`` once the parent process is gone (the system then gives this one another parent).

    Parameters
    ----------
    parent : int
        Its process id.
    ending : Event
    poll : float
        Seconds between two looks.
    getppid : callable () -> int

    Returns
    -------
    Thread
        The watching daemon thread; it ends when ``ending`` is set.
    """

    def watch() -> None:
        while not ending.wait(poll):
            if getppid() != parent:
                _LOG.warning("the parent process %d is gone", parent)
                ending.set()

    thread = threading.Thread(target=watch, name="parent-watch", daemon=True)
    thread.start()
    return thread
