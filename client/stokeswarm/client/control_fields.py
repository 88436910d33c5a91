"""The 42 positional lines of a SIR control file: their names, texts, and numbers as SIR reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from stokeswarm.client.sir_files.text import SirFileError, formatted_number, integer

T = TypeVar("T")

#: a control file of DeSIRe has that many lines
DESIRE_LINES: Final = 45
#: what ``*`` means in a field of nodes: as many as the grid carries
ALL_NODES: Final = 1000

_NODES: Final = ("T", "Pe", "vmic", "B", "vlos", "gamma", "phi", "vmac")
FIELDS: Final[tuple[str, ...]] = (
    "cycles",
    "observed profiles",
    "stray light file",
    "PSF file",
    "wavelength grid",
    "atomic parameters file",
    "abundances file",
    "initial guess model 1",
    "initial guess model 2",
    "weight I",
    "weight Q",
    "weight U",
    "weight V",
    "automatic nodes",
    *(f"nodes {name} 1" for name in _NODES),
    *(f"nodes {name} 2" for name in _NODES),
    "invert filling factor",
    "invert stray light",
    "mu",
    "S/N",
    "continuum contrast",
    "SVD tolerance",
    "initial diagonal element",
    "interpolation",
    "gas pressure 1",
    "gas pressure 2",
    "magnetic pressure",
    "NLTE departures",
)


@dataclass(frozen=True, slots=True)
class Field:
    """One line's values.

    Attributes
    ----------
    name : str
        One of `FIELDS`.
    values : tuple of str
        Separated by commas in the file, blanks deleted, empty ones left out, as SIR does.
    where : str
        File and line number for messages.
    """

    name: str
    values: tuple[str, ...]
    where: str

    def refuse(self, reason: str) -> SirFileError:
        """The error that names this line."""
        found = ", ".join(self.values) or "blank"
        return SirFileError(f"{self.where} ({self.name}: {found}): {reason}")

    def text(self) -> str:
        """The one text; empty where blank.

        Raises
        ------
        SirFileError
            There are several.
        """
        if len(set(self.values)) > 1:
            raise self.refuse(
                "one value for all cycles is needed: a file cannot change from cycle to cycle here"
            )
        return self.values[0] if self.values else ""

    def integers(self, count: int, default: int = 0) -> tuple[int, ...]:
        """Whole numbers for `count` cycles; the last one repeats.

        Raises
        ------
        SirFileError
            A value is not a whole number (SIR stops at one with a decimal point).
        """
        numbers = [
            ALL_NODES if value.startswith("*") else integer(value, self.where, self.name)
            for value in self.values
        ]
        return _repeated(numbers or [default], count)

    def reals(self, count: int, default: float) -> tuple[float, ...]:
        """Real numbers for `count` cycles; the last one repeats.

        Raises
        ------
        SirFileError
            A value is no number, or has an exponent without a decimal point.
        """
        numbers = [formatted_number(value, self.where, self.name) for value in self.values]
        return _repeated(numbers or [default], count)

    def real(self, default: float) -> float:
        """The one real number.

        Raises
        ------
        SirFileError
            There are several, or it is no number.
        """
        numbers = self.reals(max(1, len(self.values)), default)
        if len(set(numbers)) > 1:
            raise self.refuse("one value for all cycles is needed here")
        return numbers[0]


def _repeated(values: Sequence[T], count: int) -> tuple[T, ...]:
    return tuple(values[min(i, len(values) - 1)] for i in range(count))


def parse_fields(text: str, name: str) -> dict[str, Field]:
    """The fields of a control file.

    Parameters
    ----------
    text : str
        42 lines; the text up to the first ``:`` and after ``!`` is a comment.
    name : str
        File name for messages.

    Returns
    -------
    dict
        Field name → field.

    Raises
    ------
    SirFileError
        Another number of lines (what is blank after line 42 does not count), or a line without a colon.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    told = [line.split("!", 1)[0] for line in lines]
    if len(lines) >= DESIRE_LINES - 1 and any("coordinates" in line.lower() for line in told[:12]):
        raise SirFileError(
            f"{name}: a control file of DeSIRe ({len(lines)} lines); SIR's, of 42 lines, is needed"
        )
    extra = [i for i, line in enumerate(told[len(FIELDS) :], start=len(FIELDS) + 1) if ":" in line]
    if len(lines) < len(FIELDS) or extra:
        raise SirFileError(
            f"{name}: control file: expected {len(FIELDS)} lines, found {len(lines)}; the lines are known "
            "by their position, none may be left out"
        )
    fields = {}
    for count, (key, line) in enumerate(zip(FIELDS, told, strict=False), start=1):
        where = f"{name}: line {count}"
        _, colon, value = line.partition(":")
        if not colon:
            raise SirFileError(f"{where} ({key}): expected 'label : value', found {line.strip()!r}")
        parts = (re.sub(r"\s+", "", part) for part in re.split("[,;]", value))
        fields[key] = Field(key, tuple(part for part in parts if part), where)
    return fields
