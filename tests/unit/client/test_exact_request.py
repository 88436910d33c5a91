"""`stokeswarm invert OBS --plan X.trol --engine sir` sends SIR what the file says, to the last bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from stokeswarm.client.sources import load
from stokeswarm.client.testing import Script, fake_inversion
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.sir_files import (
    format_model,
    parse_abundances,
    parse_lines,
    parse_model,
    parse_profile,
    parse_psf,
)
from stokeswarm.contract.status import ContinuumReference

SIR = ("lte", "sir", "sir-2015")


def run(*arguments: object) -> Result:
    from stokeswarm.client.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def case(data_dir: Path, tmp_path: Path) -> Path:
    """Stray light, PSF, a grid of 55 depths that is not the default's."""
    folder = data_dir / "golden/inversion/ex5_straylight"
    shutil.copytree(folder / "input", tmp_path / "case")
    text = (folder / "run_plain_nodes/inv.trol").read_text().splitlines()
    for line, value in ((10, "2."), (13, "1.,3.,9."), (33, "0.7"), (34, "400."), (36, "1.e-5"), (38, "1")):
        text[line - 1] = f"{text[line - 1].split(':')[0]}: {value}"
    (tmp_path / "case/inv.trol").write_text("\n".join(text) + "\n")
    return tmp_path / "case/inv.trol"


def sent(tmp_path: Path, *arguments: object) -> InvertRequest:
    """The one request that a command makes."""
    script = Script(engines=SIR)
    with fake_inversion(script) as inversion:
        found = run("invert", *arguments, "-o", tmp_path / "out.zarr", "--inversion", inversion)
    assert found.exit_code == 0, found.output
    (request,) = script.requests
    assert isinstance(request, InvertRequest)
    return request


def test_the_guess_travels_unchanged(case: Path, tmp_path: Path) -> None:
    request = sent(tmp_path, case.parent / "obs.per", "--plan", case, "--engine", "sir")
    assert request.engine == "sir"
    file = load(case.parent / "guess.mod", parse_model)
    (start,) = request.start
    # its own depth grid, its own pressures, its own inclination, no smoothing
    np.testing.assert_array_equal(start.log_tau, file.log_tau)
    expected = file.arrays()
    assert start.arrays().keys() == expected.keys()
    assert "gas_pressure" in expected
    for name, array in start.arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_the_plan_is_the_control_file(case: Path, tmp_path: Path) -> None:
    request = sent(tmp_path, case.parent / "obs.per", "--plan", case, "--engine", "sir")
    plan, folder = request.plan, case.parent
    nodes = [1, 3, 4]
    assert plan.cycles == tuple(
        Cycle(
            (
                Nodes(
                    temperature=nodes[i],
                    microturbulence=1,
                    field_strength=min(nodes[i], 3),
                    velocity=min(nodes[i], 3),
                    inclination=1,
                    azimuth=1,
                    macroturbulence=True,
                ),
            ),
            stray_light=True,
            weights=(2.0, *plan.cycles[i].weights[1:3], (1.0, 3.0, 9.0)[i]),
        )
        for i in range(3)
    )
    assert request.cycles == ()
    assert plan.mu == 0.7
    assert request.mu is None
    assert request.position is None
    assert plan.noise == (1 / 400,) * 4
    assert plan.svd_tolerance == 1e-5
    assert plan.options == {"sir.interpolation": "linear"}
    assert plan.reference is request.spectra.reference is ContinuumReference.DISC_CENTRE
    (region,) = plan.regions
    assert region.lines == tuple(load(folder / "LINES", parse_lines)[i] for i in (1, 2))
    assert region.psf == load(folder / "SP_ins_prof.psf", parse_psf)
    np.testing.assert_array_equal(plan.abundances, load(folder / "THEVENIN", parse_abundances))
    assert plan.n_depth == 55


def test_the_profiles_are_the_files(case: Path, tmp_path: Path) -> None:
    request = sent(tmp_path, case.parent / "obs.per", "--plan", case, "--engine", "sir")
    observed = load(case.parent / "obs.per", parse_profile)
    np.testing.assert_array_equal(request.spectra.stokes[0], observed.stokes.astype(np.float32))
    offset = 1e3 * (request.spectra.wavelength - request.plan.regions[0].lines[0].wavelength)
    np.testing.assert_allclose(offset, observed.offset, rtol=0, atol=1e-6)
    stray = load(case.parent / "straylight.per", parse_profile)
    assert request.stray_light_profile is not None
    np.testing.assert_array_equal(request.stray_light_profile, stray.stokes.astype(np.float32))
    assert request.spectra.weights is None


def test_without_a_top_pressure_the_guess_keeps_its_own(case: Path, tmp_path: Path) -> None:
    """A blank line 39 means SIR's boundary condition, the guess's electron pressure: nothing may be added."""
    text = case.read_text().splitlines()
    text[38] = "Gas pressure at surface 1 :"
    case.write_text("\n".join(text) + "\n")
    model = load(case.parent / "guess.mod", parse_model)
    short = [" ".join(row.split()[:8]) for row in format_model(model).splitlines()]
    (case.parent / "guess.mod").write_text("\n".join(short) + "\n")
    request = sent(tmp_path, case.parent / "obs.per", "--plan", case, "--engine", "sir")
    assert request.plan.top_gas_pressure == ()
    (start,) = request.start
    assert start.gas_pressure is None
    np.testing.assert_allclose(start.electron_pressure, model.electron_pressure, rtol=1e-6)


def test_another_installation_and_every_cycle(case: Path, tmp_path: Path) -> None:
    request = sent(
        tmp_path, case.parent / "obs.per", "--plan", case, "--engine", "sir-2015", "--all-cycles",
        "--position", "0.3,-0.4",
    )  # fmt: skip
    assert request.engine == "sir-2015"
    assert request.all_cycles
    assert request.position is not None
    assert request.position.tolist() == [[0.3, -0.4]]
    # a place given by hand is DeSIRe's; the angle stays the control file's
    assert request.plan.mu == 0.7
    assert request.mu is None


def test_the_control_file_names_its_observation_in_another_folder(case: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.move(case.parent / "obs.per", tmp_path / "data/obs.per")
    (tmp_path / "atomic").mkdir()
    shutil.move(case.parent / "LINES", tmp_path / "atomic/LINES")
    text = case.read_text().splitlines()
    text[1] = "Observed profiles : obs.per"
    case.write_text("\n".join(text) + "\n")
    lost = run("check", "--plan", case)
    assert lost.exit_code == 2
    assert "LINES" in lost.output
    folders = ("--search", tmp_path / "data", "--search", tmp_path / "atomic")
    assert run("check", "--plan", case, *folders).exit_code == 0
    request = sent(tmp_path, "--plan", case, "--engine", "sir", *folders)
    assert len(request) == 1
