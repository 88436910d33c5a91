from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.client.plan_files import load_plan
from stokeswarm.client.project import Project
from stokeswarm.client.readers import read
from stokeswarm.client.sources import load
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.plan import Nodes
from stokeswarm.contract.sir_files import SirFileError, parse_model
from stokeswarm.contract.status import ContinuumReference

CASES = ("ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2", "ex8_FIRS3", "ex8_FIRS5")


def golden(data_dir: Path, case: str, run: str = "run_plain_nodes") -> Project:
    folder = data_dir / "golden/inversion" / case
    return load_control_file(folder / run / "inv.trol", [folder / "input"])


@pytest.fixture
def case(data_dir: Path, tmp_path: Path) -> Path:
    """A folder with everything that ex5's control file names; tests change the control file."""
    folder = data_dir / "golden/inversion/ex5_straylight"
    shutil.copytree(folder / "input", tmp_path / "case")
    shutil.copy(folder / "run_plain_nodes/inv.trol", tmp_path / "case/inv.trol")
    return tmp_path / "case/inv.trol"


def change(path: Path, line: int, value: str) -> Path:
    """Replace the value of one line, counted from 1."""
    lines = path.read_text().splitlines()
    label = lines[line - 1].split(":", 1)[0]
    lines[line - 1] = f"{label}:{value}  ! changed"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("run", ["run_as_course", "run_plain_nodes"])
@pytest.mark.parametrize("name", CASES)
def test_every_golden_control_file_loads_with_its_observation(data_dir: Path, name: str, run: str) -> None:
    project = golden(data_dir, name, run)
    assert project.observation is not None
    observation = read(project.observation, plan=project.plan)
    slices = project.plan.region_slices(observation.wavelength)
    assert slices == (slice(0, observation.wavelength.size),)
    assert observation.reference is project.plan.reference is ContinuumReference.DISC_CENTRE
    (guess,) = project.guess
    np.testing.assert_allclose(project.plan.log_tau, guess.log_tau, atol=1e-6)


def test_the_map_of_the_benchmark(data_dir: Path) -> None:
    project = load_control_file(data_dir / "map/inv_ref1.trol")
    plan = project.plan
    assert project.observation is None
    assert plan.n_depth == 53
    assert plan.noise == (1e-3,) * 4
    assert plan.top_gas_pressure == (868.2,)
    assert (plan.svd_tolerance, plan.initial_damping) == (1e-4, 1e-3)
    first, second, third = (cycle.components[0] for cycle in plan.cycles)
    common: dict[str, Any] = {"microturbulence": 1, "inclination": 1, "azimuth": 1, "macroturbulence": True}
    assert first == Nodes(temperature=1, field_strength=1, velocity=1, **common)
    assert second == Nodes(temperature=3, field_strength=3, velocity=3, **common)
    assert third == Nodes(temperature=5, field_strength=3, velocity=3, **common)
    (region,) = plan.regions
    assert region.n_wavelength == 112
    assert region.psf is not None
    assert region.psf.offset[0] == -69.9725
    np.testing.assert_allclose(plan.wavelength, read(data_dir / "map/map.npz").wavelength, rtol=0, atol=1e-6)


def test_penumbra_with_automatic_nodes(data_dir: Path) -> None:
    plan = golden(data_dir, "ex2_penumbra_psf", "run_as_course").plan
    assert [cycle.automatic for cycle in plan.cycles] == [False, False, True]
    assert [cycle.components[0].temperature for cycle in plan.cycles] == [2, 3, 10]
    assert [cycle.weights for cycle in plan.cycles] == [(1.0, 5.0, 5.0, 5.0)] * 3
    assert plan.noise[0] == pytest.approx(1 / 200)
    assert plan.carried_nodes(plan.cycles[2]).components[0].temperature == 5
    assert plan.abundances[25] == 7.46


def test_stray_light(data_dir: Path) -> None:
    project = golden(data_dir, "ex5_straylight")
    assert project.stray_light_profile is not None
    assert project.stray_light_profile.shape == (4, 112)
    assert project.stray_light_profile[0, 0] == pytest.approx(0.985422)
    assert all(cycle.stray_light for cycle in project.plan.cycles)
    assert project.guess[0].stray_light[0] == pytest.approx(0.2)


