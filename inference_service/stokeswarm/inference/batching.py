"""Bounded concurrency: a few requests compute, a few more wait, the rest is told when to come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stokeswarm.contract.errors import CancelledByCallerError, DeadlineError, ResourceExhaustedError

#: share of the newest call in the running mean of call durations
_SMOOTHING: Final = 0.2
#: first guess of a call's duration [s]: a tile of a few hundred pixels on one core
_FIRST_SECONDS: Final = 0.05


class Ticket:
    """One request's place: it waits, computes, or has been given up by its caller."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._cancelled = False

    def cancel(self) -> None:
        """Say that nobody waits for the answer any more; safe from any thread, any number of times."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled


class Admission:
    """Lets ``workers`` requests compute at a time and ``queue`` more wait, in order of arrival.

    Parameters
    ----------
    workers : int
        At least 1.
    queue : int
        At least 0.
    """

    def __init__(self, workers: int, queue: int) -> None:
        if workers < 1 or queue < 0:
            raise ValueError(f"expected workers >= 1 and queue >= 0, found {workers} and {queue}")
        self.workers = workers
        self.queue = queue
        self._changed = threading.Condition()
        self._running = 0
        self._waiting: list[Ticket] = []
        self._seconds = _FIRST_SECONDS

    def ticket(self) -> Ticket:
        """A ticket for one request."""
        return Ticket(self._changed)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        with self._changed:
            return len(self._waiting)

    @contextmanager
    def admit(self, ticket: Ticket, timeout: float | None = None) -> Iterator[None]:
        """Hold a worker's place for the time of the block.

        Parameters
        ----------
        ticket : Ticket
        timeout : float or None
            Seconds that the caller still waits; None = for ever.

        Raises
        ------
        ResourceExhaustedError
            The queue is full.
        DeadlineError
            The time ran out in the queue.
        CancelledByCallerError
            The ticket was cancelled in the queue.
        """
        self._enter(ticket, timeout)
        began = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._seconds += _SMOOTHING * (time.monotonic() - began - self._seconds)
                self._changed.notify_all()

    def _enter(self, ticket: Ticket, timeout: float | None) -> None:
        with self._changed:
            if self._running + len(self._waiting) >= self.workers + self.queue:
                seconds = self._seconds * (1 + len(self._waiting) / self.workers)
                raise ResourceExhaustedError(
                    f"{self._running} requests are computed and {len(self._waiting)} wait; the queue is full",
                    seconds,
                )
            self._waiting.append(ticket)
            self._changed.notify_all()
            try:
                in_time = self._changed.wait_for(
                    lambda: (
                        ticket.cancelled() or (self._running < self.workers and self._waiting[0] is ticket)
                    ),
                    timeout,
                )
                if ticket.cancelled():
                    raise CancelledByCallerError("the caller went away")
                if not in_time:
                    raise DeadlineError("the caller's time ran out in the queue")
            finally:
                self._waiting.remove(ticket)
                # Whoever stands first now may go, if a place is free.
                self._changed.notify_all()
            self._running += 1
