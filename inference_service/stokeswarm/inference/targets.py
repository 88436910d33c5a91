"""What the network's output neurons mean: from atmospheres at the nodes to numbers of order one.

Channels, each at every node: temperature, field strength, velocity, microturbulence, inclination (all
standardised), and sin²γ·(cos 2χ, sin 2χ). The inclination is learnt as an angle: it is not periodic, and the
least-squares answer in degrees is what a start wants; through cos γ an error of 0.02 would become 11° where
the field is vertical. The azimuth is learnt on the double angle, where 0° and 180° are the same, and
weighted with sin²γ, since a field along the line of sight has none.

After them come the scalars (macroturbulence first). Beside every number stands the logarithm of its standard
deviation; the two components of the azimuth share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

#: channels that are a quantity, standardised node by node
PLAIN: Final = ("temperature", "field_strength", "velocity", "microturbulence", "inclination")
#: number of channels: the plain ones and the two of the azimuth
N_CHANNEL: Final = len(PLAIN) + 2
#: field [G] at which the direction of the field gets half its weight in the loss: where the field leaves no
#: trace in the profile there is nothing to learn. V goes with B, Q and U with B², so the azimuth fades first.
HALF_WEIGHT: Final[Mapping[str, float]] = {"inclination": 100.0, "azimuth": 300.0}
#: a quantity that is constant at a node still gets a finite scale, relative to its overall spread
_SMALLEST_SPREAD: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Scaling:
    """Means and spreads of the training set.

    Attributes
    ----------
    mean, spread : mapping of ndarray float32
        (n_node,) for each of `PLAIN`, (1,) for each scalar.
    lower, upper : mapping of ndarray float32
        Extremes in the training set, likewise: an answer is clipped to them.
    scalars : tuple of str
    """

    mean: Mapping[str, Float32s]
    spread: Mapping[str, Float32s]
    lower: Mapping[str, Float32s]
    upper: Mapping[str, Float32s]
    scalars: tuple[str, ...]

    @classmethod
    def fit(cls, quantities: Mapping[str, Float32s], scalars: Mapping[str, Float32s]) -> Self:
        """Measure a training set.

        Parameters
        ----------
        quantities : mapping of ndarray (n, n_node) float32
        scalars : mapping of ndarray (n,) float32
        """
        mean, spread, lower, upper = {}, {}, {}, {}
        columns = {name: quantities[name] for name in PLAIN}
        columns |= {name: values[:, None] for name, values in scalars.items()}
        for name, column in columns.items():
            values = column.astype(np.float64)
            mean[name] = values.mean(axis=0).astype(np.float32)
            smallest = _SMALLEST_SPREAD * values.std()
            spread[name] = np.maximum(values.std(axis=0), smallest).astype(np.float32)
            lower[name], upper[name] = column.min(axis=0), column.max(axis=0)
        # The mirror symmetry makes every inclination as likely as its supplement.
        mean["inclination"] = np.full_like(mean["inclination"], 90.0)
        lower["inclination"] = np.zeros_like(mean["inclination"])
        upper["inclination"] = np.full_like(mean["inclination"], 180.0)
        lower["field_strength"] = np.zeros_like(mean["inclination"])
        return cls(mean=mean, spread=spread, lower=lower, upper=upper, scalars=tuple(scalars))

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return int(self.mean["temperature"].size)

    @property
    def n_output(self) -> int:
        """Number of output neurons that are values."""
        return N_CHANNEL * self.n_node + len(self.scalars)

    @property
    def n_sigma(self) -> int:
        """Number of output neurons that are logarithms of standard deviations."""
        return (N_CHANNEL - 1) * self.n_node + len(self.scalars)


def encode(
    quantities: Mapping[str, Float32s], scalars: Mapping[str, Float32s], scaling: Scaling
) -> tuple[Float32s, Float32s]:
    """Targets of the output neurons and their weights in the loss.

    Parameters
    ----------
    quantities : mapping of ndarray (n, n_node) float32
        In the contract's units.
    scalars : mapping of ndarray (n,) float32
    scaling : Scaling

    Returns
    -------
    target, weight : ndarray (n, n_output) float32
        Channel by channel, node fastest; scalars last.
    """
    target = [(quantities[name] - scaling.mean[name]) / scaling.spread[name] for name in PLAIN]
    double = np.deg2rad(2.0 * quantities["azimuth"])
    transverse = np.sin(np.deg2rad(quantities["inclination"])) ** 2
    target += [transverse * np.cos(double), transverse * np.sin(double)]
    target += [
        (scalars[name][:, None] - scaling.mean[name]) / scaling.spread[name] for name in scaling.scalars
    ]
    square = quantities["field_strength"] ** 2
    one = np.ones_like(square)
    weight = [one] * (len(PLAIN) - 1)
    weight.append(square / (square + HALF_WEIGHT["inclination"] ** 2))
    weight += [square / (square + HALF_WEIGHT["azimuth"] ** 2)] * 2
    weight.append(np.ones((len(square), len(scaling.scalars)), np.float32))
    return np.concatenate(target, axis=1, dtype=np.float32), np.concatenate(weight, axis=1, dtype=np.float32)
