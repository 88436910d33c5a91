"""What ends a server: a signal, or the death of the process that started it."""

from __future__ import annotations

import logging
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final

DEFAULT_PORT: Final = 50051
#: from NOT_SERVING until the socket closes: load balancers and watchers need a moment to notice [s]
DRAIN_SECONDS: Final = 5.0
#: that running calls then have [s]
GRACE_SECONDS: Final = 20.0
#: how often a child looks whether its parent still lives [s]
PARENT_POLL: Final = 1.0
_READ: Final = 4096

_LOG = logging.getLogger(__name__)


class Ending:
    """The reasons to end that have arrived, for the main thread to wait on.

    A `queue.SimpleQueue` and no Event: its `put` may interrupt its own `get`, so that a signal handler that
    runs in the middle of `wait` cannot block on a lock that the interrupted thread holds.
    """

    def __init__(self) -> None:
        self._reasons: SimpleQueue[str] = SimpleQueue()

    def add(self, reason: str) -> None:
        """Ask for the end; safe in a signal handler and from any thread."""
        self._reasons.put(reason)

    def wait(self, timeout: float | None = None) -> str:
        """The next reason; empty where none came within ``timeout`` seconds."""
        try:
            return self._reasons.get(timeout=timeout)
        except Empty:
            return ""

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT ask for the end; only from the main thread."""

        def handle(number: int, _frame: FrameType | None) -> None:
            self.add(signal.Signals(number).name)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)


def watch_parent(
    ending: Ending, poll: float = PARENT_POLL, getppid: Callable[[], int] = os.getppid
) -> threading.Thread:
    """Ask for the end once the parent is gone, so that a killed client leaves no server behind.

    The parent is gone when another process is this one's parent; where standard input is a pipe also when it
    closes, which is noticed at once. A standard input that is a file or a terminal says nothing.

    Parameters
    ----------
    ending : Ending
    poll : float
        Seconds between two looks.
    getppid : callable () -> int

    Returns
    -------
    Thread
        The watching daemon thread.
    """
    parent = getppid()

    def watch() -> None:
        pipe = _standard_pipe()
        inputs = [] if pipe is None else [pipe]
        while getppid() == parent:
            readable, _, _ = select.select(inputs, [], [], poll)
            if readable and not os.read(readable[0], _READ):
                break
        _LOG.warning("the parent process %d is gone", parent)
        ending.add("the parent's end")

    thread = threading.Thread(target=watch, name="parent-watch", daemon=True)
    thread.start()
    return thread


def _standard_pipe() -> int | None:
    """Standard input's descriptor where it is a pipe."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is no file
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
