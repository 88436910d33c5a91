"""Scratch folders end with their servers, whatever ended those; living servers keep theirs."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.external import scratch as scratch_module
from stokeswarm.inversion.external.scratch import Scratch, ScratchFullError, remove_stale

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
USER = os.geteuid()


@pytest.fixture
def base(tmp_path):
    made = tmp_path / "base"
    made.mkdir()
    return made


@pytest.fixture
def start(base):
    """Starts servers (see server.py); gives the process, the slot's folder and the warden."""
    servers = []

    def begin(act, *rest):
        script = Path(__file__).with_name("server.py")
        command = [sys.executable, str(script), str(base), act, *map(str, rest)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        servers.append(server)
        folder, warden = server.stdout.readline().split()
        return server, Path(folder), int(warden)

    yield begin
    for server in servers:
        server.kill()
        server.wait()
        server.stdout.close()


# -- killed servers --------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("act", ["hang", "family"])
def test_a_killed_server_leaves_nothing(start, base, until, noted, alive, act):
    server, folder, warden = start(act)
    pid = noted(folder / "pid")
    child = noted(folder / "child") if act == "family" else pid
    server.send_signal(signal.SIGKILL)
    until(lambda: not any(map(alive, [pid, child, warden])), "the end of all processes")
    until(lambda: not list(base.iterdir()), "the end of the scratch")


@linux
def test_a_server_that_ends_without_closing_leaves_nothing(start, base, alive):
    server, _, warden = start("exit", 0)
    assert server.wait(30) == 0
    assert not list(base.iterdir())
    assert not alive(warden)


@linux
def test_an_interrupted_server_leaves_nothing(start, base, noted, alive):
    """Ctrl-C goes to the whole group, but the wardens have sessions of their own."""
    server, folder, _ = start("hang")
    pid = noted(folder / "pid")
    server.send_signal(signal.SIGINT)
    assert server.wait(30) != 0
    assert not alive(pid)
    assert not list(base.iterdir())


@linux
def test_what_a_killed_server_and_warden_leave_is_removed_by_the_next(start, base, until, noted, alive):
    server, folder, warden = start("family")
    pid, child = noted(folder / "pid"), noted(folder / "child")
    server.send_signal(signal.SIGSTOP)  # or it would start another warden
    os.kill(warden, signal.SIGKILL)
    server.send_signal(signal.SIGKILL)
    server.wait()
    until(lambda: not alive(pid), "the end of the code, by the kernel")
    assert alive(child)
    assert folder.is_dir()
    made = Scratch("next", base)
    assert not alive(child)
    assert list(base.iterdir()) == [made.root]
    made.close()


@linux
def test_a_living_server_is_left_alone(start, base, noted, alive):
    _, folder, warden = start("family")
    pids = [noted(folder / "pid"), noted(folder / "child"), warden]
    made = Scratch("next", base)
    assert all(map(alive, pids))
    assert (folder / "pid").exists()
    made.close()
    assert folder.is_dir()


# -- folders ---------------------------------------------------------------------------------------


def stale(base, name=f"stokeswarm-{USER}-sir-0123456789abcdef"):
    path = base / name
    (path / "slot-0" / "deep").mkdir(parents=True)
    (path / "slot-0" / "deep" / "file").write_text("x")
    return path


def test_only_what_is_stale_and_ours_is_removed(base):
    ours = stale(base)
    others = [
        stale(base, f"stokeswarm-{USER + 1}-sir-0123456789abcdef"),
        stale(base, f"stokeswarm-{USER}-sir-0123456789abcde"),
        stale(base, f"x-stokeswarm-{USER}-sir-0123456789abcdef"),
        stale(base, f"stokeswarm-{USER}-sir-0123456789abcdef.old"),
    ]
    living = Scratch("sir", base)
    assert not ours.exists()
    assert remove_stale(base) == []
    assert all((path / "slot-0" / "deep" / "file").exists() for path in others)
    assert living.root.is_dir()
    living.close()
    assert sorted(base.iterdir()) == sorted(others)


def test_a_link_or_file_named_like_a_scratch_is_left_alone(base, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    link = base / f"stokeswarm-{USER}-sir-0123456789abcdef"
    link.symlink_to(outside)
    (base / f"stokeswarm-{USER}-sir-00000000000000ff").touch()
    assert remove_stale(base) == []
    assert (outside / "precious").exists()
    assert link.is_symlink()


def test_another_users_folder_is_left_alone(base, monkeypatch):
    path = stale(base)
    real = os.fstat

    def owned_by_another(fd):
        found = real(fd)
        return os.stat_result((*found[:4], USER + 1, *found[5:10]))

    monkeypatch.setattr(os, "fstat", owned_by_another)
    assert remove_stale(base) == []
    assert (path / "slot-0" / "deep" / "file").exists()


def test_links_inside_are_not_followed(base, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (stale(base) / "slot-0" / "link").symlink_to(outside)
    remove_stale(base)
    assert list(base.iterdir()) == []
    assert (outside / "precious").exists()


def test_what_cannot_be_removed_is_logged(base, monkeypatch, caplog):
    stale(base)

    def fail(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(scratch_module, "remove_tree", fail)
        assert remove_stale(base) == []
    assert "cannot be removed" in caplog.text
    caplog.set_level(logging.INFO)
    assert len(remove_stale(base)) == 1
    assert "removed the scratch of a dead server" in caplog.text


def test_folders_are_private_and_apart(base):
    old = os.umask(0)
    try:
        one, two = Scratch("sir", base), Scratch("sir", base)
        slots = [one.slot(0), one.slot(1), two.slot(0)]
    finally:
        os.umask(old)
    assert one.slot(1) == slots[1]
    assert len(set(slots)) == 3
    for path in (one.root, *slots):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    one.close()
    one.close()
    assert not one.root.exists()
    assert slots[2].is_dir()
    with pytest.raises(FailedPreconditionError, match="closed"):
        one.slot(0)
    two.close()
    assert list(base.iterdir()) == []


def test_another_server_may_take_the_folder_before_its_lock(base, monkeypatch):
    """Between the making and the locking of a folder it looks stale."""
    real, tries = Path.mkdir, []

    def mkdir(path, *arguments, **keywords):
        real(path, *arguments, **keywords)
        tries.append(path)
        if len(tries) == 1:
            remove_stale(base)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", mkdir)
        made = Scratch("sir", base)
    assert len(tries) == 2
    assert made.root == tries[1]
    assert remove_stale(base) == []
    made.close()


def test_a_file_system_without_locks_is_refused(base, monkeypatch):
    def fail(fd, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(FailedPreconditionError, match=r"cannot be locked.*local file system"):
        Scratch("sir", base)


def test_a_full_file_system_is_told(base, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    made = Scratch("sir", base)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", fail)
        with pytest.raises(ScratchFullError):
            made.slot(0)
        with pytest.raises(ScratchFullError):
            Scratch("sir", base)
    made.close()


# -- where -----------------------------------------------------------------------------------------


def test_the_environment_says_where(base, monkeypatch):
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(base))
    made = Scratch("sir")
    assert made.root.parent == base
    made.close()


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_wrong_place_is_refused(base, monkeypatch, name):
    (base / "file").touch()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(base / name))
    with pytest.raises(FailedPreconditionError, match=r"STOKESWARM_SCRATCH=.*folder"):
        Scratch("sir")


def test_memory_is_preferred_where_there_is_room(base, monkeypatch, tmp_path):
    monkeypatch.delenv("STOKESWARM_SCRATCH", raising=False)
    monkeypatch.setattr(scratch_module, "MEMORY", base)
    monkeypatch.setattr(scratch_module.tempfile, "gettempdir", lambda: str(tmp_path))
    for roomy, expected in [(0, base), (2**62, tmp_path)]:
        monkeypatch.setattr(scratch_module, "ROOMY", roomy)
        made = Scratch("sir")
        assert made.root.parent == expected
        made.close()
    monkeypatch.setattr(scratch_module, "MEMORY", base / "absent")
    made = Scratch("sir")
    assert made.root.parent == tmp_path
    made.close()
