"""Cutting a map into tiles: the unit of a request, of a write to the store, and of what a resume repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.inversion import MAX_PIXELS

#: edge of a tile of a small map [pixels]: enough tiles to keep a few slots busy to the end
SMALL_TILE: Final = 16
#: edge of a tile of a large map: 1.8 MB of Hinode/SP spectra, and four times fewer files in the store
LARGE_TILE: Final = 32
#: maps with at least this many pixels take large tiles
LARGE_MAP: Final = 128 * 128

_REGION = re.compile(r"^(-?\d*):(-?\d*),(-?\d*):(-?\d*)$")


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels, half-open, in the coordinates of the whole observation."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def __str__(self) -> str:
        return f"{self.y0}:{self.y1},{self.x0}:{self.x1}"

    def positions(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows and columns of the pixels, each (size,), row by row."""
        y, x = np.mgrid[self.y0 : self.y1, self.x0 : self.x1]
        return y.ravel().astype(np.int64), x.ravel().astype(np.int64)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its place in the grid of tiles and its pixels.

    Attributes
    ----------
    row, column : int
        Place in the grid of tiles of the region.
    window : Window
        Pixels, in the coordinates of the whole observation.
    """

    row: int
    column: int
    window: Window


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How a region is cut; tiles come row by row, and those at the far edges may be smaller.

    Attributes
    ----------
    region : Window
    tile : (int, int)
        Rows and columns of a whole tile.

    Raises
    ------
    InvalidArgumentError
        On construction: an empty region, or a tile that is empty or larger than a request may be.
    """

    region: Window
    tile: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.region.shape) < 1:
            raise InvalidArgumentError(f"region {self.region}: it holds no pixel")
        if min(self.tile) < 1 or self.tile[0] * self.tile[1] > MAX_PIXELS:
            raise InvalidArgumentError(
                f"tile {self.tile[0]}x{self.tile[1]}: expected 1 to {MAX_PIXELS} pixels in a tile"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        ny, nx = self.region.shape
        return -(-ny // self.tile[0]), -(-nx // self.tile[1])

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def __iter__(self) -> Iterator[Tile]:
        region, (ty, tx) = self.region, self.tile
        for row in range(self.shape[0]):
            for column in range(self.shape[1]):
                y, x = region.y0 + row * ty, region.x0 + column * tx
                window = Window(y, min(y + ty, region.y1), x, min(x + tx, region.x1))
                yield Tile(row, column, window)


def default_tile(shape: tuple[int, int]) -> tuple[int, int]:
    """Tile for a region of this shape (the result never depends on it)."""
    edge = LARGE_TILE if shape[0] * shape[1] >= LARGE_MAP else SMALL_TILE
    return min(edge, shape[0]), min(edge, shape[1])


def parse_tile(text: str) -> tuple[int, int]:
    """Read ``16x16`` or ``16``.

    Raises
    ------
    InvalidArgumentError
        It is neither.
    """
    match = re.fullmatch(r"(\d+)(?:[x,](\d+))?", text.strip())
    if match is None:
        raise InvalidArgumentError(f"tile {text!r}: expected rows x columns, for example 16x16")
    rows = int(match[1])
    return rows, int(match[2]) if match[2] else rows


def parse_region(text: str | None, shape: tuple[int, int]) -> Window:
    """Read ``y0:y1,x0:x1`` with Python's meaning of missing and negative bounds.

    Parameters
    ----------
    text : str or None
        None = everything.
    shape : (int, int)
        Of the observation.

    Raises
    ------
    InvalidArgumentError
        It is not of that form, or lies outside the observation, or holds no pixel.
    """
    ny, nx = shape
    if text is None:
        return Window(0, ny, 0, nx)
    match = _REGION.match(text.replace(" ", ""))
    if match is None:
        raise InvalidArgumentError(f"region {text!r}: expected y0:y1,x0:x1, for example 0:100,20:60")

    def bound(value: str, default: int, size: int) -> int:
        if not value:
            return default
        number = int(value)
        return number + size if number < 0 else number

    y0, y1 = bound(match[1], 0, ny), bound(match[2], ny, ny)
    x0, x1 = bound(match[3], 0, nx), bound(match[4], nx, nx)
    if not (0 <= y0 < y1 <= ny and 0 <= x0 < x1 <= nx):
        raise InvalidArgumentError(
            f"region {text!r}: expected a non-empty part of the observation's {ny} x {nx} pixels (y, x)"
        )
    return Window(y0, y1, x0, x1)
