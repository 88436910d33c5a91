"""One inversion on its way into its store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        """Begin to work on tiles, several at a time."""
        ...


def begun(
    tiles: Tiles, todo: Sequence[Tile], total: int, in_flight: int, reporter: Reporter
) -> Iterator[TileResult]:
    """Begin to work on tiles: the servers are busy while the store for their results is made.

    Parameters
    ----------
    tiles : Tiles
    todo : sequence of Tile
    total : int
        Pixels of the store; those that are in no tile are done.
    in_flight : int
    reporter : Reporter
    """
    reporter.begin(total, total - sum(tile.window.size for tile in todo))
    return tiles.run(iter(todo), in_flight)


class StoreRun:
    """Tiles on their way into a store: iterate over them, once. Made when they are begun.

    Attributes
    ----------
    store : ResultStore
    """

    def __init__(
        self, store: ResultStore, results: Iterator[TileResult], calls: Calls, reporter: Reporter
    ) -> None:
        self.store = store
        self._results = results
        self._calls = calls
        self._reporter = reporter

    def stop(self) -> None:
        """Cancel what is in flight; the store stays resumable."""
        self._calls.stop()

    def __iter__(self) -> Iterator[TileResult]:
        """Write each tile before it is yielded, and finish the store."""
        try:
            for result in self._results:
                self.store.write(result.tile, result.arrays, result.stokes)
                yield result
        finally:
            self._calls.stop()
            close_iterator(self._results)
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
        results: Iterator[TileResult],
        calls: Calls,
        reporter: Reporter,
        prepared: Prepared,
    ) -> None:
        super().__init__(store, results, calls, reporter)
        self.prepared = prepared


def close_iterator(iterator: Iterator[Any]) -> None:
    """Close a generator; other iterators have nothing to close."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
