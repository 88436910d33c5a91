"""Wavelength grids, ``.grid``: which lines are computed together, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Line, Psf, Region
from stokeswarm.contract.sir_files.profiles import ANGSTROM_PER_MILLI
from stokeswarm.contract.sir_files.text import SirFileError, body, formatted_number, integer

#: SIR adds a sample where the last one falls short of the end by more than this part of a step
_ROUNDING: Final = 0.05
_HEADER: Final = """\
IMPORTANT: a) All items must be separated by commas.
           b) The first six characters of the last line
              in the header (if any) must contain the symbol ---

Line and blends indices   :   Initial lambda     Step     Final lambda
(in this order)                    (mA)          (mA)         (mA)
-----------------------------------------------------------------------
"""


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row of a grid.

    Attributes
    ----------
    lines : tuple of int
        The line that gives the zero point, then its blends.
    start, step, stop : float
        mÅ from the first line.
    """

    lines: tuple[int, ...]
    start: float
    step: float
    stop: float

    @property
    def n_wavelength(self) -> int:
        """Number of samples, counted as SIR does: the last one lies at or beyond `stop`."""
        steps = (self.stop - self.start) / self.step
        whole = int(steps)
        return whole + (2 if steps - whole > _ROUNDING else 1)

    @property
    def offset(self) -> npt.NDArray[np.float64]:
        """Offsets (n_wavelength,) in mÅ."""
        return self.start + self.step * np.arange(self.n_wavelength, dtype=np.float64)


def parse_grid(text: str, name: str) -> tuple[GridRow, ...]:
    """A wavelength grid.

    Parameters
    ----------
    text : str
        Header up to a ruler, then rows ``index[,blend …] : first, step, last`` in mÅ.
    name : str
        File name for messages.

    Raises
    ------
    SirFileError
        With the line number, where a row is not as above.
    """
    rows = []
    for count, line in body(text):
        where = f"{name}: line {count}"
        left, colon, right = line.partition(":")
        if not colon:
            raise SirFileError(
                f"{where}: grid: expected 'index[,blend] : first, step, last', found {line.strip()!r}"
            )
        lines = tuple(integer(item, where, "line index") for item in _items(left))
        values = _items(right)
        if not lines:
            raise SirFileError(f"{where}: grid: no line index before the colon")
        if len(values) != 3:
            raise SirFileError(
                f"{where}: grid: expected first, step and last [mÅ] separated by commas, "
                f"found {right.strip()!r}"
            )
        start, step, stop = (
            formatted_number(value, where, label)
            for value, label in zip(values, ("first", "step", "last"), strict=True)
        )
        if step <= 0 or stop < start:
            raise SirFileError(
                f"{where}: grid: expected a positive step and last >= first, "
                f"found {start:g}, {step:g}, {stop:g}"
            )
        if len(set(lines)) != len(lines):
            raise SirFileError(f"{where}: grid: a line index occurs twice")
        rows.append(GridRow(lines, start, step, stop))
    if not rows:
        raise SirFileError(f"{name}: grid: the file holds no rows")
    return tuple(rows)


def _items(text: str) -> list[str]:
    """Comma-separated items; blanks inside them vanish, as SIR deletes them."""
    parts = ("".join(part.split()) for part in text.replace(";", ",").split(","))
    return [part for part in parts if part]


def format_grid(rows: Iterable[GridRow]) -> str:
    """A wavelength grid as SIR reads it."""
    text = [
        f"{','.join(map(str, row.lines)):<26s}: {row.start:14.4f}, {row.step:12.4f}, {row.stop:14.4f}"
        for row in rows
    ]
    return _HEADER + "\n".join(text) + "\n"


def grid_regions(
    rows: Sequence[GridRow],
    lines: Mapping[int, Line],
    name: str,
    psf: Psf | None = None,
    *,
    observed: bool = False,
) -> tuple[Region, ...]:
    """A grid as the plan's regions.

    Parameters
    ----------
    rows : sequence of GridRow
    lines : mapping
        Index → line.
    name : str
        File name for messages.
    psf : Psf or None
        Of every region.
    observed : bool
        Whether the grid goes with observed profiles: SIR then ends it at the step nearest to the stated last
        offset. In a synthesis it ends at or beyond that.

    Raises
    ------
    SirFileError
        A line is not in the line list, or the contract refuses a region.
    """
    regions = []
    for row in rows:
        missing = [index for index in row.lines if index not in lines]
        if missing:
            known = ", ".join(map(str, sorted(lines)))
            raise SirFileError(f"{name}: grid: line {missing[0]} is not in the line list (it holds {known})")
        rest = lines[row.lines[0]].wavelength
        steps = round((row.stop - row.start) / row.step) if observed else row.n_wavelength - 1
        label = f"{lines[row.lines[0]].element}{lines[row.lines[0]].ion}-{rest:.1f}".lower()
        try:
            regions.append(
                Region(
                    name=label,
                    lines=tuple(lines[index] for index in row.lines),
                    start=rest + ANGSTROM_PER_MILLI * row.start,
                    stop=rest + ANGSTROM_PER_MILLI * (row.start + steps * row.step),
                    step=ANGSTROM_PER_MILLI * row.step,
                    psf=psf,
                )
            )
        except PlanError as error:
            raise SirFileError(f"{name}: {error}") from error
    return tuple(regions)
