"""Novelty: how unlike the training profiles a profile is.

A principal-component basis of the (noisy, normalised) training profiles gives three numbers:

- how far a profile lies from their centre *within* the basis: root mean square of its whitened coefficients,
  the Mahalanobis distance (a brighter or faster Sun than was trained on);
- how much of it the basis cannot describe: root mean square of the residual, each sample in units of its own
  spread over the training set (noise, a fringe, a strange line shape);
- the largest of these residuals (a cosmic ray, a bad sample).

Each is divided by its 99.9 % quantile over profiles that were not trained on; the largest is the novelty.
A profile that *could* come from the training set passes, whatever made it: unpolarised stray light looks
like a weaker field. The gate on the fit is for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: components of the basis; at most a quarter of the samples
N_COMPONENT: Final = 64
#: share of ordinary profiles below the threshold
QUANTILE: Final = 0.999
#: profiles that the basis is made from
MAX_PROFILES: Final = 20_000
_TINY: Final = 1e-12

METHOD: Final = (
    f"largest of: Mahalanobis distance in {N_COMPONENT} principal components, rms and maximum of the "
    f"residual outside them; each over its {100 * QUANTILE:g} % quantile on validation profiles; the "
    "threshold is the same quantile of the result"
)


@dataclass(frozen=True, slots=True)
class Basis:
    """Principal components of normalised profiles.

    Attributes
    ----------
    mean : ndarray (n_value,) float32
    whiten : ndarray (n_value, n_component) float32
        Profile minus mean → coefficients of unit variance.
    colour : ndarray (n_component, n_value) float32
        Coefficients → profile minus mean.
    residual : ndarray (n_value,) float32
        Spread of what is left, sample by sample.
    scale : tuple of 3 floats
        Quantiles of the distance within, and of the residual's rms and maximum.
    """

    mean: Float32s
    whiten: Float32s
    colour: Float32s
    residual: Float32s
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def measure(self, profiles: Float32s) -> Float32s:
        """Distance within the basis, rms and maximum of the residual outside it.

        Parameters
        ----------
        profiles : ndarray (n, n_value) float32

        Returns
        -------
        ndarray (n, 3) float32
            In units of `scale`.
        """
        centred = profiles - self.mean
        coefficients = centred @ self.whiten
        left = (centred - coefficients @ self.colour) / self.residual
        inside = np.sqrt(np.mean(coefficients**2, axis=1)) / self.scale[0]
        outside = np.sqrt(np.mean(left**2, axis=1)) / self.scale[1]
        largest = np.abs(left).max(axis=1) / self.scale[2]
        return np.stack([inside, outside, largest], axis=1).astype(np.float32)


def fit(training: Float32s, validation: Float32s) -> Basis:
    """Make a basis and calibrate it.

    Parameters
    ----------
    training, validation : ndarray (n, n_value) float32
        Normalised, noisy profiles.
    """
    profiles = training[:MAX_PROFILES].astype(np.float64)
    mean = profiles.mean(axis=0)
    centred = profiles - mean
    n_component = max(1, min(N_COMPONENT, profiles.shape[1] // 4))
    value, vector = np.linalg.eigh(centred.T @ centred / len(centred))
    largest = vector[:, ::-1][:, :n_component]
    spread = np.sqrt(np.maximum(value[::-1][:n_component], _TINY))
    left = centred - centred @ largest @ largest.T
    basis = Basis(
        mean=mean.astype(np.float32),
        whiten=(largest / spread).astype(np.float32),
        colour=(largest * spread).T.astype(np.float32),
        residual=np.maximum(left.std(axis=0), np.sqrt(_TINY)).astype(np.float32),
    )
    inside, outside, worst = np.quantile(basis.measure(validation), QUANTILE, axis=0).tolist()
    return replace(basis, scale=(inside, outside, worst))
