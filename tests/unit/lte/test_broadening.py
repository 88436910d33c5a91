"""Line widths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte import broadening, constants
from stokeswarm.inversion.engines.lte.population import doppler_velocity


def test_refractive_index_of_air() -> None:
    """Edlén's vacuum wavelengths of 6301.5012 Å (6303.2439) and 15648.49 Å (15652.77)."""
    assert 6301.5012 * broadening.refractive_index(6301.5012) == pytest.approx(6303.2439, abs=2e-3)
    assert 15648.49 * broadening.refractive_index(15648.49) == pytest.approx(15652.77, abs=1e-2)


def test_classical_damping() -> None:
    assert pytest.approx(0.22233, rel=1e-3) == broadening.CLASSICAL_DAMPING


def test_abo_width_of_a_known_line() -> None:
    """Fe I 6301.5, σ = 834 a.u. and α = 0.243 at 10 000 K, by the formula of Anstee & O'Mara (1995)."""
    alpha, sigma = 0.243, 834.4 * constants.BOHR_RADIUS**2
    damping = broadening.abo_damping(55.845, alpha, sigma)
    temperature = 10000.0
    reduced = constants.ATOMIC_MASS_UNIT / (1.0 / 1.00797 + 1.0 / 55.845)
    speed = math.sqrt(8.0 * constants.BOLTZMANN * temperature / (math.pi * reduced))
    width = (
        2.0
        * (4.0 / math.pi) ** (alpha / 2)
        * math.gamma(2 - alpha / 2)
        * speed
        * sigma
        * (speed / 1e6) ** -alpha
    )
    assert damping.hydrogen * temperature**damping.exponent == pytest.approx(width, rel=1e-9)
    assert math.log10(width) == pytest.approx(-7.21, abs=0.02)
    assert damping.helium < 0.3 * damping.hydrogen


def test_unsold_underestimates_abo_by_the_usual_factor() -> None:
    """The enhancement factor of Unsöld's widths for Fe I is 1.5 to 3 (e.g. Holweger 1971)."""
    abo = broadening.abo_damping(55.845, 0.242846, 2.3437e-14)
    unsold = broadening.unsold_damping(55.845, 0, 7.9, 3.64, 6303.24e-8, 1.0)
    ratio = (abo.hydrogen * 5000.0**abo.exponent) / (unsold.hydrogen * 5000.0**unsold.exponent)
    assert 1.3 < ratio < 3.0


def test_unsold_is_linear_in_its_factor_and_grows_with_excitation() -> None:
    one = broadening.unsold_damping(55.845, 0, 7.9, 3.0, 6e-5, 1.0)
    two = broadening.unsold_damping(55.845, 0, 7.9, 3.0, 6e-5, 2.0)
    assert two.hydrogen == pytest.approx(2.0 * one.hydrogen)
    assert broadening.unsold_damping(55.845, 0, 7.9, 4.5, 6e-5, 1.0).hydrogen > one.hydrogen
    # Beyond the ionisation limit the floors of the binding energies keep the width finite.
    assert np.isfinite(broadening.unsold_damping(55.845, 0, 7.9, 7.5, 6e-5, 1.0).hydrogen)


def test_doppler_velocity_and_slopes() -> None:
    mass = 55.845 * constants.ATOMIC_MASS_UNIT
    out, above, below = np.empty(3), np.empty(3), np.empty(3)
    doppler_velocity(5000.0, 1.0e5, mass, out)
    assert out[0] == pytest.approx(math.sqrt(1.0e10 + 2.0 * constants.BOLTZMANN * 5000.0 / mass))
    doppler_velocity(5001.0, 1.0e5, mass, above)
    doppler_velocity(4999.0, 1.0e5, mass, below)
    assert out[1] == pytest.approx(math.log(above[0] / below[0]) / 2.0, rel=1e-6)
    doppler_velocity(5000.0, 1.01e5, mass, above)
    doppler_velocity(5000.0, 0.99e5, mass, below)
    assert out[2] == pytest.approx(math.log(above[0] / below[0]) / 2.0e3, rel=1e-3)
