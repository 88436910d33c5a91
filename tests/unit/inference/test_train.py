"""The whole training chain on a toy: data set → TensorFlow → ONNX → repository → predictions."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
from stokeswarm.contract.inference import Prediction
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inference.augment import mirror, rotate
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import Repository
from stokeswarm.inference.settings import ARCHITECTURES, TrainSettings
from stokeswarm.inference.train import train

Arrays = dict[str, np.ndarray]

needs_tensorflow = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tensorflow", "tf2onnx")),
    reason="TensorFlow or tf2onnx is not installed (pip install stokeswarm[train])",
)
NODES = (1.0, 0.0, -1.5, -3.0)
#: all trainings of one process need the same number of threads
TOY = TrainSettings(
    epochs=8, width=64, blocks=2, filters=8, batch=64, validation=0.25, threads=1, log_tau=NODES
)
QUICK = replace(TOY, epochs=2, width=16, blocks=1)
DISC = ContinuumReference.DISC_CENTRE


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"noise": -1.0},
        {"dropout": 1.0},
        {"log_tau": (0.0, 1.0)},
        {"log_tau": ()},
        {"architecture": "transformer"},
        {"beta": 1.5},
        {"validation": 0.5},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrainSettings(**change)  # type: ignore[arg-type]


def test_an_architecture_brings_its_own_settings() -> None:
    assert (TrainSettings(architecture="paper").filters, TrainSettings().filters) == (64, 32)
    assert TrainSettings(architecture="paper").dropout == 0.15
    assert TrainSettings(architecture="paper", dropout=0.0).dropout == 0.0
    assert TrainSettings(batch=7).batch == 7
    assert not TrainSettings(architecture="paper").oriented
    assert TrainSettings().oriented
    assert not TrainSettings(symmetries=False).oriented


def test_what_is_wrong_is_found_before_tensorflow_is_loaded(
    tmp_path: Path, toy_file: Callable[..., Path]
) -> None:
    code = """
import sys
from pathlib import Path
from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.train import train
root, data = Path(sys.argv[1]), sys.argv[2]
(root / "toy" / "1").mkdir(parents=True)
for name, kind in (("toy", OutputExistsError), ("hinode-sp", InvalidArgumentError)):
    try:
        train(data, root, name, "1", TrainSettings())
    except kind as error:
        print(error)
sys.exit("tensorflow" in sys.modules)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "models"), str(toy_file())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "--replace" in first
    assert "instrument hinode-sp has 112" in second


