"""A training set from an inverted map holds the chosen pixels, each with its own atmosphere and profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from stokeswarm.client.inverted_set import Selection, from_result
from stokeswarm.client.layout import STOKES_AXIS, blank, result_variables
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import TileGrid, Window
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, OutputExistsError
from stokeswarm.contract.status import Status

TAU = np.round(np.arange(1.0, -3.1, -0.5), 1)
WAVELENGTH = 6301.0 + 0.02 * np.arange(12)
NY, NX = 20, 18
BAD = (3, 4)  # fitted badly
GONE = (5, 6)  # without a result
HOLE = (7, 8)  # a sample is missing


def store(place: Path, **attrs: Any) -> Path:
    """A map whose pixel (y, x) has a temperature of 5000 + 100 y + x K everywhere."""
    plan = {"name": "test", "noise": [1e-3] * 4, "mu": 0.7, "reference": "local-quiet-sun"}
    window = Window(0, NY, 0, NX)
    made = ResultStore.create(
        place,
        grid=TileGrid(window, (NY, NX)),
        n_component=1,
        log_tau=TAU,
        wavelength=WAVELENGTH,
        attrs={"plan": plan, "identity": {"input": {"reference": "local-quiet-sun"}}, **attrs},
    )
    sizes = {"log_tau": TAU.size, STOKES_AXIS: 4, "wavelength": WAVELENGTH.size}
    arrays = blank(result_variables(1), NY * NX, sizes)
    y, x = np.divmod(np.arange(NY * NX), NX)
    for path, values in arrays.items():
        if path.startswith("atmosphere/"):
            values[:] = 1.0
    arrays["atmosphere/temperature"][:] = (5000.0 + 100.0 * y + x)[:, None]
    arrays["fit/status"][:] = int(Status.OK)
    arrays["fit/chi2"][:] = 1.5
    arrays["fit/stokes"][:] = 0.25
    arrays["fit/chi2"][BAD[0] * NX + BAD[1]] = 50.0
    arrays["fit/status"][GONE[0] * NX + GONE[1]] = int(Status.TIMEOUT)
    stokes = np.repeat((0.001 * (100 * y + x)).astype(np.float32), 4 * 12).reshape(-1, 4, 12)
    stokes[HOLE[0] * NX + HOLE[1], 2, 3] = np.nan
    made.write(next(iter(made.grid)), arrays, stokes)
    made.finish({})
    return place


def test_good_pixels_come_with_their_own_atmosphere(tmp_path: Path) -> None:
    result = from_result(store(tmp_path / "map.zarr"), tmp_path / "set.zarr")
    assert (result.n, result.replaced) == (NY * NX - 3, 3)
    data = zarr.open_group(str(tmp_path / "set.zarr"), mode="r")
    assert data.attrs["complete"] is True
    assert data.attrs["reference"] == "local-quiet-sun"
    assert data.attrs["noise"] == pytest.approx(1e-3)
    number = np.rint(1000 * data["stokes"][:, 0, 0])
    assert data["temperature"][:, 2] == pytest.approx(5000 + number)
    for y, x in (BAD, GONE, HOLE):
        assert 100 * y + x not in number
    assert data["mu"][:] == pytest.approx(0.7)
    y, x = np.divmod(number, 100)
    squares = {(int(a), int(b)): int(c) for a, b, c in zip(y // 16, x // 16, data["region"][:], strict=True)}
    assert len(set(squares.values())) == len(squares) == 4, "a square of the map is one region"


def test_the_fit_can_be_learnt_instead(tmp_path: Path) -> None:
    chosen = Selection("fit", max_chi2=100.0, region=(0, 6, 0, NX))
    result = from_result(store(tmp_path / "map.zarr"), tmp_path / "set.zarr", chosen)
    assert result.n == 6 * NX - 1
    data = zarr.open_group(str(tmp_path / "set.zarr"), mode="r")
    assert set(np.unique(data["stokes"][:])) == {np.float32(0.25)}
    assert data.attrs["noise"] == 0.0


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    place = store(tmp_path / "map.zarr")
    with pytest.raises(InvalidArgumentError, match="no pixel with a result"):
        from_result(place, tmp_path / "set.zarr", Selection(max_chi2=0.1))
    with pytest.raises(InvalidArgumentError, match="observed or fit"):
        Selection("initial")
    with pytest.raises(NotFoundError, match="no result store"):
        from_result(tmp_path / "nothing.zarr", tmp_path / "set.zarr")
    from_result(place, tmp_path / "set.zarr")
    with pytest.raises(OutputExistsError):
        from_result(place, tmp_path / "set.zarr")
