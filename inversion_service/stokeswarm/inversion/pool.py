"""The slots: one thread a core, fed fairly from the requests that were admitted.

Slots take a batch of rows from each open request in turn, so a small request is not held up by a large one.
Whatever an engine does, each pixel ends exactly once:

- it raises, or answers other pixels than asked: the batch's rows run once more, each alone; the ones that
  fail again end as ENGINE_FAILED;
- pixels of a batch time out: they run once more, each with the whole time limit for itself;
- it does not return at all: some time after the deadline the pixels end as TIMEOUT without it. Its slot is
  lost until it returns; the other slots carry on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

from stokeswarm.contract.errors import FailedPreconditionError, ResourceExhaustedError, UnavailableError
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import DeferringJob, Slot
from stokeswarm.inversion.metrics import Observer
from stokeswarm.inversion.outcomes import R, accept, take
from stokeswarm.inversion.tasks import Chunk, Task, Work

_LOG = logging.getLogger(__name__)

#: open requests per slot, where nobody says otherwise
QUEUE_PER_SLOT: Final = 4
#: seconds after its deadline at which an engine that has not returned is given up
OVERRUN: Final = 30.0
#: bounds of the advice when to try again [s], and the advice before anything was measured
RETRY_AFTER: Final = (0.5, 60.0)
#: weight of the newest measurement in the mean time a pixel takes
SMOOTHING: Final = 0.1
#: of an engine's exception, which may quote whole arrays
MAX_REASON: Final = 500
NO_SLOT_LEFT: Final = "no slot is left: the engine has not returned from its pixels"


class SlotPool:
    """Runs requests on a fixed number of slots.

    Parameters
    ----------
    slots : int
        Threads, each running one batch at a time.
    queue : int or None
        Requests that may be open at once; None = `QUEUE_PER_SLOT` per slot.
    overrun : float
        Seconds after its deadline at which an engine is given up.
    observer : Observer

    Raises
    ------
    FailedPreconditionError
        A number is not positive.
    """

    def __init__(
        self,
        slots: int,
        queue: int | None = None,
        *,
        overrun: float = OVERRUN,
        observer: Observer | None = None,
    ) -> None:
        capacity = QUEUE_PER_SLOT * slots if queue is None else queue
        if slots < 1 or capacity < 1:
            raise FailedPreconditionError(f"slots and queue must be at least 1, found {slots} and {capacity}")
        self.slots: Final = slots
        self.capacity: Final = capacity
        self._overrun = overrun
        self._observer = observer or Observer()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._open: deque[Task[Any]] = deque()
        self._running: set[Chunk[Any]] = set()
        self._stuck: set[Chunk[Any]] = set()
        self._closed = False
        self._pixel_seconds: float | None = None
        self._threads = [
            threading.Thread(target=self._slot, args=(number,), name=f"slot-{number}", daemon=True)
            for number in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    # -- requests ----------------------------------------------------------------------------------

    def submit(self, work: Work[R]) -> Task[R]:
        """Admit a request; `release` it in the end, whatever happens.

        Raises
        ------
        ResourceExhaustedError
            As many requests as the queue holds are open; says when a retry may succeed.
        UnavailableError
            The pool is closed, or no slot works any more.
        """
        with self._lock:
            self._check_admission(work)
        # Looking through the pixels takes a while, so the lock is free meanwhile.
        task = Task(work, self._lock, self._wake)
        with self._lock:
            self._check_admission(work)
            self._open.append(task)
            self._observer.requested(work.engine, work.method)
            self._observer.ended(work.engine, work.method, (Status.INVALID_INPUT,) * task.done)
            self._report_load()
            self._wake.notify_all()
        return task

    def _check_admission(self, work: Work[Any]) -> None:
        if self._closed:
            raise UnavailableError("the server is shutting down")
        if len(self._stuck) == self.slots:
            raise UnavailableError(NO_SLOT_LEFT)
        if len(self._open) >= self.capacity:
            self._observer.rejected(work.engine, work.method)
            raise ResourceExhaustedError(
                f"{len(self._open)} requests are open, the queue holds no more", self._retry_after()
            )

    def release(self, task: Task[R]) -> None:
        """Forget a request, finished or not; its place in the queue is free again."""
        task.cancel()
        with self._lock:
            if task in self._open:
                self._open.remove(task)
            self._report_load()

    def ahead_of(self, task: Task[R]) -> int:
        """Open requests that a slot turns to before it first takes a row of this one."""
        with self._lock:
            if task.started or task not in self._open:
                return 0
            return sum(1 for other in list(self._open)[: self._open.index(task)] if other.waiting)

    def reap(self) -> int:
        """Give up the engine's calls that should have returned long ago; to be called now and then.

        Returns
        -------
        int
            Slots that still work.
        """
        now = time.monotonic()
        with self._lock:
            for chunk in [c for c in self._running if now > c.deadline + self._overrun]:
                self._abandon(chunk)
            return self.slots - len(self._stuck)

    def check(self, task: Task[R]) -> None:
        """`reap`, for whoever waits for a task.

        Raises
        ------
        UnavailableError
            No slot works any more, so the rest of the task would wait for ever. What has ended is to be read
            before: a caller that learns which pixel did this will not take it to the next server.
        """
        if self.reap() == 0 and task.waiting and not task.unread:
            raise UnavailableError(NO_SLOT_LEFT)

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel what is open and end the slots.

        Returns
        -------
        bool
            Whether every slot ended within ``timeout`` seconds; the others end with the process.
        """
        with self._lock:
            self._closed = True
            tasks = list(self._open)
            self._wake.notify_all()
        for task in tasks:
            task.cancel()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # -- slots -------------------------------------------------------------------------------------

    def _slot(self, number: int) -> None:
        owed: Callable[[], None] | None = None
        while True:
            chunk = self._take(wait=owed is None)
            if chunk is not None:
                owed = self._run(chunk, number, owed or _nothing)
            elif owed is not None:
                owed()
                owed = None
            else:
                return

    def _take(self, *, wait: bool) -> Chunk[Any] | None:
        """Rows to run; None where the pool is closed, or where none wait and the caller does not ``wait``."""
        with self._lock:
            if wait:
                self._wake.wait_for(lambda: self._closed or any(task.runnable for task in self._open))
            if self._closed or not any(task.runnable for task in self._open):
                return None
            chunk = self._next_chunk()
            self._running.add(chunk)
            self._report_load()
            return chunk

    def _next_chunk(self) -> Chunk[Any]:
        """Rows of the first request that has any; it then goes to the end of the line."""
        task = next(task for task in self._open if task.runnable)
        self._open.remove(task)
        self._open.append(task)
        return task.next_chunk(self.slots)

    def _run(self, chunk: Chunk[R], number: int, owed: Callable[[], None]) -> Callable[[], None] | None:
        """Run a chunk, and pay what earlier ones owe; returns what this one owes in turn."""
        job = chunk.task.work.job
        # What failed before is tried in the plainest way.
        deferring = job if isinstance(job, DeferringJob) and not chunk.last_try else None
        pay = _once(owed)
        slot = Slot(number, lambda: chunk.abandoned or chunk.task.is_cancelled(), chunk.deadline, pay)
        if deferring is None:
            pay()
        start = time.monotonic()
        made: Callable[[], R]
        try:
            made = (
                partial(job.run, chunk.rows, slot)
                if deferring is None
                else deferring.deferred(chunk.rows, slot)
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001  # an engine's bug must not end the slot
            made = partial(_raise, error)
        pay()
        end = partial(self._finish, chunk, made, start, None if deferring is None else time.monotonic())
        if deferring is None:
            end()
            return None
        return end

    def _finish(self, chunk: Chunk[R], made: Callable[[], R], start: float, freed: float | None) -> None:
        """Deliver a chunk's results; it had its slot from ``start`` to ``freed``, or has it until then."""
        work = chunk.task.work
        parts: list[R] = []
        fault: BaseException | None = None
        try:
            parts = accept(work.outcomes, chunk.rows, made())
        except (Exception, SystemExit) as error:  # noqa: BLE001  # as in `_run`
            fault = error
        seconds = (time.monotonic() if freed is None else freed) - start
        with self._lock:
            self._running.discard(chunk)
            self._stuck.discard(chunk)
            if not chunk.abandoned and not chunk.task.is_cancelled():
                self._measure(chunk, seconds)
                if fault is None:
                    self._deliver(chunk, parts)
                else:
                    self._failed(chunk, fault)
            self._report_load()

    def _deliver(self, chunk: Chunk[R], parts: list[R]) -> None:
        for part in parts:
            kept = part
            if Status.TIMEOUT in part.status and not chunk.last_try and len(chunk.rows) > 1:
                late = [i for i, status in enumerate(part.status) if status is Status.TIMEOUT]
                ids = set(part.pixel[late].tolist())
                pixel = chunk.task.work.outcomes.pixel
                chunk.task.retry(row for row in chunk.rows if int(pixel[row]) in ids)
                kept = take(part, [i for i in range(len(part)) if i not in set(late)])
            if len(kept):
                self._end(chunk.task, kept)

    def _failed(self, chunk: Chunk[R], fault: BaseException) -> None:
        work = chunk.task.work
        reason = f"{type(fault).__name__}: {fault}"[:MAX_REASON]
        _LOG.warning(
            "engine=%s method=%s rows=%d last_try=%s: %s",
            work.engine,
            work.method,
            len(chunk.rows),
            chunk.last_try,
            reason,
            exc_info=None if chunk.last_try else fault,
        )
        if chunk.last_try:
            self._end(chunk.task, self._without(chunk, Status.ENGINE_FAILED, reason))
        else:
            chunk.task.retry(chunk.rows)

    def _abandon(self, chunk: Chunk[R]) -> None:
        task = chunk.task
        chunk.abandoned = True
        self._running.discard(chunk)
        self._stuck.add(chunk)
        limit = task.work.pixel_timeout
        reason = f"the engine has not returned {self._overrun:g} s after the pixel's limit of {limit:g} s"
        _LOG.error("engine=%s method=%s rows=%s: %s", task.work.engine, task.work.method, chunk.rows, reason)
        self._end(task, self._without(chunk, Status.TIMEOUT, reason))
        self._report_load()

    def _without(self, chunk: Chunk[R], status: Status, reason: str) -> R:
        return chunk.task.work.outcomes.failed(chunk.rows, status, [reason] * len(chunk.rows))

    def _end(self, task: Task[R], results: R) -> None:
        self._observer.ended(task.work.engine, task.work.method, results.status)
        task.answer(results)

    # -- measurements ------------------------------------------------------------------------------

    def _measure(self, chunk: Chunk[Any], seconds: float) -> None:
        work, newest = chunk.task.work, seconds / len(chunk.rows)
        self._observer.ran(work.engine, work.method, len(chunk.rows), seconds)
        before = newest if self._pixel_seconds is None else self._pixel_seconds
        self._pixel_seconds = before + SMOOTHING * (newest - before)

    def _retry_after(self) -> float:
        """Seconds until the request nearest its end has ended, sharing the slots with all the others."""
        low, high = RETRY_AFTER
        if self._pixel_seconds is None:
            return 2 * low
        rows = min(task.total - task.done for task in self._open)
        seconds = rows * self._pixel_seconds * len(self._open) / max(1, self.slots - len(self._stuck))
        return min(max(seconds, low), high)

    def _report_load(self) -> None:
        self._observer.load(len(self._running) + len(self._stuck), len(self._open), len(self._stuck))


def _nothing() -> None:
    return


def _raise(error: BaseException) -> NoReturn:
    raise error


def _once(work: Callable[[], None]) -> Callable[[], None]:
    """The same, but calls after the first do nothing."""
    left = [work]

    def first() -> None:
        if left:
            left.pop()()

    return first
