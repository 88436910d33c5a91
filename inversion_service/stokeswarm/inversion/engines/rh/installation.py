"""An installation of RH: where its programs and data are, and which models it holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.inversion.engines.rh.atoms import Kind, Listing
from stokeswarm.inversion.external.executable import Executable, find

#: RH's folders, which it finds two levels above the one it runs in
ATOMS: Final = "Atoms"
MOLECULES: Final = "Molecules"
#: what it reads besides models: partition functions, and cross-sections of collisional broadening
DATA: Final = ("pf_Kurucz.input", "Barklem_spdata.dat", "Barklem_pddata.dat", "Barklem_dfdata.dat")


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation.

    Attributes
    ----------
    rhf1d, solveray : Executable
        What solves for populations, and what computes the spectrum of a ray from them.
    root : Path
        The folder that holds `ATOMS` and `MOLECULES`.
    atoms, molecules : Listing
    """

    rhf1d: Executable
    solveray: Executable
    root: Path
    atoms: Listing
    molecules: Listing

    @classmethod
    def find(cls, variable: str, environment: Mapping[str, str] | None = None) -> Installation:
        """Find the installation that an environment variable names.

        Parameters
        ----------
        variable : str
            Its value is the installation's folder, or the ``rhf1d`` executable in it.
        environment : mapping, optional
            The process's own where not given.

        Raises
        ------
        FailedPreconditionError
            The variable is unset, or a program, a folder or a table of RH is not there; says what to do.
        """
        rhf1d = find(variable, ("rhf1d/rhf1d", "rhf1d"), environment)
        solveray = rhf1d.beside("rhf1d/solveray", "solveray")
        parents = (rhf1d.folder, *rhf1d.path.parents)
        root = next((folder for folder in parents if (folder / ATOMS).is_dir()), None)
        if root is None:
            raise FailedPreconditionError(
                f"{variable}: expected the folder {ATOMS} of RH at or above {rhf1d.folder}, found none"
            )
        for name in DATA:
            path = root / ATOMS / name
            if not os.access(path, os.R_OK):
                raise FailedPreconditionError(f"{variable}: {path} is absent or cannot be read; RH needs it")
        return cls(
            rhf1d,
            solveray,
            root,
            Listing.read(root / ATOMS, Kind.ATOM),
            Listing.read(root / MOLECULES, Kind.MOLECULE),
        )

    @property
    def digest(self) -> str:
        """sha256 of both programs, one after the other by their own digests."""
        return hashlib.sha256(f"{self.rhf1d.digest}{self.solveray.digest}".encode()).hexdigest()
