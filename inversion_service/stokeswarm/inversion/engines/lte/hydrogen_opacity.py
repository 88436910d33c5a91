"""Absorption by hydrogen in its atomic forms: H-, H and the quasi-molecule H2+.

The choice among published cross-sections follows Wittmann (1974, Sol. Phys. 35, 11), on which SIR rests.
Where SIR's code departs from the publication there are two versions; ``Mixture.opacity_as_sir`` chooses.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import (
    ELECTRON_VOLT_KELVIN,
    RYDBERG_WAVENUMBER,
    SECOND_RADIATION_CONSTANT,
    SPEED_OF_LIGHT,
)
from stokeswarm.inversion.engines.lte.partition import THETA_TEMPERATURE
from stokeswarm.inversion.engines.lte.radiation import stimulated_emission

HMINUS_THRESHOLD: Final = 1.6419
"""Photodetachment threshold of H- [micron] (Wishart 1979, MNRAS 187, 59P)."""
HMINUS_FIT_CHANGE: Final = 1.42
"""Wavelength where the two polynomials of the H- cross-section meet [micron]."""
JOHN_FREE_FREE: Final = np.array(
    [
        (2483.3460, 285.8270, -2054.2910, 2827.7760, -1341.5370, 208.9520),
        (-3449.8890, -1158.3820, 8746.5230, -11485.6320, 5303.6090, -812.9390),
        (2200.0400, 2427.7190, -13651.1050, 16755.5240, -7510.4940, 1132.7380),
        (-696.2710, -1841.4000, 8624.9700, -10051.5300, 4400.0670, -655.0200),
        (88.2830, 444.5170, -1863.8640, 2095.2880, -901.7880, 132.9850),
    ]
)
"""Coefficients A to F for n = 2 to 6 of John (1988), table 3a, for wavelengths in micron."""
HYDROGEN_TEMPERATURE: Final = SECOND_RADIATION_CONSTANT * RYDBERG_WAVENUMBER
"""Binding energy of hydrogen over k [K]: 157 802."""
HYDROGEN_TEMPERATURE_SIR: Final = 156839.9
"""The same in SIR's opacity, 13.515 eV instead of 13.598: its excited levels absorb 9 % more at 10 000 K."""
KRAMERS_CUBIC: Final = 1.0449e-2
"""Kramers' bound-free cross-section over lambda^3 n^-5, times the level's n^2 [cm^-1] (Gray 2005, The
Observation and Analysis of Stellar Photospheres, eq. 8.4 and 8.8: 1.0449e-26 for Angstrom)."""
MENZEL_PEKERIS: Final = 0.3456
"""Coefficient of the free-free Gaunt factor of Menzel & Pekeris (1935, MNRAS 96, 77), Gray (2005) eq. 8.6."""
HIGHEST_LEVEL: Final = 12
"""Levels of hydrogen above this one are a continuum (Unsoeld 1955, Physik der Sternatmosphaeren, eq. 47)."""


@njit
def hydrogen_minus_bound_free(wavelength_cm: float) -> float:
    """Photodetachment cross-section of H-.

    Geltman's (1962, ApJ 136, 935) values in the polynomials of Gingerich (1964, SAO Special Report 167,
    17), which Mihalas (1967, Methods in Computational Physics 7, 1) gives as well.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].

    Returns
    -------
    float
        Cross-section [cm^2], before stimulated emission.
    """
    micron = 1.0e4 * wavelength_cm
    if micron >= HMINUS_THRESHOLD:
        return 0.0
    if micron > HMINUS_FIT_CHANGE:
        x = 10.0 * (HMINUS_THRESHOLD - micron)
        return 1.0e-17 * x * (0.269818 + x * (0.220190 + x * (-0.0411288 + x * 0.00273236)))
    x = 10.0 * micron
    return 1.0e-17 * (0.00680133 + x * (0.178708 + x * (0.164790 + x * (-0.0204842 + x * 5.95244e-4))))


