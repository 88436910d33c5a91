"""One inversion on its way into its store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from stokeswarm.client.calls import Calls
from stokeswarm.client.carrying import TileResult
from stokeswarm.client.prepare import Prepared
from stokeswarm.client.progress import Reporter
from stokeswarm.client.store import ResultStore
from stokeswarm.client.summary import summarize
from stokeswarm.client.tiles import Tile


class Tiles(Protocol):
    """What yields finished tiles."""

    def run(self, tiles: Iterator[Tile], in_flight: int) -> Iterator[TileResult]:
        """Work on tiles, several at a time."""
        ...


class StoreRun:
    """Tiles on their way into a store: iterate over them, once.

    Attributes
    ----------
    store : ResultStore
    """

    def __init__(
        self, store: ResultStore, tiles: Tiles, calls: Calls, in_flight: int, reporter: Reporter
    ) -> None:
        self.store = store
        self._tiles = tiles
        self._calls = calls
        self._in_flight = in_flight
        self._reporter = reporter

    def stop(self) -> None:
        """Cancel what is in flight; the store stays resumable."""
        self._calls.stop()

    def __iter__(self) -> Iterator[TileResult]:
        """Work on what is missing, writing each tile before it is yielded, and finish the store."""
        missing = list(self.store.missing())
        todo = sum(tile.window.size for tile in missing)
        total = self.store.grid.region.size
        self._reporter.begin(total, total - todo)
        results = self._tiles.run(iter(missing), self._in_flight)
        try:
            for result in results:
                self.store.write(result.tile, result.arrays, result.stokes)
                yield result
        finally:
            self._calls.stop()
            close_iterator(results)
            self._reporter.close()
        self.store.finish(self.closing())

    def closing(self) -> dict[str, Any]:
        """The summary of the finished store."""
        return summarize(self.store).as_dict()


class Run(StoreRun):
    """An inversion on its way into its store.

    Attributes
    ----------
    store : ResultStore
    prepared : Prepared
    """

    def __init__(
        self,
        store: ResultStore,
        tiles: Tiles,
        calls: Calls,
        in_flight: int,
        reporter: Reporter,
        prepared: Prepared,
    ) -> None:
        super().__init__(store, tiles, calls, in_flight, reporter)
        self.prepared = prepared


def close_iterator(iterator: Iterator[Any]) -> None:
    """Close a generator; other iterators have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
