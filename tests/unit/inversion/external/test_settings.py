"""Executables, limits, and what a run says of itself."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import pytest

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.external.executable import find, installations
from stokeswarm.inversion.external.limits import Limits
from stokeswarm.inversion.external.run import Ending, Run

NAMES = ["sir.x", "sir"]


def program(path, text="#!/bin/sh\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# -- executables -----------------------------------------------------------------------------------


def test_a_program_by_its_path(tmp_path):
    path = program(tmp_path / "any-name")
    found = find("STOKESWARM_SIR", NAMES, {"STOKESWARM_SIR": f" {path} "})
    assert (found.path, found.folder) == (path, tmp_path)
    assert found.digest == hashlib.sha256(b"#!/bin/sh\n").hexdigest()


@pytest.mark.parametrize("where", ["sir.x", "sir", "bin/sir.x", "bin/sir"])
def test_a_program_by_its_installation(tmp_path, where):
    path = program(tmp_path / where)
    found = find("STOKESWARM_SIR", NAMES, {"STOKESWARM_SIR": str(tmp_path)})
    assert (found.path, found.folder) == (path, tmp_path)


def test_the_first_name_counts(tmp_path):
    program(tmp_path / "sir")
    best = program(tmp_path / "bin" / "sir.x")
    assert find("V", NAMES, {"V": str(tmp_path)}).path == best


def test_paths_become_absolute(tmp_path, monkeypatch):
    program(tmp_path / "sir.x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("sir.x", ".", "~/sir.x"):
        assert find("V", NAMES, {"V": value}).path == tmp_path / "sir.x"


def test_a_replaced_program_has_a_new_digest(tmp_path):
    path = program(tmp_path / "sir.x")
    before = find("V", NAMES, {"V": str(path)}).digest
    program(tmp_path / "new", "#!/bin/sh\n# other\n").replace(path)
    assert find("V", NAMES, {"V": str(path)}).digest != before


@pytest.mark.parametrize("environment", [{}, {"STOKESWARM_SIR": "  "}])
def test_an_unset_variable_says_what_to_do(environment):
    with pytest.raises(
        FailedPreconditionError, match=r"STOKESWARM_SIR is not set: set it to the path of sir\.x"
    ):
        find("STOKESWARM_SIR", NAMES, environment)


def test_what_is_wrong_is_told(tmp_path):
    (tmp_path / "text").touch(mode=0o644)
    (tmp_path / "empty").mkdir()
    (tmp_path / "unbuilt").mkdir()
    (tmp_path / "unbuilt" / "sir.x").touch(mode=0o644)
    reasons = {
        "absent": "no such file",
        "text": r"not executable \(chmod \+x\)",
        "empty": r"none of .*empty/sir\.x, .*empty/bin/sir\.x, .*is there; expected",
        "unbuilt": r"unbuilt/sir\.x: not executable",
    }
    for name, reason in reasons.items():
        with pytest.raises(FailedPreconditionError, match=f"STOKESWARM_SIR=.*{name}: .*{reason}"):
            find("STOKESWARM_SIR", NAMES, {"STOKESWARM_SIR": str(tmp_path / name)})
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FailedPreconditionError, match="not a file"):
        find("V", NAMES, {"V": str(tmp_path / "fifo")})


@pytest.mark.parametrize("value", ["", "rhf1d/rhf1d"])
def test_programs_beside_each_other(tmp_path, value):
    program(tmp_path / "rhf1d" / "rhf1d")
    other = program(tmp_path / "rhf1d" / "solveray")
    found = find("STOKESWARM_RH", ["rhf1d/rhf1d", "rhf1d"], {"STOKESWARM_RH": str(tmp_path / value)})
    assert found.beside("rhf1d/solveray", "solveray").path == other
    with pytest.raises(FailedPreconditionError, match=r"the installation of .*absent"):
        found.beside("absent")


def test_installations_side_by_side():
    environment = {
        "STOKESWARM_SIR_2015": "/a",
        "STOKESWARM_SIR": "/b",
        "STOKESWARM_SIR_With_Patch": "/c",
        "STOKESWARM_SIR_EMPTY": " ",
        "STOKESWARM_SIRIUS": "/d",
        "XSTOKESWARM_SIR_A": "/e",
    }
    assert list(installations("STOKESWARM_SIR", environment).items()) == [
        ("", "STOKESWARM_SIR"),
        ("2015", "STOKESWARM_SIR_2015"),
        ("with-patch", "STOKESWARM_SIR_With_Patch"),
    ]
    assert installations("STOKESWARM_RH", environment) == {}


# -- limits ----------------------------------------------------------------------------------------


def test_limits_of_the_environment():
    environment = {
        "STOKESWARM_CODE_CPU_SECONDS": "90",
        "STOKESWARM_CODE_MEMORY_MIB": " 2048 ",
        "STOKESWARM_CODE_FILE_MIB": "",
        "STOKESWARM_CODE_OPEN_FILES": "64",
    }
    assert Limits.from_environment(environment) == Limits(90, 2**31, Limits().file_bytes, 64)
    assert Limits.from_environment({}) == Limits()


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "many", "٣", "9" * 13, "63"])
def test_wrong_limits_are_refused(text):
    with pytest.raises(FailedPreconditionError, match="STOKESWARM_CODE_MEMORY_MIB: expected a whole number"):
        Limits.from_environment({"STOKESWARM_CODE_MEMORY_MIB": text})


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_limits_are_positive(value):
    with pytest.raises(FailedPreconditionError, match="cpu_seconds"):
        Limits(cpu_seconds=value)


@pytest.mark.parametrize(
    ("cpu", "wall", "expected"),
    [(math.inf, math.inf, None), (5, math.inf, 5), (math.inf, 0.2, 2), (5, 2.5, 4), (0.1, 9, 1)],
)
def test_processor_time_is_limited_by_the_deadline_too(cpu, wall, expected):
    assert Limits(cpu_seconds=cpu).processor(wall) == expected


# -- runs ------------------------------------------------------------------------------------------


def test_the_tail_is_one_printable_line():
    run = Run(Ending.EXITED, output=b"one\n  two\t\x1b[31m\xff\0three\r\n")
    assert run.tail() == "one two [31m\ufffd three"
    assert run.tail(6) == "…three"
    assert Run(Ending.EXITED).tail() == ""
    assert len(Run(Ending.EXITED, output=b"x" * 1000).tail()) == 300


def test_every_ending_is_described():
    expected = {
        Ending.EXITED: "exit code 3",
        Ending.SIGNALLED: "killed by SIGQUIT",
        Ending.TIMED_OUT: "out of time after 2 s (1.5 s of the processor)",
        Ending.CANCELLED: "cancelled",
        Ending.LOST: "killed together with its warden",
    }
    assert {e: Run(e, 3, cpu_seconds=1.5, wall_seconds=2.0).describe() for e in Ending} == expected
    assert Run(Ending.SIGNALLED, 200).describe() == "killed by signal 200"


def test_the_package_can_be_imported_without_the_extras_of_linux(monkeypatch):
    import importlib.util

    for name in ("memfd_create", "pidfd_open", "pipe2", "sched_getaffinity"):
        monkeypatch.delattr(os, name, raising=False)
    spec = importlib.util.find_spec("stokeswarm.inversion.external")
    folder = Path(next(iter(spec.submodule_search_locations)))
    for path in sorted(folder.glob("*.py")):
        loaded = importlib.util.spec_from_file_location(f"again_{path.stem}", path)
        module = importlib.util.module_from_spec(loaded)
        monkeypatch.setitem(__import__("sys").modules, loaded.name, module)
        loaded.loader.exec_module(module)
