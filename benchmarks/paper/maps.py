"""The maps of the experiment: synthetic active regions with their truth, as an instrument would see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stokeswarm.client.active_region import active_region
from stokeswarm.client.cluster import Cluster
from stokeswarm.client.plan_files import as_project
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation, read
from stokeswarm.client.sampling import synthesize_all
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.status import ContinuumReference


@dataclass(frozen=True, slots=True)
class Scene:
    """A map to be made.

    Attributes
    ----------
    name : str
    instrument : str
    seed : int
        Of the region and its noise.
    window : (int, int, int, int) or None
        y0, y1, x0, x1 of the region that is kept; None = all of it.
    mirrored : bool
        Whether the field points the other way everywhere.
    """

    name: str
    instrument: str
    seed: int
    window: tuple[int, int, int, int] | None = None
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class MadeMap:
    """A map that is there: what was observed, what is true, and the plan that inverts it."""

    scene: Scene
    observation: Observation
    truth: Path
    project: Project


def project_of(scene: Scene, mu: float, preset: str = "assisted") -> Project:
    """A preset's cycles with the scene's instrument, seen at an angle."""
    project = as_project(preset)
    known = instrument(scene.instrument)
    plan = replace(
        project.plan, name=f"{known.name}/{preset}", regions=known.regions, noise=(known.noise,) * 4, mu=mu
    )
    return replace(project, plan=plan)


def make_map(
    scene: Scene,
    size: tuple[int, int],
    folder: Path,
    cluster: Callable[[], Cluster],
    say: Callable[[str], None],
) -> MadeMap:
    """Make a map, or read the one that is there.

    Parameters
    ----------
    scene : Scene
    size : (int, int)
        ny, nx of the whole region.
    folder : Path
    cluster : callable
        Services, if profiles must be synthesised.
    say : callable
    """
    place = folder / "maps" / scene.name
    truth, observed = place / "truth.npz", place / "observation.npz"
    region = active_region(*size, scene.seed)
    project = project_of(scene, region.mu)
    if not observed.exists():
        say(f"map {scene.name}: synthesising {size[0]} × {size[1]} pixels for {scene.instrument}")
        place.mkdir(parents=True, exist_ok=True)
        plan = replace(project.plan, reference=ContinuumReference.DISC_CENTRE)
        atmosphere = region.atmosphere
        y0, y1, x0, x1 = scene.window or (0, size[0], 0, size[1])
        rows = np.arange(size[0] * size[1]).reshape(size)[y0:y1, x0:x1]
        atmosphere = atmosphere.take(rows.ravel())
        if scene.mirrored:
            atmosphere = replace(atmosphere, inclination=180.0 - atmosphere.inclination)
        stokes, used, message = synthesize_all(cluster(), plan, atmosphere)
        failed = [text for text in message if text]
        if failed:
            raise SystemExit(f"map {scene.name}: {len(failed)} pixels cannot be synthesised: {failed[0]}")
        cube = stokes.reshape(*rows.shape, 4, -1)
        sigma = np.asarray(plan.noise, np.float32)
        noise = np.random.default_rng([scene.seed, 2]).standard_normal(cube.shape).astype(np.float32)
        arrays = {k: v.reshape(*rows.shape, *v.shape[1:]) for k, v in used.arrays().items()}
        np.savez(truth, allow_pickle=False, log_tau=used.log_tau, **arrays)
        np.savez(
            observed.with_suffix(".part.npz"),
            stokes=cube + sigma[:, None] * noise,
            wavelength=plan.wavelength,
            reference=np.array(str(plan.reference)),
            noise=sigma,
        )
        observed.with_suffix(".part.npz").replace(observed)
    return MadeMap(scene, read(observed, plan=project.plan), truth, project)
