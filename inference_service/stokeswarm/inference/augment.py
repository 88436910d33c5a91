"""Exact symmetries of the polarised transfer equation, and noise: more training profiles for nothing.

Rotation
    Turning the frame by Δ about the line of sight turns (Q, U) by 2Δ and the azimuth by Δ.
Mirror
    Reflecting the frame in the plane of χ = 0 gives (I, Q, −U, −V) of a field with 180° − γ and −χ. Both
    signs belong together: V → −V alone, with Q and U kept, is a symmetry only without magneto-optical
    effects, for the Faraday rotation ρ_V, which mixes Q with U, changes its sign with cos γ. (With
    S = diag(1, 1, −1, −1) the propagation matrix obeys K(180° − γ, −χ) = S K(γ, χ) S: see its elements in
    Landi Degl'Innocenti & Landolfi 2004, "Polarization in Spectral Lines", chapter 9.)

Both hold for any stratification, PSF and macroturbulence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: each profile's noise lies between these multiples of the nominal one
NOISE_RANGE = (0.5, 2.0)


def rotate(stokes: Float32s, azimuth: Float32s, angle: npt.NDArray[np.float64]) -> tuple[Float32s, Float32s]:
    """Turn each profile's frame.

    Parameters
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    azimuth : ndarray (n, n_node) float32
        Degrees.
    angle : ndarray (n,)
        Degrees that are added to the azimuth.

    Returns
    -------
    stokes, azimuth : ndarray
        New arrays; azimuth in [0, 180).
    """
    double = np.deg2rad(2.0 * angle).astype(np.float32)[:, None]
    cosine, sine = np.cos(double), np.sin(double)
    turned = stokes.copy()
    turned[:, 1] = cosine * stokes[:, 1] - sine * stokes[:, 2]
    turned[:, 2] = sine * stokes[:, 1] + cosine * stokes[:, 2]
    return turned, np.mod(azimuth + angle.astype(np.float32)[:, None], np.float32(180.0))


def mirror(
    stokes: Float32s, inclination: Float32s, azimuth: Float32s, chosen: npt.NDArray[np.bool_]
) -> tuple[Float32s, Float32s, Float32s]:
    """Reflect the frame of the chosen profiles.

    Parameters
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    inclination, azimuth : ndarray (n, n_node) float32
        Degrees.
    chosen : ndarray (n,) bool

    Returns
    -------
    stokes, inclination, azimuth : ndarray
        New arrays.
    """
    sign = np.where(chosen, np.float32(-1), np.float32(1))
    mirrored = stokes.copy()
    mirrored[:, 2:] *= sign[:, None, None]
    pick = chosen[:, None]
    return (
        mirrored,
        np.where(pick, np.float32(180) - inclination, inclination),
        np.mod(sign[:, None] * azimuth, np.float32(180)),
    )


def add_noise(stokes: Float32s, noise: float, already: float, generator: np.random.Generator) -> Float32s:
    """Add Gaussian noise of a level drawn for each profile.

    Parameters
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    noise : float
        Nominal standard deviation, of the continuum; each profile gets `NOISE_RANGE` times it,
        log-uniformly.
    already : float
        Standard deviation of the noise that the profiles hold: only what is missing is added.
    generator : Generator
    """
    low, high = np.log(NOISE_RANGE)
    level = noise * np.exp(generator.uniform(low, high, stokes.shape[0]))
    missing = np.sqrt(np.maximum(level**2 - already**2, 0.0)).astype(np.float32)
    noisy = generator.standard_normal(stokes.shape, dtype=np.float32)
    noisy *= missing[:, None, None]
    noisy += stokes
    return noisy
