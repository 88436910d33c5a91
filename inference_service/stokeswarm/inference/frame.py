"""A frame of the profile's own: what turning and mirroring the observer's frame cannot change.

The transfer equation has two exact symmetries (see `augment`): rotation about the line of sight and
mirroring. Instead of being shown all their copies, a network can be given every profile in one standard
orientation, and its answer turned back: then it has nothing to learn about them, and obeys them exactly.

Standard orientation
    Q and U are turned by θ with tan 2θ = Σ 2QU / Σ (Q² − U²) over wavelength, the principal axis of the
    linear polarisation, of whose two directions the one is taken in which Q resembles the training set's
    (projection on `Frame.linear` ≥ 0). Then the frame is mirrored (U, V change sign) where the projection
    of V on `Frame.circular` is negative.

Where a projection is lost in the noise the choice is random, and harmless: both choices are equally likely in
training, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: an unpolarised profile has no principal axis: with this beside Σ (Q² − U²) it gets θ = 0, and others
#: nothing
_TINY: Final = 1e-20


class Turned(NamedTuple):
    """Profiles in the standard orientation and how they got there.

    Attributes
    ----------
    stokes : (n, 4, n_wavelength)
    cosine, sine : (n, 1)
        Of the angle by which (Q, U) were turned: twice an angle of space.
    sign : (n, 1)
        −1 where the frame was mirrored.
    circular : (n, 1)
        Projection of V on the frame's `circular`, in the observer's frame: the polarity.
    """

    stokes: Any
    cosine: Any
    sine: Any
    sign: Any
    circular: Any


@dataclass(frozen=True, slots=True)
class Frame:
    """The patterns that orient profiles.

    Attributes
    ----------
    linear, circular : ndarray (n_wavelength,) float32
        First principal components of Q (on its principal axis) and V over the training set.
    scale : float
        Root mean square of the projections on ``circular``.
    """

    linear: Float32s
    circular: Float32s
    scale: float

    @classmethod
    def fit(cls, stokes: Float32s) -> Self:
        """Find the patterns in profiles (n, 4, n_wavelength)."""
        cosine, sine = _axis(stokes, np)
        linear = _pattern(cosine * stokes[:, 1] + sine * stokes[:, 2])
        circular = _pattern(stokes[:, 3])
        return cls(linear, circular, float(np.sqrt(np.mean((stokes[:, 3] @ circular) ** 2))))

    def turn(self, stokes: Any, xp: Any = np) -> Turned:
        """Bring profiles into the standard orientation.

        Parameters
        ----------
        stokes : (n, 4, n_wavelength) float32
        xp : module
            `numpy`, or `keras.ops` inside a graph.
        """
        q, u, v = stokes[:, 1], stokes[:, 2], stokes[:, 3]
        cosine, sine = _axis(stokes, xp)
        along = xp.sum((cosine * q + sine * u) * self.linear, axis=1, keepdims=True)
        flip = xp.where(along < 0.0, np.float32(-1), np.float32(1))
        cosine, sine = cosine * flip, sine * flip
        circular = xp.sum(v * self.circular, axis=1, keepdims=True)
        sign = xp.where(circular < 0.0, np.float32(-1), np.float32(1))
        turned = xp.stack(
            [stokes[:, 0], cosine * q + sine * u, sign * (cosine * u - sine * q), sign * v], axis=1
        )
        return Turned(turned, cosine, sine, sign, circular)


def _axis(stokes: Any, xp: Any) -> tuple[Any, Any]:
    """Cosine and sine (n, 1) of the angle between (Q, U) and their principal axis."""
    q, u = stokes[:, 1], stokes[:, 2]
    across = xp.sum(2.0 * q * u, axis=1, keepdims=True)
    along = xp.sum(q * q - u * u, axis=1, keepdims=True) + np.float32(_TINY)
    angle = 0.5 * xp.arctan2(across, along)
    return xp.cos(angle), xp.sin(angle)


def _pattern(profiles: Float32s) -> Float32s:
    """First principal component (about zero) of profiles (n, n_wavelength), its largest value positive."""
    values = profiles.astype(np.float64)
    vector: npt.NDArray[np.float64] = np.linalg.eigh(values.T @ values)[1][:, -1]
    pattern: Float32s = (vector * np.sign(vector[np.abs(vector).argmax()])).astype(np.float32)
    return pattern
