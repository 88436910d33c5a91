"""Predicted errors are made honest, at every size; features and likelihood are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.inference.calibration import (
    SHARE,
    UNKNOWN_AZIMUTH,
    Calibration,
    coverage,
    coverage_by_size,
)
from stokeswarm.inference.features import Projection


def _predictions(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors whose true width is 3 σ⁰·⁵ (and heavy tails in the second output) where σ is predicted."""
    rng = np.random.default_rng(seed)
    sigma = np.exp(rng.uniform(-3, 2, (n, 2)))
    tails = np.stack([rng.standard_normal(n), rng.standard_t(3, n)], axis=1)
    return np.abs(3 * np.sqrt(sigma) * tails).astype(np.float32), sigma.astype(np.float32)


def test_sigma_is_right_on_profiles_it_was_not_calibrated_on() -> None:
    calibration = Calibration.fit(*_predictions(4000, 1), [np.inf, np.inf])
    error, sigma = _predictions(4000, 2)
    assert not np.allclose(coverage(error, sigma), SHARE, atol=0.05)
    calibrated = np.exp(calibration.apply(np.log(sigma)))
    assert np.allclose(coverage(error, calibrated), SHARE, atol=0.03)
    assert np.allclose(coverage_by_size(error, calibrated), SHARE, atol=0.05)


def test_few_profiles_get_one_factor() -> None:
    calibration = Calibration.fit(*_predictions(100, 1), [np.inf, np.inf])
    assert calibration.knot.shape == (1, 2)
    error, sigma = _predictions(100, 1)
    assert np.allclose(coverage(error, np.exp(calibration.apply(np.log(sigma)))), SHARE, atol=0.02)


def test_equal_sigmas_and_zero_errors_do_no_harm() -> None:
    error, sigma = np.zeros((2000, 1), np.float32), np.full((2000, 1), 0.5, np.float32)
    error[::2] = 1.0
    calibrated = np.exp(Calibration.fit(error, sigma, [np.inf]).apply(np.log(sigma)))
    assert np.isfinite(calibrated).all()
    assert coverage(error, calibrated)[0] >= SHARE - 0.05


def test_an_azimuth_of_which_nothing_is_known() -> None:
    rng = np.random.default_rng(0)
    error = np.abs(rng.uniform(-90, 90, (5000, 1))).astype(np.float32)
    sigma = np.full((5000, 1), 45.0, np.float32)
    calibrated = np.exp(Calibration.fit(error, sigma, [UNKNOWN_AZIMUTH]).apply(np.log(sigma)))
    assert calibrated.max() <= UNKNOWN_AZIMUTH + 1e-3
    assert coverage(error, calibrated)[0] == pytest.approx(SHARE, abs=0.02)


def test_a_projection_keeps_the_largest_differences_and_is_the_same_every_time() -> None:
    rng = np.random.default_rng(3)
    hidden = (
        rng.normal(0, [5.0, 2.0, 0.1, 0.1, 0.1], (300, 5)) @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    ).astype(np.float32)
    found = Projection.fit(hidden, 2)
    scores = (hidden - found.mean) @ found.matrix
    assert scores.shape == (300, 2)
    assert scores[:, 0].std() == pytest.approx(1, rel=1e-3)
    assert scores[:, 1].std() == pytest.approx(0.4, rel=0.2)
    assert np.array_equal(found.matrix, Projection.fit(hidden, 2).matrix)
    assert (found.matrix[np.abs(found.matrix).argmax(axis=0), [0, 1]] > 0).all()
    assert Projection.fit(hidden, 32).matrix.shape == (5, 5)
