"""A slot's folder, read and written without trusting what a code left in it.

Every path is walked part by part from the folder's own descriptor, and no part may be a symbolic link: what
a code puts in the place of a folder cannot lead a write, a read or a removal elsewhere.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import weakref
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError
from stokeswarm.inversion.external.scratch import PRIVATE, told_when_full
from stokeswarm.inversion.external.warden import FOLDER_FLAGS, read_up_to, remove_tree, write_all

#: largest file that is read, where nobody says otherwise [bytes]
MAX_BYTES: Final = 16 * 2**20
MODE: Final = 0o600
Parts = tuple[str, ...]
#: device, inode, size, and the times of the last change of data and of status
Identity = tuple[int, ...]
_PART: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO that a code left must not keep the reader waiting.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: what opening says where there is no such regular file, and what read's caller is told about it
_REASONS: Final = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.ELOOP: "a symbolic link",
    errno.EMLINK: "a symbolic link",
    errno.EACCES: "not readable",
    errno.ENXIO: "not a regular file",
    errno.ENODEV: "not a regular file",
    errno.EOPNOTSUPP: "not a regular file",
}
#: what opening a folder says where there is none
_NO_FOLDER: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@lru_cache(maxsize=4096)
def parts_of(name: str) -> tuple[str, ...]:
    """Parts of a relative name.

    Raises
    ------
    InvalidArgumentError
        A part is empty, ``.``, ``..``, or holds other characters than A-Z a-z 0-9 . _ -
    """
    parts = tuple(name.split("/"))
    if not all(_PART.fullmatch(part) and part not in (".", "..") for part in parts):
        raise InvalidArgumentError(
            f"name of a file: expected A-Z a-z 0-9 . _ - in parts separated by '/', found {name!r}"
        )
    return parts


def as_bytes(data: bytes | str) -> bytes:
    """Text in UTF-8; bytes as they are."""
    return data.encode() if isinstance(data, str) else data


@dataclass(frozen=True, slots=True)
class _Static:
    """What `Folder.clean` leaves: a file (data), a link (target), or a folder (neither)."""

    data: bytes | None = None
    target: str | None = None
    identity: Identity = ()

    @property
    def is_folder(self) -> bool:
        return self.data is None and self.target is None


class Folder:
    """A folder, and the static files in it; used by one thread at a time.

    All names are relative, of parts of A-Z a-z 0-9 . _ - separated by ``/``; others raise
    `InvalidArgumentError`. What changes the folder raises `ScratchFullError` where there is no space left.

    Parameters
    ----------
    path : Path
        Of an existing folder.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._fd = os.open(path, FOLDER_FLAGS)
        # Not before the last user of this object is gone: the number would be another file's.
        weakref.finalize(self, os.close, self._fd)
        self._static: dict[Parts, _Static] = {}
        #: time of the first file written after the folder was cleaned [ns]; 0 = none
        self._begun = 0
        #: folders above static files, and static folders
        self._folders: set[Parts] = set()

    @property
    def gone(self) -> bool:
        """Whether somebody else removed the folder: nothing can be made in it any more."""
        return os.fstat(self._fd).st_nlink == 0

    # -- what every run has anew -------------------------------------------------------------------

    def write(self, name: str, data: bytes | str) -> None:
        """Write a new regular file in the place of whatever has that name; makes the folders above it.

        Raises
        ------
        InvalidArgumentError
            The name is not bare, or below a static file or link.
        ScratchFullError
            There is no space left; nothing of the file stays.
        """
        with told_when_full(self.path):
            identity = self._write(self._free(name), as_bytes(data))
        if not self._begun:
            self._begun = _time_of(identity)

    def enter(self, sub: str) -> None:
        """Make a folder, in the place of whatever is none."""
        self._free(f"{sub}/-")
        with told_when_full(self.path):
            self._leave(self._descend(parts_of(sub), make=True))

    def read(self, name: str, max_bytes: int = MAX_BYTES) -> bytes | None:
        """Read a regular file.

        Returns
        -------
        bytes or None
            None where it is absent, empty, larger than ``max_bytes``, older than the first file written since
            `clean`, not readable, or anything but a regular file in real folders; `explain` says which.
        """
        return self._read(name, max_bytes)[0]

    def explain(self, name: str, max_bytes: int = MAX_BYTES) -> str:
        """Why `read` gives None; empty where it does not."""
        return self._read(name, max_bytes)[1]

    def clean(self, sub: str = "") -> None:
        """Remove everything but what is static, which is renewed where anything happened to it.

        Parameters
        ----------
        sub : str
            Only in this folder, and what is static there; else everywhere.

        Raises
        ------
        FailedPreconditionError
            The folder itself was removed by someone else.
        """
        if self.gone:
            raise FailedPreconditionError(f"{self.path} was removed from outside")
        self._begun = 0
        if stat.S_IMODE(os.fstat(self._fd).st_mode) != PRIVATE:
            os.fchmod(self._fd, PRIVATE)
        base = parts_of(sub) if sub else ()
        whole: set[Parts] = set()
        with told_when_full(self.path):
            fd = self._descend(base, make=True)
            try:
                self._clear(fd, base, whole)
            finally:
                self._leave(fd)
            for parts, static in list(self._static.items()):
                if parts not in whole and parts[: len(base)] == base:
                    self._place(parts, static)

    # -- what stays --------------------------------------------------------------------------------

    def keep(self, name: str, data: bytes | str) -> None:
        """Write a file that stays: `clean` leaves it, and writes it again where anything happened to it."""
        self._add(name, _Static(data=as_bytes(data)))

    def link(self, name: str, target: Path) -> None:
        """Make a symbolic link that stays, for the codes alone: no name here can lead through it.

        Parameters
        ----------
        name : str
        target : Path
            Absolute: a file or folder of an installation. Never anything of a request.

        Raises
        ------
        InvalidArgumentError
            The target is relative.
        """
        if not target.is_absolute():
            raise InvalidArgumentError(f"target of a link: expected an absolute path, found {str(target)!r}")
        self._add(name, _Static(target=str(target)))

    def make(self, name: str) -> None:
        """Make a folder that stays; what is in it does not."""
        self._add(name, _Static())

    def reset(self) -> None:
        """Remove everything, static or not."""
        self._static.clear()
        self._folders.clear()
        self.clean()

    def _add(self, name: str, static: _Static) -> None:
        parts = self._free(name)
        with told_when_full(self.path):
            self._place(parts, static)
        self._folders.update(parts[:n] for n in range(1, len(parts)))
        if static.is_folder:
            self._folders.add(parts)

    def _place(self, parts: Parts, static: _Static) -> None:
        """Bring something static into being, and remember what it is known by."""
        identity: Identity = ()
        if static.data is not None:
            identity = self._write(parts, static.data)
        elif static.target is not None:
            identity = self._symlink(parts, static.target)
        else:
            self._leave(self._descend(parts, make=True))
        self._static[parts] = replace(static, identity=identity)

    def _free(self, name: str) -> Parts:
        """Parts of a name that can be written."""
        parts = parts_of(name)
        for n in range(1, len(parts)):
            above = self._static.get(parts[:n])
            if above is not None and not above.is_folder:
                raise InvalidArgumentError(f"{name!r} is below {'/'.join(parts[:n])!r}, which is static")
        return parts

    # -- walking -----------------------------------------------------------------------------------

    def _descend(self, parts: Parts, *, make: bool) -> int:
        """Descriptor of a folder below, to be given to `_leave`.

        Parameters
        ----------
        parts : tuple of str
        make : bool
            Make what is absent, in the place of whatever is no folder.
        """
        fd = self._fd
        for part in parts:
            above = fd
            try:
                fd = os.open(part, FOLDER_FLAGS, dir_fd=above)
            except OSError as error:
                if not make or error.errno not in _NO_FOLDER:
                    raise
                remove_tree(part, above)
                os.mkdir(part, PRIVATE, dir_fd=above)
                fd = os.open(part, FOLDER_FLAGS, dir_fd=above)
            finally:
                self._leave(above)
        return fd

    def _leave(self, fd: int) -> None:
        if fd != self._fd:
            os.close(fd)

    def _write(self, parts: Parts, data: bytes) -> Identity:
        name, above = parts[-1], self._descend(parts[:-1], make=True)
        try:
            try:
                fd = os.open(name, _WRITE, MODE, dir_fd=above)
            except FileExistsError:
                remove_tree(name, above)
                fd = os.open(name, _WRITE, MODE, dir_fd=above)
            try:
                write_all(fd, data)
                return _identity(os.fstat(fd))
            except OSError:
                os.unlink(name, dir_fd=above)
                raise
            finally:
                os.close(fd)
        finally:
            self._leave(above)

    def _symlink(self, parts: Parts, target: str) -> Identity:
        name, above = parts[-1], self._descend(parts[:-1], make=True)
        try:
            remove_tree(name, above)
            os.symlink(target, name, dir_fd=above)
            return _identity(os.stat(name, dir_fd=above, follow_symlinks=False))
        finally:
            self._leave(above)

    def _read(self, name: str, max_bytes: int) -> tuple[bytes | None, str]:
        parts = parts_of(name)
        try:
            above = self._descend(parts[:-1], make=False)
            try:
                fd = os.open(parts[-1], _READ, dir_fd=above)
            finally:
                self._leave(above)
        except OSError as error:
            if error.errno not in _REASONS:
                raise
            return None, _REASONS[error.errno]
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                return None, "not a regular file"
            if status.st_mtime_ns < self._begun and parts not in self._static:
                return None, "older than the run"
            if status.st_size > max_bytes:
                return None, f"larger than {max_bytes} bytes ({status.st_size})"
            data = read_up_to(fd, status.st_size)
        finally:
            os.close(fd)
        return (data, "") if data else (None, "empty")

    def _clear(self, fd: int, parts: Parts, whole: set[Parts]) -> None:
        """Empty a folder of what is not static; notes what is static and as it was."""
        for name in os.listdir(fd):
            found = (*parts, name)
            static = self._static.get(found)
            if found in self._folders:
                below = _open_folder(name, fd)
                if below is not None:
                    whole.add(found)
                    try:
                        self._clear(below, found, whole)
                    finally:
                        os.close(below)
                    continue
            elif static is not None:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if _identity(status) == static.identity:
                    whole.add(found)
                    continue
            remove_tree(name, fd)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _time_of(identity: Identity) -> int:
    """Modification time [ns] in what `_identity` gave."""
    return identity[3]


def _open_folder(name: str, parent: int) -> int | None:
    """Descriptor of a folder, made accessible; None where the name is anything else."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        return None
    if stat.S_IMODE(mode) != PRIVATE:
        os.chmod(name, PRIVATE, dir_fd=parent)
    return os.open(name, FOLDER_FLAGS, dir_fd=parent)
