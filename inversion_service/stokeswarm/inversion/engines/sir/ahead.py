"""Inputs of the pixels to come, made while the codes of others run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.sir.dialect import Task, Where

Floats = npt.NDArray[np.float64]

#: pixels whose inputs may lie ready: more than a server has slots, and no memory to speak of
STOCK: Final = 64


@dataclass(frozen=True, slots=True)
class Ready:
    """What a pixel's run needs: the observation, its place on the disc, the start, and the files to write."""

    observed: Floats
    weight: Floats
    where: Where
    factor: Floats
    task: Task
    start: list[Floats]
    files: Mapping[str, str]


class Ahead:
    """A stock of inputs, filled by one for each that is used; thread-safe.

    Slots take the rows of a request nearly in order, so the first row that nobody has taken or prepared is
    one of the next.

    Parameters
    ----------
    make : callable (int) -> Ready
        Makes the inputs of a row; raises PixelFailedError where they cannot be.
    n_row : int
    """

    def __init__(self, make: Callable[[int], Ready], n_row: int) -> None:
        self._make = make
        self._n_row = n_row
        self._lock = threading.Lock()
        self._stock: dict[int, Ready] = {}
        self._next = 0

    def take(self, row: int) -> Ready:
        """The inputs of a row, from the stock or made now.

        Raises
        ------
        PixelFailedError
        """
        with self._lock:
            self._next = max(self._next, row + 1)
            found = self._stock.pop(row, None)
        return self._make(row) if found is None else found

    def make_one(self) -> None:
        """Make the inputs of the next row, if there is one and the stock is not full."""
        with self._lock:
            row = self._next
            if row >= self._n_row or len(self._stock) >= STOCK:
                return
            self._next = row + 1
        try:
            made = self._make(row)
        except Exception:  # noqa: BLE001  # whoever takes the row meets it again, and not another pixel's run
            return
        with self._lock:
            self._stock[row] = made
