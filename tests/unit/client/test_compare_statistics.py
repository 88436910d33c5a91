"""Correlations, differences and ellipses of two samples."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stokeswarm.client.comparison.statistics import (
    QUANTILE,
    agreement,
    circular_correlation,
    ellipse,
    mean_angle,
    pearson,
)

Floats = npt.NDArray[np.float64]
angles = st.lists(st.floats(0.0, 179.9), min_size=5, max_size=30).map(np.array)
seeds = st.integers(0, 2**32 - 1)


def pairs_of_fisher_and_lee(a: Floats, b: Floats) -> float:
    """The definition, pair by pair."""
    alpha, beta = np.deg2rad(2 * a), np.deg2rad(2 * b)
    one = np.sin(alpha[:, None] - alpha[None, :])
    two = np.sin(beta[:, None] - beta[None, :])
    upper = np.triu_indices(a.size, 1)
    return float((one * two)[upper].sum() / np.sqrt((one**2)[upper].sum() * (two**2)[upper].sum()))


@given(seeds, st.floats(0.0, 60.0))
def test_the_fast_sums_are_the_pairs_of_the_definition(seed: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    a = random.uniform(0.0, 180.0, 40)
    b = a + noise * random.standard_normal(40)
    assert circular_correlation(a, b) == pytest.approx(pairs_of_fisher_and_lee(a, b), abs=1e-10)


@given(seeds, st.lists(st.integers(-3, 3), min_size=40, max_size=40), st.floats(-500.0, 500.0))
def test_half_turns_and_a_common_rotation_change_nothing(
    seed: int, turns: list[int], rotation: float
) -> None:
    random = np.random.default_rng(seed)
    a = random.uniform(0.0, 180.0, 40)
    b = a + 20.0 * random.standard_normal(40)
    plain = circular_correlation(a, b)
    assert circular_correlation(a, b + 180.0 * np.array(turns)) == pytest.approx(plain, abs=1e-9)
    assert circular_correlation(a + rotation, b - 2 * rotation) == pytest.approx(plain, abs=1e-9)
    assert circular_correlation(b, a) == pytest.approx(plain, abs=1e-12)


@given(angles, st.floats(-180.0, 180.0))
def test_turned_is_one_and_mirrored_is_minus_one(a: Floats, shift: float) -> None:
    double = np.exp(2j * np.deg2rad(a))
    if np.abs(double**2 - (double**2).mean()).max() < 1e-3:
        # All on one line through the circle: the sines of all differences vanish.
        return
    assert circular_correlation(a, np.mod(a + shift, 180.0)) == pytest.approx(1.0, abs=1e-9)
    assert circular_correlation(a, np.mod(shift - a, 180.0)) == pytest.approx(-1.0, abs=1e-9)


@given(seeds, st.floats(0.0, 1.0))
def test_small_angles_correlate_like_numbers(seed: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    a = 0.05 * random.standard_normal(200)
    b = 0.7 * a + 0.05 * noise * random.standard_normal(200)
    # Around 0°, where half of the sample has wrapped to just below 180°.
    found = circular_correlation(np.mod(a, 180.0), np.mod(b, 180.0))
    assert found == pytest.approx(pearson(a, b), abs=1e-4)


def test_azimuths_all_around_a_spot_correlate_without_a_mean_direction() -> None:
    a = np.arange(0.0, 180.0, 0.5)
    noise = 4.0 * np.random.default_rng(1).standard_normal(a.size)
    # For uniform angles Fisher & Lee's coefficient is the squared mean resultant length of the noise.
    expected = np.mean(np.cos(2 * np.deg2rad(noise))) ** 2
    assert circular_correlation(a, a + noise) == pytest.approx(expected, abs=0.01)
    assert pearson(a, np.mod(a + noise, 180.0)) < 0.95, "what the wrap costs a plain correlation"


def test_unrelated_angles_do_not_correlate() -> None:
    random = np.random.default_rng(2)
    a, b = random.uniform(0.0, 180.0, (2, 20000))
    assert abs(circular_correlation(a, b)) < 0.03


@pytest.mark.parametrize("correlate", [pearson, circular_correlation])
def test_what_does_not_vary_has_no_correlation(correlate: object) -> None:
    assert callable(correlate)
    level, slope = np.full(10, 40.0), np.linspace(0.0, 30.0, 10)
    assert math.isnan(correlate(level, slope))
    assert math.isnan(correlate(slope, level))
    # One float32 unit of rounding is not a signal.
    jitter = np.where(np.arange(10) % 2, np.float32(40.0), np.nextafter(np.float32(40.0), np.float32(41.0)))
    assert math.isnan(correlate(jitter, slope))
    assert math.isnan(correlate([1.0], [1.0]))


@given(seeds, st.floats(-0.99, 0.99), st.floats(0.01, 1e4), st.floats(-1e4, 1e4))
def test_pearson_is_numpys(seed: int, rho: float, scale: float, shift: float) -> None:
    random = np.random.default_rng(seed)
    a, other = random.standard_normal((2, 50))
    b = rho * a + np.sqrt(1 - rho**2) * other
    assert pearson(scale * a + shift, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)


@settings(max_examples=25)
@given(seeds, st.floats(1.0, 300.0), st.floats(0.1, 0.95), st.floats(-89.0, 90.0))
def test_the_ellipse_of_a_known_covariance(seed: int, major: float, ratio: float, tilt: float) -> None:
    random = np.random.default_rng(seed)
    n = 20000
    points = random.standard_normal((2, n))
    # Whitened, so that the sample's covariance is exactly the one planted.
    points -= points.mean(axis=1, keepdims=True)
    points = np.linalg.solve(np.linalg.cholesky(np.cov(points)), points)
    turn = np.deg2rad(tilt)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    x, y = axes @ (np.array([[major], [ratio * major]]) * points) + np.array([[5.0], [-7.0]])
    found = ellipse(x, y)
    assert found is not None
    assert (found.reference, found.other) == (pytest.approx(5.0), pytest.approx(-7.0))
    assert found.major == pytest.approx(major * math.sqrt(9.21034), rel=1e-5)
    assert found.minor == pytest.approx(ratio * major * math.sqrt(9.21034), rel=1e-5)
    assert (found.tilt - tilt + 90.0) % 180.0 - 90.0 == pytest.approx(0.0, abs=1e-4)
    assert -90.0 < found.tilt <= 90.0
    assert found.held == pytest.approx(0.99, abs=0.004)


def test_the_quantile_is_that_of_chi_square_with_two_degrees() -> None:
    assert pytest.approx(9.21034, abs=1e-5) == QUANTILE


def test_identical_samples_lie_on_the_diagonal() -> None:
    values = np.linspace(3000.0, 7000.0, 101)
    found = ellipse(values, values.copy())
    assert found is not None
    assert found.minor == pytest.approx(0.0, abs=1e-3)
    assert found.tilt == pytest.approx(45.0)
    assert found.held == 1.0
    flat = ellipse(np.full(5, 2.0), np.full(5, 3.0))
    assert flat is not None
    assert (flat.major, flat.minor, flat.held) == (0.0, 0.0, 1.0)
    assert ellipse(values[:2], values[:2]) is None


@given(seeds, st.floats(-80.0, 80.0))
def test_a_constant_turn_of_azimuths_is_their_bias(seed: int, turn: float) -> None:
    a = np.random.default_rng(seed).uniform(0.0, 180.0, 30)
    found = agreement("azimuth", a, np.mod(a + turn, 180.0))
    assert found.bias == pytest.approx(turn, abs=1e-6)
    assert found.rms == pytest.approx(abs(turn), abs=1e-6)
    assert found.deviation == pytest.approx(0.0, abs=1e-6)
    assert found.ellipse is not None
    assert found.ellipse.minor == pytest.approx(0.0, abs=1e-3), "wraps are no scatter"


def test_the_bias_of_azimuths_is_that_of_the_double_angle() -> None:
    # Differences of +80° and −80° are 20° apart across 90°, not 160° across 0°.
    assert abs(mean_angle([80.0, -80.0])) == pytest.approx(90.0)
    assert mean_angle([170.0, 10.0]) == pytest.approx(0.0, abs=1e-9)


def test_planted_differences_are_found_and_nan_is_left_out() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0, np.nan, 6.0, 7.0])
    b = a + np.array([1.0, 1.0, 1.0, 1.0, 1.0, np.nan, 6.0])
    found = agreement("temperature", a, b)
    assert found.pixels == 5
    assert found.bias == pytest.approx(2.0)
    assert found.rms == pytest.approx(math.sqrt((4 * 1.0 + 36.0) / 5))
    assert found.deviation == 0.0, "four of five differ by the median"
    nothing = agreement("temperature", np.array([np.nan]), np.array([1.0]))
    assert nothing.pixels == 0
    assert math.isnan(nothing.rms)
    assert nothing.ellipse is None
