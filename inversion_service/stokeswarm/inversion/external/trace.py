"""A line for every run, for whoever measures how busy the slots are."""

from __future__ import annotations

import json
import os
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.external.run import Run

#: environment variable: the file that the lines are appended to
VARIABLE: Final = "STOKESWARM_RUN_TRACE"


class Trace:
    """Appends a JSON object a line: engine, slot, ending, code, started, ended, wall, cpu, memory.

    Each line is one write at the file's end, so that several engines and servers can share the file. Times
    are seconds, ``started`` and ``ended`` of the monotonic clock; memory is in bytes.

    Parameters
    ----------
    engine : str
    path : str, optional
        What `VARIABLE` says where not given; nothing is written where that is unset.

    Raises
    ------
    FailedPreconditionError
        The file cannot be written.
    """

    def __init__(self, engine: str, path: str | None = None) -> None:
        self._engine = engine
        self._fd = -1
        path = os.environ.get(VARIABLE, "").strip() if path is None else path
        if path:
            try:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise FailedPreconditionError(
                    f"{VARIABLE}={path}: {error.strerror}; name a file that can be written, or unset it"
                ) from error

    def add(self, slot: int, run: Run) -> None:
        """Append the line of a run."""
        if self._fd < 0:
            return
        line = {
            "engine": self._engine,
            "slot": slot,
            "ending": run.ending.value,
            "code": run.code,
            "started": run.started,
            "ended": run.ended,
            "wall": run.wall_seconds,
            "cpu": run.cpu_seconds,
            "memory": run.memory_bytes,
        }
        os.write(self._fd, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file. May be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
