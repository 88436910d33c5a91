"""What ends a server: signals, and the death of the process that started it."""

from __future__ import annotations

import logging
import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final

_LOG = logging.getLogger(__name__)

#: seconds between two looks at the parent's process id
PARENT_INTERVAL: Final = 1.0


class Wish(Enum):
    """What the server's main thread is asked to do."""

    #: the engines are warm
    SERVE = "serve"
    #: finish what runs, take nothing new
    DRAIN = "drain"
    #: nobody is left to answer
    STOP = "stop"


class Wishes:
    """A mailbox for the main thread, written to by signal handlers and other threads.

    `queue.SimpleQueue.put` may be interrupted by itself, which an Event's lock may not: a handler that runs
    in the middle of `wait` cannot deadlock.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Wish] = SimpleQueue()

    def put(self, wish: Wish) -> None:
        """Leave a wish; safe in a signal handler."""
        self._queue.put(wish)

    def wait(self, timeout: float | None = None) -> Wish | None:
        """The next wish; None where none came within ``timeout`` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            return None

    def on_signals(self) -> None:
        """SIGTERM and SIGINT drain; a second one stops at once. Only from the main thread."""
        received = 0

        def handle(number: int, frame: FrameType | None) -> None:
            nonlocal received
            del number, frame
            received += 1
            self.put(Wish.DRAIN if received == 1 else Wish.STOP)

        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, handle)


def watch_parent(ended: Callable[[], None], interval: float = PARENT_INTERVAL) -> threading.Thread:
    """Call ``ended`` once the parent process is gone, so that a killed client leaves no server behind.

    The parent is gone when it is no longer this process's parent; where standard input is a pipe also when
    that pipe closes, which is noticed at once. Standard input that is a file, a terminal or ``/dev/null``
    says nothing and is left alone.

    Parameters
    ----------
    ended : callable
        Called from another thread.
    interval : float
        Seconds between two looks.
    """
    parent = os.getppid()
    thread = threading.Thread(target=_watch, args=(parent, ended, interval), name="parent", daemon=True)
    thread.start()
    return thread


def _watch(parent: int, ended: Callable[[], None], interval: float) -> None:
    descriptor = _pipe_on_stdin()
    inputs = [] if descriptor is None else [descriptor]
    while os.getppid() == parent:
        readable, _, _ = select.select(inputs, [], [], interval)
        # What the parent may write is of no interest; an empty read is the end of the pipe.
        if readable and not os.read(readable[0], 4096):
            break
    _LOG.warning("the parent process %d is gone", parent)
    ended()


def _pipe_on_stdin() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None  # closed, or replaced by something that is no file
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
