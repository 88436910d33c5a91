"""Inputs made ahead are those that would be made at need, each once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from stokeswarm.inversion.engines.sir.ahead import STOCK, Ahead


class Maker:
    """Makes the row's number, counts, and fails on some rows."""

    def __init__(self, bad: tuple[int, ...] = ()) -> None:
        self.made: list[int] = []
        self.bad = bad

    def __call__(self, row: int) -> Any:
        self.made.append(row)
        if row in self.bad:
            raise ValueError(f"row {row}")
        return row


def test_each_row_is_made_once_whoever_takes_it() -> None:
    maker = Maker()
    ahead = Ahead(maker, 10)
    for row in range(10):
        assert ahead.take(row) == row
        ahead.make_one()
    assert sorted(maker.made) == list(range(10))
    assert maker.made[:3] == [0, 1, 2]


def test_a_row_that_is_taken_again_is_made_again() -> None:
    maker = Maker()
    ahead = Ahead(maker, 3)
    assert [ahead.take(0), ahead.take(0), ahead.take(2), ahead.take(1)] == [0, 0, 2, 1]
    ahead.make_one()
    assert maker.made == [0, 0, 2, 1], "no row is left to be made ahead"


def test_a_row_that_cannot_be_made_fails_where_it_is_taken() -> None:
    ahead = Ahead(Maker(bad=(1,)), 3)
    ahead.take(0)
    ahead.make_one()
    with pytest.raises(ValueError, match="row 1"):
        ahead.take(1)
    assert ahead.take(2) == 2


def test_the_stock_is_bounded() -> None:
    maker = Maker()
    ahead = Ahead(maker, 1000)
    for _ in range(3 * STOCK):
        ahead.make_one()
    assert len(maker.made) == STOCK


def test_slots_at_the_same_time() -> None:
    maker = Maker()
    ahead = Ahead(maker, 400)
    rows = iter(range(400))
    lock, taken = threading.Lock(), []

    def slot() -> None:
        while True:
            with lock:
                row = next(rows, None)
            if row is None:
                return
            taken.append(ahead.take(row) == row)
            ahead.make_one()

    threads = [threading.Thread(target=slot) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 400
    assert all(taken)
