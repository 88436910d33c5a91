"""DeSIRe's line list: SIR's rows with two further columns, the levels whose departures make the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Line, Plan
from stokeswarm.inversion.engines.sir.fortran import real

#: significant digits of a wavelength: 0.01 mÅ at 1 µm
_WAVELENGTH_DIGITS: Final = 10
_TERM: Final = re.compile(r"(\d{1,2})([DFGHIKLMNOPRSTUVW])(\d{1,2}(?:\.\d?)?)")


def format_lines(plan: Plan, levels: Mapping[int, tuple[int, int]]) -> str:
    """The line list of a plan; lines are numbered from 1 in the order of the regions, as in the grid.

    Parameters
    ----------
    plan : Plan
    levels : mapping
        Index of a line in the plan → lower and upper level in its model atom; one without is in LTE.

    Raises
    ------
    PlanError
        A line has what the list cannot hold: an effective Landé factor, or a term that is not LS.
    """
    lines = [line for region in plan.regions for line in region.lines]
    return "".join(
        _row(number, line, levels.get(line.index, (0, 0))) for number, line in enumerate(lines, start=1)
    )


def _row(number: int, line: Line, levels: tuple[int, int]) -> str:
    if line.effective_lande is not None:
        raise PlanError(
            f"line {line.index}: DeSIRe's line list has no place for an effective Landé factor, "
            f"found {line.effective_lande:g}"
        )
    where = f"line {line.index}"
    fields = [
        real(line.wavelength, what=f"{where} wavelength", digits=_WAVELENGTH_DIGITS),
        real(line.damping_factor, what=f"{where} damping factor"),
        real(line.excitation, what=f"{where} excitation"),
        real(line.log_gf, what=f"{where} log gf"),
        # the terms are found by counting characters from the hyphen
        f"{_term(line, line.lower_term)}-{_term(line, line.upper_term)}",
        real(line.abo_alpha, what=f"{where} ABO alpha"),
        real(line.abo_sigma, what=f"{where} ABO sigma"),
        *(f"{level}." for level in levels),
    ]
    return f"{number:3d}={line.element.upper():<2s} {line.ion}  {'  '.join(fields)}\n"


def _term(line: Line, term: str) -> str:
    """``"5P2.0"`` → ``" 5P 2.0"``: seven characters, read as i2, a1, f4.1."""
    match = _TERM.fullmatch(term)
    if match is None:
        raise PlanError(
            f"line {line.index}: expected LS terms (multiplicity, letter, J: '5P2.0'), found {term!r}"
        )
    return f"{int(match[1]):2d}{match[2]}{float(match[3]):4.1f}"
