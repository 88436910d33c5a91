"""Continuous opacity: SIR's numbers, independent published fits, and smoothness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from stokeswarm.inversion.engines.lte import continuum, eos, hydrogen_opacity
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture

HSRA_CONTINUUM = {"hinode": (6301.5012e-8, 2.95417e14), "ir": (15648.492e-8, 4.41973e13)}
"""Wavelength [cm] and SIR's disc-centre continuum of the Harvard-Smithsonian atmosphere there."""
SIR_CONTINUUM = {
    "A01_hsra_nofield": (0.9992244, 0.9999913),
    "A04_falc_B500_dynamic": (1.073950, 1.010668),
    "A05_valc_nofield_vgrad": (0.9940285, 0.9857194),
    "A06_penumbra_evershed": (0.8868142, 0.9221812),
    "A07_cool_umbra": (0.1146230, 0.4595063),
    "A08_hot_umbra_negpol": (0.3710273, 0.7066525),
    "A09_granule_weakfield": (1.023458, 1.014196),
    "A10_plage": (1.263392, 1.022075),
    "A11_intergranule_novmic": (0.9309100, 0.9530799),
    "A12_mmaltby_M": (0.1322090, 0.4956892),
    "A13_hsra_asplund": (0.9990256, 1.000345),
}
"""Emergent continuum over HSRA's at 6301.5 and 15648.5 Angstrom of the golden models in SIR2017, with the
lines switched off (log gf lowered by 12). The golden profiles themselves end in line wings: 0.3 % deep in the
quiet Sun, 1.8 % in the umbra."""
SIR_OPACITY = [
    (4.0e-5, 4000.5, 0.5, 7.589140e-26), (5.0e-5, 4000.5, 0.5, 9.491474e-26),
    (6.3e-5, 4000.5, 0.5, 1.163617e-25), (8.5e-5, 4000.5, 0.5, 1.309867e-25),
    (1.565e-4, 4000.5, 0.5, 2.211033e-26), (4.0e-5, 5000.0, 3.0, 1.690450e-25),
    (5.0e-5, 5000.0, 3.0, 2.149260e-25), (6.3e-5, 5000.0, 3.0, 2.640226e-25),
    (1.0e-4, 5000.0, 3.0, 2.794954e-25), (1.565e-4, 5000.0, 3.0, 7.010683e-26),
    (4.0e-5, 6500.0, 60.0, 1.276547e-24), (5.0e-5, 6500.0, 60.0, 1.609310e-24),
    (6.3e-5, 6500.0, 60.0, 1.964313e-24), (8.5e-5, 6500.0, 60.0, 2.142801e-24),
    (1.565e-4, 6500.0, 60.0, 8.478727e-25), (5.0e-5, 8000.0, 1000.0, 1.415549e-23),
    (6.3e-5, 8000.0, 1000.0, 1.814834e-23), (1.565e-4, 8000.0, 1000.0, 1.399822e-23),
    (5.0e-5, 10000.0, 9000.0, 1.084514e-22), (6.3e-5, 10000.0, 9000.0, 1.684318e-22),
    (1.565e-4, 10000.0, 9000.0, 3.070394e-22),
]  # fmt: skip
"""Wavelength [cm], temperature [K], electron pressure [dyn/cm2], and the opacity per hydrogen nucleus [cm2]
that SIR2017 computes with the abundances of Thevenin (1989)."""


def read_composition(path: Path) -> Mixture:
    log_abundance = np.full(92, np.nan)
    for row in path.read_text().splitlines():
        fields = row.split()
        if len(fields) == 2 and fields[0].isdigit():
            log_abundance[int(fields[0]) - 1] = float(fields[1])
    return mixture(log_abundance)


@pytest.fixture(scope="module")
def thevenin(data_dir: Path) -> Mixture:
    return read_composition(data_dir / "golden" / "synthesis" / "THEVENIN")


@pytest.fixture(scope="module")
def solar() -> Mixture:
    log_abundance = np.full(92, -np.inf)
    for z, value in {1: 12.0, 2: 10.93, 6: 8.4, 8: 8.7, 11: 6.2, 12: 7.6, 14: 7.5, 20: 6.3, 26: 7.5}.items():
        log_abundance[z - 1] = value
    return mixture(log_abundance)


def opacity(wavelength_cm: float, temperature: float, pe: float, mix: Mixture) -> tuple[float, np.ndarray]:
    state = np.empty(eos.N_STATE)
    eos.gas_state(temperature, pe, mix, state)
    return continuum.continuum_opacity(wavelength_cm, temperature, pe, state, mix), state


