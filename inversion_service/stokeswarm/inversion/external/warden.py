"""The warden of a slot: starts one external code at a time, and leaves nothing of it behind.

It is a process of its own, run by path as ``python -I -S warden.py FOLDER USE_PRCTL LIMITS``: standard
library only, one thread, small, so that forking it is quick and what happens between fork and exec is safe.
The server's end is `stokeswarm.inversion.external.wardens`.

Messages
--------
Requests come in on standard input, answers leave on standard output. A message is two big-endian unsigned
32-bit integers, the lengths of what follows: a JSON object, and bytes.

``{"run": n, "argv": […], "cwd": path, "environment": {…}, "seconds": s or null, "cpu": s or null}``, and
the code's standard input: start a code, which may take that many seconds of wall and of processor time.
``{"cancel": n}``: end run n now; ignored if it has ended by itself.

The answer, once nothing of run n is alive: ``{"run": n, "ending": "exited" | "signalled" | "timed out" |
"cancelled" | "refused", "code": …, "cpu_seconds": …, "memory_bytes": …, "started": …, "ended": …, "size": …,
"stuck": …}``, and the output: all of it, or its first and last `OUTPUT_KEPT` bytes where ``size`` is larger.
The times are of the monotonic clock, which all processes of a machine share. ``refused``: the code could not
be started, the bytes say why. ``stuck``: a process survived SIGKILL for `STUCK_SECONDS`; the warden ends too.

End of file on standard input means that the server is gone, however it went: the warden kills what runs,
removes its slot's folder, and the scratch's folder too if that is empty then, and ends.
"""

# Importing pathlib would double the time of a start, and it cannot work below an open folder.
# ruff: noqa: PTH106, PTH108, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import resource
import select
import signal
import stat
import struct
import sys
import time

# Importing typing would make each start slower; type checkers know this name.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

