"""What the server counts: an observer that does nothing, and one that Prometheus can scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.contract.status import Status


class Observer:
    """Told of every prediction; this one ignores it. Its methods are called from any thread."""

    def predicted(self, model: str, statuses: Sequence[Status], novel: int, seconds: float) -> None:
        """A request was answered: its pixels' statuses, how many are novel, seconds without the queue."""

    def rejected(self, model: str) -> None:
        """A request found the queue full."""

    def close(self) -> None:
        """The server ends."""


class PrometheusObserver(Observer):
    """Counts for Prometheus, and serves them over HTTP.

    Parameters
    ----------
    port : int
        0 = any free one.
    providers : dict of (str, str) to str
        Execution provider of each model (name, version) that is ready.
    host : str

    Raises
    ------
    FailedPreconditionError
        prometheus-client is not installed, or the port is taken.
    """

    def __init__(
        self,
        port: int,
        providers: dict[tuple[str, str], str],
        host: str = "0.0.0.0",  # noqa: S104  # scraped from outside the pod
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise FailedPreconditionError(
                "metrics need prometheus-client: install stokeswarm[observability]"
            ) from None
        registry = prometheus.CollectorRegistry()

        def make(kind: Any, name: str, text: str, *labels: str) -> Any:
            return kind(f"stokeswarm_inference_{name}", text, labels, registry=registry)

        self._requests = make(prometheus.Counter, "requests", "Requests answered", "model")
        self._rejected = make(
            prometheus.Counter, "requests_rejected", "Requests refused by a full queue", "model"
        )
        self._pixels = make(prometheus.Counter, "pixels", "Pixels answered", "model", "status")
        self._novel = make(prometheus.Counter, "pixels_novel", "Pixels unlike the training set", "model")
        self._seconds = make(prometheus.Counter, "seconds", "Wall seconds of computing", "model")
        ready = make(prometheus.Gauge, "model_ready", "Models in service", "model", "version", "provider")
        for (name, version), provider in providers.items():
            ready.labels(name, version, provider).set(1)
        try:
            self._server, self._thread = prometheus.start_http_server(port, host, registry)
        except OSError as error:
            raise FailedPreconditionError(f"metrics: cannot listen on {host}:{port}: {error}") from None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def predicted(self, model: str, statuses: Sequence[Status], novel: int, seconds: float) -> None:
        """Count a request and its pixels."""
        self._requests.labels(model).inc()
        for status, number in Counter(statuses).items():
            self._pixels.labels(model, status.name).inc(number)
        self._novel.labels(model).inc(novel)
        self._seconds.labels(model).inc(seconds)

    def rejected(self, model: str) -> None:
        """Count a refused request."""
        self._rejected.labels(model).inc()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
