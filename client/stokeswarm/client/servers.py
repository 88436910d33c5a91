"""The two servers as child processes on loopback: the laptop is a cluster of one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from stokeswarm.contract.errors import InvalidArgumentError, UnavailableError

#: seconds until a server must be ready: the first start compiles the LTE engine
READY_SECONDS: Final = 600.0
#: seconds that a server has to end after SIGTERM before it is killed
END_SECONDS: Final = 10.0
#: lines of a log that an error message quotes
TAIL_LINES: Final = 15
#: how each server is started; the servers belong to other packages, which are not imported here
_ENTRY: Final = {
    "inversion": "import sys; from stokeswarm.inversion.cli import main; sys.exit(main())",
    "inference": "import sys; from stokeswarm.inference.cli import main; sys.exit(main())",
}


class LocalServer:
    """A child process that serves on loopback; it ends with this process, whatever ends that.

    Parameters
    ----------
    kind : str
        ``inversion`` or ``inference``.
    arguments : sequence of str
        Further options of its ``serve`` command.
    folder : Path
        Where its log goes.
    entry : str, optional
        Python that runs the command line; None = the server of that kind.
    """

    def __init__(
        self, kind: str, arguments: tuple[str, ...], folder: Path, *, entry: str | None = None
    ) -> None:
        self.kind = kind
        self.log = folder / f"{kind}.log"
        # One thread a slot is the parallelism; libraries that start their own would fight for the same cores.
        single = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = os.environ | dict.fromkeys(single, "1") | {"PYTHONUNBUFFERED": "1"}
        command = [
            sys.executable,
            "-c",
            entry or _ENTRY[kind],
            "serve",
            "--port",
            "0",
            "--exit-with-parent",
            *arguments,
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                # Ctrl-C in a terminal reaches the whole group; the client decides when its servers end.
                start_new_session=True,
                text=True,
            )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name=f"{kind}-stdout", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream: IO[str] | None = self._process.stdout
        if stream is not None:
            with contextlib.suppress(ValueError):  # closed by `stop` while a line was awaited
                for line in stream:
                    self._lines.put(line)
        self._lines.put(None)

    def address(self, timeout: float = READY_SECONDS) -> str:
        """Wait until the server says that it is ready; where it listens.

        Raises
        ------
        UnavailableError
            It ended, or is not ready in time; the message quotes its log.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise UnavailableError(
                    f"the local {self.kind} server was not ready within {timeout:g} s{self.tail()}"
                ) from None
            if line is None:
                code = self._process.wait()
                raise UnavailableError(
                    f"the local {self.kind} server ended while it started (exit code {code}){self.tail()}"
                )
            if line.startswith("READY "):
                return str(json.loads(line.removeprefix("READY "))["address"])

    def check(self) -> None:
        """Raise where the process has ended.

        Raises
        ------
        UnavailableError
            It has; the message quotes its log.
        """
        code = self._process.poll()
        if code is not None:
            raise UnavailableError(
                f"the local {self.kind} server ended unexpectedly (exit code {code}){self.tail()}"
            )

    def tail(self) -> str:
        """Last lines of the log, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        quoted = "".join(f"\n  | {line}" for line in lines)
        return f"; its log ({self.log}) ends:{quoted}" if lines else f"; its log ({self.log}) is empty"

    def stop(self) -> None:
        """End the server: SIGTERM, then SIGKILL where it does not listen."""
        self._process.terminate()
        # Its output ends with it; Popen.wait would look only every now and then.
        self._reader.join(END_SECONDS)
        try:
            self._process.wait(0.0 if self._reader.is_alive() else END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class LocalServers:
    """The local servers of one cluster, started when they are first asked for.

    Parameters
    ----------
    slots : int or None
        Of the inversion server; None = its default, one a core.
    engines : sequence of str
        That the inversion server loads; empty = all. What no run asks for need not be compiled and tested.

    Raises
    ------
    InvalidArgumentError
        There is no slot.
    """

    def __init__(self, slots: int | None = None, engines: Sequence[str] = ()) -> None:
        if slots is not None and slots < 1:
            raise InvalidArgumentError(f"slots: expected at least 1, found {slots}")
        self._arguments = {
            "inversion": (
                *(() if slots is None else ("--slots", str(slots))),
                *(argument for name in engines for argument in ("--engine", name)),
            ),
            "inference": ("--workers", "1", "--drain-seconds", "0"),
        }
        self._folder: Path | None = None
        self._servers: dict[str, LocalServer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_logs=False)

    def begin(self, kind: str) -> LocalServer:
        """Start a server (once); it becomes ready while the caller does something else."""
        if kind not in self._servers:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="stokeswarm-"))
            self._servers[kind] = LocalServer(kind, self._arguments[kind], self._folder)
        return self._servers[kind]

    def check(self) -> None:
        """Raise where a started server has ended."""
        for server in self._servers.values():
            server.check()

    def stop(self, *, keep_logs: bool) -> None:
        """End every server; the logs stay where something went wrong."""
        for server in self._servers.values():
            server.stop()
        self._servers.clear()
        if self._folder is not None and not keep_logs:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
