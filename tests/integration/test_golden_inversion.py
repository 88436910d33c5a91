"""Inversions of real profiles and of a map with truth, against what SIR2017 made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stokeswarm.client.plan_files import load_plan
from stokeswarm.client.project import Project
from stokeswarm.client.readers import read
from stokeswarm.client.starts import ModelStart, Pixels, named_guess
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import InvertRequest, InvertResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte.engine import LteEngine

CASES = ("ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2", "ex8_FIRS5")


def invert(request: InvertRequest) -> InvertResults:
    return LteEngine().prepare_inversion(request).run(range(len(request)), Slot())


def model_start(plan: Plan, guess: tuple[Atmosphere, ...], spectra: Spectra) -> tuple[Atmosphere, ...]:
    rows = np.arange(len(spectra))
    return ModelStart(guess, plan, by_sign_of_v=True).start(Pixels(rows, rows, rows, spectra)).atmosphere


def real_profile(project: Project) -> np.ndarray:
    assert project.observation is not None
    return read(str(project.observation), plan=project.plan).stokes.reshape(1, 4, -1)


@pytest.mark.parametrize("run", ["run_as_course", "run_plain_nodes"])
@pytest.mark.parametrize("case", CASES)
def test_fits_real_profiles_at_least_as_well_as_sir(data_dir: Path, case: str, run: str) -> None:
    folder = data_dir / "golden" / "inversion" / case
    project = load_control_file(folder / run / "inv.trol", search=(folder / "input",))
    stokes = real_profile(project)
    observation = read(str(project.observation), plan=project.plan)
    result = invert(
        InvertRequest(
            "lte",
            project.plan,
            Spectra(observation.wavelength, stokes, project.plan.reference),
            np.array([0]),
            project.guess,
            stray_light_profile=project.stray_light_profile,
        )
    )
    assert result.status[0].has_result, result.message
    used = np.isfinite(stokes[0])
    rms = float(np.sqrt(np.mean((stokes[0] - result.fit[0])[used] ** 2)))
    lines = (folder / run / "inv.chi").read_text().splitlines()
    best_of_sir = min(1.0 / float(line.split()[0]) for line in lines if line.strip())
    assert rms <= 1.05 * best_of_sir


def test_temperatures_of_a_real_hinode_patch_agree_with_other_codes(data_dir: Path) -> None:
    folder = data_dir / "observed" / "hinode_sp_5x5"
    plan = load_plan("reference").plan
    observation = read(str(folder / "hinode4d.20130912.sample.fits"), plan=plan)
    spectra = Spectra(observation.wavelength, observation.stokes.reshape(25, 4, -1), plan.reference)
    start = model_start(plan, named_guess("hsra", plan), spectra)
    result = invert(InvertRequest("lte", plan, spectra, np.arange(25), start))
    assert all(status.has_result for status in result.status)
    spinor = fits.getdata(folder / "spinor_inv" / "inverted_atmos_maptau.1.fits")[1]
    globin = fits.getdata(folder / "globin_inv" / "inverted_atmos_c1.fits").reshape(25, 14, -1)
    for depth in (0.0, -1.0):
        found = result.atmosphere[0].temperature[:, int(np.argmin(np.abs(plan.log_tau - depth)))].mean()
        others = (
            spinor[round((depth + 6.0) / 0.1)].mean(),
            np.mean([np.interp(depth, column[0], column[1]) for column in globin]),
        )
        assert min(abs(found - other) for other in others) < 100.0, (depth, found, others)


@pytest.mark.slow
def test_a_map_is_no_worse_than_sir_made_it(data_dir: Path) -> None:
    """Every sixth pixel of the map with truth; the whole of it is `benchmarks/accuracy.py`."""
    project = load_control_file(data_dir / "map" / "inv_ref1.trol")
    chosen = np.arange(0, 960, 6)
    observed = np.load(data_dir / "map" / "map.npz")
    truth = np.load(data_dir / "map" / "map_truth.npz")["atm"].reshape(960, 53, 11)[chosen]
    stored = np.load(data_dir / "map" / "fit_ref1.npz")
    spectra = Spectra(
        observed["wavelength"], observed["stokes"].reshape(960, 4, -1)[chosen], ContinuumReference.DISC_CENTRE
    )
    guess = replace(project.guess[0], inclination=np.full_like(project.guess[0].inclination, 45.0))
    start = model_start(project.plan, (guess,), spectra)
    result = invert(InvertRequest("lte", project.plan, spectra, chosen, start))
    assert all(status.has_result for status in result.status)
    sir = stored["model"].reshape(960, 53, 11)[chosen]
    columns = {
        "temperature": (1, 1.0),
        "field_strength": (4, 1.0),
        "velocity": (5, 1e-5),
        "inclination": (6, 1.0),
    }
    for quantity, (column, factor) in columns.items():
        for depth in (0.0, -1.0, -2.0):
            at = int(np.argmin(np.abs(truth[0, :, 0] - depth)))
            true = truth[:, at, column] * factor
            ours = np.sqrt(np.mean((result.atmosphere[0].arrays()[quantity][:, at] - true) ** 2))
            theirs = np.sqrt(np.mean((sir[:, at, column] * factor - true) ** 2))
            assert ours <= 1.1 * theirs, (quantity, depth, ours, theirs)
    residual = observed["stokes"].reshape(960, 4, -1)[chosen] - stored["syn"].reshape(960, 4, -1)[chosen]
    sir_chi2 = np.mean(residual**2, axis=(1, 2)) / 1e-6
    assert np.mean(result.chi2_stokes.mean(axis=1) > 1.1 * sir_chi2) < 0.01
