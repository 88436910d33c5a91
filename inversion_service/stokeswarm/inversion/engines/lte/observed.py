"""What was observed of one pixel, and a model's fit to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte.evaluate import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observed:
    """What one pixel was observed to be.

    Attributes
    ----------
    stokes : ndarray (4, n_wavelength) float64
        0 where a sample is missing.
    weight : ndarray (4, n_wavelength) float64
        w/σ²; 0 where a sample is missing.
    stray_light : ndarray (4, n_wavelength) float64 or None
    mu : float
    """

    stokes: Floats
    weight: Floats
    stray_light: Floats | None
    mu: float

    def chi2(self, fit: Floats) -> float:
        """Σ w (obs − fit)²/σ², not reduced."""
        return float(np.sum(self.weight * (self.stokes - fit) ** 2))

    @property
    def n_sample(self) -> int:
        """Number of samples with a weight."""
        return int(np.count_nonzero(self.weight))


@dataclass(frozen=True, slots=True)
class Fit:
    """A model, its profile (4, n_wavelength), its χ² (not reduced) and its derivatives.

    The latter, (n_free, 4, n_wavelength), are with respect to the scaled parameters of the cycle's layout.
    They are ``exact``, or those of an earlier model made to agree with how the profile has changed since.
    """

    model: Model
    profile: Floats
    chi2: float
    jacobian: Floats
    exact: bool = True
