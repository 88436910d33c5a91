"""RH's ``atoms.input`` and ``molecules.input``: model atoms and molecules looked up in an installation.

A plan names models; only names that the installation's own folders list are ever written, so a name can
become neither a path nor anything else in a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, PlanError
from stokeswarm.contract.options import LTE_POPULATIONS, ZERO_RADIATION, AtomModel

OLD_POPULATIONS: Final = "OLD_POPULATIONS"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,47}")
_SPECIES: Final = re.compile(r"[A-Za-z][A-Za-z0-9+]{0,19}")
#: no model file has its species this far from its beginning
_HEAD: Final = 4096


class Kind(Enum):
    """Atoms or molecules; the value is the extension of their files."""

    ATOM = "atom"
    MOLECULE = "molecule"


#: what must come first in the file, because RH takes the first model as it
FIRST: Final[Mapping[Kind, str]] = {Kind.ATOM: "H", Kind.MOLECULE: "H2"}
#: molecules that RH has collisional rates for, so that their populations can be solved for
ACTIVE_MOLECULES: Final = ("CO", "H2")

#: background of a plan that names none: the set of the example that ships with RH
DEFAULT_ATOMS: Final = tuple(
    AtomModel(name) for name in ("H_6", "C", "O", "Si", "Al", "CaII", "Fe", "He", "Mg", "N", "Na", "S")
)
DEFAULT_MOLECULES: Final = tuple(
    AtomModel(name) for name in ("H2", "H2+", "C2", "N2", "O2", "CH", "CO", "CN", "NH", "NO", "OH", "H2O")
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The models that an installation holds.

    Attributes
    ----------
    kind : Kind
    species : mapping of str to str
        Name of a model → element (``"CA"``) or molecule (``"H2O"``) that it is of, in capitals.
    """

    kind: Kind
    species: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path, kind: Kind) -> Listing:
        """List a folder.

        Files whose names are not bare words, and those that do not begin as a model does, are left out.

        Raises
        ------
        FailedPreconditionError
            The folder cannot be read or holds no model.
        """
        species = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name, dot, extension = entry.name.rpartition(".")
                    if dot and extension == kind.value and _NAME.fullmatch(name) and entry.is_file():
                        found = _species(Path(entry.path))
                        if found:
                            species[name] = found
        except OSError as error:
            raise FailedPreconditionError(f"{folder}: cannot list its models: {error.strerror}") from None
        if not species:
            raise FailedPreconditionError(
                f"{folder}: expected model {kind.value}s (*.{kind.value}), found none"
            )
        return cls(kind, dict(sorted(species.items())))

    def find(self, name: str) -> str:
        """Element or molecule of a model.

        Raises
        ------
        PlanError
            The installation has no model of this name.
        """
        found = self.species.get(name)
        if found is None:
            near = get_close_matches(name, self.species, n=5, cutoff=0.5)
            hint = f"similar: {', '.join(near)}" if near else f"it has {', '.join(self.species)}"
            raise PlanError(f"{self.kind.value} {name}: the installation has no such model; {hint}")
        return found


def _species(path: Path) -> str:
    """What a model file is of: the first word of its first line that is not a comment; empty if none."""
    with path.open("rb") as file:
        text = file.read(_HEAD).decode("ascii", errors="replace")
    for line in text.splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            return words[0].upper() if _SPECIES.fullmatch(words[0]) else ""
    return ""


def complete(
    models: Sequence[AtomModel], default: Sequence[AtomModel], listing: Listing
) -> tuple[AtomModel, ...]:
    """The models of a plan on top of a default background.

    Parameters
    ----------
    models : sequence of AtomModel
        The plan's. Each takes the place of the default model of the same element or molecule.
    default : sequence of AtomModel
        Such as `DEFAULT_ATOMS`.
    listing : Listing
        Of the installation.

    Returns
    -------
    tuple of AtomModel
        Hydrogen (the hydrogen molecule) first, as RH demands, then the default's order, then the others'.

    Raises
    ------
    PlanError
        A model is not in the installation, two are of the same element or molecule, or one is to be solved
        for in a way that RH does not know.
    """
    chosen: dict[str, AtomModel] = {listing.find(model.name): model for model in default}
    named: dict[str, AtomModel] = {}
    for model in models:
        species = listing.find(model.name)
        if species in named:
            raise PlanError(
                f"{listing.kind.value}s {named[species].name} and {model.name}: both are of {species}; "
                "RH takes one of each"
            )
        if listing.kind is Kind.MOLECULE:
            _check_molecule(model, species)
        named[species] = model
    chosen.update(named)
    first = FIRST[listing.kind]
    if first not in chosen:
        raise PlanError(f"{listing.kind.value}s: a model of {first} is needed, found none")
    return (chosen.pop(first), *chosen.values())


def _check_molecule(model: AtomModel, species: str) -> None:
    if model.start == ZERO_RADIATION:
        raise PlanError(f"molecule {model.name}: start: expected {LTE_POPULATIONS}, found {model.start}")
    if model.active and species not in ACTIVE_MOLECULES:
        known = " and ".join(ACTIVE_MOLECULES)
        raise PlanError(
            f"molecule {model.name}: RH has collisional rates of {known} only, so {species} cannot be active"
        )


def format_models(
    models: Sequence[AtomModel], listing: Listing, folder: str, *, restart: bool = False
) -> str:
    """Text of ``atoms.input`` or ``molecules.input``.

    Parameters
    ----------
    models : sequence of AtomModel
        From `complete`.
    listing : Listing
    folder : str
        Of the models, as seen from the folder that RH runs in, such as ``../../Atoms``.
    restart : bool
        Take the populations of active models from a run that has ended in the same folder. RH does so by
        itself for the atoms of a ray, but not for the molecules.

    Returns
    -------
    str

    Raises
    ------
    PlanError
        A model is not in the installation.
    """
    lines = [f"{len(models)}\n"]
    for model in models:
        species = listing.find(model.name)
        words = [f"{folder}/{model.name}.{listing.kind.value}", "PASSIVE", model.start]
        if model.active:
            words[1:] = [
                "ACTIVE",
                OLD_POPULATIONS if restart else model.start,
                populations(species, listing.kind),
            ]
        lines.append("  ".join(words) + "\n")
    return "".join(lines)


def populations(species: str, kind: Kind) -> str:
    """Name of the file that RH writes the populations of an active atom or molecule to."""
    return f"pops.{species[:2]}.out" if kind is Kind.ATOM else f"pops_mol.{species}.out"