def test_nodes_are_lowered_as_sir_lowers_them_and_it_is_said(data_dir: Path) -> None:
    project = golden(data_dir, "ex5_straylight")
    # 55 depths: 54 = 2 · 3³, so 5 nodes become 4
    assert [cycle.components[0].temperature for cycle in project.plan.cycles] == [1, 3, 4]
    assert any("nodes T 1, cycle 3" in note and "4 used" in note for note in project.notes)


def test_weights_change_from_cycle_to_cycle(data_dir: Path) -> None:
    plan = golden(data_dir, "ex6_onecomp").plan
    assert [cycle.weights[3] for cycle in plan.cycles] == [4.0, 10.0, 100.0]


def test_stray_light_of_a_guess_without_profile_means_nothing(data_dir: Path) -> None:
    project = golden(data_dir, "ex8_FIRS2")
    assert project.guess[0].stray_light[0] == 0.0
    assert any("30 %" in note for note in project.notes)
    assert project.plan.regions[0].lines[0].element == "Si"
    assert project.plan.noise == (1e-3,) * 4


@pytest.mark.parametrize("name", ["example_syn.trol", "example_rf.trol"])
def test_synthesis_does_without_its_model(data_dir: Path, name: str) -> None:
    project = load_control_file(data_dir / "golden/synthesis" / name, [data_dir / "map"])
    assert project.plan.cycles == ()
    assert project.guess == ()
    assert project.plan.wavelength.size == 112
    assert any("initial guess model 1" in note for note in project.notes)


