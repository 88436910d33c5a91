"""Repairing a finished result, against the fake server: good pixels stay, bad ones follow neighbours."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from stokeswarm.client.cluster import connect
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.layout import Start
from stokeswarm.client.neighbours import Rule
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation
from stokeswarm.client.store import ResultStore
from stokeswarm.client.testing import Fault, Script, fake_inversion, small_plan
from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.status import ContinuumReference, Status

MODEL = Wishes(init="model:hsra", policy=RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.002))
AXIS = hinode_sp().regions[0].grid()
#: pixels with a bad fit: one that the last cycle mends, one that all cycles mend, one that nothing mends
LAST, ALL, NEVER, FAILED = (1, 1), (1, 5), (4, 2), (4, 6)


def observation() -> Observation:
    """χ² of all cycles is U's first sample, of the last cycle alone Q's."""
    stokes = np.random.default_rng(3).normal(0.0, 0.001, (6, 8, 4, AXIS.size)).astype(np.float32)
    stokes[:, :, 0] += 1.0
    stokes[:, :, 2, 0] = stokes[:, :, 1, 0] = 1.0
    for place, last, full in ((LAST, 1.5, 20.0), (ALL, 9.0, 20.0), (NEVER, 30.0, 20.0)):
        stokes[(*place, 1, 0)], stokes[(*place, 2, 0)] = last, full
    return Observation(stokes, AXIS, ContinuumReference.DISC_CENTRE)


def first(place: Path, script: Script | None = None, **options: Any) -> Script:
    """Invert into a store; pixel `FAILED` has no result."""
    script = script or Script(failing={FAILED[0] * 8 + FAILED[1]: Status.TIMEOUT})
    with fake_inversion(script) as address, connect(None, address) as cluster:
        cluster.invert(observation(), small_plan(), place, wishes=MODEL, **options)
    return script


def mend(
    script: Script, result: Path, output: Path | None = None, **options: Any
) -> tuple[xr.DataTree, dict[str, int]]:
    with fake_inversion(script) as address, connect(None, address) as cluster:
        run = cluster.repair(result, output, **options)
        for _ in run:
            pass
        return run.store.tree().load(), run.counts()


def mended() -> Script:
    """The server on a better day: all cycles mend `ALL`, which the assisted cycle did not."""
    return Script(full={ALL[0] * 8 + ALL[1]: 2.0})


def test_good_pixels_are_copied_and_bad_ones_start_from_their_neighbours(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    first(place)
    script = mended()
    tree, counts = mend(script, place)
    before = xr.open_datatree(place, engine="zarr", consolidated=False).load()
    assert counts == {"bad": 4, "improved": 3}
    start, chi2 = tree["fit/start"].values, tree["fit/chi2"].values
    assert {tuple(p) for p in np.argwhere(start == Start.NEIGHBOUR).tolist()} == {LAST, ALL, FAILED}
    assert [float(chi2[p]) for p in (LAST, ALL, NEVER, FAILED)] == [1.5, 2.0, 20.0, 1.0]
    assert tree["fit/cycles"].values[LAST] == 4
    assert tree["fit/cycles"].values[ALL] == 7
    # The last cycle for all four of them, all cycles for the two that it left bad.
    numbers = [{y * 8 + x for y, x in places} for places in ((LAST, ALL, NEVER, FAILED), (ALL, NEVER))]
    assert [set(asked) for asked in script.asked] == numbers
    assert script.cycles == [(2,), ()]
    untouched = start != Start.NEIGHBOUR
    for group in ("atmosphere", "uncertainty", "initial", "fit", "observation"):
        for name in before[group].data_vars:
            old, new = before[f"{group}/{name}"].values, tree[f"{group}/{name}"].values
            if old.shape[:2] == untouched.shape and name != "seconds":
                np.testing.assert_array_equal(old[untouched], new[untouched], err_msg=f"{group}/{name}")
    np.testing.assert_array_equal(before["observation/stokes"], tree["observation/stokes"])
    # The start is the neighbours' mean.
    around = before["atmosphere/temperature"].values[0:3, 0:3].reshape(9, -1)
    expected = np.median(np.delete(around, 4, axis=0), axis=0)
    np.testing.assert_allclose(tree["initial/temperature"].values[LAST], expected, rtol=1e-5)
    seconds = tree["fit/seconds"].values
    assert [float(seconds[p]) for p in (LAST, ALL, NEVER, FAILED)] == [0.5, 0.75, 0.75, 0.25]


def test_provenance_says_which_store_it_came_from(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    first(place)
    tree, _ = mend(Script(), place, tmp_path / "second.zarr", rule=Rule(chi2=4.0))
    repair = tree.attrs["repair"]
    assert repair["store"] == str(place)
    assert len(repair["fingerprint"]) == 64
    assert repair["rule"] == {"chi2": 4.0, "ratio": 2.0, "neighbours": 3}
    assert tree.attrs["plan"] == ResultStore.read(place).attrs["plan"]
    assert tree.attrs["start"] == "model:hsra"
    assert tree.attrs["summary"]["repair"]["bad"] == 4
    assert tree.attrs["summary"]["start"]["neighbour"] >= 1
    # A repaired store may be repaired.
    again, counts = mend(mended(), tmp_path / "second.zarr")
    assert counts["improved"] == 1
    assert again.attrs["repair"]["before"]["store"] == str(place)


@pytest.mark.parametrize("tile", [(2, 3), (6, 8), (1, 5)])
def test_a_repair_does_not_depend_on_tiles(tmp_path: Path, tile: tuple[int, int]) -> None:
    first(tmp_path / "a.zarr", tile=tile)
    first(tmp_path / "b.zarr", tile=(4, 4))
    one, _ = mend(mended(), tmp_path / "a.zarr", in_flight=1)
    other, _ = mend(mended(), tmp_path / "b.zarr", in_flight=3)
    for group in ("atmosphere", "initial", "fit"):
        for name in one[group].data_vars:
            np.testing.assert_array_equal(one[f"{group}/{name}"].values, other[f"{group}/{name}"].values)


def test_a_part_of_the_map_keeps_its_place(tmp_path: Path) -> None:
    place = tmp_path / "part.zarr"
    first(place, region="3:6,1:8")
    script = Script()
    tree, counts = mend(script, place)
    assert counts["bad"] == 2
    assert set(script.asked[0]) == {y * 8 + x for y, x in (NEVER, FAILED)}
    assert tree["fit/start"].values[1, 5] == Start.NEIGHBOUR


def test_an_interrupted_repair_resumes_exactly(tmp_path: Path) -> None:
    place, output = tmp_path / "first.zarr", tmp_path / "second.zarr"
    first(place, tile=(2, 3))
    script = mended()
    with fake_inversion(script) as address, connect(None, address) as cluster:
        run = cluster.repair(place, output, in_flight=1)
        for number, _ in enumerate(run):
            if number == 2:
                break
        assert 0 < ResultStore.read(output).done.sum() < 9
    with pytest.raises(OutputExistsError):
        mend(mended(), place, output)
    resumed, counts = mend(mended(), place, output, resume=True)
    whole, all_counts = mend(mended(), place)
    assert counts == all_counts
    xr.testing.assert_identical(resumed["fit"].to_dataset(), whole["fit"].to_dataset())
    with pytest.raises(InvalidArgumentError, match=r"rule\.chi2 was 3"):
        mend(mended(), place, output, resume=True, rule=Rule(chi2=5.0))


def test_faults_of_the_server_change_nothing(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    first(place)
    script = mended()
    script.faults = deque([Fault.BREAK, Fault.SHORT])
    one, _ = mend(script, place)
    other, _ = mend(mended(), place)
    np.testing.assert_array_equal(one["atmosphere/temperature"], other["atmosphere/temperature"])


def test_what_cannot_be_repaired_is_said(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    with fake_inversion() as address, connect(None, address) as cluster:
        run = cluster.begin(observation(), small_plan(), place, wishes=MODEL, tile=(2, 2), in_flight=1)
        for _ in run:
            break
    with pytest.raises(InvalidArgumentError, match=r"not complete.*--resume"):
        mend(Script(), place)


def test_what_a_store_does_not_keep_comes_with_the_plan(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    project = Project(small_plan(), position=np.array([0.1, 0.2]))
    with fake_inversion(Script()) as address, connect(None, address) as cluster:
        cluster.invert(observation(), project, place, wishes=MODEL)
    with pytest.raises(InvalidArgumentError, match="positions on the disc, which a store does not keep"):
        mend(Script(), place)
    with pytest.raises(InvalidArgumentError, match="that the plan's is not"):
        mend(Script(), place, plan=replace(project, position=np.array([0.1, 0.3])))
    script = Script()
    mend(script, place, plan=project)
    request = script.requests[0]
    assert request.position is not None
    assert request.position[0].tolist() == [0.1, 0.2]


def test_every_cycle_of_a_repaired_pixel_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "first.zarr"
    first(place, script=Script())
    every = tmp_path / "every.zarr"
    with fake_inversion() as address, connect(None, address) as cluster:
        cluster.invert(observation(), small_plan(), every, wishes=replace(MODEL, all_cycles=True))
    tree, _ = mend(mended(), every)
    assert tree["cycle_3/fit/chi2"].values[LAST] == 12.0
    assert np.isnan(tree["cycle_1/fit/chi2"].values[LAST])
    assert tree["cycle_1/fit/chi2"].values[0, 0] == 10.0
