"""What a code leaves in its folder cannot lead anyone astray, and does not stay."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, StokeswarmError
from stokeswarm.inversion.external.files import Folder
from stokeswarm.inversion.external.scratch import ScratchFullError


@pytest.fixture
def outside(tmp_path):
    """A folder that no code may reach through its own."""
    made = tmp_path / "outside"
    made.mkdir()
    (made / "precious").write_text("precious")
    return made


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "slot"
    path.mkdir(mode=0o700)
    return Folder(path)


def tree(folder):
    return sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob("*"))


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a b",
        "a\0b",
        "a\n",
        "ä",
        "a\\b",
        "~",
        "a;b",
    ],
)
@pytest.mark.parametrize("method", ["write", "keep", "link", "make", "read", "explain", "enter"])
def test_names_are_bare(folder, outside, name, method):
    arguments = {"write": ["x"], "keep": ["x"], "link": [outside]}.get(method, [])
    with pytest.raises(InvalidArgumentError, match="A-Z a-z 0-9"):
        getattr(folder, method)(name, *arguments)
    assert tree(folder) == []


@pytest.mark.parametrize("name", ["g.mod", "g_1.mod", "LINES", "..a", "-x", "run/pixel/keyword.input"])
def test_written_is_read(folder, name):
    for data in (b"\0\xff", "χ²", "x" * 100_000):
        folder.write(name, data)
        assert folder.read(name) == (data if isinstance(data, bytes) else data.encode())
        assert folder.explain(name) == ""


# -- reading ---------------------------------------------------------------------------------------


def test_only_regular_files_are_read(folder, outside):
    base = folder.path
    (base / "empty").touch()
    (base / "folder").mkdir()
    (base / "link").symlink_to(outside / "precious")
    (base / "away").symlink_to(outside)
    (base / "zero").symlink_to("/dev/zero")
    os.mkfifo(base / "fifo")
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(base)  # the address of a socket is short
        try:
            made.bind("socket")
        finally:
            os.chdir(here)
    folder.write("large", "12345")
    reasons = {
        "absent": "absent",
        "absent/file": "absent",
        "large/file": "absent",
        "empty": "empty",
        "folder": "not a regular file",
        "link": "a symbolic link",
        "zero": "a symbolic link",
        "away/precious": "absent",
        "fifo": "not a regular file",
        "socket": "not a regular file",
    }
    for name, reason in reasons.items():
        assert folder.read(name) is None, name
        assert folder.explain(name) == reason
    assert folder.read("large", max_bytes=5) == b"12345"
    assert folder.read("large", max_bytes=4) is None
    assert folder.explain("large", max_bytes=4) == "larger than 4 bytes (5)"


def test_an_unreadable_file_is_no_output(folder):
    folder.write("secret", "x")
    (folder.path / "secret").chmod(0)
    if os.access(folder.path / "secret", os.R_OK):
        pytest.skip("this user may read everything")
    assert folder.read("secret") is None
    assert folder.explain("secret") == "not readable"


def test_other_errors_are_not_hidden(folder, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OSError, match="Input/output"):
        folder.read("any")


# -- writing ---------------------------------------------------------------------------------------


def test_a_write_replaces_whatever_is_there(folder, outside):
    base = folder.path
    (base / "link").symlink_to(outside / "precious")
    os.mkfifo(base / "fifo")
    (base / "folder" / "below").mkdir(parents=True)
    os.link(outside / "precious", base / "hard")
    for name in ("link", "fifo", "folder", "hard"):
        folder.write(name, "new")
        assert folder.read(name) == b"new"
    assert (outside / "precious").read_text() == "precious"


def test_a_write_does_not_follow_a_link_in_the_place_of_a_folder(folder, outside):
    (folder.path / "run").symlink_to(outside)
    folder.write("run/precious", "new")
    assert (outside / "precious").read_text() == "precious"
    assert folder.read("run/precious") == b"new"


def test_a_full_disk_is_told_and_leaves_nothing(folder, monkeypatch):
    real = os.write

    def write(fd, data):
        if len(data) <= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:10])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(ScratchFullError, match=r"scratch is full.*STOKESWARM_SCRATCH") as caught:
            folder.write("file", "x" * 25)
        with pytest.raises(ScratchFullError):
            folder.keep("static", "x" * 25)
    assert isinstance(caught.value, StokeswarmError)
    assert isinstance(caught.value, OSError)
    assert tree(folder) == []
    folder.clean()
    assert tree(folder) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs to mount a small file system")
def test_a_file_system_that_is_really_full(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        folder = Folder(place)
        folder.keep("static", "s")
        with pytest.raises(ScratchFullError):
            folder.write("large", bytes(200_000))
        assert tree(folder) == ["static"]
        # a code filled it: what can be cleaned can be written again
        (place / "of-the-code").write_bytes(bytes(40_000))
        with pytest.raises(ScratchFullError):
            folder.write("input", bytes(40_000))
        folder.clean()
        folder.write("input", bytes(40_000))
        del folder
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


# -- cleaning --------------------------------------------------------------------------------------


def test_cleaning_removes_everything_of_any_kind(folder, outside):
    base = folder.path
    folder.write("file", "x")
    folder.write("deep/er/file", "x")
    (base / "link").symlink_to(outside)
    (base / "deep" / "link").symlink_to(outside / "precious")
    (base / "dangling").symlink_to("nowhere")
    os.mkfifo(base / "fifo")
    (base / "locked" / "inner").mkdir(parents=True)
    (base / "locked" / "inner" / "file").touch(mode=0o000)
    (base / "locked" / "inner").chmod(0o000)
    (base / "locked").chmod(0o500)
    (base / "name with blanks\nand lines").touch()
    os.close(os.open(os.fsencode(base) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    base.chmod(0o500)
    folder.clean()
    assert tree(folder) == []
    assert base.stat().st_mode & 0o777 == 0o700
    assert (outside / "precious").read_text() == "precious"


def test_what_is_static_stays_as_it_is(folder, outside):
    folder.keep("LINES", "lines")
    folder.keep("var/deep/atom", "atom")
    folder.link("var/Atoms", outside)
    folder.make("run/pixel")
    folder.write("run/pixel/output", "x")
    folder.write("var/deep/output", "x")
    folder.write("var/output/output", "x")
    expected = ["LINES", "run", "run/pixel", "var", "var/Atoms", "var/deep", "var/deep/atom"]
    inode = (folder.path / "LINES").stat().st_ino
    for _ in range(2):
        folder.clean()
        assert tree(folder) == expected
        assert (folder.path / "LINES").stat().st_ino == inode
    folder.reset()
    assert tree(folder) == []
    folder.clean()
    assert tree(folder) == []


def change(path):
    path.write_text("lineS")


def truncate(path):
    os.truncate(path, 0)


def replace(path):
    path.with_name("new").write_text("lines")
    path.with_name("new").replace(path)


def remove(path):
    path.unlink()


def make_folder(path):
    path.unlink()
    (path / "below").mkdir(parents=True)


@pytest.mark.parametrize("harm", [change, truncate, replace, remove, make_folder])
@pytest.mark.parametrize("name", ["LINES", "var/deep/LINES"])
def test_what_is_static_is_renewed(folder, harm, name):
    folder.keep(name, "lines")
    folder.keep("other/file", "untouched")
    harm(folder.path / name)
    folder.clean()
    assert folder.read(name) == b"lines"
    assert folder.read("other/file") == b"untouched"
    before = tree(folder)
    folder.clean()
    assert tree(folder) == before


def test_static_folders_and_links_are_renewed(folder, outside):
    folder.make("run/pixel")
    folder.keep("var/file", "f")
    folder.link("Atoms", outside)
    base = folder.path
    (base / "Atoms").unlink()
    (base / "Atoms").symlink_to("/")
    (base / "run" / "pixel").rmdir()
    (base / "run").rmdir()
    (base / "run").symlink_to(outside)
    (base / "var" / "file").unlink()
    (base / "var").rmdir()
    (base / "var").write_text("no folder")
    folder.clean()
    assert tree(folder) == ["Atoms", "run", "run/pixel", "var", "var/file"]
    assert (base / "Atoms").readlink() == outside
    assert not (base / "run").is_symlink()
    assert [path.name for path in outside.iterdir()] == ["precious"]


def test_a_locked_static_folder_is_cleaned(folder):
    folder.keep("var/file", "f")
    folder.write("var/output", "x")
    (folder.path / "var").chmod(0o000)
    folder.clean()
    assert tree(folder) == ["var", "var/file"]


def test_a_static_file_can_be_kept_anew(folder):
    folder.keep("LINES", "one")
    folder.keep("LINES", "two")
    folder.clean()
    assert folder.read("LINES") == b"two"
    folder.write("LINES", "written over")
    folder.clean()
    assert folder.read("LINES") == b"two"


def test_cleaning_a_part_leaves_the_rest(folder):
    folder.keep("run/static", "s")
    folder.keep("var/static", "s")
    for name in ("file", "run/file", "run/deep/file", "var/file"):
        folder.write(name, "x")
    (folder.path / "var" / "static").unlink()
    folder.clean("run")
    assert tree(folder) == ["file", "run", "run/static", "var", "var/file"]
    folder.clean("new/one")
    assert folder.path.joinpath("new/one").is_dir()
    folder.clean()
    assert tree(folder) == ["run", "run/static", "var", "var/static"]


def test_cleaning_a_part_that_became_a_link(folder, outside):
    (folder.path / "run").symlink_to(outside)
    folder.clean("run")
    assert (outside / "precious").exists()
    assert tree(folder) == ["run"]
    assert not (folder.path / "run").is_symlink()


def test_nothing_is_written_below_what_is_static(folder, outside):
    folder.link("Atoms", outside)
    folder.keep("file", "f")
    for name in ("Atoms/x", "file/x", "Atoms/deep/er"):
        with pytest.raises(InvalidArgumentError, match="static"):
            folder.write(name, "x")
        with pytest.raises(InvalidArgumentError, match="static"):
            folder.keep(name, "x")
    assert folder.read("Atoms/precious") is None


def test_links_are_absolute(folder):
    with pytest.raises(InvalidArgumentError, match="absolute"):
        folder.link("Atoms", Path("../.."))


def test_a_folder_removed_by_others_is_told(folder):
    folder.path.rmdir()
    with pytest.raises(FailedPreconditionError, match="removed from outside"):
        folder.clean()


def test_descriptors_are_closed(folder):
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("needs /proc")
    before = len(list(open_files.iterdir()))
    for _ in range(50):
        folder.write("a/b/c", "x")
        folder.read("a/b/c")
        folder.read("a/b/absent")
        folder.enter("d/e")
        folder.clean()
    assert len(list(open_files.iterdir())) == before
    path = folder.path
    del folder
    assert path.is_dir()


def test_what_is_older_than_the_run_is_not_read(folder, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("the last pixel's")
    os.utime(kept, ns=(1, kept.stat().st_mtime_ns - 10**9))
    folder.clean()
    os.link(kept, folder.path / "g_1.mod")
    assert folder.read("g_1.mod") == b"the last pixel's", "nothing tells when this run began"
    folder.write("sir.trol", "control")
    assert folder.read("g_1.mod") is None
    assert folder.explain("g_1.mod") == "older than the run"
    assert folder.read("sir.trol") == b"control"
    folder.keep("LINES", "static")
    os.utime(folder.path / "LINES", ns=(1, 1))
    assert folder.read("LINES") == b"static"
