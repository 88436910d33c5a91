"""Finding what a code started and nobody ended: its warden was killed, or the whole server.

Every code runs with the name of its slot's folder in its environment, children inherit it, and the folder's
name is never used again; so it tells the processes of a slot from all others, whoever their parent is now.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Final

from stokeswarm.inversion.external.warden import STUCK_SECONDS, processes

#: environment variable of every code: the folder of its slot
VARIABLE: Final = "STOKESWARM_SLOT"


def kill_strays(folder: str) -> bool:
    """Kill every process that was started for a slot, or for any slot of a scratch.

    Parameters
    ----------
    folder : str
        The slot's, or the scratch's.

    Returns
    -------
    bool
        Whether all have ended; True also where the system cannot tell (no /proc, no pidfd).
    """
    if not hasattr(os, "pidfd_open"):
        return True
    marks = tuple(f"{VARIABLE}={folder}".encode() + end for end in (b"\0", b"/"))
    until = time.monotonic() + STUCK_SECONDS
    while True:
        pidfds = [pidfd for pid in processes() if (pidfd := _open(pid, marks)) is not None]
        if not pidfds:
            return True
        try:
            for pidfd in pidfds:
                _kill(pidfd)
            if not _all_end(pidfds, until):
                return False
        finally:
            for pidfd in pidfds:
                os.close(pidfd)


def _open(pid: int, marks: tuple[bytes, ...]) -> int | None:
    """Descriptor of a process that carries a mark and has not ended; None for all others."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None  # it has ended
    # Looked at with the process already held, so that its number cannot be another's by now.
    if _marked(pid, marks):
        return pidfd
    os.close(pidfd)
    return None


def _marked(pid: int, marks: tuple[bytes, ...]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123  # hundreds of times; Path is slow
            environment = b"\0" + file.read() + b"\0"
    except OSError:
        return False  # it has ended, or is another user's
    return any(b"\0" + mark in environment for mark in marks)


def _kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended


def _all_end(pidfds: list[int], until: float) -> bool:
    """Wait for the ends of some processes."""
    poll = select.poll()
    for pidfd in pidfds:
        poll.register(pidfd, select.POLLIN)
    left = len(pidfds)
    while left:
        ready = poll.poll(max(0.0, 1000 * (until - time.monotonic())))
        if not ready:
            return False
        for pidfd, _ in ready:
            poll.unregister(pidfd)
            left -= 1
    return True
