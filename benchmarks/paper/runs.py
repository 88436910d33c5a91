"""Inversions of the maps: each goes into a store that is continued where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from maps import MadeMap

from stokeswarm.client.cluster import Cluster
from stokeswarm.client.gate import Gate
from stokeswarm.client.plan_files import as_project
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.store import ResultStore

#: seconds between two lines of progress
TELL: float = 60.0


def invert(
    made: MadeMap,
    name: str,
    init: str,
    folder: Path,
    cluster: Callable[[], Cluster],
    say: Callable[[str], None],
    *,
    preset: str = "",
    gate: Gate | None = None,
    engine: str = "lte",
    region: str | None = None,
) -> Path:
    """Invert a map, or go on with an inversion of it, or leave it as it is where it is complete.

    Parameters
    ----------
    made : MadeMap
    name : str
        Of the run.
    init : str
        Start.
    folder : Path
    cluster : callable
    say : callable
    preset : str
        Other cycles than those of the map's own plan.
    gate : Gate, optional
    engine : str
    region : str, optional
        Part of the map.

    Returns
    -------
    Path
        The result store.
    """
    output = folder / "runs" / f"{made.scene.name}-{name}.zarr"
    if output.exists() and ResultStore.read(output).complete:
        return output
    project = made.project
    if preset:
        other = as_project(preset).plan
        project = replace(project, plan=replace(project.plan, cycles=other.cycles, name=other.name))
    output.parent.mkdir(parents=True, exist_ok=True)
    say(f"inverting map {made.scene.name}: {name} ({init}, {engine})")
    run = cluster().begin(
        made.observation,
        project,
        output,
        resume=output.exists(),
        region=region,
        wishes=Wishes(init, engine, gate or Gate()),
    )
    told, done = time.monotonic(), 0
    for tile in run:
        done += tile.tile.window.size
        if time.monotonic() - told > TELL:
            told = time.monotonic()
            say(f"  {done} pixels")
    return output
