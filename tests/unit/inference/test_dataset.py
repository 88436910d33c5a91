"""Training sets: what is read is what was written, and what cannot be learnt from is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError
from stokeswarm.contract.instrument import instrument, instruments
from stokeswarm.inference.axes import split_regions
from stokeswarm.inference.reading import from_arrays, load

Arrays = Callable[..., dict[str, np.ndarray]]
Write = Callable[..., Path]


def _with(array: np.ndarray, index: object, value: float) -> np.ndarray:
    changed = array.copy()
    changed[index] = value
    return changed


def test_load_gives_back_what_was_written(toy: Arrays, toy_file: Write) -> None:
    data = load(toy_file(150))
    arrays = toy(150)
    assert len(data) == 150
    assert np.array_equal(data.stokes, arrays["stokes"])
    assert np.array_equal(data.quantities["velocity"], arrays["velocity"])
    assert list(data.scalars) == ["macroturbulence"]
    assert data.recipe["made"] == "Milne-Eddington toy"
    assert data.region is None


def test_a_group_is_read_in_blocks_with_its_labels(toy: Arrays, toy_group: Write) -> None:
    data = load(toy_group(150, attributes={"noise": 0.001}))
    arrays = toy(150)
    assert np.array_equal(data.stokes, arrays["stokes"])
    assert np.array_equal(data.quantities["azimuth"], arrays["azimuth"])
    assert data.noise == 0.001
    assert data.class_names == ("quiet", "umbra")
    assert data.region is not None
    assert data.region.tolist() == [number // 16 for number in range(150)]
    assert data.mu is not None
    assert data.recipe == {"made": "Milne-Eddington toy", "seed": 1}


def test_both_kinds_of_file_hold_the_same_set(toy_file: Write, toy_group: Write) -> None:
    a, b = load(toy_file(150)), load(toy_group(150))
    assert a.digest == b.digest
    assert load(toy_file(150, velocity=b.quantities["velocity"] + 1)).digest != a.digest


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("stokes", lambda a: _with(a, (5, 1, 3), np.nan), r"stokes: 1 values are not finite.*\(5, 1, 3\)"),
        ("stokes", lambda a: _with(a, (slice(5, 7), 0), np.inf), r"stokes: 80 values .*first at \(5, 0, 0\)"),
        ("temperature", lambda a: _with(a, (0, 0), np.inf), "temperature: 1 values are not finite"),
        ("temperature", np.zeros_like, "temperature: constant"),
        ("macroturbulence", np.ones_like, "macroturbulence: constant"),
        ("stokes", lambda a: np.repeat(a[:1], len(a), axis=0), "Stokes I is the same in every profile"),
        ("stokes", lambda a: _with(a, (slice(3, 5),), 0.7), "2 profiles are constant .* number 3"),
        ("stokes", lambda a: a * 30_000, "continuum-normalised"),
        ("stokes", lambda a: a[:, [3, 1, 2, 0]], "order I, Q, U, V"),
        ("stokes", lambda a: np.moveaxis(a, 1, 2), "stokes: expected shape"),
        ("velocity", lambda a: a[:, :-1], "velocity: expected shape"),
        ("log_tau", lambda a: a[::-1], "deepest first"),
        ("wavelength", lambda a: a / 10, "nanometres"),
        ("wavelength", lambda a: a[::-1], "strictly increasing"),
        ("wavelength", lambda a: a[:4], "5 to .* samples, found 4"),
        ("reference", lambda a: np.array("continuum"), "reference"),
        ("recipe", lambda a: np.array("{"), "recipe"),
        ("recipe", lambda a: np.array('{"noise": "some"}'), "noise: expected a number"),
        ("azimuth", lambda a: None, "entries missing: azimuth"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    toy: Arrays, toy_file: Write, name: str, change: Callable[..., object], reason: str
) -> None:
    path = toy_file(150, **{name: change(toy(150)[name])})
    with pytest.raises(InvalidArgumentError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "changes", "reason"),
    [
        ({"complete": False}, {}, "unfinished"),
        ({"complete": False}, {"done": np.array([1, 1, 0], np.uint8)}, r"unfinished \(2 of 3 blocks"),
        ({"complete": None}, {}, "unfinished"),
        ({"format": "something else"}, {}, "expected 'stokeswarm training set 1', found 'something else'"),
        ({"reference": None}, {}, "reference"),
        ({"noise": 2.0}, {}, "noise"),
        ({}, {"azimuth": None}, "entries missing: azimuth"),
        ({}, {"mu": np.zeros(150, np.float32)}, "0 < mu <= 1"),
        ({}, {"class": np.ones(150, np.int8)}, r"class: .* one class \(umbra\).*--one-class"),
        ({}, {"region": np.zeros(149, np.int32)}, "region: expected shape"),
    ],
)
def test_a_group_that_cannot_be_learnt_from_is_refused(
    toy_group: Write, attributes: dict[str, object], changes: dict[str, object], reason: str
) -> None:
    path = toy_group(150, attributes=attributes, **changes)
    with pytest.raises(InvalidArgumentError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_bad_value_of_a_group_is_found_where_it_is(toy: Arrays, toy_group: Write) -> None:
    stokes = _with(_with(toy(150)["stokes"], (37, 2, 5), np.nan), (41, 0, 0), np.nan)
    with pytest.raises(InvalidArgumentError, match=r"stokes: 2 values .* the first at \(37, 2, 5\)"):
        load(toy_group(150, stokes=stokes))


def test_one_class_may_be_meant(toy_group: Write) -> None:
    ones = np.ones(150, np.int8)
    assert load(toy_group(150, **{"class": ones}), one_class=True).one_class
    assert len(load(toy_group(150, **{"class": -ones}))) == 150  # nobody knows the classes


def test_scalars_that_vary_are_learnt_and_others_are_not(toy_file: Write) -> None:
    filling = np.linspace(0.5, 1, 150, dtype=np.float32)
    data = load(toy_file(150, filling_factor=filling, stray_light=np.zeros(150, np.float32)))
    assert list(data.scalars) == ["macroturbulence", "filling_factor"]
    with pytest.raises(InvalidArgumentError, match=r"filling_factor: constant \(0.5\)"):
        load(toy_file(150, filling_factor=np.full(150, 0.5, np.float32)))


def test_too_few_profiles_are_refused(toy_file: Write) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 100"):
        load(toy_file(99))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.npz"):
        load(tmp_path / "none.npz")
    path = tmp_path / "text.npz"
    path.write_text("not an archive")
    with pytest.raises(InvalidArgumentError, match=r"not a \.npz archive"):
        load(path)
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    with pytest.raises(InvalidArgumentError, match=r"not a \.npz archive"):
        load(single)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, stokes=np.array([{}], dtype=object))
    with pytest.raises(InvalidArgumentError, match=r"not a \.npz archive"):
        load(pickled)


def test_a_folder_that_is_no_group(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="zarr is not installed (pip install stokeswarm[train])")
    with pytest.raises(InvalidArgumentError, match="nor a Zarr v3 group"):
        load(tmp_path)


def test_the_instruments_axis_is_demanded(toy: Arrays) -> None:
    arrays = toy(150)
    with pytest.raises(SpectraError, match=r"hinode-sp has 112 samples .* the training set 40 samples"):
        from_arrays(arrays).check_instrument("hinode-sp")
    from_arrays(arrays).check_instrument("a-spectrograph-of-my-own")
    for name in instruments():
        grid = np.concatenate([region.grid() for region in instrument(name).regions])
        stokes = np.random.default_rng(0).uniform(0.1, 0.2, (150, 4, grid.size))
        stokes[:, 0] += 0.8
        from_arrays(arrays | {"wavelength": grid, "stokes": stokes}).check_instrument(name)


def test_regions_of_an_instrument_are_found_in_its_axis() -> None:
    for name in instruments():
        regions = instrument(name).regions
        grid = np.concatenate([region.grid() for region in regions])
        sizes = [part.stop - part.start for part in split_regions(grid)]
        assert sizes == [region.grid().size for region in regions], name


def test_nodes_are_interpolated_and_the_azimuth_along_the_shorter_arc(toy: Arrays) -> None:
    arrays = toy(150)
    arrays["azimuth"][:, 1], arrays["azimuth"][:, 2] = 170.0, 20.0
    data = from_arrays(arrays)
    nodes = data.at_nodes([1.0, -0.25, -3.0])
    t = arrays["temperature"]
    assert np.allclose(nodes["temperature"][:, 1], 0.75 * t[:, 1] + 0.25 * t[:, 2], rtol=1e-6)
    assert np.array_equal(nodes["temperature"][:, [0, 2]], t[:, [0, 4]])
    assert np.allclose(nodes["azimuth"][:, 1], 177.5)
    with pytest.raises(InvalidArgumentError, match="outside the training set's 1 to -3"):
        data.at_nodes([1.2, 0.0])
