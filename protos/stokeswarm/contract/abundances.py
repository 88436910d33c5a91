"""Element symbols and photospheric abundance tables.

Abundances are log10 ε on the scale log ε(H) = 12, for Z = 1 … 92; NaN means absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import NotFoundError, PlanError

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb "
    "Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U"
)
SYMBOLS: Final[tuple[str, ...]] = tuple(_SYMBOLS.split())
N_ELEMENTS: Final = 92

# Asplund, Grevesse, Sauval & Scott 2009, ARA&A 47, 481, Table 1: photosphere, meteorites where it has none.
_ASPLUND_2009: Final[Mapping[str, float]] = {
    "H": 12.00, "He": 10.93, "Li": 1.05, "Be": 1.38, "B": 2.70, "C": 8.43, "N": 7.83, "O": 8.69,
    "F": 4.56, "Ne": 7.93, "Na": 6.24, "Mg": 7.60, "Al": 6.45, "Si": 7.51, "P": 5.41, "S": 7.12,
    "Cl": 5.50, "Ar": 6.40, "K": 5.03, "Ca": 6.34, "Sc": 3.15, "Ti": 4.95, "V": 3.93, "Cr": 5.64,
    "Mn": 5.43, "Fe": 7.50, "Co": 4.99, "Ni": 6.22, "Cu": 4.19, "Zn": 4.56, "Ga": 3.04, "Ge": 3.65,
    "As": 2.30, "Se": 3.34, "Br": 2.54, "Kr": 3.25, "Rb": 2.52, "Sr": 2.87, "Y": 2.21, "Zr": 2.58,
    "Nb": 1.46, "Mo": 1.88, "Ru": 1.75, "Rh": 0.91, "Pd": 1.57, "Ag": 0.94, "Cd": 1.71, "In": 0.80,
    "Sn": 2.04, "Sb": 1.01, "Te": 2.18, "I": 1.55, "Xe": 2.24, "Cs": 1.08, "Ba": 2.18, "La": 1.10,
    "Ce": 1.58, "Pr": 0.72, "Nd": 1.42, "Sm": 0.96, "Eu": 0.52, "Gd": 1.07, "Tb": 0.30, "Dy": 1.10,
    "Ho": 0.48, "Er": 0.92, "Tm": 0.10, "Yb": 0.84, "Lu": 0.10, "Hf": 0.85, "Ta": -0.12, "W": 0.85,
    "Re": 0.26, "Os": 1.40, "Ir": 1.38, "Pt": 1.62, "Au": 0.92, "Hg": 1.17, "Tl": 0.90, "Pb": 1.75,
    "Bi": 0.65, "Th": 0.02, "U": -0.54,
}  # fmt: skip

# Grevesse 1984, Phys. Scr. T8, 49, with Na … Ir from Holweger as quoted by Thévenin 1989, A&AS 77, 137:
# the mixture that the SIR community's control files name most often.
_THEVENIN_1989: Final[Mapping[str, float]] = {
    "H": 12.00, "He": 11.00, "Li": 1.00, "Be": 1.15, "B": 2.60, "C": 8.69, "N": 7.99, "O": 8.91,
    "F": 4.56, "Ne": 8.00, "Na": 6.28, "Mg": 7.53, "Al": 6.43, "Si": 7.50, "P": 5.45, "S": 7.21,
    "Cl": 5.50, "Ar": 6.58, "K": 5.05, "Ca": 6.36, "Sc": 2.99, "Ti": 4.88, "V": 3.91, "Cr": 5.61,
    "Mn": 5.47, "Fe": 7.46, "Co": 4.85, "Ni": 6.18, "Cu": 4.24, "Zn": 4.60, "Ga": 2.88, "Ge": 3.57,
    "Sr": 2.93, "Y": 2.18, "Zr": 2.46, "Nb": 1.46, "Mo": 2.10, "Ba": 2.18, "La": 1.07, "Ce": 1.58,
    "Pr": 0.76, "Nd": 1.40, "Sm": 0.88, "Eu": 0.48, "Gd": 1.13, "Dy": 1.07, "W": 0.98, "Ir": 1.36,
}  # fmt: skip

TABLES: Final[Mapping[str, Mapping[str, float]]] = {
    "asplund-2009": _ASPLUND_2009,
    "thevenin-1989": _THEVENIN_1989,
}


def abundance_table(name: str) -> npt.NDArray[np.float64]:
    """Named abundance table.

    Parameters
    ----------
    name : str
        A key of `TABLES`.

    Returns
    -------
    ndarray (92,) float64
        log10 ε, H = 12; NaN = absent.

    Raises
    ------
    NotFoundError
        No table of that name.
    """
    if name not in TABLES:
        raise NotFoundError(f"abundances: no table named {name!r}; there are {', '.join(TABLES)}")
    return from_mapping(TABLES[name])


def from_mapping(values: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Abundance array from symbol → log10 ε.

    Raises
    ------
    PlanError
        A symbol is unknown, or hydrogen is not 12.
    """
    table = np.full(N_ELEMENTS, np.nan)
    for symbol, value in values.items():
        table[atomic_number(symbol) - 1] = value
    if table[0] != 12.0:
        raise PlanError(f"abundances: log ε(H) must be 12, found {table[0]}")
    return table


def atomic_number(symbol: str) -> int:
    """Atomic number of an element symbol, case-insensitive (``"FE"`` → 26).

    Raises
    ------
    PlanError
        Unknown symbol.
    """
    name = symbol.strip().capitalize()
    if name not in SYMBOLS:
        raise PlanError(f"element {symbol!r} is not a chemical symbol")
    return SYMBOLS.index(name) + 1
