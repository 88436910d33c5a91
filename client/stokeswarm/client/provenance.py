"""Where a result's numbers come from: what is recorded of a run, and what must agree for it to be resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from importlib import metadata
from typing import Any

import numpy as np

from stokeswarm.client.cluster_start import ClusterStart
from stokeswarm.client.digests import digest, input_identity
from stokeswarm.client.map_start import MapStart
from stokeswarm.client.prepare import Prepared
from stokeswarm.client.starts import ModelStart, Starter
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.plan import Plan


def identity(prepared: Prepared, region: str) -> dict[str, Any]:
    """What must agree for a run to be the same run; JSON-able."""
    task = prepared.task
    starters = (task.fallback, *task.starters)
    parts = [part for starter in starters for part in own_atmospheres(starter)]
    guess = [array for part in parts for array in part.arrays().values()]
    classes = [starter.clusters.digest for starter in starters if isinstance(starter, ClusterStart)]
    return {
        "input": input_identity(task.observation),
        "plan": plan_document(task.plan),
        "guess": digest(*guess),
        "stray_light_profile": "" if task.stray_light_profile is None else digest(task.stray_light_profile),
        "engine": {
            "name": prepared.engine.name,
            "version": prepared.engine.version,
            "digest": prepared.engine.digest,
        },
        "models": [{"name": m.name, "version": m.version, "digest": m.digest} for m in prepared.models],
        "start": str(prepared.spec),
        **({"clusters": classes} if classes else {}),
        "gate": _json(asdict(task.gate)),
        "assisted_cycles": task.assisted,
        "prior": task.prior,
        "position": "" if task.position is None else digest(task.position),
        "all_cycles": task.all_cycles,
        "region": region,
        "seed": task.seed,
    }


def own_atmospheres(starter: Starter) -> tuple[Atmosphere, ...]:
    """Atmospheres that the user brought for a start; none where a network or a result gives them."""
    if isinstance(starter, ModelStart):
        return starter.guess
    return (starter.map.atmosphere,) if isinstance(starter, MapStart) else ()


def software() -> dict[str, str]:
    """Versions of what shapes a result on the client's side."""
    return {name: metadata.version(name) for name in ("stokeswarm", "numpy", "zarr", "xarray", "grpcio")}


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan as a JSON document."""
    document: dict[str, Any] = _json(asdict(plan))
    return document


def _json(value: Any) -> Any:
    """JSON-able copy: tuples as lists, NaN as null, infinities as text, enumerations as their values."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def provenance(prepared: Prepared) -> Mapping[str, Any]:
    """Root attributes of a store that say where its numbers come from."""
    task = prepared.task
    observation = task.observation
    return {
        "title": "stokeswarm inversion",
        "Conventions": "CF-1.11",
        "software": software(),
        "plan": plan_document(task.plan),
        "engine": {
            "name": prepared.engine.name,
            "version": prepared.engine.version,
            "digest": prepared.engine.digest,
        },
        "models": [
            {"name": m.name, "version": m.version, "digest": m.digest, "provider": m.provider}
            for m in prepared.models
        ],
        "start": str(prepared.spec),
        "gate": _json(asdict(task.gate)),
        "assisted_cycles": task.assisted,
        "prior": task.prior,
        "seed": task.seed,
        "observation": {
            "source": observation.source,
            "recognised": observation.recognised,
            "reference": str(observation.reference),
            "shape": list(observation.shape),
            "identity": observation.identity.as_dict() if observation.identity is not None else None,
        },
        "header": plain(observation.header),
        "notes": list(prepared.notes),
    }


def plain(header: Mapping[str, Any]) -> dict[str, Any]:
    """A header with JSON-able values."""
    simple: dict[str, Any] = {}
    for key, value in header.items():
        value = value.item() if isinstance(value, np.generic) else value
        simple[str(key)] = (
            value if isinstance(value, str | int | float | bool) or value is None else str(value)
        )
        if isinstance(value, float) and not np.isfinite(value):
            simple[str(key)] = str(value)
    return simple
