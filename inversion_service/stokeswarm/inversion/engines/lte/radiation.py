"""The Planck function, its derivative, and stimulated emission."""

from __future__ import annotations

import numpy as np

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import FIRST_RADIATION_CONSTANT, SECOND_RADIATION_CONSTANT


@njit
def planck(wavelength_cm: float, temperature: float) -> float:
    """Planck function per unit wavelength.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        B_lambda [erg cm^-2 s^-1 sr^-1 cm^-1].
    """
    exponent = SECOND_RADIATION_CONSTANT / (wavelength_cm * temperature)
    return float(FIRST_RADIATION_CONSTANT / (wavelength_cm**5 * np.expm1(exponent)))


@njit
def planck_derivative(wavelength_cm: float, temperature: float) -> float:
    """Derivative of the Planck function with respect to temperature.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        dB_lambda / dT [erg cm^-2 s^-1 sr^-1 cm^-1 K^-1].
    """
    exponent = SECOND_RADIATION_CONSTANT / (wavelength_cm * temperature)
    return float(planck(wavelength_cm, temperature) * exponent / (temperature * -np.expm1(-exponent)))


@njit
def stimulated_emission(wavelength_cm: float, temperature: float) -> float:
    """Factor 1 - exp(-h nu / kT) that stimulated emission leaves of an absorption.

    Parameters
    ----------
    wavelength_cm : float
        Wavelength [cm].
    temperature : float
        Temperature [K].

    Returns
    -------
    float
        The factor, 0 to 1.
    """
    return float(-np.expm1(-SECOND_RADIATION_CONSTANT / (wavelength_cm * temperature)))
