"""The plan of a result, from the document that its store keeps of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stokeswarm.contract.errors import DataLossError, StokeswarmError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Cycle, Line, Nodes, Plan, Psf, Region
from stokeswarm.contract.status import ContinuumReference


def stored_plan(document: Mapping[str, Any], where: str) -> Plan:
    """The reverse of `stokeswarm.client.provenance.plan_document`.

    Parameters
    ----------
    document : mapping
        JSON: tuples as lists, NaN as null.
    where : str
        Name of the store, for messages.

    Raises
    ------
    DataLossError
        It is not a plan's document, or not one of this version.
    """
    try:
        return Plan(**{key: _READ.get(key, _same)(value) for key, value in document.items()})
    except (TypeError, KeyError, ValueError, AttributeError, StokeswarmError) as error:
        raise DataLossError(f"{where}: its plan cannot be read back: {error}") from error


def _same(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _same(item) for key, item in value.items()}


def _region(value: Mapping[str, Any]) -> Region:
    lines = tuple(Line(**line) for line in value["lines"])
    psf = None if value["psf"] is None else Psf(**_fields(value["psf"]))
    return Region(**{**_fields(value), "lines": lines, "psf": psf})


def _cycle(value: Mapping[str, Any]) -> Cycle:
    return Cycle(**{**_fields(value), "components": tuple(Nodes(**nodes) for nodes in value["components"])})


_READ: Mapping[str, Any] = {
    "regions": lambda value: tuple(_region(region) for region in value),
    "cycles": lambda value: tuple(_cycle(cycle) for cycle in value),
    "abundances": lambda value: tuple(math.nan if number is None else number for number in value),
    "limits": lambda value: {name: tuple(pair) for name, pair in value.items()},
    "atoms": lambda value: tuple(AtomModel(**atom) for atom in value),
    "molecules": lambda value: tuple(AtomModel(**molecule) for molecule in value),
    "reference": ContinuumReference,
}
