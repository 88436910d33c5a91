"""Bound-free opacity of the metals that matter from 0.38 to 3 micron: Mg I, Na I and C I.

Peach (1970, Mem. R. Astron. Soc. 73, 1) tabulates the absorption per atom over wavelength and temperature.
Here each table is a sum over the lower levels with an edge in the range, ``w (lambda/edge)^p exp(-E/kT)``,
plus one hydrogenic continuum (Unsoeld 1955) of the levels above, ``t lambda^3 kT exp(-E/kT)``; weights and
exponents are our least-squares fit. Over all that was fitted the root mean square misfit is 19 % for Mg
(a few % above 4885 Å) and 27 % for C; the metals are 0.7 % of the opacity of the photosphere at 630 nm.
Unlike a table it is smooth in temperature, and holds below 4000 K, where the tables end.

Fe I, Si I and Al I absorb below 0.4 micron only (Travis & Matsushima 1968, ApJ 154, 689).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import ELECTRON_VOLT_KELVIN, SECOND_RADIATION_CONSTANT
from stokeswarm.inversion.engines.lte.eos import N_CI, N_MGI, N_NAI

FloatArray = npt.NDArray[np.float64]

MAGNESIUM_LEVELS: Final = np.array(
    [
        (3.7565e-5, 4.343, 2.20e-17),
        (4.8845e-5, 5.106, 4.06e-18),
        (6.5495e-5, 5.751, 1.70e-16),
        (7.2345e-5, 5.930, 2.04e-16),
        (7.2915e-5, 5.944, 5.16e-16),
        (8.1135e-5, 6.116, 1.96e-17),
    ]
)
"""Mg I: edge [cm], energy of the level [eV], statistical weight times cross-section at the edge [cm^2]."""
MAGNESIUM_EXPONENT: Final = 2.0
MAGNESIUM_TAIL: Final = (6.43, 7.644, 1.38e-3)
"""Lowest energy [eV], ionisation energy [eV], strength [cm^-1 eV^-1] of the continuum of higher levels."""
MAGNESIUM_TABLE_END: Final = 9.0e-5
"""Longest wavelength of the table [cm]."""
SODIUM_LEVELS: Final = np.array(
    [
        (4.0845e-5, 2.103, 2.40e-17),
        (8.1455e-5, 3.616, 9.47e-17),
        (8.9455e-5, 3.752, 5.51e-17),
    ]
)
"""Na I, likewise; the weights are relative to that of the ground level, 2."""
SODIUM_EXPONENT: Final = 3.5
SODIUM_TAIL: Final = (4.116, 5.138, 3.06e-4)
SODIUM_TABLE_END: Final = 9.85e-5
CARBON_LEVELS: Final = np.array([(4.7295e-5, 8.634, 5.46e-18), (5.4785e-5, 8.993, 8.80e-18)])
"""C I, likewise; the weights are relative to that of the ground term, 9."""
CARBON_EXPONENT: Final = 2.7
CARBON_TAIL: Final = (9.30, 11.256, 3.48e-4)
CARBON_TABLE_END: Final = 7.1e-5


@njit
def absorption_per_atom(
    wavelength_cm: float,
    temperature: float,
    levels: FloatArray,
    exponent: float,
    tail: tuple[float, float, float],
) -> float:
    """Bound-free absorption of a neutral atom, before stimulated emission.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].
    levels : ndarray of float64, shape (n_levels, 3)
        Edge [cm], energy [eV] and cross-section at the edge [cm^2] of each level.
    exponent : float
        Power of the wavelength with which the cross-sections rise towards their edges.
    tail : tuple of 3 float
        Lowest energy [eV], ionisation energy [eV] and strength [cm^-1 eV^-1] of the continuum of higher
        levels.

    Returns
    -------
    float
        Absorption per atom [cm^2].
    """
    volts = temperature / ELECTRON_VOLT_KELVIN
    # Only levels that the photon can ionise take part.
    lowest = max(tail[0], tail[1] - SECOND_RADIATION_CONSTANT / (ELECTRON_VOLT_KELVIN * wavelength_cm))
    absorption = tail[2] * wavelength_cm**3 * volts * np.exp(-lowest / volts)
    for i in range(levels.shape[0]):
        if wavelength_cm <= levels[i, 0]:
            rise = (wavelength_cm / levels[i, 0]) ** exponent
            absorption += levels[i, 2] * rise * np.exp(-levels[i, 1] / volts)
    return float(absorption)


@njit
def metal_bound_free(
    wavelength_cm: float, temperature: float, state: FloatArray, tabulated_only: bool
) -> float:
    """Bound-free extinction of magnesium, sodium and carbon, before stimulated emission.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].
    state : ndarray of float64, shape (N_STATE,)
        From ``eos.gas_state``.
    tabulated_only : bool
        Whether an element absorbs only up to the end of its table (0.9 micron for Mg), as in SIR. If not, the
        hydrogenic continuum goes on beyond: 0.7 % of the opacity at 1.56 micron.

    Returns
    -------
    float
        Extinction [cm^-1].
    """
    extinction = 0.0
    if wavelength_cm <= MAGNESIUM_TABLE_END or not tabulated_only:
        extinction += float(state[N_MGI]) * absorption_per_atom(
            wavelength_cm, temperature, MAGNESIUM_LEVELS, MAGNESIUM_EXPONENT, MAGNESIUM_TAIL
        )
    if wavelength_cm <= SODIUM_TABLE_END or not tabulated_only:
        extinction += float(state[N_NAI]) * absorption_per_atom(
            wavelength_cm, temperature, SODIUM_LEVELS, SODIUM_EXPONENT, SODIUM_TAIL
        )
    if wavelength_cm <= CARBON_TABLE_END or not tabulated_only:
        extinction += float(state[N_CI]) * absorption_per_atom(
            wavelength_cm, temperature, CARBON_LEVELS, CARBON_EXPONENT, CARBON_TAIL
        )
    return extinction
