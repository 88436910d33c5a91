"""``stokeswarm cluster``, ``stokeswarm repair`` and the gate's options, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from stokeswarm.client.layout import Start
from stokeswarm.client.plan_files import dump_plan
from stokeswarm.client.polarity import line_offset
from stokeswarm.client.store import ResultStore
from stokeswarm.client.testing import Script, fake_inference, fake_inversion, small_plan
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.status import Status

#: the pixel whose fit is bad, and the one without any, of 4 × 5
BAD, FAILED = (1, 2), (3, 1)


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
    """Two kinds of profile; χ² 1 but in one pixel: 20 after all cycles, 1.5 after the last alone."""
    axis = hinode_sp().regions[0].grid()
    profile = np.ones(axis.size)
    for line in hinode_sp().regions[0].lines:
        profile -= 0.6 * np.exp(-(((axis - line.wavelength) / 0.06) ** 2))
    stokes = 1e-3 * np.random.default_rng(3).standard_normal((4, 5, 4, axis.size))
    stokes[:, :, 0] += profile * np.where(np.arange(5) < 2, 0.4, 1.0)[:, None]
    stokes[:, :, 3] -= 0.05 * np.sign(line_offset(axis, small_plan()))
    stokes[:, :, 1, 0], stokes[:, :, 2, 0], stokes[:, :, 3, 0] = 1.0, 1.0, 0.1
    stokes[(*BAD, 1, 0)], stokes[(*BAD, 2, 0)] = 1.5, 20.0
    path = tmp_path / "obs.npz"
    np.savez(path, stokes=stokes.astype(np.float32), wavelength=axis, reference=np.array("disc-centre"))
    return path


def test_cluster_then_invert(obs: Path, plan: Path, tmp_path: Path) -> None:
    classes, out = tmp_path / "classes.zarr", tmp_path / "out.zarr"
    with fake_inversion() as inversion, fake_inference() as inference:
        services = ("--inversion", inversion, "--inference", inference)
        found = run("cluster", obs, "-o", classes, "--classes", 2, "--plan", plan, *services)
        assert found.exit_code == 0, found.output
        assert "features: cnn, of network hinode-sp" in found.output
        assert "class   0        12 pixels   60.0 %" in found.output
        assert f"--init clusters:{classes}" in found.output
        found = run("invert", obs, "-o", out, "--plan", plan, "--init", f"clusters:{classes}", *services)
        assert found.exit_code == 0, found.output
        assert "start cluster" in found.output
        again = run("cluster", obs, "-o", classes, "--plan", plan, *services)
        assert again.exit_code == 2
        assert "exists already" in again.output


def test_repair(obs: Path, plan: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zarr", tmp_path / "second.zarr"
    with fake_inversion(Script(failing={FAILED[0] * 5 + FAILED[1]: Status.TIMEOUT})) as inversion:
        found = run("invert", obs, "-o", first, "--plan", plan, "--init", "model", "--inversion", inversion)
        assert found.exit_code == 0, found.output
    with fake_inversion() as inversion:
        found = run("repair", first, "-o", second, "--inversion", inversion)
        assert found.exit_code == 0, found.output
        assert "2 of 2 isolated bad pixels improved" in found.output
        kept = run("repair", first, "-o", second, "--inversion", inversion)
        assert kept.exit_code == 2
        resumed = run("repair", first, "-o", second, "--inversion", inversion, "--resume", "--quiet")
        assert resumed.exit_code == 0, resumed.output
        wrong = run("repair", first, "-o", tmp_path / "no.zarr", "--ratio", "0.5", "--inversion", inversion)
        assert wrong.exit_code == 2
        assert "ratio > 1" in wrong.output
    start = xr.open_datatree(second, engine="zarr", consolidated=False)["fit/start"].values
    assert start[BAD] == start[FAILED] == Start.NEIGHBOUR
    assert (start == Start.NEIGHBOUR).sum() == 2


def test_invert_and_repair_in_one(obs: Path, plan: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zarr", tmp_path / "second.zarr"
    command = ("invert", obs, "-o", first, "--plan", plan, "--init", "model", "--repair", second)
    with fake_inversion() as inversion:
        found = run(*command, "--inversion", inversion)
        assert found.exit_code == 0, found.output
        assert "1 of 1 isolated bad pixels improved" in found.output
        assert ResultStore.read(first).map("fit/start")[BAD] == Start.MODEL
        assert ResultStore.read(second).map("fit/start")[BAD] == Start.NEIGHBOUR
        # Resumed, both are complete; a repair that was never begun is begun.
        assert run(*command, "--inversion", inversion, "--resume").exit_code == 0
        third = (*command[:-1], tmp_path / "third.zarr")
        assert run(*third, "--inversion", inversion, "--resume").exit_code == 0


def test_the_gates_starts(obs: Path, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    with fake_inversion() as inversion, fake_inference() as inference:
        command = ("invert", obs, "--plan", plan, "--inversion", inversion, "--inference", inference)
        gated = ("--gate", 1.2, "--gate-starts", "cnn,model:umbra", "--gate-tries", 2)
        found = run(*command, "-o", out, *gated, "--no-gate-scout", "--no-gate-polarity")
        assert found.exit_code == 0, found.output
        gate = ResultStore.read(out).attrs["gate"]
        assert gate == {
            "chi2": 1.2,
            "novelty": 1.0,
            "starts": ["guess", "model:umbra", "model"],
            "tries": 2,
            "scout": False,
            "polarity": False,
        }
        wrong = run(*command, "-o", tmp_path / "no.zarr", "--gate-starts", "model:nowhere")
        assert wrong.exit_code == 2
        assert "'nowhere' is unknown" in wrong.output
