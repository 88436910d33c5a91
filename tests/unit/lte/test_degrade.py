"""Macroturbulence, spectral PSF and mixing."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte.degrade import (
    SPEED_OF_LIGHT_KMS,
    convolution_matrix,
    macroturbulence_derivative,
    macroturbulence_matrix,
)

WAVELENGTHS = 6301.0 + 0.0215 * np.arange(112)
CENTRE = 6302.2
WIDTH = 0.06


def gaussian_line(axis: np.ndarray, width: float = WIDTH, depth: float = 0.6) -> np.ndarray:
    return 1.0 - depth * np.exp(-0.5 * ((axis - CENTRE) / width) ** 2)


def convolved_line(axis: np.ndarray, sigma: float) -> np.ndarray:
    width = np.hypot(WIDTH, sigma)
    return gaussian_line(axis, width, 0.6 * WIDTH / width)


@pytest.mark.parametrize("velocity", [0.1, 0.5, 1.5, 3.0])
def test_macroturbulence_of_a_gaussian_line(velocity: float) -> None:
    sigma = CENTRE * velocity / SPEED_OF_LIGHT_KMS
    operator = macroturbulence_matrix(WAVELENGTHS, velocity)
    np.testing.assert_allclose(
        operator @ gaussian_line(WAVELENGTHS), convolved_line(WAVELENGTHS, sigma), atol=3e-4
    )
    np.testing.assert_allclose(operator.sum(axis=1), 1.0, atol=1e-12)


def test_no_macroturbulence_changes_nothing() -> None:
    operator = macroturbulence_matrix(WAVELENGTHS, 0.0)
    slope = macroturbulence_derivative(WAVELENGTHS, 0.0)
    np.testing.assert_allclose(operator, np.eye(112), atol=1e-12)
    np.testing.assert_allclose(slope, 0.0, atol=1e-12)


@pytest.mark.parametrize("velocity", [0.05, 0.4, 1.5])
def test_derivative_of_the_macroturbulence(velocity: float) -> None:
    step = 1e-4
    above = macroturbulence_matrix(WAVELENGTHS, velocity + step)
    below = macroturbulence_matrix(WAVELENGTHS, velocity - step)
    slope = macroturbulence_derivative(WAVELENGTHS, velocity)
    np.testing.assert_allclose((above - below) / (2 * step), slope, atol=1e-6)


@pytest.mark.parametrize("spacing", [3.7, 21.5, 30.0])
def test_a_symmetric_psf_leaves_the_line_centre(spacing: float) -> None:
    offsets = spacing * np.arange(-8, 9)
    psf = np.exp(-0.5 * (offsets / 25.0) ** 2)
    operator = convolution_matrix(WAVELENGTHS, offsets, 7.0 * psf)
    axis = CENTRE + 0.0215 * np.arange(-55, 56)
    operator_centred = convolution_matrix(axis, offsets, psf)
    line = operator_centred @ gaussian_line(axis)
    np.testing.assert_allclose(line, line[::-1], atol=1e-12)
    depth = 1.0 - operator @ gaussian_line(WAVELENGTHS)
    assert (depth * WAVELENGTHS).sum() / depth.sum() == pytest.approx(CENTRE, abs=1e-6)
    np.testing.assert_allclose(operator.sum(axis=1), 1.0, atol=1e-12)


def test_psf_of_gaussian_shape_is_a_macroturbulence() -> None:
    sigma = 0.030
    offsets = np.arange(-200.0, 201.0, 5.0)
    operator = convolution_matrix(WAVELENGTHS, offsets, np.exp(-0.5 * (offsets / (1e3 * sigma)) ** 2))
    np.testing.assert_allclose(
        operator @ gaussian_line(WAVELENGTHS), convolved_line(WAVELENGTHS, sigma), atol=2e-4
    )


def test_a_psf_with_a_red_tail_moves_light_to_the_red() -> None:
    operator = convolution_matrix(WAVELENGTHS, [-21.5, 0.0, 21.5, 43.0], [0.0, 1.0, 0.5, 0.0])
    spike = np.zeros(112)
    spike[50] = 1.0
    moved = operator @ spike
    assert moved[51] == pytest.approx(0.5 * moved[50], rel=1e-6)
    assert moved[49] == pytest.approx(0.0, abs=1e-12)


def test_a_psf_wider_than_the_region_keeps_the_continuum() -> None:
    axis = WAVELENGTHS[:7]
    offsets = np.linspace(-900.0, 900.0, 61)
    operator = convolution_matrix(axis, offsets, np.exp(-np.abs(offsets) / 300.0))
    np.testing.assert_allclose(operator @ np.ones(7), 1.0)


def test_uneven_sampling_goes_through_an_even_axis() -> None:
    axis = WAVELENGTHS + 0.004 * np.sin(0.3 * np.arange(112))
    sigma = CENTRE * 1.5 / SPEED_OF_LIGHT_KMS
    operator = macroturbulence_matrix(axis, 1.5)
    np.testing.assert_allclose(operator @ gaussian_line(axis), convolved_line(axis, sigma), atol=3e-4)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        macroturbulence_matrix(WAVELENGTHS[::-1], 1.0)
    with pytest.raises(ValueError, match="negative"):
        macroturbulence_matrix(WAVELENGTHS, -1.0)
    with pytest.raises(ValueError, match="offsets ascend"):
        convolution_matrix(WAVELENGTHS, [1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="no area"):
        convolution_matrix(WAVELENGTHS, [5.0, 6.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="split the region"):
        convolution_matrix([1.0, 1.0001, 100.0], [-1.0, 1.0], [1.0, 1.0])
