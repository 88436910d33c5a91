"""Grouping an observation's profiles into classes, and a guess for each from its mean profile.

The profiles are turned into one orientation first (`stokeswarm.client.orientation`), so that neither polarity
nor azimuth makes a class, and a mean does not cancel. They become points: the features of a network, or
principal components where none is at hand; k-means (Lloyd 1982, IEEE Trans. Inf. Theory 28, 129, with the
seeding of Arthur & Vassilvitskii 2007, Proc. SODA, 1027) groups them. Each class's mean profile is inverted
with all cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.carrying import TileResult
from stokeswarm.client.clusters import Clusters, Space
from stokeswarm.client.digests import input_identity
from stokeswarm.client.gate import MODEL, RESULTS, Gate
from stokeswarm.client.orientation import oriented
from stokeswarm.client.readers import Observation
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere, Floats
from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, UnsupportedError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra

#: profiles looked at together
CHUNK: Final = 2048
#: profiles from which on k-means learns from random batches
LARGE: Final = 50_000
#: independent starts of k-means; the tightest grouping is kept
ATTEMPTS: Final = 4
#: principal components that stand for a profile
COMPONENTS: Final = 16
#: a Stokes parameter is scaled by its spread over the map, at least by this multiple of the noise
NOISE_FLOOR: Final = 3.0
#: every mean profile is inverted with all cycles from each of them
STARTS: Final = (MODEL, *(f"{MODEL}:{name}" for name in Gate().models))


@dataclass(frozen=True, slots=True)
class Grouping:
    """How to group.

    Attributes
    ----------
    n_class : int
        At least 1.
    features : str
        ``cnn``, ``pca``, or empty: a network's where one reads the observation and gives features.
    network : str
        Name of the network; empty = the one that reads the observation.
    seed : int
        Of k-means.
    """

    n_class: int = 20
    features: str = ""
    network: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_class < 1:
            raise InvalidArgumentError(f"classes: expected at least 1, found {self.n_class}")
        if self.features not in ("", "cnn", "pca"):
            raise InvalidArgumentError(f"features: expected cnn or pca, found {self.features!r}")


def features_of(prediction: Prediction) -> npt.NDArray[np.float32]:
    """A network's features.

    Raises
    ------
    UnsupportedError
        It gives none.
    """
    if prediction.features is None:
        raise UnsupportedError(
            f"network {prediction.model!r}, version {prediction.version}, gives no features (it was exported "
            "without them); use --features pca"
        )
    return prediction.features


def valid_pixels(observation: Observation) -> npt.NDArray[np.int64]:
    """Pixels that can be grouped: neither masked nor invalid, counted row by row."""
    bad = np.zeros(observation.shape, np.bool_) if observation.mask is None else observation.mask.copy()
    for y, x in observation.invalid_pixels():
        bad[y, x] = True
    return np.flatnonzero(~bad)


def batches(observation: Observation, pixels: npt.NDArray[np.int64], plan: Plan) -> Iterator[Spectra]:
    """Oriented profiles of some pixels, a batch at a time."""
    ny, nx = observation.shape
    flat = observation.stokes.reshape(ny * nx, 4, -1)
    for first in range(0, pixels.size, CHUNK):
        part = flat[pixels[first : first + CHUNK]]
        yield oriented(
            Spectra(observation.wavelength, part, observation.reference, observation.weights), plan
        )


def network_space(
    observation: Observation,
    pixels: npt.NDArray[np.int64],
    plan: Plan,
    model: ModelInfo,
    predict: Callable[[Spectra], Prediction],
) -> tuple[Space, Floats]:
    """Points from a network's features, each scaled to the same spread.

    Raises
    ------
    UnsupportedError
        The network gives no features.
    """
    raw = np.concatenate([features_of(predict(part)) for part in batches(observation, pixels, plan)])
    values = np.where(np.isfinite(raw), raw, np.nan).astype(np.float64)
    if np.isnan(values).all():
        raise FailedPreconditionError(f"network {model.name!r} has features for none of the profiles")
    spread = np.nanstd(values, axis=0)
    # A unit that is silent on this map tells nothing apart.
    scale = np.where(spread > 1e-6 * max(float(spread.max()), 1e-30), spread, np.inf)
    space = Space(
        "cnn", np.nanmean(values, axis=0), scale, None, model.name, model.version, model.digest
    )  # fmt: skip
    return space, space.points(raw)


def profile_space(
    observation: Observation, pixels: npt.NDArray[np.int64], plan: Plan
) -> tuple[Space, Floats]:
    """Points from principal components of the profiles; missing samples count as the mean."""
    n_in = 4 * observation.wavelength.size
    total, count = np.zeros(n_in), np.zeros(n_in)
    for part in batches(observation, pixels, plan):
        flat = _rows(part)
        present = np.isfinite(flat)
        total += np.where(present, flat, 0.0).sum(axis=0)
        count += present.sum(axis=0)
    mean = total / np.maximum(count, 1)
    covariance = np.zeros((n_in, n_in))
    for part in batches(observation, pixels, plan):
        centred = np.nan_to_num(_rows(part) - mean, nan=0.0)
        covariance += centred.T @ centred
    covariance /= max(pixels.size, 1)
    spread = np.sqrt(np.diag(covariance).reshape(4, -1).mean(axis=1))
    scale = np.repeat(np.maximum(spread, NOISE_FLOOR * np.asarray(plan.noise)), observation.wavelength.size)
    _, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    space = Space("pca", mean, scale, np.ascontiguousarray(vectors[:, ::-1][:, :COMPONENTS]))
    points = [space.points(_rows(part)) for part in batches(observation, pixels, plan)]
    return space, np.concatenate(points)


def _rows(spectra: Spectra) -> Floats:
    return spectra.stokes.reshape(len(spectra), -1).astype(np.float64)


def k_means(points: Floats, n_class: int, seed: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Group points.

    Returns
    -------
    label : ndarray (n,) int64
        Classes are numbered by size, the largest first.
    centre : ndarray (n_class, n_feature) float64

    Raises
    ------
    FailedPreconditionError
        scikit-learn is not installed.
    InvalidArgumentError
        Fewer points than classes.
    """
    try:
        from sklearn.cluster import KMeans, MiniBatchKMeans
    except ImportError:
        raise FailedPreconditionError(
            "grouping profiles needs scikit-learn: pip install 'stokeswarm[cluster]'"
        ) from None
    if len(points) < n_class:
        raise InvalidArgumentError(f"classes: {n_class} of {len(points)} usable pixels; ask for fewer")
    options: dict[str, Any] = {"n_clusters": n_class, "n_init": ATTEMPTS, "random_state": seed}
    found = (MiniBatchKMeans if len(points) >= LARGE else KMeans)(**options).fit(points)
    count = np.bincount(found.labels_, minlength=n_class)
    order = np.argsort(-count, kind="stable")
    number = np.empty(n_class, np.int64)
    number[order] = np.arange(n_class)
    return number[found.labels_], np.asarray(found.cluster_centers_, np.float64)[order]


