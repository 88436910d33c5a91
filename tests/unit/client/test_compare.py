"""Comparison of two results: planted differences come back as numbers, tables, JSON and figures."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.image import imread
from rich.console import Console
from typer.testing import CliRunner

from stokeswarm.client.cli.app import app
from stokeswarm.client.comparison import Comparison, compare, load, stores
from stokeswarm.client.comparison.report import as_json
from stokeswarm.client.comparison.sides import Level
from stokeswarm.client.comparison.stores import StoreSource, strongest
from stokeswarm.client.comparison.table import render
from stokeswarm.client.gate import Reason
from stokeswarm.client.layout import STOKES_AXIS, Start, blank, component_group, result_variables
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import TileGrid, Window
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import DataLossError, InvalidArgumentError, NotFoundError
from stokeswarm.contract.status import Status

TAU = np.round(np.arange(1.0, -3.1, -0.5), 1)
WAVELENGTH = 6301.0 + 0.02 * np.arange(12)
WHOLE = Window(0, 12, 0, 15)
NAMES = ("temperature", "velocity", "field_strength", "inclination", "azimuth", "microturbulence")
#: the left third of the map has no polarisation
POLARISED_FROM = 5

Maps = dict[str, npt.NDArray[np.float64]]
Change = Callable[[Maps], None]


def sun() -> Maps:
    """A map of the whole observation: every store of these tests is a part of it, with planted changes."""
    random = np.random.default_rng(7)
    shape = WHOLE.shape
    slope = TAU - TAU[2]
    maps: Maps = {
        "temperature": random.uniform(4000, 6500, shape)[..., None] + 1500.0 * slope,
        "velocity": random.normal(0, 1, shape)[..., None] + 0.1 * slope,
        "field_strength": random.uniform(100, 2500, shape)[..., None] + 50.0 * slope,
        "inclination": random.uniform(10, 170, shape)[..., None] + 0.0 * slope,
        "azimuth": random.uniform(0, 180, shape)[..., None] + 0.0 * slope,
        "microturbulence": random.uniform(0.5, 1.5, shape)[..., None] + 0.0 * slope,
        "macroturbulence": random.uniform(0.5, 1.5, shape),
        "filling_factor": np.ones(shape),
        "stray_light": np.zeros(shape),
        "chi2": np.full(shape, 1.0),
        "seconds": np.full(shape, 2.0),
        "status": np.full(shape, float(Status.OK)),
        "start": np.full(shape, float(Start.MODEL)),
        "gate": np.zeros(shape),
    }
    return {name: values.astype(np.float32).astype(np.float64) for name, values in maps.items()}


def observed() -> npt.NDArray[np.float32]:
    stokes = np.zeros((*WHOLE.shape, 4, WAVELENGTH.size), np.float32)
    stokes[:, :, 0] = 1.0
    stokes[:, POLARISED_FROM:, 1:, 4] = 0.02
    stokes[:, -1, 1:3] = 0.0  # the last column: circular polarisation alone
    return stokes


def unchanged(maps: Maps) -> None:
    del maps


def made(
    place: Path,
    change: Change = unchanged,
    window: Window = WHOLE,
    tile: tuple[int, int] = WHOLE.shape,
    second: Change | None = None,
    attrs: Mapping[str, Any] | None = None,
    skip: int = 0,
) -> Path:
    """A result store of a part of the map.

    ``second`` changes a second component, of which there is none without it; the first ``skip`` tiles stay
    unwritten.
    """
    components = [sun()] if second is None else [sun(), sun()]
    change(components[0])
    if second is not None:
        second(components[1])
    plan = {"name": "planted", "noise": [1e-3] * 4, "cycles": [{"weights": [1.0, 1.0, 1.0, 1.0]}]}
    known = {"plan": plan, "observation": {"shape": list(WHOLE.shape)}}
    store = ResultStore.create(
        place, grid=TileGrid(window, tile), n_component=len(components), log_tau=TAU,
        wavelength=WAVELENGTH, attrs={**known, **(attrs or {})}, weights=np.ones((4, WAVELENGTH.size)),
    )  # fmt: skip
    sizes = {"log_tau": TAU.size, STOKES_AXIS: 4, "wavelength": WAVELENGTH.size}
    for number, one in enumerate(store.grid):
        if number < skip:
            continue
        part = one.window
        at = slice(part.y0, part.y1), slice(part.x0, part.x1)
        arrays = blank(result_variables(len(components)), part.size, sizes)
        for component, maps in enumerate(components):
            group = component_group("atmosphere", component)
            for name in (*NAMES, "macroturbulence", "filling_factor", "stray_light"):
                arrays[f"{group}/{name}"][:] = maps[name][at].reshape(arrays[f"{group}/{name}"].shape)
        for name in ("chi2", "seconds", "status", "start", "gate"):
            arrays[f"fit/{name}"][:] = components[0][name][at].ravel()
        store.write(one, arrays, observed()[at].reshape(part.size, 4, -1))
    return place


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("reference") / "ref.zarr", tile=(4, 6))


def planted(maps: Maps) -> None:
    maps["temperature"] += 40.0
    maps["velocity"] *= -1.0
    maps["azimuth"] = np.mod(maps["azimuth"] + 177.0, 180.0)
    # Only where there is no polarisation the inclination is wrong.
    maps["inclination"][:, :POLARISED_FROM] += 30.0
    maps["microturbulence"][:] = 1.0
    maps["chi2"][:] = np.where(np.arange(WHOLE.shape[1]) < 3, 1.2, 0.8)
    maps["seconds"][:] = 0.5


def test_planted_differences_come_back(reference: Path, tmp_path: Path) -> None:
    found = compare(reference, made(tmp_path / "other.zarr", planted))
    assert found.pixels == {"all": WHOLE.size, "reached_noise": WHOLE.size}
    for depth in (0.0, -1.0, -2.0):
        temperature = found.row("temperature", depth)
        assert (temperature.bias, temperature.rms) == (pytest.approx(40.0), pytest.approx(40.0))
        assert temperature.correlation == pytest.approx(1.0)
        assert temperature.unit == "K"
        assert found.row("velocity", depth).correlation == pytest.approx(-1.0)
        azimuth = found.row("azimuth", depth)
        assert azimuth.bias == pytest.approx(-3.0, abs=1e-4), "177° forward is 3° back"
        assert azimuth.correlation == pytest.approx(1.0)
        assert math.isnan(found.row("microturbulence", depth).correlation), "OTHER's does not vary"
    ratios = found.ratios()
    assert (ratios.worse, ratios.better) == (pytest.approx(0.2), pytest.approx(0.8))
    assert (ratios.median, ratios.p99) == (pytest.approx(0.8), pytest.approx(1.2))
    assert found.seconds is not None
    assert (found.seconds.reference, found.seconds.other) == (2.0, 0.5)
    assert (found.seconds.ratio, found.seconds.speedup) == (0.25, 4.0)
    assert found.notes == ()


def test_weak_polarisation_is_left_out_of_the_second_judgement(reference: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "other.zarr", planted)
    found = compare(reference, other)
    assert found.row("inclination", 0.0).rms > 10.0
    strong = found.row("inclination", 0.0, polarised=True)
    assert strong.rms == 0.0
    assert strong.pixels == 12 * 10
    # The last column has no linear polarisation, which is what an azimuth needs.
    assert found.row("azimuth", 0.0, polarised=True).pixels == 12 * 9
    # √(Q² + U² + V²) = 34.6 σ, √(Q² + U²) = 28.3 σ, V alone 20 σ.
    for limit, angles in ((30.0, (12 * 9, 0)), (19.0, (12 * 10, 12 * 9)), (40.0, (0, 0))):
        higher = compare(reference, other, min_polarisation=limit)
        counts = tuple(higher.row(q, 0.0, polarised=True).pixels for q in ("inclination", "azimuth"))
        assert counts == angles
    with pytest.raises(InvalidArgumentError, match="at least 0"):
        compare(reference, other, min_polarisation=-1.0)


def test_polarisation_counts_the_noise_of_each_parameter_and_skips_what_was_not_fitted() -> None:
    stokes = np.zeros((3, 4, 5), np.float32)
    stokes[0, 1, 2], stokes[0, 2, 2] = 0.003, 0.008
    stokes[1, 3, 1] = np.nan
    stokes[1, 3, 2] = -0.01
    stokes[2, 1, 4] = 0.5
    weights = np.ones((4, 5))
    weights[:, 4] = 0.0
    linear, total = strongest(stokes, (1.0, 1e-3, 2e-3, 1e-3), weights)
    assert linear == pytest.approx([5.0, 0.0, 0.0], rel=1e-5)
    assert total == pytest.approx([5.0, 10.0, 0.0], rel=1e-5)


def test_only_pixels_that_reached_the_noise(tmp_path: Path) -> None:
    def reference(maps: Maps) -> None:
        maps["chi2"][:, :4] = 1.6  # the median stays 1: above 1.5 times it
        maps["chi2"][0, 0] = np.nan

    def other(maps: Maps) -> None:
        maps["temperature"][:, :4] += 500.0
        maps["chi2"][:, :4] = 8.0

    found = compare(made(tmp_path / "a.zarr", reference), made(tmp_path / "b.zarr", other))
    assert found.noise_limit == pytest.approx(1.5)
    assert found.pixels == {"all": 180, "reached_noise": 132}
    assert found.row("temperature", 0.0).rms > 200.0
    assert found.row("temperature", 0.0, selection="reached_noise").rms == 0.0
    assert found.ratios("all").pixels == 179
    assert found.ratios("all").worse == pytest.approx(47 / 179)
    assert found.ratios("reached_noise").worse == 0.0


def test_statuses_starts_and_gates_are_counted(tmp_path: Path) -> None:
    def reference(maps: Maps) -> None:
        maps["status"][0, :3] = Status.TIMEOUT
        maps["temperature"][0, 1] = 1e6  # whatever a failed pixel holds, it is never compared
        maps["status"][1, 0] = Status.MASKED
        maps["seconds"][1, 0] = 0.0

    def other(maps: Maps) -> None:
        maps["status"][0, 0] = Status.TIMEOUT
        maps["status"][1, 0] = Status.MASKED
        maps["status"][2, :2] = Status.NOT_CONVERGED
        maps["status"][3, :4] = Status.NO_OUTPUT
        maps["start"][:] = Start.CNN
        maps["start"][5] = 200  # of a version yet to come
        maps["gate"][4, :3] = Reason.CHI2
        maps["gate"][4, 2:5] += Reason.NOVEL

    found = compare(made(tmp_path / "a.zarr", reference), made(tmp_path / "b.zarr", other))
    ends = found.ends
    assert ends.status["timeout"] == {"timeout": 1, "ok": 2}
    assert ends.status["masked"] == {"masked": 1}
    assert ends.status["ok"] == {"ok": 180 - 10, "not converged": 2, "no output": 4}
    assert sum(sum(row.values()) for row in ends.status.values()) == WHOLE.size
    assert (ends.lost, ends.gained) == (4, 2)
    assert found.pixels["all"] == 180 - 3 - 1 - 4
    assert ends.starts["reference"] == {"model": 176}
    assert ends.starts["other"] == {"cnn": 180 - 6 - 15, "code 200": 15}
    assert ends.gate["other"] == {"any": 5, "chi2": 3, "novel": 3}
    assert ends.gate["reference"] == {}
    assert found.row("temperature", 0.0).rms == 0.0
    assert found.seconds is not None
    assert found.seconds.pixels == 179, "masked pixels cost nothing and count for nothing"


def test_worst_pixels_are_named_in_the_coordinates_of_the_observation(tmp_path: Path) -> None:
    window = Window(3, 11, 2, 14)

    def other(maps: Maps) -> None:
        maps["chi2"][7, 9], maps["chi2"][4, 4] = 9.0, 5.0
        maps["temperature"][10, 13, TAU == -1.0] -= 800.0
        maps["azimuth"][5, 6] += 60.0
        maps["azimuth"][5, 2] += 80.0  # more, but without polarisation

    found = compare(made(tmp_path / "a.zarr"), made(tmp_path / "b.zarr", other, window))
    worst = {(w.quantity, w.y, w.x): w for w in found.worst}
    assert [(w.y, w.x) for w in found.worst if w.quantity == "chi2"][:2] == [(7, 9), (4, 4)]
    assert worst["chi2", 7, 9].difference == pytest.approx(9.0)
    hot = worst["temperature", 10, 13]
    assert (hot.log_tau, hot.difference) == (-1.0, pytest.approx(-800.0))
    assert (hot.reference_pixel, hot.other_pixel) == ((10, 13), (7, 11))
    assert [(w.y, w.x) for w in found.worst if w.quantity == "azimuth"] == [(5, 6)]
    assert not [w for w in found.worst if w.quantity == "velocity"], "identical pixels are not bad ones"


def test_windows_that_overlap_are_compared_where_both_have_pixels(reference: Path, tmp_path: Path) -> None:
    part = made(tmp_path / "part.zarr", planted, Window(5, 12, 3, 9), tile=(3, 5))
    found = compare(reference, part)
    assert found.region == "5:12,3:9"
    assert found.pixels["all"] == 7 * 6
    assert found.row("temperature", 0.0).bias == pytest.approx(40.0), "the same pixels lie on each other"
    assert any("compared is 5:12,3:9" in note for note in found.notes)
    apart = made(tmp_path / "apart.zarr", window=Window(0, 4, 10, 15), tile=(4, 5))
    with pytest.raises(
        InvalidArgumentError, match=r"covers y,x 5:12,3:9, .* covers y,x 0:4,10:15|found none"
    ):
        compare(part, apart)


def test_no_common_result_is_an_error(reference: Path, tmp_path: Path) -> None:
    def fail(maps: Maps) -> None:
        maps["status"][:] = Status.ENGINE_FAILED

    with pytest.raises(InvalidArgumentError, match="180 and 0 of 180"):
        compare(reference, made(tmp_path / "b.zarr", fail))


def test_what_is_no_store_says_so(reference: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nowhere\.zarr"):
        compare(reference, tmp_path / "nowhere.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises((NotFoundError, DataLossError), match="folder"):
        compare(reference, tmp_path / "folder")
    with pytest.raises(InvalidArgumentError, match="log tau 3 lies outside"):
        compare(reference, reference, log_tau=(3.0,))
    with pytest.raises(InvalidArgumentError, match="at least one log tau"):
        compare(reference, reference, log_tau=())


def test_what_spoils_the_numbers_is_noted(reference: Path, tmp_path: Path) -> None:
    plan = {"noise": [2e-3] * 4, "cycles": [{"weights": [1.0, 4.0, 4.0, 2.0]}]}
    other = {"plan": plan, "identity": {"input": {"content": "b"}}}
    first = made(tmp_path / "a.zarr", tile=(4, 6), attrs={"identity": {"input": {"content": "a"}}}, skip=2)
    notes = " | ".join(compare(first, made(tmp_path / "b.zarr", attrs=other)).notes)
    for words in ("48 of 180 pixels have not run", "observations differ", "noise differs", "weights differ"):
        assert words in notes


def test_depths_between_points_are_interpolated() -> None:
    level = Level.of(TAU, -0.7, "x")
    assert level.take("temperature", np.array([2.0 * TAU + 5.0])) == pytest.approx([3.6])
    turning = np.where(TAU >= -0.5, 178.0, 8.0)
    # From 178° at −0.5 to 8° = 188° at −1.
    assert level.take("azimuth", turning) == pytest.approx(2.0, abs=1e-5)
    exact = Level.of(TAU, -1.0, "x")
    assert exact.take("temperature", 2.0 * TAU) == pytest.approx(-2.0)
    holed = np.where(TAU == -0.5, np.nan, 1.0)
    assert np.isnan(level.take("temperature", holed))
    assert exact.take("temperature", holed) == 1.0


def test_depth_axes_may_differ(reference: Path, tmp_path: Path) -> None:
    axis = TAU[::-1][::2].copy()  # coarser, and the other way round: −3, −2, −1, 0, 1
    maps = sun()
    rows = [int(np.flatnonzero(tau == TAU)[0]) for tau in axis]
    arrays = {name: maps[name][..., rows] for name in NAMES}
    np.savez(tmp_path / "coarse.npz", log_tau=axis, **arrays)
    found = compare(reference, tmp_path / "coarse.npz", log_tau=(0.0, -1.5))
    assert found.row("temperature", 0.0).rms == pytest.approx(0.0, abs=1e-2)
    assert found.row("temperature", -1.5).rms == pytest.approx(0.0, abs=1e-2), "it is linear in log tau"


def test_numbers_of_a_whole_pixel_are_compared_where_they_vary(reference: Path, tmp_path: Path) -> None:
    def other(maps: Maps) -> None:
        maps["macroturbulence"] += 0.25
        maps["stray_light"][3, 3] = 0.2

    found = compare(reference, made(tmp_path / "b.zarr", other))
    assert found.row("macroturbulence").bias == pytest.approx(0.25)
    assert found.row("stray_light").rms == pytest.approx(0.2 / math.sqrt(180))
    with pytest.raises(NotFoundError, match="filling_factor"):
        found.row("filling_factor")


def test_a_second_component_where_both_have_one(tmp_path: Path) -> None:
    def hot(maps: Maps) -> None:
        maps["temperature"] += 300.0

    two = made(tmp_path / "a.zarr", second=unchanged)
    found = compare(two, made(tmp_path / "b.zarr", second=hot))
    assert found.row("temperature", 0.0).rms == 0.0
    assert found.row("temperature", 0.0, component=2).bias == pytest.approx(300.0)
    single = compare(two, made(tmp_path / "c.zarr", hot))
    assert {row.component for row in single.rows} == {1}


def truth_arrays(change: Change = unchanged) -> dict[str, npt.NDArray[Any]]:
    maps = sun()
    change(maps)
    return {name: maps[name].astype(np.float32) for name in (*NAMES, "macroturbulence")} | {"log_tau": TAU}


def test_both_against_the_truth_over_the_same_pixels(tmp_path: Path) -> None:
    def reference(maps: Maps) -> None:
        maps["temperature"] += 50.0

    def other(maps: Maps) -> None:
        maps["temperature"] -= 20.0
        maps["temperature"][0, 0] = np.nan
        maps["azimuth"] = np.mod(maps["azimuth"] + 6.0, 180.0)

    np.savez(tmp_path / "truth.npz", **truth_arrays())
    one, two = made(tmp_path / "a.zarr", reference), made(tmp_path / "b.zarr", other)
    found = compare(one, two, tmp_path / "truth.npz")
    row = found.truth_row("temperature", -1.0)
    assert (row.reference.bias, row.other.bias) == (pytest.approx(50.0), pytest.approx(-20.0))
    assert row.reference.pixels == row.other.pixels == 179
    assert row.ratio == pytest.approx(0.4)
    assert found.truth_row("azimuth", 0.0, polarised=True).other.rms == pytest.approx(6.0, abs=1e-4)
    assert found.truth_row("macroturbulence").other.rms == 0.0
    # A store and an atmosphere in memory serve as well, with the same numbers.
    truth = made(tmp_path / "truth.zarr")
    flat = {
        name: np.asarray(values, float).reshape(-1, *values.shape[2:])
        for name, values in sun().items()
        if name in (*NAMES, "macroturbulence", "filling_factor", "stray_light")
    }
    for same in (truth, Atmosphere(log_tau=TAU, **flat)):
        again = compare(one, two, same)
        assert again.truth_row("temperature", -1.0) == row
    with pytest.raises(NotFoundError, match="truth of density"):
        found.truth_row("density", 0.0)


def test_a_truth_in_the_columns_of_a_model_file(reference: Path, tmp_path: Path) -> None:
    maps = sun()
    table = np.zeros((*WHOLE.shape, TAU.size, 11))
    table[..., 0] = TAU
    table[..., 1] = maps["temperature"]
    table[..., 3] = maps["microturbulence"] * 1e5
    table[..., 4] = maps["field_strength"]
    table[..., 5] = (maps["velocity"] - 0.5) * 1e5
    table[..., 6] = maps["inclination"]
    table[..., 7] = maps["azimuth"] + 180.0
    np.savez(tmp_path / "truth.npz", atm=table)
    found = compare(reference, reference, tmp_path / "truth.npz")
    errors = {row.quantity: row.other for row in found.against_truth if row.log_tau == 0.0}
    assert errors["velocity"].bias == pytest.approx(0.5, abs=1e-5), "cm/s became km/s"
    for name in ("temperature", "microturbulence", "field_strength", "inclination", "azimuth"):
        assert errors[name].rms == pytest.approx(0.0, abs=1e-3)


def test_the_truth_of_a_part_lies_where_the_part_does(tmp_path: Path) -> None:
    window = Window(2, 9, 4, 12)
    part = made(tmp_path / "part.zarr", window=window)
    arrays = truth_arrays()
    cut = {name: values[2:9, 4:12] if name != "log_tau" else values for name, values in arrays.items()}
    np.savez(tmp_path / "whole.npz", **arrays)
    np.savez(tmp_path / "cut.npz", **cut)
    for name in ("whole.npz", "cut.npz"):
        assert compare(part, part, tmp_path / name).truth_row("temperature", 0.0).other.rms == 0.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"stokes": np.zeros((3, 3))}, "found stokes"),
        ({"log_tau": TAU, "temperature": np.zeros((3, 4, TAU.size))}, "12×15 pixels, found 3×4"),
        ({"log_tau": TAU, "temperature": np.zeros((12, 15, 4))}, "temperature: expected"),
        ({"log_tau": TAU, "temperature": np.zeros((12, 15))}, "found shape"),
        ({"log_tau": TAU[[0, 2, 1]], "temperature": np.zeros((12, 15, 3))}, "ordered axis"),
        ({"log_tau": TAU, "temperature": np.array([{}])}, "plain arrays"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(
    content: dict[str, Any], words: str, reference: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "truth.npz", **content)
    with pytest.raises(InvalidArgumentError, match=words):
        compare(reference, reference, tmp_path / "truth.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(InvalidArgumentError, match=r"broken\.npz: not a readable"):
        compare(reference, reference, tmp_path / "broken.npz")


def test_an_archive_stands_in_for_a_result(reference: Path, tmp_path: Path) -> None:
    arrays = truth_arrays()
    arrays["temperature"][2, 2] = np.nan
    shape = WHOLE.shape
    np.savez(tmp_path / "sir.npz", **arrays, chi2=np.full(shape, 2.0), seconds=np.full(shape, 8.0))
    found = compare(tmp_path / "sir.npz", reference)
    assert found.pixels["all"] == 179
    assert found.ratios().median == pytest.approx(0.5)
    assert found.seconds is not None
    assert found.seconds.speedup == 4.0
    assert found.ends.status == {}
    assert found.row("inclination", 0.0, polarised=True).pixels > 0, "the observation is OTHER's"
    bare = tmp_path / "bare.npz"
    np.savez(bare, **truth_arrays())
    nothing = compare(bare, bare)
    assert nothing.chi2 == ()
    assert nothing.seconds is None
    assert "reached_noise" not in nothing.pixels
    assert any("no observation" in note for note in nothing.notes)
    printed = text_of(nothing)
    assert "no χ² on both sides" in printed
    refused = CliRunner().invoke(app, ["compare", str(bare), str(bare), "--reached-noise"])
    assert refused.exit_code == 2


def test_a_tree_in_memory_is_compared_like_its_store(reference: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "b.zarr", planted)
    stored = compare(reference, other)
    tree = compare(ResultStore.read(reference), ResultStore.read(other).tree())
    # As text: NaN, which is not equal to itself, is a number like others here.
    assert json.dumps(replace(tree, other=stored.other).as_dict()) == json.dumps(stored.as_dict())


def test_blocks_cut_at_chunks_cover_every_pixel_once(
    reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(reference, reference)
    source = StoreSource.open(reference)
    for most in (1, 30 * 4, 100 * 4, 1 << 20):
        monkeypatch.setattr(stores, "BLOCK_BYTES", most)
        for window in (WHOLE, Window(3, 11, 2, 14)):
            count = np.zeros(WHOLE.shape, int)
            for block in source.blocks(window, 4):
                count[block.y0 : block.y1, block.x0 : block.x1] += 1
                # Within a tile, or along its edges.
                assert block.size <= max(4 * 6, most // 4)
            inside = np.zeros(WHOLE.shape, bool)
            inside[window.y0 : window.y1, window.x0 : window.x1] = True
            assert (count == inside).all()
        again = load(reference, reference)
        for key, values in whole.reference.levels.items():
            assert np.array_equal(values, again.reference.levels[key])
        assert whole.polarisation is not None
        assert again.polarisation is not None
        assert np.array_equal(whole.polarisation.linear, again.polarisation.linear)


def text_of(found: Comparison, selection: str = "all", width: int = 80) -> str:
    """The tables as a terminal shows them."""
    console = Console(width=width, file=io.StringIO())
    console.print(render(found, selection))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_tables_fit_a_terminal_and_name_units(reference: Path, tmp_path: Path) -> None:
    found = compare(reference, made(tmp_path / "b.zarr", planted), made(tmp_path / "t.zarr"))
    text = text_of(found)
    assert "180 pixels with a result in both" in text
    assert "…" not in text, "a table was cut"
    rows = [line.split() for line in text.splitlines()]
    assert ["T", "[K]", "0", "180", "1.0000", "40", "40"] in [row[:7] for row in rows]
    assert any(row[:2] == ["χ", "[°]"] for row in rows)
    assert any(row[:3] == ["γ", "[°]", ">5σ"] for row in rows)
    assert "4 times" in text.replace("\n", " ")
    assert "median" not in text_of(found, "reached_noise").split("χ² and cost")[0].split("r:")[0]
    assert "where REF reached the noise" in text_of(found, "reached_noise")


def test_json_is_complete_and_strict(reference: Path, tmp_path: Path) -> None:
    found = compare(reference, made(tmp_path / "b.zarr", planted))
    record = json.loads(as_json(found))
    assert record == found.as_dict()
    row = next(r for r in record["rows"] if r["quantity"] == "temperature" and r["log_tau"] == -1.0)
    assert row["bias"] == pytest.approx(40.0)
    assert row["ellipse"]["tilt"] == pytest.approx(45.0)
    still = [r for r in record["rows"] if r["quantity"] == "microturbulence"]
    assert {r["correlation"] for r in still} == {None}, "NaN is no JSON"
    assert record["seconds"]["speedup"] == 4.0
    assert record["ends"]["status"] == {"ok": {"ok": 180}}
    assert len(record["worst"][0]["other_pixel"]) == 2


def slim(place: Path, change: Change = unchanged, at: tuple[slice, slice] = np.s_[:, :]) -> Path:
    """An archive with few quantities: drawing them all takes its time."""
    maps = sun()
    change(maps)
    fields = {name: maps[name][at].astype(np.float32) for name in ("temperature", "azimuth", "chi2")}
    np.savez(place, log_tau=TAU, **fields)
    return place


def test_figures_show_what_differs(tmp_path: Path) -> None:
    def spot(maps: Maps) -> None:
        maps["temperature"][4:8, 6:10] += 900.0
        maps["temperature"][0, 0] = np.nan

    report = tmp_path / "new" / "report"
    report.mkdir(parents=True)
    (report / "own.txt").write_text("mine")
    one, two = slim(tmp_path / "a.npz"), slim(tmp_path / "b.npz", spot)
    compare(one, one, output=tmp_path / "plain", log_tau=(0.0,))
    compare(one, two, output=report, log_tau=(0.0,))
    names = {"map-temperature.png", "map-azimuth.png", "correlations.png", "chi2.png", "comparison.json"}
    assert {path.name for path in (tmp_path / "plain").iterdir()} == names
    assert (report / "own.txt").read_text() == "mine"

    def coloured(folder: Path) -> float:
        """Share of the difference's panel that is green or purple: the right third without its colour bar."""
        picture = imread(folder / "map-temperature.png")[..., :3]
        width = picture.shape[1]
        panel = picture[:, int(0.68 * width) : int(0.9 * width)]
        return float((np.ptp(panel, axis=2) > 0.15).mean())

    assert coloured(tmp_path / "plain") == 0.0
    assert coloured(report) > 0.02


