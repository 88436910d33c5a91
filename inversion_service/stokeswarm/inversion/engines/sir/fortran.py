"""Numbers as SIR's Fortran reads and writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError

Floats = npt.NDArray[np.float64]

#: characters into which a number of a control file, a grid or a line list is copied, without looking
FIELD: Final = 13
#: significant digits that tell every single-precision number from its neighbours
SINGLE_DIGITS: Final = 9
#: ``1.234-105``: three digits of exponent push the letter out
_NO_LETTER: Final = re.compile(rb"(?<=[0-9.])([+-][0-9]{3})(?![0-9.])")


class OutputError(ValueError):
    """Text that is not the table of numbers it should be; the message says what is wrong with it."""


def real(value: float, *, what: str = "number", digits: int = SINGLE_DIGITS) -> str:
    """A real number for a field of `FIELD` characters, with the decimal point that the format f13.5 needs.

    Parameters
    ----------
    value : float
    what : str
        For the message.
    digits : int
        Significant digits; fewer where they do not fit.

    Raises
    ------
    PlanError
        Not finite, or beyond single precision.
    """
    if not np.isfinite(value) or abs(value) > float(np.finfo(np.float32).max):
        raise PlanError(f"{what}: expected a finite single-precision number, found {value}")
    for count in range(digits, 0, -1):
        mantissa, e, exponent = f"{value:.{count}g}".partition("e")
        if "." not in mantissa:
            mantissa += "."
        text = mantissa + (e + exponent if e else "")
        if len(text) <= FIELD:
            return text
    raise PlanError(f"{what}: {value} does not fit {FIELD} characters")


def reals(values: Sequence[float], *, what: str = "number") -> str:
    """`real` numbers of several cycles, separated by commas; one where all are the same."""
    texts = [real(value, what=what) for value in values]
    return texts[0] if len(set(texts)) == 1 else ",".join(texts)


def integers(values: Sequence[int]) -> str:
    """Whole numbers of several cycles; one where all are the same."""
    texts = [str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else ",".join(texts)


def numbers(data: bytes, what: str) -> Floats:
    """Every number of a file, as Fortran wrote it.

    Parameters
    ----------
    data : bytes
        The whole file.
    what : str
        Its name, for messages.

    Returns
    -------
    ndarray (n,) float64

    Raises
    ------
    OutputError
        The last line is cut off, a number did not fit its field (asterisks), something is no number, or a
        number is not finite.
    """
    if not data.endswith(b"\n"):
        raise OutputError(f"{what} is truncated")
    if b"_" in data:  # Python would take 1_0 for a number
        raise OutputError(f"{what} holds something else than numbers")
    tokens = data.split()
    try:
        values = np.array(list(map(float, tokens)))
    except ValueError:
        values = _careful(data, what)
    if not np.isfinite(values).all():
        raise OutputError(f"{what} holds numbers that are not finite")
    return values


def _careful(data: bytes, what: str) -> Floats:
    """The rare cases of `numbers`: exponents without a letter are understood, all else is refused."""
    tokens = _NO_LETTER.sub(rb"e\1", data.replace(b"D", b"e").replace(b"d", b"e")).split()
    values = np.empty(len(tokens))
    for i, token in enumerate(tokens):
        if b"*" in token:
            raise OutputError(f"{what} holds a number that did not fit its field (asterisks)")
        try:
            values[i] = float(token)
        except ValueError:
            raise OutputError(f"{what} holds {token[:20]!r} where a number belongs") from None
    return values
