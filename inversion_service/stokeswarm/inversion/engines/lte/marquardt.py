"""Levenberg–Marquardt steps with a singular-value cut, in parameters scaled to comparable size.

Marquardt (1963, J. SIAM 11, 431) for the damping; the truncated spectral solution that keeps ill-determined
combinations of nodes from running away is that of Ruiz Cobo & del Toro Iniesta (1992, ApJ 398, 375, §2.2).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: largest damping tried before a cycle gives up
MAX_DAMPING: Final = 1e8


def step(
    curvature: Floats, gradient: Floats, damping: float, tolerance: float, largest: float
) -> tuple[Floats, float]:
    """Parameter change that lowers Σ weight · residual².

    The damping is raised until no parameter moves by more than `largest`, which makes the region that the
    linearisation is trusted in a fixed multiple of the parameters' scales.

    Parameters
    ----------
    curvature : ndarray (n_free, n_free)
        Jᵀ W J in scaled parameters.
    gradient : ndarray (n_free,)
        Jᵀ W r.
    damping : float
        Marquardt's λ ≥ 0, relative to the diagonal.
    tolerance : float
        Eigenvalues of the unit-diagonal curvature below tolerance × largest are dropped.
    largest : float
        Largest change of a scaled parameter.

    Returns
    -------
    change : ndarray (n_free,)
    damping : float
        The λ that gave it.
    """
    diagonal = np.sqrt(np.maximum(np.diag(curvature), 1e-12 * max(float(np.diag(curvature).max()), 1e-300)))
    eigenvalue, vector = np.linalg.eigh(curvature / np.outer(diagonal, diagonal))
    projected = vector.T @ (gradient / diagonal)
    kept = eigenvalue > tolerance * eigenvalue[-1]
    while True:
        coefficient = np.where(kept, projected / np.where(kept, eigenvalue + damping, 1.0), 0.0)
        change = (vector @ coefficient) / diagonal
        if np.abs(change).max() <= largest or damping > MAX_DAMPING:
            return change, damping
        damping = max(4.0 * damping, 1e-4)


def covariance(curvature: Floats, tolerance: float) -> Floats:
    """Covariance (n_free, n_free) of the scaled parameters: pseudo-inverse of the curvature.

    Combinations that the data do not determine (eigenvalue below tolerance × largest) are given the variance
    of the last one that they do, so that an undetermined parameter never looks well determined.
    """
    diagonal = np.sqrt(np.maximum(np.diag(curvature), 1e-12 * max(float(np.diag(curvature).max()), 1e-300)))
    eigenvalue, vector = np.linalg.eigh(curvature / np.outer(diagonal, diagonal))
    bounded = np.maximum(eigenvalue, max(tolerance * eigenvalue[-1], 1e-300))
    inverse: Floats = (vector / bounded) @ vector.T / np.outer(diagonal, diagonal)
    return inverse
