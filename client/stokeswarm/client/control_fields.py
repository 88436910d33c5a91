"""The lines of control files, SIR's 42 and DeSIRe's 45, known by position: their texts and numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from stokeswarm.contract.sir_files.text import SirFileError, formatted_number, integer, number

T = TypeVar("T")

_NODES: Final = ("T", "Pe", "vmic", "B", "vlos", "gamma", "phi", "vmac")
_FILES: Final = (
    "cycles",
    "observed profiles",
    "stray light file",
    "PSF file",
    "wavelength grid",
    "atomic parameters file",
    "abundances file",
    "initial guess model 1",
    "initial guess model 2",
)
_FREEDOM: Final = (
    "weight I",
    "weight Q",
    "weight U",
    "weight V",
    "automatic nodes",
    *(f"nodes {name} 1" for name in _NODES),
    *(f"nodes {name} 2" for name in _NODES),
    "invert filling factor",
    "invert stray light",
)
_NUMBERS: Final = (
    "S/N",
    "continuum contrast",
    "SVD tolerance",
    "initial diagonal element",
    "interpolation",
    "gas pressure 1",
    "gas pressure 2",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The lines of one code's control file.

    Attributes
    ----------
    code : str
        ``SIR`` or ``DeSIRe``.
    fields : tuple of str
        Their names, in order.
    optional : int
        How many of the last ones may be left out.
    all_nodes : int
        What ``*`` means in a line of nodes; the depth grid lowers it.
    reads_exponents : bool
        Whether the code reads ``1e-4`` as it is written; SIR wants a decimal point and takes it for 1e-9.
    """

    code: str
    fields: tuple[str, ...]
    optional: int
    all_nodes: int
    reads_exponents: bool


SIR: Final = Layout(
    "SIR",
    (*_FILES, *_FREEDOM, "mu", *_NUMBERS, "magnetic pressure", "NLTE departures"),
    optional=0,
    all_nodes=1000,
    reads_exponents=False,
)
DESIRE: Final = Layout(
    "DeSIRe",
    (
        *_FILES,
        "coordinates file",
        *_FREEDOM,
        *_NUMBERS,
        "NLTE threshold",
        "number of rays",
        "integration method",
        "final evaluation",
        "RH models",
    ),
    optional=2,
    all_nodes=20,
    reads_exponents=True,
)
#: position of DeSIRe's coordinates file, which SIR's control files do not have
_COORDINATES: Final = DESIRE.fields.index("coordinates file")


@dataclass(frozen=True, slots=True)
class Field:
    """One line's values.

    Attributes
    ----------
    name : str
        One of the layout's.
    values : tuple of str
        Separated by commas in the file, blanks deleted, empty ones left out, as SIR does.
    where : str
        File and line number for messages.
    layout : Layout
        How the code reads it.
    """

    name: str
    values: tuple[str, ...]
    where: str
    layout: Layout = SIR

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
            A value is not a whole number (the codes stop at one with a decimal point).
        """
        numbers = [
            self.layout.all_nodes if value.startswith("*") else integer(value, self.where, self.name)
            for value in self.values
        ]
        return _repeated(numbers or [default], count)

    def one_integer(self, default: int = 0) -> int:
        """The one whole number.

        Raises
        ------
        SirFileError
            There are several, or it is none.
        """
        numbers = self.integers(max(1, len(self.values)), default)
        if len(set(numbers)) > 1:
            raise self.refuse("one value for all cycles is needed here")
        return numbers[0]

    def reals(self, count: int, default: float) -> tuple[float, ...]:
        """Real numbers for `count` cycles; the last one repeats.

        Raises
        ------
        SirFileError
            A value is no number, or has an exponent without a decimal point, which SIR misreads.
        """
        parse = number if self.layout.reads_exponents else formatted_number
        numbers = [parse(value, self.where, self.name) for value in self.values]
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


def layout_of(text: str) -> Layout | None:
    """Whose control file a text is, by its first lines; None = it is no control file.

    DeSIRe's has a line with a file of coordinates, ``.coor``, where SIR's gives a weight.
    """
    lines = text.splitlines()[: _COORDINATES + 1]
    if len(lines) <= _COORDINATES or not all(":" in line for line in lines):
        return None
    if "cycle" not in lines[0].partition(":")[0].lower():
        return None
    label, _, value = lines[_COORDINATES].split("!", 1)[0].partition(":")
    return DESIRE if "coord" in label.lower() or ".coor" in value else SIR


def parse_fields(text: str, name: str, layout: Layout = SIR) -> dict[str, Field]:
    """The fields of a control file.

    Parameters
    ----------
    text : str
        One line a field; the text up to the first ``:`` and after ``!`` is a comment.
    name : str
        File name for messages.
    layout : Layout

    Returns
    -------
    dict
        Field name → field; blank where the file ends before an optional line.

    Raises
    ------
    SirFileError
        Another number of lines (what is blank after the last one does not count), or a line without a colon.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    told = [line.split("!", 1)[0] for line in lines]
    count = len(layout.fields)
    extra = [line for line in told[count:] if ":" in line]
    if len(lines) < count - layout.optional or extra:
        wanted = f"{count - layout.optional} to {count}" if layout.optional else str(count)
        raise SirFileError(
            f"{name}: control file of {layout.code}: expected {wanted} lines, found {len(lines)}; the lines "
            "are known by their position, none may be left out"
        )
    fields = {}
    for position, key in enumerate(layout.fields):
        where = f"{name}: line {position + 1}"
        if position >= len(told):
            fields[key] = Field(key, (), where, layout)
            continue
        _, colon, value = told[position].partition(":")
        if not colon:
            raise SirFileError(f"{where} ({key}): expected 'label : value', found {told[position].strip()!r}")
        parts = (re.sub(r"\s+", "", part) for part in re.split("[,;]", value))
        fields[key] = Field(key, tuple(part for part in parts if part), where, layout)
    return fields
