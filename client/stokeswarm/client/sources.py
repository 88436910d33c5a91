"""Where input bytes come from: local paths and fsspec URLs behind one small interface."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec

from stokeswarm.contract.errors import (
    AccessDeniedError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)

T = TypeVar("T")

_BLOCK: Final = 1 << 22
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class ReadError(InvalidArgumentError):
    """An input file is not what a reader can use; the message names the file, what was expected and found."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one input from another: recorded with results, compared on resume.

    Attributes
    ----------
    source : str
        Path or URL as the user gave it, without credentials.
    size : int
        Bytes.
    modified : str
        ISO 8601 in UTC; empty where the file system does not say.
    sha256 : str
        Of the file's bytes (of a Zarr group: of its arrays).
    """

    source: str
    size: int
    modified: str
    sha256: str

    def as_dict(self) -> dict[str, str | int]:
        """The attributes, for a JSON document."""
        return {
            "source": self.source,
            "size": self.size,
            "modified": self.modified,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder, local or remote.

    Attributes
    ----------
    name : str
        Path or URL as given.
    filesystem : Any
        The fsspec file system.
    path : str
        Path inside it.
    is_local : bool
    """

    name: str
    filesystem: Any = field(repr=False)
    path: str = ""
    is_local: bool = True

    @property
    def display(self) -> str:
        """The name without user, password and query of a URL, safe for logs and stores."""
        if self.is_local:
            return self.name
        return re.sub(r"\?.*$", "", re.sub(r"(://)[^/@]*@", r"\1", self.name))

    @property
    def suffix(self) -> str:
        """File name extension in lower case, with its dot; ``.fits`` also for ``.fits.gz``."""
        name = self.path.rstrip("/").rsplit("/", 1)[-1].lower().removesuffix(".gz")
        return "." + name.rsplit(".", 1)[1] if "." in name else ""

    def is_directory(self) -> bool:
        """Whether it is a folder (a Zarr group, a level-1 directory)."""
        return bool(self.filesystem.isdir(self.path))

    def entries(self) -> list[str]:
        """Names of the files in the folder."""
        return sorted(
            str(path).rstrip("/").rsplit("/", 1)[-1] for path in self.filesystem.ls(self.path, False)
        )

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The file, opened for reading bytes.

        Raises
        ------
        NotFoundError, AccessDeniedError, UnavailableError
            It does not exist, may not be read, or its file system failed.
        """
        with _translated(self.display), self.filesystem.open(self.path, "rb") as file:
            yield file

    def read_bytes(self, count: int = -1) -> bytes:
        """The file's first bytes, or all of them."""
        with self.open() as file:
            return bytes(file.read(count))

    def read_text(self) -> str:
        """The whole file as text (UTF-8, or Latin-1 where it is not; the field's files carry both).

        Raises
        ------
        ReadError
            The file is binary.
        """
        data = self.read_bytes()
        if b"\0" in data:
            raise ReadError(f"{self.display}: expected a text file, found binary data")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def identity(self) -> Identity:
        """Size, time of change and SHA-256 of the file."""
        digest, size = hashlib.sha256(), 0
        with self.open() as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        return Identity(self.display, size, self.modified(), digest.hexdigest())

    def modified(self) -> str:
        """Time of change, ISO 8601 UTC; empty where the file system does not say."""
        try:
            moment = self.filesystem.modified(self.path)
        except (NotImplementedError, FileNotFoundError, KeyError, IsADirectoryError):
            return ""
        return str(moment.astimezone(datetime.UTC).isoformat(timespec="seconds"))

    def sibling(self, name: str) -> Source:
        """A file beside this one."""
        folder = self.path.rstrip("/").rsplit("/", 1)[0] if "/" in self.path else ""
        path = f"{folder}/{name}" if folder else name
        protocol = "" if self.is_local else self.name.split("://", 1)[0] + "://"
        return Source(protocol + path, self.filesystem, path, self.is_local)

    def child(self, name: str) -> Source:
        """A file inside this folder."""
        path = f"{self.path.rstrip('/')}/{name}"
        return Source(f"{self.name.rstrip('/')}/{name}", self.filesystem, path, self.is_local)

    def exists_inside(self, name: str) -> bool:
        """Whether the folder holds a file of that name."""
        return self.child(name).exists()

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return bool(self.filesystem.exists(self.path))


def source(place: str | os.PathLike[str]) -> Source:
    """A path or fsspec URL as a `Source`.

    Raises
    ------
    NotFoundError
        It does not exist.
    InvalidArgumentError
        The URL's protocol is unknown or its driver is not installed.
    """
    name = os.fspath(place)
    if not name:
        raise InvalidArgumentError("input: expected a path or URL, found an empty text")
    is_local = _URL.match(name) is None
    try:
        filesystem, path = fsspec.core.url_to_fs(str(Path(name).expanduser()) if is_local else name)
    except (ValueError, ImportError) as error:
        raise InvalidArgumentError(f"{name}: {error}") from error
    found = Source(name, filesystem, str(path), is_local)
    with _translated(found.display):
        if not found.exists():
            raise NotFoundError(f"{found.display}: no such file or folder")
    return found


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """The file system's errors as ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise ReadError(f"{name}: expected a file, found a folder") from error
    except PermissionError as error:
        if isinstance(error, AccessDeniedError):
            raise
        raise AccessDeniedError(f"{name}: not allowed to read it") from error
    except ConnectionError as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(f"{name}: {error}") from error


def load(place: str | os.PathLike[str], parse: Callable[[str, str], T]) -> T:
    """Open a file and parse it.

    Parameters
    ----------
    place : path or fsspec URL
    parse : callable
        (text, name for messages) → what the file holds, e.g. a parser of `stokeswarm.contract.sir_files`.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidArgumentError
        The parser's, where the file does not have its format.
    """
    file = source(place)
    return parse(file.read_text(), file.display)