def test_results_without_chi_square_or_with_one_pixel_are_drawn(tmp_path: Path) -> None:
    arrays = {name: values for name, values in truth_arrays().items() if name in ("log_tau", "velocity")}
    np.savez(tmp_path / "a.npz", temperature=np.full((12, 15, TAU.size), 5e3), **arrays)
    compare(tmp_path / "a.npz", tmp_path / "a.npz", output=tmp_path / "bare", log_tau=(-1.0,))
    assert not (tmp_path / "bare" / "chi2.png").exists()
    assert (tmp_path / "bare" / "map-velocity.png").stat().st_size > 10_000
    one = slim(tmp_path / "one.npz", at=np.s_[3:4, 8:9])
    found = compare(one, one, output=tmp_path / "one", log_tau=(0.0,))
    assert found.pixels["all"] == 1
    assert math.isnan(found.row("temperature", 0.0).correlation)
    assert (tmp_path / "one" / "correlations.png").stat().st_size > 10_000
    assert "–" in text_of(found)


def test_the_command(reference: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "b.zarr", planted)
    np.savez(tmp_path / "truth.npz", **truth_arrays())

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, ["compare", *map(str, arguments)])

    shown = run(reference, other, "--truth", tmp_path / "truth.npz", "--log-tau", "0,-1.5")
    assert shown.exit_code == 0, shown.output
    assert "180 pixels" in shown.output
    assert "−1.5" in shown.output
    assert "rms OTHER" in shown.output
    few = slim(tmp_path / "a.npz"), slim(tmp_path / "b.npz")
    written = run(*few, "-o", tmp_path / "report", "--reached-noise", "--json", "--log-tau", "0")
    record = json.loads(written.stdout)
    assert record["pixels"]["reached_noise"] == 180
    assert json.loads((tmp_path / "report" / "comparison.json").read_text(encoding="utf-8")) == record
    for arguments, words in (
        ((reference, tmp_path / "nowhere.zarr"), "no such result store"),
        ((reference, other, "--log-tau", "deep"), "not a number"),
        ((reference, other, "--log-tau", "7"), "outside"),
        ((reference, other, "--min-polarisation", "-3"), "min-polarisation"),
    ):
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert words in " ".join(refused.output.split())
