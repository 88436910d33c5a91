r"""Running an external code on the slots of a server: a private folder and a warden for each.

::

    runner = Runner("sir")
    place = runner.place(slot)              # in the slot's thread
    place.clean()
    place.write("p.trol", control)
    run = place.run([str(sir.path)], stdin=b"p.trol\n", slot=slot)
    model = place.read("g_1.mod")           # None where there is no such output

When `Place.run` returns, the code and all that it started have ended, whatever they did: their files do not
change any more.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    UnavailableError,
)
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.external import strays
from stokeswarm.inversion.external.files import Folder
from stokeswarm.inversion.external.limits import Limits
from stokeswarm.inversion.external.run import Ending, Run
from stokeswarm.inversion.external.scratch import Scratch
from stokeswarm.inversion.external.trace import Trace
from stokeswarm.inversion.external.warden import OUTPUT_KEPT
from stokeswarm.inversion.external.wardens import PASSED, PATIENCE, WardenLostError, WardenProcess

__all__ = ["Runner", "Place", "Run", "Ending", "Limits"]

_LOG = logging.getLogger(__name__)

#: all that a code finds in its environment, besides HOME and TMPDIR (its folder), its slot's mark, and PASSED
ENVIRONMENT: Final[dict[str, str]] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "TZ": "UTC",
    "OMP_NUM_THREADS": "1",
}
#: part of its limit that a code has used at least when the kernel, which counts ticks there, ends it for that
TICKED: Final = 0.8
CLOSING: Final = "the server is shutting down"


class Runner:
    """The places of one engine's slots; thread-safe.

    Parameters
    ----------
    name : str
        Of the engine: a-z, 0-9 and hyphens.
    limits : Limits, optional
        What the environment says where not given.
    scratch : Scratch, optional
        Its own where not given; it is closed together with the runner.

    Raises
    ------
    FailedPreconditionError
        There is no place for the scratch, or a variable of the environment is wrong.
    """

    def __init__(self, name: str, limits: Limits | None = None, scratch: Scratch | None = None) -> None:
        self.name: Final = name
        self.limits: Final = Limits.from_environment() if limits is None else limits
        self._trace = Trace(name)
        self.scratch: Final = Scratch(name) if scratch is None else scratch
        self._guard = threading.Lock()
        self._places: dict[int, Place] = {}
        self._closed = threading.Event()
        self._owner = os.getpid()
        atexit.register(self.close)

    def place(self, slot: Slot) -> Place:
        """Place of a slot, the same one every time unless somebody removed its folder.

        Raises
        ------
        UnavailableError
            The runner is closed.
        ScratchFullError
        """
        with self._guard:
            if self._closed.is_set():
                raise UnavailableError(CLOSING)
            known = self._places.get(slot.number)
            if known is not None and known.gone:
                _LOG.warning("slot %d: its folder was removed from outside; it gets a new one", slot.number)
                known.let_go()
                known.join()
                del self._places[slot.number]
            if slot.number not in self._places:
                folder = self.scratch.slot(slot.number)
                self._places[slot.number] = Place(folder, slot.number, self.limits, self._trace, self._closed)
            return self._places[slot.number]

    def close(self) -> None:
        """End what runs, as cancelled, and remove the scratch. May be called again, and from any thread."""
        if os.getpid() != self._owner:
            return  # a process that was forked from the server is not the server
        self._closed.set()
        with self._guard:
            for place in self._places.values():
                place.let_go()
            for place in self._places.values():
                place.join()
            self._places.clear()
            self.scratch.close()
            self._trace.close()
        atexit.unregister(self.close)


class Place(Folder):
    """A slot's folder, and what runs in it; used by one thread at a time. Made by `Runner.place`.

    Attributes
    ----------
    tenant : object
        The engine's: says what the static files belong to. None when they are none.
    """

    def __init__(
        self, folder: Path, number: int, limits: Limits, trace: Trace, closed: threading.Event
    ) -> None:
        super().__init__(folder)
        self.tenant: object = None
        self._number = number
        self._limits = limits
        self._trace = trace
        self._closed = closed
        #: held while a code runs
        self._busy = threading.Lock()
        self._inherited = {name: os.environ[name] for name in PASSED if name in os.environ}
        self._inherited[strays.VARIABLE] = str(folder)
        # Started now, so that it is ready when the engine has written its first files.
        self._warden = WardenProcess(folder, limits)

    @property
    def folder(self) -> Path:
        """The slot's folder; an engine may build a tree in it."""
        return self.path

    def reset(self) -> None:
        """Remove everything, static or not, whoever's it was."""
        self.tenant = None
        super().reset()

    def run(self, argv: Sequence[str], *, slot: Slot, stdin: bytes = b"", cwd: str = "") -> Run:
        """Run a code, and wait for its end.

        Parameters
        ----------
        argv : sequence of str
            The program's absolute path, and its arguments as they are: there is no shell.
        slot : Slot
            Ends the run at its deadline, and when it is cancelled.
        stdin : bytes
            The code's standard input.
        cwd : str
            Where in the folder to run; made where it is absent.

        Raises
        ------
        FailedPreconditionError
            The program cannot be started; says why.
        InvalidArgumentError
            The program's path is not absolute, or ``cwd`` is not bare.
        ScratchFullError
            There is no space for the folder.
        UnavailableError
            The server is shutting down.
        """
        if not argv or not Path(argv[0]).is_absolute():
            raise InvalidArgumentError(f"program to run: expected an absolute path, found {list(argv)[:1]}")
        if cwd:
            self.enter(cwd)
        directory = str(self.path / cwd)
        request = {
            "argv": list(argv),
            "cwd": directory,
            "environment": ENVIRONMENT | self._inherited | {"HOME": directory, "TMPDIR": directory},
        }
        with self._busy:
            if self._closed.is_set():
                raise UnavailableError(CLOSING)
            run = self._run(request, stdin, slot)
            if run.ended > run.started:
                self._trace.add(self._number, run)
        return run

    def _run(self, request: dict[str, Any], stdin: bytes, slot: Slot) -> Run:
        now = time.monotonic()
        if slot.cancelled() or now >= slot.deadline:
            return Run(Ending.TIMED_OUT if now >= slot.deadline else Ending.CANCELLED, started=now, ended=now)
        seconds = slot.deadline - now
        cpu = self._limits.processor(seconds)
        request |= {"seconds": seconds if math.isfinite(seconds) else None, "cpu": cpu}
        started = time.monotonic()
        try:
            warden = self._send(request, stdin)
            fault = _fault_of(slot.meanwhile)
            answer, output = warden.wait(lambda: self._closed.is_set() or slot.cancelled(), slot.deadline)
        except WardenLostError as error:
            return self._lost(error, started, slot)
        ended = time.monotonic()
        if fault is not None:
            raise fault
        if answer["ending"] == "refused":
            reason = output.decode(errors="replace")
            raise FailedPreconditionError(f"{request['argv'][0]} cannot be started: {reason}")
        # All processes of a machine share the monotonic clock; were that not so, these bounds still hold.
        started, ended = max(started, answer["started"]), min(ended, answer["ended"])
        return Run(
            ending=_ending(answer, cpu),
            code=answer["code"],
            cpu_seconds=answer["cpu_seconds"],
            wall_seconds=answer["ended"] - answer["started"],
            output=_captured(output, answer["size"]),
            started=started,
            ended=max(started, ended),
            memory_bytes=answer["memory_bytes"],
        )

    def _send(self, request: dict[str, Any], stdin: bytes) -> WardenProcess:
        """Give the request to a warden that lives: a new one where the last was killed meanwhile."""
        try:
            if self._warden.alive:
                self._warden.send(request, stdin)
                return self._warden
        except WardenLostError:
            _LOG.debug("warden %d ended between two runs", self._warden.pid)
        self._warden.kill()
        _LOG.warning("slot %d: its warden had ended; a new one is started", self._number)
        self._warden = WardenProcess(self.path, self._limits)
        self._warden.send(request, stdin)
        return self._warden

    def _lost(self, error: WardenLostError, started: float, slot: Slot) -> Run:
        ended = time.monotonic()
        _LOG.error("slot %d: %s", self._number, error)
        # The kernel has ended the code itself, but not its children.
        if not strays.kill_strays(str(self.path)):
            _LOG.error("slot %d: a process that was killed does not end", self._number)
        ending = Ending.LOST
        if error.overdue:
            ending = Ending.TIMED_OUT if ended >= slot.deadline else Ending.CANCELLED
        return Run(ending, wall_seconds=ended - started, started=started, ended=ended)

    def let_go(self) -> None:
        """Let the warden clean up and end; `join` waits for that. For `Runner.close`, from any thread."""
        if self._busy.acquire(timeout=2 * PATIENCE):
            self._warden.let_go()
            self._busy.release()
        else:
            _LOG.error("slot %d: its run does not end", self._number)

    def join(self) -> None:
        """Wait for the warden's end, after `let_go`."""
        self._warden.join()


def _fault_of(work: Callable[[], None]) -> Exception | None:
    """What some work raises: the code that was started before it is to be waited for in any case."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  # raised again, once the code has ended
        return error
    return None


def _ending(answer: Mapping[str, Any], cpu: int | None) -> Ending:
    ending = Ending(answer["ending"])
    if ending is Ending.SIGNALLED and cpu is not None:
        # First comes SIGXCPU; a code that ignores it gets SIGKILL.
        used_up = answer["code"] == signal.SIGKILL and answer["cpu_seconds"] >= TICKED * cpu
        if used_up or answer["code"] == signal.SIGXCPU:
            return Ending.TIMED_OUT
    return ending


def _captured(output: bytes, size: int) -> bytes:
    """Mark the gap in an output that was too long."""
    if size <= len(output):
        return output
    gap = f"\n[... {size - len(output)} bytes left out ...]\n".encode()
    return output[:OUTPUT_KEPT] + gap + output[OUTPUT_KEPT:]
