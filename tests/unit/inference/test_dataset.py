"""Training sets: what is read is what was written, and what cannot be learnt from is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError
from stokeswarm.contract.instrument import instrument
from stokeswarm.inference.dataset import TrainingSet

Arrays = Callable[[int], dict[str, np.ndarray]]


def test_load_gives_back_what_was_written(toy: Arrays, toy_file: Callable[..., Path]) -> None:
    data = TrainingSet.load(toy_file(150))
    arrays = toy(150)
    assert len(data) == 150
    assert np.array_equal(data.stokes, arrays["stokes"])
    assert np.array_equal(data.quantities["velocity"], arrays["velocity"])
    assert data.recipe["made"] == "Milne-Eddington toy"


def _with(array: np.ndarray, index: object, value: float) -> np.ndarray:
    changed = array.copy()
    changed[index] = value
    return changed


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("stokes", lambda a: _with(a, (5, 1, 3), np.nan), r"stokes: 1 values are not finite.*\(5, 1, 3\)"),
        ("temperature", lambda a: _with(a, (0, 0), np.inf), "temperature: 1 values are not finite"),
        ("temperature", np.zeros_like, "temperature: constant"),
        ("macroturbulence", np.ones_like, "macroturbulence: constant"),
        ("stokes", lambda a: np.repeat(a[:1], len(a), axis=0), "Stokes I is the same in every profile"),
        ("stokes", lambda a: a * 30_000, "continuum-normalised"),
        ("stokes", lambda a: a[:, [3, 1, 2, 0]], "order I, Q, U, V"),
        ("stokes", lambda a: np.moveaxis(a, 1, 2), "stokes: expected shape"),
        ("velocity", lambda a: a[:, :-1], "velocity: expected shape"),
        ("log_tau", lambda a: a[::-1], "deepest first"),
        ("wavelength", lambda a: a / 10, "nanometres"),
        ("wavelength", lambda a: a[::-1], "strictly increasing"),
        ("reference", lambda a: np.array("continuum"), "reference"),
        ("recipe", lambda a: np.array("{"), "recipe"),
        ("azimuth", lambda a: None, "entries missing: azimuth"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    toy: Arrays, toy_file: Callable[..., Path], name: str, change: Callable[..., object], reason: str
) -> None:
    path = toy_file(150, **{name: change(toy(150)[name])})
    with pytest.raises(InvalidArgumentError, match=reason) as caught:
        TrainingSet.load(path)
    assert str(path) in str(caught.value)


def test_too_few_profiles_are_refused(toy_file: Callable[..., Path]) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 100"):
        TrainingSet.load(toy_file(99))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.npz"):
        TrainingSet.load(tmp_path / "none.npz")
    path = tmp_path / "text.npz"
    path.write_text("not an archive")
    with pytest.raises(InvalidArgumentError, match=r"not a \.npz archive"):
        TrainingSet.load(path)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, stokes=np.array([{}], dtype=object))
    with pytest.raises(InvalidArgumentError, match=r"not a \.npz archive"):
        TrainingSet.load(pickled)


def test_the_instruments_axis_is_demanded(toy: Arrays) -> None:
    arrays = toy(150)
    with pytest.raises(SpectraError, match=r"hinode-sp has 112 samples .* the training set 40 samples"):
        TrainingSet.from_arrays(arrays).check_instrument("hinode-sp")
    TrainingSet.from_arrays(arrays).check_instrument("a-spectrograph-of-my-own")
    grid = instrument("hinode-sp").regions[0].grid()
    stokes = np.random.default_rng(0).uniform(0.1, 0.2, (150, 4, grid.size))
    stokes[:, 0] += 0.8
    TrainingSet.from_arrays(arrays | {"wavelength": grid, "stokes": stokes}).check_instrument("hinode-sp")


def test_nodes_are_interpolated_and_the_azimuth_along_the_shorter_arc(toy: Arrays) -> None:
    arrays = toy(150)
    arrays["azimuth"][:, 1], arrays["azimuth"][:, 2] = 170.0, 20.0
    data = TrainingSet.from_arrays(arrays)
    nodes = data.at_nodes([1.0, -0.25, -3.0])
    t = arrays["temperature"]
    assert np.allclose(nodes["temperature"][:, 1], 0.75 * t[:, 1] + 0.25 * t[:, 2], rtol=1e-6)
    assert np.array_equal(nodes["temperature"][:, [0, 2]], t[:, [0, 4]])
    assert np.allclose(nodes["azimuth"][:, 1], 177.5)
    with pytest.raises(InvalidArgumentError, match="outside the training set's 1 to -3"):
        data.at_nodes([1.2, 0.0])
