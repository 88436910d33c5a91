"""The disc-centre continuum by which SIR divides its Stokes profiles.

SIR (Ruiz Cobo & del Toro Iniesta 1992, ApJ 398, 375; function ``conhsra``) normalises to the continuum
intensity that the Harvard-Smithsonian Reference Atmosphere (Gingerich, Noyes, Kalkofen & Cuny 1971, Solar
Phys. 18, 347) emits at disc centre. It is defined by piecewise polynomials fitted to that computation (below
1.1 µm of the intensity in the wavelength, within 0.13 % as its author states; beyond, of its logarithm). The
coefficients are therefore part of the definition of the unit, and are SIR's.
"""

from __future__ import annotations

import bisect
import math
from typing import Final

SHORTEST_A: Final = 3000.0
LONGEST_A: Final = 30000.0
"""Range in which the fits are used here [Å]."""

_INTENSITY: Final[tuple[tuple[float, tuple[float, ...]], ...]] = (
    (3644.15, (-4.906054765549e13, 1.684734544039e11, 1.507254517567e7, -7561.242976546)),
    (3750.0, (-4.4650822755e14, 6.1319780351059e11, -9.350928003805e7)),
    (6250.0, (-1.025961e15, 1.3172859e12, -3.873465e8, 46486.541, -2.049)),
    (8300.0, (4.861821e15, -2.2589885e12, 4.3764376e8, -39279.61444, 1.34388)),
    (8850.0, (1.758394e15, -3.293986e11, 1.6782617e7)),
    (10000.0, (1.61455557e16, -6.544209e12, 1.0159316e9, -70695.58136, 1.852022)),
    (11000.0, (7.97805136e14, -1.16906597e11, 5.315222e6, -4.57327954, -3.473452e-3)),
)
"""Upper limit [Å] and coefficients of the intensity, lowest power of the wavelength [Å] first."""

_LOGARITHM: Final[tuple[tuple[float, float, float, tuple[float, ...]], ...]] = (
    (11000.0, 1000.0, 30.0, (3.4828959, 0.29332542, -0.079358369, 0.0050384849, -0.00010911067)),
    (14202.0, 14000.0, 31.633, (2.2519136, -2.21467)),
    (14250.0, 1000.0, 30.0, (4.0522751, -0.18186949, 0.00083747599)),
    (14500.0, 14000.0, 31.58, (2.2966776, -2.2066212)),
    (14577.0, 14000.0, 31.58, (2.2530627, -2.155536)),
    (14600.0, 1000.0, 30.0, (16.038509, -2.6510218, 0.17030757, -0.0038723181)),
    (16350.0, 16000.0, 31.28, (-2.2817106, 7.4979477, -5.1365681)),
    (16419.0, 16000.0, 31.28, (5.0576959, -6.3530731, 1.3913925)),
    (16450.0, 1000.0, 30.0, (7.2813407, -0.58288516, 0.018436802, -0.00036871446, 0.00000322391)),
    (22750.0, 22800.0, 30.08, (2.0074463, 2.2886963, -6.8588867, 2.5595589)),
    (22776.3, 22800.0, 30.08, (3.7565713, -3.7561476)),
    (22800.0, 1000.0, 30.0, (6.8152949, -0.49897589, 0.012840221, -0.00020295009, 0.00000137788)),
)
"""Lower limit [Å], scale of the wavelength [Å], offset, and coefficients of the natural logarithm less the
offset, lowest power of the scaled wavelength first."""


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value


def hsra_continuum(wavelength_A: float) -> float:
    """Continuum intensity of the HSRA at disc centre, SIR's unit of intensity.

    Parameters
    ----------
    wavelength_A : float
        Wavelength in air [Å], 3000 to 30000.

    Returns
    -------
    float
        Intensity [erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹].

    Raises
    ------
    ValueError
        Where the wavelength is outside the range of the fits.

    Examples
    --------
    >>> f"{hsra_continuum(6301.5012):.4e}"
    '2.9542e+14'
    """
    if not SHORTEST_A <= wavelength_A <= LONGEST_A:
        raise ValueError(
            f"the HSRA continuum is known from {SHORTEST_A:.0f} to {LONGEST_A:.0f} Å, found {wavelength_A}"
        )
    for limit, coefficients in _INTENSITY:
        if wavelength_A < limit:
            return _polynomial(coefficients, wavelength_A)
    segment = max(bisect.bisect_left([row[0] for row in _LOGARITHM], wavelength_A) - 1, 0)
    _, scale, offset, coefficients = _LOGARITHM[segment]
    return math.exp(offset + _polynomial(coefficients, wavelength_A / scale))
