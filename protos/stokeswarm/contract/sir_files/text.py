"""What all of SIR's text files share: headers, Fortran's numbers, errors with a line number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError

#: a header ends with a line whose columns 3–6 hold four of one of these
RULERS: Final = '_-+=.,:;"*/$#!><'
#: a header is at most this long
HEADER_LINES: Final = 20
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
_EXPONENT_WITHOUT_POINT: Final = re.compile(r"[+-]?\d+[eEdD][+-]?\d+")
_INTEGER: Final = re.compile(r"[+-]?\d+")


class SirFileError(InvalidArgumentError):
    """A file of SIR's does not have its format; the message names file and line."""


def number(text: str, where: str, what: str) -> float:
    """A real number as Fortran's list-directed input reads it (``1.d3`` included).

    Raises
    ------
    SirFileError
        Not a finite number.
    """
    if _NUMBER.fullmatch(text) is None:
        raise SirFileError(f"{where}: {what}: expected a number, found {text!r}")
    value = float(text.lower().replace("d", "e"))
    if not np.isfinite(value):
        raise SirFileError(f"{where}: {what}: expected a finite number, found {text!r}")
    return value


def formatted_number(text: str, where: str, what: str) -> float:
    """A real number where SIR reads it with the Fortran format ``f13.5``.

    There a number without a decimal point gets five decimals, so ``1e3`` is 0.01. Rather than to guess what
    was meant, such a number is refused.

    Raises
    ------
    SirFileError
        Not a number, or an exponent without a decimal point.
    """
    if _EXPONENT_WITHOUT_POINT.fullmatch(text):
        mantissa, exponent = re.split("[eEdD]", text)
        as_read = float(mantissa) * 1e-5 * 10.0 ** int(exponent)
        raise SirFileError(
            f"{where}: {what}: {text!r} has no decimal point; SIR reads it as {as_read:g}. "
            f"Write '{mantissa}.e{int(exponent)}'"
        )
    return number(text, where, what)


def integer(text: str, where: str, what: str) -> int:
    """A whole number.

    Raises
    ------
    SirFileError
        Anything else, a real number included (SIR stops at one).
    """
    if _INTEGER.fullmatch(text) is None:
        raise SirFileError(f"{where}: {what}: expected a whole number, found {text!r}")
    return int(text)


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, from 1, blank ones left out."""
    for count, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield count, line


def body(text: str) -> list[tuple[int, str]]:
    """The numbered lines after the header; all of them where there is no header."""
    lines = text.splitlines()
    start = 0
    for count, line in enumerate(lines[:HEADER_LINES], start=1):
        ruler = line[2:6]
        if len(ruler) == 4 and len(set(ruler)) == 1 and ruler[0] in RULERS:
            start = count
            break
    return [(count, line) for count, line in numbered(text) if count > start]


def columns(
    text: str, name: str, counts: tuple[int, ...], what: str
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """A table of numbers of one width.

    Parameters
    ----------
    text, name : str
        Contents and file name.
    counts : tuple of int
        Numbers of columns that are allowed.
    what : str
        For the message.

    Returns
    -------
    list of int, ndarray (n_row, n_column) float64
        Line numbers and values.

    Raises
    ------
    SirFileError
        No rows, a wrong or changing number of columns, or something that is no number.
    """
    numbers: list[int] = []
    rows: list[list[float]] = []
    for count, line in numbered(text):
        where = f"{name}: line {count}"
        fields = line.replace(",", " ").split()
        if len(fields) not in counts or (rows and len(fields) != len(rows[0])):
            wanted = str(len(rows[0])) if rows else " or ".join(map(str, counts))
            raise SirFileError(f"{where}: {what}: expected {wanted} columns, found {len(fields)}")
        rows.append([number(field, where, f"column {i}") for i, field in enumerate(fields, start=1)])
        numbers.append(count)
    if not rows:
        raise SirFileError(f"{name}: {what}: the file holds no rows")
    return numbers, np.array(rows, dtype=np.float64)
