"""The stand-in itself: it reads what SIR reads, and stops where SIR would misread in silence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standin_commands import CODES, SIGN_IN_VMAC, decode, encode
from standin_scene import ENDINGS, plan, request, stokes

from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.engine import SirEngine


@pytest.fixture
def folder(standin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the engine wrote for one pixel, without the output."""
    scratch, copy = tmp_path / "scratch", tmp_path / "pixel"
    scratch.mkdir()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(scratch))
    engine = SirEngine(environment={"STOKESWARM_SIR": str(standin.executable)})
    job = engine.prepare_inversion(request(stokes(1), plan(cycles=2)))
    assert job.run([0], Slot()).status[0].has_result
    (slot,) = scratch.glob("*/slot-0")
    shutil.copytree(slot, copy)
    engine.close()
    for name in ("run.log", "run.chi", *(f"g_{n}.{kind}" for n in (1, 2) for kind in ("mod", "per", "err"))):
        (copy / name).unlink()
    return copy


def run(standin: Any, folder: Path) -> str:
    done = subprocess.run(
        [standin.executable],
        cwd=folder,
        input="run.trol\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_it_inverts(standin: Any, folder: Path) -> None:
    assert "STOP" not in run(standin, folder)
    assert {path.name for path in folder.glob("g_*")} == {
        f"g_{n}.{kind}" for n in (1, 2) for kind in ("mod", "per", "err")
    }
    chi = [float(line.split()[1]) for line in (folder / "run.chi").read_text().splitlines()]
    assert len(chi) == 2
    assert 0 < chi[1] < chi[0]


def line(number: int, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Change the value in a line of the control file."""

    def make(folder: Path) -> None:
        path = folder / "run.trol"
        lines = path.read_text().split("\n")
        label, _, value = lines[number - 1].partition(":")
        lines[number - 1] = f"{label}:{change(value)}"
        path.write_text("\n".join(lines))

    return make


MISREAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a real without a point": (line(34, lambda value: "1e3"), "'1e3' has no decimal point"),
    "nodes that do not fit": (line(15, lambda value: "5"), "5 nodes of temperature do not fit 27 depths"),
    "a blank in a name": (line(5, lambda value: "my grid"), "misread the file name"),
    "a model's name with _": (line(8, lambda value: "g_a.mod"), "at the first"),
    "a path": (line(6, lambda value: "/etc/passwd"), "misread the file name"),
    "a weight left blank": (line(11, lambda value: ""), "every weight must be written"),
    "no such file": (line(7, lambda value: "nowhere"), "cannot be read"),
    "one line less": (
        lambda folder: (folder / "run.trol").write_text(
            "\n".join((folder / "run.trol").read_text().splitlines()[:-1])
        ),
        "expected 42 lines, found 41",
    ),
    "a folder that was not cleaned": (
        lambda folder: (folder / "run.chi").write_text("1. 1.\n"),
        "the folder was not cleaned: run.chi",
    ),
    "nothing to start from": (
        lambda folder: (folder / "g.mod").write_text("1. 1. 0.\n"),
        "g.mod is no model",
    ),
}


@pytest.mark.parametrize("what", MISREAD)
def test_it_stops_where_sir_would_misread(standin: Any, folder: Path, what: str) -> None:
    spoil, message = MISREAD[what]
    spoil(folder)
    said = run(standin, folder)
    assert "STOP" in said
    assert message in said
    assert not list(folder.glob("g_*"))


def test_nan_is_called_a_success_as_sir_does(standin: Any, folder: Path) -> None:
    """The guess as the result, a profile of zeros, χ² of 0."""
    profile = folder / "o.per"
    rows = profile.read_text().splitlines()
    rows[20] = " ".join([*rows[20].split()[:2], "NaN", "0.", "0.", "0."])
    profile.write_text("\n".join(rows) + "\n")
    assert "STOP" not in run(standin, folder)
    assert [float(x) for x in (folder / "run.chi").read_text().split()] == [0.0] * 4
    assert {float(x) for row in (folder / "g_2.per").read_text().splitlines() for x in row.split()[2:]} == {
        0.0
    }


@pytest.mark.parametrize("name", CODES)
def test_commands_survive_printed_digits(name: str) -> None:
    for sign in ((), (SIGN_IN_VMAC,)):
        assert decode(float(f"{encode(name, *sign):.6E}"), *sign) == name


@pytest.mark.parametrize("value", [0.0, -0.01, 0.3, 0.5, 0.50049, 0.7, -1.0])
def test_ordinary_values_are_no_commands(value: float) -> None:
    assert decode(value) == ""


def test_every_disaster_is_known() -> None:
    assert set(ENDINGS) <= set(CODES)
    assert len(set(CODES.values())) == len(CODES)
