"""From the axis of a request to the axis that a network was trained on.

A network knows nothing of wavelength: sample 40 is sample 40. So the request's axis is

1. taken as it is, where it holds the model's samples within `EXACT` of the model's step;
2. interpolated, where it covers the model's range with a similar sampling: steps of `MIN_STEP` to `MAX_STEP`
   model steps, and not more than `EDGE` steps missing at either end (where the last sample, continuum,
   is repeated). The interpolation is Lagrange's cubic through the four nearest samples: a straight line
   through a line core sampled like Hinode's would lift it by up to 2 % of its depth. A region of fewer than
   `MIN_SAMPLES` samples is a filtergraph's, whose steps are as wide as the line: nothing can be interpolated
   there, and its samples must agree within `COARSE` of a step;
3. refused otherwise, with both axes in the message.

Samples outside the model's range (another spectral region) are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import SpectraError

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

#: of a model step: agreement that needs no interpolation (at 6302 Å and 21.5 mÅ, 0.5 m/s)
EXACT: Final = 5e-4
#: a request's steps, in model steps
MIN_STEP: Final = 0.5
MAX_STEP: Final = 1.25
#: how far the model's range may reach beyond the request's, in model steps: wavelength scales of the same
#: spectrograph differ by a sample or two, and an axis ends in continuum
EDGE: Final = 3.0
#: an axis falls into regions where a step exceeds both of its neighbours so many times
GAP: Final = 3.0
#: a region of fewer samples is not interpolated …
MIN_SAMPLES: Final = 16
#: … but taken as it is where it agrees within this share of a step (HMI: 1.4 mÅ or 67 m/s)
COARSE: Final = 0.02
#: samples that one interpolated value is made of
_TAPS: Final = 4


@dataclass(frozen=True, slots=True)
class Resampling:
    """Linear map from a request's samples to a model's.

    Attributes
    ----------
    index : ndarray (n_model, n_tap) intp
        The request's samples that each of the model's is made of.
    weight : ndarray (n_model, n_tap) float32
        Adding up to 1.
    """

    index: npt.NDArray[np.intp]
    weight: Float32s

    @property
    def exact(self) -> bool:
        """Whether samples are only picked, not interpolated."""
        return bool(self.index.shape[1] == 1)

    def apply(self, stokes: Float32s) -> Float32s:
        """Profiles on the model's axis.

        Parameters
        ----------
        stokes : ndarray (n, 4, n_request) float32
            NaN = missing.

        Returns
        -------
        ndarray (n, 4, n_model) float32
            NaN where a sample with a weight other than 0 is missing.
        """
        if self.exact:
            return np.ascontiguousarray(stokes[..., self.index[:, 0]])
        result = np.zeros((*stokes.shape[:-1], self.index.shape[0]), np.float32)
        for tap in range(self.index.shape[1]):
            weight = self.weight[:, tap]
            part = weight * stokes[..., self.index[:, tap]]
            result += np.where(weight == 0, np.float32(0), part)
        return result


def split_regions(wavelength: Floats) -> list[slice]:
    """Spectral regions of an axis: where it jumps.

    Each step is compared with its neighbours, not with all: regions may be sampled differently.

    Parameters
    ----------
    wavelength : ndarray (n,) float64
        Strictly increasing.

    Returns
    -------
    list of slice
        In order, together all of the axis.
    """
    step = np.diff(wavelength)
    padded = np.concatenate([[0.0], step, [0.0]])
    beside = np.maximum(padded[:-2], padded[2:])
    jump = (step > GAP * beside) & (beside > 0)
    edges = [0, *(np.flatnonzero(jump) + 1).tolist(), wavelength.size]
    return [slice(first, last) for first, last in pairwise(edges)]


def match(wavelength: Floats, model: Floats, name: str) -> Resampling:
    """How to read a request's axis for a model.

    Parameters
    ----------
    wavelength : ndarray (n_request,) float64
        Å in air, distinct, any order.
    model : ndarray (n_model,) float64
        Å in air, strictly increasing.
    name : str
        The model's, for the message.

    Raises
    ------
    SpectraError
        The axis does not cover the model's, or with another sampling.
    """
    order = np.argsort(wavelength, kind="stable")
    axis = wavelength[order]
    # Equal samples in the contract's own tolerance: pick them, whatever lies between or beside.
    nearest = _nearest(axis, model)
    regions = [model[part] for part in split_regions(model)]
    if (np.abs(axis[nearest] - model) <= np.concatenate([_tolerance(part) for part in regions])).all():
        return Resampling(order[nearest][:, None], np.ones((model.size, 1), np.float32))
    parts = [_interpolate(axis, region, name) for region in regions]
    index = np.concatenate([part[0] for part in parts])
    weight = np.concatenate([part[1] for part in parts])
    return Resampling(order[index], weight.astype(np.float32))


def _tolerance(region: Floats) -> Floats:
    """How far a request's sample may lie from each of a region's (n_region,) and still be it, Å."""
    step = float(np.median(np.diff(region))) if region.size > 1 else 1.0
    return np.full(region.size, step * (EXACT if region.size >= MIN_SAMPLES else COARSE))


def _nearest(axis: Floats, model: Floats) -> npt.NDArray[np.intp]:
    right = np.clip(np.searchsorted(axis, model), 0, axis.size - 1)
    left = np.maximum(right - 1, 0)
    closer = np.abs(axis[left] - model) <= np.abs(axis[right] - model)
    return np.where(closer, left, right)


def _interpolate(axis: Floats, region: Floats, name: str) -> tuple[npt.NDArray[np.intp], Floats]:
    """Indices and weights (n_region, 4) of Lagrange's cubic on a sorted axis."""
    step = float(np.median(np.diff(region))) if region.size > 1 else 0.0
    low, high = float(region[0]), float(region[-1])
    wanted = (
        f"model {name} reads {region.size} samples of {low:.4f}–{high:.4f} Å in steps of {1e3 * step:.3f} mÅ"
    )
    if region.size < MIN_SAMPLES:
        return _pick(axis, region, wanted)
    used = np.flatnonzero((axis >= low - 2 * step) & (axis <= high + 2 * step))
    if used.size < _TAPS:
        raise SpectraError(
            f"wavelength: {wanted}; the request has {used.size} samples there, out of {axis.size} of "
            f"{axis[0]:.4f}–{axis[-1]:.4f} Å (air wavelengths in Å are expected)"
        )
    x = axis[used]
    if x[0] > low + EDGE * step or x[-1] < high - EDGE * step:
        raise SpectraError(
            f"wavelength: {wanted}; the request covers only {x[0]:.4f}–{x[-1]:.4f} Å "
            f"(at most {EDGE:g} steps may be missing at an end)"
        )
    steps = np.diff(x)
    if steps.max() > MAX_STEP * step or np.median(steps) < MIN_STEP * step:
        raise SpectraError(
            f"wavelength: {wanted}; the request's steps there are {1e3 * steps.min():.3f} to "
            f"{1e3 * steps.max():.3f} mÅ (expected {MIN_STEP:g}–{MAX_STEP:g} of the model's)"
        )
    points = np.clip(region, x[0], x[-1])
    first = np.clip(np.searchsorted(x, points, side="right") - 2, 0, x.size - _TAPS)
    taps = first[:, None] + np.arange(_TAPS)
    nodes = x[taps]
    weight = np.ones_like(nodes)
    for j in range(_TAPS):
        for m in range(_TAPS):
            if m != j:
                weight[:, j] *= (points - nodes[:, m]) / (nodes[:, j] - nodes[:, m])
    return used[taps], weight


def _pick(axis: Floats, region: Floats, wanted: str) -> tuple[npt.NDArray[np.intp], Floats]:
    """The nearest samples, each with weight 1: a filtergraph's region among others that are interpolated."""
    nearest = _nearest(axis, region)
    distance, allowed = np.abs(axis[nearest] - region), _tolerance(region)
    if (distance > allowed).any():
        worst = int((distance / allowed).argmax())
        raise SpectraError(
            f"wavelength: {wanted}; so few are not interpolated: one must lie within "
            f"{1e3 * allowed[worst]:.2f} mÅ of {region[worst]:.4f} Å, the request's nearest is "
            f"{axis[nearest[worst]]:.4f} Å, out of {axis.size} of {axis[0]:.4f}–{axis[-1]:.4f} Å"
        )
    weight = np.zeros((region.size, _TAPS))
    weight[:, 0] = 1.0
    return np.repeat(nearest[:, None], _TAPS, axis=1), weight
