"""Options of one engine's family: which keys there are, and which values they take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Plan

#: not what Python's `float` takes besides: underscores, "nan", "inf"
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


class Kind(Protocol):
    """What values an option takes."""

    def parse(self, text: str) -> object:
        """The value.

        Raises
        ------
        ValueError
            It is none of these; the message says what is expected.
        """
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words, each of which stands for a value."""

    values: Mapping[str, object]

    def parse(self, text: str) -> object:
        """The value the word stands for."""
        if text not in self.values:
            raise ValueError(" or ".join(self.values))
        return self.values[text]


@dataclass(frozen=True, slots=True)
class Number:
    """A real number in an interval, ends included; a whole number where ``whole``."""

    low: float
    high: float
    whole: bool = False

    def parse(self, text: str) -> object:
        """The number."""
        kind = "a whole number" if self.whole else "a number"
        expected = f"{kind} in [{self.low:g}, {self.high:g}]"
        if _NUMBER.fullmatch(text) is None:
            raise ValueError(expected)
        value = float(text)
        if not (np.isfinite(value) and self.low <= value <= self.high):
            raise ValueError(expected)
        if not self.whole:
            return value
        if value != int(value):
            raise ValueError(expected)
        return int(value)


def parse(plan: Plan, family: str, table: Mapping[str, Kind]) -> dict[str, object]:
    """The plan's options of one family.

    Parameters
    ----------
    plan : Plan
    family : str
        Part of the key before the dot; other families' options are left alone.
    table : mapping
        Key after the dot → what it takes.

    Returns
    -------
    dict
        Key after the dot → value; only what the plan sets.

    Raises
    ------
    PlanError
        An unknown key, or a value that it does not take.
    """
    values: dict[str, object] = {}
    for name, text in plan.options.items():
        owner, _, key = name.partition(".")
        if owner != family:
            continue
        if key not in table:
            known = ", ".join(f"{family}.{k}" for k in table) or "none"
            raise PlanError(f"option {name}: unknown; {family} takes {known}")
        try:
            values[key] = table[key].parse(text)
        except ValueError as error:
            raise PlanError(f"option {name}: expected {error}, found {text!r}") from None
    return values
