"""Limb darkening of the quiet Sun's continuum: what "local quiet Sun" means away from disc centre."""

from __future__ import annotations


def limb_darkening(wavelength_A: float, mu: float) -> float:
    """Quiet-Sun continuum at μ over that at disc centre.

    The polynomial of fifth order in μ of Neckel & Labs 1994 (Sol. Phys. 153, 91), with its coefficients as
    functions of wavelength from Neckel 2005 (Sol. Phys. 229, 13) for 422–1100 nm. Beyond 1100 nm it is an
    extrapolation, in which the terms in λ⁻⁵ vanish and the darkening weakens further.

    Parameters
    ----------
    wavelength_A : float
        Å.
    mu : float
        Cosine of the heliocentric angle, 0 < μ ≤ 1.

    Returns
    -------
    float
        1 at μ = 1.
    """
    micron = 1e-4 * wavelength_A
    first, fifth = 1.0 / micron, micron**-5
    coefficients = (
        0.75267 - 0.265577 * first,
        0.93874 + 0.265577 * first - 0.004095 * fifth,
        -1.89287 + 0.012582 * fifth,
        2.42234 - 0.017117 * fifth,
        -1.71150 + 0.011977 * fifth,
        0.49062 - 0.003347 * fifth,
    )
    return sum(value * mu**power for power, value in enumerate(coefficients))
