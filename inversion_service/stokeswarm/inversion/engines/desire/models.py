"""Which model atoms and molecules a run uses, and their ``atoms.input`` and ``molecules.input``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.options import ZERO_RADIATION, AtomModel
from stokeswarm.contract.plan import Plan
from stokeswarm.inversion.engines.rh.atoms import FIRST, Kind, Listing, complete, format_models

#: folder of the models below `var`, as the folder of a run sees it
FOLDERS: Final = {Kind.ATOM: "../../var/Atoms", Kind.MOLECULE: "../../var/Molecules"}

#: where a plan names none: the lists of the first example that ships with DeSIRe, in its order
DEFAULT_ATOMS: Final = (
    AtomModel("H_6", start=ZERO_RADIATION),
    AtomModel("C"),
    AtomModel("CaII_CRDbark", active=True, start=ZERO_RADIATION),
    AtomModel("Fe"),
    AtomModel("He"),
    AtomModel("KI_fine", start=ZERO_RADIATION),
    AtomModel("Mg", start=ZERO_RADIATION),
    AtomModel("N"),
    AtomModel("NaI_fine", start=ZERO_RADIATION),
    AtomModel("O", start=ZERO_RADIATION),
    AtomModel("S"),
    AtomModel("Si"),
)
DEFAULT_MOLECULES: Final = tuple(
    AtomModel(name) for name in ("H2", "C2", "CH", "CN", "CO", "H2+", "H2O", "N2", "NH", "NO", "O2", "OH")
)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run, looked up in an installation.

    Attributes
    ----------
    atoms, molecules : tuple of AtomModel
        In the order in which they are written: sums over them depend on it in the last digit.
    listings : tuple of two Listing
        Atoms and molecules of the installation.
    """

    atoms: tuple[AtomModel, ...]
    molecules: tuple[AtomModel, ...]
    listings: tuple[Listing, Listing]

    @classmethod
    def of(cls, plan: Plan, atoms: Listing, molecules: Listing) -> Models:
        """Those of a plan.

        A list that begins with hydrogen (the hydrogen molecule) is complete and taken as it is. Any other is
        put on top of the default set, as background, and each of its models takes the place of its element's.

        Raises
        ------
        PlanError
            A model is not in the installation, two are of one element, or no atom is active.
        """
        chosen = cls(
            _chosen(plan.atoms, DEFAULT_ATOMS, atoms),
            _chosen(plan.molecules, DEFAULT_MOLECULES, molecules),
            (atoms, molecules),
        )
        if not chosen.active():
            raise PlanError("atoms: NLTE needs at least one active atom, found none")
        return chosen

    def active(self) -> dict[str, str]:
        """Element, in capitals, of each active atom → name of its model."""
        return {self.listings[0].find(model.name): model.name for model in self.atoms if model.active}

    def texts(self) -> tuple[str, str]:
        """``atoms.input`` and ``molecules.input``."""
        atoms, molecules = self.listings
        return (
            format_models(self.atoms, atoms, FOLDERS[Kind.ATOM]),
            format_models(self.molecules, molecules, FOLDERS[Kind.MOLECULE]),
        )


def _chosen(
    models: Sequence[AtomModel], default: Sequence[AtomModel], listing: Listing
) -> tuple[AtomModel, ...]:
    if not models:
        return complete((), default, listing)
    if listing.find(models[0].name) != FIRST[listing.kind]:
        background = [replace(model, active=False) for model in default]
        return complete(models, background, listing)
    # checked as any other list, but neither completed nor put in another order
    complete(models, models[:1], listing)
    return tuple(models)
