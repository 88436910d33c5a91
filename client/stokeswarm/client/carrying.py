"""Tiles carried by workers: several at a time, yielded as they end, cancelled together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from stokeswarm.client.calls import Calls
from stokeswarm.client.layout import Arrays
from stokeswarm.client.tiles import Tile


@dataclass(frozen=True, slots=True)
class TileResult:
    """A tile that has ended.

    Attributes
    ----------
    tile : Tile
    arrays : Arrays
        Path in the store (``fit/chi2``) → values of the tile's pixels, row by row.
    stokes : ndarray (n, 4, n_wavelength) float32
        The observed profiles.
    """

    tile: Tile
    arrays: Arrays
    stokes: npt.NDArray[np.float32]

    def __getitem__(self, path: str) -> npt.NDArray[Any]:
        """A variable in the tile's shape, (rows, columns, …)."""
        values = self.arrays[path]
        return values.reshape(*self.tile.window.shape, *values.shape[1:])


def carried(
    work: Callable[[Tile], TileResult], tiles: Iterator[Tile], in_flight: int, calls: Calls
) -> Iterator[TileResult]:
    """Begin to work on tiles, several at a time; yields each as it ends.

    The first ones are begun before this function returns. Closing the iterator, an exception of a tile, or
    `Calls.stop` cancels what is in flight.

    Parameters
    ----------
    work : callable (Tile) -> TileResult
        Waits for servers most of its time, so that threads will do.
    tiles : iterator of Tile
    in_flight : int
    calls : Calls
    """
    workers = ThreadPoolExecutor(in_flight, thread_name_prefix="tile")
    first = {workers.submit(work, tile) for tile in islice(tiles, in_flight)}
    return _results(workers, work, first, tiles, in_flight, calls)


def _results(
    workers: ThreadPoolExecutor,
    work: Callable[[Tile], TileResult],
    pending: set[Future[TileResult]],
    tiles: Iterator[Tile],
    in_flight: int,
    calls: Calls,
) -> Iterator[TileResult]:
    with workers:
        try:
            while pending:
                ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                pending |= {workers.submit(work, tile) for tile in islice(tiles, in_flight - len(pending))}
                for future in ended:
                    yield future.result()
        except BaseException:
            # Also KeyboardInterrupt and GeneratorExit: the workers must not go on for nobody.
            calls.stop()
            raise
