from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from stokeswarm.client.active_region import active_region
from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.demo import Demo, demo_project, run_demo
from stokeswarm.client.readers import read
from stokeswarm.client.results import Result
from stokeswarm.client.testing import fake_inference, fake_inversion
from stokeswarm.contract.errors import OutputExistsError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.status import ContinuumReference, Status

SIZE = (8, 9)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with fake_inversion() as inversion, fake_inference() as inference, connect(inference, inversion) as found:
        yield found


@pytest.fixture(scope="module")
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def demo(cluster: Cluster, said: io.StringIO, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo") / "new" / "demo-output"
    console = Console(file=said, width=200)
    return run_demo(folder, size=SIZE, seed=3, init="model:hsra", cluster=cluster, console=console)


def test_the_observation_is_the_synthesis_with_noise(demo: Demo) -> None:
    observation = read(demo.output / "observation.npz")
    assert observation.shape == SIZE
    assert observation.reference is ContinuumReference.DISC_CENTRE
    assert observation.noise == pytest.approx((1e-3,) * 4)
    assert observation.wavelength == pytest.approx(instrument("hinode-sp").regions[0].grid())
    with np.load(demo.output / "truth.npz") as truth:
        noise = observation.stokes - truth["stokes"]
        # the fake engine's profile is the temperature of the deepest point over 10⁴ K
        assert truth["stokes"][..., 0, 0] == pytest.approx(truth["temperature"][..., 0] / 1e4, rel=1e-5)
        region = active_region(*SIZE, seed=3)
        assert truth["field_strength"].reshape(72, 53) == pytest.approx(
            region.atmosphere.field_strength, rel=1e-5
        )
        assert np.array_equal(truth["classes"], region.classes)
        assert truth["mu"] == pytest.approx(region.mu)
    assert noise.std() == pytest.approx(1e-3, rel=0.02)
    assert abs(noise.mean()) < 2e-5


def test_every_pixel_went_through_the_system(demo: Demo) -> None:
    result = Result.open(demo.store)
    assert result.shape == SIZE == demo.shape
    assert (result.status == int(Status.OK)).all()
    assert demo.summary["pixels"] == 72


def test_files_and_words(demo: Demo, said: io.StringIO) -> None:
    for name in ("comparison.png", "maps.png", "pixel.png"):
        assert (demo.output / name).read_bytes().startswith(b"\x89PNG")
        assert name in said.getvalue()
    text = said.getvalue()
    for words in ("8 × 9 pixels", "Hinode SOT/SP", "rms of result − truth", "field strength", "ok"):
        assert words in text
    record = json.loads((demo.output / "demo.json").read_text())
    assert record["seed"] == 3
    assert len(record["errors"]) == len(demo.errors) == 15
    written = {error["quantity"]: error for error in record["errors"] if error["log_tau"] == -1.0}
    assert written["temperature"]["pixels"] == 72


def test_a_second_run_replaces_the_first_and_leaves_other_folders_alone(
    demo: Demo, cluster: Cluster, tmp_path: Path
) -> None:
    (demo.output / "notes.txt").write_text("mine")
    silent = Console(file=io.StringIO())
    before = (demo.output / "observation.npz").read_bytes()
    run_demo(demo.output, size=SIZE, seed=3, init="model:hsra", cluster=cluster, console=silent)
    assert (demo.output / "observation.npz").read_bytes() == before, "the seed decides the noise too"
    assert (demo.output / "notes.txt").read_text() == "mine"
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputExistsError, match="not an earlier demonstration"):
        run_demo(tmp_path, size=SIZE, cluster=cluster, console=silent)
    with pytest.raises(OutputExistsError, match="is a file"):
        run_demo(tmp_path / "thesis.tex", size=SIZE, cluster=cluster, console=silent)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_plan_is_the_shipped_one_seen_at_an_angle() -> None:
    plan = demo_project(0.9).plan
    assert plan.mu == 0.9
    assert plan.reference is ContinuumReference.DISC_CENTRE
    assert [cycle.components[0].temperature for cycle in plan.cycles] == [1, 3, 5]
    assert plan.regions == instrument("hinode-sp").regions
