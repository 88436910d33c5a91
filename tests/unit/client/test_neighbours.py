"""Which pixels a repair takes, and what their neighbours suggest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.client.neighbours import Rule, bad_pixels, suggestion
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

OK = int(Status.OK)


def found(
    chi2: list[list[float]], status: list[list[int]] | None = None, **rule: float
) -> list[tuple[int, int]]:
    values = np.array(chi2)
    states = np.full(values.shape, OK, np.uint8) if status is None else np.array(status, np.uint8)
    return sorted(bad_pixels(states, values, Rule(**rule)))  # type: ignore[arg-type]


def test_an_isolated_bad_fit_among_good_ones_is_found() -> None:
    assert found([[1.0, 1.2, 1.0], [1.1, 9.0, 1.0], [1.0, 1.0, 1.0]]) == [(1, 1)]
    # not above the gate; above it but like its neighbours
    assert not found([[0.5, 0.5, 0.5], [0.5, 2.9, 0.5], [0.5, 0.5, 0.5]])
    assert not found([[2.9, 2.9, 2.9], [2.9, 5.0, 2.9], [2.9, 2.9, 2.9]])


def test_an_outlier_where_every_fit_is_above_the_gate_is_found() -> None:
    assert found([[5.0, 4.0, 6.0], [5.0, 40.0, 5.0], [4.0, 5.0, 5.0]]) == [(1, 1)]
    assert not found([[5.0, 4.0, 6.0], [5.0, 8.0, 5.0], [4.0, 5.0, 5.0]])


def test_three_good_neighbours_are_needed() -> None:
    row = [9.0, 1.0, 1.0, 9.0]
    assert not found([row])
    assert found([row], enough=1) == [(0, 0), (0, 3)]
    # a corner has three neighbours
    assert found([[9.0, 1.0], [1.0, 1.0]]) == [(0, 0)]
    assert not found([[9.0, 1.0], [1.0, 9.0]])


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.ENGINE_FAILED, Status.NO_OUTPUT])
def test_pixels_without_a_result_are_found(status: Status) -> None:
    chi2 = [[1.0, 1.0], [1.0, np.nan]]
    assert found(chi2, [[OK, OK], [OK, status]]) == [(1, 1)]


@pytest.mark.parametrize("status", [Status.MASKED, Status.INVALID_INPUT, 0])
def test_pixels_that_are_not_to_be_inverted_are_left(status: int) -> None:
    chi2 = [[1.0, 1.0], [1.0, np.nan]]
    assert not found(chi2, [[OK, OK], [OK, status]])


def test_failed_neighbours_are_no_help() -> None:
    chi2 = np.array([[1.0, np.nan, 1.0], [1.0, 9.0, 1.0], [1.0, 50.0, 1.0]])
    status = np.full(chi2.shape, OK, np.uint8)
    status[0, 1] = Status.TIMEOUT
    near = bad_pixels(status, chi2, Rule())
    assert sorted(near) == [(0, 1), (1, 1), (2, 1)]
    assert {(0, 1), (2, 1)}.isdisjoint(map(tuple, near[1, 1].tolist()))
    assert len(near[1, 1]) == 6


@pytest.mark.parametrize(
    "wrong", [{"chi2": 0.0}, {"ratio": 1.0}, {"enough": 0}, {"enough": 9}, {"chi2": np.nan}]
)
def test_wrong_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match="repair: expected chi2 > 0"):
        Rule(**wrong)  # type: ignore[arg-type]


def neighbours(**values: list[float]) -> Atmosphere:
    n = len(next(iter(values.values())))
    base = Atmosphere.full(n, [0.0, -1.0], 1.0)
    ones = np.ones((n, 2))
    changed = {name: np.array(v)[:, None] * ones for name, v in values.items()}
    return replace(base, **({"inclination": 60.0 * ones, "field_strength": 1000.0 * ones} | changed))


def test_the_azimuth_is_averaged_on_the_double_angle() -> None:
    chi = suggestion(neighbours(azimuth=[179.0, 1.0, 178.0, 2.0])).azimuth[0]
    assert min(chi[0], 180.0 - chi[0]) < 1e-6
    assert suggestion(neighbours(azimuth=[80.0, 90.0, 100.0])).azimuth[0, 1] == pytest.approx(90.0)
    # who has no transverse field does not know the azimuth
    weak = suggestion(neighbours(azimuth=[30.0, 120.0], inclination=[90.0, 0.1]))
    assert weak.azimuth[0, 0] == pytest.approx(30.0, abs=0.1)


def test_the_field_is_averaged_as_a_logarithm_and_the_rest_by_the_median() -> None:
    found = suggestion(
        neighbours(field_strength=[100.0, 1000.0, 10000.0], temperature=[5000.0, 5100.0, 9999.0])
    )
    assert found.field_strength[0, 0] == pytest.approx(1000.0)
    assert found.temperature[0, 0] == 5100.0
    assert found.macroturbulence.tolist() == [1.0]
    assert found.gas_pressure is None
    assert found.electron_pressure is not None
    assert len(found) == 1


def test_a_field_of_zero_has_a_logarithm() -> None:
    assert np.isfinite(suggestion(neighbours(field_strength=[0.0, 10.0])).field_strength).all()
