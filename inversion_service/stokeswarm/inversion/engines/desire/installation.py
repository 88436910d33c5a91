"""An installation of DeSIRe: its executable, and the folder ``var`` with model atoms that NLTE needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, PlanError
from stokeswarm.inversion.engines.rh.atoms import Kind, Listing
from stokeswarm.inversion.external.executable import Executable, find

NAMES: Final = ("desire",)
#: folders of `var` that a run reads
FOLDERS: Final = ("Atoms", "Molecules", "Kurucz", "Barklem")
#: of a digest that people compare
_SHOWN: Final = 12
_BANNER: Final = re.compile(rb"DeSIRe version ([0-9][0-9A-Za-z.]{0,9})")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is installed.

    Attributes
    ----------
    program : Executable
    version : str
        As its banner says; empty where it has none.
    var : Path or None
        None where there is none: then LTE only.
    listings : tuple of two Listing, or None
        Model atoms and molecules.
    data_digest : str
        sha256 of all that a run reads in `var`; empty without.
    missing : str
        Why there is no `var`; empty where there is.
    """

    program: Executable
    version: str
    var: Path | None
    listings: tuple[Listing, Listing] | None
    data_digest: str
    missing: str

    @classmethod
    def find(cls, variable: str, environment: Mapping[str, str] | None = None) -> Installation:
        """Find the installation that an environment variable points at.

        Parameters
        ----------
        variable : str
            Its value is the executable, or the folder that holds ``bin/desire`` and ``var``.
        environment : mapping, optional
            The process's own where not given.

        Raises
        ------
        FailedPreconditionError
            The variable is unset, or what it names is not there; says what to do.
        """
        program = find(variable, NAMES, environment)
        banner = _BANNER.search(program.path.read_bytes())
        version = banner[1].decode("ascii") if banner else ""
        # the executable lies in the installation's folder, or in bin below it, perhaps by a link
        around = [program.folder, program.path.parent, program.path.parent.parent]
        around += [program.path.resolve().parent.parent]
        var = next((path / "var" for path in around if (path / "var").is_dir()), None)
        if var is None:
            missing = f"no folder var beside {program.folder}: LTE only"
            return cls(program, version, None, None, "", missing)
        try:
            listings = (
                Listing.read(var / FOLDERS[0], Kind.ATOM),
                Listing.read(var / FOLDERS[1], Kind.MOLECULE),
            )
        except FailedPreconditionError as error:
            return cls(program, version, None, None, "", f"{error}: LTE only")
        return cls(program, version, var, listings, _digest(var), "")

    @property
    def label(self) -> str:
        """Version and digest of the data, for provenance."""
        data = f", var {self.data_digest[:_SHOWN]}" if self.data_digest else ", without var"
        return (self.version or "unknown version") + data

    def data(self) -> tuple[Path, Listing, Listing]:
        """`var` and what it holds.

        Raises
        ------
        PlanError
            There is none, so that NLTE cannot be asked for.
        """
        if self.var is None or self.listings is None:
            raise PlanError(
                f"option desire.nlte_threshold: NLTE needs DeSIRe's folder var; expected LTE (10.), found: "
                f"{self.missing}"
            )
        return self.var, *self.listings


def _digest(var: Path) -> str:
    """One digest of all files of the folders, in the order of their names."""
    total = hashlib.sha256()
    for folder in FOLDERS:
        for path in sorted((var / folder).glob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                total.update(f"{folder}/{path.name} {content}\n".encode())
    return total.hexdigest()
