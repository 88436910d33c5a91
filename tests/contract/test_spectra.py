"""Spectra: what they must be, and what a bad pixel is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.errors import SpectraError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.spectra import MAX_INTENSITY, Spectra, invalid_reason

AXIS = hinode_sp().regions[0].grid()


def stokes(n_pixel: int = 1) -> Any:
    values = np.zeros((n_pixel, 4, AXIS.size), np.float32)
    values[:, 0] = 1.0
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.ones((3, 112, 4)),
            r"expected shape \(n, 4, 112\) to go with 112 wavelengths, found \(3, 112, 4\)",
        ),
        (np.ones((4, 112)), r"found \(4, 112\)"),
        (np.ones((2, 2, 4, 112)), r"found \(2, 2, 4, 112\)"),
        (np.ones((2, 4, 111)), r"found \(2, 4, 111\)"),
    ],
)
def test_wrong_axis_order_is_named(values: Any, message: str) -> None:
    with pytest.raises(SpectraError, match=message):
        Spectra(AXIS, values)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (AXIS / 10, r"found 630\.\d+–63\d\.\d+ \(nanometres\? multiply by 10\)"),
        (AXIS * 1e-10, "expected ångström in 2000–120000"),
        (np.arange(112.0), "expected ångström"),
        (np.full(112, 6302.0), "a value occurs twice"),
    ],
)
def test_other_units_are_recognised(axis: Any, message: str) -> None:
    with pytest.raises(SpectraError, match=message):
        Spectra(axis, stokes())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(112), r"weights: expected shape \(4, 112\), found \(112,\)"),
        (-np.ones((4, 112)), ">= 0"),
        (np.full((4, 112), np.nan), "finite"),
    ],
)
def test_weights_are_checked(weights: Any, message: str) -> None:
    with pytest.raises(SpectraError, match=message):
        Spectra(AXIS, stokes(), weights=weights)


def test_arrays_are_stored_in_the_contracts_types() -> None:
    spectra = Spectra(AXIS.tolist(), np.asfortranarray(stokes(2).astype(float)))
    assert spectra.stokes.dtype == np.float32
    assert spectra.stokes.flags.c_contiguous
    assert spectra.wavelength.dtype == np.float64
    assert len(spectra) == 2


def test_missing_samples_are_no_reason_to_refuse_a_pixel() -> None:
    pixel = stokes()[0]
    pixel[0, 5:] = np.nan
    pixel[1:] = np.nan
    assert invalid_reason(pixel) == ""


@pytest.mark.parametrize(
    ("intensity", "reason"),
    [
        (np.nan, "every sample of Stokes I is NaN"),
        (0.0, "Stokes I is zero at every wavelength"),
        (-0.5, "Stokes I is nowhere positive (maximum -0.5)"),
        (np.inf, "the profile holds infinite values"),
        (25000.0, "found what look like counts"),
    ],
)
def test_a_pixel_that_cannot_be_inverted_is_told_why(intensity: float, reason: str) -> None:
    pixel = stokes()[0]
    pixel[0] = intensity
    assert reason in invalid_reason(pixel)


def test_two_samples_are_no_profile() -> None:
    pixel = stokes()[0]
    pixel[0, 2:] = np.nan
    assert invalid_reason(pixel) == "only 2 samples of Stokes I are finite"


def test_infinite_polarisation_counts_too() -> None:
    pixel = stokes()[0]
    pixel[3, 7] = -np.inf
    assert invalid_reason(pixel) == "the profile holds infinite values"


@given(st.floats(2**-10, MAX_INTENSITY, width=32), st.integers(0, 109))
def test_any_plausible_continuum_passes(level: float, missing: int) -> None:
    pixel = stokes()[0]
    pixel[0] = level
    pixel[0, :missing] = np.nan
    assert invalid_reason(pixel) == ""
