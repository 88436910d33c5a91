"""Predicted errors that mean what they say: 68 % of truths within 1σ, at every node and at every size of σ.

A network's σ is too small where it has learnt noise by heart and too large where its errors are not
Gaussian. On profiles that it was not trained on, those of one output are sorted by σ into bins, and in each
bin σ is multiplied so that 68.27 % of the errors lie within it. Between the bins' centres the logarithm of
the factor is interpolated. (Scaling of the width: Kuleshov, Fenner & Ermon 2018, ICML; per bin: Levi et al.
2022, Sensors 22, 5540.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: share of a Gaussian within one standard deviation
SHARE: Final = 0.6827
#: what σ can be at most where nothing is known of an azimuth: 68.27 % of the errors lie within it
UNKNOWN_AZIMUTH: Final = 90.0 * SHARE
#: profiles of a bin, and most bins of an output
_BIN: Final = 250
_MAX_BINS: Final = 6
#: an error of exactly zero (a clipped value that is right) still has a logarithm
_SMALLEST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Calibration:
    """Factors on predicted errors.

    Attributes
    ----------
    knot : ndarray (n_bin, n_value) float32
        ln σ before, strictly increasing.
    shift : ndarray (n_bin, n_value) float32
        What is added to ln σ there.
    ceiling : ndarray (n_value,) float32
        ln of the largest σ after.
    """

    knot: Float32s
    shift: Float32s
    ceiling: Float32s

    @classmethod
    def fit(cls, error: Float32s, sigma: Float32s, largest: npt.ArrayLike) -> Self:
        """Find the factors.

        Parameters
        ----------
        error : ndarray (n, n_value) float32
            Predicted minus true, absolute.
        sigma : ndarray (n, n_value) float32
            Predicted.
        largest : array_like (n_value,)
            That a calibrated error may be.
        """
        n_bin = int(np.clip(len(error) // _BIN, 1, _MAX_BINS))
        log_sigma = np.log(np.maximum(sigma, _SMALLEST).astype(np.float64))
        ratio = np.log(np.maximum(error, _SMALLEST)) - log_sigma
        knot, shift = np.empty((2, n_bin, error.shape[1]))
        for column, order in enumerate(np.argsort(log_sigma, axis=0, kind="stable").T):
            for number, rows in enumerate(np.array_split(order, n_bin)):
                knot[number, column] = np.median(log_sigma[rows, column])
                shift[number, column] = np.quantile(ratio[rows, column], SHARE)
        # Bins of equal σ would divide by zero; a distance of 1e-3 between them changes nothing.
        for number in range(1, n_bin):
            knot[number] = np.maximum(knot[number], knot[number - 1] + 1e-3)
        ceiling = np.log(np.asarray(largest, dtype=np.float64))
        return cls(knot.astype(np.float32), shift.astype(np.float32), ceiling.astype(np.float32))

    def apply(self, log_sigma: Any, xp: Any = np) -> Any:
        """Calibrate ln σ (n, n_value); ``xp`` is `numpy`, or `keras.ops` inside a graph."""
        result = log_sigma + self.shift[0]
        for low, high, before, after in zip(
            self.knot[:-1], self.knot[1:], self.shift[:-1], self.shift[1:], strict=True
        ):
            result = result + xp.clip((log_sigma - low) / (high - low), 0.0, 1.0) * (after - before)
        return xp.minimum(result, self.ceiling)


def coverage(error: Float32s, sigma: Float32s) -> Floats:
    """Share of profiles (n_value,) whose error (n, n_value) lies within σ (n, n_value)."""
    within: Floats = np.mean(error <= sigma, axis=0)
    return within


def coverage_by_size(error: Float32s, sigma: Float32s, n_group: int = 3) -> Floats:
    """Coverage (n_group, n_value) of the profiles with the smallest to those with the largest σ."""
    order = np.argsort(sigma, axis=0, kind="stable")
    within = np.take_along_axis(error <= sigma, order, axis=0)
    return np.stack([part.mean(axis=0) for part in np.array_split(within, n_group)])
