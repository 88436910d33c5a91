"""Smooth random fields: in the image plane, along the filaments of a penumbra, and along log τ."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def plane(random: np.random.Generator, shape: tuple[int, int], length: float) -> Floats:
    """Gaussian random field with the correlation exp(−½ (d/length)²), mean 0 and standard deviation 1.

    White noise is filtered in Fourier space with the square root of the wanted power spectrum, on a grid
    enlarged by three lengths a side so that opposite edges do not know each other.

    Parameters
    ----------
    random : numpy.random.Generator
    shape : tuple of int
        (ny, nx).
    length : float
        Correlation length, pixels.

    Returns
    -------
    ndarray (ny, nx) float64
    """
    margin = int(np.ceil(3 * length))
    ny, nx = shape[0] + margin, shape[1] + margin
    ky = np.fft.fftfreq(ny)[:, None]
    kx = np.fft.rfftfreq(nx)[None, :]
    # this correlation has the power spectrum exp(−2π²L²k²); the filter is its root
    response = np.exp(-((np.pi * length) ** 2) * (ky**2 + kx**2))
    noise = np.fft.rfft2(random.standard_normal((ny, nx)))
    field = np.fft.irfft2(noise * response, s=(ny, nx))
    # normalised by its expectation, not by the sample: a small map need not hold a full set of structures
    weight = np.full(response.shape, 2.0)
    weight[:, 0] = 1.0
    if nx % 2 == 0:
        weight[:, -1] = 1.0
    field /= np.sqrt((weight * response**2).sum() / (ny * nx))
    return np.ascontiguousarray(field[: shape[0], : shape[1]])


def filaments(
    random: np.random.Generator, radius: Floats, angle: Floats, number: int, radial_length: float
) -> Floats:
    """Random pattern elongated along the radius: the spines and intraspines of a penumbra.

    Parameters
    ----------
    random : numpy.random.Generator
    radius : ndarray (ny, nx) float64
        In units of the outer edge; values beyond 1.5 are taken as 1.5.
    angle : ndarray (ny, nx) float64
        Position angle, radians.
    number : int
        About how many bright-dark pairs go round the spot.
    radial_length : float
        Correlation length along the radius, in units of the outer edge.

    Returns
    -------
    ndarray (ny, nx) float64
        Mean about 0, standard deviation about 1.
    """
    n_angle, n_radius = 16 * number, 64
    step = 1.5 / (n_radius - 1)
    order = np.fft.rfftfreq(n_angle, 1 / n_angle)
    # a ring of power about `number` periods round the circle: filaments repeat, they do not merely vary
    around = np.exp(-0.5 * ((order - number) / (0.4 * number)) ** 2)
    noise = np.fft.irfft(
        np.fft.rfft(random.standard_normal((n_radius, n_angle)), axis=1) * around, n_angle, axis=1
    )
    offset = step * np.arange(n_radius)
    correlation = np.exp(-0.5 * ((offset[:, None] - offset[None, :]) / radial_length) ** 2)
    pattern = _root(correlation) @ noise
    pattern /= pattern.std()
    row = np.clip(radius, 0.0, 1.5) / step
    column = np.mod(angle, 2 * np.pi) / (2 * np.pi) * n_angle
    i = np.minimum(row.astype(int), n_radius - 2)
    j = column.astype(int) % n_angle
    p, q, k = row - i, column - np.floor(column), (j + 1) % n_angle
    return np.asarray(
        (1 - p) * ((1 - q) * pattern[i, j] + q * pattern[i, k])
        + p * ((1 - q) * pattern[i + 1, j] + q * pattern[i + 1, k])
    )


def along_depth(random: np.random.Generator, n: int, log_tau: Floats, length: float) -> Floats:
    """Curves of a Gaussian process in log τ, with the correlation exp(−½ (Δ log τ/length)²).

    Parameters
    ----------
    random : numpy.random.Generator
    n : int
    log_tau : ndarray (n_depth,) float64
    length : float
        Correlation length, dex.

    Returns
    -------
    ndarray (n, n_depth) float64
        Mean 0, standard deviation 1 at every depth.
    """
    root = _depth_root(np.ascontiguousarray(log_tau).tobytes(), length)
    return np.asarray(random.standard_normal((n, log_tau.size)) @ root.T)


@lru_cache(maxsize=32)
def _depth_root(log_tau: bytes, length: float) -> Floats:
    """Root of the correlation along an axis, which every block of a training set asks for again."""
    axis = np.frombuffer(log_tau, dtype=np.float64)
    distance = (axis[:, None] - axis[None, :]) / length
    return _root(np.exp(-0.5 * distance**2))


def _root(covariance: Floats) -> Floats:
    """Symmetric root of a covariance matrix, safe where it is numerically singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T)
