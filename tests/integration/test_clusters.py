"""Classes from the services and back into an inversion, against fake servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from stokeswarm.client.cluster import connect
from stokeswarm.client.clustering import Grouping
from stokeswarm.client.clusters import Clusters
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate
from stokeswarm.client.layout import Start
from stokeswarm.client.polarity import line_offset
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import Observation
from stokeswarm.client.testing import Script, fake_inference, fake_inversion, small_plan
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, UnsupportedError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.status import ContinuumReference, Status

HASTY = RetryPolicy(attempts=3, first_pause=0.001, longest_pause=0.002)
AXIS = hinode_sp().regions[0].grid()


def observation(seed: int = 1) -> Observation:
    """Dark pixels in the left half, bright ones in the right; χ² of the assisted run 1, of all cycles 2."""
    stokes = np.random.default_rng(seed).normal(0.0, 1e-3, (4, 6, 4, AXIS.size)).astype(np.float32)
    stokes[:, :3, 0] += 0.4
    stokes[:, 3:, 0] += 1.0
    # no doubt of the polarity
    stokes[:, :, 3] -= 0.05 * np.sign(line_offset(AXIS, small_plan())).astype(np.float32)
    stokes[:, :, 1, 0], stokes[:, :, 2, 0], stokes[:, :, 3, 0] = 1.0, 2.0, 0.1
    return Observation(stokes, AXIS, ContinuumReference.DISC_CENTRE)


def group(script: Script, obs: Observation, grouping: Grouping, *, features: bool = True) -> Clusters:
    with (
        fake_inversion(script) as inversion,
        fake_inference(features) as inference,
        connect(inference, inversion) as cluster,
    ):
        return cluster.classify(obs, small_plan(), grouping, wishes=Wishes(policy=HASTY))


def invert(
    place: Path, obs: Observation, script: Script | None = None, gate: Gate | None = None, **options: object
) -> xr.DataTree:
    wishes = Wishes(init=f"clusters:{place}", policy=HASTY, gate=gate or Gate())
    with (
        fake_inversion(script or Script()) as inversion,
        fake_inference() as inference,
        connect(inference, inversion) as cluster,
    ):
        return cluster.invert(obs, small_plan(), wishes=wishes, **options).load()  # type: ignore[arg-type]


@pytest.mark.parametrize("features", ["", "cnn", "pca"])
def test_there_and_back(tmp_path: Path, features: str) -> None:
    script, obs = Script(), observation()
    found = group(script, obs, Grouping(2, features, seed=3))
    assert found.space.kind == ("pca" if features == "pca" else "cnn")
    assert found.count.tolist() == [12, 12]
    assert np.unique(found.classes[:, :3]).size == np.unique(found.classes[:, 3:]).size == 1
    # Two mean profiles, each from every start: the network's, the plan's model, and the gate's models.
    assert all(len(asked) == 2 for asked in script.asked)
    assert len(script.asked) == (6 if found.space.kind == "cnn" else 5)
    assert found.available.all()
    assert found.attrs["plan"]["name"] == "small"
    found.write(tmp_path / "c.zarr")

    tree = invert(tmp_path / "c.zarr", obs, tile=(3, 4))
    assert (tree["fit/start"] == Start.CLUSTER).all()
    assert (tree["fit/cycles"] == 4).all()
    start = tree["initial/temperature"].values[:, :, 4]
    for half in (start[:, :3], start[:, 3:]):
        assert np.ptp(half) == 0.0
    dark = int(found.classes[0, 0])
    np.testing.assert_allclose(start[0, 0], found.guess.temperature[dark, 4], rtol=1e-6)
    other = invert(tmp_path / "c.zarr", obs, tile=(1, 5), in_flight=3)
    np.testing.assert_array_equal(tree["atmosphere/azimuth"], other["atmosphere/azimuth"])


def test_another_map_takes_the_nearest_class_and_the_gate_watches(tmp_path: Path) -> None:
    found = group(Script(), observation(), Grouping(2, "cnn"))
    found.write(tmp_path / "c.zarr")
    obs = observation(seed=2)
    obs.stokes[0, 0, 1, 0] = 9.0
    tree = invert(tmp_path / "c.zarr", obs, gate=Gate(scout=False))
    start = tree["fit/start"].values
    assert start[0, 0] == Start.MODEL
    assert (np.delete(start.ravel(), 0) == Start.CLUSTER).all()
    assert tree.attrs["models"][0]["name"] == "hinode-sp"
    # The fake's short cycles find the same from every start, and a scout says so.
    tree = invert(tmp_path / "c.zarr", obs)
    assert (tree["fit/start"] == Start.CLUSTER).all()
    assert tree["fit/chi2_scout"].values[0, 0] == tree["fit/chi2_assisted"].values[0, 0] == 9.0


def test_without_features_the_profiles_themselves_are_grouped_and_it_is_said() -> None:
    found = group(Script(), observation(), Grouping(2), features=False)
    assert found.space.kind == "pca"
    assert any("principal components" in note and "no features" in note for note in found.attrs["notes"])
    with pytest.raises(UnsupportedError, match="no features"):
        group(Script(), observation(), Grouping(2, "cnn"), features=False)
    with pytest.raises(NotFoundError, match="nobody"):
        group(Script(), observation(), Grouping(2, network="nobody"))


def test_a_class_without_a_guess_starts_from_the_model(tmp_path: Path) -> None:
    failing = {0: Status.TIMEOUT}  # the first mean profile
    found = group(Script(failing=failing), observation(), Grouping(2, "pca"))
    assert found.available.tolist() == [False, True]
    assert any("1 class(es) have no guess" in note for note in found.attrs["notes"])
    found.write(tmp_path / "c.zarr")
    tree = invert(tmp_path / "c.zarr", observation())
    lost = found.classes == 0
    assert (tree["fit/start"].values[lost] == Start.MODEL).all()
    assert (tree["fit/start"].values[~lost] == Start.CLUSTER).all()


def test_a_run_is_resumed_with_the_same_classes_only(tmp_path: Path) -> None:
    obs = observation()
    group(Script(), obs, Grouping(2, "pca")).write(tmp_path / "c.zarr")
    output = tmp_path / "out.zarr"
    invert(tmp_path / "c.zarr", obs, output=output)
    invert(tmp_path / "c.zarr", obs, output=output, resume=True)
    (tmp_path / "c.zarr").rename(tmp_path / "old.zarr")
    group(Script(), obs, Grouping(3, "pca")).write(tmp_path / "c.zarr")
    with pytest.raises(InvalidArgumentError, match="clusters"):
        invert(tmp_path / "c.zarr", obs, output=output, resume=True)


def test_classes_of_another_network_are_refused(tmp_path: Path) -> None:
    found = group(Script(), observation(), Grouping(2, "cnn"))
    replace(found, space=replace(found.space, digest="older")).write(tmp_path / "c.zarr")
    with pytest.raises(InvalidArgumentError, match="make the classes again"):
        invert(tmp_path / "c.zarr", observation(seed=2))
    # On their own map no network is needed.
    invert(tmp_path / "c.zarr", observation())
