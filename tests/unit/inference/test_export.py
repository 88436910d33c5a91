"""Putting a model into a repository: complete or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.errors import DataLossError, OutputExistsError
from stokeswarm.inference.export import check_parity, write_model
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import Repository
from stokeswarm.inference.session import Output
from stokeswarm.inference.testing import (
    LOG_TAU,
    WAVELENGTH,
    linear_answer,
    linear_card,
    linear_extras,
    linear_onnx,
)

MODEL = linear_onnx(WAVELENGTH.size, LOG_TAU.size)


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_written_model_is_ready(tmp_path: Path) -> None:
    folder = write_model(tmp_path, linear_card("mine", "3"), MODEL)
    assert _files(folder) == {"model.onnx", "card.json"}
    assert _files(folder.parent) == {"3"}
    assert Predictor(Repository([tmp_path])).find("mine", "3").info().ready


def test_a_model_is_replaced_only_on_demand(tmp_path: Path) -> None:
    card = linear_card("mine", "1")
    write_model(tmp_path, card, MODEL)
    with pytest.raises(OutputExistsError, match="--replace"):
        write_model(tmp_path, card, MODEL)
    write_model(tmp_path, replace(card, title="new"), MODEL, replace_existing=True)
    found = Predictor(Repository([tmp_path])).find("mine").entry.card
    assert found is not None
    assert found.title == "new"


def test_nothing_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_model(tmp_path, linear_card("mine", "1"), MODEL)
    assert _files(tmp_path / "mine") == set()


def test_parity_is_measured_and_demanded() -> None:
    stokes = np.random.default_rng(0).normal(0, 3, (50, 4, WAVELENGTH.size)).astype(np.float32)
    atmosphere, scalars, novelty = linear_answer(stokes, LOG_TAU.size)
    assert check_parity(Output(atmosphere, scalars, novelty), MODEL, linear_card(), stokes) < 3e-6
    atmosphere[3, 0, 0] *= 1.001
    with pytest.raises(DataLossError, match="atmosphere temperature: ONNX Runtime differs from Keras"):
        check_parity(Output(atmosphere, scalars, novelty), MODEL, linear_card(), stokes)


def test_parity_covers_errors_and_features() -> None:
    model = linear_onnx(WAVELENGTH.size, LOG_TAU.size, extended=True)
    stokes = np.random.default_rng(0).normal(0, 3, (50, 4, WAVELENGTH.size)).astype(np.float32)
    answer, extras = linear_answer(stokes, LOG_TAU.size), linear_extras(stokes, LOG_TAU.size)
    assert check_parity(Output(*answer, *extras), model, linear_card(), stokes) < 1e-5
    extras[2][7, 1] += 1e-2
    with pytest.raises(DataLossError, match="features"):
        check_parity(Output(*answer, *extras), model, linear_card(), stokes)
