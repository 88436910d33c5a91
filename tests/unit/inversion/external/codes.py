"""External codes for the tests: each act is one thing that a real code might do.

Run as ``python -I -S codes.py ACT …``. It is a test double, and computes nothing.
"""

# pathlib would double the time of a start.
# ruff: noqa: PTH104, PTH109, PTH123, PTH208

import os
import resource
import signal
import sys


def note(name: str, pid: int) -> None:
    """Leave a process identifier in a file that is there only when it is complete."""
    with open(name + ".part", "w") as file:
        file.write(str(pid))
    os.rename(name + ".part", name)


def for_ever() -> None:
    while True:
        signal.pause()


def offspring(*, session: bool, orphan: bool, name: str = "child") -> None:
    """Fork a process that stays, in a session of its own or not, with a living parent or not; it has left its
    number when this returns."""
    ready, tell = os.pipe()
    if orphan and (pid := os.fork()):
        os.waitpid(pid, 0)
        os.read(ready, 1)
        return
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(name, os.getpid())
        os.write(tell, b"\n")
        for_ever()
    if orphan:
        os._exit(0)
    os.read(ready, 1)


def main(act: str, *rest: str) -> None:
    if act == "echo":
        sys.stdout.write(sys.stdin.read())
    elif act == "exit":
        sys.exit(int(rest[0]))
    elif act == "environment":
        for name in sorted(os.environ):
            print(f"{name}={os.environ[name]}")
        print(os.getcwd())
    elif act == "inherited":
        print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1])
        numbers = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        with open("/proc/self/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        ignored, blocked = int(fields["SigIgn"], 16), int(fields["SigBlk"], 16)
        # Python ignores the first two itself, after it was started.
        print([bool(ignored >> (number - 1) & 1) for number in numbers[2:]], blocked)
        print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
        print(os.getsid(0) == os.getpid())
    elif act == "both":
        os.write(1, b"out\n")
        os.write(2, b"err\n")
    elif act == "signal":
        os.kill(os.getpid(), int(rest[0]))
    elif act == "hang":
        print("still here", flush=True)
        note(rest[0] if rest else "pid", os.getpid())
        for_ever()
    elif act == "stubborn":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        note("pid", os.getpid())
        for_ever()
    elif act == "spin":
        while True:
            pass
    elif act == "large":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        with open("large", "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
    elif act == "greedy":
        bytearray(int(rest[0]))
        print("granted")
    elif act == "flood":
        os.write(1, b"FIRST\n")
        for _ in range(int(rest[0])):
            os.write(1, b"x" * 99999 + b"\n")
        os.write(2, b"LAST\n")
    elif act == "leave":  # a child, whose parent ends
        offspring(session="session" in rest, orphan="orphan" in rest)
        print("done")
    elif act == "family":  # the same, and stay
        offspring(session=True, orphan=False)
        note(rest[0] if rest else "pid", os.getpid())
        for_ever()
    elif act == "double":
        with open("in") as file:
            text = file.read()
        with open("out", "w") as file:
            file.write(text * 2)
    else:
        sys.exit(f"unknown act {act}")


if __name__ == "__main__":
    main(*sys.argv[1:])
