"""The server's end of the talk with a warden: start it, give it a code to run, never wait for it in vain."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from stokeswarm.contract.errors import UnavailableError
from stokeswarm.inversion.external import warden
from stokeswarm.inversion.external.limits import Limits

_LOG = logging.getLogger(__name__)

#: whether a warden may ask the kernel to adopt orphans and to be told of its own end (prctl of Linux)
USE_PRCTL: bool = sys.platform == "linux"
#: how often a run is asked whether it was cancelled [s]
CANCEL_INTERVAL: Final = 0.05
#: how long a warden may take to report the end of a run that it had to end [s]; longer than it tries itself
PATIENCE: Final = 2 * warden.STUCK_SECONDS + 5.0
#: how long a warden may take to end once its server has let go of it [s]
FAREWELL: Final = warden.STUCK_SECONDS + 5.0


#: of the server's environment: where the linker looks, which the interpreter and the codes may need
PASSED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class WardenLostError(Exception):
    """A warden ended, or had to be ended, before it answered.

    Parameters
    ----------
    overdue : bool
        It was killed because it did not answer in time.
    """

    def __init__(self, message: str, *, overdue: bool = False) -> None:
        super().__init__(message)
        self.overdue = overdue


class WardenProcess:
    """A warden; used by one thread at a time.

    Parameters
    ----------
    folder : Path
        The slot's: the warden removes it when it ends in good order.
    limits : Limits
        Of every code that it runs, but for the time.

    Raises
    ------
    UnavailableError
        The system has no room for another process.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        arguments = [str(folder), str(int(USE_PRCTL)), json.dumps(limits.of_kernel())]
        command = [sys.executable, "-I", "-S", warden.__file__, *arguments]
        # A session of its own: an interrupt from the terminal is for the server.
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and file
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in PASSED if name in os.environ},
            )
        except OSError as error:
            raise UnavailableError(f"a process for the slot {folder} cannot be started: {error}") from error
        assert self._process.stdin is not None  # noqa: S101  # for the type checker: both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)
        self._number = 0

    @property
    def pid(self) -> int:
        """Process identifier."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, request: dict[str, Any], stdin: bytes) -> None:
        """Ask for a run.

        Parameters
        ----------
        request : dict
            As `stokeswarm.inversion.external.warden` describes, less the number of the run.
        stdin : bytes

        Raises
        ------
        WardenLostError
            The warden is dead, and has not begun.
        """
        self._number += 1
        try:
            warden.write_all(self._stdin.fileno(), warden.pack(request | {"run": self._number}, stdin))
        except BrokenPipeError as error:
            self.kill()
            raise WardenLostError("the warden ended before the run") from error

    def wait(self, cancelled: Callable[[], bool], deadline: float) -> tuple[dict[str, Any], bytes]:
        """Wait for the answer to the run that was sent.

        Parameters
        ----------
        cancelled : callable () -> bool
            Asked now and then; the run is ended where it says so.
        deadline : float
            `time.monotonic` second at which the warden ends the run by itself.

        Returns
        -------
        dict, bytes
            The answer, and the output.

        Raises
        ------
        WardenLostError
            The warden ended, or did not answer though it was long overdue; it is dead now.
        """
        until, told = deadline + PATIENCE, False
        while not self._poll.poll(1000 * CANCEL_INTERVAL):
            if not told and cancelled():
                until, told = min(until, time.monotonic() + PATIENCE), True
                self._cancel()
            if time.monotonic() > until:
                self.kill()
                raise WardenLostError("the warden did not answer", overdue=True)
        message = warden.read_message(self._stdout.fileno())
        if message is None:
            self.kill()
            raise WardenLostError(f"the warden ended (exit code {self._process.returncode})")
        answer, output = message
        if answer["stuck"]:
            # It has told all it knows and ends; its folder stays for the next one.
            _LOG.error("warden %d: a process that was killed does not end", self.pid)
            self.kill()
        return answer, output

    def _cancel(self) -> None:
        try:
            warden.write_all(self._stdin.fileno(), warden.pack({"cancel": self._number}))
        except BrokenPipeError:
            _LOG.debug("warden %d has ended already; its last answer, or none, is in the pipe", self.pid)

    def kill(self) -> None:
        """End it at once, and leave the folder; the code it runs dies with it where the kernel helps."""
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def let_go(self) -> None:
        """Tell it to remove the folder and to end."""
        self._stdin.close()

    def join(self) -> None:
        """Wait for its end, after `let_go`."""
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            _LOG.error("warden %d does not end; it is killed", self.pid)
        self.kill()
