"""Wavelengths in air and in vacuum, as RH converts them, which is by two formulas.

RH computes in vacuum. Where it prints wavelengths in air it takes the formula of the IUE manual; the air
wavelengths of a line list it reads by Edlén's dispersion formula. Their refractive indices differ by 4.5e-7
at 6300 Å and 6.4e-7 at 8542 Å (2.8 and 5.5 mÅ, 0.13 and 0.19 km/s); Edlén's is the one that agrees with
today's standard air. An engine that mixed them would shift every LTE line by as much against its grid.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: relative change at which the inversion of a formula ends: nothing that a double can tell
_TOLERANCE: Final = 1e-15
_MAX_STEPS: Final = 20


class Air(Enum):
    """Which formula "in air" stands for."""

    #: what RH prints with ``VACUUM_TO_AIR = TRUE``
    IUE = "iue"
    #: standard air, as line lists are in
    EDLEN = "edlen"


def index_iue(vacuum: Floats) -> Floats:
    """Refractive index of air for a wavelength in vacuum.

    The fourth-order polynomial in the wavenumber of the IUE Image Processing Information Manual (1.1,
    p. 6-15).

    Parameters
    ----------
    vacuum : ndarray float64
        Å, at least 2000.
    """
    square = 1.0 / vacuum**2
    return np.asarray(1.0 + 2.735182e-4 + (131.4182 + 2.76249e8 * square) * square)


def index_edlen(air: Floats) -> Floats:
    """Refractive index of standard air for a wavelength in air.

    Edlén 1966 (Metrologia 2, 71, eq. 1), with the wavenumber in air where the paper has that in vacuum, as RH
    takes it: 2e-10 of the wavelength.

    Parameters
    ----------
    air : ndarray float64
        Å, at least 1999.352.
    """
    square = (1e8 / air) ** 2
    return np.asarray(1.0000834213 + 2.406030e6 / (1.30e10 - square) + 1.5997e4 / (3.89e9 - square))


def to_vacuum(air: npt.ArrayLike, formula: Air) -> Floats:
    """Wavelengths in vacuum.

    Parameters
    ----------
    air : array_like float64
        Å.
    formula : Air

    Returns
    -------
    ndarray float64
        Å.
    """
    wavelength = np.asarray(air, dtype=np.float64)
    if formula is Air.EDLEN:
        return np.asarray(wavelength * index_edlen(wavelength))
    vacuum = wavelength
    for _ in range(_MAX_STEPS):
        better = wavelength * index_iue(vacuum)
        settled = np.all(np.abs(better - vacuum) <= _TOLERANCE * vacuum)
        vacuum = better
        if settled:
            break
    return np.asarray(vacuum)


def to_air(vacuum: npt.ArrayLike, formula: Air) -> Floats:
    """Wavelengths in air: the inverse of `to_vacuum`.

    Parameters
    ----------
    vacuum : array_like float64
        Å.
    formula : Air

    Returns
    -------
    ndarray float64
        Å.
    """
    wavelength = np.asarray(vacuum, dtype=np.float64)
    if formula is Air.IUE:
        return np.asarray(wavelength / index_iue(wavelength))
    air = wavelength
    for _ in range(_MAX_STEPS):
        better = wavelength / index_edlen(air)
        settled = np.all(np.abs(better - air) <= _TOLERANCE * air)
        air = better
        if settled:
            break
    return np.asarray(air)
