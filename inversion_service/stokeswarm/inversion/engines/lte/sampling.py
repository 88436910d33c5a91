"""Where profiles are computed, and how they become what an instrument sampled.

A spectrograph samples its lines finely enough that the profiles are computed on its own axis and convolved
there, as SIR does. A filtergraph takes a few points with filters as broad as a line: a convolution on those
points would know nothing of what lies between them. There the profiles are computed on a finer, even axis
that reaches beyond the outermost points, and the transmission is centred on every point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Region
from stokeswarm.inversion.coarse import FINE, MAX_POINTS, is_fine, reach
from stokeswarm.inversion.engines.lte.degrade import MILLIANGSTROM, convolution_matrix

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sampling:
    """One region's way from the computed to the sampled profile.

    Attributes
    ----------
    axis : ndarray (n_model,) float64
        Where the profile is computed, Å.
    operator : ndarray (n_sample, n_model) float64 or None
        What makes the samples of it; None = they are the same.
    """

    axis: Floats
    operator: Floats | None


def sampling(region: Region, axis: Floats) -> Sampling:
    """Choose where a region's profiles are computed.

    Parameters
    ----------
    region : Region
        Its PSF counts.
    axis : ndarray (n_sample,) float64
        Sampled wavelengths, Å, increasing.

    Raises
    ------
    PlanError
        The PSF does not fit the sampling, or the region is too long for a finer axis.
    """
    if is_fine(axis):
        return Sampling(axis, _on_the_samples(region, axis))
    low, high = reach(region, axis)
    step = float(axis.mean()) / FINE
    n = int(np.ceil((axis[-1] - axis[0] + low + high) / step)) + 1
    if n > MAX_POINTS:
        raise PlanError(
            f"region {region.name!r}: sampled so coarsely, its {axis[-1] - axis[0]:.2f} Å would be computed "
            f"at {n} points, at most {MAX_POINTS}; split it at its gaps"
        )
    fine = axis[0] - low + step * np.arange(n)
    if region.psf is None:
        return Sampling(fine, np.ascontiguousarray(CubicSpline(fine, np.eye(n))(axis)))
    offset = np.asarray(region.psf.offset) * MILLIANGSTROM
    # as in `degrade`, a positive offset sends light to the red: out(λ) = ∫ P(o) in(λ − o) do
    rows = np.interp(axis[:, None] - fine[None, :], offset, region.psf.transmission, left=0.0, right=0.0)
    area = rows.sum(axis=1, keepdims=True)
    if not (area > 0.0).all():
        raise PlanError(f"region {region.name!r}: the PSF has no area when sampled every {1e3 * step:.1f} mÅ")
    return Sampling(fine, np.ascontiguousarray(rows / area))


def _on_the_samples(region: Region, axis: Floats) -> Floats | None:
    if region.psf is None:
        return None
    try:
        matrix = convolution_matrix(axis, region.psf.offset, region.psf.transmission)
    except ValueError as error:
        raise PlanError(f"region {region.name!r}: {error}") from None
    return np.ascontiguousarray(matrix)
