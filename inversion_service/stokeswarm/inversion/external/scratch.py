"""A server's private folder for what external codes read and write: in memory where there is room."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, StokeswarmError
from stokeswarm.inversion.external.strays import kill_strays
from stokeswarm.inversion.external.warden import FOLDER_FLAGS, remove_tree

_LOG = logging.getLogger(__name__)

#: environment variable: the folder to make scratch folders in
VARIABLE: Final = "STOKESWARM_SCRATCH"
#: a file system in memory, on Linux
MEMORY: Final = Path("/dev/shm")  # noqa: S108  # our folder in it is private and its name is random
#: bytes that must be free in it, or a container's usual 64 MiB would be filled by one large output
ROOMY: Final = 256 * 2**20
#: what a full file system says
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
PRIVATE: Final = 0o700
#: times that another server may come between the making of a folder and its lock
TRIES: Final = 20


class ScratchFullError(StokeswarmError, OSError):
    """The scratch's file system is full; says which, and what to do."""


@contextmanager
def told_when_full(where: object) -> Iterator[None]:
    """Turn "no space left" into `ScratchFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise ScratchFullError(
            f"the scratch is full ({where}): free some space, or set {VARIABLE} to a folder with more"
        ) from error


class Scratch:
    """Folders of one server's slots, removed in the end; and those of dead servers, removed at the start.

    The folder is this user's alone, and locked for as long as the server lives: the kernel gives the lock
    back however the server ends, so that a folder without a lock is a dead server's.

    Parameters
    ----------
    name : str
        Of the engine.
    base : Path, optional
        Where to make it; else what `VARIABLE` names, else memory if it has room, else the system's folder
        for temporary files.

    Raises
    ------
    FailedPreconditionError
        Nothing can be made there.
    """

    def __init__(self, name: str, base: Path | None = None) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", name):
            raise FailedPreconditionError(f"name of an engine: expected a-z, 0-9 and '-', found {name!r}")
        self.base: Final = _base() if base is None else base.absolute()
        self._guard = threading.Lock()
        remove_stale(self.base)
        self._begin = f"{_prefix()}{name}-"
        self.root, self._lock = _make(self.base, self._begin)
        self._closed = False

    def slot(self, number: int) -> Path:
        """Folder of a slot, made where it is absent.

        Raises
        ------
        ScratchFullError
            There is no space left.
        FailedPreconditionError
            The scratch is closed.
        """
        with self._guard, told_when_full(self.root):
            if self._closed:
                raise FailedPreconditionError(f"the scratch {self.root} is closed")
            if os.fstat(self._lock).st_nlink == 0:
                _LOG.warning("the scratch %s was removed from outside; another one is made", self.root)
                os.close(self._lock)
                self.root, self._lock = _make(self.base, self._begin)
            folder = self.root / f"slot-{number:d}"
            folder.mkdir(mode=PRIVATE, exist_ok=True)
        return folder

    def close(self) -> None:
        """Remove everything. May be called again, and from any thread."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            try:
                remove_tree(str(self.root))
            except OSError as error:
                _LOG.warning("%s cannot be removed: %s; the next server will", self.root, error)
            finally:
                os.close(self._lock)


def remove_stale(base: Path) -> list[Path]:
    """Remove this user's scratch folders whose server is dead, and end what still runs for them.

    Returns
    -------
    list of Path
        What was removed.
    """
    pattern = re.compile(re.escape(_prefix()) + r"[a-z0-9-]+-[0-9a-f]{16}")
    removed = []
    try:
        paths = [path for path in base.iterdir() if pattern.fullmatch(path.name)]
    except OSError as error:
        raise FailedPreconditionError(
            f"{base} cannot be read: {error.strerror}; set {VARIABLE} to another folder for scratch files"
        ) from error
    for path in paths:
        fd = _lock(path)
        if fd is None:
            continue
        try:
            if not kill_strays(str(path)):
                _LOG.error("scratch %s of a dead server: a process in it cannot be ended", path)
            remove_tree(str(path))
            removed.append(path)
            _LOG.info("removed the scratch of a dead server: %s", path)
        except OSError as error:
            _LOG.warning("the scratch %s of a dead server cannot be removed: %s", path, error)
        finally:
            os.close(fd)
    return removed


def _prefix() -> str:
    return f"stokeswarm-{os.geteuid()}-"


def _base() -> Path:
    value = os.environ.get(VARIABLE, "").strip()
    if value:
        path = Path(value).expanduser().absolute()
        if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
            raise FailedPreconditionError(
                f"{VARIABLE}={value}: expected a folder that this user can write in"
            )
        return path
    if os.access(MEMORY, os.W_OK | os.X_OK):
        status = os.statvfs(MEMORY)
        if status.f_bavail * status.f_frsize >= ROOMY:
            return MEMORY
    return Path(tempfile.gettempdir())


def _make(base: Path, prefix: str) -> tuple[Path, int]:
    """Make a new folder and lock it."""
    for _ in range(TRIES):
        path = base / f"{prefix}{secrets.token_hex(8)}"
        try:
            with told_when_full(base):
                path.mkdir(mode=PRIVATE)
        except ScratchFullError:
            raise
        except OSError as error:
            raise FailedPreconditionError(
                f"no scratch folder can be made in {base}: {error.strerror}; set {VARIABLE} to another folder"
            ) from error
        fd = _lock(path)
        if fd is not None:
            return path, fd
        # Another server that was just looking for stale folders came between, and has removed it.
    raise FailedPreconditionError(f"{base}: none of {TRIES} new folders could be locked; set {VARIABLE}")


def _lock(path: Path) -> int | None:
    """Lock a folder of this user; None where that is held, gone, another user's, or no folder at all.

    Raises
    ------
    FailedPreconditionError
        The file system has no locks.
    """
    try:
        fd = os.open(path, FOLDER_FLAGS)
    except OSError:
        return None
    locked = False
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Removed by another server between the two calls, it would be locked but no longer there.
            locked = os.path.samestat(os.fstat(fd), path.lstat())
    except (BlockingIOError, FileNotFoundError):
        locked = False
    except OSError as error:
        raise FailedPreconditionError(
            f"{path} cannot be locked: {error.strerror}; set {VARIABLE} to a folder of a local file system"
        ) from error
    finally:
        if not locked:
            os.close(fd)
    return fd if locked else None
