"""Random but realistic atmospheres: what a network is trained on.

Each atmosphere belongs to one of the classes of a photospheric map. Its temperature lies between two
models of the literature (`stokeswarm.client.atmospheres`) and is bent by smooth random curves in log τ;
field, angles and velocity have the magnitudes and gradients that are observed in that class (field and
inclination of spots: Solanki 2003, A&ARv 11, 153; Tiwari et al. 2015, A&A 583, A119; quiet Sun: Lites et
al. 2008, ApJ 672, 1237), widened on purpose: a network must interpolate, never extrapolate. Both
polarities and all azimuths are equally likely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.atmospheres import model_temperature
from stokeswarm.client.random_fields import Floats, along_depth
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

#: bounds of what is drawn: K, G, km/s (velocity, both signs), km/s (turbulences)
TEMPERATURE_RANGE: Final = (2600.0, 13000.0)
MAX_FIELD: Final = 4500.0
MAX_VELOCITY: Final = 9.0
MAX_TURBULENCE: Final = 2.5


@dataclass(frozen=True, slots=True)
class Population:
    """Distribution of one class.

    Attributes
    ----------
    share : float
        Of the training set.
    models : tuple of str
        The temperature lies between these two, anywhere (and a tenth of their distance beyond).
    field : tuple of float
        Lowest and highest field strength at log τ = −1, G.
    logarithmic : bool
        The field is drawn evenly in its logarithm (weak fields are common), not in itself.
    gradient : tuple of float
        Mean and standard deviation of d ln B / d log τ.
    lean : float
        Root mean square of the inclination from the line of sight (towards or away), degrees;
        infinite = every direction equally likely.
    flow : float
        Standard deviation of the velocity of the deep photosphere, km/s.
    microturbulence : float
        Mean, km/s.
    """

    share: float
    models: tuple[str, str]
    field: tuple[float, float]
    logarithmic: bool
    gradient: tuple[float, float]
    lean: float
    flow: float
    microturbulence: float


_ANY = float("inf")
#: classes of the training set; shares add up to 1
POPULATIONS: Final[Mapping[str, Population]] = {
    "quiet": Population(0.30, ("intergranule", "granule"), (5.0, 700.0), True, (0.10, 0.25), _ANY, 1.5, 1.0),
    "network": Population(0.12, ("hsra", "plage"), (150.0, 1300.0), False, (0.05, 0.20), 35.0, 1.2, 1.2),
    "plage": Population(0.14, ("hsra", "plage"), (700.0, 1900.0), False, (0.10, 0.12), 30.0, 1.0, 1.2),
    "penumbra": Population(0.26, ("penumbra", "hsra"), (400.0, 2600.0), False, (0.04, 0.12), _ANY, 2.2, 0.9),
    "umbra": Population(0.13, ("umbra", "umbra-hot"), (1500.0, 3700.0), False, (0.04, 0.05), 35.0, 0.4, 0.5),
    "pore": Population(0.05, ("umbra-hot", "penumbra"), (1200.0, 2700.0), False, (0.06, 0.1), 35.0, 0.7, 0.7),
}  # fmt: skip


def sample_classes(n: int, seed: int) -> npt.NDArray[np.int8]:
    """Classes of the atmospheres that `sample_atmospheres` draws with the same number and seed.

    Returns
    -------
    ndarray (n,) int8
        Index into the keys of `POPULATIONS`.

    Raises
    ------
    InvalidArgumentError
        n < 1, or a negative seed.
    """
    if n < 1:
        raise InvalidArgumentError(f"sample: expected at least one atmosphere, found n = {n}")
    if seed < 0:
        raise InvalidArgumentError(f"sample: expected a seed >= 0, found {seed}")
    shares = np.array([population.share for population in POPULATIONS.values()])
    random = np.random.default_rng([seed, 0])
    return random.choice(shares.size, size=n, p=shares / shares.sum()).astype(np.int8)


def sample_atmospheres(n: int, seed: int, log_tau: npt.ArrayLike) -> Atmosphere:
    """Draw random atmospheres.

    Parameters
    ----------
    n : int
    seed : int
        The same seed, number and axis give the same atmospheres.
    log_tau : array_like (n_depth,)
        Strictly decreasing.

    Returns
    -------
    Atmosphere
        n pixels, classes in random order. Azimuths are continuous with depth and lie in 0–180° at log τ = −1,
        so that elsewhere they may leave that range.

    Raises
    ------
    InvalidArgumentError
        n < 1, a negative seed, or log_tau is not an axis.
    """
    axis = np.ascontiguousarray(log_tau, dtype=np.float64)
    classes = sample_classes(n, seed)
    random = np.random.default_rng([seed, 1])
    result = Atmosphere.full(n, axis, pressures=False)
    for number, population in enumerate(POPULATIONS.values()):
        rows = np.flatnonzero(classes == number)
        drawn = _draw(population, rows.size, axis, random)
        for name, values in drawn.arrays().items():
            result.arrays()[name][rows] = values
    return result


def _draw(population: Population, n: int, axis: Floats, random: np.random.Generator) -> Atmosphere:
    """Draw n atmospheres of one class."""
    height = axis + 1.0

    def normal(sigma: float) -> Floats:
        return random.normal(0.0, sigma, (n, 1))

    def uniform(low: float, high: float) -> Floats:
        return random.uniform(low, high, (n, 1))

    mix = uniform(-0.1, 1.1)
    first, second = (model_temperature(name, axis) for name in population.models)
    temperature = (1 - mix) * first + mix * second
    temperature = temperature * (1 + normal(0.012)) + normal(60.0) * height / 2.0
    temperature = temperature + 90.0 * along_depth(random, n, axis, 1.5)
    temperature = temperature + 40.0 * along_depth(random, n, axis, 0.7)

    low, high = population.field
    strength = np.exp(uniform(np.log(low), np.log(high))) if population.logarithmic else uniform(low, high)
    slope = population.gradient[0] + normal(population.gradient[1])
    # exp keeps the field positive; the gradient levels off away from log τ −1 as tanh does
    strength = strength * np.exp(
        2.0 * slope * np.tanh(height / 2.0) + 0.04 * along_depth(random, n, axis, 1.5)
    )

    if np.isinf(population.lean):
        inclination = np.rad2deg(np.arccos(uniform(-1.0, 1.0)))
    else:
        angle = np.hypot(normal(population.lean), normal(population.lean)) / np.sqrt(2.0)
        inclination = np.where(uniform(0, 1) < 0.5, angle, 180.0 - angle)
    inclination = inclination + normal(5.0) * height + 2.0 * along_depth(random, n, axis, 1.5)
    # a curve that crosses the pole comes back on the other side
    inclination = 180.0 - np.abs(180.0 - np.mod(np.abs(inclination), 360.0))
    azimuth = uniform(0.0, 180.0) + normal(5.0) * height

    deep = 0.5 * (1 + np.tanh((axis + 0.6) / 0.9))
    velocity = normal(population.flow) * (0.15 + 0.85 * deep) + normal(0.5)
    velocity = velocity + 0.3 * along_depth(random, n, axis, 1.2) + normal(0.15) * height
    microturbulence = population.microturbulence + normal(0.5) + normal(0.1) * height
    return Atmosphere(
        log_tau=axis,
        temperature=np.clip(temperature, *TEMPERATURE_RANGE),
        microturbulence=np.clip(microturbulence, 0.0, MAX_TURBULENCE),
        field_strength=np.clip(strength, 0.0, MAX_FIELD),
        velocity=np.clip(velocity, -MAX_VELOCITY, MAX_VELOCITY),
        inclination=np.clip(inclination, 0.0, 180.0),
        azimuth=azimuth,
        macroturbulence=random.uniform(0.0, MAX_TURBULENCE, n),
        filling_factor=np.ones(n),
        stray_light=np.zeros(n),
    )
