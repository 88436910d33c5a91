from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.atmospheres import model_atmosphere
from stokeswarm.client.check import Report, check
from stokeswarm.client.line_centres import line_shift, noise_estimate
from stokeswarm.client.plan_files import load_plan, preset
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation, ReadError, read
from stokeswarm.client.wavelengths import air_to_vacuum
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.status import ContinuumReference

PROJECT = preset("reference")
PLAN = PROJECT.plan
WAVELENGTH = PLAN.wavelength
LINES = PLAN.regions[0].lines


def profile(wavelength: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """Two lines like those of 630 nm, displaced by `shift` Å."""
    intensity = np.ones_like(wavelength)
    for line, depth in zip(LINES, (0.70, 0.65), strict=True):
        intensity -= depth * np.exp(-0.5 * ((wavelength - line.wavelength - shift) / 0.055) ** 2)
    return intensity


def observation(noise: float = 1e-3, shift: float = 0.0, shape: tuple[int, int] = (6, 7)) -> Observation:
    random = np.random.default_rng(1)
    stokes = random.normal(0.0, noise, (*shape, 4, WAVELENGTH.size))
    stokes[:, :, 0] += profile(WAVELENGTH, shift)
    return Observation(
        stokes.astype(np.float32), WAVELENGTH, ContinuumReference.DISC_CENTRE, recognised="made for a test"
    )


def text(items: list[str]) -> str:
    return "\n".join(items)


def test_a_good_pair() -> None:
    report = check(observation(), PROJECT)
    assert report.ok
    assert report.warnings == []
    facts = text(report.facts)
    for words in (
        "made for a test",
        "6 × 7 pixels",
        "112 samples",
        "53 points",
        "15 free parameters, 448 data",
    ):
        assert words in facts
    report.raise_for_errors()


def test_real_data_pass(data_dir: Path) -> None:
    patch = read(data_dir / "observed/hinode_sp_5x5/hinode4d.20130912.sample.fits", plan=PLAN)
    report = check(patch, PROJECT)
    assert report.errors == []
    assert report.warnings == []
    for case in ("ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2", "ex8_FIRS5"):
        folder = data_dir / "golden/inversion" / case
        project = load_plan(folder / "run_as_course/inv.trol", [folder / "input"])
        assert project.observation is not None
        assert check(read(project.observation, plan=project.plan), project).errors == [], case


def test_the_benchmark_map_and_its_noise(data_dir: Path) -> None:
    project = load_plan(data_dir / "map/inv_ref1.trol")
    stokes = read(data_dir / "map/map.npz", plan=project.plan)
    report = check(stokes, project)
    assert report.ok
    assert report.warnings == []
    _, q, u, v = noise_estimate(stokes.stokes)
    # strong V profiles of the active region leave a little behind
    assert (q, u) == pytest.approx((1e-3, 1e-3), rel=0.15)
    assert 1e-3 < v < 1.3e-3


def test_wavelengths_in_vacuum_are_recognised() -> None:
    moved = replace(observation(), wavelength=air_to_vacuum(WAVELENGTH))
    report = check(moved, PROJECT)
    assert "looks like vacuum" in text(report.errors)
    assert "medium='vacuum'" in text(report.errors)


def test_lines_in_vacuum_inside_a_wide_region_are_recognised() -> None:
    wide = replace(PLAN.regions[0], start=6298.0, stop=6307.0, step=0.0215)
    axis = wide.grid()
    stokes = np.zeros((1, 1, 4, axis.size), np.float32)
    stokes[0, 0, 0] = profile(axis, 1.743)
    report = check(Observation(stokes, axis), replace(PLAN, regions=(wide,)))
    assert "difference of vacuum and air" in text(report.errors)
    stokes[0, 0, 0] = profile(axis, 0.5)
    report = check(Observation(stokes, axis), replace(PLAN, regions=(wide,)))
    assert "+0.500 Å from the plan's (+23.8 km/s" in text(report.warnings)
    assert report.ok


def test_other_wavelengths_are_an_error() -> None:
    report = check(replace(observation(), wavelength=WAVELENGTH + 100.0), PROJECT)
    assert "none of the plan's regions" in text(report.errors)
    with pytest.raises(ReadError, match="regions"):
        report.raise_for_errors()


@given(st.floats(-0.15, 0.15))
def test_line_shift_is_measured(shift: float) -> None:
    found = line_shift(WAVELENGTH, profile(WAVELENGTH, shift), LINES)
    assert found is not None
    assert found.shift == pytest.approx(shift, abs=2e-3)
    assert found.velocity == pytest.approx(shift / 6302.0 * 299792.458, abs=0.15)


def test_no_line_no_shift() -> None:
    assert line_shift(WAVELENGTH, np.ones(WAVELENGTH.size), LINES) is None
    assert line_shift(WAVELENGTH, np.full(WAVELENGTH.size, np.nan), LINES) is None
    flat = observation()
    flat.stokes[:, :, 0] = 1.0
    assert "no line is clear enough" in text(check(flat, PROJECT).facts)


def test_bad_pixels_are_counted_with_coordinates() -> None:
    data = observation()
    data.stokes[0, 1] = np.nan
    data.stokes[2:4, 3] = 0.0
    data.stokes[5, 5, 1, 0] = np.nan
    report = check(data, PROJECT)
    assert report.ok
    warnings = text(report.warnings)
    assert "1 pixel(s)" in warnings
    assert "(0, 1)" in warnings
    assert "2 pixel(s)" in warnings
    assert "(2, 3), (3, 3)" in warnings
    assert "1 missing samples" in text(report.facts)


def test_no_pixel_left_is_an_error() -> None:
    data = observation()
    data.stokes[:] = 0.0
    assert "no pixel can be inverted" in text(check(data, PROJECT).errors)
    masked = replace(observation(), mask=np.ones((6, 7), bool))
    assert "no pixel can be inverted" in text(check(masked, PROJECT).errors)


def test_counts_are_an_error_and_odd_levels_a_warning() -> None:
    data = observation()
    data.stokes[:] *= 3e4
    assert "counts" in text(check(data, PROJECT).errors)
    data.stokes[:] /= 1e4
    report = check(data, PROJECT)
    assert "median continuum is 3" in text(report.warnings)


def test_references_that_differ_are_said() -> None:
    other = replace(observation(), reference=ContinuumReference.LOCAL_QUIET_SUN)
    assert "local-quiet-sun" in text(check(other, PROJECT).warnings)


@pytest.mark.parametrize(("noise", "words"), [(2e-2, "χ² will be large"), (1e-5, "polarisation weighs less")])
def test_noise_that_does_not_fit_the_plan(noise: float, words: str) -> None:
    assert words in text(check(observation(noise), PROJECT).warnings)


def test_noise_is_estimated() -> None:
    sigma = noise_estimate(observation(2e-3, shape=(20, 20)).stokes)
    assert sigma[1:] == pytest.approx((2e-3,) * 3, rel=0.05)
    assert np.isnan(noise_estimate(np.full((1, 1, 4, 2), np.nan, np.float32))).all()


def test_uneven_samples_under_a_psf() -> None:
    data = observation()
    keep = np.delete(np.arange(WAVELENGTH.size), [50, 51])
    gap = Observation(data.stokes[..., keep], WAVELENGTH[keep], ContinuumReference.DISC_CENTRE)
    assert "even sampling" in text(check(gap, PROJECT).warnings)


def test_a_line_outside_the_samples() -> None:
    data = observation()
    half = Observation(data.stokes[..., :56], WAVELENGTH[:56], ContinuumReference.DISC_CENTRE)
    assert "6302.4936 Å lies outside" in text(check(half, PROJECT).warnings)


def test_more_parameters_than_data() -> None:
    data = observation()
    few = Observation(data.stokes[..., 28:31], WAVELENGTH[28:31], ContinuumReference.DISC_CENTRE)
    plan = PLAN.with_cycles((Cycle((Nodes(temperature=14),)),))
    assert "14 free parameters and only 12 data" in text(check(few, plan).errors)


def test_a_plan_without_cycles() -> None:
    assert "no cycles" in text(check(observation(), PLAN.with_cycles(())).errors)


def test_stray_light_and_guess() -> None:
    stray = PLAN.with_cycles((Cycle((Nodes(temperature=1),), stray_light=True),))
    assert "no profile" in text(check(observation(), stray).errors)
    short = Project(stray, stray_light_profile=np.ones((4, 5), np.float32))
    assert "(4, 112)" in text(check(observation(), short).errors)
    guess = model_atmosphere("hsra", [1.0, 0.0, -1.0])
    cold = replace(guess, temperature=guess.temperature / 5, field_strength=np.zeros((1, 3)))
    report: Report = check(observation(), Project(PLAN, guess=(cold,)))
    assert "leave the plan's limits" in text(report.warnings)
    assert "field_strength is zero" in text(report.warnings)
    assert "3 depths are interpolated" in text(report.facts)
