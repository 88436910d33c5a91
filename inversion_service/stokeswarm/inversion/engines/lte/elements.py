"""The chemical elements, and a mixture of them in the form the kernels take."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.abundances import N_ELEMENTS, SYMBOLS
from stokeswarm.inversion.engines.lte.partition import ln_partition_spline

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Opacity = Literal["sir", "published"]

ATOMIC_WEIGHTS: Final = (
    1.008, 4.0026, 6.94, 9.0122, 10.81, 12.011, 14.007, 15.999, 18.998, 20.180,
    22.990, 24.305, 26.982, 28.085, 30.974, 32.06, 35.45, 39.948, 39.098, 40.078,
    44.956, 47.867, 50.942, 51.996, 54.938, 55.845, 58.933, 58.693, 63.546, 65.38,
    69.723, 72.630, 74.922, 78.971, 79.904, 83.798, 85.468, 87.62, 88.906, 91.224,
    92.906, 95.95, 97.0, 101.07, 102.91, 106.42, 107.87, 112.41, 114.82, 118.71,
    121.76, 127.60, 126.90, 131.29, 132.91, 137.33, 138.91, 140.12, 140.91, 144.24,
    145.0, 150.36, 151.96, 157.25, 158.93, 162.50, 164.93, 167.26, 168.93, 173.05,
    174.97, 178.49, 180.95, 183.84, 186.21, 190.23, 192.22, 195.08, 196.97, 200.59,
    204.38, 207.2, 208.98, 209.0, 210.0, 222.0, 223.0, 226.0, 227.0, 232.04,
    231.04, 238.03,
)  # fmt: skip
"""Abridged standard atomic weights [u] (IUPAC 2021, Prohaska et al. 2022, Pure Appl. Chem. 94, 573);
elements without stable isotopes: mass number of the longest lived."""

FIRST_IONISATION: Final = (
    13.595, 24.58, 5.39, 9.32, 8.298, 11.256, 14.529, 13.614, 17.418, 21.559,
    5.138, 7.644, 5.984, 8.149, 10.474, 10.357, 13.012, 15.755, 4.339, 6.111,
    6.538, 6.825, 6.738, 6.763, 7.432, 7.896, 7.863, 7.633, 7.724, 9.391,
    5.997, 7.88, 9.81, 9.75, 11.840, 13.996, 4.176, 5.692, 6.377, 6.838,
    6.881, 7.10, 7.28, 7.36, 7.46, 8.33, 7.574, 8.991, 5.785, 7.34,
    8.64, 9.01, 10.454, 12.127, 3.893, 5.210, 5.577, 5.466, 5.422, 5.489,
    5.554, 5.631, 5.666, 6.141, 5.852, 5.927, 6.018, 6.101, 6.184, 6.254,
    5.426, 6.650, 7.879, 7.980, 7.870, 8.70, 9.10, 9.00, 9.22, 10.43,
    6.105, 7.415, 7.287, 8.43, 9.30, 10.745, 4.0, 5.276, 6.9, 6.0,
    6.0, 6.0,
)  # fmt: skip
"""First ionisation energies [eV] as compiled by Wittmann (1974, Sol. Phys. 35, 11).

