"""From an observation to a file of classes: which features, which network, which engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from stokeswarm.client.carrying import TileResult
from stokeswarm.client.clustering import STARTS, Grouping, group, network_space, profile_space, valid_pixels
from stokeswarm.client.clusters import Clusters, Space
from stokeswarm.client.finding import find_network
from stokeswarm.client.network_units import for_network
from stokeswarm.client.prepare import Prepared, Services, Wishes, prepare
from stokeswarm.client.project import Project
from stokeswarm.client.provenance import plan_document, software
from stokeswarm.client.readers import Observation
from stokeswarm.client.tiles import Tile, Window
from stokeswarm.contract.atmosphere import Floats
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedError,
)


def classify(
    observation: Observation,
    project: Project,
    grouping: Grouping,
    wishes: Wishes,
    services: Services,
    invert: Callable[[Prepared, Tile], TileResult],
) -> Clusters:
    """Group the profiles of an observation and invert the mean of each class.

    Parameters
    ----------
    observation : Observation
    project : Project
        Its plan has one component.
    grouping : Grouping
    wishes : Wishes
        Engine, seed and retries of the inversions.
    services : Services
    invert : callable (Prepared, Tile) -> TileResult

    Returns
    -------
    Clusters
        Its attribute ``notes`` says what was chosen.

    Raises
    ------
    StokeswarmError
        No network gives features though they were asked for, no pixel is usable, scikit-learn is missing …
    """
    plan = project.plan
    if plan.n_component != 1:
        raise InvalidArgumentError(f"classes start one component, plan {plan.name!r} has {plan.n_component}")
    pixels = valid_pixels(observation)
    if not pixels.size:
        raise InvalidArgumentError(f"{observation.source or 'the observation'}: no pixel can be inverted")
    notes: list[str] = []
    found = _from_network(observation, pixels, project, grouping, services, notes)
    space, points = found or profile_space(observation, pixels, plan)
    parts = [f"cnn:{space.model}"] if space.kind == "cnn" else []
    asked = replace(wishes, init="best-of:" + ",".join([*parts, *STARTS]))
    used: list[Prepared] = []

    def mean_guesses(means: Observation) -> TileResult:
        # What belongs to the map's pixels does not belong to means over them.
        alone = replace(project, position=None, atmospheres=None, region="")
        prepared = prepare(means, alone, asked, services)
        used.append(prepared)
        return invert(prepared, Tile(0, 0, Window(0, 1, 0, means.shape[1])))

    clusters = group(observation, plan, grouping, space, points, pixels, mean_guesses)
    (prepared,) = used
    missing = int((~clusters.available).sum())
    if missing:
        notes.append(f"{missing} class(es) have no guess: their mean profiles could not be inverted")
    engine = prepared.engine
    return replace(
        clusters,
        attrs={
            **clusters.attrs,
            "start": asked.init,
            "plan": plan_document(prepared.task.plan),
            "engine": {"name": engine.name, "version": engine.version, "digest": engine.digest},
            "software": software(),
            "notes": notes,
        },
    )


def _from_network(
    observation: Observation,
    pixels: np.ndarray[tuple[int], np.dtype[np.int64]],
    project: Project,
    grouping: Grouping,
    services: Services,
    notes: list[str],
) -> tuple[Space, Floats] | None:
    """Points from a network's features; None where principal components are to be taken.

    Raises
    ------
    StokeswarmError
        ``cnn`` is asked for, and there is no network, or none that gives features.
    """
    if grouping.features == "pca":
        return None
    try:
        model = find_network(observation, grouping.network, services)
        found = network_space(
            observation, pixels, project.plan, model,
            lambda spectra: services.features(
                model.name, model.version, for_network(spectra, model, project.plan.mu)
            ),
        )  # fmt: skip
    except (NotFoundError, InvalidArgumentError, FailedPreconditionError, UnsupportedError) as error:
        if grouping.features == "cnn" or grouping.network:
            raise
        notes.append(
            f"features: pca, principal components of the profiles, because no network helps ({error})"
        )
        return None
    notes.append(f"features: cnn, of network {model.name}, version {model.version}")
    return found