def mean_profiles(
    observation: Observation,
    pixels: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    n_class: int,
    plan: Plan,
) -> npt.NDArray[np.float32]:
    """Mean oriented profile of each class, (n_class, 4, n_wavelength); NaN where no pixel has the sample."""
    total = np.zeros((n_class, 4, observation.wavelength.size))
    count = np.zeros_like(total)
    for number, part in enumerate(batches(observation, pixels, plan)):
        mine = label[number * CHUNK : number * CHUNK + len(part)]
        present = np.isfinite(part.stokes)
        np.add.at(total, mine, np.where(present, part.stokes, 0.0).astype(np.float64))
        np.add.at(count, mine, present.astype(np.float64))
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean.astype(np.float32)


def group(
    observation: Observation,
    plan: Plan,
    grouping: Grouping,
    space: Space,
    points: Floats,
    pixels: npt.NDArray[np.int64],
    invert: Callable[[Observation], TileResult],
) -> Clusters:
    """Group points and invert the mean profile of each class.

    Parameters
    ----------
    observation : Observation
    plan : Plan
        Of one component.
    grouping : Grouping
    space, points : Space, ndarray (n, n_feature) float64
    pixels : ndarray (n,) int64
        The points' pixels, counted row by row.
    invert : callable (Observation) -> TileResult
        Inverts a map of one row, from the best of several starts.
    """
    label, centre = k_means(points, grouping.n_class, grouping.seed)
    profile = mean_profiles(observation, pixels, label, grouping.n_class, plan)
    means = replace(
        observation, stokes=profile[None], mask=None, position=None, identity=None, header={}, notes=(),
        source="mean profiles",
    )  # fmt: skip
    found = invert(means).arrays
    ended = np.isin(found["fit/status"], RESULTS)
    names = [name for name in STRATIFIED if name not in OPTIONAL] + list(SCALAR)
    guess = Atmosphere(plan.log_tau, **{name: found[f"atmosphere/{name}"] for name in names})
    classes = np.full(observation.n_pixel, -1, np.int16)
    classes[pixels] = label
    return Clusters(
        classes=classes.reshape(observation.shape),
        count=np.bincount(label, minlength=grouping.n_class).astype(np.int64),
        centre=centre,
        profile=profile,
        wavelength=observation.wavelength,
        guess=guess,
        chi2=np.where(ended, found["fit/chi2"], np.nan).astype(np.float64),
        space=space,
        attrs={
            "reference": str(observation.reference),
            "input": input_identity(observation),
            "seed": grouping.seed,
        },
    )
