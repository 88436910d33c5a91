"""Fixtures of the tests of external codes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.external.limits import Limits
from stokeswarm.inversion.external.runner import Place, Runner
from stokeswarm.inversion.external.scratch import Scratch

#: no wait of a test lasts longer [s]
PATIENCE = 30.0


@pytest.fixture
def code() -> Callable[..., list[str]]:
    """Makes the command line of a code of `codes.py`."""
    script = str(Path(__file__).with_name("codes.py"))
    return lambda act, *rest: [sys.executable, "-I", "-S", script, act, *map(str, rest)]


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    """Makes runners with a scratch of their own; nothing of them may be left in the end."""
    base = tmp_path / "scratch"
    base.mkdir()
    runners: list[Runner] = []

    def make(**limits: Any) -> Runner:
        runners.append(Runner("test", Limits(**limits), Scratch("test", base)))
        return runners[-1]

    yield make
    for runner in runners:
        runner.close()
    assert list(base.iterdir()) == []


@pytest.fixture
def place(make_runner: Callable[..., Runner]) -> Place:
    """Slot 0 of a runner."""
    return make_runner().place(Slot())


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a condition holds, and returns what it says."""
    pause = threading.Event()

    def wait(condition: Callable[[], Any], what: str = "") -> Any:
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, f"{what or condition} did not happen within {PATIENCE} s"
            pause.wait(0.002)
        return found

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs; one that only waits to be waited for does not."""

    def look(pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in (b"Z", b"X")

    return look


@pytest.fixture
def noted(until: Callable[..., Any]) -> Callable[[Path], int]:
    """Waits for the process identifier that a code leaves in a file."""
    return lambda path: int(until(lambda: path.exists() and path.read_text(), f"{path}"))
