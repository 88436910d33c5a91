"""How a run tells where it is: a live bar on a terminal, plain lines in a log, nothing for a library."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from stokeswarm.contract.status import Status

#: a log gets a line when this share of the map has ended since the last one …
LOG_SHARE: Final = 0.05
#: … or after this many seconds
LOG_SECONDS: Final = 30.0
_FAILURES: Final = (Status.ENGINE_FAILED, Status.TIMEOUT, Status.NO_OUTPUT, Status.INVALID_INPUT)


class Reporter(Protocol):
    """Hears of progress, from several threads."""

    def begin(self, total: int, done: int) -> None:
        """So many pixels in all, so many done by an earlier run."""
        ...

    def pixels(self, status: npt.NDArray[np.uint8]) -> None:
        """These pixels have ended, with these statuses."""
        ...

    def note(self, text: str) -> None:
        """Something worth saying."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...


class Silent:
    """Says nothing."""

    def begin(self, total: int, done: int) -> None:
        """Ignore it."""

    def pixels(self, status: npt.NDArray[np.uint8]) -> None:
        """Ignore it."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Ignore it."""


class Tally:
    """Counts of a run so far, and its speed."""

    def __init__(self, total: int, done: int) -> None:
        self.total = total
        self.earlier = done
        self.ended: Counter[int] = Counter()
        self._started = time.monotonic()

    def add(self, status: npt.NDArray[np.uint8]) -> None:
        """Count these."""
        self.ended.update(status.tolist())

    @property
    def done(self) -> int:
        """Pixels done, earlier runs included."""
        return self.earlier + self.ended.total()

    @property
    def seconds(self) -> float:
        """Wall seconds since the run began."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Pixels per second of this run."""
        return self.ended.total() / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Estimate; infinite while nothing has ended."""
        return (self.total - self.done) / self.rate if self.rate > 0 else float("inf")

    def failures(self) -> str:
        """Failure counts in words, empty where there is none."""
        parts = [f"{self.ended[int(s)]} {words(s)}" for s in _FAILURES if self.ended[int(s)]]
        return ", ".join(parts)


def words(status: Status) -> str:
    """A status as a user reads it."""
    return status.name.lower().replace("_", " ")


def duration(seconds: float) -> str:
    """Seconds as 45 s, 3 min 20 s or 2 h 05 min."""
    if not np.isfinite(seconds):
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Bar:
    """A live progress bar with pixels/s, time left and failure counts."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("inverting"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TextColumn("[red]{task.fields[failed]}"),
            console=console,
            transient=True,
        )
        self._lock = threading.Lock()
        self._tally: Tally | None = None

    def begin(self, total: int, done: int) -> None:
        """Show the bar."""
        self._tally = Tally(total, done)
        self._task = self._progress.add_task("inverting", total=total, completed=done, speed="", failed="")
        self._progress.start()

    def pixels(self, status: npt.NDArray[np.uint8]) -> None:
        """Move the bar."""
        with self._lock:
            if self._tally is None:
                return
            self._tally.add(status)
            tally = self._tally
            speed = f"{tally.rate:.3g} px/s, {duration(tally.seconds_left)} left"
            self._progress.update(
                self._task, completed=tally.done, speed=speed, failed=tally.failures(), refresh=False
            )

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Lines:
    """Plain lines for logs: one per 5 % or 30 s, whichever comes first."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._tally: Tally | None = None
        self._said = (0, 0.0)

    def begin(self, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._tally = Tally(total, done)
        self._said = (done, 0.0)
        earlier = f", {done} of them done by an earlier run" if done else ""
        self.note(f"inverting {total} pixels{earlier}")

    def pixels(self, status: npt.NDArray[np.uint8]) -> None:
        """Say so when enough has happened."""
        with self._lock:
            if self._tally is None:
                return
            tally = self._tally
            tally.add(status)
            pixels, seconds = self._said
            enough = tally.done - pixels >= LOG_SHARE * tally.total
            if not (enough or tally.seconds - seconds >= LOG_SECONDS or tally.done == tally.total):
                return
            self._said = (tally.done, tally.seconds)
            failed = tally.failures()
            line = (
                f"{tally.done}/{tally.total} pixels ({100 * tally.done / tally.total:.0f} %), "
                f"{tally.rate:.3g} px/s, {duration(tally.seconds_left)} left"
            )
        self.note(f"{line}; {failed}" if failed else line)

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to take away."""


def reporter(console: Console) -> Bar | Lines:
    """A bar where the console is a terminal, lines where it is a file or a pipe."""
    return Bar(console) if console.is_terminal else Lines(console.file if hasattr(console, "file") else None)  # type: ignore[arg-type]
