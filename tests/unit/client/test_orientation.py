"""Profiles in one orientation: the azimuth is found, and what differs by orientation alone becomes equal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.orientation import azimuth, oriented
from stokeswarm.client.testing import small_plan
from stokeswarm.contract.instrument import FE_6301, FE_6302, hinode_sp
from stokeswarm.contract.spectra import Spectra

AXIS = hinode_sp().regions[0].grid()
PLAN = small_plan()


def profile(chi: float, sign: float = 1.0, shift: float = 0.0) -> npt.NDArray[np.float32]:
    """σ and π components of both lines at azimuth χ [deg]: π with Q < 0 at χ = 0, as in absorption."""
    stokes = np.zeros((4, AXIS.size))
    stokes[0] = 1.0
    for line in (FE_6301, FE_6302):
        centre = line.wavelength * (1 + shift / 299792.458)

        def bump(offset: float, centre: float = centre) -> npt.NDArray[np.float64]:
            return np.asarray(np.exp(-(((AXIS - centre - offset) / 0.04) ** 2)))

        stokes[0] -= 0.5 * np.exp(-(((AXIS - centre) / 0.12) ** 2))
        linear = 0.05 * (bump(-0.1) + bump(0.1)) - 0.08 * bump(0.0)
        stokes[1] += linear * np.cos(np.deg2rad(2 * chi))
        stokes[2] += linear * np.sin(np.deg2rad(2 * chi))
        stokes[3] += 0.1 * sign * (bump(-0.1) - bump(0.1))
    return stokes.astype(np.float32)


@given(chi=st.floats(0.0, 179.0), shift=st.floats(-3.0, 3.0))
def test_the_azimuth_is_found(chi: float, shift: float) -> None:
    (found,), (sure,) = azimuth(Spectra(AXIS, profile(chi, shift=shift)[None]), PLAN)
    assert sure
    assert abs((found - chi + 90.0) % 180.0 - 90.0) < 0.5


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pixels_that_differ_by_orientation_become_one(sign: float) -> None:
    turned = oriented(Spectra(AXIS, np.stack([profile(chi, sign) for chi in (0, 30, 91, 170)])), PLAN)
    for stokes in turned.stokes:
        np.testing.assert_allclose(stokes, profile(0.0), atol=1e-4)


def test_a_profile_without_polarisation_stays_as_it_is() -> None:
    plain = profile(0.0)
    plain[1:] = 0.0
    seen = Spectra(AXIS, plain[None])
    chi, sure = azimuth(seen, PLAN)
    assert chi.tolist() == [0.0]
    assert sure.tolist() == [False]
    np.testing.assert_array_equal(oriented(seen, PLAN).stokes, seen.stokes)


def test_noise_is_not_turned_into_a_transverse_field() -> None:
    noise = np.random.default_rng(0).normal(0.0, PLAN.noise[1], (400, 4, AXIS.size)).astype(np.float32)
    noise += np.where(np.arange(4)[:, None] == 0, profile(0.0), 0.0)
    noise[:, 3] = profile(0.0)[3]
    seen = Spectra(AXIS, noise)
    mean = oriented(seen, PLAN).stokes.mean(axis=0)
    assert np.abs(mean[1:3]).max() < 5 * PLAN.noise[1] / np.sqrt(400)
    assert azimuth(seen, PLAN)[1].mean() < 0.01


def test_a_reversed_field_turns_u_with_v() -> None:
    there = profile(0.0)
    there[2] = 0.02 * np.exp(
        -(((AXIS - FE_6302.wavelength) / 0.05) ** 2)
    )  # what magneto-optical effects make
    back = there * np.array([1.0, 1.0, -1.0, -1.0], np.float32)[:, None]
    found = oriented(Spectra(AXIS, np.stack([there, back])), PLAN).stokes
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_missing_samples_stay_missing_and_hide_nothing_else() -> None:
    holes = profile(40.0)
    holes[:, 5] = np.nan
    turned = oriented(Spectra(AXIS, holes[None]), PLAN).stokes[0]
    assert np.isnan(turned[:, 5]).all()
    np.testing.assert_allclose(np.delete(turned, 5, axis=1), np.delete(profile(0.0), 5, axis=1), atol=1e-3)
