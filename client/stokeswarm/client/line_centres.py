"""Where the lines of a mean profile lie, against where a plan expects them; and how noisy it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Line

Floats = npt.NDArray[np.float64]

SPEED_OF_LIGHT: Final = 299792.458  # km/s
#: Å; the search goes that far to both sides: the vacuum shift at 1.6 µm is 4.3 Å
SEARCH: Final = 6.0
#: a line must be at least this deep, as a fraction of the continuum, to be looked for
MIN_DEPTH: Final = 0.03
#: trial shifts per sample of the observation
_FINENESS: Final = 4.0
#: Å; lines narrower than this are not told apart by the search
_LINE_WIDTH: Final = 0.15
#: median absolute deviation → standard deviation of a normal distribution
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, slots=True)
class LineShift:
    """Displacement of a region's lines.

    Attributes
    ----------
    shift : float
        Å, observed minus expected.
    velocity : float
        km/s, > 0 = towards the red.
    """

    shift: float
    velocity: float


def line_shift(wavelength: Floats, intensity: Floats, lines: Sequence[Line]) -> LineShift | None:
    """How far the lines of a profile lie from where they should.

    The shift is that of the deepest match: the sum of the profile's depth at all line positions, smoothed
    over a line's width, is searched for its maximum within ±6 Å.

    Parameters
    ----------
    wavelength : ndarray (n,) float64
        Å in air, of one region.
    intensity : ndarray (n,) float64
        Stokes I; NaN = missing.
    lines : sequence of Line

    Returns
    -------
    LineShift or None
        None where no line is deep enough, or the match lies at the end of the spectrum.
    """
    good = np.isfinite(intensity)
    if good.sum() < 5:
        return None
    axis, values = wavelength[good], intensity[good]
    continuum = float(np.quantile(values, 0.9))
    if continuum <= 0:
        return None
    depth = np.clip(1.0 - values / continuum, 0.0, None)
    if depth.max() < MIN_DEPTH:
        return None
    step = float(np.median(np.diff(axis))) / _FINENESS
    if not step > 0:
        return None
    fine = np.arange(axis[0], axis[-1] + step, step)
    smooth = _smoothed(np.interp(fine, axis, depth), _LINE_WIDTH / step)
    trials = np.arange(-np.ceil(SEARCH / step), np.ceil(SEARCH / step) + 1) * step
    rest = np.array([line.wavelength for line in lines])
    at = rest[None, :] + trials[:, None]
    inside = (at >= fine[0]) & (at <= fine[-1])
    score = np.where(inside, np.interp(at, fine, smooth), 0.0).sum(axis=1)
    # where two shifts explain the profile equally well, the smaller one is the likelier
    score -= 1e-3 * score.max() * np.abs(trials) / SEARCH
    best = int(np.argmax(score))
    if best in (0, trials.size - 1) or score[best] <= 0:
        return None
    shift = float(trials[best] + step * _vertex(score[best - 1 : best + 2]))
    deepest = fine[int(np.argmax(smooth))]
    if min(deepest - fine[0], fine[-1] - deepest) < 2 * _FINENESS * step:
        return None
    return LineShift(shift, SPEED_OF_LIGHT * shift / float(rest.mean()))


def _smoothed(values: Floats, width: float) -> Floats:
    """Running mean over about `width` samples."""
    # odd: an even kernel would move everything by half a sample
    count = 2 * (max(1, round(width)) // 2) + 1
    kernel = np.full(count, 1.0 / count)
    return np.asarray(np.convolve(np.pad(values, count, mode="edge"), kernel, mode="same")[count:-count])


def _vertex(three: Floats) -> float:
    """Position, in samples from the middle one, of the extremum of a parabola through three values."""
    curvature = three[0] - 2 * three[1] + three[2]
    return float(np.clip(0.5 * (three[0] - three[2]) / curvature, -1, 1)) if curvature else 0.0


def noise_estimate(stokes: npt.NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Standard deviation of the noise in I, Q, U, V, from differences of neighbouring samples.

    Second differences suppress the profile itself; the median over pixels and samples suppresses the lines:
    σ = 1.4826 · median |x₋ − 2x₀ + x₊| / √6.

    Parameters
    ----------
    stokes : ndarray (y, x, 4, n_wavelength) float32

    Returns
    -------
    tuple of 4 floats
        In the data's units; NaN where there are too few samples.
    """
    second = np.diff(stokes.reshape(-1, 4, stokes.shape[-1]).astype(np.float64), n=2, axis=-1)
    sigma = []
    for parameter in range(4):
        finite = np.abs(second[:, parameter][np.isfinite(second[:, parameter])])
        sigma.append(_MAD_TO_SIGMA * float(np.median(finite)) / np.sqrt(6.0) if finite.size else float("nan"))
    return sigma[0], sigma[1], sigma[2], sigma[3]
