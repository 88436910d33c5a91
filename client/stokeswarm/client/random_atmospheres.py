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
#: nearer to the limb a plane-parallel atmosphere says little
LOWEST_MU: Final = 0.1
#: oscillator strengths that are known no better than this are not worth a training [dex]
MAX_LOG_GF_SPREAD: Final = 0.5
#: atmospheres of one random stream
BLOCK: Final = 256
#: how many atmospheres have a jump of velocity, and of field strength, somewhere along the line of sight
#: (canopies, edges of flux tubes, penumbral flow channels): share, depth range and width in log τ
JUMP_SHARE: Final = 0.15
JUMP_DEPTHS: Final = (-2.5, -0.2)
JUMP_WIDTHS: Final = (0.1, 0.4)
#: standard deviation of a velocity jump [km/s]; largest relative jump of the field
JUMP_VELOCITY: Final = 1.5
JUMP_FIELD: Final = 0.6


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


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a set of random atmospheres is drawn from.

    The set is a sequence of blocks of `BLOCK` atmospheres, each with a random stream of its own, so that a
    block can be drawn again without the others.

    Attributes
    ----------
    n : int
        Number of atmospheres.
    seed : int
        The same recipe gives the same atmospheres.
    classes : tuple of str
        Keys of `POPULATIONS`; their shares are scaled to add up to 1.
    mu : tuple of float
        Lowest and highest cosine of the heliocentric angle, evenly distributed.
    log_gf_spread : float
        Standard deviation [dex] of what is added to the log gf of every line, drawn anew for every block:
        published values differ by some tenths, and a network that has seen one only takes the difference for
        temperature and field.

    Raises
    ------
    InvalidArgumentError
        On construction, where a number or a name is out of range.
    """

    n: int
    seed: int = 0
    classes: tuple[str, ...] = tuple(POPULATIONS)
    mu: tuple[float, float] = (1.0, 1.0)
    log_gf_spread: float = 0.0

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InvalidArgumentError(f"sample: expected at least one atmosphere, found n = {self.n}")
        if self.seed < 0:
            raise InvalidArgumentError(f"sample: expected a seed >= 0, found {self.seed}")
        unknown = [name for name in self.classes if name not in POPULATIONS]
        if unknown or not self.classes:
            found = repr(unknown[0]) if unknown else "none"
            raise InvalidArgumentError(
                f"sample: classes: expected some of {', '.join(POPULATIONS)}, found {found}"
            )
        low, high = self.mu
        if not LOWEST_MU <= low <= high <= 1.0:
            raise InvalidArgumentError(
                f"sample: mu: expected {LOWEST_MU:g} <= lowest <= highest <= 1, found {low:g} and {high:g}"
            )

        if not 0.0 <= self.log_gf_spread <= MAX_LOG_GF_SPREAD:
            raise InvalidArgumentError(
                f"sample: log gf spread: expected 0 to {MAX_LOG_GF_SPREAD:g} dex, "
                f"found {self.log_gf_spread:g}"
            )

    @property
    def n_block(self) -> int:
        """Number of blocks."""
        return -(-self.n // BLOCK)

    def rows(self, block: int) -> slice:
        """Where a block lies in the set."""
        return slice(block * BLOCK, min((block + 1) * BLOCK, self.n))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Random atmospheres, the index of each one's class among the keys of `POPULATIONS`, and its μ."""

    atmosphere: Atmosphere
    classes: npt.NDArray[np.int8]
    mu: Floats


def draw_block(recipe: Recipe, block: int, log_tau: npt.ArrayLike, attempt: int = 0) -> Drawn:
    """Draw one block of a recipe.

    Parameters
    ----------
    recipe : Recipe
    block : int
        0 … ``recipe.n_block`` − 1.
    log_tau : array_like (n_depth,)
        Strictly decreasing; optical depth along the line of sight.
    attempt : int
        Another one gives other atmospheres, as substitutes for those that could not be synthesised.

    Returns
    -------
    Drawn
        Classes in random order. Azimuths are continuous with depth and lie in 0–180° at log τ = −1, so that
        elsewhere they may leave that range.

    Raises
    ------
    InvalidArgumentError
        log_tau is not an axis.
    """
    axis = np.ascontiguousarray(log_tau, dtype=np.float64)
    rows = recipe.rows(block)
    n = rows.stop - rows.start
    random = np.random.default_rng([recipe.seed, block, attempt])
    shares = np.array([POPULATIONS[name].share for name in recipe.classes])
    numbers = np.array([list(POPULATIONS).index(name) for name in recipe.classes], np.int8)
    classes = numbers[random.choice(shares.size, size=n, p=shares / shares.sum())]
    mu = random.uniform(*recipe.mu, n)
    # seen at an angle, a layer of optical depth τ lies at μτ on the vertical scale, higher up
    rise = float(np.log10(recipe.mu[0]))
    step = float(axis[-2] - axis[-1]) if axis.size > 1 else 0.1
    above = axis[-1] - step * np.arange(1, int(np.ceil(-rise / step)) + 1)
    vertical = np.concatenate([axis, above])
    result = Atmosphere.full(n, vertical, pressures=False)
    for number in numbers:
        chosen = np.flatnonzero(classes == number)
        drawn = _draw(list(POPULATIONS.values())[number], chosen.size, vertical, random)
        for name, values in drawn.arrays().items():
            result.arrays()[name][chosen] = values
    return Drawn(_along_the_line_of_sight(result, axis, mu), classes, mu)


def _along_the_line_of_sight(vertical: Atmosphere, axis: Floats, mu: Floats) -> Atmosphere:
    """The same atmospheres on an axis of optical depth along lines of sight with these μ."""
    if bool((mu == 1.0).all()):
        return vertical if vertical.n_depth == axis.size else vertical.resample(axis)
    result = Atmosphere.full(len(vertical), axis, pressures=False)
    source, target = vertical.arrays(), result.arrays()
    for name, values in source.items():
        if values.ndim == 1:
            target[name][:] = values
            continue
        for row, cosine in enumerate(mu):
            at = axis + np.log10(cosine)
            target[name][row] = np.interp(-at, -vertical.log_tau, values[row])
    return result


def sample_atmospheres(n: int, seed: int, log_tau: npt.ArrayLike) -> Atmosphere:
    """Draw n random atmospheres of all classes at disc centre; see `Recipe` and `draw_block`."""
    recipe = Recipe(n, seed)
    return Atmosphere.concatenate(
        [draw_block(recipe, block, log_tau).atmosphere for block in range(recipe.n_block)]
    )


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
    velocity = velocity + normal(JUMP_VELOCITY) * _jump(random, n, axis)
    strength = strength * (1.0 + uniform(-JUMP_FIELD, JUMP_FIELD) * _jump(random, n, axis))
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


def _jump(random: np.random.Generator, n: int, axis: Floats) -> Floats:
    """Steps (n, n_depth) from 0 above to 1 below a random depth in a share of the rows, 0 in the others."""
    chosen = random.random((n, 1)) < JUMP_SHARE
    depth, width = random.uniform(*JUMP_DEPTHS, (n, 1)), random.uniform(*JUMP_WIDTHS, (n, 1))
    return np.where(chosen, 0.5 * (1.0 + np.tanh((axis - depth) / width)), 0.0)