def emergent_continuum(wavelength_cm: float, model: np.ndarray, mix: Mixture) -> float:
    """Formal solution at disc centre, exact for a source function linear between points of a fine grid."""
    log_tau = np.linspace(model[0, 0], model[-1, 0], 8 * (len(model) - 1) + 1)[::-1]
    coarse = model[::-1]
    # Cubics through the model's points: as smooth as SIR's Hermitian solution takes the atmosphere to be.
    temperature = CubicSpline(coarse[:, 0], coarse[:, 1])(log_tau)
    pressure = np.exp(CubicSpline(coarse[:, 0], np.log(coarse[:, 2]))(log_tau))
    ratio, source = np.empty(log_tau.size), np.empty(log_tau.size)
    for i, (t, pe) in enumerate(zip(temperature, pressure, strict=True)):
        at_line, state = opacity(wavelength_cm, t, pe, mix)
        ratio[i] = at_line / continuum.continuum_opacity_5000(t, pe, state, mix)
        source[i] = continuum.planck(wavelength_cm, t)
    per_dex = ratio * 10.0**log_tau * np.log(10.0)
    tau = (
        np.r_[0.0, np.cumsum(0.5 * (per_dex[1:] + per_dex[:-1]) * np.diff(log_tau))]
        + ratio[0] * 10.0 ** log_tau[0]
    )
    step = np.diff(tau)
    slope = np.diff(source) / step
    layers = np.exp(-tau[:-1]) * (
        source[:-1] * -np.expm1(-step) + slope * (-np.expm1(-step) - step * np.exp(-step))
    )
    above = source[0] * -np.expm1(-tau[0])
    below = np.exp(-tau[-1]) * (source[-1] + slope[-1])
    return float(above + layers.sum() + below)


@pytest.mark.parametrize("name", sorted(SIR_CONTINUUM))
@pytest.mark.parametrize("grid", ["hinode", "ir"])
def test_emergent_continuum_is_sirs(data_dir: Path, name: str, grid: str) -> None:
    folder = data_dir / "golden" / "synthesis"
    case = next(c for c in json.loads((folder / "manifest.json").read_text()) if c["name"] == name)
    model = np.loadtxt(folder / f"{name}.mod", skiprows=1)
    wavelength_cm, reference = HSRA_CONTINUUM[grid]
    ours = emergent_continuum(wavelength_cm, model, read_composition(folder / case["abund"])) / reference
    assert ours == pytest.approx(SIR_CONTINUUM[name][grid == "ir"], rel=5e-4)
    highest = np.loadtxt(folder / f"{name}.{grid}.per")[:, 2].max()
    assert highest * (1.0 - 1e-3) < ours < highest * 1.02


@pytest.mark.parametrize(("wavelength_cm", "temperature", "pe", "theirs"), SIR_OPACITY)
def test_opacity_per_hydrogen_nucleus_is_sirs(
    thevenin: Mixture, wavelength_cm: float, temperature: float, pe: float, theirs: float
) -> None:
    total, state = opacity(wavelength_cm, temperature, pe, thevenin)
    assert total / state[eos.NH] == pytest.approx(theirs, rel=2.5e-3)


def gray_free_free(wavelength_cm: float, temperature: float) -> float:
    """Gray (2005), eq. 8.13: fit to the calculation of Bell & Berrington (1987)."""
    x, t = np.log10(1e8 * wavelength_cm), np.log10(5040.0 / temperature)
    f0 = -2.2763 - 1.6850 * x + 0.76661 * x**2 - 0.0533464 * x**3
    f1 = 15.2827 - 9.2846 * x + 1.99381 * x**2 - 0.142631 * x**3
    f2 = -197.789 + 190.266 * x - 67.9775 * x**2 + 10.6913 * x**3 - 0.625151 * x**4
    return float(1e-26 * 10.0 ** (f0 + f1 * t + f2 * t**2))


@pytest.mark.parametrize("wavelength_cm", [5.0e-5, 6.3e-5, 1.0e-4, 1.565e-4, 2.2e-4])
@pytest.mark.parametrize("temperature", [3000.0, 4000.0, 5040.0, 6500.0, 8000.0, 10000.0])
def test_free_free_of_the_negative_ion_agrees_between_publications(
    wavelength_cm: float, temperature: float
) -> None:
    john = hydrogen_opacity.hydrogen_minus_free_free(wavelength_cm, temperature)
    assert john == pytest.approx(gray_free_free(wavelength_cm, temperature), rel=1e-2)


def test_sirs_free_free_of_the_negative_ion_has_one_theta_too_many() -> None:
    for temperature in (4000.0, 6500.0, 8000.0):
        published = hydrogen_opacity.hydrogen_minus_free_free(1.565e-4, temperature)
        as_sir = hydrogen_opacity.hydrogen_minus_free_free_as_sir(1.565e-4, temperature)
        assert as_sir / published == pytest.approx(5040.0 / temperature, rel=0.06)


