"""How profiles are brought to order one, in numpy and inside the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: polarisation is compressed as arsinh(x / SOFTENING): linear below, logarithmic above. At a noise of 1e-3
#: it is a signal of S/N 10; without it a sunspot's 0.3 would leave the quiet Sun's 0.005 in the dark.
SOFTENING: Final = 0.01
#: of the continuum: a profile that is darker on average holds no line worth the name
_DARKEST: Final = 0.02


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How profiles are brought to order one.

    Attributes
    ----------
    mean : ndarray (n_wavelength,) float32
        Of Stokes I.
    scale : tuple of 4 floats
        Of I minus its mean, and of the compressed Q, U, V (Q and U share theirs).
    line : ndarray (n_wavelength,) float32
        Mean of the line shape: Stokes I over its own mean in the spectral region.
    line_scale : float
        Of the line shape minus its mean.
    regions : tuple of slice
    """

    mean: Float32s
    scale: tuple[float, float, float, float]
    line: Float32s
    line_scale: float
    regions: tuple[slice, ...]

    @classmethod
    def fit(cls, stokes: Float32s, regions: tuple[slice, ...]) -> Self:
        """Measure profiles (n, 4, n_wavelength)."""
        mean = stokes[:, 0].mean(axis=0, dtype=np.float64)
        intensity = float((stokes[:, 0] - mean).std())
        linear, circular = (
            float(np.sqrt(np.mean(np.arcsinh(part / SOFTENING) ** 2, dtype=np.float64)))
            for part in (stokes[:, 1:3], stokes[:, 3])
        )
        shape = _shape(stokes[:, 0], regions, np)
        line = shape.mean(axis=0)
        return cls(
            mean.astype(np.float32),
            (intensity, linear, linear, circular),
            line.astype(np.float32),
            float((shape - line).std()),
            regions,
        )

    def apply(self, stokes: Any, xp: Any = np) -> Any:
        """Profiles (n, 4, n_wavelength) of order one.

        Parameters
        ----------
        stokes : (n, 4, n_wavelength) float32
        xp : module
            `numpy`, or `keras.ops` inside a graph.
        """
        scale = np.array(self.scale, np.float32)[:, None]
        intensity = (stokes[:, :1] - self.mean) / scale[:1]
        polarisation = xp.arcsinh(stokes[:, 1:] / np.float32(SOFTENING)) / scale[1:]
        return xp.concatenate([intensity, polarisation], axis=1)

    def views(self, stokes: Any, xp: Any = np) -> Any:
        """What a network looks at: the normalised profile and, as a fifth row, the line shape.

        The line shape is Stokes I over its own mean in each region: in an umbra the line is a small dent in a
        small number, here it is as large as elsewhere.

        Parameters
        ----------
        stokes : (n, 4, n_wavelength) float32
        xp : module

        Returns
        -------
        (n, 5, n_wavelength) float32
        """
        shape = (_shape(stokes[:, 0], self.regions, xp) - self.line.astype(np.float64)) / self.line_scale
        shape = cast(xp.expand_dims(shape, 1), "float32", xp)
        return xp.concatenate([self.apply(stokes, xp), shape], axis=1)


def cast(values: Any, dtype: str, xp: Any) -> Any:
    """Values in another precision; ``xp`` is `numpy`, or `keras.ops` inside a graph."""
    return values.astype(dtype) if xp is np else xp.cast(values, dtype)


def _shape(intensity: Any, regions: tuple[slice, ...], xp: Any) -> Any:
    """Line shape (n, n_wavelength) float64 of Stokes I."""
    # In double precision: the rounding of a mean moves all samples of its region together, as no noise does.
    # Over the small spread of shallow lines the whitened components amplify that, and every library sums in
    # an order of its own.
    intensity = cast(intensity, "float64", xp)
    parts = []
    for region in regions:
        part = intensity[:, region]
        level = xp.maximum(xp.mean(part, axis=1, keepdims=True), _DARKEST)
        parts.append(part / level)
    return xp.concatenate(parts, axis=1)
