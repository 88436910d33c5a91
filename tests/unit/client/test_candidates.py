"""Which start a pixel takes, and requests that mix starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stokeswarm.client.candidates import Candidate, mixed, ranking
from stokeswarm.client.layout import Start
from stokeswarm.contract.atmosphere import Atmosphere

INF = np.inf
AXIS = [1.0, 0.0, -1.0]


def candidate(number: int, temperature: float, n: int = 4, *, pressures: bool = False) -> Candidate:
    atmosphere = Atmosphere.full(n, AXIS, 1.0, pressures=pressures)
    own = temperature + np.arange(n)[:, None] * np.ones(3)
    return Candidate(
        number, np.full(n, Start.MODEL, np.uint8), (replace(atmosphere, temperature=own),), np.ones(n, bool)
    )


@pytest.mark.parametrize(
    ("score", "tries", "runs"),
    [
        # the nearest, then the plan's model (0); nothing follows where it was the nearest
        ([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]], 1, [[1, 0], [0, -1]]),
        ([[3.0, 1.0], [1.0, 2.0], [2.0, 3.0]], 2, [[1, 0], [2, 1], [0, -1]]),
        # what is no start is not taken, and of equals the first is
        ([[5.0, INF], [INF, 2.0], [5.0, 2.0]], 2, [[0, 1], [2, 2], [-1, 0]]),
        # nothing can be synthesised: the plan's model
        ([[INF], [INF], [INF]], 1, [[-1], [0]]),
        ([[7.0]], 3, [[0], [-1]]),
    ],
)
def test_the_nearest_start_comes_first(score: list[list[float]], tries: int, runs: list[list[int]]) -> None:
    assert ranking(np.array(score), tries, 0).tolist() == runs


@given(hnp.arrays(float, (4, 5), elements=st.floats(0, 10) | st.just(INF)), st.integers(1, 5))
def test_the_plans_model_is_always_among_the_runs(score: np.ndarray, tries: int) -> None:
    runs = ranking(score, tries, 2)
    for pixel, column in enumerate(runs.T):
        taken = column[column >= 0].tolist()
        assert 2 in taken
        assert len(set(taken)) == len(taken)
        # A pixel's runs are its own.
        assert ranking(score[:, [pixel]], tries, 2)[:, 0].tolist() == column.tolist()


def test_starts_are_mixed_in_one_request() -> None:
    found = [candidate(1, 100.0), candidate(2, 200.0), candidate(3, 300.0)]
    ((rows, (atmosphere,)),) = mixed(found, np.array([2, 0, -1, 1]))
    assert rows.tolist() == [0, 1, 3]
    assert atmosphere.temperature[:, 0].tolist() == [300.0, 101.0, 203.0]


def test_a_start_with_pressures_travels_as_it_is() -> None:
    found = [candidate(1, 100.0, pressures=True), candidate(2, 200.0)]
    batches = {tuple(rows.tolist()): part for rows, (part,) in mixed(found, np.array([0, 1, 1, 0]))}
    assert batches[0, 3].electron_pressure is not None
    assert batches[1, 2].electron_pressure is None
    assert not list(mixed(found, np.full(4, -1)))
