"""Finding the programs of an installation by environment variable, and knowing which program it was."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError

#: where in an installation's folder a program may be
PLACES: Final = ("", "bin")


@dataclass(frozen=True, slots=True)
class Executable:
    """A program of an installation.

    Attributes
    ----------
    path : Path
        Absolute.
    digest : str
        sha256 of the file, 64 hexadecimal digits.
    folder : Path
        The installation: the folder that the variable names, or the one that the file is in.
    """

    path: Path
    digest: str
    folder: Path

    def beside(self, *names: str) -> Executable:
        """Another program of the same installation.

        Parameters
        ----------
        *names : str
            Names it may have, best first; relative to the installation's folder, to ``bin`` in it, or to
            the folder of this program.

        Raises
        ------
        FailedPreconditionError
            None of them is there and can be executed.
        """
        folders = [self.folder / place for place in PLACES] + [self.path.parent]
        return _first(folders, names, self.folder, f"the installation of {self.path}")


def find(variable: str, names: Sequence[str], environment: Mapping[str, str] | None = None) -> Executable:
    """Find the program that an environment variable points at.

    Parameters
    ----------
    variable : str
        Its value is the program's path, or the installation's folder.
    names : sequence of str
        Names of the program in an installation's folder, or in ``bin`` in it; the first that is there counts.
    environment : mapping, optional
        The process's own where not given.

    Raises
    ------
    FailedPreconditionError
        The variable is unset, or what it names is not there or cannot be executed; says what to do.
    """
    environment = os.environ if environment is None else environment
    value = environment.get(variable, "").strip()
    if not value:
        raise FailedPreconditionError(
            f"{variable} is not set: set it to the path of {names[0]}, or to the folder it is installed in"
        )
    path = Path(value).expanduser().absolute()
    if path.is_dir():
        return _first([path / place for place in PLACES], names, path, f"{variable}={value}")
    reason = _unusable(path)
    if reason:
        raise FailedPreconditionError(
            f"{variable}={value}: {reason}; expected the path of {names[0]}, or the folder it is installed in"
        )
    return Executable(path, _digest_of(path), path.parent)


def installations(variable: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Find the installations of a code that are side by side: ``VARIABLE``, and each ``VARIABLE_NAME``.

    Parameters
    ----------
    variable : str
        Such as ``STOKESWARM_SIR``.
    environment : mapping, optional
        The process's own where not given.

    Returns
    -------
    dict
        Name of the installation, in lower case with hyphens, → its variable; the name of ``VARIABLE``
        itself is empty. In alphabetical order. A variable that is set to nothing is left out, and so is one
        that differs from an earlier one in case only.
    """
    environment = os.environ if environment is None else environment
    pattern = re.compile(re.escape(variable) + r"(?:_([A-Za-z0-9][A-Za-z0-9_]*))?")
    found: dict[str, str] = {}
    for key in sorted(environment):
        match = pattern.fullmatch(key)
        if match and environment[key].strip():
            found.setdefault((match[1] or "").lower().rstrip("_").replace("_", "-"), key)
    return found


def _first(folders: Sequence[Path], names: Sequence[str], folder: Path, where: str) -> Executable:
    """Of the names in the folders, the first that can be executed."""
    reasons = []
    for name in names:
        for parent in folders:
            path = parent / name
            reason = _unusable(path)
            if not reason:
                return Executable(path, _digest_of(path), folder)
            if path.exists():
                reasons.append(f"{path}: {reason}")
    looked = ", ".join(str(parent / name) for name in names for parent in dict.fromkeys(folders))
    found = "; ".join(reasons) or f"none of {looked} is there"
    raise FailedPreconditionError(
        f"{where}: {found}; expected the installation's folder, with {names[0]} built"
    )


def _unusable(path: Path) -> str:
    """Why a file cannot be executed; empty where it can."""
    if not path.exists():
        return "no such file"
    if not path.is_file():
        return "not a file"
    if not os.access(path, os.X_OK):
        return "not executable (chmod +x)"
    return "" if os.access(path, os.R_OK) else "not readable, so its digest cannot be recorded (chmod +r)"


def _digest_of(path: Path) -> str:
    status = path.stat()
    return _digest(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, *_identity: int) -> str:
    """Hash a file; its identity (device, inode, size, time) makes that anew for a file that was replaced."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
