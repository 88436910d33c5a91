"""Widths of a spectral line: thermal motion, radiation damping, collisions with hydrogen and helium.

Collisional damping has one form here, Γ = T^p (c_H N(H I) + c_He N(He I) + c_H2 N(H2)): Unsöld's
approximation and the ABO theory differ in the coefficients only, which are computed once a line. Γ is the
full width at half maximum in angular frequency, so that the damping in Doppler widths is a = (γ_rad + Γ)
λ / (4π v_D).

Stark broadening by charged particles is left out, as in SIR (Ruiz Cobo & del Toro Iniesta 1992, ApJ 398,
375): it matters for hydrogen and for levels of high excitation, hardly for the metal lines that
magnetometry uses.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from stokeswarm.inversion.engines.lte import constants

CLASSICAL_DAMPING: Final = (
    8.0
    * math.pi**2
    * constants.ELECTRON_CHARGE**2
    / (3.0 * constants.ELECTRON_MASS * constants.SPEED_OF_LIGHT)
)
"""Classical damping constant times λ² [cm² s⁻¹]: 0.2223 (Mihalas 1978, Stellar Atmospheres, eq. 4-31)."""

ABO_REFERENCE_VELOCITY: Final = 1.0e6
"""Velocity at which ABO cross-sections are tabulated [cm s⁻¹] (Anstee & O'Mara 1995, MNRAS 276, 859)."""

HELIUM_POLARISABILITY: Final = 0.3181818
"""Polarisability of He I relative to H I (0.21 / 0.66 Å³; Allen 1976, Astrophysical Quantities, sect. 36)."""
H2_POLARISABILITY: Final = 1.212121
"""Polarisability of H2 relative to H I (0.80 / 0.66 Å³; as above)."""
H2_UNSOLD_WEIGHT: Final = 0.48485
"""Weight of H2 in Unsöld's sum relative to H I, as Wittmann (1974, Solar Phys. 35, 11) and SIR have it."""

UNSOLD_FACTOR: Final = 17.0
"""Γ = 17 C6^(2/5) v^(3/5) N (Unsöld 1955, Physik der Sternatmosphären, sect. 82)."""
UNSOLD_LOG_C6: Final = -12.213 * 2.5
"""log10 of C6 [cm⁶ s⁻¹ eV²] over the difference of inverse squared ionisation energies (Wittmann 1974;
Unsöld's own 0.3e-30 gives -30.523)."""
MINIMUM_UPPER_BINDING_EV: Final = 1.0
MINIMUM_LOWER_BINDING_EV: Final = 3.0
"""Floors of the binding energies in Unsöld's formula [eV], which has no meaning close to the ionisation limit
(Wittmann 1974)."""

HYDROGEN_WEIGHT: Final = 1.00797
HELIUM_WEIGHT: Final = 4.0026
"""Atomic weights of the perturbers [u]."""


class CollisionalDamping(NamedTuple):
    """Coefficients of Γ = T^p (c_H N(H I) + c_He N(He I) + c_H2 N(H2)) [rad s⁻¹, densities in cm⁻³].

    Attributes
    ----------
    hydrogen, helium, molecular_hydrogen : float
        c_H, c_He, c_H2 [cm³ s⁻¹ K⁻ᵖ].
    exponent : float
        p.
    """

    hydrogen: float
    helium: float
    molecular_hydrogen: float
    exponent: float


def refractive_index(wavelength_A: float) -> float:
    """Refractive index of standard air (15 °C, 760 mmHg; Edlén 1953, J. Opt. Soc. Am. 43, 339).

    Parameters
    ----------
    wavelength_A : float
        Wavelength [Å], above 1850.

    Returns
    -------
    float
    """
    wavenumber_squared = (1.0e4 / wavelength_A) ** 2
    return 1.0 + 1.0e-8 * (
        6432.8 + 2949810.0 / (146.0 - wavenumber_squared) + 25540.0 / (41.0 - wavenumber_squared)
    )


def abo_damping(atomic_weight: float, alpha: float, sigma_cm2: float) -> CollisionalDamping:
    """Coefficients of the theory of Anstee, Barklem and O'Mara.

    Anstee & O'Mara (1995, eq. 1), Barklem & O'Mara (1997, MNRAS 290, 102):
    Γ = 2 N (4/π)^(α/2) Γf((4-α)/2) v0 σ (v/v0)^(1-α) with v = sqrt(8kT/πμ). Helium and H2 broaden like
    hydrogen of their own reduced mass, in proportion to their polarisability, as SIR takes them.

    Parameters
    ----------
    atomic_weight : float
        Atomic weight of the radiator [u].
    alpha : float
        Velocity exponent α.
    sigma_cm2 : float
        Cross-section at 10⁶ cm s⁻¹ [cm²].

    Returns
    -------
    CollisionalDamping
    """
    exponent = 0.5 * (1.0 - alpha)
    common = (
        2.0
        * (4.0 / math.pi) ** (0.5 * alpha)
        * math.gamma(2.0 - 0.5 * alpha)
        * ABO_REFERENCE_VELOCITY**alpha
        * sigma_cm2
        * (8.0 * constants.BOLTZMANN / (math.pi * constants.ATOMIC_MASS_UNIT)) ** exponent
    )

    def of(weight: float) -> float:
        return float(common * (1.0 / weight + 1.0 / atomic_weight) ** exponent)

    return CollisionalDamping(
        of(HYDROGEN_WEIGHT),
        HELIUM_POLARISABILITY * of(HELIUM_WEIGHT),
        H2_POLARISABILITY * of(2.0 * HYDROGEN_WEIGHT),
        exponent,
    )


def unsold_damping(
    atomic_weight: float,
    stage: int,
    ionisation_eV: float,
    excitation_eV: float,
    wavelength_vacuum_cm: float,
    factor: float,
) -> CollisionalDamping:
    """Coefficients of Unsöld's approximation (1955), with the perturbers of Wittmann (1974).

    Parameters
    ----------
    atomic_weight : float
        Atomic weight of the radiator [u].
    stage : int
        0 neutral, 1 singly ionised.
    ionisation_eV : float
        Energy that ionises the radiator from its ground level [eV].
    excitation_eV : float
        Energy of the lower level above the radiator's ground level [eV].
    wavelength_vacuum_cm : float
        Wavelength in vacuum [cm].
    factor : float
        Empirical multiplier of Γ.

    Returns
    -------
    CollisionalDamping
    """
    photon = constants.PLANCK * constants.SPEED_OF_LIGHT / wavelength_vacuum_cm / constants.ELECTRON_VOLT
    upper = max(ionisation_eV - excitation_eV - photon, MINIMUM_UPPER_BINDING_EV)
    lower = max(ionisation_eV - excitation_eV, MINIMUM_LOWER_BINDING_EV)
    charge = float(stage + 1)
    c6 = 10.0**UNSOLD_LOG_C6 * charge**2 * abs(1.0 / upper**2 - 1.0 / lower**2)
    exponent = 0.3
    speed = (8.0 * constants.BOLTZMANN / (math.pi * constants.ATOMIC_MASS_UNIT)) ** exponent
    common = factor * UNSOLD_FACTOR * c6**0.4 * speed

    def of(weight: float) -> float:
        return float(common * (1.0 / weight + 1.0 / atomic_weight) ** exponent)

    return CollisionalDamping(
        of(HYDROGEN_WEIGHT),
        HELIUM_POLARISABILITY**0.4 * of(HELIUM_WEIGHT),
        H2_UNSOLD_WEIGHT * of(2.0 * HYDROGEN_WEIGHT),
        exponent,
    )
