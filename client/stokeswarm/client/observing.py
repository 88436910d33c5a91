"""The observation that goes with a project: what the user names, or what the project names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation, read
from stokeswarm.client.readers.cubes import read_cubes
from stokeswarm.contract.errors import InvalidArgumentError


def observe(project: Project, place: str | None = None, **hints: Any) -> Observation:
    """Read the observation of a project.

    Parameters
    ----------
    project : Project
    place : str, optional
        Path or URL; None = what the project names.
    **hints
        Keywords of `stokeswarm.client.readers.read`; they come before the project's own.

    Raises
    ------
    InvalidArgumentError
        Neither names one, or the project picks pixels that the map does not have.
    StokeswarmError
        It cannot be read.
    """
    given = {name: value for name, value in hints.items() if value not in ("", None)}
    if place is None and project.cubes:
        found = read_cubes(project.cubes, project.plan)
    elif (chosen := place or project.observation) is not None:
        found = read(chosen, plan=project.plan, **(dict(project.hints) | given))
    else:
        raise InvalidArgumentError(f"no observation given, and {project.source or 'the plan'} names none")
    return found if project.pixels is None else _only(found, project)


def _only(observation: Observation, project: Project) -> Observation:
    """Mask every pixel but those that the project picks."""
    pixels = np.asarray(project.pixels)
    outside = (pixels < 0).any() or (pixels >= np.array(observation.shape)).any()
    if pixels.size == 0 or outside:
        raise InvalidArgumentError(
            f"pixels: the plan picks {len(pixels)} pixel(s), some of which a map of {observation.shape[0]} × "
            f"{observation.shape[1]} (y × x) does not have"
        )
    mask = np.ones(observation.shape, np.bool_)
    mask[pixels[:, 0], pixels[:, 1]] = False
    if observation.mask is not None:
        mask |= observation.mask
    return replace(observation, mask=mask)
