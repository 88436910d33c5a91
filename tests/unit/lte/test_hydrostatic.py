"""Hydrostatic equilibrium: SIR's pressures, convergence, and its response to temperature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte.constants import SOLAR_GRAVITY
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture
from stokeswarm.inversion.engines.lte.hydrostatic import (
    hydrostatic_equilibrium,
    hydrostatic_response,
    logarithmic_mean,
)

LARGEST_DEVIATION = {"A08_hot_umbra_negpol": 1.2e-2, "A13_hsra_asplund": 8e-3}
"""Photospheric pressures agree to 2.5e-3, with two exceptions. A08 starts from a top pressure seven times
too low, so that the first step, which multiplies it, is 12 % off: above the solution on a fine grid in SIR,
below it here. A13 has 8.5 % helium, where SIR's gas pressure always counts 10.14 %."""


def read_composition(path: Path) -> Mixture:
    log_abundance = np.full(92, np.nan)
    for row in path.read_text().splitlines():
        fields = row.split()
        if len(fields) == 2 and fields[0].isdigit():
            log_abundance[int(fields[0]) - 1] = float(fields[1])
    return mixture(log_abundance)


@pytest.fixture(scope="module")
def mix() -> Mixture:
    log_abundance = np.full(92, -np.inf)
    for z, value in {
        1: 12.0,
        2: 11.0,
        6: 8.5,
        8: 8.8,
        11: 6.3,
        12: 7.5,
        13: 6.4,
        14: 7.5,
        20: 6.3,
        26: 7.5,
    }.items():
        log_abundance[z - 1] = value
    return mixture(log_abundance)


def quiet_sun(log_tau: np.ndarray) -> np.ndarray:
    """A radiative-equilibrium-like temperature [K] that steepens below tau = 1."""
    warm = 900.0 * np.maximum(log_tau - 0.6, 0.0)
    return np.asarray(4150.0 + warm + 2200.0 * np.exp(0.75 * np.minimum(log_tau, 0.6)))


def equilibrium(
    log_tau: np.ndarray, temperature: np.ndarray, pg_top: float, mix: Mixture
) -> tuple[bool, np.ndarray]:
    out = np.empty((4, log_tau.size))
    found = hydrostatic_equilibrium(log_tau, temperature, pg_top, SOLAR_GRAVITY, mix, *out)
    return found, out


def golden_cases() -> list[str]:
    return [
        "A01_hsra_nofield", "A04_falc_B500_dynamic", "A05_valc_nofield_vgrad", "A06_penumbra_evershed",
        "A07_cool_umbra", "A08_hot_umbra_negpol", "A09_granule_weakfield", "A10_plage",
        "A11_intergranule_novmic", "A12_mmaltby_M", "A13_hsra_asplund",
    ]  # fmt: skip


@pytest.mark.parametrize("name", golden_cases())
def test_photospheric_pressures_are_sirs(data_dir: Path, name: str) -> None:
    folder = data_dir / "golden" / "synthesis"
    case = next(c for c in json.loads((folder / "manifest.json").read_text()) if c["name"] == name)
    model = np.loadtxt(folder / f"{name}.mod", skiprows=1)
    log_tau, temperature = model[:, 0].copy(), model[:, 1].copy()
    out = np.empty((4, log_tau.size))
    composition = read_composition(folder / case["abund"])
    gravity = SOLAR_GRAVITY * case["mu"]
    assert hydrostatic_equilibrium(log_tau, temperature, case["pg_top"], gravity, composition, *out)
    photosphere = (log_tau >= -3.0) & (log_tau <= 1.0)
    limit = LARGEST_DEVIATION.get(name, 2.5e-3)
    np.testing.assert_allclose(out[0, photosphere], model[photosphere, 2], rtol=limit)
    np.testing.assert_allclose(out[1, photosphere], model[photosphere, 9], rtol=limit)


def test_heights_are_sirs_where_its_mean_weight_holds(data_dir: Path) -> None:
    model = np.loadtxt(data_dir / "golden" / "synthesis" / "A01_hsra_nofield.mod", skiprows=1)
    composition = read_composition(data_dir / "golden" / "synthesis" / "THEVENIN")
    _, out = equilibrium(model[:, 0].copy(), model[:, 1].copy(), model[-1, 9], composition)
    np.testing.assert_allclose(out[3], model[:, 8], atol=0.6)


