"""A network around its body: plain Stokes profiles in, an atmosphere with errors, novelty and features out.

What is normalised is normalised inside the graph, and what is decoded is decoded there: the exported model
takes plain Stokes profiles and gives kelvin, gauss, km/s and degrees.

TensorFlow and Keras are imported by the functions that need them, never by this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inference import architectures
from stokeswarm.inference.calibration import Calibration
from stokeswarm.inference.dataset import QUANTITIES
from stokeswarm.inference.features import Projection
from stokeswarm.inference.frame import Frame, Turned
from stokeswarm.inference.likelihood import split_outputs
from stokeswarm.inference.normalisation import Normalisation
from stokeswarm.inference.novelty import Basis
from stokeswarm.inference.session import (
    ATMOSPHERE,
    ERROR,
    FEATURES,
    INPUT,
    NOVELTY,
    SCALARS,
    SCALARS_ERROR,
)
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.targets import N_CHANNEL, PLAIN, Scaling

Float32s = npt.NDArray[np.float32]

#: radians of the double angle → degrees of the angle
_HALF_DEGREES: Final = 90.0 / math.pi
#: a polarity in units of its spread is compressed like the other features' long tails are
_POLARITY_SOFTENING: Final = 0.3
_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What is measured on the training set before a network is built.

    Attributes
    ----------
    frame : Frame
        Used for the polarity, and to turn profiles where `TrainSettings.oriented`.
    normalisation : Normalisation
    scaling : Scaling
    basis : Basis
    """

    frame: Frame
    normalisation: Normalisation
    scaling: Scaling
    basis: Basis


@dataclass(frozen=True, slots=True)
class Network:
    """A network and its intermediate tensors.

    Attributes
    ----------
    trained : keras.Model
        Profiles (n, 4, n_wavelength) → values and ln σ (n, n_output + n_sigma), see `targets.encode`.
    physical : keras.Model
        Profiles → atmosphere, scalars, novelty, ln σ of all (n, quantities · nodes + scalars) in the units of
        the atmosphere and before calibration, hidden layer, polarity (n, 1).
    """

    trained: Any
    physical: Any


def build(ingredients: Ingredients, settings: TrainSettings) -> Network:
    """A network that has learnt nothing yet."""
    import keras
    from keras import layers, ops

    normalisation, scaling = ingredients.normalisation, ingredients.scaling
    n_wavelength = normalisation.mean.size
    profile = keras.Input((4, n_wavelength), dtype="float32", name=INPUT)
    turned = ingredients.frame.turn(profile, ops)
    seen = turned.stokes if settings.oriented else profile
    views = normalisation.views(seen, ops)
    if settings.architecture == "paper":
        hidden = architectures.paper(views[:, :4], settings)
        # The errors look on: what the paper's network learns of the values is not touched by them.
        widths = layers.Dense(scaling.n_sigma)(ops.stop_gradient(hidden))
    else:
        hidden = architectures.stokeswarm(views, normalisation, ingredients.basis, settings)
        widths = layers.Dense(scaling.n_sigma)(hidden)
    values = layers.Dense(scaling.n_output)(hidden)
    if settings.oriented:
        values = _turn_back(values, turned, scaling)
    answer = ops.concatenate([values, widths], axis=1)
    trained = keras.Model(profile, answer)
    atmosphere, scalars, log_sigma = _decode(answer, scaling)
    flat = ops.reshape(views, (-1, int(views.shape[1]) * n_wavelength))
    novelty = ops.max(ingredients.basis.measure(flat, ops), axis=1)
    polarity = ops.arcsinh(turned.circular / np.float32(_POLARITY_SOFTENING * ingredients.frame.scale))
    return Network(trained, keras.Model(profile, [atmosphere, scalars, novelty, log_sigma, hidden, polarity]))


def finish(network: Network, calibration: Calibration, projection: Projection, scaling: Scaling) -> Any:
    """The model that is served: outputs named as in `session`, errors calibrated, features projected."""
    import keras
    from keras import layers, ops

    profile = network.physical.inputs[0]
    atmosphere, scalars, novelty, log_sigma, hidden, polarity = network.physical.outputs
    sigma = ops.exp(calibration.apply(log_sigma, ops))
    n_stratified = len(QUANTITIES) * scaling.n_node
    features = ops.matmul(hidden - projection.mean, projection.matrix)
    outputs = {
        ATMOSPHERE: atmosphere,
        SCALARS: scalars,
        NOVELTY: novelty,
        ERROR: ops.reshape(sigma[:, :n_stratified], (-1, len(QUANTITIES), scaling.n_node)),
        SCALARS_ERROR: sigma[:, n_stratified:],
        FEATURES: ops.concatenate([features, polarity], axis=1),
    }
    return keras.Model(profile, [layers.Identity(name=name)(value) for name, value in outputs.items()])


def _turn_back(values: Any, turned: Turned, scaling: Scaling) -> Any:
    """Values in the profile's own frame → in the observer's; see `frame` for the two operations."""
    from keras import ops

    n_node = scaling.n_node
    channel = [values[:, i * n_node : (i + 1) * n_node] for i in range(N_CHANNEL)]
    # Standardised about 90°, the supplement of an inclination is its negative.
    inclination = PLAIN.index("inclination")
    channel[inclination] = channel[inclination] * turned.sign
    along, across = channel[-2], channel[-1] * turned.sign
    channel[-2] = turned.cosine * along - turned.sine * across
    channel[-1] = turned.sine * along + turned.cosine * across
    return ops.concatenate([*channel, values[:, N_CHANNEL * n_node :]], axis=1)


def _decode(answer: Any, scaling: Scaling) -> tuple[Any, Any, Any]:
    """Output neurons → (n, quantity, node) and (n, scalar) in physical units, and ln σ of all in one row."""
    from keras import ops

    values, log_sigma = split_outputs(answer, scaling)
    n_node = scaling.n_node
    channel = [values[:, i * n_node : (i + 1) * n_node] for i in range(N_CHANNEL)]
    width = [log_sigma[:, i * n_node : (i + 1) * n_node] for i in range(N_CHANNEL - 1)]
    found: dict[str, Any] = {}
    error: dict[str, Any] = {}
    for number, name in enumerate(PLAIN):
        found[name] = _physical(channel[number], name, scaling)
        error[name] = width[number] + np.log(scaling.spread[name])
    along, across = channel[-2], channel[-1]
    half = ops.arctan2(across, along) * _HALF_DEGREES
    found["azimuth"] = ops.where(half < 0.0, half + 180.0, half)
    # The vector's end is uncertain by σ: seen from the origin, at a distance r, that is an angle of
    # atan(σ/r).
    length = ops.sqrt(along * along + across * across + _TINY)
    error["azimuth"] = ops.log(ops.arctan(ops.exp(width[-1]) / length) * _HALF_DEGREES)
    scalars = ops.concatenate(
        [
            _physical(values[:, N_CHANNEL * n_node + i :][:, :1], name, scaling)
            for i, name in enumerate(scaling.scalars)
        ],
        axis=1,
    )
    spread = np.concatenate([scaling.spread[name] for name in scaling.scalars])
    row = [error[name] for name in QUANTITIES] + [log_sigma[:, (N_CHANNEL - 1) * n_node :] + np.log(spread)]
    return ops.stack([found[name] for name in QUANTITIES], axis=1), scalars, ops.concatenate(row, axis=1)


def _physical(value: Any, name: str, scaling: Scaling) -> Any:
    from keras import ops

    physical = value * scaling.spread[name] + scaling.mean[name]
    return ops.minimum(ops.maximum(physical, scaling.lower[name]), scaling.upper[name])
