"""The sign of V gives the polarity, and contradicts a guess only where it is sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.client.polarity import SURE, blue_minus_red, contradicted, mirrored, points_away
from stokeswarm.client.starts import named_guess
from stokeswarm.client.testing import small_plan
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import FE_6301, FE_6302, hinode_sp
from stokeswarm.contract.spectra import Spectra

AXIS = hinode_sp().regions[0].grid()
PLAN = small_plan()


def v_profile(sign: float, shift: float = 0.0, height: float = 0.1) -> npt.NDArray[np.float32]:
    """V of both lines, positive in the blue lobe for a positive sign, shifted by km/s."""
    stokes = np.zeros((4, AXIS.size), np.float32)
    stokes[0] = 1.0
    for line in (FE_6301, FE_6302):
        centre = line.wavelength * (1 + shift / 299792.458)
        for side in (-1, 1):
            lobe = np.exp(-(((AXIS - centre - side * 0.08) / 0.05) ** 2))
            stokes[3] -= (height * sign * side * lobe).astype(np.float32)
    return stokes


def spectra(*profiles: npt.NDArray[np.float32]) -> Spectra:
    return Spectra(AXIS, np.stack(profiles))


def guess(*inclinations: float) -> Atmosphere:
    (model,) = named_guess("hsra", PLAN)
    many = model.take(np.zeros(len(inclinations), int))
    return replace(many, inclination=np.array(inclinations)[:, None] * np.ones(PLAN.n_depth))


def test_the_sign_of_v_gives_the_polarity() -> None:
    seen = spectra(v_profile(1), v_profile(-1), v_profile(1, 4.0), v_profile(-1, -4.0), v_profile(0))
    assert points_away(seen, PLAN).tolist() == [False, True, False, True, False]


def test_missing_samples_do_not_decide_the_polarity() -> None:
    profile = v_profile(-1)
    profile[3, ::3] = np.nan
    assert points_away(spectra(profile), PLAN).tolist() == [True]


def test_v_contradicts_the_other_polarity_alone() -> None:
    seen = spectra(*[v_profile(1)] * 3, *[v_profile(-1)] * 3)
    assert contradicted(seen, guess(30, 89, 120, 30, 91, 170), PLAN).tolist() == [
        False, False, True, True, False, False,
    ]  # fmt: skip


def test_noise_contradicts_nobody() -> None:
    _, sigma = blue_minus_red(spectra(v_profile(0)), PLAN)
    full, _ = blue_minus_red(spectra(v_profile(1)), PLAN)
    just = 0.1 * SURE * float(sigma[0] / full[0])
    seen = spectra(v_profile(-1, height=0.9 * just), v_profile(-1, height=1.1 * just))
    assert contradicted(seen, guess(30, 30), PLAN).tolist() == [False, True]
    # Half of the samples are worth less.
    seen.stokes[:, 3, ::2] = np.nan
    assert not contradicted(seen, guess(30, 30), PLAN).any()


def test_a_guess_without_numbers_is_not_contradicted() -> None:
    assert not contradicted(spectra(v_profile(-1)), guess(np.nan), PLAN).any()


@pytest.mark.parametrize(("where", "found"), [(None, [150.0, 60.0]), ([True, False], [150.0, 120.0])])
def test_mirroring_turns_the_inclination_and_nothing_else(
    where: list[bool] | None, found: list[float]
) -> None:
    before = guess(30, 120)
    after = mirrored(before, None if where is None else np.array(where))
    assert after.inclination[:, 0].tolist() == found
    np.testing.assert_array_equal(after.azimuth, before.azimuth)
    np.testing.assert_array_equal(after.temperature, before.temperature)
