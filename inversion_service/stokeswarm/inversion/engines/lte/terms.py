"""Spectroscopic terms: quantum numbers and Landé factors of the two levels of a transition.

A level is written as SIR's line lists write it: multiplicity, letter, total angular momentum (``5P 2.0``).
Capital letters are the integer orbital momenta of LS coupling. Lower-case letters, and the bracket form
``7[7/2] 4.0``, name half-integer ones: that is how those lists write the levels of JK coupling, such as the
upper level of Fe I 15652.9 Å (``7k 4.0``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

INTEGER_LETTERS: Final = "SPDFGHIKLMNOQ"
"""Letters of the orbital momenta 0, 1, 2 … (the order skips J and P, as spectroscopy does)."""
HALF_INTEGER_LETTERS: Final = "pfhkmortuvw"
"""Letters of the orbital momenta 1/2, 3/2, 5/2 … (the convention of SIR's line lists)."""

_TERM = re.compile(
    r"\s*(?P<multiplicity>\d{1,2})\s*"
    r"(?:(?P<letter>[A-Za-z])|\[\s*(?P<numerator>\d+)\s*/\s*2\s*\])\s*"
    r"(?P<total>\d+(?:\.\d*)?)\s*"
)
_MEASURED_LANDE: Final = ((26, 0, 15652.8, 0.1, 1.45, 1.45),)


@dataclass(frozen=True, slots=True)
class Term:
    """Quantum numbers of one level.

    Attributes
    ----------
    spin : float
        Spin S, half of (multiplicity - 1).
    orbital : float
        Orbital angular momentum L.
    total : float
        Total angular momentum J.
    """

    spin: float
    orbital: float
    total: float

    def __post_init__(self) -> None:
        for name, value in (("spin", self.spin), ("orbital", self.orbital), ("total", self.total)):
            if value < 0 or 2.0 * value != round(2.0 * value):
                raise ValueError(f"{name} must be a non-negative multiple of 1/2, found {value}")

    @property
    def lande_factor(self) -> float:
        """Landé factor in LS coupling (e.g. Landi Degl'Innocenti & Landolfi 2004, eq. 3.8); 0 where J = 0."""
        j = self.total
        if j == 0.0:
            return 0.0
        s, el = self.spin, self.orbital
        return 1.5 + (s * (s + 1.0) - el * (el + 1.0)) / (2.0 * j * (j + 1.0))


def parse_term(text: str) -> Term:
    """Read one level.

    Parameters
    ----------
    text : str
        ``"5P 2.0"``, ``"7k 4.0"`` or ``"7[7/2] 4.0"``.

    Returns
    -------
    Term

    Raises
    ------
    ValueError
        Where the text is not a level, or its letter is unknown.
    """
    match = _TERM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a level: expected multiplicity, letter and J, such as '5P 2.0'")
    letter = match["letter"]
    if letter is None:
        orbital = 0.5 * int(match["numerator"])
    elif letter in INTEGER_LETTERS:
        orbital = float(INTEGER_LETTERS.index(letter))
    elif letter in HALF_INTEGER_LETTERS:
        orbital = HALF_INTEGER_LETTERS.index(letter) + 0.5
    else:
        known = f"{INTEGER_LETTERS} or {HALF_INTEGER_LETTERS}"
        raise ValueError(
            f"orbital momentum {letter!r} of the level {text!r} is unknown: expected one of {known}"
        )
    return Term(0.5 * (int(match["multiplicity"]) - 1), orbital, float(match["total"]))


def parse_transition(text: str) -> tuple[Term, Term]:
    """Read the two levels of a line, lower first, separated by a hyphen (``"5P 2.0- 5D 2.0"``).

    Parameters
    ----------
    text : str
        The two levels.

    Returns
    -------
    lower, upper : Term

    Raises
    ------
    ValueError
        Where there are not two levels, one of them is malformed, or the electric-dipole rule forbids the
        transition (the total momenta differ by more than 1, or both are 0).
    """
    parts = text.split("-")
    if len(parts) != 2:
        raise ValueError(f"{text!r} is not a transition: expected two levels joined by one hyphen")
    lower, upper = parse_term(parts[0]), parse_term(parts[1])
    difference = abs(lower.total - upper.total)
    if difference not in (0.0, 1.0) or lower.total + upper.total == 0.0:
        raise ValueError(
            f"the transition {text!r} is not an electric dipole one: J = {lower.total} and {upper.total}"
        )
    return lower, upper


def measured_lande_factors(atomic_number: int, stage: int, wavelength_A: float) -> tuple[float, float] | None:
    """Landé factors that LS coupling would miss.

    Only Fe I 15652.9 Å is listed: its upper level follows JK coupling, and the factors 1.45 of both levels
    give the effective factor of 1.45 that Solanki, Rüedi & Livingston (1992, A&A 263, 312) use, and that SIR
    applies between 15652.7 and 15652.9 Å.

    Parameters
    ----------
    atomic_number : int
        Z of the element.
    stage : int
        0 neutral, 1 singly ionised.
    wavelength_A : float
        Wavelength of the line [Å].

    Returns
    -------
    tuple of float or None
        Landé factors of the lower and upper level, or None where LS coupling is right.
    """
    for z, ion, centre, half_width, lower, upper in _MEASURED_LANDE:
        if (atomic_number, stage) == (z, ion) and abs(wavelength_A - centre) < half_width:
            return lower, upper
    return None


def effective_lande_factor(g_lower: float, g_upper: float, j_lower: float, j_upper: float) -> float:
    """Effective Landé factor of a line (Landi Degl'Innocenti & Landolfi 2004, eq. 3.44).

    Parameters
    ----------
    g_lower, g_upper : float
        Landé factors of the levels.
    j_lower, j_upper : float
        Total angular momenta of the levels.

    Returns
    -------
    float
    """
    mean = 0.5 * (g_lower + g_upper)
    return mean + 0.25 * (g_lower - g_upper) * (j_lower * (j_lower + 1.0) - j_upper * (j_upper + 1.0))
