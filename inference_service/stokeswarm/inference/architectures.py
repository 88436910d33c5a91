"""The bodies of the networks: from normalised profiles to the last hidden layer.

``paper``
    Gafeira et al. 2021 (A&A 651, A31): a one-dimensional convolution over the profile with the four Stokes
    parameters as channels, kernel 7 – pooling 2 – convolution 5 – pooling 2 – convolution 3 – dropout 0.15 –
    dense layer of 4·N_λ. Left open there, and chosen here: 64 filters in every convolution, "same" padding,
    maximum pooling, the exponential linear unit (Clevert et al. 2016) as activation, He initialisation (He et
    al. 2015).
``stokeswarm``
    A residual trunk of dense layers (He et al. 2016; layer normalisation: Ba et al. 2016) over four
    views of the profile: its whitened principal components, what these leave over (the noise, for each Stokes
    parameter), the samples themselves with the line shape, and for every spectral region a convolution whose
    step adapts to the sampling, with one residual block whose channels are weighted by squeeze and excitation
    (Hu et al. 2018). Dense layers are what a CPU does best: a step takes less time than the paper's.

TensorFlow and Keras are imported by the functions that need them, never by this module.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from stokeswarm.inference.normalisation import Normalisation
from stokeswarm.inference.novelty import Basis
from stokeswarm.inference.settings import TrainSettings

#: of the paper: kernel widths of the three convolutions, and the pooling between them
KERNELS: Final = (7, 5, 3)
POOL: Final = 2
#: samples a Stokes parameter that the trunk sees directly; a longer axis is averaged to at most so many
_DIRECT: Final = 256
#: a region of fewer samples (a filtergraph's) has nothing to convolve
_SHORTEST: Final = 12
#: positions of a convolution: at least a quarter of the samples, at most so many
_POSITIONS: Final = 64
_STRIDE: Final = 4
#: channels over the bottleneck of squeeze and excitation
_SQUEEZE: Final = 4
_TINY: Final = 1e-6


def paper(normal: Any, settings: TrainSettings) -> Any:
    """The paper's hidden layer (n, 4·n_wavelength) over normalised profiles (n, 4, n_wavelength)."""
    from keras import layers

    n_wavelength = int(normal.shape[2])
    x = layers.Permute((2, 1))(normal)
    for number, kernel in enumerate(KERNELS):
        x = layers.Conv1D(
            settings.filters, kernel, padding="same", activation="elu", kernel_initializer="he_normal"
        )(x)
        # A filtergraph's few samples are soon used up.
        if number < len(KERNELS) - 1 and int(x.shape[1]) >= 2 * POOL:
            x = layers.MaxPooling1D(POOL)(x)
    x = layers.Dropout(settings.dropout, seed=settings.seed)(x)
    x = layers.Flatten()(x)
    return layers.Dense(4 * n_wavelength, activation="elu", kernel_initializer="he_normal")(x)


def stokeswarm(views: Any, normalisation: Normalisation, basis: Basis, settings: TrainSettings) -> Any:
    """Our hidden layer (n, width).

    Parameters
    ----------
    views : tensor (n, 5, n_wavelength)
        Of `Normalisation.views`.
    normalisation : Normalisation
    basis : Basis
        Of the views.
    settings : TrainSettings
    """
    from keras import layers, ops

    n_view, n_wavelength = int(views.shape[1]), int(views.shape[2])
    coefficients, left = basis.project(ops.reshape(views, (-1, n_view * n_wavelength)), ops)
    noise = ops.mean(ops.square(ops.reshape(left, (-1, n_view, n_wavelength))), axis=2)
    parts = [coefficients, ops.log(noise + _TINY), _direct(views)]
    channels = layers.Permute((2, 1))(views)
    parts += [
        _convolution(channels[:, region], settings)
        for region in normalisation.regions
        if region.stop - region.start >= _SHORTEST
    ]
    x = layers.Dense(settings.width)(ops.concatenate(parts, axis=1))
    for _ in range(settings.blocks):
        y = layers.LayerNormalization()(x)
        y = layers.Dense(settings.width, activation="relu", kernel_initializer="he_normal")(y)
        x = x + layers.Dense(settings.width)(layers.Dropout(settings.dropout, seed=settings.seed)(y))
    return layers.Activation("relu")(layers.LayerNormalization()(x))


def _direct(views: Any) -> Any:
    """The samples in one row, averaged over neighbours where they are many."""
    from keras import layers, ops

    n_channel, n_wavelength = int(views.shape[1]), int(views.shape[2])
    width = -(-n_wavelength // _DIRECT)
    if width > 1:
        views = layers.AveragePooling1D(width, padding="same", data_format="channels_last")(
            layers.Permute((2, 1))(views)
        )
        return layers.Flatten()(views)
    return ops.reshape(views, (-1, n_channel * n_wavelength))


def _convolution(channels: Any, settings: TrainSettings) -> Any:
    """One region (n, samples, channels) → a row."""
    from keras import layers, ops

    n_sample = int(channels.shape[1])
    stride = max(min(_STRIDE, n_sample // _SHORTEST), int(np.ceil(n_sample / _POSITIONS)))
    x = layers.Conv1D(settings.filters, 2 * stride + 1, strides=stride, padding="same")(channels)
    y = x
    for _ in range(2):
        y = layers.Activation("relu")(y)
        y = layers.Conv1D(settings.filters, 3, padding="same", kernel_initializer="he_normal")(y)
    squeezed = ops.mean(y, axis=1)
    squeezed = layers.Dense(max(1, settings.filters // _SQUEEZE), activation="relu")(squeezed)
    weight = layers.Dense(settings.filters, activation="sigmoid")(squeezed)
    return layers.Flatten()(layers.Activation("relu")(x + y * ops.expand_dims(weight, 1)))