Measurements since then differ a little; compared was Fe I, where the difference from the 7.9025 eV of the
NIST database is below 0.01 eV and changes the neutral fraction at 5000 K by 1.5 %. The older values are kept
on purpose: log gf values and abundances in use with published inversions were calibrated with them."""

SECOND_IONISATION: Final = (
    0.0, 54.403, 75.62, 18.21, 25.15, 24.376, 29.59, 35.11, 34.98, 41.07,
    47.290, 15.03, 18.823, 16.34, 19.72, 23.405, 23.798, 27.62, 31.81, 11.868,
    12.891, 13.63, 14.205, 16.493, 15.636, 16.178, 17.052, 18.15, 20.286, 17.96,
    20.509, 15.93, 18.63, 21.50, 21.60, 24.565, 27.50, 11.027, 12.233, 13.13,
    14.316, 16.15, 15.26, 16.76, 18.07, 19.42, 21.48, 16.904, 18.86, 14.63,
    16.50, 18.60, 19.09, 21.20, 25.10, 10.001, 11.060, 10.850, 10.550, 10.730,
    10.899, 11.069, 11.241, 12.090, 11.519, 11.670, 11.800, 11.930, 12.050, 12.184,
    13.900, 14.900, 16.2, 17.7, 16.60, 17.00, 20.00, 18.56, 20.50, 18.75,
    20.42, 15.03, 16.68, 19.0, 20.0, 20.0, 22.0, 10.144, 12.1, 12.0,
    12.0, 12.0,
)  # fmt: skip
"""Second ionisation energies [eV], same source; 0 for hydrogen, which has none."""

HYDROGEN_LOG_ABUNDANCE: Final = 12.0
"""Logarithm of the hydrogen abundance, by convention."""
ABSENT_BELOW: Final = -5.0
"""Elements less abundant than this (log eps) count as absent: abundance files write -8 for "unknown"."""
SMALLEST_DONOR_ABUNDANCE: Final = 3.0e-8
"""Elements with at least this abundance per hydrogen atom (but H) enter the electron balance: the first left
out, scandium and vanadium, would give less than 3e-4 of the electrons at any temperature."""


class Mixture(NamedTuple):
    """A chemical composition with the atomic data its equation of state needs.

    Build it with :func:`mixture`. Arrays are contiguous; indices are atomic number minus one.
    """

    abundance: FloatArray
    """Nuclei per hydrogen nucleus, shape (92,)."""
    weight: FloatArray
    """Atomic weights [u], shape (92,)."""
    chi1: FloatArray
    """First ionisation energies [eV], shape (92,)."""
    chi2: FloatArray
    """Second ionisation energies [eV], shape (92,)."""
    donors: IntArray
    """Indices of the elements, hydrogen apart, that enter the electron balance, shape (n_donors,)."""
    ln_partition: FloatArray
    """Spline coefficients of ln U, shape (N_NODES + 2, 92, 3); see ``partition``."""
    weight_per_hydrogen: float
    """Mass of the mixture per hydrogen nucleus [u]."""
    nuclei_per_hydrogen: float
    """Nuclei of elements other than hydrogen, per hydrogen nucleus."""
    opacity_as_sir: bool
    """Whether the hydrogen opacities follow SIR's code where it departs from the publications."""


def mixture(log_abundance: npt.ArrayLike, opacity: Opacity = "sir") -> Mixture:
    """Prepare a chemical composition for the kernels.

    Parameters
    ----------
    log_abundance : array_like of float64, shape (92,)
        Logarithmic abundances, hydrogen = 12. NaN, minus infinity and values below -5 mean "absent".
    opacity : {'sir', 'published'}
        ``sir`` follows SIR where its code departs from the cross-sections it rests on, so that atmospheres
        can be compared with those in the literature: in the free-free absorption of H- (see
        ``hydrogen_opacity.hydrogen_minus_free_free_as_sir``), the binding energy of hydrogen
        (``hydrogen_opacity.HYDROGEN_TEMPERATURE_SIR``) and metals in the infrared (``metal_opacity``).
        ``published`` takes John (1988) for H-, the measured binding energy, and the metals throughout. Around
        tau = 1 that is 1 to 2 % of the opacity in the visible and 20 % at 1.56 micron, where the emergent
        continuum of the quiet Sun becomes 3 % darker.

    Returns
    -------
    Mixture
        The composition, and the atomic data.

    Raises
    ------
    ValueError
        If the shape is not (92,), hydrogen is not 12, or `opacity` is neither of the two.
    """
    if opacity not in ("sir", "published"):
        raise ValueError(f"opacity: expected 'sir' or 'published', found {opacity!r}")
    log_eps = np.array(log_abundance, dtype=np.float64)
    if log_eps.shape != (N_ELEMENTS,):
        raise ValueError(f"log_abundance: expected shape ({N_ELEMENTS},), found {log_eps.shape}")
    if log_eps[0] != HYDROGEN_LOG_ABUNDANCE:
        raise ValueError(f"log_abundance: expected hydrogen = {HYDROGEN_LOG_ABUNDANCE}, found {log_eps[0]}")
    present = np.isfinite(log_eps) & (log_eps > ABSENT_BELOW)
    abundance = np.zeros(N_ELEMENTS)
    abundance[present] = 10.0 ** (log_eps[present] - HYDROGEN_LOG_ABUNDANCE)
    weight = np.array(ATOMIC_WEIGHTS)
    donors = np.flatnonzero(abundance >= SMALLEST_DONOR_ABUNDANCE)
    return Mixture(
        abundance=abundance,
        weight=weight,
        chi1=np.array(FIRST_IONISATION),
        chi2=np.array(SECOND_IONISATION),
        donors=donors[donors > 0].astype(np.int64),
        ln_partition=ln_partition_spline(SYMBOLS),
        weight_per_hydrogen=float(abundance @ weight),
        nuclei_per_hydrogen=float(abundance[1:].sum()),
        opacity_as_sir=opacity == "sir",
    )
