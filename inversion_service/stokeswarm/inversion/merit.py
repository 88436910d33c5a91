"""χ² of a fit, computed the same way for every engine from what was observed and what comes back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.inversion import InvertRequest

Floats = npt.NDArray[np.float64]


def observed_and_weight(request: InvertRequest, row: int) -> tuple[Floats, Floats]:
    """One pixel's profile and the weight of its samples.

    Parameters
    ----------
    request : InvertRequest
    row : int
        Position of the pixel in the request.

    Returns
    -------
    stokes : ndarray (4, n_wavelength) float64
        0 where a sample is missing.
    weight : ndarray (4, n_wavelength) float64
        w/σ² with the plan's noise σ and the spectra's weights w; 0 where a sample is missing.
    """
    stokes = request.spectra.stokes[row].astype(np.float64)
    present = np.isfinite(stokes)
    weight = np.where(present, 1.0 / np.square(np.asarray(request.plan.noise))[:, None], 0.0)
    if request.spectra.weights is not None:
        weight = weight * request.spectra.weights
    return np.where(present, stokes, 0.0), weight


def merit(
    observed: Floats, fit: npt.NDArray[np.floating], weight: Floats, n_free: int
) -> tuple[float, Floats]:
    """Reduced χ², as a whole and per Stokes parameter.

    Parameters
    ----------
    observed, fit, weight : ndarray (4, n_wavelength)
        Weight w/σ², 0 = left out.
    n_free : int
        Free parameters of the fit.

    Returns
    -------
    chi2 : float
        Σ w (obs − fit)²/σ² / (N − p) over the N samples that have a weight.
    chi2_stokes : ndarray (4,) float64
        The mean of w (obs − fit)²/σ² over each Stokes parameter's samples; NaN where it has none.
    """
    squares = weight * (observed - fit) ** 2
    count = np.count_nonzero(weight, axis=1)
    by_stokes = np.where(count > 0, squares.sum(axis=1) / np.maximum(count, 1), np.nan)
    return float(squares.sum() / max(int(count.sum()) - n_free, 1)), by_stokes
