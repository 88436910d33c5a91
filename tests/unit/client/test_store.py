"""The store: layout, tiles marked after their data, resumable, never a silent half."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from stokeswarm.client.layout import blank, result_variables
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import Tile, TileGrid, Window
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED
from stokeswarm.contract.errors import (
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
)
from stokeswarm.contract.status import Status

GRID = TileGrid(Window(10, 15, 20, 27), (2, 3))
TAU = np.array([1.0, 0.0, -1.0])
WAVELENGTH = 6301.0 + 0.02 * np.arange(5)
SIZES = {"log_tau": 3, "stokes_parameter": 4, "wavelength": 5}
IDENTITY = {"seed": 1, "plan": {"noise": [1e-3, 1e-3], "name": "a"}, "input": {"sha256": "abc"}}


def create(url: Path | str | None, n_component: int = 1) -> ResultStore:
    return ResultStore.create(
        url, grid=GRID, n_component=n_component, log_tau=TAU, wavelength=WAVELENGTH,
        weights=np.ones((4, 5)), attrs={"identity": IDENTITY},
    )  # fmt: skip


def fill(store: ResultStore, tile: Tile, value: float) -> None:
    n = tile.window.size
    arrays = blank(result_variables(store.n_component), n, SIZES)
    arrays["atmosphere/temperature"][:] = value
    arrays["fit/status"][:] = int(Status.OK)
    arrays["fit/message"][0] = "γ > 90°"
    store.write(tile, arrays, np.full((n, 4, 5), value, np.float32))


@pytest.mark.parametrize("place", ["file", "memory", "none"])
def test_xarray_opens_it_with_units_coordinates_and_labels(tmp_path: Path, place: str) -> None:
    url = {"file": tmp_path / "a.zarr", "memory": f"memory://{tmp_path.name}/a.zarr", "none": None}[place]
    store = create(url)
    for number, tile in enumerate(GRID):
        fill(store, tile, 1000.0 + number)
    store.finish({"pixels": 35})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = store.tree() if url is None else xr.open_datatree(str(url), engine="zarr")
        tree = tree.load()
    assert set(tree.children) >= {"atmosphere", "uncertainty", "initial", "fit", "observation"}
    temperature = tree["atmosphere/temperature"]
    assert temperature.dims == ("y", "x", "log_tau")
    assert temperature.attrs["units"] == "K"
    assert temperature.dtype == np.float32
    assert temperature.y.values.tolist() == list(range(10, 15))
    assert temperature.sel(y=14, x=26, log_tau=0.0).item() == 1000.0 + len(GRID) - 1
    assert tree["fit/stokes"].dims == ("y", "x", "stokes_parameter", "wavelength")
    assert list(tree.stokes_parameter.values) == ["I", "Q", "U", "V"]
    assert tree.isel(y=0, x=1)["fit/stokes"].dims == ("stokes_parameter", "wavelength")
    assert tree["fit/message"].values[0, 0] == "γ > 90°"
    assert tree["fit/status"].attrs["flag_meanings"].split()[1] == "ok"
    assert tree["observation/weights"].shape == (4, 5)
    assert tree.attrs["summary"] == {"pixels": 35}
    for group in ("atmosphere", "uncertainty", "initial"):
        assert set(tree[group].data_vars) == set(STRATIFIED) | set(SCALAR)


def test_what_is_not_written_is_nan_and_not_run(tmp_path: Path) -> None:
    store = create(tmp_path / "a.zarr")
    fill(store, next(iter(GRID)), 5.0)
    tree = store.tree().load()
    temperature, status = tree["atmosphere/temperature"].values, tree["fit/status"].values
    assert (temperature[:2, :3] == 5.0).all()
    assert np.isnan(temperature[2:]).all()
    assert np.isnan(temperature[:, 3:]).all()
    assert (status[:2, :3] == Status.OK).all()
    assert (status[2:] == 0).all()
    assert store.done.sum() == 1
    assert not store.complete


def test_a_second_component_has_its_own_groups(tmp_path: Path) -> None:
    tree = create(tmp_path / "a.zarr", 2).tree()
    assert {"atmosphere_2", "uncertainty_2", "initial_2"} <= set(tree.children)
    assert ResultStore.read(tmp_path / "a.zarr").n_component == 2


def test_a_tile_is_one_chunk_of_every_map(tmp_path: Path) -> None:
    create(tmp_path / "a.zarr")
    root = zarr.open_group(tmp_path / "a.zarr", mode="r")
    for path in ("atmosphere/temperature", "fit/chi2", "observation/stokes", "fit/message"):
        array = root[path]
        assert isinstance(array, zarr.Array)
        assert array.chunks[:2] == GRID.tile


def test_the_mark_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = create(tmp_path / "a.zarr")
    put, seen = ResultStore._put, []

    def record(self: ResultStore, path: str, *rest: object) -> None:
        seen.append((path, int(self.done.sum())))
        put(self, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ResultStore, "_put", record)
    fill(store, next(iter(GRID)), 1.0)
    assert {done for _, done in seen} == {0}
    assert {path for path, _ in seen} == {v.path for v in result_variables(1)} | {"observation/stokes"}
    assert store.done.sum() == 1


def test_resume_gives_the_missing_tiles_in_order(tmp_path: Path) -> None:
    store = create(tmp_path / "a.zarr")
    tiles = list(GRID)
    for tile in (tiles[0], tiles[4]):
        fill(store, tile, 1.0)
    again = ResultStore.resume(tmp_path / "a.zarr", IDENTITY)
    assert list(again.missing()) == [t for t in tiles if t not in (tiles[0], tiles[4])]


def test_differences_are_named(tmp_path: Path) -> None:
    create(tmp_path / "a.zarr")
    other = {**IDENTITY, "plan": {"noise": [1e-3, 2e-3], "name": "a"}, "engine": "sir"}
    with pytest.raises(InvalidArgumentError) as caught:
        ResultStore.resume(tmp_path / "a.zarr", other)
    message = str(caught.value)
    assert "plan.noise[1] was 0.001, now 0.002" in message
    assert 'engine was absent, now "sir"' in message
    assert "seed" not in message


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "precious.txt").write_text("x")
    for place in (folder, folder / "precious.txt"):
        with pytest.raises(OutputExistsError, match=str(place)):
            create(place)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not create(empty).complete


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such"):
        ResultStore.read(tmp_path / "none.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotFoundError, match="no result store"):
        ResultStore.read(tmp_path / "folder")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(DataLossError, match="not a complete"):
        ResultStore.read(tmp_path / "other.zarr")


def test_unknown_variables_are_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no fit/nothing"):
        create(tmp_path / "a.zarr").map("fit/nothing")
