"""A training's work folder, without TensorFlow: what was kept is what comes back, or a reason."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, OutputExistsError
from stokeswarm.inference.checkpoint import Progress, WorkFolder
from stokeswarm.inference.curves import Epoch

IDENTITY = {"training set": "abc", "seed": 1, "log_tau": (0.0, -1.0)}


def _progress(n_epoch: int = 3) -> Progress:
    history = [Epoch(i, 1 / i, 1.1 / i, -0.1 * i, 1e-3, 0.5 * i) for i in range(1, n_epoch + 1)]
    state = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7), np.array([1, 2], np.uint32)]
    return Progress(n_epoch, n_epoch, 90.0, history, state, [np.ones((2, 2), np.float32)])


def test_a_killed_training_comes_back_bit_for_bit(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "work", IDENTITY)
    assert folder.open(resume=False) == Progress()
    folder.save(_progress())
    found = WorkFolder(tmp_path / "work", IDENTITY).open(resume=True)
    assert (found.epoch, found.best_epoch, found.seconds) == (3, 3, 90.0)
    assert found.history == _progress().history
    for a, b in zip(found.state + found.best, _progress().state + _progress().best, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


def test_an_unfinished_training_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path, IDENTITY)
    folder.save(_progress())
    with pytest.raises(OutputExistsError, match="--resume"):
        folder.open(resume=False)
    assert folder.open(resume=False, begin_anew=True) == Progress()
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_resume_is_a_beginning(tmp_path: Path) -> None:
    assert WorkFolder(tmp_path / "new", IDENTITY).open(resume=True) == Progress()


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    WorkFolder(tmp_path, IDENTITY).save(_progress())
    with pytest.raises(InvalidArgumentError, match="seed was 1, now 2"):
        WorkFolder(tmp_path, IDENTITY | {"seed": 2}).open(resume=True)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", b"text"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: bytes) -> None:
    folder = WorkFolder(tmp_path, IDENTITY)
    folder.save(_progress())
    (tmp_path / "checkpoint.npz").write_bytes(damage)
    with pytest.raises(InvalidArgumentError, match=r"checkpoint\.npz: not a checkpoint"):
        folder.open(resume=True)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FailedPreconditionError, match="file"):
        WorkFolder(tmp_path / "file" / "work", IDENTITY).open(resume=False)


def test_the_curve_is_a_table_and_a_drawing(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path, IDENTITY)
    for n_epoch in (1, 2, 40):
        folder.save(_progress(n_epoch))
        with (tmp_path / "loss.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == n_epoch
        assert float(rows[-1]["validation"]) == pytest.approx(1.1 / n_epoch, rel=1e-4)
        drawing = ElementTree.parse(tmp_path / "loss.svg")  # noqa: S314  # our own file
        lines = drawing.findall("{http://www.w3.org/2000/svg}polyline")
        assert [len(line.attrib["points"].split()) for line in lines] == [n_epoch, n_epoch]
    folder.finish()
    assert {path.name for path in tmp_path.iterdir()} == {"loss.csv", "loss.svg"}
