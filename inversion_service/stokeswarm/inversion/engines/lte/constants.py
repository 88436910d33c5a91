"""Physical constants of the LTE engine, in cgs units.

The fundamental constants are CODATA 2018 (Tiesinga et al. 2021, Rev. Mod. Phys. 93, 025010), exact where
the SI of 2019 makes them so.
"""

from __future__ import annotations

import math
from typing import Final

SPEED_OF_LIGHT: Final = 2.99792458e10
"""Speed of light [cm s^-1]."""
PLANCK: Final = 6.62607015e-27
"""Planck constant [erg s]."""
BOLTZMANN: Final = 1.380649e-16
"""Boltzmann constant [erg K^-1]."""
ELECTRON_MASS: Final = 9.1093837015e-28
"""Electron mass [g]."""
ELECTRON_CHARGE: Final = 4.803204712570263e-10
"""Elementary charge [statC]."""
ATOMIC_MASS_UNIT: Final = 1.66053906660e-24
"""Unified atomic mass unit [g]."""
ELECTRON_VOLT: Final = 1.602176634e-12
"""One electronvolt [erg]."""
BOHR_RADIUS: Final = 5.29177210903e-9
"""Bohr radius [cm]."""
RYDBERG_WAVENUMBER: Final = 109677.58340
"""Rydberg constant of hydrogen, R_infinity / (1 + m_e/m_p) [cm^-1]."""
HYDROGEN_IONISATION_ERG: Final = RYDBERG_WAVENUMBER * PLANCK * SPEED_OF_LIGHT
"""Binding energy of the ground level of hydrogen [erg]."""
THOMSON_CROSS_SECTION: Final = 6.6524587321e-25
"""Thomson cross-section of the electron [cm^2]."""

ELECTRON_VOLT_KELVIN: Final = ELECTRON_VOLT / BOLTZMANN
"""Temperature at which kT is one electronvolt [K]."""
SECOND_RADIATION_CONSTANT: Final = PLANCK * SPEED_OF_LIGHT / BOLTZMANN
"""Second radiation constant hc/k [cm K]."""
FIRST_RADIATION_CONSTANT: Final = 2.0 * PLANCK * SPEED_OF_LIGHT**2
"""2hc^2, the factor of the Planck function per unit wavelength [erg cm^2 s^-1 sr^-1]."""
SAHA_PRESSURE: Final = 2.0 * (2.0 * math.pi * ELECTRON_MASS * BOLTZMANN / PLANCK**2) ** 1.5 * BOLTZMANN
"""Factor of Saha's equation in pressure: ``n1 Pe / n0 = SAHA_PRESSURE T^2.5 U1/U0 exp(-chi/kT)``
[dyn cm^-2 K^-2.5]."""

HYDROGEN_MINUS_BINDING_EV: Final = 0.754
"""Electron affinity of hydrogen [eV] (Pekeris 1962, Phys. Rev. 126, 1470)."""

SOLAR_GRAVITY: Final = 27420.0
"""Gravity at the solar surface [cm s^-2], log g = 4.43807: nominal GM / R^2 of IAU 2015 resolution B3
(Prsa et al. 2016, AJ 152, 41)."""
LOG_SOLAR_GRAVITY: Final = math.log10(SOLAR_GRAVITY)
"""Decimal logarithm of :data:`SOLAR_GRAVITY`."""