def test_two_components(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "golden/synthesis"
    trol = tmp_path / "syn.trol"
    shutil.copy(folder / "example_syn.trol", trol)
    for name, copy in (("A03_2comp_stray.mod1.mod", "c1.mod"), ("A03_2comp_stray.mod2.mod", "c2.mod"),
                       ("A03_2comp_stray.stray.per", "stray.per"), ("hinode.grid", "malla.grid"),
                       ("LINES", "LINES"), ("THEVENIN", "THEVENIN")):  # fmt: skip
        shutil.copy(folder / name, tmp_path / copy)
    project = load_control_file(trol)
    one, two = project.guess
    assert (one.filling_factor[0], two.filling_factor[0]) == pytest.approx((0.35, 0.65))
    assert one.stray_light[0] == two.stray_light[0] == pytest.approx(0.12)
    assert project.stray_light_profile is not None
    inverted = change(change(change(trol, 1, "2"), 15, "1,3"), 23, "1")
    # an inversion needs its observation only where no grid is named
    change(change(inverted, 31, "1"), 39, "868.2")
    plan = load_control_file(inverted).plan
    assert plan.n_component == 2
    assert [cycle.components[1].temperature for cycle in plan.cycles] == [1, 1]
    assert plan.cycles[0].filling_factor
    assert plan.top_gas_pressure == (868.2, 868.2)


def test_a_blank_grid_takes_the_observed_samples(case: Path) -> None:
    project = load_control_file(change(case, 5, ""))
    (region,) = project.plan.regions
    assert [line.index for line in region.lines] == [1]
    assert region.step == pytest.approx(0.02153, abs=1e-6)
    assert any("without blends" in note for note in project.notes)


def test_a_blank_signal_to_noise_and_pressure(case: Path) -> None:
    plan = load_control_file(change(change(case, 34, ""), 39, "")).plan
    assert plan.noise == (1e-3,) * 4
    assert plan.top_gas_pressure == ()


def test_all_nodes(case: Path) -> None:
    plan = load_control_file(change(case, 15, "2,*")).plan
    assert [cycle.components[0].temperature for cycle in plan.cycles] == [2, 55, 55]


def test_negative_mu_is_the_western_half(case: Path) -> None:
    project = load_control_file(change(case, 33, "-0.8"))
    assert project.plan.mu == 0.8
    assert any("mu" in note for note in project.notes)


def test_blanks_vanish_inside_values(case: Path) -> None:
    assert load_control_file(change(case, 34, " 1 000 ")).plan.noise[0] == 1e-3


@pytest.mark.parametrize(
    ("line", "value", "words"),
    [
        (1, "12", ("line 1", "cycles", "9")),
        (1, "3.", ("line 1", "whole number", "'3.'")),
        (6, "", ("line 6", "atomic parameters file", "line list")),
        (8, "", ("line 8", "model")),
        (10, "-1", ("line 10", "weight I", "Q/I")),
        (11, "1e3", ("line 11", "decimal point", "0.01", "'1.e3'")),
        (15, "2,3.5", ("line 15", "nodes T 1", "whole number")),
        (15, "-1", ("line 15", "coupled")),
        (22, "-1", ("line 22", "vmac 1", "coupled")),
        (34, "-5.", ("line 34", "S/N", "positive")),
        (36, "1e-4", ("line 36", "SVD tolerance", "decimal point", "1.e-4")),
        (38, "2", ("line 38", "regularised")),
        (39, "-1.e-7", ("line 39", "density")),
        (41, "2", ("line 41", "magnetic pressure")),
        (42, "depart.dat", ("line 42", "LTE")),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(
    case: Path, line: int, value: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(SirFileError) as caught:
        load_control_file(change(case, line, value))
    for word in ("inv.trol", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("line", [2, 3, 4, 5, 6, 7, 8, 9])
def test_a_missing_file_names_its_line(case: Path, line: int) -> None:
    change(case, line, "nothing.here")
    if line == 2:
        # with a grid the command line may bring another observation
        assert any("nothing.here" in note for note in load_control_file(case).notes)
        change(case, 5, "")
    with pytest.raises(NotFoundError, match=rf"line {line} .*nothing\.here"):
        load_control_file(case)


def test_every_line_is_needed(case: Path) -> None:
    lines = case.read_text().splitlines()
    case.write_text("\n".join(lines[:40]))
    with pytest.raises(SirFileError, match="expected 42 lines, found 40"):
        load_control_file(case)
    lines[20] = "no colon here"
    case.write_text("\n".join(lines))
    with pytest.raises(SirFileError, match="line 21"):
        load_control_file(case)


def test_a_stray_light_profile_of_other_samples(case: Path) -> None:
    stray = case.parent / "straylight.per"
    stray.write_text("".join(stray.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(SirFileError, match=r"stray light: expected the 112 samples .* found 111"):
        load_control_file(case)


def test_an_inversion_needs_an_even_grid(case: Path) -> None:
    model = case.parent / "guess.mod"
    rows = model.read_text().splitlines()
    del rows[10]
    model.write_text("\n".join(rows) + "\n")
    with pytest.raises(SirFileError, match=r"line 8 .*evenly spaced"):
        load_control_file(case)
    plan = load_control_file(change(case, 1, "0")).plan
    assert plan.cycles == ()


def test_what_sir_alone_obeys_becomes_its_options(case: Path) -> None:
    project = load_control_file(change(change(case, 38, "1"), 41, "1"))
    assert project.plan.options == {"sir.interpolation": "linear", "sir.magnetic_pressure": "on"}
    assert any("interpolation" in note and "embedded engine" in note for note in project.notes)
    alone = load_control_file(change(case, 35, "0.5"))
    assert "sir.contrast" not in alone.plan.options
    assert any("two inverted components" in note for note in alone.notes)
    shutil.copy(case.parent / "guess.mod", case.parent / "second.mod")
    two = load_control_file(change(change(case, 9, "second.mod"), 23, "1"))
    assert two.plan.options["sir.contrast"] == "0.5"


def test_lines_that_the_grid_does_not_name_need_not_be_understood(case: Path) -> None:
    lines = case.parent / "LINES"
    odd = "99=FE 1  15652.8809  1.0   6.246   -0.050     7D 5.0- (6D4.5)f2k 4.0\n"
    lines.write_text(odd + lines.read_text())
    assert [line.index for line in load_control_file(case).plan.regions[0].lines] == [1, 2]


def test_files_in_other_folders(case: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(case.parent / "LINES", elsewhere / "LINES")
    with pytest.raises(NotFoundError, match="LINES"):
        load_control_file(case)
    assert load_control_file(case, [elsewhere]).plan.regions == load_plan(case, [elsewhere]).plan.regions


def test_a_control_file_is_recognised_by_what_stands_in_it(case: Path) -> None:
    other = case.with_name("inversion.txt")
    case.rename(other)
    assert len(load_plan(other).plan.cycles) == 3


def test_nothing_to_invert(case: Path) -> None:
    for line in (*range(15, 23), 32):
        change(case, line, "0")
    with pytest.raises(PlanError, match="nothing is free"):
        load_control_file(case)


def test_the_guess_is_the_file(case: Path) -> None:
    guess = load_control_file(case).guess[0]
    file = load(case.parent / "guess.mod", parse_model)
    for name, array in file.arrays().items():
        np.testing.assert_array_equal(guess.arrays()[name], array)
