"""Continuous opacity of the photosphere: all absorbers and scatterers together.

Valid from 0.38 to 3 micron and from about 2000 to 15 000 K. Scattering is counted as absorption, as in SIR
(Ruiz Cobo & del Toro Iniesta 1992, ApJ 398, 375): the source function is the Planck function for all of it.
The terms are smooth in temperature and electron pressure; in wavelength they have their true edges. The
choice among published cross-sections follows Wittmann (1974, Sol. Phys. 35, 11), on which SIR rests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import THOMSON_CROSS_SECTION
from stokeswarm.inversion.engines.lte.eos import (
    N_E,
    N_H2,
    N_HEI,
    N_HI,
    N_HII,
    N_HMINUS,
)
from stokeswarm.inversion.engines.lte.hydrogen_opacity import (
    HYDROGEN_TEMPERATURE,
    HYDROGEN_TEMPERATURE_SIR,
    hydrogen_atom,
    hydrogen_minus_bound_free,
    hydrogen_minus_free_free,
    hydrogen_minus_free_free_as_sir,
    hydrogen_molecular_ion,
)
from stokeswarm.inversion.engines.lte.metal_opacity import metal_bound_free
from stokeswarm.inversion.engines.lte.partition import THETA_TEMPERATURE
from stokeswarm.inversion.engines.lte.radiation import planck, planck_derivative, stimulated_emission

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

__all__ = [
    "continuum_opacity",
    "continuum_opacity_5000",
    "helium_minus_free_free",
    "hydrogen_molecule_minus",
    "planck",
    "planck_derivative",
    "rayleigh_scattering",
    "stimulated_emission",
]

FloatArray = npt.NDArray[np.float64]

REFERENCE_WAVELENGTH: Final = 5.0e-5
"""Wavelength of the optical depth scale, 5000 Angstrom [cm]."""
ANGSTROM_PER_CM: Final = 1.0e8
MINUS_ION_LOWEST: Final = 1500.0
MINUS_ION_HIGHEST: Final = 16800.0
"""Range of the fits of He- and H2- in temperature [K]; outside they keep the value at the edge."""
HELIUM_MINUS_CHANGE: Final = 9200.0
HELIUM_MINUS_WIDTH: Final = 400.0
"""Temperature of the change between the two fits of He-, and e-folding width of the passage [K]."""
MINUS_ION_SHORTEST: Final = 3.0e-5
"""He- and H2- free-free absorption is fitted above this wavelength [cm]."""


@njit
def helium_minus_free_free(wavelength_cm: float, temperature: float) -> float:
    """Free-free absorption of He- per electron pressure and helium atom, stimulated emission included.

    Below 9200 K Somerville (1965, ApJ 141, 811), above it McDowell, Williamson & Myerscough (1966, ApJ 144,
    827), in the polynomials that Wittmann (1974) fitted; they differ by some 10 % where they meet, and pass
    into each other.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        Coefficient [cm^4 dyn^-1].
    """
    t = min(max(temperature, MINUS_ION_LOWEST), MINUS_ION_HIGHEST)
    theta = THETA_TEMPERATURE / t
    angstrom = ANGSTROM_PER_CM * wavelength_cm
    x = wavelength_cm
    cool = 1.0e-8 * angstrom**2 * (0.49245 + t * (-1.0754e-4 + t * (9.5114e-9 - t * 2.3544e-13)))
    hot = (
        2.46e-4
        + x * (-1.26e1 + 5.67e6 * x)
        + theta * (-5.92e-4 + x * (5.12e1 + 1.3e7 * x) + theta * (1.45e-2 - x * (8.3e1 + 1.8e6 * x)))
    )
    share = 1.0 / (1.0 + np.exp((HELIUM_MINUS_CHANGE - t) / HELIUM_MINUS_WIDTH))
    return float(1.0e-26 * (cool + share * (hot - cool)))


@njit
def hydrogen_molecule_minus(wavelength_cm: float, temperature: float) -> float:
    """Free-free absorption of H2- per electron pressure and molecule, stimulated emission included.

    Somerville (1964, ApJ 139, 192) in the polynomial of Wittmann (1974).

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        Coefficient [cm^4 dyn^-1].
    """
    t = min(max(temperature, MINUS_ION_LOWEST), MINUS_ION_HIGHEST)
    angstrom = ANGSTROM_PER_CM * wavelength_cm
    return 1.0e-34 * angstrom**2 * (0.88967 + t * (-1.4274e-4 + t * (1.0879e-8 - t * 2.5658e-13)))


@njit
def rayleigh_scattering(wavelength_cm: float, n_hi: float, n_h2: float, n_hei: float) -> float:
    """Rayleigh scattering by hydrogen atoms, hydrogen molecules and helium atoms.

    Dalgarno (1962, Geophysics Corporation of America report 62-28-A) for H, Dalgarno & Williams (1962, ApJ
    136, 690) for H2, Dalgarno & Kingston (1960, Proc. R. Soc. A 259, 424) for He, as in Mihalas (1967) and
    Kurucz (1970).

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    n_hi, n_h2, n_hei : float
        Number densities of H I, H2 and He I [cm^-3].

    Returns
    -------
    float
        Extinction [cm^-1].
    """
    square = 1.0 / (ANGSTROM_PER_CM * wavelength_cm) ** 2
    fourth = square * square
    atom = fourth * (5.799e-13 + square * (1.422e-6 + square * 2.784))
    molecule = fourth * (8.14e-13 + square * (1.28e-6 + square * 1.61))
    resonance = 1.0 + square * (2.44e5 + 5.94e-10 / (square * (1.0 / square - 2.90e5)))
    helium = 5.484e-14 * fourth * resonance * resonance
    return atom * n_hi + molecule * n_h2 + helium * n_hei


@njit
def continuum_opacity(
    wavelength_cm: float, temperature: float, pe: float, state: FloatArray, mix: Mixture
) -> float:
    """Continuous extinction per unit length, stimulated emission subtracted.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2].
    state : ndarray of float64, shape (N_STATE,)
        From ``eos.gas_state`` at the same temperature and electron pressure.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    float
        Absorption and scattering [cm^-1].
    """
    stimulated = stimulated_emission(wavelength_cm, temperature)
    n_hi = float(state[N_HI])
    n_h2 = float(state[N_H2])
    n_hei = float(state[N_HEI])
    opacity = hydrogen_minus_bound_free(wavelength_cm) * stimulated * float(state[N_HMINUS])
    if mix.opacity_as_sir:
        opacity += hydrogen_minus_free_free_as_sir(wavelength_cm, temperature) * pe * n_hi
        opacity += hydrogen_atom(wavelength_cm, temperature, HYDROGEN_TEMPERATURE_SIR) * n_hi
    else:
        opacity += hydrogen_minus_free_free(wavelength_cm, temperature) * pe * n_hi
        opacity += hydrogen_atom(wavelength_cm, temperature, HYDROGEN_TEMPERATURE) * n_hi
    opacity += hydrogen_molecular_ion(wavelength_cm, temperature) * n_hi * float(state[N_HII])
    if wavelength_cm > MINUS_ION_SHORTEST:
        opacity += helium_minus_free_free(wavelength_cm, temperature) * pe * n_hei
        opacity += hydrogen_molecule_minus(wavelength_cm, temperature) * pe * n_h2
    opacity += metal_bound_free(wavelength_cm, temperature, state, mix.opacity_as_sir) * stimulated
    opacity += rayleigh_scattering(wavelength_cm, n_hi, n_h2, n_hei)
    return opacity + THOMSON_CROSS_SECTION * float(state[N_E])


@njit
def continuum_opacity_5000(temperature: float, pe: float, state: FloatArray, mix: Mixture) -> float:
    """Continuous extinction per unit length at 5000 Angstrom, the wavelength of the depth scale.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2].
    state : ndarray of float64, shape (N_STATE,)
        From ``eos.gas_state`` at the same temperature and electron pressure.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    float
        Absorption and scattering [cm^-1].
    """
    return continuum_opacity(REFERENCE_WAVELENGTH, temperature, pe, state, mix)
