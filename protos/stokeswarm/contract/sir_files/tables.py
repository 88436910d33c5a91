"""Abundances and spectral point-spread functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from stokeswarm.contract.abundances import N_ELEMENTS, SYMBOLS
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Psf
from stokeswarm.contract.sir_files.text import SirFileError, body, columns, number

#: abundance files write an absent element as this or less (ASPLUND: -8.0)
_ABSENT: Final = -7.9
_HYDROGEN: Final = 12.0


def parse_abundances(text: str, name: str) -> tuple[float, ...]:
    """An abundance table.

    Parameters
    ----------
    text : str
        Header up to a ruler, then atomic number and log10 ε (H = 12) a row; −8 or less means absent. As in
        SIR, the table ends at the first row that is not two numbers.
    name : str
        File name for messages.

    Returns
    -------
    tuple of 92 floats
        NaN = absent.

    Raises
    ------
    SirFileError
        With the line number, where there is no table, an atomic number is wrong or hydrogen is not 12.
    """
    table = [float("nan")] * N_ELEMENTS
    seen = 0
    for count, line in body(text):
        where = f"{name}: line {count}"
        fields = line.replace(",", " ").split()
        if len(fields) < 2 or not fields[0].isdigit():
            if seen:
                break
            raise SirFileError(
                f"{where}: abundances: expected atomic number and log ε, found {line.strip()!r}"
            )
        z = int(fields[0])
        if not 1 <= z <= N_ELEMENTS:
            raise SirFileError(f"{where}: abundances: expected an atomic number of 1–{N_ELEMENTS}, found {z}")
        value = number(fields[1], where, f"abundance of {SYMBOLS[z - 1]}")
        table[z - 1] = value if value > _ABSENT else float("nan")
        seen += 1
    if not seen:
        raise SirFileError(f"{name}: abundances: the file holds no table")
    if table[0] != _HYDROGEN:
        raise SirFileError(f"{name}: abundances: log ε of hydrogen must be 12, found {table[0]:g}")
    return tuple(table)


def format_abundances(abundances: Sequence[float], title: str = "abundances") -> str:
    """An abundance table as SIR reads it."""
    head = f"{title}\n\nAtom  Abundance\n{'_' * 70}\n"
    rows = [
        f"{z:<3d} {value if np.isfinite(value) else -8.0:10.6f}"
        for z, value in enumerate(abundances, start=1)
    ]
    return head + "\n".join(rows) + "\n"


def parse_psf(text: str, name: str) -> Psf:
    """A spectral point-spread function.

    Parameters
    ----------
    text : str
        Δλ [mÅ] and transmission (any norm) a row.
    name : str
        File name for messages; its last part becomes the PSF's name.

    Raises
    ------
    SirFileError
        With the line number, where the file is not as above.
    """
    rows = columns(text, name, (2,), "psf (mÅ, transmission)")[1]
    label = name.rstrip("/").rsplit("/", 1)[-1]
    try:
        return Psf(tuple(rows[:, 0].tolist()), tuple(rows[:, 1].tolist()), label)
    except PlanError as error:
        raise SirFileError(f"{name}: {error}") from error


def format_psf(psf: Psf) -> str:
    """A spectral point-spread function as SIR reads it."""
    pairs = zip(psf.offset, psf.transmission, strict=True)
    return "".join(f"{offset:12.5f} {value:14.7E}\n" for offset, value in pairs)
