from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from stokeswarm.client.active_region import ActiveRegion, active_region
from stokeswarm.client.plots import maps, pixel, plot_comparison, plot_maps, plot_pixel
from stokeswarm.client.plots.style import MAP_QUANTITIES
from stokeswarm.client.results import Result
from stokeswarm.client.truth import compare, difference, polarised
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.status import Status

WAVELENGTH = 6300.877 + 0.021549 * np.arange(112)
NAMES = ("temperature", "velocity", "field_strength", "inclination", "azimuth", "microturbulence")
NOISE = (1e-3,) * 4


@pytest.fixture(scope="module")
def region() -> ActiveRegion:
    return active_region(10, 14, seed=1)


def tree_of(region: ActiveRegion, shift: dict[str, float] | None = None, signal: float = 0.1) -> xr.DataTree:
    """A result laid out like the store: the truth plus a shift, every pixel polarised alike."""
    ny, nx = region.shape
    atmosphere = region.atmosphere

    def group(error: dict[str, float]) -> xr.Dataset:
        return xr.Dataset(
            {
                name: (
                    ("y", "x", "log_tau"),
                    (atmosphere.arrays()[name] + error.get(name, 0.0)).reshape(ny, nx, -1),
                )
                for name in NAMES
            }
        )

    profiles = np.zeros((ny, nx, 4, WAVELENGTH.size))
    profiles[:, :, 0] = 1.0 - 0.5 * np.exp(-(((WAVELENGTH - 6301.5) / 0.1) ** 2))
    profiles[:, :, 1:] = signal * np.exp(-(((WAVELENGTH - 6301.5) / 0.1) ** 2))
    spectra = ("y", "x", "stokes", "wavelength")
    coordinates = {
        "y": ("y", np.arange(ny), {"units": "pixel"}),
        "x": ("x", np.arange(nx), {"units": "pixel"}),
        "log_tau": atmosphere.log_tau,
        "wavelength": WAVELENGTH,
        "stokes": list("IQUV"),
    }
    fit = {
        "status": (("y", "x"), np.full((ny, nx), int(Status.OK), np.uint8)),
        "chi2": (("y", "x"), np.ones((ny, nx))),
        "stokes": (spectra, profiles),
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(coords=coordinates),
            "atmosphere": group(shift or {}),
            "uncertainty": group({}) * 0.0 + 1.0,
            "initial": group({"temperature": 300.0}),
            "fit": xr.Dataset(fit),
            "observation": xr.Dataset({"stokes": (spectra, profiles + 5e-4)}),
        }
    )


def cube(tree: xr.DataTree, name: str) -> Any:
    """A variable's values, to be changed in place."""
    return tree[name].values


def with_status(tree: xr.DataTree, y: int, x: int, status: Status) -> xr.DataTree:
    changed = tree.copy(deep=True)
    cube(changed, "fit/status")[y, x] = int(status)
    return changed


def pixels_of(path: Path) -> npt.NDArray[np.float64]:
    from matplotlib.image import imread

    return np.asarray(imread(path), dtype=np.float64)


def test_a_result_is_read_the_same_from_memory_and_from_a_store(region: ActiveRegion, tmp_path: Path) -> None:
    tree = with_status(tree_of(region), 2, 3, Status.ENGINE_FAILED)
    url = tmp_path / "result.zarr"
    with warnings.catch_warnings():
        # xarray writes fixed-length text, which zarr's third format does not yet specify
        warnings.simplefilter("ignore")
        tree.to_zarr(url, consolidated=False)
    for result in (Result.open(tree), Result.open(url), Result.open(str(url))):
        assert result.shape == region.shape
        level = result.level("temperature", -1.03)
        truth = region.atmosphere.temperature[:, 22].reshape(region.shape)
        assert np.isnan(level[2, 3])
        level[2, 3] = truth[2, 3]
        assert level == pytest.approx(truth)
        assert result.pixel("fit/stokes", 1, 1).shape == (4, 112)
        assert result.pixel("observation/stokes", 1, 1)[0, 0] == pytest.approx(1.0005)
        assert "fit/stokes" in result
        assert "fit/nothing" not in result