def test_no_module_of_the_service_loads_tensorflow() -> None:
    code = (
        "import sys, stokeswarm.inference.cli, stokeswarm.inference.train, stokeswarm.inference.export, "
        "stokeswarm.inference.server\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'onnx', 'zarr')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def _card(root: Path, name: str = "toy") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / name / "1" / "card.json").read_text())
    return found


def _save(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


def _noisy(stokes: np.ndarray, seed: int = 5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1e-3, stokes.shape)
    return (stokes + noise).astype(np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, toy: Callable[..., Arrays]) -> tuple[Path, list[str]]:
    """A repository with a toy network, and what its training said."""
    root = tmp_path_factory.mktemp("trained")
    lines: list[str] = []
    train(_save(root / "toy.npz", toy(5000)), root, "toy", "1", TOY, report=lines.append)
    return root, lines


@pytest.fixture(scope="module")
def ask(trained: tuple[Path, list[str]], toy: Callable[..., Arrays]) -> Callable[[np.ndarray], Prediction]:
    predictor = Predictor(Repository([trained[0]]))
    assert predictor.find("toy").session is not None, predictor.find("toy").problem
    wavelength = toy(1)["wavelength"]
    return lambda stokes: predictor.predict(
        "toy", "", Spectra(wavelength, stokes.astype(np.float32), DISC), features=True
    )


@needs_tensorflow
@pytest.mark.timeout(300)
def test_a_toy_network_learns_and_is_served_as_it_was_trained(
    trained: tuple[Path, list[str]],
    ask: Callable[[np.ndarray], Prediction],
    toy: Callable[..., Arrays],
) -> None:
    assert sum(line.startswith("epoch") for line in trained[1]) == 8
    truth = toy(500, 99)
    found = ask(_noisy(truth["stokes"]))
    assert found.status == (Status.OK,) * 500
    error = found.atmosphere.velocity[:, 1] - truth["velocity"][:, 1]
    assert np.sqrt(np.mean(error**2)) < 0.6  # the spread is 2.3
    strong = truth["field_strength"][:, 1] * np.sin(np.deg2rad(truth["inclination"][:, 1])) > 800
    turn = (found.atmosphere.azimuth[:, 1] - truth["azimuth"][:, 1] + 90) % 180 - 90
    assert np.median(np.abs(turn[strong])) < 8
    polarity = np.sign(90 - found.atmosphere.inclination[:, 1]) == np.sign(90 - truth["inclination"][:, 1])
    assert polarity[np.abs(truth["inclination"][:, 1] - 90) > 40].mean() > 0.95
    assert (found.atmosphere.field_strength >= 0).all()
    assert found.features is not None
    assert found.features.shape[1] <= 32
    again = ask(_noisy(truth["stokes"])).features
    assert np.array_equal(found.features, again)


@needs_tensorflow
def test_the_card_tells_how_good_it_is_and_where_it_ends(trained: tuple[Path, list[str]]) -> None:
    card = _card(trained[0])
    assert max(card["metrics"]["velocity"]["rms"]) < 0.6
    assert min(card["metrics"]["velocity"]["pearson"]) > 0.95
    assert card["network"]["onnx_minus_keras"] <= 1e-5
    assert card["training"]["test_profiles"] == 1250
    assert len(card["training"]["digest"]) == 64
    assert any("Trained on 6302" in sentence for sentence in card["limits"])
    work = trained[0] / ".training" / "toy-1"
    assert {path.name for path in work.iterdir()} == {"loss.csv", "loss.svg"}
    assert len((work / "loss.csv").read_text().splitlines()) == 9


@needs_tensorflow
def test_two_thirds_of_the_truths_lie_within_the_predicted_errors(
    trained: tuple[Path, list[str]],
    ask: Callable[[np.ndarray], Prediction],
    toy: Callable[..., Arrays],
) -> None:
    truth = toy(4000, 123)
    found = ask(_noisy(truth["stokes"]))
    assert found.error is not None
    for name in (*_card(trained[0])["quantities"], "macroturbulence"):
        expected, column = truth[name], slice(None)
        if expected.ndim == 2:
            expected, column = expected[:, 1], (slice(None), 1)
        off = getattr(found.atmosphere, name)[column] - expected
        if name == "azimuth":
            off = (off + 90) % 180 - 90
        sigma = getattr(found.error, name)[column]
        assert (sigma > 0).all()
        assert np.mean(np.abs(off) <= sigma) == pytest.approx(0.6827, abs=0.05), name
    measured = _card(trained[0])["calibration"]["measured_on"]
    for name, shares in measured.items():
        if name != "set":
            assert np.mean(shares) == pytest.approx(0.6827, abs=0.05), name
    # and the errors tell the good from the bad
    field = truth["field_strength"][:, 1]
    strong, weak = (np.median(found.error.azimuth[part, 1]) for part in (field > 1500, field < 300))
    assert strong < 0.2 * weak


@needs_tensorflow
def test_the_symmetries_hold_exactly(
    ask: Callable[[np.ndarray], Prediction], toy: Callable[..., Arrays]
) -> None:
    stokes = _noisy(toy(200, 7)["stokes"])
    found = ask(stokes)
    zero = np.zeros((200, 1), np.float32)
    turned, _ = rotate(stokes, zero, np.full(200, 37.0))
    mirrored, _, _ = mirror(stokes, zero, zero, np.ones(200, bool))
    a, b = ask(turned).atmosphere, ask(mirrored).atmosphere
    clear = np.abs(stokes[:, 1:]).max(axis=2).min(axis=1) > 0.02
    assert clear.sum() > 50
    before = found.atmosphere.take(clear)
    assert np.abs((a.take(clear).azimuth - before.azimuth - 37 + 90) % 180 - 90).max() < 0.1
    assert np.abs((b.take(clear).azimuth + before.azimuth + 90) % 180 - 90).max() < 0.1
    assert np.abs(b.take(clear).inclination - 180 + before.inclination).max() < 0.1
    for name in ("temperature", "field_strength", "velocity"):
        assert np.allclose(getattr(a, name)[clear], getattr(before, name), rtol=1e-3, atol=1e-2)


@needs_tensorflow
def test_what_is_unlike_the_training_set_is_novel(
    ask: Callable[[np.ndarray], Prediction], toy: Callable[..., Arrays]
) -> None:
    stokes = toy(2000, 99)["stokes"]
    assert np.mean(ask(_noisy(stokes)).novelty > 1) < 0.01
    flat = np.zeros_like(stokes[:200])
    flat[:, 0] = 1
    fringe = stokes[:200].copy()
    fringe[:, 0, ::2] += 0.05
    strange = {
        "shifted by 12 km/s": np.roll(stokes, 12, axis=2),
        "noise only": flat,
        "a fringe": fringe,
        "emission": stokes * np.array([-1, 1, 1, 1])[:, None] + np.array([1.5, 0, 0, 0])[:, None],
    }
    for name, profiles in strange.items():
        assert np.mean(ask(_noisy(profiles)).novelty > 1) > 0.98, name


@needs_tensorflow
@pytest.mark.timeout(300)
def test_the_other_polarity_is_novel_to_a_network_that_was_not_told_of_it(
    tmp_path: Path, toy: Callable[..., Arrays]
) -> None:
    arrays = toy(4000)
    southern = arrays["inclination"][:, 0] > 90
    arrays["stokes"], arrays["inclination"], arrays["azimuth"] = mirror(
        arrays["stokes"], arrays["inclination"], arrays["azimuth"], southern
    )
    settings = replace(QUICK, symmetries=False)
    train(_save(tmp_path / "toy.npz", arrays), tmp_path, "toy", "1", settings)
    predictor = Predictor(Repository([tmp_path]))

    def novel(stokes: np.ndarray) -> np.ndarray:
        spectra = Spectra(arrays["wavelength"], _noisy(stokes), DISC)
        return predictor.predict("toy", "", spectra).novelty > 1

    strong = np.abs(arrays["stokes"][:, 3]).max(axis=1) > 0.2
    assert strong.sum() > 500
    other, _, _ = mirror(
        arrays["stokes"], arrays["inclination"], arrays["azimuth"], np.ones(4000, dtype=bool)
    )
    assert novel(arrays["stokes"]).mean() < 0.01
    assert novel(other)[strong].mean() > 0.9
    assert any("symmetries" in sentence for sentence in _card(tmp_path)["limits"])


@needs_tensorflow
@pytest.mark.timeout(300)
def test_a_killed_training_goes_on_to_the_same_network(tmp_path: Path, toy: Callable[..., Arrays]) -> None:
    arrays = toy(800) | {"region": (np.arange(800) // 20).astype(np.int32)}
    data = _save(tmp_path / "toy.npz", arrays)
    settings = replace(QUICK, epochs=5, dropout=0.1)
    code = f"""
from pathlib import Path
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.train import train
settings = {settings!r}
train({str(data)!r}, Path({str(tmp_path)!r}), "toy", "1", settings, report=lambda s: print(s, flush=True))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert any(line.startswith("epoch    2/5") for line in child.stdout), "it ended before"
        child.kill()
    assert not (tmp_path / "toy" / "1").exists()
    with pytest.raises(OutputExistsError, match="--resume"):
        train(data, tmp_path, "toy", "1", settings)
    with pytest.raises(InvalidArgumentError, match="seed was"):
        train(data, tmp_path, "toy", "1", replace(settings, seed=1), resume=True)
    lines: list[str] = []
    train(data, tmp_path, "toy", "1", settings, resume=True, report=lines.append)
    assert any(line.startswith("going on after epoch") for line in lines)
    train(data, tmp_path / "whole", "toy", "1", settings)
    card, whole = _card(tmp_path), _card(tmp_path / "whole")
    assert card["training"]["held_out"] == "whole regions"
    assert card["training"]["validation_loss"] == whole["training"]["validation_loss"]
    assert card["metrics"] == whole["metrics"]
    spectra = Spectra(arrays["wavelength"], arrays["stokes"], DISC)
    a, b = (
        Predictor(Repository([root])).predict("toy", "", spectra) for root in (tmp_path, tmp_path / "whole")
    )
    for name, values in a.atmosphere.arrays().items():
        assert np.array_equal(values, b.atmosphere.arrays()[name]), name


_CENTRE = 6302.4936
AXES = {
    "filtergraph": _CENTRE + 0.07 * np.arange(-2, 3),
    "two regions": _CENTRE + np.concatenate([-0.4 + 0.002 * np.arange(280), 0.25 + 0.02 * np.arange(8)]),
}


@needs_tensorflow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("axis", "architecture"),
    [("filtergraph", "stokeswarm"), ("two regions", "stokeswarm"), ("filtergraph", "paper")],
)
def test_any_axis_suits_every_architecture(
    tmp_path: Path, toy: Callable[..., Arrays], axis: str, architecture: str
) -> None:
    assert architecture in ARCHITECTURES
    arrays = toy(600, 1, AXES[axis])
    settings = replace(QUICK, architecture=architecture)
    train(_save(tmp_path / "toy.npz", arrays), tmp_path, "toy", "1", settings)
    spectra = Spectra(AXES[axis], _noisy(arrays["stokes"]), DISC)
    found = Predictor(Repository([tmp_path])).predict("toy", "", spectra)
    assert found.status == (Status.OK,) * 600
    assert found.error is not None
    assert np.mean(found.novelty > 1) < 0.05
    card = _card(tmp_path)
    assert card["network"]["name"] == architecture
    assert len(card["normalisation"]["regions"]) == (2 if axis == "two regions" else 1)
