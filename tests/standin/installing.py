"""Puts the stand-in where an engine can be pointed at, and lets a test see and steer its runs."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

MAIN = Path(__file__).with_name("main.py")
STATE_FOLDERS = ("once", "last", "processes", "waiting")


@dataclass(frozen=True)
class Journalled:
    """One run of the stand-in, as its journal tells it."""

    process: int
    folder: str
    cycles: int
    command: str


@dataclass(frozen=True)
class Waiting:
    """A run that waits or hangs: its process, its parent's, and the command that it was given."""

    process: int
    parent: int
    command: str


@dataclass(frozen=True)
class StandIn:
    """An installed stand-in.

    Attributes
    ----------
    executable : Path
        What ``STOKESWARM_SIR`` is to name.
    state : Path
    """

    executable: Path
    state: Path

    def runs(self) -> list[Journalled]:
        """Every run that got as far as to know what it was to do."""
        place = self.state / "journal"
        lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
        rows = (line.split("\t") for line in lines)
        return [Journalled(int(row[0]), row[1], int(row[2]), row[3]) for row in rows]

    def waiting(self) -> list[Waiting]:
        """Runs that said that they wait or hang, dead ones included, in the order of their processes."""
        found = []
        for path in (self.state / "waiting").iterdir():
            text = path.read_text(encoding="ascii")
            if text.endswith("\n"):  # else it is just being written
                parent, command = text.rstrip("\n").split("\t")
                found.append(Waiting(int(path.name), int(parent), command))
        return sorted(found, key=lambda one: one.process)

    def alive(self) -> list[int]:
        """Processes of the stand-in, its children included, that still exist."""
        known = {run.process for run in self.runs()}
        known |= {int(p.name) for name in ("processes", "waiting") for p in (self.state / name).iterdir()}
        return sorted(process for process in known if self._is_ours(process))

    def release(self) -> None:
        """Let go the runs that wait."""
        (self.state / "release").touch()

    def _is_ours(self, process: int) -> bool:
        """Whether the number still belongs to a run of this installation (a zombie does not)."""
        try:
            command = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(self.state) in command


def install(folder: Path) -> StandIn:
    """Make an executable stand-in.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    """
    state = folder / "state"
    for name in STATE_FOLDERS:
        (state / name).mkdir(parents=True, exist_ok=True)
    executable = folder / "sir.x"
    # The shell replaces itself, so the process that is started is the one that misbehaves. An interpreter
    # line naming Python itself would break on a path that is long or holds a blank.
    words = (sys.executable, "-I", "-S", str(MAIN), str(state))
    executable.write_text(f"#!/bin/sh\nexec {' '.join(map(shlex.quote, words))}\n", encoding="utf-8")
    executable.chmod(0o755)
    return StandIn(executable, state)
