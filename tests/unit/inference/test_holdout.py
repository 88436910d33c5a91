"""Splitting a training set: nobody is left out, nobody is in two parts, and no region either."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.inference.holdout import hold_out


def _all(found: object) -> np.ndarray:
    return np.sort(np.concatenate([found.training, found.validation, found.test]))


def test_without_regions_the_seed_decides() -> None:
    found = hold_out(500, None, 0.2, seed=1)
    assert (found.training.size, found.validation.size, found.test.size) == (300, 100, 100)
    assert np.array_equal(_all(found), np.arange(500))
    assert not found.by_region
    assert np.array_equal(hold_out(500, None, 0.2, seed=1).test, found.test)
    assert not np.array_equal(hold_out(500, None, 0.2, seed=2).test, found.test)


@given(
    size=st.lists(st.integers(10, 60), min_size=3, max_size=30),
    share=st.floats(0.02, 0.4),
    seed=st.integers(0, 99),
)
def test_a_region_is_on_one_side_only(size: list[int], share: float, seed: int) -> None:
    region = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(size)) * 7, size))
    found = hold_out(region.size, region.astype(np.int32), share, seed)
    assert found.by_region
    assert np.array_equal(_all(found), np.arange(region.size))
    parts = [set(region[rows].tolist()) for rows in (found.training, found.validation, found.test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_many_regions_give_the_wanted_shares() -> None:
    found = hold_out(6400, (np.arange(6400) // 64).astype(np.int32), 0.1, seed=3)
    assert found.validation.size == found.test.size == 640


def test_too_little_to_split_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="2 different ones, at least 3"):
        hold_out(200, (np.arange(200) // 100).astype(np.int32), 0.1, seed=0)
    with pytest.raises(InvalidArgumentError, match="for validation, expected at least 10"):
        hold_out(100, None, 0.05, seed=0)
