"""Better starts with the real LTE engine, on a corner of the shared map."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.clustering import Grouping
from stokeswarm.client.gate import RESULTS
from stokeswarm.client.layout import Start
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import Observation, read
from stokeswarm.client.store import ResultStore

pytestmark = pytest.mark.slow
#: plage between quiet Sun and spot: fields of both polarities, azimuths of every kind
REGION = "12:15,33:37"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    with connect(slots=1, engines=("lte",)) as services:
        yield services


@pytest.fixture(scope="module")
def observation(data_dir: Path) -> Observation:
    return read(data_dir / "map" / "map.npz", reference="disc-centre")


@pytest.fixture(scope="module")
def reference(
    cluster: Cluster, observation: Observation, tmp_path_factory: pytest.TempPathFactory
) -> ResultStore:
    place = tmp_path_factory.mktemp("map") / "reference.zarr"
    run = cluster.begin(observation, "reference", place, region=REGION, wishes=Wishes(init="model"))
    for _ in run:
        pass
    return run.store


def test_classes_start_as_well_as_all_cycles_do(
    cluster: Cluster, observation: Observation, reference: ResultStore, tmp_path: Path
) -> None:
    classes = tmp_path / "classes.zarr"
    window = observation.crop(slice(12, 15), slice(33, 37))
    found = cluster.classify(window, "reference", Grouping(3, "pca"))
    # A mean over one kind of profile can be fitted nearly as well as its members.
    assert (found.chi2 < 5.0).all()
    found.write(classes)
    tree = cluster.invert(window, "reference", wishes=Wishes(init=f"clusters:{classes}"))
    chi2, before = tree["fit/chi2"].values, reference.map("fit/chi2")
    assert np.isin(tree["fit/status"].values, RESULTS).all()
    assert (chi2 <= 1.1 * before).all()
    assert (tree["fit/start"].values == Start.CLUSTER).mean() > 0.5
    assert tree["fit/iterations"].values.mean() < 0.75 * reference.map("fit/iterations").mean()


def test_a_spoilt_pixel_is_repaired(cluster: Cluster, reference: ResultStore, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.zarr"
    shutil.copytree(reference.url, spoilt)
    root = zarr.open_group(spoilt, mode="r+", use_consolidated=False)
    for path, value in (("fit/chi2", 500.0), ("atmosphere/temperature", 9000.0), ("fit/start", Start.CNN)):
        root[path][1, 1] = value
    run = cluster.repair(spoilt)
    for _ in run:
        pass
    assert run.counts() == {"bad": 1, "improved": 1}
    assert run.store.map("fit/start")[1, 1] == Start.NEIGHBOUR
    assert run.store.map("fit/chi2")[1, 1] <= 1.1 * reference.map("fit/chi2")[1, 1]
    temperature = run.store.map("atmosphere/temperature")[1, 1]
    depth = np.abs(reference.map("log_tau")).argmin()
    assert temperature[depth] == pytest.approx(reference.map("atmosphere/temperature")[1, 1, depth], abs=30.0)
