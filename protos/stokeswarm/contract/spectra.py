"""Stokes spectra of a batch of pixels on one wavelength axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import SpectraError
from stokeswarm.contract.status import ContinuumReference

STOKES: Final = ("I", "Q", "U", "V")
#: optical and infrared solar spectra in Å; a wavelength outside is in another unit
WAVELENGTH_RANGE: Final = (2000.0, 120000.0)
#: no solar structure is brighter than this multiple of the quiet continuum in the optical
MAX_INTENSITY: Final = 20.0


@dataclass(frozen=True, slots=True)
class Spectra:
    """Stokes profiles.

    Attributes
    ----------
    wavelength : ndarray (n_wavelength,) float64
        Å in air; regions concatenated, strictly increasing within each.
    stokes : ndarray (n, 4, n_wavelength) float32
        I, Q, U, V over the continuum reference; NaN = missing sample.
    reference : ContinuumReference
    weights : ndarray (4, n_wavelength) float32 or None
        Non-negative factors on 1/σ²; None = 1.

    Raises
    ------
    SpectraError
        On construction, where an array is not as above.
    """

    wavelength: npt.NDArray[np.float64]
    stokes: npt.NDArray[np.float32]
    reference: ContinuumReference = ContinuumReference.LOCAL_QUIET_SUN
    weights: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelength", check_wavelength(self.wavelength))
        stokes = np.ascontiguousarray(self.stokes, dtype=np.float32)
        n_wavelength = self.wavelength.size
        if stokes.ndim != 3 or stokes.shape[1:] != (4, n_wavelength):
            raise SpectraError(
                f"stokes: expected shape (n, 4, {n_wavelength}) to go with {n_wavelength} wavelengths, "
                f"found {np.shape(self.stokes)}"
            )
        object.__setattr__(self, "stokes", stokes)
        if self.weights is not None:
            weights = np.ascontiguousarray(self.weights, dtype=np.float32)
            if weights.shape != (4, n_wavelength):
                raise SpectraError(f"weights: expected shape (4, {n_wavelength}), found {weights.shape}")
            if not (np.isfinite(weights).all() and (weights >= 0).all()):
                raise SpectraError("weights: expected finite values >= 0")
            object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return int(self.stokes.shape[0])


def check_wavelength(wavelength: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Validate a wavelength axis in Å.

    Raises
    ------
    SpectraError
        Not one-dimensional, empty, not finite, or outside 2000–120000 Å (then most likely another unit).
    """
    axis = np.ascontiguousarray(wavelength, dtype=np.float64)
    if axis.ndim != 1 or axis.size == 0:
        raise SpectraError(f"wavelength: expected a non-empty 1-D axis, found shape {axis.shape}")
    if not np.isfinite(axis).all():
        raise SpectraError(f"wavelength: sample {int(np.flatnonzero(~np.isfinite(axis))[0])} is not finite")
    low, high = float(axis.min()), float(axis.max())
    if low < WAVELENGTH_RANGE[0] or high > WAVELENGTH_RANGE[1]:
        hint = " (nanometres? multiply by 10)" if low >= 200.0 and high <= 2500.0 else ""
        raise SpectraError(
            f"wavelength: expected ångström in {WAVELENGTH_RANGE[0]:g}–{WAVELENGTH_RANGE[1]:g}, "
            f"found {low:g}–{high:g}{hint}"
        )
    if np.unique(axis).size != axis.size:
        raise SpectraError("wavelength: a value occurs twice")
    return axis


def invalid_reason(stokes: npt.NDArray[np.float32]) -> str:
    """Why one pixel's profile cannot be inverted; empty where it can.

    Parameters
    ----------
    stokes : ndarray (4, n_wavelength) float32
        NaN = missing sample.
    """
    intensity = stokes[0]
    finite = np.isfinite(intensity)
    if np.isinf(stokes).any():
        return "the profile holds infinite values"
    if not finite.any():
        return "every sample of Stokes I is NaN"
    values = intensity[finite]
    if not values.any():
        return "Stokes I is zero at every wavelength"
    if values.max() <= 0.0:
        return f"Stokes I is nowhere positive (maximum {values.max():.3g})"
    if values.max() > MAX_INTENSITY:
        return (
            f"Stokes I reaches {values.max():.4g}: expected continuum-normalised intensity "
            f"(at most {MAX_INTENSITY:g}), found what look like counts"
        )
    if finite.sum() < 3:
        return f"only {int(finite.sum())} samples of Stokes I are finite"
    return ""
