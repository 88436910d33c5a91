"""What the server counts: an observer that does nothing, and one that Prometheus can scrape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.contract.status import Status


class Observer:
    """Told what happens in the pool; this one ignores it. Its methods are called from any thread."""

    def requested(self, engine: str, method: str) -> None:
        """A request was admitted."""

    def rejected(self, engine: str, method: str) -> None:
        """A request found the queue full."""

    def ended(self, engine: str, method: str, statuses: Sequence[Status]) -> None:
        """Pixels ended."""

    def ran(self, engine: str, method: str, pixels: int, seconds: float) -> None:
        """A slot ran some pixels, for so many wall seconds."""

    def load(self, busy: int, open_requests: int, stuck: int) -> None:
        """Slots at work, requests open, slots that did not return in time."""

    def close(self) -> None:
        """The server ends."""


class PrometheusObserver(Observer):
    """Counts for Prometheus, and serves them over HTTP.

    Parameters
    ----------
    port : int
        0 = any free one.
    host : str

    Raises
    ------
    FailedPreconditionError
        prometheus-client is not installed, or the port is taken.
    """

    def __init__(self, port: int, host: str = "0.0.0.0") -> None:  # noqa: S104  # scraped from outside the pod
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise FailedPreconditionError(
                "metrics need prometheus-client: install stokeswarm[observability]"
            ) from None
        self._registry = prometheus.CollectorRegistry()
        what = ("engine", "method")
        counter, gauge = prometheus.Counter, prometheus.Gauge
        self._requests = self._make(counter, "requests", "Requests admitted", what)
        self._rejected = self._make(counter, "requests_rejected", "Requests refused by a full queue", what)
        self._pixels = self._make(counter, "pixels", "Pixels ended", (*what, "status"))
        self._seconds = self._make(counter, "slot_seconds", "Wall seconds slots spent in an engine", what)
        self._ran = self._make(counter, "slot_pixels", "Pixels slots ran, retries included", what)
        self._busy = self._make(gauge, "slots_busy", "Slots at work", ())
        self._stuck = self._make(gauge, "slots_stuck", "Slots whose engine did not return in time", ())
        self._open = self._make(gauge, "requests_open", "Requests being served or waiting", ())
        try:
            self._server, self._thread = prometheus.start_http_server(port, host, self._registry)
        except OSError as error:
            raise FailedPreconditionError(f"metrics: cannot listen on {host}:{port}: {error}") from None

    def _make(self, kind: Any, name: str, text: str, labels: tuple[str, ...]) -> Any:
        return kind(f"stokeswarm_inversion_{name}", text, labels, registry=self._registry)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def requested(self, engine: str, method: str) -> None:
        """Count an admitted request."""
        self._requests.labels(engine, method).inc()

    def rejected(self, engine: str, method: str) -> None:
        """Count a refused request."""
        self._rejected.labels(engine, method).inc()

    def ended(self, engine: str, method: str, statuses: Sequence[Status]) -> None:
        """Count pixels by status."""
        for status in set(statuses):
            self._pixels.labels(engine, method, status.name).inc(statuses.count(status))

    def ran(self, engine: str, method: str, pixels: int, seconds: float) -> None:
        """Add up the time in the engine."""
        self._ran.labels(engine, method).inc(pixels)
        self._seconds.labels(engine, method).inc(seconds)

    def load(self, busy: int, open_requests: int, stuck: int) -> None:
        """Set the gauges."""
        self._busy.set(busy)
        self._open.set(open_requests)
        self._stuck.set(stuck)
