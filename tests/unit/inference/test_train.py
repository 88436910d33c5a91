"""The whole training chain on a toy: data set → TensorFlow → ONNX → repository → predictions."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inference.settings import TrainSettings
from stokeswarm.inference.train import split, train

needs_tensorflow = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tensorflow", "tf2onnx")),
    reason="TensorFlow or tf2onnx is not installed (pip install stokeswarm[train])",
)
NODES = (1.0, 0.0, -1.5, -3.0)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"noise": -1.0}, {"dropout": 1.0}, {"log_tau": (0.0, 1.0)}, {"log_tau": ()}]
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrainSettings(**change)  # type: ignore[arg-type]


def test_the_split_is_the_seeds_and_leaves_nobody_out(toy: Callable[[int], dict[str, np.ndarray]]) -> None:
    from stokeswarm.inference.dataset import TrainingSet

    data = TrainingSet.from_arrays(toy(200))
    settings = TrainSettings(log_tau=NODES, validation=0.2)
    training, validation = split(data, settings)
    assert (len(training.stokes), len(validation.stokes)) == (160, 40)
    vmac = np.concatenate([training.macroturbulence, validation.macroturbulence])
    assert np.array_equal(np.sort(vmac), np.sort(data.macroturbulence))
    again, _ = split(data, settings)
    assert np.array_equal(again.stokes, training.stokes)
    other, _ = split(data, TrainSettings(log_tau=NODES, validation=0.2, seed=1))
    assert not np.array_equal(other.stokes, training.stokes)


def test_an_existing_model_and_bad_data_are_found_before_tensorflow_is_loaded(
    tmp_path: Path, toy_file: Callable[..., Path]
) -> None:
    (tmp_path / "toy" / "1").mkdir(parents=True)
    with pytest.raises(OutputExistsError):
        train(toy_file(), tmp_path, "toy", "1", TrainSettings())
    with pytest.raises(InvalidArgumentError, match="instrument hinode-sp has 112"):
        train(toy_file(), tmp_path, "hinode-sp", "1", TrainSettings())
    assert "tensorflow" not in sys.modules


def test_no_module_of_the_service_loads_tensorflow() -> None:
    code = (
        "import sys, stokeswarm.inference.cli, stokeswarm.inference.train, stokeswarm.inference.export, "
        "stokeswarm.inference.server\n"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@needs_tensorflow
@pytest.mark.timeout(300)
def test_a_toy_network_learns_and_is_served_as_it_was_trained(
    tmp_path: Path, toy_file: Callable[..., Path], toy: Callable[..., dict[str, np.ndarray]]
) -> None:
    from stokeswarm.inference.predictor import Predictor
    from stokeswarm.inference.repository import Repository

    lines: list[str] = []
    settings = TrainSettings(epochs=8, filters=16, learning_rate=5e-3, log_tau=NODES)
    train(toy_file(2500), tmp_path, "toy", "1", settings, report=lines.append)
    assert sum(line.startswith("epoch") for line in lines) == 8

    model = Predictor(Repository([tmp_path])).find("toy")
    assert model.session is not None, model.problem
    assert model.entry.card is not None
    metrics = model.entry.card.sections["metrics"]
    assert max(metrics["velocity"]["rms"]) < 1.5  # the spread is 2.3

    truth = toy(300, 99)
    predictor = Predictor(Repository([tmp_path]))
    spectra = Spectra(truth["wavelength"], truth["stokes"], ContinuumReference.DISC_CENTRE)
    found = predictor.predict("toy", "", spectra)
    assert found.status == (Status.OK,) * 300
    assert np.mean(found.novelty > 1) < 0.05
    error = found.atmosphere.velocity[:, 1] - truth["velocity"][:, 1]
    assert np.sqrt(np.mean(error**2)) < 1.5
    strong = truth["field_strength"][:, 1] * np.sin(np.deg2rad(truth["inclination"][:, 1])) > 800
    turn = (found.atmosphere.azimuth[:, 1] - truth["azimuth"][:, 1] + 90) % 180 - 90
    assert np.median(np.abs(turn[strong])) < 15
    polarity = np.sign(90 - found.atmosphere.inclination[:, 1]) == np.sign(90 - truth["inclination"][:, 1])
    assert polarity[np.abs(truth["inclination"][:, 1] - 90) > 40].mean() > 0.95
    assert (found.atmosphere.field_strength >= 0).all()

    strange = truth["stokes"].copy()
    strange[:, 0, ::2] += 0.2
    odd = predictor.predict("toy", "", Spectra(truth["wavelength"], strange, ContinuumReference.DISC_CENTRE))
    assert (odd.novelty > 1).all()
