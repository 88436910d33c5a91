"""Which of a plan's lines RH would leave to a model atom.

Where a model atom, active or passive, has a line, RH drops every background line of the same ion that lies in
that line's range, without a word: so that no line counts twice, but also neighbours that the model does not
have. A passive model's own lines are unpolarized, and are computed with the model's atomic data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Line
from stokeswarm.inversion.engines.lte.constants import SPEED_OF_LIGHT
from stokeswarm.inversion.engines.rh.atoms import Listing

#: a model's line and a plan's are the same within this many Å: energies of levels are not more precise
SAME_LINE: Final = 0.3
_MAX_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A bound-bound transition of a model.

    Attributes
    ----------
    stage : int
        0 = neutral.
    wavelength : float
        In vacuum, Å.
    wing : float
        How far it reaches, in units of ``VMICRO_CHAR`` over the speed of light.
    """

    stage: int
    wavelength: float
    wing: float


def read_lines(path: Path) -> tuple[ModelLine, ...]:
    """Bound-bound transitions of a model atom's file.

    Raises
    ------
    ValueError
        The file is not a model atom.
    """
    with path.open("rb") as file:
        text = file.read(_MAX_BYTES).decode("ascii", errors="replace")
    rows = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    try:
        next(rows)
        n_level, n_line = (int(word) for word in next(rows).split()[:2])
        levels = [_level(next(rows)) for _ in range(n_level)]
        return tuple(_line(rows, levels) for _ in range(n_line))
    except (StopIteration, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"{path.name} is not a model atom") from error


def _level(row: str) -> tuple[float, int]:
    """Energy [cm⁻¹] and ionisation stage."""
    before, _, rest = row.partition("'")
    return _real(before.split()[0]), int(rest.rpartition("'")[2].split()[0])


def _line(rows: Iterator[str], levels: Sequence[tuple[float, int]]) -> ModelLine:
    words = next(rows).split()
    first, second = (levels[int(word)] for word in words[:2])
    if "COMPOSIT" in words[3]:
        for _ in range(int(next(rows).split()[0])):
            next(rows)
    return ModelLine(first[1], 1e8 / abs(first[0] - second[0]), _real(words[7]))


def _real(word: str) -> float:
    return float(word.replace("D", "E").replace("d", "e"))


def check_lines(
    lines: Sequence[tuple[Line, float]],
    models: Sequence[AtomModel],
    listing: Listing,
    folder: Path,
    doppler: float,
) -> None:
    """Refuse lines that a model would take the place of, or take away.

    Parameters
    ----------
    lines : sequence of (Line, float)
        The plan's, each with its wavelength in vacuum [Å].
    models : sequence of AtomModel
        From `stokeswarm.inversion.engines.rh.atoms.complete`.
    listing : Listing
    folder : Path
        Of the models.
    doppler : float
        ``VMICRO_CHAR`` [km/s].

    Raises
    ------
    PlanError
        A line is in a passive model, or within the reach of another line of its ion's model.
    """
    by_species = {listing.find(model.name): model for model in models}
    read: dict[str, tuple[ModelLine, ...]] = {}
    for line, wavelength in lines:
        model = by_species.get(line.element.upper())
        if model is None:
            continue
        if model.name not in read:
            try:
                read[model.name] = read_lines(folder / f"{model.name}.{listing.kind.value}")
            except ValueError as error:
                raise PlanError(f"atom {model.name}: {error}") from None
        _check_line(line, wavelength, model, read[model.name], doppler * 1e5 / SPEED_OF_LIGHT)


def _check_line(
    line: Line, wavelength: float, model: AtomModel, lines: Sequence[ModelLine], doppler: float
) -> None:
    where = f"line {line.index} ({line.element} {line.ion}, {line.wavelength:g} Å)"
    near = [
        other
        for other in lines
        if other.stage == line.ion - 1
        and abs(other.wavelength - wavelength) <= other.wavelength * other.wing * doppler
    ]
    if any(abs(other.wavelength - wavelength) <= SAME_LINE for other in near):
        if model.active:
            return
        raise PlanError(
            f"{where} is one of the model atom {model.name}, which is passive: RH would take it from there, "
            "without polarization; make that model active, or name one without this line"
        )
    if near:
        raise PlanError(
            f"{where} lies within the reach of another line of the model atom {model.name}: RH would "
            "leave it out; name another model of this element"
        )
