"""The client: read observations, invert them on a cluster or on this machine, look at the results.

>>> from stokeswarm.client import connect, read, Plan                  # doctest: +SKIP
>>> with connect() as cluster:                                         # doctest: +SKIP
...     result = cluster.invert(read("map.fits"), Plan.preset("reference"), "out.zarr")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stokeswarm.client.cluster import Cluster, connect
    from stokeswarm.client.gate import Gate
    from stokeswarm.client.plans import Plan
    from stokeswarm.client.prepare import Wishes
    from stokeswarm.client.readers import Observation, read

__all__ = ["connect", "read", "Plan", "Cluster", "Gate", "Observation", "Wishes"]

_HOMES = {
    "Cluster": "cluster",
    "connect": "cluster",
    "Gate": "gate",
    "Plan": "plans",
    "Wishes": "prepare",
    "Observation": "readers",
    "read": "readers",
}


def __getattr__(name: str) -> Any:
    # xarray, zarr and astropy take a second to import: `stokeswarm --help` need not wait for them.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
