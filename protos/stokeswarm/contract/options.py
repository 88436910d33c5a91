"""What a plan says to one engine only: options by name, and the model atoms of non-LTE engines.

The contract bounds the texts; what a key means, and which values it takes, is the engine's own table. An
engine refuses a key of its family that it does not know and passes over those of other families, so one plan
serves several engines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stokeswarm.contract.errors import PlanError

MAX_OPTIONS: Final = 100
MAX_MODELS: Final = 64
_KEY: Final = re.compile(r"[a-z]{1,16}\.[A-Za-z][A-Za-z0-9_]{0,39}")
_VALUE: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,47}")
#: how a model's populations begin, in RH's words (Uitenbroek 2001, ApJ 557, 389)
LTE_POPULATIONS: Final = "LTE_POPULATIONS"
ZERO_RADIATION: Final = "ZERO_RADIATION"
STARTS: Final = (LTE_POPULATIONS, ZERO_RADIATION)


@dataclass(frozen=True, slots=True)
class AtomModel:
    """A model atom or molecule of the engine's installation.

    Attributes
    ----------
    name : str
        As the installation calls it, without folder and extension, e.g. ``"CaII_PRD"``.
    active : bool
        Whether its populations are solved for; else they are background opacity.
    start : str
        One of `STARTS`.

    Raises
    ------
    PlanError
        On construction, where the name is not a bare one or the start is unknown.
    """

    name: str
    active: bool = False
    start: str = LTE_POPULATIONS

    def __post_init__(self) -> None:
        if _MODEL.fullmatch(self.name) is None:
            raise PlanError(
                f"atom or molecule {self.name[:60]!r}: expected the bare name of a model, such as 'CaII_PRD' "
                "(letters, digits, '_', '+' and '-'; no folder, no extension)"
            )
        if self.start not in STARTS:
            raise PlanError(f"atom {self.name}: start: expected {' or '.join(STARTS)}, found {self.start!r}")


def check_options(options: Mapping[str, str]) -> None:
    """Check characters, lengths and number of a plan's options.

    Raises
    ------
    PlanError
        A key is not ``family.name``, or a value is not one word of letters, digits and ``_.+-``.
    """
    if len(options) > MAX_OPTIONS:
        raise PlanError(f"options: {len(options)} of them, at most {MAX_OPTIONS}")
    for key, value in options.items():
        if _KEY.fullmatch(key) is None:
            raise PlanError(f"options: expected keys such as 'sir.interpolation', found {key[:60]!r}")
        if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
            raise PlanError(
                f"option {key}: expected one word or number of at most 64 letters, digits and '_.+-', "
                f"found {str(value)[:60]!r}"
            )


def check_models(models: tuple[AtomModel, ...], kind: str) -> None:
    """Check number and names of the model atoms or molecules.

    Raises
    ------
    PlanError
        There are too many, or one occurs twice.
    """
    if len(models) > MAX_MODELS:
        raise PlanError(f"{kind}: {len(models)} of them, at most {MAX_MODELS}")
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise PlanError(f"{kind}: {name} occurs twice")