@njit
def hydrogen_minus_free_free(wavelength_cm: float, temperature: float) -> float:
    """Free-free absorption of H- per electron pressure and hydrogen atom, stimulated emission included.

    John (1988, A&A 193, 189), table 3a: 0.3645 micron upwards, 1400 to 10 080 K.

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
    theta = THETA_TEMPERATURE / temperature
    micron = 1.0e4 * wavelength_cm
    inverse = 1.0 / micron
    root = np.sqrt(theta)
    power = theta * root
    total = 0.0
    for n in range(JOHN_FREE_FREE.shape[0]):
        a, b, c, d, e, f = JOHN_FREE_FREE[n]
        polynomial = c + inverse * (d + inverse * (e + inverse * f))
        total += power * (a * micron * micron + b + inverse * polynomial)
        power *= root
    return float(1.0e-29 * total)


@njit
def hydrogen_minus_free_free_as_sir(wavelength_cm: float, temperature: float) -> float:
    """Free-free absorption of H- as SIR computes it, per electron pressure and hydrogen atom.

    The polynomial in theta and wavelength is that of Gingerich (1964, SAO Special Report 167, 17), also in
    Mihalas (1967), good to some 5 %. SIR multiplies its wavelength-dependent part by one theta more than
    the publication: right at 5040 K, the result is 25 % above John (1988) at 4000 K, 24 % below at 6500 K
    and half of it at 10 000 K. Temperatures in the literature were obtained with it.

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
    theta = THETA_TEMPERATURE / temperature
    x = 1.0e5 * wavelength_cm
    constant = 0.0053666 + theta * (-0.011493 + theta * 0.027039)
    linear = -3.2062 + theta * (11.924 - theta * 5.939)
    quadratic = -0.40192 + theta * (7.0355 - theta * 0.34592)
    return 1.0e-26 * (constant + 1.0e-3 * x * (linear + x * quadratic) * theta)


@njit
def hydrogen_atom(wavelength_cm: float, temperature: float, binding: float) -> float:
    """Bound-free and free-free absorption per neutral hydrogen atom, stimulated emission included.

    Kramers' cross-sections with the Gaunt factors of Menzel & Pekeris (1935), bound-free to second order as
    in Seaton (1960, Rep. Prog. Phys. 23, 313); levels above the 12th and free states as one continuum (Gray
    2005, eq. 8.4 to 8.10).

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].
    binding : float
        Binding energy of the ground level over k [K]: ``HYDROGEN_TEMPERATURE``, or what SIR takes for it,
        ``HYDROGEN_TEMPERATURE_SIR``.

    Returns
    -------
    float
        Absorption [cm^2].
    """
    photon = 1.0 / (wavelength_cm * RYDBERG_WAVENUMBER)
    ground = binding / temperature
    gaunt_scale = np.cbrt(photon)
    lowest = int(np.sqrt(1.0 / photon)) + 1
    levels = 0.0
    for level in range(lowest, HIGHEST_LEVEL + 1):
        excess = photon * level * level - 1.0
        scale = 1.0 / (gaunt_scale * gaunt_scale * level * level)
        gaunt = 1.0 + scale * (
            0.1728 * (excess - 1.0) - scale * 0.0496 * (excess * (excess + 4.0 / 3.0) + 1.0)
        )
        levels += gaunt * np.exp(ground / (level * level) - ground) / level**3
    # The sum over the levels n > 12 is an integral from n = 12.5 on.
    edge = max(lowest - 0.5, HIGHEST_LEVEL + 0.5)
    series_end = np.exp(ground / (edge * edge) - ground) - np.exp(-ground)
    free_gaunt = 1.0 + MENZEL_PEKERIS * gaunt_scale * (0.5 + 1.0 / (photon * ground))
    continuum = 0.5 / ground * (series_end + free_gaunt * np.exp(-ground))
    kramers = KRAMERS_CUBIC * wavelength_cm**3
    return float(kramers * stimulated_emission(wavelength_cm, temperature) * (levels + continuum))


@njit
def hydrogen_molecular_ion(wavelength_cm: float, temperature: float) -> float:
    """Absorption of H2+ per hydrogen atom and proton, stimulated emission included.

    Bates' (1952, MNRAS 112, 40) quasi-molecule in the polynomials of Kurucz (1970, SAO Special Report 309,
    p. 79).

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        Coefficient [cm^5].
    """
    frequency = SPEED_OF_LIGHT / wavelength_cm
    ln_frequency = np.log(frequency)
    # Energy of the lower state with respect to the separated particles [eV], and strength.
    energy = -7.342e-3 + frequency * (
        -2.409e-15
        + frequency * (1.028e-30 + frequency * (-4.230e-46 + frequency * (1.224e-61 - 1.351e-77 * frequency)))
    )
    ln_strength = -3.0233e3 + ln_frequency * (
        3.7797e2 + ln_frequency * (-1.82496e1 + ln_frequency * (3.9207e-1 - 3.1672e-3 * ln_frequency))
    )
    absorption = np.exp(ln_strength - energy * ELECTRON_VOLT_KELVIN / temperature)
    return float(absorption * stimulated_emission(wavelength_cm, temperature))