def test_the_published_opacity_darkens_the_infrared_quiet_sun(data_dir: Path, thevenin: Mixture) -> None:
    model = np.loadtxt(data_dir / "golden" / "synthesis" / "A01_hsra_nofield.mod", skiprows=1)
    wavelength_cm, _ = HSRA_CONTINUUM["ir"]
    as_sir = emergent_continuum(wavelength_cm, model, thevenin)
    published = emergent_continuum(wavelength_cm, model, thevenin._replace(opacity_as_sir=False))
    assert -0.035 < published / as_sir - 1.0 < -0.02


def test_hydrogen_has_its_paschen_edge_at_8206_angstrom() -> None:
    binding = hydrogen_opacity.HYDROGEN_TEMPERATURE
    before = hydrogen_opacity.hydrogen_atom(8.20e-5, 9000.0, binding)
    after = hydrogen_opacity.hydrogen_atom(8.21e-5, 9000.0, binding)
    assert 1.5 < before / after < 3.0
    # The threshold cross-section of level 3 is 7.906e-18 x 3 cm2 x 0.906 (Karzas & Latter 1961, ApJS 6, 167).
    population = 9.0 * np.exp(-binding * (1.0 - 1.0 / 9.0) / 9000.0)
    stimulated = continuum.stimulated_emission(8.205e-5, 9000.0)
    edge = (before - after * (8.20 / 8.21) ** 3) / (population * stimulated)
    assert edge == pytest.approx(7.906e-18 * 3.0 * 0.906, rel=0.02)


def test_the_negative_ion_stops_at_its_threshold_and_is_continuous_below() -> None:
    assert hydrogen_opacity.hydrogen_minus_bound_free(1.65e-4) == 0.0
    assert hydrogen_opacity.hydrogen_minus_bound_free(1.641e-4) < 1e-19
    left = hydrogen_opacity.hydrogen_minus_bound_free(1.4199e-4)
    right = hydrogen_opacity.hydrogen_minus_bound_free(1.4201e-4)
    assert left == pytest.approx(right, rel=5e-3)
    # Maximum near 0.85 micron, 4e-17 cm2 (Geltman 1962; Wishart 1979).
    assert hydrogen_opacity.hydrogen_minus_bound_free(8.5e-5) == pytest.approx(4.0e-17, rel=0.03)


@pytest.mark.parametrize("as_sir", [True, False])
def test_opacity_is_finite_and_positive_everywhere(solar: Mixture, *, as_sir: bool) -> None:
    mix = solar._replace(opacity_as_sir=as_sir)
    for temperature in np.linspace(1800.0, 20000.0, 27):
        for pe in 10.0 ** np.linspace(-5.0, 5.0, 6):
            for wavelength_cm in (4.0e-5, 6.3e-5, 1.08e-4, 1.565e-4, 2.2e-4, 3.0e-4):
                total, _ = opacity(wavelength_cm, temperature, pe, mix)
                assert np.isfinite(total)
                assert total > 0.0


@pytest.mark.parametrize("wavelength_cm", [4.0e-5, 6.3e-5, 1.565e-4])
def test_opacity_is_smooth_in_temperature(solar: Mixture, wavelength_cm: float) -> None:
    # Where SIR switches metals on (4000 K) or changes a fit of He- (9200 K) there is neither jump nor kink.
    def roughness(step: float) -> float:
        temperature = np.arange(2600.0, 12000.0, step)
        values = np.log([opacity(wavelength_cm, t, 5.0, solar)[0] for t in temperature])
        return float(np.abs(np.diff(values, 3)).max())

    assert roughness(20.0) < 0.16 * roughness(40.0)


@pytest.mark.parametrize("temperature", [2500.0, 5777.0, 12000.0])
def test_planck_function_integrates_to_stefans_law_and_has_its_derivative(temperature: float) -> None:
    wavelength_cm = np.geomspace(1e-6, 1.0, 4000)
    values = np.array([continuum.planck(w, temperature) for w in wavelength_cm])
    flux = np.pi * np.trapezoid(values * wavelength_cm, np.log(wavelength_cm))
    assert flux == pytest.approx(5.670374419e-5 * temperature**4, rel=1e-4)
    for w in (4e-5, 6.3e-5, 1.565e-4):
        difference = continuum.planck(w, temperature + 0.5) - continuum.planck(w, temperature - 0.5)
        assert continuum.planck_derivative(w, temperature) == pytest.approx(difference, rel=1e-6)


def test_scattering_by_electrons_alone_in_a_hot_thin_gas(solar: Mixture) -> None:
    total, state = opacity(5.0e-5, 18000.0, 1.0e-4, solar)
    assert total == pytest.approx(6.6524587e-25 * state[eos.N_E], rel=2e-2)
