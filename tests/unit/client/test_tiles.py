"""Tiles cover the region once; regions and tiles are read as users write them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.tiles import TileGrid, Window, default_tile, parse_region, parse_tile
from stokeswarm.contract.errors import InvalidArgumentError


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 17), st.integers(1, 17), st.integers(0, 9))
def test_tiles_cover_every_pixel_once(ny: int, nx: int, ty: int, tx: int, origin: int) -> None:
    region = Window(origin, origin + ny, 2 * origin, 2 * origin + nx)
    grid = TileGrid(region, (ty, tx))
    count = np.zeros((origin + ny, 2 * origin + nx), int)
    tiles = list(grid)
    for tile in tiles:
        y, x = tile.window.positions()
        count[y, x] += 1
        assert (tile.window.y0 - region.y0) % ty == (tile.window.x0 - region.x0) % tx == 0
    assert (count[region.y0 :, region.x0 :] == 1).all()
    assert count.sum() == region.size
    assert len(tiles) == len(grid) == len({(t.row, t.column) for t in tiles})


def test_positions_run_along_x_first() -> None:
    y, x = Window(3, 5, 7, 9).positions()
    assert y.tolist() == [3, 3, 4, 4]
    assert x.tolist() == [7, 8, 7, 8]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        (None, Window(0, 10, 0, 20)),
        ("2:5,3:4", Window(2, 5, 3, 4)),
        (":,5:", Window(0, 10, 5, 20)),
        ("-3:,:-15", Window(7, 10, 0, 5)),
        (" 0:1, 0:1 ", Window(0, 1, 0, 1)),
    ],
)
def test_regions(text: str | None, window: Window) -> None:
    assert parse_region(text, (10, 20)) == window


@pytest.mark.parametrize("text", ["5", "1:2", "a:b,c:d", "5:2,0:3", "0:11,0:5", "0:5,20:30", "0:1:2,0:3"])
def test_wrong_regions_say_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected"):
        parse_region(text, (10, 20))


def test_tile_option() -> None:
    assert parse_tile("16x8") == (16, 8)
    assert parse_tile("4") == (4, 4)
    with pytest.raises(InvalidArgumentError, match="16x16"):
        parse_tile("big")
    with pytest.raises(InvalidArgumentError, match="expected 1 to 65536"):
        TileGrid(Window(0, 1, 0, 1), (1000, 1000))
    assert default_tile((5, 40)) == (5, 16)
    assert default_tile((500, 500)) == (32, 32)
