"""Every cycle's result in the store, beside the best."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stokeswarm.client.atmospheres import model_atmosphere
from stokeswarm.client.cluster import connect
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation
from stokeswarm.client.results import Result
from stokeswarm.client.store import ResultStore
from stokeswarm.client.testing import Fault, Script, fake_inference, fake_inversion, small_plan
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.status import ContinuumReference, Status

HASTY = RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.002)
EVERY = Wishes(init="model:hsra", all_cycles=True, policy=HASTY)


def observation(ny: int = 2, nx: int = 3) -> Observation:
    axis = hinode_sp().regions[0].grid()
    stokes = np.zeros((ny, nx, 4, axis.size), np.float32)
    stokes[:, :, 0] = 1.0 + 0.01 * np.arange(ny * nx).reshape(ny, nx, 1)
    stokes[:, :, 1, 0] = 1.0
    stokes[:, :, 2, 0] = 2.0
    return Observation(stokes, axis, ContinuumReference.DISC_CENTRE)


def invert(script: Script, wishes: Wishes, **options: object) -> xr.DataTree:
    with (
        fake_inversion(script) as inversion,
        fake_inference() as inference,
        connect(inference, inversion) as cluster,
    ):
        return cluster.invert(observation(), small_plan(), wishes=wishes, **options).load()  # type: ignore[arg-type]


def test_every_cycle_has_its_groups() -> None:
    script = Script()
    tree = invert(script, EVERY, tile=(1, 2))
    assert all(request.all_cycles for request in script.requests)  # type: ignore[union-attr]
    best = tree["atmosphere/temperature"]
    for n in (1, 2, 3):
        found = tree[f"cycle_{n}/atmosphere/temperature"]
        # The fake engine's cycles cool down by 100 K each.
        np.testing.assert_allclose(found - best, 100.0 * (3 - n), atol=1e-2)
        assert (tree[f"cycle_{n}/fit/chi2"] == 9.0 + n).all()
        np.testing.assert_array_equal(tree[f"cycle_{n}/fit/stokes"], tree["observation/stokes"])
        assert found.dims == ("y", "x", "log_tau")
        assert found.attrs["units"] == "K"
    assert "cycle_4" not in tree


def test_without_asking_only_the_best_is_stored() -> None:
    script = Script()
    tree = invert(script, replace(EVERY, all_cycles=False))
    assert not any(request.all_cycles for request in script.requests)  # type: ignore[union-attr]
    assert not [name for name in tree.children if name.startswith("cycle")]


def test_a_project_may_ask_for_them() -> None:
    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        project = Project(small_plan(), all_cycles=True)
        tree = cluster.invert(observation(), project, wishes=replace(EVERY, all_cycles=False)).load()
    assert np.isfinite(tree["cycle_1/fit/chi2"]).all()


def test_lost_streams_leave_no_trace() -> None:
    broken = Script(faults=deque([Fault.BREAK, Fault.SHORT, Fault.REPEAT]))
    one, two = invert(broken, EVERY), invert(Script(), EVERY)
    for n in (1, 2, 3):
        for group in (f"cycle_{n}/atmosphere", f"cycle_{n}/fit"):
            xr.testing.assert_identical(one[group].to_dataset(), two[group].to_dataset())


def test_an_assisted_pixel_has_only_the_cycle_that_ran() -> None:
    tree = invert(Script(), Wishes(init="cnn", gate=Gate(3.0, 1.0), all_cycles=True, policy=HASTY))
    assert np.isnan(tree["cycle_1/fit/chi2"]).all()
    assert np.isnan(tree["cycle_2/atmosphere/temperature"]).all()
    assert (tree["cycle_3/fit/chi2"] == 12.0).all()


def test_a_failed_pixel_has_none() -> None:
    tree = invert(Script(failing={4: Status.ENGINE_FAILED}), EVERY)
    assert tree["fit/status"].values.ravel()[4] == Status.ENGINE_FAILED
    for name in ("fit/chi2", "atmosphere/temperature", "fit/stokes"):
        values = tree[f"cycle_2/{name}"].values.reshape(6, -1)
        assert np.isnan(values[4]).all()
        assert np.isfinite(np.delete(values, 4, axis=0)).all()


def test_two_components() -> None:
    nodes = Nodes(temperature=1)
    plan = small_plan().with_cycles((Cycle((nodes, nodes)),) * 2)
    one = model_atmosphere("hsra", plan.log_tau)
    two = replace(one, temperature=one.temperature + 1000.0)
    project = Project(plan, guess=(one, two))
    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        tree = cluster.invert(observation(), project, wishes=replace(EVERY, init=None)).load()
    first, second = tree["cycle_1/atmosphere/temperature"], tree["cycle_1/atmosphere_2/temperature"]
    np.testing.assert_allclose(second - first, 1000.0, atol=1e-2)


def test_resuming_needs_the_same_wish(tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    with fake_inversion() as inversion, connect(None, inversion) as cluster:
        cluster.invert(observation(), small_plan(), out, wishes=EVERY)
        assert ResultStore.read(out).n_cycle == 3
        cluster.invert(observation(), small_plan(), out, resume=True, wishes=EVERY)
        with pytest.raises(InvalidArgumentError, match="all_cycles was true, now false"):
            cluster.invert(
                observation(), small_plan(), out, resume=True, wishes=replace(EVERY, all_cycles=False)
            )


def test_figures_and_scripts_find_them() -> None:
    result = Result(invert(Script(), EVERY))
    assert "cycle_2/fit/chi2" in result
    assert "cycle_9/fit/chi2" not in result
    assert result.pixel("cycle_2/fit/chi2", 1, 2) == 11.0
    assert result.level("temperature", -1.0, group="cycle_1/atmosphere").shape == (2, 3)
