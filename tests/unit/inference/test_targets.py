"""Output neurons, novelty and metrics in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stokeswarm.inference import novelty
from stokeswarm.inference.dataset import QUANTITIES, TrainingSet
from stokeswarm.inference.metrics import score
from stokeswarm.inference.targets import N_CHANNEL, PLAIN, Scaling, encode


def test_targets_are_standardised_and_carry_the_azimuth_on_the_double_angle(
    toy: Callable[[int], dict[str, np.ndarray]],
) -> None:
    data = TrainingSet.from_arrays(toy(400))
    nodes = data.at_nodes([0.0, -2.0])
    scaling = Scaling.fit(nodes, data.macroturbulence)
    target, weight = encode(nodes, data.macroturbulence, scaling)
    assert target.shape == weight.shape == (400, 2 * N_CHANNEL + 1)
    assert scaling.n_output == target.shape[1]
    for name in set(PLAIN) - {"inclination"}:
        part = target[:, 2 * PLAIN.index(name) :][:, :2]
        assert np.allclose(part.mean(axis=0), 0, atol=1e-4)
        assert np.allclose(part.std(axis=0), 1, atol=1e-3)
    cosine, sine = target[:, 10:12], target[:, 12:14]
    angle = np.rad2deg(np.arctan2(sine, cosine)) / 2 % 180
    assert np.abs((angle - nodes["azimuth"] + 90) % 180 - 90).max() < 1e-2
    assert np.allclose(np.hypot(cosine, sine), np.sin(np.deg2rad(nodes["inclination"])) ** 2, atol=1e-6)


def test_the_direction_of_a_field_that_leaves_no_trace_has_no_weight() -> None:
    field = np.array([[0.0], [100.0], [300.0], [3000.0]], np.float32)
    nodes = {name: np.linspace(1, 2, 4, dtype=np.float32)[:, None] for name in QUANTITIES}
    nodes["field_strength"] = field
    vmac = np.arange(4, dtype=np.float32)
    _, weight = encode(nodes, vmac, Scaling.fit(nodes, vmac))
    inclination, azimuth = weight[:, PLAIN.index("inclination")], weight[:, -2]
    assert np.allclose(inclination, [0, 0.5, 0.9, 0.9989], atol=1e-3)
    assert np.allclose(azimuth, [0, 0.1, 0.5, 0.990], atol=1e-3)
    assert (weight[:, 0] == 1).all()


def _profiles(n: int, seed: int) -> np.ndarray:
    """Three degrees of freedom and noise."""
    rng = np.random.default_rng(seed)
    shapes = np.sin(np.outer([1.0, 2.0, 3.0], np.linspace(0, 6, 160)))
    return (rng.normal(0, [[3.0], [1.0], [0.5]], (3, n)).T @ shapes + rng.normal(0, 0.02, (n, 160))).astype(
        np.float32
    )


def test_novelty_knows_the_ordinary_from_the_strange() -> None:
    basis = novelty.fit(_profiles(4000, 1), _profiles(4000, 2))
    ordinary = _profiles(4000, 3)
    assert np.mean(basis.measure(ordinary).max(axis=1) > 1) < 0.006
    far, spike, other = ordinary[:3].copy(), ordinary[:3].copy(), ordinary[:3].copy()
    far *= 30
    spike[:, 80] += 0.5
    other += 0.3 * np.sin(np.linspace(0, 60, 160))
    assert (basis.measure(far)[:, 0] > 1).all()
    assert (basis.measure(spike)[:, 2] > 1).all()
    assert (basis.measure(other)[:, 1] > 1).all()


def test_scores_go_around_the_circle_and_leave_weak_fields_out() -> None:
    truth = {
        "temperature": np.array([[5000.0, 4000.0], [6000.0, 4500.0]], np.float32),
        "field_strength": np.array([[1000.0, 1000.0], [100.0, 1000.0]], np.float32),
        "inclination": np.array([[90.0, 90.0], [90.0, 10.0]], np.float32),
        "azimuth": np.array([[179.0, 10.0], [90.0, 90.0]], np.float32),
    }
    found = {name: values.copy() for name, values in truth.items()}
    found["temperature"] += np.array([[3.0, 0.0], [-3.0, 0.0]], np.float32)
    found["azimuth"] = np.array([[1.0, 10.0], [0.0, 0.0]], np.float32)
    result = score(found, truth)
    assert result["temperature"]["rms"] == pytest.approx([3.0, 0.0])
    assert result["temperature"]["bias"] == pytest.approx([0.0, 0.0])
    assert result["azimuth"]["rms"] == pytest.approx([2.0, 0.0])
    assert "300 G" in result["azimuth"]["where"]
