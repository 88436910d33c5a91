"""Levels of a spectral line in a model atom, for line lists that say which populations make the line.

A model (RH's format: Uitenbroek 2001, ApJ 557, 389) begins, comments aside, with the element, the numbers of
levels, lines, continua and fixed transitions, the levels (energy [cm⁻¹], statistical weight, label in quotes,
ionisation stage counted from 0, number), and the lines (upper level, lower level, …).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError
from stokeswarm.contract.plan import Line

#: Å by which a line may differ from its model's term energies
TOLERANCE: Final = 0.5
#: Å; shorter wavelengths are in vacuum everywhere
_AIR_FROM: Final = 2000.0
_LEVEL: Final = re.compile(r"\s*([0-9.+\-EeDd]+)\s+([0-9.+\-EeDd]+)\s+'[^']*'\s+(\d+)\b")
#: a model file larger than this is none
_MAX_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Transition:
    """A line of a model atom: levels, air wavelength [Å], and stage (1 = neutral)."""

    lower: int
    upper: int
    wavelength: float
    ion: int


@dataclass(frozen=True, slots=True)
class ModelAtom:
    """Levels and lines of a model atom."""

    n_level: int
    transitions: tuple[Transition, ...]

    @classmethod
    def read(cls, path: Path) -> ModelAtom:
        """Read a model.

        Raises
        ------
        FailedPreconditionError
            The file cannot be read, or is not a model atom.
        """
        try:
            with path.open("rb") as file:
                rows = _rows(file.read(_MAX_BYTES).decode("ascii", errors="replace"))
            return cls._parse(rows)
        except OSError as error:
            raise FailedPreconditionError(f"{path}: cannot be read: {error.strerror}") from None
        except (StopIteration, ValueError, IndexError) as error:
            raise FailedPreconditionError(f"{path}: not a model atom in RH's format: {error}") from None

    @classmethod
    def _parse(cls, rows: Iterator[str]) -> ModelAtom:
        next(rows)
        n_level, n_line = (int(word) for word in next(rows).split()[:2])
        energies, stages = [], []
        for _ in range(n_level):
            match = _LEVEL.match(row := next(rows))
            if match is None:
                raise ValueError(f"expected a level, found {row.strip()!r}")
            energies.append(float(match[1].replace("D", "E").replace("d", "e")))
            stages.append(int(match[3]))
        found = []
        for _ in range(n_line):
            upper, lower = sorted((int(word) for word in next(rows).split()[:2]), reverse=True)
            vacuum = 1e8 / (energies[upper] - energies[lower])
            found.append(Transition(lower, upper, air(vacuum), stages[lower] + 1))
        return cls(n_level, tuple(found))

    def find(self, line: Line) -> tuple[int, int] | None:
        """Lower and upper level of the nearest line of the same stage within `TOLERANCE`; None = no such."""
        near = [
            (abs(t.wavelength - line.wavelength), t.lower, t.upper)
            for t in self.transitions
            if t.ion == line.ion and abs(t.wavelength - line.wavelength) <= TOLERANCE
        ]
        return min(near)[1:] if near else None


def _rows(text: str) -> Iterator[str]:
    return (row for row in text.splitlines() if row.strip() and not row.lstrip().startswith("#"))


def air(vacuum: float) -> float:
    """Wavelength [Å] in standard air of one in vacuum (Morton 1991, ApJS 77, 119; above 2000 Å)."""
    if vacuum < _AIR_FROM:
        return vacuum
    square = (1e4 / vacuum) ** 2
    index = 1.0 + 6.4328e-5 + 2.94981e-2 / (146.0 - square) + 2.5540e-4 / (41.0 - square)
    return vacuum / index
