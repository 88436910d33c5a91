"""What a plan file says to one engine only: tables ``[sir]``, ``[desire]``, ``[rh]`` and model atoms.

A table's keys become the plan's options, ``[sir] interpolation = "linear"`` → ``sir.interpolation``. The
engines own the keys: an engine refuses one of its family that it does not know, with the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from stokeswarm.client.plan_table import Table
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.options import LTE_POPULATIONS, AtomModel

#: families of engines that take options; several installations of a code are one family
FAMILIES: Final = ("sir", "desire", "rh")
#: keys of the lists of model atoms and molecules
ATOM, MOLECULE = "atom", "molecule"


def option_text(value: str | bool | int | float) -> str:
    """An option's value as the plan carries it.

    Booleans become ``true`` or ``false``; a real number keeps every digit and always has a decimal point,
    without which the codes that read it misread it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, e, exponent = repr(value).partition("e")
        return (mantissa if "." in mantissa else f"{mantissa}.0") + e + exponent
    return str(value)


def options_of(table: Table) -> dict[str, str]:
    """Options of a plan file's top table, by ``family.key``.

    Raises
    ------
    PlanError
        A value is a list or a table.
    """
    options: dict[str, str] = {}
    for family in FAMILIES:
        chosen = table.table(family)
        for key, value in ({} if chosen is None else chosen.rest()).items():
            simple = isinstance(value, str | bool | int | float)
            if chosen is not None and not (simple and (isinstance(value, str) or math.isfinite(value))):
                raise chosen.error(key, f"expected a text, a finite number, true or false, found {value!r}")
            options[f"{family}.{key}"] = option_text(value)
    return options


def models_of(table: Table, key: str) -> tuple[AtomModel, ...]:
    """The model atoms or molecules of a plan file's top table, in order.

    Parameters
    ----------
    table : Table
    key : str
        ``"atom"`` or ``"molecule"``.

    Raises
    ------
    PlanError
        A row has no name, an unknown key, or a value that is not one.
    """
    models = []
    for row in table.tables(key):
        name, active = row.text("model"), row.flag("active")
        start = row.text("start", LTE_POPULATIONS)
        row.finish()
        try:
            models.append(AtomModel(name, active, start))
        except PlanError as error:
            raise PlanError(f"{row.where}: {error}") from error
    return tuple(models)


def format_options(options: Mapping[str, str]) -> list[str]:
    """Options as tables of a TOML file.

    Raises
    ------
    PlanError
        An option belongs to a family that plan files do not know.
    """
    by_family: dict[str, list[str]] = {}
    for option, value in options.items():
        family, _, key = option.partition(".")
        if family not in FAMILIES:
            raise PlanError(
                f"option {option}: plan files hold options of {', '.join(FAMILIES)}, found {family!r}"
            )
        by_family.setdefault(family, []).append(f"{key} = {json.dumps(value)}\n")
    return [f"[{family}]\n" + "".join(rows) for family, rows in by_family.items()]


def format_models(models: tuple[AtomModel, ...], key: str) -> list[str]:
    """Model atoms or molecules as tables of a TOML file."""

    def row(model: AtomModel) -> str:
        pairs: list[tuple[str, Any]] = [
            ("model", model.name),
            ("active", model.active),
            ("start", model.start),
        ]
        return f"[[{key}]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in pairs)

    return [row(model) for model in models]