def test_pressure_gradient_balances_gravity(mix: Mixture) -> None:
    log_tau = np.linspace(1.4, -4.5, 400)
    _, (_, pg, rho, z) = equilibrium(log_tau, quiet_sun(log_tau), 300.0, mix)
    gradient = np.gradient(pg, 1e5 * z)
    np.testing.assert_allclose(-gradient[1:-1], SOLAR_GRAVITY * rho[1:-1], rtol=2e-3)
    assert np.interp(0.0, -log_tau, z) == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(z) > 0.0).all()


@pytest.mark.parametrize("pg_top", [30.0, 300.0, 3000.0])
def test_a_coarse_uneven_grid_gives_the_pressures_of_a_fine_one(mix: Mixture, pg_top: float) -> None:
    fine = np.linspace(1.2, -4.4, 1121)
    coarse = np.unique(np.r_[np.arange(0, 1121, 20), np.arange(100, 400, 8), 1120])
    _, reference = equilibrium(fine, quiet_sun(fine), pg_top, mix)
    _, ours = equilibrium(fine[coarse].copy(), quiet_sun(fine[coarse]), pg_top, mix)
    # 30 dyn/cm2 is 13 times too low there: the first step of 0.1 multiplies it by 4, and is 15 % off.
    deviation = np.abs(np.log(ours[:2] / reference[:2, coarse]))
    assert deviation[:, fine[coarse] >= -3.0].max() < 2.5e-3
    assert deviation.max() < (0.2 if pg_top < 100.0 else 2.5e-3)


@pytest.mark.parametrize("pg_top", [30.0, 800.0])
@pytest.mark.parametrize("cooler_by", [0.0, 1900.0])
def test_response_is_the_difference_of_two_equilibria(mix: Mixture, pg_top: float, cooler_by: float) -> None:
    log_tau = np.sort(np.r_[np.linspace(1.4, -4.2, 40), -0.33, -1.07])[::-1].copy()
    temperature = quiet_sun(log_tau) - cooler_by
    _, (pe, *_) = equilibrium(log_tau, temperature, pg_top, mix)
    response = np.empty((log_tau.size, log_tau.size))
    hydrostatic_response(log_tau, temperature, pe, SOLAR_GRAVITY, mix, response)
    for j in range(0, log_tau.size, 3):
        nudge = np.zeros_like(temperature)
        nudge[j] = 0.5
        _, (warmer, *_) = equilibrium(log_tau, temperature + nudge, pg_top, mix)
        _, (colder, *_) = equilibrium(log_tau, temperature - nudge, pg_top, mix)
        difference = (warmer - colder) / pe
        scale = np.abs(difference).max()
        np.testing.assert_allclose(response[:, j] / pe, difference, rtol=1e-4, atol=1e-5 * scale)
    assert (response[np.triu_indices(log_tau.size, 1)] != 0.0).any()
    assert (response[np.tril_indices(log_tau.size, -1)] == 0.0).all()


def test_gas_pressure_at_the_top_is_kept(mix: Mixture) -> None:
    log_tau = np.linspace(1.0, -4.0, 51)
    _, out = equilibrium(log_tau, quiet_sun(log_tau), 500.0, mix)
    assert out[1, -1] == pytest.approx(500.0, rel=1e-14)


@pytest.mark.parametrize(
    ("temperature", "pg_top"), [(5000.0, -1.0), (5000.0, np.nan), (np.nan, 1e3), (20.0, 1e3)]
)
def test_an_impossible_atmosphere_is_nan_and_reported(
    mix: Mixture, temperature: float, pg_top: float
) -> None:
    log_tau = np.linspace(1.0, -4.0, 51)
    found, out = equilibrium(log_tau, np.full(51, temperature), pg_top, mix)
    assert not found
    assert np.isnan(out).all()


def test_a_bad_layer_spares_those_above_it(mix: Mixture) -> None:
    log_tau = np.linspace(1.0, -4.0, 51)
    temperature = quiet_sun(log_tau)
    temperature[20] = np.nan
    found, out = equilibrium(log_tau, temperature, 500.0, mix)
    assert not found
    assert np.isfinite(out[:3, 21:]).all()
    assert np.isnan(out[:3, :21]).all()


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (2.0, 2.001), (1.0, 7.0), (9.0, 1e-3)])
def test_logarithmic_mean(a: float, b: float) -> None:
    mean, share = logarithmic_mean(np.log(a), np.log(b))
    expected = a if a == b else (b - a) / np.log(b / a)
    assert mean == pytest.approx(expected, rel=1e-10)
    above, _ = logarithmic_mean(np.log(a), np.log(b) + 1e-4)
    below, _ = logarithmic_mean(np.log(a), np.log(b) - 1e-4)
    assert share == pytest.approx(np.log(above / below) / 2e-4, rel=1e-6)
