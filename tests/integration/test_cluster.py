"""Local servers as children of the client: they start, serve, fail loudly, and never outlive it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.cluster import connect, wait_until_serving
from stokeswarm.client.prepare import find_engine, find_model
from stokeswarm.client.readers import Observation
from stokeswarm.client.servers import LocalServer, LocalServers
from stokeswarm.client.testing import FakeInference, fake_inference, fake_inversion
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from stokeswarm.contract.inversion import EngineInfo

READY = 'print(\'READY {"address": "127.0.0.1:1"}\', flush=True); '
#: a child that serves until its standard input closes
SERVE = READY + "import sys; sys.stdin.read()"


def server(folder: Path, entry: str) -> LocalServer:
    return LocalServer("inversion", (), folder, entry=entry)


def test_a_child_says_where_it_listens(tmp_path: Path) -> None:
    child = server(tmp_path, "print('warming up'); " + SERVE)
    assert child.address(30.0) == "127.0.0.1:1"
    child.check()
    child.stop()
    with pytest.raises(UnavailableError, match="ended unexpectedly"):
        child.check()


def test_a_child_that_dies_shows_its_log(tmp_path: Path) -> None:
    child = server(tmp_path, "import sys; sys.exit('no engine fits this machine')")
    with pytest.raises(UnavailableError, match=r"exit code 1.*\n.*no engine fits this machine") as caught:
        child.address(30.0)
    assert str(tmp_path / "inversion.log") in str(caught.value)
    child.stop()


def test_a_child_that_never_gets_ready_is_named(tmp_path: Path) -> None:
    child = server(tmp_path, "import sys; sys.stdin.read()")
    with pytest.raises(UnavailableError, match=r"not ready within 0\.05 s"):
        child.address(0.05)
    child.stop()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stokeswarm.client.servers.END_SECONDS", 0.1)
    child = server(tmp_path, "import signal; signal.signal(15, signal.SIG_IGN); " + SERVE)
    child.address(30.0)
    child.stop()
    with pytest.raises(UnavailableError, match="exit code -9"):
        child.check()


def test_logs_stay_where_something_went_wrong() -> None:
    for keep in (False, True):
        servers = LocalServers()
        folder = servers.begin("inversion").log.parent
        servers.stop(keep_logs=keep)
        assert (folder / "inversion.log").exists() is keep


def test_the_real_servers_start_serve_and_end() -> None:
    with connect(slots=1) as cluster:
        (engine,) = [e for e in cluster.engines() if e.name == "lte"]
        assert engine.available
        assert engine.slots == 1
        cluster.models()
        processes = [child._process for child in cluster._local._servers.values()]
        assert len(processes) == 2
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)


def test_a_killed_client_leaves_no_server_behind() -> None:
    code = (
        "import sys\n"
        "from stokeswarm.client.cluster import connect\n"
        "cluster = connect(slots=1)\n"
        "cluster.engines()\n"
        "(child,) = cluster._local._servers.values()\n"
        "print(child._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    pid = int(client.stdout.readline())
    # Watched before the client dies: no other process can take the number over.
    watched = os.pidfd_open(pid)
    try:
        client.send_signal(signal.SIGKILL)
        client.communicate()
        ended, _, _ = select.select([watched], [], [], 60.0)
        assert ended, f"server {pid} outlived its client"
    finally:
        os.close(watched)


def test_an_address_where_nobody_listens_is_named() -> None:
    with pytest.raises(
        UnavailableError, match=r"no inversion server answers at 127\.0\.0\.1:1 within 0\.2 s"
    ):
        wait_until_serving("127.0.0.1:1", "inversion", 0.2)


def test_remote_services_are_asked_without_starting_anything() -> None:
    with (
        fake_inversion() as inversion,
        fake_inference() as inference,
        connect(inference, inversion) as cluster,
    ):
        assert [engine.name for engine in cluster.engines()] == ["lte"]
        assert [model.name for model in cluster.models()] == ["hinode-sp"]
        assert not cluster._local._servers


def engine(**changes: object) -> EngineInfo:
    return EngineInfo(**({"name": "sir", "version": "1", "digest": "d", "available": True} | changes))  # type: ignore[arg-type]


def test_engines_that_cannot_be_used_say_why() -> None:
    assert find_engine((engine(), engine(name="lte")), "lte").name == "lte"
    with pytest.raises(NotFoundError, match="it has sir"):
        find_engine((engine(),), "lte")
    with pytest.raises(FailedPreconditionError, match="no executable"):
        find_engine((engine(available=False, message="no executable"),), "sir")
    with pytest.raises(UnsupportedError, match="does not invert"):
        find_engine((engine(inverts=False),), "sir")


def test_networks_are_chosen_by_their_wavelengths() -> None:
    info = FakeInference().info
    newer, newest = replace(info, version="9"), replace(info, version="10")
    infrared = replace(info, name="ir", wavelength=info.wavelength + 9000.0)
    broken = replace(info, name="broken", ready=False, message="no such file")
    models = (newest, info, newer, infrared, broken)
    stokes = np.ones((1, 1, 4, info.wavelength.size), np.float32)
    here = Observation(stokes, info.wavelength)
    assert find_model(models, "", here) is newest
    assert find_model(models, "ir", here) is infrared
    # A wavelength scale of its own is the server's to judge, as long as it is the same part of the spectrum.
    assert find_model(models, "", Observation(stokes, info.wavelength + 0.01)) is newest
    assert find_model(models, "", Observation(stokes, info.wavelength + 9000.0)) is infrared
    with pytest.raises(NotFoundError, match="no network reads these wavelengths; there are: broken"):
        find_model(models, "", Observation(stokes, info.wavelength + 500.0))
    with pytest.raises(NotFoundError, match="'mine' is unknown"):
        find_model(models, "mine", here)
    with pytest.raises(FailedPreconditionError, match="no such file"):
        find_model(models, "broken", here)
