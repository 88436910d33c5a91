"""The forward model as its users see it: signs, symmetries, gradients, blocks, threads, refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.inversion.engines.lte import absorption
from stokeswarm.inversion.engines.lte.elements import mixture
from stokeswarm.inversion.engines.lte.forward import Column, ForwardModel, LineData, RegionSetup
from stokeswarm.inversion.engines.lte.terms import parse_transition
from stokeswarm.inversion.engines.lte.zeeman import pattern_of_terms, triplet

LOG_TAU = np.linspace(1.2, -4.0, 27)


def solar_abundances() -> np.ndarray:
    """The few elements that matter here (Grevesse 1984)."""
    abundance = np.full(92, -np.inf)
    listed = {
        1: 12.0,
        2: 11.0,
        6: 8.69,
        7: 7.99,
        8: 8.91,
        11: 6.28,
        12: 7.53,
        13: 6.43,
        14: 7.5,
        20: 6.36,
        26: 7.5,
    }
    for z, value in listed.items():
        abundance[z - 1] = value
    return abundance


MIXTURE = mixture(solar_abundances())


def line(centre: float, excitation: float, log_gf: float, terms: str, alpha: float, sigma: float) -> LineData:
    return LineData(
        26, 0, centre, excitation, log_gf, pattern_of_terms(*parse_transition(terms)), alpha, sigma
    )


FE_6301 = line(6301.5012, 3.64, -0.59, "5P 2.0- 5D 2.0", 0.243, 2.34e-14)
FE_6302 = line(6302.4936, 3.69, -0.97, "5P 1.0- 5D 0.0", 0.241, 2.97e-14)
UNIT = hsra_continuum(6301.5)


def axis(n: int = 60, start: float = 6301.1, step: float = 0.03) -> np.ndarray:
    return start + step * np.arange(n)


def region(wavelengths: np.ndarray, *lines: LineData) -> RegionSetup:
    return RegionSetup(wavelengths, lines or (FE_6301, FE_6302), UNIT)


def column(**changes: np.ndarray | float) -> Column:
    values: dict[str, np.ndarray | float] = {
        "log_tau": LOG_TAU,
        "temperature": 6300.0
        + 1300.0 * LOG_TAU
        + 260.0 * LOG_TAU**2 * (LOG_TAU < 0)
        + 700 * np.maximum(LOG_TAU, 0),
        "electron_pressure": 10.0 ** (1.2 + 0.75 * LOG_TAU),
        "microturbulence": 1.0e5,
        "field_strength": 1200.0 + 100.0 * LOG_TAU,
        "velocity": 3.0e4 * (1.0 + 0.3 * LOG_TAU),
        "inclination": np.deg2rad(50.0) + 0.03 * LOG_TAU,
        "azimuth": np.deg2rad(35.0) - 0.02 * LOG_TAU,
    }
    values.update(changes)
    return Column(*(np.array(np.broadcast_to(v, LOG_TAU.shape), dtype=float) for v in values.values()))


def synthesis(model: ForwardModel, atmosphere: Column, mu: float = 1.0) -> np.ndarray:
    return model.synthesize(atmosphere, model.workspace(LOG_TAU.size), mu)


MODEL = ForwardModel([region(axis())], MIXTURE)


@pytest.mark.parametrize("quantity", range(absorption.N_QUANTITY))
def test_response_functions_are_the_gradients_of_the_synthesis(quantity: int) -> None:
    atmosphere = column()
    workspace = MODEL.workspace(LOG_TAU.size)
    stokes, response = MODEL.synthesize_with_response(atmosphere, workspace)
    np.testing.assert_array_equal(stokes, synthesis(MODEL, atmosphere))
    response = response.copy()
    step = (0.05, 1e-4, 100.0, 0.1, 100.0, 1e-4, 1e-4)[quantity]
    for depth in (0, 3, 9, 15, 20, 25, 26):
        delta = step * atmosphere.electron_pressure[depth] if quantity == 1 else step
        sides = []
        for sign in (1.0, -1.0):
            values = [array.copy() for array in atmosphere]
            values[quantity + 1][depth] += sign * delta
            sides.append(MODEL.synthesize(Column(*values), workspace))
        difference = (sides[0] - sides[1]) / (2.0 * delta)
        peak = np.abs(response[quantity]).max()
        np.testing.assert_allclose(response[quantity, depth], difference, atol=3e-4 * peak)


def test_signs() -> None:
    """Conventions of the reference files: redshift, V of a field towards the observer, Q and U."""
    model = ForwardModel([region(axis(120, 6300.9, 0.01), FE_6301)], MIXTURE)
    wavelengths = model.regions[0].wavelengths

    def centre(stokes: np.ndarray) -> float:
        depth = stokes[0].max() - stokes[0]
        return float((depth * wavelengths).sum() / depth.sum())

    still = synthesis(model, column(velocity=0.0, field_strength=0.0))
    receding = synthesis(model, column(velocity=1.0e5, field_strength=0.0))
    assert centre(receding) - centre(still) == pytest.approx(6301.5 / 2.998e5, rel=0.03)
    np.testing.assert_allclose(still[1:], 0.0, atol=1e-14)

    towards = synthesis(model, column(velocity=0.0, inclination=0.1, azimuth=0.0))
    blue = wavelengths < 6301.46
    red = wavelengths > 6301.54
    assert towards[3][blue].max() > 0.1
    assert towards[3][red].min() < -0.1
    assert wavelengths[np.argmax(towards[3])] < 6301.5 < wavelengths[np.argmin(towards[3])]

    across = synthesis(model, column(velocity=0.0, inclination=np.pi / 2, azimuth=0.0, field_strength=2000.0))
    assert across[1][np.argmin(np.abs(wavelengths - 6301.5012))] < 0.0
    assert across[1].max() > 0.02
    turned = synthesis(
        model, column(velocity=0.0, inclination=np.pi / 2, azimuth=np.pi / 4, field_strength=2000.0)
    )
    np.testing.assert_allclose(turned[2], across[1], atol=1e-12)
    np.testing.assert_allclose(turned[1], -across[2], atol=1e-12)


def test_symmetries_of_the_field_direction() -> None:
    reference = synthesis(MODEL, column())
    np.testing.assert_allclose(
        synthesis(MODEL, column(azimuth=column().azimuth + np.pi)), reference, atol=1e-12
    )
    opposite = synthesis(MODEL, column(inclination=np.pi - column().inclination, azimuth=-column().azimuth))
    np.testing.assert_allclose(opposite, reference * np.array([[1.0], [1.0], [-1.0], [-1.0]]), atol=1e-12)


@pytest.mark.parametrize("n", [1, 5, 28, 29, 57])
def test_the_result_does_not_depend_on_the_blocks(n: int) -> None:
    full_stokes, full_response = MODEL.synthesize_with_response(column(), MODEL.workspace(LOG_TAU.size))
    part = ForwardModel([region(axis()[:n])], MIXTURE)
    stokes, response = part.synthesize_with_response(column(), part.workspace(LOG_TAU.size))
    np.testing.assert_allclose(stokes, full_stokes[:, :n], rtol=1e-10, atol=1e-13)
    peak = np.abs(full_response).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(response / peak, full_response[..., :n] / peak, rtol=1e-8, atol=1e-10)


def test_regions_follow_each_other() -> None:
    infrared = LineData(26, 0, 15648.492, 5.43, -0.67, triplet(3.0), 0.229, 2.74e-14)
    other = RegionSetup(15647.5 + 0.04 * np.arange(45), (infrared,), hsra_continuum(15648.492))
    both = ForwardModel([region(axis()), other], MIXTURE)
    assert both.slices == (slice(0, 60), slice(60, 105))
    stokes, response = both.synthesize_with_response(column(), both.workspace(LOG_TAU.size))
    alone = ForwardModel([other], MIXTURE)
    expected, expected_response = alone.synthesize_with_response(column(), alone.workspace(LOG_TAU.size))
    np.testing.assert_allclose(stokes[:, 60:], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(stokes[:, :60], synthesis(MODEL, column()), rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(response[..., 60:], expected_response)


def test_overlapping_lines_add_opacity() -> None:
    """Two half-strength lines at one place are the line itself."""
    half = LineData(26, 0, 6301.5012, 3.64, -0.59 + np.log10(0.5), FE_6301.zeeman, 0.243, 2.34e-14)
    one = synthesis(ForwardModel([region(axis(), FE_6301)], MIXTURE), column())
    two = synthesis(ForwardModel([region(axis(), half, half)], MIXTURE), column())
    np.testing.assert_allclose(two, one, rtol=1e-10, atol=1e-13)


def test_a_region_without_lines_is_flat_continuum() -> None:
    stokes = synthesis(ForwardModel([RegionSetup(axis(5), (), UNIT)], MIXTURE), column())
    np.testing.assert_allclose(stokes[0], stokes[0, 0], rtol=1e-12)
    assert 0.5 < stokes[0, 0] < 2.0
    np.testing.assert_array_equal(stokes[1:], 0.0)


def test_limb_darkening() -> None:
    centre, limb = synthesis(MODEL, column()), synthesis(MODEL, column(), mu=0.4)
    assert 0.4 < limb[0].max() / centre[0].max() < 0.9


def test_a_bad_depth_gives_nan_not_a_number_that_looks_right() -> None:
    temperature = column().temperature.copy()
    temperature[10] = np.nan
    assert np.isnan(synthesis(MODEL, column(temperature=temperature))).all()
    np.testing.assert_allclose(
        synthesis(MODEL, column())[0, 0], MODEL.synthesize(column(), MODEL.workspace())[0, 0]
    )


def test_threads_do_not_disturb_each_other() -> None:
    atmospheres = [column(temperature=column().temperature + 20.0 * i) for i in range(12)]
    expected = [synthesis(MODEL, a) for a in atmospheres]

    def evaluate(share: list[Column]) -> list[np.ndarray]:
        workspace = MODEL.workspace(LOG_TAU.size)
        return [MODEL.synthesize_with_response(a, workspace)[0] for a in share]

    with ThreadPoolExecutor(3) as pool:
        found = [
            s
            for share in pool.map(evaluate, (atmospheres[0:4], atmospheres[4:8], atmospheres[8:12]))
            for s in share
        ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_workspace_adapts_to_the_depths() -> None:
    workspace = MODEL.workspace(5)
    np.testing.assert_array_equal(MODEL.synthesize(column(), workspace), synthesis(MODEL, column()))
    assert workspace.n_depth == LOG_TAU.size


def test_impossible_requests_are_refused() -> None:
    workspace = MODEL.workspace()
    with pytest.raises(ValueError, match="deepest first"):
        MODEL.synthesize(column(log_tau=LOG_TAU[::-1]), workspace)
    with pytest.raises(ValueError, match="velocity must have shape"):
        MODEL.synthesize(column()._replace(velocity=np.zeros(3)), workspace)
    with pytest.raises(ValueError, match="mu must lie"):
        MODEL.synthesize(column(), workspace, mu=0.0)
    with pytest.raises(ValueError, match="ascending"):
        region(axis()[::-1])
    with pytest.raises(ValueError, match="absent from the abundances"):
        ForwardModel([region(axis(), LineData(92, 0, 6301.5, 0.0, 0.0, triplet(1.0)))], MIXTURE)
    with pytest.raises(ValueError, match="at least one"):
        ForwardModel([], MIXTURE)
    with pytest.raises(ValueError, match="stage"):
        LineData(26, 2, 6301.5, 0.0, 0.0, triplet(1.0))
    with pytest.raises(ValueError, match="damping_limit"):
        ForwardModel([region(axis())], MIXTURE, damping_limit=-1.0)


def test_hsra_continuum_is_the_unit_of_sir() -> None:
    assert hsra_continuum(6301.5012) == pytest.approx(2.95417e14, rel=2e-6)
    assert hsra_continuum(15648.492) == pytest.approx(4.41973e13, rel=2e-6)
    with pytest.raises(ValueError, match="HSRA"):
        hsra_continuum(1500.0)
