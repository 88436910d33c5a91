"""The command line, end to end: real commands, fake or real services, exit codes and messages."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from stokeswarm.client.plan_files import dump_plan
from stokeswarm.client.testing import Fault, Script, fake_inference, fake_inversion, small_plan
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.status import Status


def run(*arguments: object) -> Result:
    from stokeswarm.client.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(small_plan()))
    return path


@pytest.fixture
def obs(tmp_path: Path) -> Path:
    return write(tmp_path / "obs.npz")


def write(path: Path, shape: tuple[int, int] = (4, 5)) -> Path:
    """A quiet map with two absorption lines, for the readers' and the check's sake."""
    axis = hinode_sp().regions[0].grid()
    profile = np.ones(axis.size)
    for line in hinode_sp().regions[0].lines:
        profile -= 0.6 * np.exp(-(((axis - line.wavelength) / 0.06) ** 2))
    random = np.random.default_rng(3)
    stokes = 1e-3 * random.standard_normal((*shape, 4, axis.size))
    stokes[:, :, 0] += profile
    np.savez(path, stokes=stokes.astype(np.float32), wavelength=axis, reference=np.array("disc-centre"))
    return path


def test_every_command_has_help() -> None:
    top = run("--help")
    assert top.exit_code == 0
    for name in ("demo", "check", "invert", "synthesize", "sample", "compare", "plot", "export", "status"):
        assert name in top.output
        assert run(name, "--help").exit_code == 0
    assert run("--version").output.startswith("stokeswarm ")


def test_check_says_what_it_sees(obs: Path, plan: Path) -> None:
    found = run("check", obs, "--plan", plan)
    assert found.exit_code == 0, found.output
    assert "ready to invert" in found.output
    assert "112" in found.output


def test_invert_then_look(obs: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    with fake_inversion() as inversion, fake_inference() as inference:
        services = ("--inversion", inversion, "--inference", inference)
        found = run("invert", obs, "--plan", plan, "-o", out, *services)
        assert found.exit_code == 0, found.output
        assert "20 of 20 pixels inverted" in found.output
        assert "start cnn" in found.output
        assert "20/20 pixels" in found.output
        offered = run("status", *services)
        assert "lte" in offered.output
        assert "hinode-sp" in offered.output
    tree = xr.open_datatree(out, engine="zarr").load()
    assert (tree["fit/status"] == Status.OK).all()
    state = run("status", out)
    assert "complete" in state.output
    assert run("export", out, "-o", tmp_path / "out.fits").exit_code == 0
    assert (tmp_path / "out.fits").stat().st_size > 10000
    same = run("compare", out, out)
    assert same.exit_code == 0
    assert "20 pixels" in same.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--plan", "asisted"), "assisted"),
        (("--init", "magic"), "expected model:NAME"),
        (("--region", "9:12,0:1"), "4 x 5 pixels"),
        (("--tile", "big"), "16x16"),
        (("--engine", "desire"), "lte"),
        (("--gate", "-1"), "chi2 > 0"),
        (("--init", "previous:nowhere.zarr"), "no such result store"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], words: str, obs: Path, plan: Path, tmp_path: Path
) -> None:
    options = ("--plan", str(plan), "-o", str(tmp_path / "out.zarr"), *arguments)
    with fake_inversion() as inversion, fake_inference() as inference:
        found = run("invert", obs, *options, "--inversion", inversion, "--inference", inference)
    assert found.exit_code == 2, found.output
    assert words in " ".join(found.output.split())
    assert "Traceback" not in found.output
    assert not (tmp_path / "out.zarr").exists()


def test_missing_files_are_named(plan: Path) -> None:
    found = run("invert", "nowhere.fits", "--plan", plan)
    assert found.exit_code == 2
    assert "nowhere.fits" in found.output


def test_an_output_that_exists_is_kept(obs: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    with fake_inversion() as inversion:
        options = (obs, "--plan", plan, "-o", out, "--init", "model", "--inversion", inversion)
        assert run("invert", *options).exit_code == 0
        again = run("invert", *options)
        assert again.exit_code == 2
        assert "--resume" in again.output
        resumed = run("invert", *options, "--resume")
        assert resumed.exit_code == 0, resumed.output
        other = run("invert", *options, "--resume", "--seed", 5)
        assert other.exit_code == 2
        assert "seed was 0, now 5" in " ".join(other.output.split())


def test_a_run_without_any_result_fails(obs: Path, plan: Path, tmp_path: Path) -> None:
    script = Script(failing=dict.fromkeys(range(20), Status.ENGINE_FAILED))
    with fake_inversion(script) as inversion:
        options = ("--plan", plan, "-o", tmp_path / "o.zarr", "--init", "model", "--inversion", inversion)
        found = run("invert", obs, *options)
    assert found.exit_code == 1
    assert "20 x engine failed: as scripted" in " ".join(found.output.split())


def test_ctrl_c_leaves_a_store_that_resumes(obs: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    script = Script(faults=deque([Fault.NONE, Fault.SILENT]))
    with fake_inversion(script) as inversion:
        options = [str(obs), "--plan", str(plan), "-o", str(out), "--init", "model", "--inversion", inversion]
        command = [sys.executable, "-m", "stokeswarm.client.cli", "invert", *options]
        child = subprocess.Popen(
            [*command, "--tile", "2x5", "--in-flight", "1"], stderr=subprocess.PIPE, text=True
        )
        assert child.stderr is not None
        # The second tile is asked for when the store is there and the first one has come; it hangs.
        assert script.fell_silent.wait(60.0)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
        assert child.returncode == 130, said
        assert "--resume" in said
        script.closed.set()
        resumed = run("invert", *options, "--resume")
        assert resumed.exit_code == 0, resumed.output
    assert (xr.open_datatree(out, engine="zarr")["fit/status"] == Status.OK).all()


def test_synthesize_writes_what_sir_reads(tmp_path: Path, plan: Path) -> None:
    from stokeswarm.client.atmospheres import model_atmosphere
    from stokeswarm.contract.sir_files import format_model

    model = tmp_path / "m.mod"
    atmosphere = model_atmosphere("hsra", small_plan().log_tau)
    # Any electron pressure will do: the fake engine looks at the temperature only.
    atmosphere = replace(atmosphere, electron_pressure=np.full_like(atmosphere.temperature, 1.0))
    model.write_text(format_model(atmosphere))
    out = tmp_path / "m.per"
    with fake_inversion() as inversion:
        options = (model, "--plan", plan, "-o", out, "--inversion", inversion)
        found = run("synthesize", *options)
        assert found.exit_code == 0, found.output
        rows = np.loadtxt(out)
        assert rows.shape == (112, 6)
        np.testing.assert_allclose(rows[:, 2], atmosphere.temperature[0, 0] / 1e4, rtol=1e-4)
        assert run("synthesize", *options).exit_code == 2
        assert run("synthesize", *options, "--overwrite").exit_code == 0
        assert run("synthesize", model, "--plan", plan, "-o", "a.txt").exit_code == 2
