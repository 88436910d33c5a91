"""One inversion on its way into its store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stokeswarm.client.calls import Calls
from stokeswarm.client.pipeline import Pipeline, TileResult
from stokeswarm.client.prepare import Prepared
from stokeswarm.client.progress import Reporter
from stokeswarm.client.store import ResultStore
from stokeswarm.client.summary import summarize


class Run:
    """An inversion on its way into its store: iterate over it, once.

    Attributes
    ----------
    store : ResultStore
    prepared : Prepared
    """

    def __init__(
        self,
        store: ResultStore,
        pipeline: Pipeline,
        calls: Calls,
        in_flight: int,
        reporter: Reporter,
        prepared: Prepared,
    ) -> None:
        self.store = store
        self.prepared = prepared
        self._pipeline = pipeline
        self._calls = calls
        self._in_flight = in_flight
        self._reporter = reporter

    def stop(self) -> None:
        """Cancel what is in flight; the store stays resumable."""
        self._calls.stop()

    def __iter__(self) -> Iterator[TileResult]:
        """Invert what is missing, writing each tile before it is yielded, and finish the store."""
        missing = list(self.store.missing())
        todo = sum(tile.window.size for tile in missing)
        total = self.store.grid.region.size
        self._reporter.begin(total, total - todo)
        results = self._pipeline.run(iter(missing), self._in_flight)
        try:
            for result in results:
                self.store.write(result.tile, result.arrays, result.stokes)
                yield result
        finally:
            self._calls.stop()
            close_iterator(results)
            self._reporter.close()
        self.store.finish(summarize(self.store).as_dict())


def close_iterator(iterator: Iterator[Any]) -> None:
    """Close a generator; other iterators have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
