"""Wavelength units and media: whatever the file says becomes ångström in air."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import SpectraError

Floats = npt.NDArray[np.float64]

#: unit as files write it, lower case → Å
UNITS: Final[Mapping[str, float]] = {
    "angstrom": 1.0,
    "angstroms": 1.0,
    "ångström": 1.0,
    "å": 1.0,
    "a": 1.0,
    "aa": 1.0,
    "0.1 nm": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "nanometre": 10.0,
    "um": 1.0e4,
    "µm": 1.0e4,
    "micron": 1.0e4,
    "m": 1.0e10,
}

# Vacuum → air: index of refraction of dry air at 15 °C, 101 325 Pa and 0.045 % CO₂, Birch & Downs 1994
# (Metrologia 31, 315) as given by Morton 2000 (ApJS 130, 403, eq. 8), the IAU's standard.
_VACUUM_CONSTANT: Final = 8.34254e-5
_VACUUM_TERMS: Final = ((2.406147e-2, 130.0), (1.5998e-4, 38.9))


def unit_factor(unit: str) -> float:
    """What turns a unit into Å.

    Parameters
    ----------
    unit : str
        ``"Angstrom"``, ``"nm"``, ``"um"``, ``"m"`` …, in any case.

    Raises
    ------
    SpectraError
        Unknown unit.
    """
    key = unit.strip().lower()
    if key not in UNITS:
        raise SpectraError(f"wavelength: unit {unit!r} is unknown; expected one of {', '.join(UNITS)}")
    return UNITS[key]


def vacuum_to_air(vacuum: npt.ArrayLike) -> Floats:
    """Wavelength in air of a wavelength in vacuum.

    Parameters
    ----------
    vacuum : array_like
        Å, 2000 Å or more.

    Returns
    -------
    ndarray float64
        Å. Morton 2000, eq. 8 (Birch & Downs 1994).
    """
    wavelength = np.asarray(vacuum, dtype=np.float64)
    return np.asarray(wavelength / _index_of_vacuum(wavelength))


def air_to_vacuum(air: npt.ArrayLike) -> Floats:
    """Wavelength in vacuum of a wavelength in air: the inverse of `vacuum_to_air`, iterated to rounding.

    Parameters
    ----------
    air : array_like
        Å, 2000 Å or more.

    Returns
    -------
    ndarray float64
        Å.
    """
    wavelength = np.asarray(air, dtype=np.float64)
    vacuum = wavelength
    # the index changes by 1e-8 over its own effect: each round gains four decimals
    for _ in range(4):
        vacuum = wavelength * _index_of_vacuum(vacuum)
    return np.asarray(vacuum)


def _index_of_vacuum(vacuum: Floats) -> Floats:
    """Index of refraction at a vacuum wavelength [Å]."""
    squared = (1.0e4 / vacuum) ** 2
    index = 1.0 + _VACUUM_CONSTANT + sum(a / (b - squared) for a, b in _VACUUM_TERMS)
    return np.asarray(index)