def test_what_is_no_result_says_so(region: ActiveRegion, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no result store"):
        plot_maps(tmp_path / "nowhere.zarr", tmp_path / "a.png")
    with pytest.raises(InvalidArgumentError, match="no group 'atmosphere'"):
        Result.open(xr.DataTree.from_dict({"fit": xr.Dataset()}))
    tree = tree_of(region)
    with pytest.raises(NotFoundError, match=r"\(10, 0\) lies outside the map of 10×14"):
        plot_pixel(tree, 10, 0, tmp_path / "a.png")
    with pytest.raises(InvalidArgumentError, match="at least one log tau"):
        plot_maps(tree, tmp_path / "a.png", log_tau=())
    assert list(tmp_path.iterdir()) == []


def test_maps_show_a_failed_pixel_in_grey(region: ActiveRegion, tmp_path: Path) -> None:
    whole = plot_maps(tree_of(region), tmp_path / "deep" / "whole.png", log_tau=(0.0,))
    holed_tree = with_status(tree_of(region), 5, 7, Status.TIMEOUT)
    holed = plot_maps(holed_tree, tmp_path / "holed.png", log_tau=(0.0,))
    before, after = pixels_of(whole), pixels_of(holed)
    assert before.shape == after.shape
    changed = after[np.abs(before - after).max(axis=-1) > 0.05][:, :3]
    grey = np.ptp(changed, axis=1) < 0.02
    assert grey.mean() > 0.5, "what changed is mostly the hatched grey"


def test_colour_ranges_mean_what_they_should() -> None:
    random = np.random.default_rng(0)
    low, high = maps._limits("velocity", [random.normal(0.5, 1.0, (20, 20))])
    assert low == -high, "white is at rest"
    assert maps._limits("azimuth", [random.normal(size=(4, 4))]) == (0.0, 180.0)
    assert maps._limits("inclination", [random.normal(size=(4, 4))]) == (0.0, 180.0)
    assert maps._limits("field_strength", [np.array([[5.0, 100.0]])])[0] == 0.0
    empty = np.full((3, 3), np.nan)
    for quantity in MAP_QUANTITIES:
        low, high = maps._limits(quantity, [empty])
        assert high > low


def test_a_map_without_any_result_is_still_drawn(region: ActiveRegion, tmp_path: Path) -> None:
    tree = tree_of(region)
    cube(tree, "fit/status")[:] = int(Status.NO_OUTPUT)
    assert plot_maps(tree, tmp_path / "empty.png").stat().st_size > 10_000


def test_pixel_figure_of_a_good_and_a_failed_pixel(region: ActiveRegion, tmp_path: Path) -> None:
    tree = tree_of(region)
    plain = plot_pixel(tree, 3, 4, tmp_path / "plain.png")
    known = plot_pixel(tree, 3, 4, tmp_path / "known.png", truth=region.atmosphere)
    assert np.abs(pixels_of(plain) - pixels_of(known)).max() > 0.2, "the truth is drawn over it"
    failed = with_status(tree, 3, 4, Status.ENGINE_FAILED)
    cube(failed, "atmosphere/temperature")[3, 4] = np.nan
    assert plot_pixel(failed, 3, 4, tmp_path / "failed.pdf").read_bytes().startswith(b"%PDF")


def test_azimuths_are_drawn_on_one_branch() -> None:
    jumping = np.array([170.0, 178.0, 4.0, 12.0, np.nan])
    assert pixel._continuous(jumping)[:4] == pytest.approx([170, 178, 184, 192])
    near = pixel._near(np.array([2.0, 5.0, 8.0]), np.array([181.0, 184.0, 190.0]))
    assert near == pytest.approx([182.0, 185.0, 188.0])


def test_comparison_refuses_another_map(region: ActiveRegion, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="139 pixels"):
        plot_comparison(tree_of(region), region.atmosphere.take(np.arange(139)), tmp_path / "c.png")
    found = plot_comparison(tree_of(region), region.atmosphere, tmp_path / "c.png", rms={"azimuth": 3.2})
    assert found.stat().st_size > 10_000


def test_errors_are_those_that_were_put_in(region: ActiveRegion) -> None:
    shift = {"temperature": 40.0, "velocity": -0.2, "field_strength": 75.0, "azimuth": 178.0}
    errors = compare(tree_of(region, shift), region.atmosphere, NOISE)
    found = {(error.quantity, error.log_tau): error for error in errors}
    assert len(found) == 15
    assert found["temperature", 0.0].rms == pytest.approx(40.0)
    assert found["velocity", -1.0].bias == pytest.approx(-0.2)
    assert found["velocity", -1.0].median == pytest.approx(0.2)
    assert found["field_strength", -2.0].rms == pytest.approx(75.0)
    assert found["azimuth", -1.0].rms == pytest.approx(2.0), "178° is −2° on the circle"
    assert found["inclination", -1.0].rms == pytest.approx(0.0, abs=1e-9)
    assert {error.pixels for error in errors} == {140}


def test_weak_polarisation_and_failed_pixels_are_not_judged(region: ActiveRegion) -> None:
    faint = tree_of(region, {"temperature": 10.0}, signal=1e-4)
    cube(faint, "observation/stokes")[:, :, 1:] -= 5e-4
    cube(faint, "observation/stokes")[4, 4, 3, 50] = 0.05
    tree = with_status(faint, 0, 0, Status.MASKED)
    found = {error.quantity: error for error in compare(tree, region.atmosphere, NOISE, (-1.0,))}
    assert found["temperature"].pixels == 139
    assert found["field_strength"].pixels == found["inclination"].pixels == 1
    assert found["azimuth"].pixels == 0
    assert np.isnan(found["azimuth"].rms)


def test_truth_on_another_depth_axis_is_interpolated(region: ActiveRegion) -> None:
    coarse = region.atmosphere.resample(region.atmosphere.log_tau[::4])
    errors = compare(tree_of(region), coarse, NOISE)
    assert max(error.rms for error in errors if error.quantity == "temperature") < 15.0


def test_circular_difference_and_signal_masks() -> None:
    found, true = np.array([179.0, 1.0, 90.0]), np.array([1.0, 179.0, 10.0])
    assert difference("azimuth", found, true) == pytest.approx([-2.0, 2.0, 80.0])
    assert difference("inclination", found, true) == pytest.approx([178.0, -178.0, 80.0])
    stokes = np.zeros((1, 3, 4, 5))
    stokes[0, 1, 3, 2], stokes[0, 2, 1, 2] = -0.02, 0.02
    masks = polarised(stokes, NOISE)
    assert masks["linear"].tolist() == [[False, False, True]]
    assert masks["total"].tolist() == [[False, True, True]]


def test_a_truth_of_another_size_is_refused(region: ActiveRegion) -> None:
    small = region.atmosphere.take([0, 1])
    with pytest.raises(InvalidArgumentError, match="2 pixels for a map of 10×14"):
        compare(tree_of(region), small, NOISE)
