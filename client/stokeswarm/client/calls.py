"""The calls in flight: cancelled together when the run stops, and one by one when a server falls silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from stokeswarm.contract.errors import CancelledByCallerError

#: servers send a heartbeat every few seconds; after this long without one they are taken for lost [s]
DEFAULT_SILENCE: Final = 120.0


class Cancellable(Protocol):
    """A call that another thread may end."""

    def cancel(self) -> None:
        """End it."""
        ...


class _Watched:
    """A call and the moment after which its silence is too long."""

    def __init__(self, call: Cancellable, silence: float) -> None:
        self._call = call
        self._silence = silence
        self.due = time.monotonic() + silence
        self.silent = False

    def heard(self) -> None:
        """Note that the server has just said something."""
        self.due = time.monotonic() + self._silence

    def cancel(self) -> None:
        self._call.cancel()


class Calls:
    """Register of the calls in flight of one run.

    Parameters
    ----------
    silence : float
        Seconds without a message after which a call is cancelled.
    """

    def __init__(self, silence: float = DEFAULT_SILENCE) -> None:
        self._silence = silence
        self._changed = threading.Condition()
        self._running: set[_Watched] = set()
        self._stopped = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def stopped(self) -> bool:
        """Whether the run was told to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Cancel every call and wake whoever waits; nothing starts any more."""
        with self._changed:
            self._stopped.set()
            running = list(self._running)
            self._changed.notify_all()
        for watched in running:
            watched.cancel()

    def check(self) -> None:
        """Raise where the run was told to stop.

        Raises
        ------
        CancelledByCallerError
        """
        if self.stopped:
            raise CancelledByCallerError("the run was cancelled")

    def wait(self, seconds: float) -> None:
        """Pause between attempts, cut short by `stop`.

        Raises
        ------
        CancelledByCallerError
            The run was told to stop.
        """
        self._stopped.wait(seconds)
        self.check()

    @contextmanager
    def watch(self, call: Cancellable) -> Iterator[_Watched]:
        """Keep an eye on a call while the block reads it; its ``heard`` is to be called at every message."""
        watched = _Watched(call, self._silence)
        with self._changed:
            self._running.add(watched)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._look_out, name="silence", daemon=True)
                self._watcher.start()
            self._changed.notify_all()
        if self.stopped:
            watched.cancel()
        try:
            yield watched
        finally:
            with self._changed:
                self._running.discard(watched)
            # Left half-read, a stream would keep the server at work for nobody; ended ones do not mind.
            watched.cancel()

    def _look_out(self) -> None:
        while not self.stopped:
            with self._changed:
                now = time.monotonic()
                late = [w for w in self._running if w.due <= now]
                for watched in late:
                    watched.silent = True
                    self._running.discard(watched)
                if not late:
                    due = min((w.due for w in self._running), default=now + self._silence)
                    self._changed.wait(timeout=due - now)
            for watched in late:
                watched.cancel()
