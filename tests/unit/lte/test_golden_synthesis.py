"""Synthesis against real SIR2017 output (electron pressure as given in the files)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte.degrade import (
    convolution_matrix,
    macroturbulence_matrix,
)
from stokeswarm.inversion.engines.lte.forward import SIR_DAMPING_LIMIT, ForwardModel

if TYPE_CHECKING:
    from conftest import Golden

CASES = [
    "A01_hsra_nofield", "A02_hsra_B1000_const", "A03_hsra_B1500_gradients", "A04_falc_B500_dynamic",
    "A05_valc_nofield_vgrad", "A06_penumbra_evershed", "A07_cool_umbra", "A08_hot_umbra_negpol",
    "A09_granule_weakfield", "A10_plage", "A11_intergranule_novmic", "A12_mmaltby_M", "A13_hsra_asplund",
]  # fmt: skip
STRONGLY_DAMPED = {("A07_cool_umbra", "ir"), ("A12_mmaltby_M", "ir")}
"""Cases in which SIR rescales the damping because it exceeds 3 Doppler widths in the deepest layers."""


def misfit(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Rms difference of I, Q, U, V, each divided by its own continuum."""
    difference = ours / ours[0, 0] - theirs / theirs[0, 0]
    return np.sqrt((difference**2).mean(axis=1))


def synthesis(golden: Golden, model: ForwardModel, name: str) -> np.ndarray:
    column = golden.column(name)
    return model.synthesize(column, model.workspace(column.log_tau.size))


@pytest.mark.parametrize("grid", ["hinode", "ir"])
@pytest.mark.parametrize("name", CASES)
def test_profiles_agree(golden: Golden, name: str, grid: str) -> None:
    limit = SIR_DAMPING_LIMIT if (name, grid) in STRONGLY_DAMPED else None
    model = golden.model(grid, golden.abundances(name), damping_limit=limit)
    stokes = synthesis(golden, model, name)
    expected = golden.profile(f"{name}.{grid}")
    assert stokes[0, 0] == pytest.approx(expected[0, 0], rel=3e-3)
    rms = misfit(stokes, expected)
    # What remains at 630 nm is 6302.49 Å at the distance that SIR's 32-bit wavelengths give it, 0.28 mÅ off.
    assert rms[0] < 8e-4
    assert np.all(rms[1:] < 6e-4)


@pytest.mark.parametrize("grid", ["hinode", "ir"])
@pytest.mark.parametrize("name", CASES)
def test_profiles_are_the_same_with_the_line_distance_of_sir(golden: Golden, name: str, grid: str) -> None:
    model = golden.model(grid, golden.abundances(name), as_sir=True, damping_limit=SIR_DAMPING_LIMIT)
    rms = misfit(synthesis(golden, model, name), golden.profile(f"{name}.{grid}"))
    assert np.all(rms < 1.5e-4)


@pytest.mark.parametrize(("name", "grid"), sorted(STRONGLY_DAMPED))
def test_the_damping_limit_of_sir_is_why_cool_umbrae_differ_in_the_infrared(
    golden: Golden, name: str, grid: str
) -> None:
    expected = golden.profile(f"{name}.{grid}")
    physical = misfit(synthesis(golden, golden.model(grid), name), expected)
    limited = misfit(synthesis(golden, golden.model(grid, damping_limit=SIR_DAMPING_LIMIT), name), expected)
    assert physical[0] > 4e-3
    assert physical[0] < 1.5e-2
    assert np.all(limited < 3e-4)


def test_macroturbulence_and_psf(golden: Golden) -> None:
    model = golden.model("hinode", as_sir=True)
    wavelengths = model.regions[0].wavelengths
    stokes = synthesis(golden, model, "A03_hsra_B1500_gradients")
    psf = convolution_matrix(wavelengths, *np.loadtxt(golden.folder / "HINODE_SP_ins_prof.psf").T)
    cases = {
        "A03_vmac": macroturbulence_matrix(wavelengths, 1.5),
        "A03_psf": psf,
        "A03_vmac_psf": psf @ macroturbulence_matrix(wavelengths, 1.0),
    }
    for name, operator in cases.items():
        rms = misfit(stokes @ operator.T, golden.profile(f"{name}.hinode"))
        assert np.all(rms < 5e-5), name


def test_two_components_and_stray_light(golden: Golden) -> None:
    model = golden.model("hinode", as_sir=True)
    parts = tuple(synthesis(golden, model, f"A03_2comp_stray.mod{i}") for i in (1, 2))
    stray = golden.profile("A03_2comp_stray.stray")
    stokes = 0.88 * (0.35 * parts[0] + 0.65 * parts[1]) + 0.12 * stray
    assert np.all(misfit(stokes, golden.profile("A03_2comp_stray.hinode")) < 1e-4)
