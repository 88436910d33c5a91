"""Engines on the command line: which one runs, what a local server loads, several rays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from stokeswarm.client.atmospheres import model_atmosphere
from stokeswarm.client.plan_files import dump_plan
from stokeswarm.client.project import Project, engine_name
from stokeswarm.client.servers import LocalServer, LocalServers
from stokeswarm.client.testing import Script, fake_inversion, small_plan
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.sir_files import format_model

#: a server that says how it was started, then waits for its end
ECHO = """
import json, os, sys
said = json.dumps({"address": json.dumps([sys.argv[1:], os.environ.get("STOKESWARM_SIR", "")])})
print("READY " + said, flush=True)
sys.stdin.read()
"""


def run(*arguments: object) -> Result:
    from stokeswarm.client.cli.app import app

    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(small_plan()))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    atmosphere = model_atmosphere("hsra", small_plan().log_tau)
    fields = atmosphere.arrays() | {"electron_pressure": np.ones((1, atmosphere.n_depth))}
    path = tmp_path / "m.mod"
    path.write_text(format_model(Atmosphere(log_tau=atmosphere.log_tau, **fields)))
    return path


def test_the_users_engine_comes_before_the_projects() -> None:
    project = Project(small_plan(), engine="desire")
    assert engine_name("sir-2015", project) == "sir-2015"
    assert engine_name("", project) == "desire"
    assert engine_name("", Project(small_plan())) == "lte"


def test_a_local_server_loads_what_is_asked_for_and_sees_the_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOKESWARM_SIR", "/somewhere/sir.x")
    monkeypatch.setattr("stokeswarm.client.servers._ENTRY", {"inversion": ECHO})
    servers = LocalServers(2, ("sir", "lte"))
    try:
        arguments, variable = json.loads(servers.begin("inversion").address())
    finally:
        servers.stop(keep_logs=False)
    assert arguments[-6:] == ["--slots", "2", "--engine", "sir", "--engine", "lte"]
    assert variable == "/somewhere/sir.x"


def test_a_local_server_loads_everything_where_nothing_is_asked_for(tmp_path: Path) -> None:
    server = LocalServer("inversion", (), tmp_path, entry=ECHO)
    try:
        arguments, _ = json.loads(server.address())
    finally:
        server.stop()
    assert "--engine" not in arguments


def synthesized(script: Script) -> SynthesizeRequest:
    (request,) = script.requests
    assert isinstance(request, SynthesizeRequest)
    return request


def test_several_rays_are_one_request(plan: Path, model: Path, tmp_path: Path) -> None:
    script, out = Script(engines=("rh",)), tmp_path / "rays.npz"
    with fake_inversion(script) as inversion:
        found = run(
            "synthesize", model, "--plan", plan, "--engine", "rh", "--mu", "1.0,0.6,0.3", "-o", out,
            "--inversion", inversion,
        )  # fmt: skip
    assert found.exit_code == 0, found.output
    request = synthesized(script)
    assert request.engine == "rh"
    assert request.mu is not None
    assert request.mu.tolist() == [1.0, 0.6, 0.3]
    # identical atmospheres side by side: the engine solves for their populations once
    temperature = request.atmosphere[0].temperature
    np.testing.assert_array_equal(temperature, np.repeat(temperature[:1], 3, axis=0))
    with np.load(out) as archive:
        assert archive["mu"].tolist() == [1.0, 0.6, 0.3]
        assert archive["stokes"].shape == (1, 3, 4, 112)
        ratio = archive["stokes"][0, :, 0, 0] / archive["stokes"][0, 0, 0, 0]
    np.testing.assert_allclose(ratio, [1.0, 0.6, 0.3], rtol=1e-5)


def test_one_ray_and_a_place(plan: Path, model: Path, tmp_path: Path) -> None:
    script, out = Script(), tmp_path / "one.per"
    options = ("--mu", "0.5", "--position", "0.1,0.2", "-o", out)
    with fake_inversion(script) as inversion:
        found = run("synthesize", model, "--plan", plan, *options, "--inversion", inversion)
    assert found.exit_code == 0, found.output
    request = synthesized(script)
    assert request.position is not None
    assert request.position.tolist() == [[0.1, 0.2]]
    assert np.loadtxt(out).shape == (112, 6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--mu", "1.0,0.5"), "a .per holds one ray"),
        (("--mu", "1.5"), "numbers in (0, 1]"),
        (("--mu", "west"), "numbers in (0, 1]"),
        (("--position", "2,2"), "not on the disc"),
    ],
)
def test_wrong_rays_are_one_line(
    options: tuple[str, ...], words: str, plan: Path, model: Path, tmp_path: Path
) -> None:
    with fake_inversion() as inversion:
        found = run(
            "synthesize", model, "--plan", plan, *options, "-o", tmp_path / "a.per", "--inversion", inversion
        )
    assert found.exit_code == 2, found.output
    assert words in " ".join(found.output.split())