#: bytes of a longer output that are kept of its beginning and of its end, each (SIR: 6 kB a cycle)
OUTPUT_KEPT = 32768
#: how long a killed process may take to disappear [s]
STUCK_SECONDS = 5.0
#: the longest wait of one poll [s]
LONG = 3600.0
#: of <sys/prctl.h> of Linux
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
#: of /proc/PID/oom_score_adj: rather this process than the server
OOM_SCORE = b"500"
#: signals that a handler catches and does nothing about; were they ignored, the code would ignore them, too.
#: The first wakes the poll; the next two come with an error anyway; the others, of a terminal or a service
#: manager, are for the server, whose end the warden notices.
CAUGHT = (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGKILL = int(signal.SIGKILL)
STDIN, STDOUT, STDERR = 0, 1, 2
#: most bytes of one read: a buffer of that size is made for it
BLOCK = 1 << 20
LENGTHS = struct.Struct(">II")
#: exit code of a child that could not become the code; the reason is in its own pipe
NOT_STARTED = 127
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: bytes per unit of ru_maxrss (getrusage(2) of Linux and of macOS)
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


# -- what the server uses, too ---------------------------------------------------------------------


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """Bytes of a message."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), len(payload)) + text + payload


def read_message(fd: int) -> tuple[dict[str, Any], bytes] | None:
    """Next message of a pipe as header and payload; None at its end, also where that cuts a message short."""
    lengths = read_up_to(fd, LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    n_header, n_payload = LENGTHS.unpack(lengths)
    body = read_up_to(fd, n_header + n_payload)
    if len(body) < n_header + n_payload:
        return None
    return json.loads(body[:n_header]), body[n_header:]


def read_up_to(fd: int, size: int) -> bytes:
    """Read some bytes, fewer only where the end comes before."""
    parts = []
    while size and (part := os.read(fd, min(size, BLOCK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Write all of some bytes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def remove_tree(name: str, parent: int | None = None) -> None:
    """Remove a file, or a folder and what is in it; never follows a link. What is absent is well removed.

    Parameters
    ----------
    name : str
    parent : int, optional
        Descriptor of the folder that ``name`` is in.
    """
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):  # of a folder; macOS says the latter
        try:
            mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                raise
            _remove_folder(name, parent, mode)
        except FileNotFoundError:
            return  # a warden and a new server may both be removing what a dead server left


def _remove_folder(name: str, parent: int | None, mode: int) -> None:
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        # Nothing can put a link in its place meanwhile: whatever wrote here has ended.
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
    fd = os.open(name, FOLDER_FLAGS, dir_fd=parent)
    try:
        for entry in os.listdir(fd):
            remove_tree(entry, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)


def processes() -> Iterator[int]:
    """Identifiers of all processes; none where there is no /proc."""
    try:
        entries = os.listdir("/proc")
    except OSError:
        return
    for entry in entries:
        if entry.isdecimal():
            yield int(entry)


# -- the warden ------------------------------------------------------------------------------------


def parent_of(pid: int) -> int | None:
    """Identifier of a process's parent; None where the process has disappeared."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # "pid (command) state parent …", and the command may hold blanks and brackets
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def anonymous_file(folder: str) -> int:
    """Descriptor of an empty file without a name: in memory where the system can, else in a folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stokeswarm")
    path = os.path.join(folder, f".warden-{os.getpid()}")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def set_limits(limits: dict[str, int]) -> None:
    """Lower the own limits for good, but raise the stack's; named as in ``resource``, less the prefix."""
    for name, value in limits.items():
        which = getattr(resource, "RLIMIT_" + name)
        soft, hard = resource.getrlimit(which)
        wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
        if name == "STACK":
            # A wrapper script may well ask for more, and a code may need what the server was given.
            new = (soft if soft == resource.RLIM_INFINITY else max(soft, wanted), hard)
        else:
            new = (wanted, wanted)
        try:
            resource.setrlimit(which, new)
        except (OSError, ValueError):
            if sys.platform == "linux":
                raise
            # Other systems know not every limit; a code runs without it there.


def limit_cpu(seconds: int) -> None:
    """Let SIGXCPU end this process after some seconds of the processor, and SIGKILL one that ignores it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or seconds < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def nothing(number: int, frame: object) -> None:
    """Handle a signal by having been interrupted."""


def pipe_without_waiting() -> tuple[int, int]:
    """Both ends of a pipe that neither a reader nor a writer waits for."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def kill_group(pid: int) -> None:
    """Kill a process group, if it is there."""
    try:
        os.killpg(pid, SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # not made yet, or empty: macOS refuses where it holds only a zombie


def prefer_when_memory_is_short() -> None:
    """Let the kernel choose this process rather than the server when it must free memory."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # a container's /proc may be read-only, other systems have none
    os.write(fd, OOM_SCORE)
    os.close(fd)


class Warden:
    """Runs codes for one slot, one at a time.

    All that codes have in common is set up here and inherited: between a fork and the code itself, each
    line costs more than anywhere else, for every page of memory that it touches must be copied.

    Parameters
    ----------
    folder : str
        The slot's; removed in the end.
    use_prctl : bool
        Whether this is Linux, where a process can adopt orphans, and be killed when its parent dies.
    limits : dict
        Of every code, but for the time.
    """

    def __init__(self, folder: str, use_prctl: bool, limits: dict[str, int]) -> None:
        self.folder = folder
        self.pid = os.getpid()
        self.prctl = ctypes.CDLL(None, use_errno=True).prctl if use_prctl else None
        if self.prctl is not None and self.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
        # The code is to get descriptors 0 to 2: with all three taken, nothing else can land there.
        while (null := os.open(os.devnull, os.O_RDWR)) < 3:
            continue
        os.close(null)
        self.requests, self.answers = os.dup(0), os.dup(1)
        os.dup2(anonymous_file(folder), STDIN)
        os.dup2(anonymous_file(folder), STDOUT)
        # A child that cannot become the code says why; becoming it closes its end.
        self.reason, self.report = pipe_without_waiting()
        # The end of a child wakes the poll: C's handler writes a byte, Python's only has to be there.
        self.wake, wakeup = pipe_without_waiting()
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in CAUGHT:
            signal.signal(number, nothing)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self.poll = select.poll()
        self.poll.register(self.requests, select.POLLIN)
        self.poll.register(self.wake, select.POLLIN)
        self.gone = False
        self.cancelled: int | None = None
        prefer_when_memory_is_short()
        set_limits(limits)
        gc.freeze()

    def serve(self) -> None:
        """Answer requests until the server is gone, then clean up."""
        while not self.gone:
            message = read_message(self.requests)
            if message is None:
                break
            request, payload = message
            if "run" not in request:
                continue  # to cancel a run that has ended
            answer, output = self.run(request, payload)
            try:
                write_all(self.answers, pack(answer, output))
            except BrokenPipeError:
                break
            if answer["stuck"]:
                return
        self.sweep()
        remove_tree(self.folder)
        try:
            os.rmdir(os.path.dirname(self.folder))
        except OSError as error:
            # Other slots' folders are still there, or another warden or the server was quicker.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise

    def run(self, request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a code; returns the answer and the output."""
        now = time.monotonic()
        answer: dict[str, Any] = {"run": request["run"], "ending": "refused", "code": NOT_STARTED}
        answer |= {"cpu_seconds": 0.0, "memory_bytes": 0, "started": now, "ended": now, "stuck": False}
        try:
            self.start(request, payload, answer)
            output = self.refusal()
        except OSError as error:  # no memory, no processes, no such folder
            output = str(error).encode()
        answer["stuck"] = not self.sweep() or answer["stuck"]
        if output:
            answer["ending"] = "refused"
        size = len(output)
        if answer["ending"] != "refused":
            size = os.fstat(STDOUT).st_size
            output = os.pread(STDOUT, min(size, 2 * OUTPUT_KEPT), 0)
            if size > len(output):
                output = output[:OUTPUT_KEPT] + os.pread(STDOUT, OUTPUT_KEPT, size - OUTPUT_KEPT)
            os.ftruncate(STDOUT, 0)  # it is memory
        return answer | {"size": size}, output

    def start(self, request: dict[str, Any], payload: bytes, answer: dict[str, Any]) -> None:
        """Start a code, and wait for its end; fills the answer."""
        os.lseek(STDIN, 0, os.SEEK_SET)
        os.ftruncate(STDIN, 0)
        write_all(STDIN, payload)
        os.lseek(STDIN, 0, os.SEEK_SET)
        os.lseek(STDOUT, 0, os.SEEK_SET)
        os.chdir(request["cwd"])
        argv, environment, cpu = request["argv"], request["environment"], request["cpu"]
        answer["started"] = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self.become(argv, environment, cpu)
        self.watch(request, pid, answer)

    def become(self, argv: list[str], environment: dict[str, str], cpu: int | None) -> NoReturn:
        """In the child: become the code."""
        try:
            os.setsid()
            if self.prctl is not None:
                self.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
                if os.getppid() != self.pid:
                    os._exit(NOT_STARTED)  # the warden died before the line above
            if cpu is not None:
                limit_cpu(cpu)
            os.dup2(STDOUT, STDERR)
            os.execve(argv[0], argv, environment)  # noqa: S606  # no shell is meant
        except BaseException as error:  # noqa: BLE001  # nothing may return into the warden's own code
            os.write(self.report, str(error).encode(errors="replace")[:512])
        finally:
            os._exit(NOT_STARTED)

    def refusal(self) -> bytes:
        """Why the last child could not become the code; empty where it did."""
        try:
            return os.read(self.reason, 512)
        except BlockingIOError:
            return b""

    def watch(self, request: dict[str, Any], pid: int, answer: dict[str, Any]) -> None:
        """Wait for the code's end, and bring it about where it must be; fills the answer."""
        seconds = request["seconds"]
        until = float("inf") if seconds is None else answer["started"] + seconds
        ending = ""
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            now = time.monotonic()
            if ended:
                break
            if ending and now >= until:
                answer |= {"ending": ending, "code": SIGKILL, "ended": now, "stuck": True}
                return
            if not ending:
                if now >= until:
                    ending = "timed out"
                elif self.gone or self.cancelled == request["run"]:
                    ending = "cancelled"
                if ending:
                    os.kill(pid, SIGKILL)
                    kill_group(pid)
                    until = now + STUCK_SECONDS
            self.pause(until - now)
        if self.prctl is None:
            # Nobody adopts orphans here, but those that stayed in the code's group can still be ended. Its
            # number is free again if the group is empty; systems hand out all others before that one.
            kill_group(pid)
        code = os.waitstatus_to_exitcode(status)
        answer["ending"] = ending or ("signalled" if code < 0 else "exited")
        answer["code"] = abs(code)
        answer["ended"] = now
        answer["cpu_seconds"] = usage.ru_utime + usage.ru_stime
        answer["memory_bytes"] = usage.ru_maxrss * MAXRSS_UNIT

    def pause(self, seconds: float) -> None:
        """Wait until a child ends or the server says something, no longer than some seconds."""
        # Rounded up, or the last millisecond before a deadline would be spent asking.
        for fd, _ in self.poll.poll(int(1000 * min(max(seconds, 0.0), LONG)) + 1):
            if fd == self.wake:
                os.read(self.wake, 4096)
                continue
            message = read_message(self.requests)
            if message is None:
                self.gone = True
                self.poll.unregister(self.requests)
            else:
                self.cancelled = message[0]["cancel"]

    def sweep(self) -> bool:
        """Kill all that the code left; returns whether that worked.

        The children of whatever is killed become the warden's in turn, so that none is left in the end.
        """
        until = time.monotonic() + STUCK_SECONDS
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                return True
            if time.monotonic() >= until:
                return False
            for pid in processes():
                if parent_of(pid) == self.pid:
                    os.kill(pid, SIGKILL)
            if select.select([self.wake], [], [], 0.05)[0]:
                os.read(self.wake, 4096)


def main(arguments: list[str]) -> None:
    """Be the warden of a slot's folder."""
    folder, use_prctl, limits = arguments
    warden = Warden(folder, use_prctl == "1", json.loads(limits))
    try:
        warden.serve()
    finally:
        warden.sweep()


if __name__ == "__main__":
    main(sys.argv[1:])
