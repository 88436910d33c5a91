"""Line lists, ``LINES``: ``index=EL ion λ damping Elow loggf lower-upper α σ``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from stokeswarm.contract.errors import InvalidArgumentError, PlanError
from stokeswarm.contract.plan import Line
from stokeswarm.contract.sir_files.text import SirFileError, body, formatted_number, integer

#: SIR reads that many characters of a row
MAX_CHARACTERS: Final = 100
#: a number is copied into that many characters, without looking
NUMBER_CHARACTERS: Final = 13
MAX_DIGITS: Final = 12
_TERM: Final = r"(\d{1,2}\s*(?:[A-Za-z]|\[\s*\d+\s*/\s*2\s*\])\s*\d*\.?\d*)"
_TERMS: Final = re.compile(rf"\s*{_TERM}\s*-\s*{_TERM}(.*)")
#: ion, wavelength, damping, excitation, log gf
_LEADING: Final = 5


def parse_lines(text: str, name: str) -> dict[int, Line]:
    """A line list.

    Parameters
    ----------
    text : str
        One line a row: index ``=`` element, ion (1 = neutral), wavelength [Å, air], factor on the Unsöld
        damping, lower level [eV], log gf, lower and upper term, ABO α and σ [cm²] (0 0 = Unsöld).
    name : str
        File name for messages.

    Returns
    -------
    dict
        Index → line.

    Raises
    ------
    SirFileError
        With the line number, where a row is not as above, or an index occurs twice.
    """
    lines: dict[int, Line] = {}
    for count, row in body(text):
        where = f"{name}: line {count}"
        if "\t" in row:
            raise SirFileError(f"{where}: line list: tabs are not allowed (SIR does not see them as blanks)")
        line = _parse_row(row, where)
        if line.index in lines:
            raise SirFileError(f"{where}: line list: index {line.index} occurs twice")
        lines[line.index] = line
    if not lines:
        raise SirFileError(f"{name}: line list: the file holds no lines")
    return lines


def _parse_row(row: str, where: str) -> Line:
    head, equals, rest = row.partition("=")
    if not equals:
        raise SirFileError(
            f"{where}: line list: expected 'index=element ion wavelength …', found {row.strip()!r}"
        )
    index = integer(head.strip(), where, "line index")
    match = re.match(r"\s*([A-Za-z]{1,2})\s+", rest)
    if match is None:
        raise SirFileError(f"{where}: line {index}: expected a chemical symbol after '=', found {rest[:6]!r}")
    fields = rest[match.end() :].split(maxsplit=_LEADING)
    if len(fields) <= _LEADING:
        raise SirFileError(
            f"{where}: line {index}: expected ion, wavelength, damping factor, excitation, log gf and two "
            f"terms after {match[1]!r}, found {rest[match.end() :].strip()!r}"
        )
    ion, wavelength, damping, excitation, log_gf, tail = fields
    terms = _TERMS.fullmatch(tail.rstrip())
    if terms is None:
        raise SirFileError(
            f"{where}: line {index}: expected two terms such as '5P 2.0- 5D 2.0', found {tail!r}"
        )
    alpha, sigma = (*terms[3].split()[:2], "0.", "0.")[:2]
    if len(terms[3].split()) == 1:
        raise SirFileError(f"{where}: line {index}: ABO α without σ")
    numbers = {
        label: formatted_number(value, where, f"line {index}: {label}")
        for label, value in (
            ("wavelength", wavelength),
            ("damping factor", damping),
            ("excitation", excitation),
            ("log gf", log_gf),
            ("ABO α", alpha),
            ("ABO σ", sigma),
        )
    }
    try:
        return Line(
            index=index,
            element=match[1].capitalize(),
            ion=integer(ion, where, "ion"),
            wavelength=numbers["wavelength"],
            excitation=numbers["excitation"],
            log_gf=numbers["log gf"],
            lower_term=_compact(terms[1]),
            upper_term=_compact(terms[2]),
            damping_factor=numbers["damping factor"],
            abo_alpha=numbers["ABO α"],
            abo_sigma=numbers["ABO σ"],
        )
    except PlanError as error:
        raise SirFileError(f"{where}: {error}") from error


def _compact(term: str) -> str:
    return re.sub(r"\s+", "", term)


def format_lines(lines: Iterable[Line]) -> str:
    """A line list as SIR reads it.

    Raises
    ------
    InvalidArgumentError
        A line has an effective Landé factor, which SIR's line lists cannot hold, or a row gets too long.
    """
    rows = []
    for line in lines:
        if line.effective_lande is not None:
            raise InvalidArgumentError(
                f"line {line.index}: SIR's line lists have no place for an effective Landé factor"
            )
        row = (
            f"{line.index:3d}={line.element.upper():<2s} {line.ion} {_real(line.wavelength):>10s} "
            f"{_real(line.damping_factor)} {_real(line.excitation)} {_real(line.log_gf)} "
            f"{_spread(line.lower_term)}-{_spread(line.upper_term)} "
            f"{_real(line.abo_alpha)} {_real(line.abo_sigma)}"
        )
        if len(row) >= MAX_CHARACTERS:
            raise InvalidArgumentError(
                f"line {line.index}: its row has {len(row)} characters, SIR reads {MAX_CHARACTERS - 1}"
            )
        rows.append(row)
    return "\n".join(rows) + "\n"


def _real(value: float) -> str:
    """The shortest text that says the value, or as many of its digits as SIR's field has characters.

    With a decimal point always, without which Fortran's f13.5 misreads it.
    """
    text = ""
    for digits in range(MAX_DIGITS, 0, -1):
        mantissa, e, exponent = f"{value:.{digits}g}".partition("e")
        text = (mantissa if "." in mantissa else mantissa + ".") + e + exponent
        if len(text) <= NUMBER_CHARACTERS:
            break
    return text


def _spread(term: str) -> str:
    """``"5P2.0"`` → ``" 5P 2.0"``: SIR counts characters from the hyphen (i2, a1, f4.1)."""
    match = re.fullmatch(r"(\d{1,2})([A-Za-z]|\[\d+/2\])(\d+(?:\.\d*)?)", term)
    if match is None:
        raise InvalidArgumentError(f"term {term!r}: expected multiplicity, letter and J, such as '5P2.0'")
    return f"{int(match[1]):2d}{match[2]}{float(match[3]):4.1f}"
