"""Starting every pixel from the guess of its class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stokeswarm.client.clustering import features_of
from stokeswarm.client.clusters import Clusters
from stokeswarm.client.digests import input_identity
from stokeswarm.client.layout import Start
from stokeswarm.client.orientation import azimuth, oriented
from stokeswarm.client.polarity import mirrored, points_away
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Pixels, Starts, on_axis
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.inference import Prediction
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra


@dataclass(frozen=True, slots=True)
class ClusterStart:
    """The guess of a pixel's class, in the pixel's own orientation.

    Attributes
    ----------
    clusters : Clusters
    base : ModelStart
        Temperature gradients where the plan's depth axis is longer than the guesses', and pixels without
        class.
    plan : Plan
    mapped : bool
        The classes are those of the observation's own pixels; else each takes the nearest class.
    values : callable (Spectra) -> ndarray (n, n_in)
        What the classes' space is made of, of oriented profiles.
    """

    clusters: Clusters
    base: ModelStart
    plan: Plan
    mapped: bool
    values: Callable[[Spectra], npt.NDArray[np.floating]]

    @property
    def label(self) -> Start:
        """`Start.CLUSTER`."""
        return Start.CLUSTER

    @property
    def assisted(self) -> bool:
        """Always: the guess fits the mean of profiles like the pixel's own."""
        return True

    def start(self, pixels: Pixels) -> Starts:
        """The guesses, azimuths by Q and U, polarities by V."""
        if self.mapped:
            number = self.clusters.classes[pixels.y, pixels.x].astype(np.int64)
        else:
            number = self.clusters.nearest(self.values(oriented(pixels.spectra, self.plan)))
        available = (number >= 0) & self.clusters.available[number]
        base = self.base.start(pixels).atmosphere[0]
        # A class without a guess, or a pixel without a class, takes any: it is not used.
        any_class = int(np.argmax(self.clusters.available))
        guess = on_axis(self.clusters.guess.take(np.where(available, number, any_class)), base, self.plan)
        chi, _ = azimuth(pixels.spectra, self.plan)
        away = points_away(pixels.spectra, self.plan)
        # As the profiles were turned: a reversed field is a mirrored one.
        turned = np.where(away, -1.0, 1.0)[:, None] * guess.azimuth + chi[:, None]
        own = mirrored(replace(guess, azimuth=turned % 180.0), away)
        return Starts((own,), available, np.full(len(pixels), np.nan))


def cluster_start(
    clusters: Clusters,
    observation: Observation,
    base: ModelStart,
    plan: Plan,
    predict: Callable[[str, str, Spectra], Prediction],
) -> ClusterStart:
    """Make a start of a file of classes.

    Parameters
    ----------
    clusters : Clusters
    observation : Observation
    base : ModelStart
    plan : Plan
    predict : callable (model, version, Spectra) -> Prediction
        With features.

    Raises
    ------
    InvalidArgumentError
        The plan has two components, the continuum references or the wavelengths differ, or no class has a
        guess.
    """
    where = f"--init clusters: {clusters.source or 'the classes'}"
    if plan.n_component != 1:
        raise InvalidArgumentError(f"{where}: classes start one component, the plan has {plan.n_component}")
    if not clusters.available.any():
        raise InvalidArgumentError(f"{where}: no class has a guess; make them again with another plan")
    reference = str(clusters.attrs.get("reference", observation.reference))
    if reference != str(observation.reference):
        raise InvalidArgumentError(
            f"{where}: profiles over {reference}, the observation's are over {observation.reference}"
        )
    mapped = clusters.attrs.get("input") == input_identity(observation)
    space = clusters.space

    def values(spectra: Spectra) -> npt.NDArray[np.floating]:
        if space.kind == "cnn":
            return features_of(predict(space.model, space.version, spectra))
        return spectra.stokes.reshape(len(spectra), -1)

    same = observation.wavelength.size == clusters.wavelength.size and np.allclose(
        observation.wavelength, clusters.wavelength, atol=1e-3
    )
    if not mapped and space.kind == "pca" and not same:
        raise InvalidArgumentError(
            f"{where}: made of {clusters.wavelength.size} wavelengths from {clusters.wavelength[0]:.3f} to "
            f"{clusters.wavelength[-1]:.3f} Å, which are not the observation's; classes of a network's "
            "features can be used with every axis that the network reads"
        )
    return ClusterStart(clusters, base, plan, mapped, values)
