"""Output neurons, novelty and metrics in numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stokeswarm.inference import novelty
from stokeswarm.inference.dataset import QUANTITIES
from stokeswarm.inference.metrics import score
from stokeswarm.inference.reading import from_arrays
from stokeswarm.inference.targets import N_CHANNEL, PLAIN, Scaling, encode


def test_targets_are_standardised_and_carry_the_azimuth_on_the_double_angle(
    toy: Callable[[int], dict[str, np.ndarray]],
) -> None:
    data = from_arrays(toy(400))
    nodes = data.at_nodes([0.0, -2.0])
    scaling = Scaling.fit(nodes, data.scalars)
    target, weight = encode(nodes, data.scalars, scaling)
    assert target.shape == weight.shape == (400, 2 * N_CHANNEL + 1)
    assert scaling.n_output == target.shape[1]
    assert scaling.n_sigma == scaling.n_output - 2
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
    scalars = {"macroturbulence": np.arange(4, dtype=np.float32)}
    _, weight = encode(nodes, scalars, Scaling.fit(nodes, scalars))
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


def _fit(training: np.ndarray, validation: np.ndarray, n_judged: int) -> novelty.Basis:
    line = np.linspace(0.4, 1, n_judged // 4, dtype=np.float32)
    return novelty.fit(training, validation, n_judged, line)


def _share(basis: novelty.Basis, profiles: np.ndarray) -> dict[str, float]:
    """Of profiles above each threshold."""
    names = ("within", "beyond", "nearest", "rms", "largest", "Q", "U", "V", "line")
    return dict(zip(names, np.mean(basis.measure(profiles) > 1, axis=0).tolist(), strict=False))


def test_novelty_knows_the_ordinary_from_the_strange() -> None:
    basis = _fit(_profiles(4000, 1), _profiles(4000, 2), 160)
    ordinary = _profiles(4000, 3)
    assert np.mean(basis.measure(ordinary).max(axis=1) > 1) < 0.01
    far, spike, other = ordinary[:3].copy(), ordinary[:3].copy(), ordinary[:3].copy()
    far *= 30
    spike[:, 80] += 0.5
    other += 0.3 * np.sin(np.linspace(0, 60, 160))
    assert _share(basis, far)["within"] == 1
    assert _share(basis, spike)["largest"] == 1
    assert _share(basis, other)["rms"] == 1


def test_a_polarity_that_was_never_seen_is_novel() -> None:
    """The projections of V have one sign, whatever I does."""
    rng = np.random.default_rng(4)
    wave = np.linspace(-3, 3, 20)

    def profiles(n: int, sign: float) -> np.ndarray:
        polarity = sign * rng.gamma(2.0, 1.0, (n, 1)) * np.sin(wave)
        others = rng.normal(0, 2.0, (n, 3, 1)) * np.cos(wave)
        rows = [*np.moveaxis(others, 1, 0), polarity]
        return (np.concatenate(rows, axis=1) + rng.normal(0, 0.02, (n, 80))).astype(np.float32)

    basis = _fit(profiles(4000, 1), profiles(4000, 1), 80)
    assert max(_share(basis, profiles(4000, 1)).values()) < 0.006
    share = _share(basis, profiles(4000, -1))
    assert share["V"] > 0.9
    assert max(share["Q"], share["U"]) < 0.006


def test_a_profile_without_a_line_is_novel() -> None:
    """Line shapes follow the Stokes parameters; none of them is flat."""
    rng = np.random.default_rng(8)
    line = np.linspace(0.4, 1, 20, dtype=np.float32)

    def profiles(n: int, depth: np.ndarray) -> np.ndarray:
        stokes = rng.normal(0, 1, (n, 80))
        shape = (depth[:, None] - 1) * (line - line.mean()) / 0.1
        return np.concatenate([stokes, shape + rng.normal(0, 0.02, (n, 20))], axis=1).astype(np.float32)

    basis = _fit(profiles(4000, rng.uniform(0.5, 1.5, 4000)), profiles(4000, rng.uniform(0.5, 1.5, 4000)), 80)
    assert _share(basis, profiles(1000, rng.uniform(0.5, 1.5, 1000)))["line"] < 0.01
    assert _share(basis, profiles(1000, np.zeros(1000)))["line"] == 1


def test_a_hole_in_the_middle_is_novel() -> None:
    """Training profiles on a ring: their mean is unlike all of them."""
    rng = np.random.default_rng(5)

    def profiles(n: int, radius: float) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi, n)
        shapes = np.sin(np.outer([1.0, 2.0], np.linspace(0, 6, 80)))
        point = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return (point @ shapes + rng.normal(0, 0.02, (n, 80))).astype(np.float32)

    basis = _fit(profiles(4000, 3.0), profiles(4000, 3.0), 80)
    share = _share(basis, profiles(1000, 0.1))
    assert share["nearest"] == 1
    assert max(share["within"], share["beyond"]) < 0.01


def test_a_long_profile_gets_the_same_components_by_iteration() -> None:
    rng = np.random.default_rng(6)
    shapes = np.linalg.qr(rng.standard_normal((2000, 6)))[0].T
    profiles = (rng.normal(0, [9, 7, 5, 4, 3, 2], (500, 6)) @ shapes).astype(np.float32)
    profiles += rng.normal(0, 1e-3, profiles.shape).astype(np.float32)
    basis = _fit(profiles, profiles, 2000)
    coefficients, left = basis.project(profiles)
    assert np.abs(profiles - basis.mean - coefficients @ basis.colour).max() < 0.02
    assert np.allclose(coefficients[:, :6].std(axis=0), 1, atol=0.01)
    assert np.abs(left).max() < 10
    assert np.array_equal(_fit(profiles, profiles, 2000).whiten, basis.whiten)


def test_the_residual_of_values_that_are_not_judged_does_not_count() -> None:
    spike = _profiles(3, 3)
    spike[:, 140] += 0.5
    some, all_of_them = (_fit(_profiles(2000, 1), _profiles(2000, 2), n) for n in (128, 160))
    assert (some.measure(spike)[:, 4] < 1.5).all()  # as ever
    assert (all_of_them.measure(spike)[:, 4] > 3).all()


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
    assert result["temperature"]["pearson"] == pytest.approx([1.0, 1.0], abs=1e-4)


def test_the_correlation_of_azimuths_needs_no_mean() -> None:
    rng = np.random.default_rng(7)
    n = 3000
    azimuth = rng.uniform(0, 180, (n, 1)).astype(np.float32)
    truth = {
        "field_strength": np.full((n, 1), 1000, np.float32),
        "inclination": np.full((n, 1), 90, np.float32),
        "azimuth": azimuth,
    }
    for noise, low, high in ((0.0, 0.999, 1.001), (10.0, 0.85, 0.95), (1000.0, -0.05, 0.05)):
        found = truth | {"azimuth": (azimuth + rng.normal(0, noise, (n, 1))).astype(np.float32) % 180}
        assert low < score(found, truth)["azimuth"]["pearson"][0] < high
