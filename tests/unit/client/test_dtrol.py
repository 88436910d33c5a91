"""DeSIRe's control files as projects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.check import check
from stokeswarm.client.observing import observe
from stokeswarm.client.plan_files import dump_plan, load_plan, parse_plan
from stokeswarm.client.provenance import plan_document
from stokeswarm.contract.errors import NotFoundError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.status import ContinuumReference

from .desire_project import KEYWORDS, LOG_TAU, control_text, guess, profile_text, write_project


def test_a_project_becomes_a_plan(tmp_path: Path) -> None:
    project = load_plan(write_project(tmp_path))
    plan = project.plan
    assert project.engine == "desire"
    assert plan.options == {
        "desire.skip_threshold": "0.2",
        "desire.nlte_threshold": "0.01",
        "desire.rays": "5",
        "desire.integrator": "2",
        "desire.final_evaluation": "002",
        "desire.rh_model": "tau",
        "desire.velocity_y": "1.95",
        "desire.numerical_field_strength": "011",
        "desire.levels_4": "2-4",
        "rh.N_MAX_ITER": "200",
        "rh.ITER_LIMIT": "1.0E-4",
        "rh.STOKES_MODE": "FIELD_FREE",
        "rh.OPACITY_FUDGE": "none",
    }
    assert plan.atoms == (
        AtomModel("H_6", False, "ZERO_RADIATION"),
        AtomModel("CaII_CRDbark", True, "ZERO_RADIATION"),
        AtomModel("Fe", False, "LTE_POPULATIONS"),
    )
    assert [model.name for model in plan.molecules] == ["H2", "H2+"]
    assert plan.reference is ContinuumReference.DISC_CENTRE
    # 61 depths carry 2, 5 and 16 nodes; "*" is 20 for DeSIRe, an upper limit in an automatic cycle
    assert [cycle.components[0].temperature for cycle in plan.cycles] == [2, 5, 20]
    assert [cycle.automatic for cycle in plan.cycles] == [False, False, True]
    assert plan.carried_nodes(plan.cycles[2]).components[0].temperature == 16
    assert [cycle.components[0].field_strength for cycle in plan.cycles] == [1, 3, 3]
    assert [cycle.weights for cycle in plan.cycles] == [(1.0, 10.0, 1.0, 1.0)] * 3
    # DeSIRe reads numbers without a decimal point as they are written
    assert plan.noise == (1e-3,) * 4
    assert plan.svd_tolerance == 1e-4
    np.testing.assert_allclose(plan.log_tau, LOG_TAU, atol=1e-9)
    np.testing.assert_allclose(project.guess[0].temperature, guess().temperature, atol=0.01)
    assert [[line.index for line in region.lines] for region in plan.regions] == [[4], [23, 24]]
    assert any("H_6, CaII_CRDbark, Fe" in note for note in project.notes)
    assert any("KURUCZ_PF_DATA" in note for note in project.notes)


def test_the_place_on_the_disc_gives_the_angle(tmp_path: Path) -> None:
    project = load_plan(write_project(tmp_path))
    assert project.position is not None
    assert project.position.tolist() == [0.6, 0.0]
    assert project.plan.mu == pytest.approx(0.8)


def test_it_goes_with_its_observation(tmp_path: Path) -> None:
    project = load_plan(write_project(tmp_path))
    report = check(observe(project), project)
    assert report.errors == []


def test_it_survives_as_toml(tmp_path: Path) -> None:
    plan = load_plan(write_project(tmp_path)).plan
    assert plan_document(parse_plan(dump_plan(plan), "again").plan) == plan_document(plan)


def test_a_synthesis_is_in_equilibrium_unless_pe_has_nodes(tmp_path: Path) -> None:
    plan = load_plan(write_project(tmp_path, cycles="0")).plan
    assert plan.cycles == ()
    assert plan.options["desire.hydrostatic"] == "true"
    assert "desire.skip_threshold" not in plan.options
    path = write_project(tmp_path, cycles="0", nodes_Pe_1="1")
    assert "desire.hydrostatic" not in load_plan(path).plan.options


def test_in_lte_no_file_of_rh_is_asked_for(tmp_path: Path) -> None:
    path = write_project(tmp_path, NLTE_threshold="")
    (tmp_path / "keyword.input").unlink()
    plan = load_plan(path).plan
    assert plan.options["desire.nlte_threshold"] == "10.0"
    assert not any(key.startswith(("rh.", "desire.levels")) for key in plan.options)
    assert plan.atoms == ()


def test_without_keywords_the_engines_own_are_used(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    (tmp_path / "keyword.input").unlink()
    project = load_plan(path)
    assert project.plan.options["desire.nlte_threshold"] == "0.01"
    assert any("keyword.input" in note for note in project.notes)


def test_the_last_two_lines_may_be_left_out(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:43]))
    options = load_plan(path).plan.options
    assert "desire.final_evaluation" not in options
    assert "desire.rh_model" not in options
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:42]))
    with pytest.raises(SirFileError, match=r"DeSIRe: expected 43 to 45 lines, found 42"):
        load_plan(path)


def test_it_is_recognised_under_any_name(tmp_path: Path) -> None:
    assert load_plan(write_project(tmp_path, "control.trol")).engine == "desire"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cycles": "10.5"}, ("line 1", "cycles", "9")),
        ({"coordinates_file": ""}, ("line 10", "coordinates", ".coor")),
        ({"coordinates_file": "input/pos.coorP"}, ("line 10", ".coorP")),
        ({"weight_Q": "-1"}, ("line 12", "Q/I")),
        ({"nodes_T_1": "-1"}, ("line 16", "coupled")),
        ({"interpolation": "3"}, ("line 38", "interpolation", "regularised")),
        ({"NLTE_threshold": "1,0.1"}, ("line 41", "NLTE threshold", "one value for all cycles")),
        ({"number_of_rays": "3.5"}, ("line 42", "whole number")),
        ({"integration_method": "7"}, ("line 43", "expected 0, 1, 2, 3")),
        ({"final_evaluation": "0,9"}, ("line 44", "final evaluation", "4")),
        ({"RH_models": "x"}, ("line 45", "RH models", "optical depth")),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(
    tmp_path: Path, changes: dict[str, str], words: tuple[str, ...]
) -> None:
    path = write_project(tmp_path, **changes)
    (tmp_path / "input/pos.coorP").write_text("0 0 0 0\n")
    with pytest.raises(SirFileError) as caught:
        load_plan(path)
    for word in ("inv.dtrol", *words):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("keyword.input", KEYWORDS.replace("= none", "= fudge.input"), ("OPACITY_FUDGE", "fudge.input")),
        ("keyword.input", KEYWORDS + "LOOSE\n", ("keyword.input", "line 11", "KEYWORD = value")),
        ("keyword.input", KEYWORDS + "N_MAX_ITER = 5\n", ("N_MAX_ITER", "twice")),
        ("input/atoms.input", "two\n", ("atoms.input", "number of models")),
        ("input/atoms.input", "2\nH.atom PASSIVE LTE_POPULATIONS\n", ("expected 2 models, found 1",)),
        ("input/atoms.input", "1\nH.atom PASSIVE\n", ("line 2", "initial solution")),
        ("input/atoms.input", "1\nH.atom ACTIVE OLD_POPULATIONS\n", ("line 2", "OLD_POPULATIONS")),
        ("input/atoms.input", "1\nA?.atom ACTIVE ZERO_RADIATION\n", ("line 2", "bare name")),
        ("input/pos.coor", "0.1 0.2\n", ("pos.coor", "X, Y, Vx and Vy")),
        ("input/pos.coor", "0.9,0.9,0,0\n", ("line 10", "off the disc")),
    ],
)
def test_files_beside_it_are_checked(tmp_path: Path, name: str, text: str, words: tuple[str, ...]) -> None:
    path = write_project(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(SirFileError) as caught:
        load_plan(path)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    (tmp_path / "input/atoms.input").rename(tmp_path / "atoms.input")
    with pytest.raises(NotFoundError, match=r"keyword\.input: ATOMS_FILE: no file 'input/atoms\.input'"):
        load_plan(path)
    (tmp_path / "more" / "input").mkdir(parents=True)
    (tmp_path / "atoms.input").rename(tmp_path / "more/input/atoms.input")
    assert len(load_plan(path, [tmp_path / "more"]).plan.atoms) == 3


def test_the_45_lines_are_in_the_order_of_the_code() -> None:
    labels = [line.split(":")[0].strip() for line in control_text().splitlines()]
    assert (labels[9], labels[33], labels[37], labels[40], labels[44]) == (
        "coordinates file", "S/N", "interpolation", "NLTE threshold", "RH models"
    )  # fmt: skip


def test_profiles_in_si_units(tmp_path: Path) -> None:
    path = write_project(tmp_path, observed_profiles="obs.spc")
    # the disc-centre continuum at 8542 and 6302 Å [W m⁻² Hz⁻¹ sr⁻¹], from a run of DeSIRe 5.06 in both units
    level = {4: 4.1136e-8, 23: 3.9072e-8}
    rows = [line.split() for line in profile_text().splitlines()]
    text = "".join(f"{i} {x} {level[int(i)]} 0. 0. {1e-3 * level[int(i)]}\n" for i, x, *_ in rows)
    (tmp_path / "obs.spc").write_text(text)
    project = load_plan(path)
    assert project.plan.options["desire.units"] == "spc"
    observation = observe(project)
    assert observation.reference is ContinuumReference.DISC_CENTRE
    # DeSIRe's own table of the same continuum differs by up to 0.2 %
    np.testing.assert_allclose(observation.stokes[0, 0, 0], 1.0, atol=2.5e-3)
    np.testing.assert_allclose(observation.stokes[0, 0, 3], 1e-3, rtol=2.5e-3)
    assert any(".spc" in note for note in observation.notes)
    assert check(observation, project).errors == []


def test_stray_light_in_si_units_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SirFileError, match=r"line 3 .*SI units"):
        load_plan(write_project(tmp_path, stray_light_file="stray.spc"))
