"""Voigt and Faraday-Voigt profiles against scipy's Faddeeva function."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import wofz

from stokeswarm.inversion.engines.lte.voigt import CORE_LIMIT, voigt_faraday

V = np.linspace(-60.0, 60.0, 4801)


def profiles(a: float, v: np.ndarray) -> list[np.ndarray]:
    out = [np.empty_like(v) for _ in range(4)]
    voigt_faraday(a, v, *out)
    return out


@pytest.mark.parametrize("a", [0.0, 1e-5, 1e-3, 1e-2, 0.1, 0.5, 2.0, 10.0])
def test_profiles_and_slopes(a: float) -> None:
    h, f, h_v, f_v = profiles(a, V)
    w = wofz(V + 1j * a)
    slope = -2.0 * (V + 1j * a) * w + 2j / np.sqrt(np.pi)
    np.testing.assert_allclose(h, w.real, atol=2e-7)
    np.testing.assert_allclose(f, w.imag, atol=2e-7)
    np.testing.assert_allclose(h_v, slope.real, atol=2e-6)
    np.testing.assert_allclose(f_v, slope.imag, atol=2e-6)


@pytest.mark.parametrize("a", [1e-4, 1e-2, 0.3])
def test_damping_wings_are_right_to_their_own_scale(a: float) -> None:
    wing = np.abs(V) > CORE_LIMIT + 0.5
    h, _, h_v, _ = profiles(a, V)
    w = wofz(V + 1j * a)
    np.testing.assert_allclose(h[wing], w.real[wing], rtol=1e-5)
    far = np.abs(V) > 10.0
    np.testing.assert_allclose(h_v[far], -2.0 * a / (np.sqrt(np.pi) * V[far] ** 3), rtol=0.05)


def test_derivative_to_damping_follows_from_the_slopes() -> None:
    a, step = 0.2, 1e-5
    above, below = profiles(a + step, V), profiles(a - step, V)
    _, _, h_v, f_v = profiles(a, V)
    inner = np.abs(V) < 4.9
    np.testing.assert_allclose(((above[0] - below[0]) / (2 * step))[inner], -f_v[inner], atol=1e-5)
    np.testing.assert_allclose(((above[1] - below[1]) / (2 * step))[inner], h_v[inner], atol=1e-5)


def test_one_sided_axes_take_one_form_only() -> None:
    for v in (np.linspace(7.0, 9.0, 5), np.linspace(-9.0, -7.0, 5), np.linspace(-1.0, 1.0, 5)):
        np.testing.assert_allclose(profiles(0.1, v)[0], wofz(v + 0.1j).real, atol=2e-7)
