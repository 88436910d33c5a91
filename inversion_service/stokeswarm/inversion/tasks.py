"""One request on its way through the slots: rows that wait, rows that run, results nobody has read yet.

Everything mutable of a `Task` is guarded by its pool's lock, which the condition `Task.changed` shares.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic

from stokeswarm.contract.errors import CancelledByCallerError
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Job
from stokeswarm.inversion.outcomes import Outcomes, R, nbytes

#: results that may wait for a slow reader before the slots leave its request alone
MAX_UNREAD_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Work(Generic[R]):
    """A request ready to be queued.

    Attributes
    ----------
    engine, method : str
        For metrics and the log.
    job : Job
        The engine's.
    outcomes : Outcomes
    pixel_timeout : float
        Wall seconds one pixel may take.
    """

    engine: str
    method: str
    job: Job[R]
    outcomes: Outcomes[R]
    pixel_timeout: float


@dataclass(slots=True, eq=False)
class Chunk(Generic[R]):
    """Rows that one slot runs in one call of the engine.

    Attributes
    ----------
    rows : tuple of int
    last_try : bool
        A failure is final; the first time, the rows of a chunk that fails are tried singly.
    deadline : float
        `time.monotonic` second by which the engine is to end its pixels.
    abandoned : bool
        The engine did not return in time and its pixels were answered without it.
    """

    task: Task[R]
    rows: tuple[int, ...]
    last_try: bool
    deadline: float = math.inf
    abandoned: bool = False


class Task(Generic[R]):
    """A request that was admitted; made by `stokeswarm.inversion.pool.SlotPool.submit`.

    Pixels that cannot be given to the engine are answered as INVALID_INPUT at once.

    Parameters
    ----------
    work : Work
    lock : threading.Lock
        The pool's.
    wake : threading.Condition
        On the same lock; notified where rows may have become runnable.
    """

    def __init__(self, work: Work[R], lock: threading.Lock, wake: threading.Condition) -> None:
        self.work: Work[R] = work
        self.changed = threading.Condition(lock)
        self._wake = wake
        self._cancelled = threading.Event()
        self._total = int(work.outcomes.pixel.size)
        self._n_answered = 0
        self._unread: list[R] = []
        self._unread_bytes = 0
        invalid = work.outcomes.invalid()
        self._fresh = deque(row for row in range(self._total) if row not in invalid)
        self._again: deque[int] = deque()
        self._started = False
        if invalid:
            refused = work.outcomes.failed(list(invalid), Status.INVALID_INPUT, list(invalid.values()))
            self._unread.append(refused)
            self._unread_bytes, self._n_answered = nbytes(refused), len(refused)

    # -- what a reader of the results uses ---------------------------------------------------------

    @property
    def total(self) -> int:
        """Number of pixels."""
        return self._total

    @property
    def done(self) -> int:
        """Number of pixels that ended."""
        return self._n_answered

    @property
    def unread(self) -> bool:
        """Whether there are results to collect."""
        return bool(self._unread)

    @property
    def started(self) -> bool:
        """Whether a slot has taken a row."""
        return self._started

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the results any more."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Drop the rows that wait; those that run see `Slot.cancelled`. Safe to call at any time."""
        with self.changed:
            self._cancelled.set()
            self._fresh.clear()
            self._again.clear()
            self._unread.clear()
            self._unread_bytes = 0
            self.changed.notify_all()
            self._wake.notify_all()

    def collect(self, *, max_bytes: int, linger: float, timeout: float) -> list[R] | None:
        """Wait for results.

        Parameters
        ----------
        max_bytes : int
            Do not wait for more once there are as many.
        linger : float
            Seconds to wait for more after the first.
        timeout : float
            Seconds to wait for the first.

        Returns
        -------
        list of results, or None
            Empty where nothing ended in time; None once everything has been read.

        Raises
        ------
        CancelledByCallerError
            The task was cancelled.
        """
        with self.changed:
            self.changed.wait_for(lambda: self._unread or self._ended(), timeout)
            if self._unread:
                self.changed.wait_for(lambda: self._unread_bytes >= max_bytes or self._ended(), linger)
            if self._cancelled.is_set():
                raise CancelledByCallerError("the caller went away")
            if not self._unread:
                return None if self._ended() else []
            parts, self._unread = self._unread, []
            if self._unread_bytes >= MAX_UNREAD_BYTES:
                self._wake.notify_all()
            self._unread_bytes = 0
            return parts

    # -- what the pool uses, holding the lock ------------------------------------------------------

    def _ended(self) -> bool:
        return self._n_answered == self._total or self._cancelled.is_set()

    @property
    def waiting(self) -> int:
        """Number of rows that no slot has taken."""
        return len(self._fresh) + len(self._again)

    @property
    def runnable(self) -> bool:
        """Whether a slot may take rows now."""
        return self.waiting > 0 and self._unread_bytes < MAX_UNREAD_BYTES

    def next_chunk(self, slots: int) -> Chunk[R]:
        """Rows for one slot: a row to be tried again, or at most a batch of new ones.

        The last rows are dealt out in smaller and smaller chunks, so that no slot idles while another
        works through a whole batch.
        """
        if self._again:
            rows: tuple[int, ...] = (self._again.popleft(),)
            last_try = True
        else:
            size = min(max(1, self.work.job.batch), math.ceil(len(self._fresh) / slots))
            rows, last_try = tuple(self._fresh.popleft() for _ in range(size)), False
        self._started = True
        return Chunk(self, rows, last_try, deadline=time.monotonic() + self.work.pixel_timeout)

    def retry(self, rows: Iterable[int]) -> None:
        """Let rows run once more, each alone."""
        if not self._cancelled.is_set():
            self._again.extend(rows)
            self._wake.notify_all()

    def answer(self, results: R) -> None:
        """Keep results for the reader."""
        if self._cancelled.is_set():
            return
        self._n_answered += len(results)
        self._unread.append(results)
        self._unread_bytes += nbytes(results)
        self.changed.notify_all()
