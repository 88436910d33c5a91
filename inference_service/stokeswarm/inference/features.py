"""A network's last hidden layer, in few numbers: profiles alike lie close together.

The activations' first principal components over the training set, all divided by the first one's spread. In a
network that turns profiles into a frame of their own (see `frame`) they do not know how the observer's frame
lies; so the polarity is put beside them. They still do not know the azimuth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: numbers a profile
N_FEATURE: Final = 32
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal components of the hidden layer.

    Attributes
    ----------
    mean : ndarray (n_hidden,) float32
    matrix : ndarray (n_hidden, n_component) float32
    """

    mean: Float32s
    matrix: Float32s

    @classmethod
    def fit(cls, hidden: Float32s, n_component: int) -> Self:
        """Find them.

        Parameters
        ----------
        hidden : ndarray (n, n_hidden) float32
        n_component : int
            At most; not more than the layer has neurons.
        """
        values = hidden.astype(np.float64)
        mean = values.mean(axis=0)
        value, vector = np.linalg.eigh(np.cov(values - mean, rowvar=False, bias=True).reshape(mean.size, -1))
        first = vector[:, ::-1][:, : min(n_component, mean.size)]
        # An eigenvector's sign is anybody's choice: its largest part shall be positive.
        sign = np.sign(first[np.abs(first).argmax(axis=0), np.arange(first.shape[1])])
        scale = np.sqrt(max(float(value[-1]), _TINY))
        return cls(mean.astype(np.float32), (first * sign / scale).astype(np.float32))
