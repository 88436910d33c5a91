"""Partition functions: faithful to the published fits, smooth where those are not."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.contract.abundances import SYMBOLS, atomic_number
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture
from stokeswarm.inversion.engines.lte.partition import (
    evaluate_published_fit,
    partition_derivatives,
    partition_functions,
    published_partition_functions,
    smooth,
    spline_coefficients,
)

SOLAR_LINES = ("C", "O", "Na", "Mg", "Al", "Si", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Ba")


@pytest.fixture(scope="module")
def mix() -> Mixture:
    return mixture(np.r_[12.0, np.full(91, 5.0)])


def table(mix: Mixture, temperature: np.ndarray) -> np.ndarray:
    return np.array([[partition_functions(t, z, mix) for z in range(1, 93)] for t in temperature])


def test_values_at_5040_kelvin_are_those_of_the_published_coefficients(mix: Mixture) -> None:
    # There ln theta is 0 and a fit of Bolton (1970) is its constant: g0 + exp(a0).
    assert partition_functions(5040.0, 26, mix)[0] == pytest.approx(9.0 + np.exp(2.930047), rel=1e-5)
    assert partition_functions(5040.0, 26, mix)[1] == pytest.approx(10.0 + np.exp(3.501597), rel=1e-5)
    assert partition_functions(5040.0, 20, mix)[1] == pytest.approx(2.0 + np.exp(-1.582112), rel=1e-5)
    assert partition_functions(5040.0, 1, mix)[0] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("symbol", SOLAR_LINES)
def test_smoothing_hardly_moves_photospheric_values(mix: Mixture, symbol: str) -> None:
    temperature = np.linspace(3000.0, 7500.0, 91)
    z = atomic_number(symbol)
    ours = np.array([partition_functions(t, z, mix)[:2] for t in temperature])
    published = published_partition_functions(temperature, SYMBOLS)[:, z - 1, :2]
    deviation = np.abs(np.log(ours / published))
    # Na I and Ba I have true kinks in this range, which are rounded over some 300 K.
    assert np.sqrt((deviation**2).mean(axis=0)).max() < (4e-3 if symbol == "Ba" else 2e-3)
    assert np.median(deviation, axis=0).max() < 1e-5


def test_all_stages_of_all_elements_are_finite_and_at_least_one(mix: Mixture) -> None:
    values = table(mix, np.array([500.0, 1500.0, 3000.0, 6000.0, 12000.0, 30000.0, 90000.0]))
    assert np.isfinite(values).all()
    assert values.min() >= 1.0 - 1e-4


def test_derivatives_are_those_of_the_values(mix: Mixture) -> None:
    for temperature in (2500.0, 3999.0, 4001.0, 5800.0, 9000.0, 14000.0):
        for z in (6, 11, 12, 14, 20, 22, 26, 28, 56):
            above = np.log(partition_functions(temperature + 0.5, z, mix))
            below = np.log(partition_functions(temperature - 0.5, z, mix))
            np.testing.assert_allclose(
                partition_derivatives(temperature, z, mix), above - below, rtol=1e-5, atol=1e-10
            )


def test_derivatives_have_no_jump_where_published_pieces_meet(mix: Mixture) -> None:
    # Pieces of Fe I meet at 4000 and 9000 K (6 % apart), of Si I at 10 400 K (15 % apart).
    for z, edge in ((26, 4000.0), (26, 9000.0), (14, 10400.0), (12, 8000.0)):
        temperature = edge + np.arange(-50.0, 51.0)
        slope = np.array([partition_derivatives(t, z, mix)[0] for t in temperature])
        assert np.abs(np.diff(slope)).max() < 3e-6


def test_smoothing_keeps_cubic_polynomials() -> None:
    x = np.linspace(-1.0, 1.0, 201)
    cubic = 1.0 + x - 2.0 * x**2 + 3.0 * x**3
    inner = slice(40, -40)
    np.testing.assert_allclose(smooth(cubic, 4.0)[inner], cubic[inner], rtol=0.0, atol=1e-12)


def test_spline_goes_through_its_samples() -> None:
    samples = np.random.default_rng(1).normal(size=(30, 2))
    c = spline_coefficients(samples)
    np.testing.assert_allclose((c[:-2] + 4.0 * c[1:-1] + c[2:]) / 6.0, samples, atol=1e-13)


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(ValueError, match="'Q'"):
        evaluate_published_fit("Q", np.ones(2), np.ones(1))


def test_symbols_and_composition_are_checked() -> None:
    assert atomic_number(" FE") == 26
    with pytest.raises(ValueError, match="'Xx'"):
        atomic_number("Xx")
    with pytest.raises(ValueError, match=r"\(92,\)"):
        mixture(np.zeros(30))
    with pytest.raises(ValueError, match="hydrogen"):
        mixture(np.full(92, 5.0))


def test_absent_elements_weigh_nothing() -> None:
    log_abundance = np.r_[12.0, 11.0, np.full(90, -8.0)]
    log_abundance[25] = np.nan
    mix = mixture(log_abundance)
    assert mix.nuclei_per_hydrogen == pytest.approx(0.1)
    assert mix.weight_per_hydrogen == pytest.approx(1.008 + 0.40026)
    assert mix.donors.tolist() == [1]
