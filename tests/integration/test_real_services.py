"""The whole system with its real servers: the shipped network, the LTE engine, and any cut of the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stokeswarm.client.active_region import active_region
from stokeswarm.client.cluster import connect
from stokeswarm.client.plan_files import load_plan
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import read
from stokeswarm.client.synthesis import profiles
from stokeswarm.contract.inversion import SynthesizeRequest

#: the only thing that may differ between two runs of the same input
CLOCK = "seconds"


def compare(one: xr.DataTree, two: xr.DataTree) -> int:
    """Assert that every stored array but the clock is the same to the bit; return their number."""
    compared = 0
    for group in ("atmosphere", "uncertainty", "initial", "fit"):
        for name, values in one[group].data_vars.items():
            if name != CLOCK:
                np.testing.assert_array_equal(values, two[group][name], err_msg=f"{group}/{name}")
                compared += 1
    return compared


@pytest.mark.parametrize("init", ["cnn", "model:hsra"])
def test_the_result_depends_on_neither_slots_nor_tiles(tmp_path: Path, init: str) -> None:
    plan = load_plan("assisted").plan
    region = active_region(8, 8, 3)
    with connect(slots=1) as cluster:
        request = SynthesizeRequest(
            "lte", plan, (region.atmosphere,), np.arange(64), plan.wavelength, mu=np.full(64, region.mu)
        )
        stokes = profiles(cluster.synthesize, request).stokes
        stokes += np.random.default_rng(7).normal(scale=plan.noise[0], size=stokes.shape).astype(np.float32)
        np.savez(
            tmp_path / "map.npz",
            stokes=stokes.reshape(8, 8, 4, -1),
            wavelength=plan.wavelength,
            reference="disc-centre",
        )
        observation = read(str(tmp_path / "map.npz"), plan=plan).crop(slice(1, 5), slice(1, 7))
        wishes = Wishes(init=init)
        one = cluster.invert(observation, plan, str(tmp_path / "one.zarr"), tile=(4, 6), wishes=wishes)
    with connect(slots=2) as cluster:
        two = cluster.invert(observation, plan, str(tmp_path / "two.zarr"), tile=(3, 2), wishes=wishes)
    assert compare(one, two) > 20
    assert np.isfinite(one["fit"]["chi2"]).all()
    assert float(np.median(one["fit"]["chi2"])) < 2.0
