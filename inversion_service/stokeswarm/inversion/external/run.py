"""What became of a code that was started."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: signals by which the kernel says that a limit was reached: the next try would end the same way
LIMIT_SIGNALS: Final = (signal.SIGXCPU, signal.SIGXFSZ)
#: characters of the output that a failure message quotes
QUOTED: Final = 300


class Ending(Enum):
    """How a run ended."""

    EXITED = "exited"
    """By itself; which, for these codes, does not mean that it succeeded."""
    SIGNALLED = "signalled"
    """By a signal that is none of the following."""
    TIMED_OUT = "timed out"
    """At the slot's deadline, or with its processor time used up."""
    CANCELLED = "cancelled"
    """Because nobody waits for the result any more, or the server shuts down."""
    LOST = "lost"
    """Its warden was killed, and the code with it."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an external code, of which nothing is alive any more.

    Attributes
    ----------
    ending : Ending
    code : int
        Exit code, or number of the signal; 0 where neither is known.
    cpu_seconds : float
        Of the code and of the children that it waited for; user and system [s].
    wall_seconds : float
        From the fork to the code's end [s].
    output : bytes
        What it wrote to standard output and standard error, in that order of time; of a long output the
        beginning and the end, with a line between them that says how much is missing.
    started, ended : float
        `time.monotonic` seconds.
    memory_bytes : int
        Largest resident size of one process; no less than the warden's own, about 12 MB.
    """

    ending: Ending
    code: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    output: bytes = b""
    started: float = 0.0
    ended: float = 0.0
    memory_bytes: int = 0

    @property
    def text(self) -> str:
        """The output as text; what is not UTF-8 becomes U+FFFD."""
        return self.output.decode(errors="replace")

    def tail(self, n: int = QUOTED) -> str:
        """End of the output in one printable line of at most ``n`` characters."""
        printable = "".join(c if c.isprintable() else " " for c in self.text)
        line = " ".join(printable.split())
        return line if len(line) <= n else "…" + line[len(line) - n + 1 :]

    def describe(self) -> str:
        """How it ended, for a message."""
        match self.ending:
            case Ending.EXITED:
                return f"exit code {self.code}"
            case Ending.SIGNALLED:
                return f"killed by {_name(self.code)}"
            case Ending.TIMED_OUT:
                return (
                    f"out of time after {self.wall_seconds:.3g} s ({self.cpu_seconds:.3g} s of the processor)"
                )
            case Ending.CANCELLED:
                return "cancelled"
            case Ending.LOST:
                return "killed together with its warden"

    @property
    def retriable(self) -> bool:
        """Whether it ended for a reason that need not be its own, so that another try may succeed."""
        if self.ending is Ending.LOST:
            return True
        return self.ending is Ending.SIGNALLED and self.code not in LIMIT_SIGNALS


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
