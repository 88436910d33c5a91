"""The network of Gafeira et al. 2021 (A&A 651, A31), as a functional Keras model around a plain interface.

Their architecture: a one-dimensional convolution over the profile with the four Stokes parameters as
channels, kernel 7 – pooling 2 – convolution 5 – pooling 2 – convolution 3 – dropout 0.15 – dense layer of
4·N_λ – output of nodes × quantities; AdaMax, batches of 64. Left open there, and chosen here: 64 filters in
every convolution, "same" padding, maximum pooling, the exponential linear unit (Clevert et al. 2016) as
activation, He initialisation (He et al. 2015).

What is normalised is normalised inside the graph, and what is decoded is decoded there: the exported model
takes plain Stokes profiles and gives kelvin, gauss, km/s and degrees.

TensorFlow and Keras are imported by the functions that need them, never by this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.inference.dataset import QUANTITIES
from stokeswarm.inference.novelty import Basis
from stokeswarm.inference.session import ATMOSPHERE, INPUT, NOVELTY, SCALARS
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import PLAIN, Scaling

Float32s = npt.NDArray[np.float32]

#: kernel widths of the three convolutions, and the pooling between them
KERNELS: Final = (7, 5, 3)
POOL: Final = 2
#: polarisation is compressed as arsinh(x / SOFTENING): linear below, logarithmic above. At a noise of 1e-3
#: it is a signal of S/N 10; without it a sunspot's 0.3 would leave the quiet Sun's 0.005 in the dark.
SOFTENING: Final = 0.01
#: radians of the double angle → degrees of the angle
_HALF_DEGREES: Final = 90.0 / math.pi


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How profiles are brought to order one.

    Attributes
    ----------
    mean : ndarray (n_wavelength,) float32
        Of Stokes I.
    scale : tuple of 4 floats
        Of I minus its mean, and of the compressed Q, U, V (Q and U share theirs).
    """

    mean: Float32s
    scale: tuple[float, float, float, float]

    @classmethod
    def fit(cls, stokes: Float32s) -> Self:
        """Measure profiles (n, 4, n_wavelength)."""
        mean = stokes[:, 0].mean(axis=0, dtype=np.float64)
        intensity = float((stokes[:, 0] - mean).std())
        linear, circular = (
            float(np.sqrt(np.mean(np.arcsinh(part / SOFTENING) ** 2, dtype=np.float64)))
            for part in (stokes[:, 1:3], stokes[:, 3])
        )
        return cls(mean.astype(np.float32), (intensity, linear, linear, circular))

    def apply(self, stokes: Float32s) -> Float32s:
        """What the graph does first, in numpy: profiles (n, 4, n_wavelength) of order one."""
        result: Float32s = np.arcsinh(stokes / np.float32(SOFTENING))
        result[:, 0] = stokes[:, 0] - self.mean
        result /= np.array(self.scale, np.float32)[:, None]
        return result


def build(
    normalisation: Normalisation, scaling: Scaling, basis: Basis, settings: TrainSettings
) -> tuple[Any, Any]:
    """The network in two guises that share their layers.

    Parameters
    ----------
    normalisation : Normalisation
    scaling : Scaling
    basis : Basis
    settings : TrainSettings

    Returns
    -------
    trained, served : keras.Model
        Both read (n, 4, n_wavelength) float32 profiles. The first returns the standardised outputs that
        `targets.encode` describes, the second atmosphere, scalars and novelty.
    """
    import keras

    n_wavelength = normalisation.mean.size
    profile = keras.Input((4, n_wavelength), dtype="float32", name=INPUT)
    normal = _normalise(profile, normalisation)
    x = keras.layers.Permute((2, 1))(normal)
    for number, kernel in enumerate(KERNELS):
        x = keras.layers.Conv1D(
            settings.filters, kernel, padding="same", activation="elu", kernel_initializer="he_normal"
        )(x)
        if number < len(KERNELS) - 1:
            x = keras.layers.MaxPooling1D(POOL)(x)
    x = keras.layers.Dropout(settings.dropout)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(4 * n_wavelength, activation="elu", kernel_initializer="he_normal")(x)
    answer = keras.layers.Dense(scaling.n_output)(x)
    trained = keras.Model(profile, answer)
    outputs = [*_decode(answer, scaling), _novelty(normal, basis)]
    names = (ATMOSPHERE, SCALARS, NOVELTY)
    served = keras.Model(
        profile,
        [keras.layers.Identity(name=name)(value) for name, value in zip(names, outputs, strict=True)],
    )
    return trained, served


def _normalise(profile: Any, normalisation: Normalisation) -> Any:
    from keras import ops

    scale = np.array(normalisation.scale, np.float32)[:, None]
    intensity = (profile[:, :1] - normalisation.mean) / scale[:1]
    polarisation = ops.arcsinh(profile[:, 1:] / SOFTENING) / scale[1:]
    return ops.concatenate([intensity, polarisation], axis=1)


def _decode(answer: Any, scaling: Scaling) -> tuple[Any, Any]:
    """Output neurons → (n, quantity, node) in physical units, and (n, 1) macroturbulence."""
    from keras import ops

    n_node = scaling.n_node
    channel = [answer[:, i * n_node : (i + 1) * n_node] for i in range(len(PLAIN) + 2)]
    values: dict[str, Any] = {}
    for number, name in enumerate(PLAIN):
        physical = channel[number] * scaling.spread[name] + scaling.mean[name]
        values[name] = ops.minimum(ops.maximum(physical, scaling.lower[name]), scaling.upper[name])
    half = ops.arctan2(channel[-1], channel[-2]) * _HALF_DEGREES
    values["azimuth"] = ops.where(half < 0.0, half + 180.0, half)
    mean, spread = scaling.macroturbulence
    low, high = scaling.macroturbulence_range
    scalar = ops.clip(answer[:, -1:] * spread + mean, low, high)
    return ops.stack([values[name] for name in QUANTITIES], axis=1), scalar


def _novelty(normal: Any, basis: Basis) -> Any:
    """`Basis.measure`, then the largest, as a graph."""
    from keras import ops

    flat = ops.reshape(normal, (-1, basis.mean.size))
    centred = flat - basis.mean
    coefficients = ops.matmul(centred, basis.whiten)
    left = (centred - ops.matmul(coefficients, basis.colour)) / basis.residual
    inside = ops.sqrt(ops.mean(ops.square(coefficients), axis=1)) / basis.scale[0]
    outside = ops.sqrt(ops.mean(ops.square(left), axis=1)) / basis.scale[1]
    largest = ops.max(ops.absolute(left), axis=1) / basis.scale[2]
    return ops.maximum(ops.maximum(inside, outside), largest)
