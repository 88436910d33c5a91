from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stokeswarm.client.readers import Observation, ReadError, read
from stokeswarm.client.readers.axes import arrange, find_axes
from stokeswarm.client.sources import source
from stokeswarm.client.wavelengths import air_to_vacuum, vacuum_to_air
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError, UnsupportedError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import invalid_reason
from stokeswarm.contract.status import ContinuumReference

WAVELENGTH = np.asarray(6300.9 + 0.0215 * np.arange(60), dtype=np.float64)
ORDERS = ("yxsw", "yxws", "swyx", "wsyx", "syxw", "wyxs", "xysw")


def cube(ny: int = 3, nx: int = 5) -> np.ndarray:
    """A cube (y, x, 4, wavelength) in which every pixel differs."""
    line = 1.0 - 0.6 * np.exp(-0.5 * ((WAVELENGTH - 6301.5012) / 0.06) ** 2)
    level = 1.0 + 0.01 * np.arange(ny * nx).reshape(ny, nx)
    stokes = np.zeros((ny, nx, 4, WAVELENGTH.size), np.float32)
    stokes[:, :, 0] = level[..., None] * line
    stokes[:, :, 1:] = 0.01 * np.gradient(line)
    return stokes


def write_npz(path: Path, **changes: Any) -> Path:
    content = {"stokes": cube(), "wavelength": WAVELENGTH} | changes
    np.savez(path, **{key: value for key, value in content.items() if value is not None})
    return path


def write_fits(
    path: Path, data: np.ndarray, wavelength: Any = WAVELENGTH, unit: str = "Angstrom", **keys: Any
) -> Path:
    hdus = fits.HDUList([fits.PrimaryHDU(data)])
    for key, value in keys.items():
        hdus[0].header[key] = value
    if wavelength is not None:
        axis = fits.ImageHDU(np.asarray(wavelength, np.float64), name="WAVELENGTH")
        axis.header["UNIT"] = unit
        hdus.append(axis)
    hdus.writeto(path)
    return path


def permuted(data: np.ndarray, order: str) -> np.ndarray:
    return np.transpose(data, ["yxsw".index(letter) for letter in order])


# ---- what is recognised --------------------------------------------------------------------------------


def test_the_real_hinode_patch(data_dir: Path) -> None:
    path = data_dir / "observed/hinode_sp_5x5/hinode4d.20130912.sample.fits"
    observation = read(path)
    with fits.open(path) as hdus:
        counts, axis = hdus[0].data, hdus[1].data
        level = hdus[2].header["IC_HSRA"]
    assert observation.shape == (5, 5)
    np.testing.assert_allclose(observation.stokes, counts / level, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(observation.wavelength, axis)
    assert observation.reference is ContinuumReference.DISC_CENTRE
    for word in ("FITS", "WAVELENGTH", "y, x, stokes, wavelength", "IC_HSRA", "disc-centre"):
        assert word in observation.recognised
    assert observation.header["NX"] == 5
    assert observation.identity is not None
    assert observation.identity.size == path.stat().st_size
    assert len(observation.identity.sha256) == 64
    assert not observation.invalid_pixels()


@pytest.mark.parametrize("order", ORDERS)
def test_fits_axes_are_found_in_any_order(tmp_path: Path, order: str) -> None:
    # y and x cannot be told apart by their lengths, so xysw needs to be said
    hint: dict[str, Any] = {"axes": order} if order == "xysw" else {}
    observation = read(write_fits(tmp_path / "a.fits", permuted(cube(), order)), **hint)
    np.testing.assert_array_equal(observation.stokes, cube())
    assert observation.shape == (3, 5)


def test_fits_labels_decide_where_lengths_cannot(tmp_path: Path) -> None:
    data = np.zeros((4, 4, 4, 4), np.float32)  # every axis is four long
    data[:, :, 0] = 1.0
    labels: dict[str, Any] = {"CTYPE4": "AWAV", "CTYPE3": "STOKES", "CTYPE2": "SOLY", "CTYPE1": "SOLX"}
    path = write_fits(tmp_path / "a.fits", np.transpose(data, (3, 2, 0, 1)), WAVELENGTH[:4], **labels)
    observation = read(path)
    assert "axis labels" in observation.recognised
    assert (observation.stokes[:, :, 0] == 1.0).all()
    assert (observation.stokes[:, :, 1:] == 0.0).all()


def test_fits_wavelengths_from_the_wcs(tmp_path: Path) -> None:
    keys: dict[str, Any] = {
        "CTYPE1": "AWAV",
        "CUNIT1": "nm",
        "CRVAL1": 630.09,
        "CRPIX1": 1.0,
        "CDELT1": 0.00215,
    }
    observation = read(write_fits(tmp_path / "a.fits", cube(), None, **keys))
    np.testing.assert_allclose(observation.wavelength, WAVELENGTH, rtol=0, atol=1e-9)
    vacuum = air_to_vacuum(WAVELENGTH)
    keys |= {
        "CTYPE1": "WAVE",
        "CUNIT1": "m",
        "CRVAL1": vacuum[0] * 1e-10,
        "CDELT1": (vacuum[-1] - vacuum[0]) / 59e10,
    }
    in_vacuum = read(write_fits(tmp_path / "b.fits", cube(), None, **keys))
    np.testing.assert_allclose(in_vacuum.wavelength, WAVELENGTH, rtol=0, atol=1e-5)
    assert any("vacuum to air" in note for note in in_vacuum.notes)


def test_fits_wavelengths_from_a_table(tmp_path: Path) -> None:
    column = fits.Column("LAMBDA", "D", unit="nm", array=WAVELENGTH / 10)
    hdus = fits.HDUList([fits.PrimaryHDU(cube()), fits.BinTableHDU.from_columns([column])])
    hdus.writeto(tmp_path / "a.fits")
    np.testing.assert_allclose(read(tmp_path / "a.fits").wavelength, WAVELENGTH, rtol=0, atol=1e-9)


def test_npz_with_its_companions(tmp_path: Path) -> None:
    mask = np.zeros((3, 5), bool)
    mask[1, 2] = True
    weights = np.ones((4, 60), np.float32)
    weights[0, :10] = 0
    path = write_npz(
        tmp_path / "a.npz", reference="disc-centre", noise=np.array([1e-3, 2e-3, 3e-3, 4e-3]),
        mask=mask, weights=weights,
    )  # fmt: skip
    observation = read(path)
    np.testing.assert_array_equal(observation.stokes, cube())
    assert observation.reference is ContinuumReference.DISC_CENTRE
    assert observation.noise == (1e-3, 2e-3, 3e-3, 4e-3)
    assert observation.mask is not None
    assert observation.mask[1, 2]
    np.testing.assert_array_equal(observation.weights, weights)


def test_the_benchmark_map(data_dir: Path) -> None:
    observation = read(data_dir / "map/map.npz")
    assert observation.shape == (24, 40)
    assert observation.noise == pytest.approx((1e-3,) * 4)
    assert any("does not name its continuum reference" in note for note in observation.notes)


def test_an_unlabelled_file_takes_the_reference_of_the_plan(tmp_path: Path) -> None:
    plan = Plan("p", hinode_sp().regions, reference=ContinuumReference.DISC_CENTRE)
    path = write_npz(tmp_path / "a.npz")
    assert read(path, plan=plan).reference is ContinuumReference.DISC_CENTRE
    assert read(path).reference is ContinuumReference.LOCAL_QUIET_SUN
    assert read(path, plan=plan, reference="local-quiet-sun").reference is ContinuumReference.LOCAL_QUIET_SUN


def test_a_real_sir_profile(data_dir: Path) -> None:
    folder = data_dir / "golden/inversion/ex2_penumbra_psf/input"
    observation = read(folder / "inver-darkcores2-105-68.per", lines=folder / "LINES")
    assert observation.shape == (1, 1)
    assert observation.reference is ContinuumReference.DISC_CENTRE
    assert observation.wavelength[0] == pytest.approx(6301.5012 - 0.583463, abs=1e-9)
    np.testing.assert_allclose(
        observation.stokes[0, 0, :, 0], [0.736471, -0.00193873, 0.000458245, -0.000458245], rtol=1e-6
    )
    beside = read(folder / "inver-darkcores2-105-68.per")
    np.testing.assert_array_equal(beside.wavelength, observation.wavelength)
    assert any("LINES" in note for note in beside.notes)


def test_missing_samples_of_a_sir_profile(data_dir: Path) -> None:
    path = data_dir / "observed/sir_course/IBIS_penumb6173.per"
    observation = read(path, lines=data_dir / "golden/synthesis/LINES")
    assert np.isnan(observation.stokes).sum() == 120
    np.testing.assert_allclose(
        observation.stokes[0, 0, :, 3], [0.858194, 0.00102226, -0.00863686, 0.00960515]
    )
    assert not observation.invalid_pixels()


def test_zarr_at_the_top_and_as_a_result_store(tmp_path: Path) -> None:
    top = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    top.create_array("stokes", data=cube())
    top.create_array("wavelength", data=WAVELENGTH)
    top.attrs["reference"] = "disc-centre"
    observation = read(tmp_path / "a.zarr")
    np.testing.assert_array_equal(observation.stokes, cube())
    assert observation.reference is ContinuumReference.DISC_CENTRE

    store = zarr.open_group(str(tmp_path / "b.zarr"), mode="w")
    store.create_array("wavelength", data=WAVELENGTH)
    store.create_group("observation").create_array("stokes", data=cube())
    again = read(tmp_path / "b.zarr")
    np.testing.assert_array_equal(again.stokes, cube())
    assert "observation" in again.recognised
    assert again.identity is not None
    assert observation.identity is not None
    assert again.identity.sha256 == observation.identity.sha256


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_urls(memory: Any) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, stokes=cube(), wavelength=WAVELENGTH)
    memory.pipe("/bucket/a.npz", buffer.getvalue())
    observation = read("memory://bucket/a.npz")
    np.testing.assert_array_equal(observation.stokes, cube())
    assert observation.source == "memory://bucket/a.npz"
    with pytest.raises(NotFoundError, match=r"b\.npz"):
        read("memory://bucket/b.npz")


def test_credentials_do_not_reach_messages(memory: Any) -> None:
    memory.pipe("/a.npz", b"")
    found = source("memory://user:secret@host/a.npz") if memory.exists("user:secret@host/a.npz") else None
    assert found is None
    shown = source("memory://a.npz")
    assert shown.display == "memory://a.npz"
    masked = type(shown)("s3://key:secret@bucket/a.npz?token=1", memory, "a.npz", is_local=False)
    assert masked.display == "s3://bucket/a.npz"


# ---- what is changed, and said -------------------------------------------------------------------------


def test_counts_are_divided_where_the_level_is_given(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", stokes=cube() * 30000, noise=30.0)
    observation = read(path, continuum=30000.0)
    np.testing.assert_allclose(observation.stokes, cube(), rtol=1e-6)
    assert observation.noise == pytest.approx((1e-3,) * 4)
    own = read(path, continuum="map")
    assert np.median(own.stokes[:, :, 0].max(axis=-1)) == pytest.approx(1.0, abs=2e-3)
    assert own.reference is ContinuumReference.LOCAL_QUIET_SUN


def test_nanometres_are_converted_where_the_file_says_so(tmp_path: Path) -> None:
    observation = read(write_fits(tmp_path / "a.fits", cube(), WAVELENGTH / 10, unit="nm"))
    np.testing.assert_allclose(observation.wavelength, WAVELENGTH, rtol=0, atol=1e-9)
    assert "from nm" in observation.recognised


def test_a_falling_axis_is_reversed_with_everything_on_it(tmp_path: Path) -> None:
    weights = np.linspace(0, 1, 240, dtype=np.float32).reshape(4, 60)
    path = write_npz(
        tmp_path / "a.npz", stokes=cube()[..., ::-1], wavelength=WAVELENGTH[::-1], weights=weights[:, ::-1]
    )
    observation = read(path)
    np.testing.assert_array_equal(observation.wavelength, WAVELENGTH)
    np.testing.assert_array_equal(observation.stokes, cube())
    np.testing.assert_array_equal(observation.weights, weights)
    assert any("reversed" in note for note in observation.notes)


def test_the_sentinel_becomes_missing(tmp_path: Path) -> None:
    stokes = cube()
    stokes[0, 0, :, 7] = 5.0
    observation = read(write_npz(tmp_path / "a.npz", stokes=stokes), sentinel=5.0)
    assert np.isnan(observation.stokes[0, 0, :, 7]).all()
    assert np.isnan(observation.stokes).sum() == 4
    assert any("4 samples" in note for note in observation.notes)


def test_stokes_parameters_are_reordered(tmp_path: Path) -> None:
    stokes = cube()
    stokes[:, :, 3] = 0.3
    path = write_npz(tmp_path / "a.npz", stokes=stokes[:, :, [0, 3, 1, 2]])
    np.testing.assert_array_equal(read(path, stokes_order="IVQU").stokes, stokes)


def test_bad_pixels_are_counted_not_fatal(tmp_path: Path) -> None:
    stokes = cube()
    stokes[0, 1] = np.nan
    stokes[2, 4] = 0.0
    stokes[1, 1, 0, 5] = np.nan
    observation = read(write_npz(tmp_path / "a.npz", stokes=stokes))
    invalid = observation.invalid_pixels()
    assert set(invalid) == {(0, 1), (2, 4)}
    assert "NaN" in invalid[0, 1]
    assert "zero" in invalid[2, 4]
    for y, x in np.ndindex(observation.shape):
        assert bool(invalid_reason(observation.stokes[y, x])) == ((y, x) in invalid)
    mean = observation.mean_profile()
    others = [(y, x) for y in range(3) for x in range(5) if (y, x) not in invalid]
    np.testing.assert_allclose(mean[0, 0], np.mean([stokes[p][0, 0] for p in others]), rtol=1e-6)


# ---- bad input, clear answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stokes": cube() * 30000}, ("counts", "continuum=")),
        ({"wavelength": WAVELENGTH / 10}, ("nanometres", "unit='nm'")),
        ({"wavelength": np.arange(60) * 21.5 - 600}, ("Å", "offsets")),
        ({"wavelength": None}, ("wavelength", "missing", "stokes")),
        ({"stokes": None, "data": cube()}, ("'stokes'", "missing", "data")),
        ({"stokes": cube()[:, :, :3]}, ("axis order", "(3, 5, 3, 60)")),
        ({"stokes": cube()[:, :, [3, 1, 2, 0]]}, ("I, Q, U, V", "brighter", "stokes_order")),
        ({"stokes": cube().astype(complex)}, ("real numbers", "complex")),
        ({"stokes": cube()[:0]}, ("at least one pixel",)),
        ({"reference": "solar"}, ("reference", "disc-centre", "solar")),
        ({"mask": np.zeros((2, 2), bool)}, ("mask", "(3, 5)", "(2, 2)")),
        ({"noise": np.array([1e-3, 0.0, 1e-3, 1e-3])}, ("noise", "positive")),
        ({"weights": -np.ones((4, 60))}, ("weights", ">= 0")),
        ({"wavelength": np.full(60, 6301.0)}, ("wavelength", "twice")),
        ({"wavelength": np.full(60, np.nan)}, ("wavelength", "finite")),
    ],
)
def test_a_bad_archive_names_what_is_wrong(
    tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    path = write_npz(tmp_path / "bad.npz", **changes)
    with pytest.raises(ReadError) as caught:
        read(path)
    for word in ("bad.npz", *words):
        assert word in str(caught.value)


def test_a_bad_fits_file_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no wavelengths.*AWAV.*wavelength=") as caught:
        read(write_fits(tmp_path / "a.fits", cube(), None))
    assert "a.fits" in str(caught.value)
    with pytest.raises(ReadError, match="counts"):
        read(write_fits(tmp_path / "b.fits", cube() * 1000))
    (tmp_path / "c.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:4000])
    with pytest.warns(AstropyUserWarning, match="truncated"), pytest.raises(ReadError, match=r"c\.fits"):
        read(tmp_path / "c.fits")
    given = read(tmp_path / "a.fits", wavelength=WAVELENGTH)
    np.testing.assert_array_equal(given.wavelength, WAVELENGTH)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", stokes=np.array([{}], dtype=object), wavelength=WAVELENGTH)
    with pytest.raises(ReadError, match="plain arrays"):
        read(tmp_path / "a.npz")


def test_unknown_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello there")
    with pytest.raises(ReadError, match=r"not recognised.*FITS cube"):
        read(tmp_path / "a.txt")
    (tmp_path / "b.fits").touch()
    with pytest.raises(ReadError, match="empty"):
        read(tmp_path / "b.fits")
    with pytest.raises(NotFoundError, match="nowhere"):
        read(tmp_path / "nowhere.fits")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ReadError, match="no Zarr group"):
        read(tmp_path / "folder")


def test_a_hinode_level_1_folder_is_recognised(tmp_path: Path) -> None:
    for second in range(3):
        (tmp_path / f"SP3D20130912_08304{second}.4C.fits").touch()
    with pytest.raises(UnsupportedError, match=r"level-1 folder of 3 slit positions"):
        read(tmp_path)


def test_a_sir_profile_without_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.per").write_text(" 1 0.0 1.0 0.0 0.0 0.0\n 1 20.0 1.0 0.0 0.0 0.0\n")
    with pytest.raises(ReadError, match=r"line 1, whose wavelength is not known"):
        read(tmp_path / "a.per")
    plan = Plan("p", hinode_sp().regions)
    assert read(tmp_path / "a.per", plan=plan).wavelength[0] == 6301.5012


@pytest.mark.parametrize(
    ("hint", "word"),
    [
        ({"axes": "yxsq"}, "'q'"),
        ({"axes": "yysw"}, "each once"),
        ({"stokes_order": "IQQV"}, "IVQU"),
        ({"medium": "water"}, "vacuum"),
        ({"continuum": -1.0}, "positive"),
        ({"reference": "sun"}, "disc-centre"),
        ({"format": "hdf5"}, "fits"),
    ],
)
def test_bad_hints(tmp_path: Path, hint: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidArgumentError, match=word):
        read(write_npz(tmp_path / "a.npz"), **hint)


# ---- the parts -----------------------------------------------------------------------------------------


def test_observation_crops_and_hands_out_spectra() -> None:
    observation = Observation(cube(), WAVELENGTH, mask=np.eye(3, 5, dtype=bool))
    part = observation.crop(slice(1, 3), slice(2, 5))
    assert part.shape == (2, 3)
    assert part.mask is not None
    assert part.mask[1, 0]
    spectra = observation.spectra(slice(1, 3), slice(2, 5))
    np.testing.assert_array_equal(spectra.stokes[4], cube()[2, 3])
    with pytest.raises(InvalidArgumentError, match="no pixel"):
        observation.crop(slice(3, 9), slice(0, 1))
    with pytest.raises(SpectraError, match=r"\(y, x, 4, 60\)"):
        Observation(cube()[0], WAVELENGTH)


@given(
    order=st.permutations(("y", "x", "stokes", "wavelength")),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(5, 40)),
)
def test_told_axes_always_come_back_in_order(order: list[str], shape: tuple[int, int, int]) -> None:
    ny, nx, n = shape
    data = np.arange(ny * nx * 4 * n).reshape(ny, nx, 4, n)
    names = ("y", "x", "stokes", "wavelength")
    moved = np.transpose(data, [names.index(axis) for axis in order])
    axes, _ = find_axes(moved.shape, n, "file", hint=order)
    np.testing.assert_array_equal(arrange(moved, axes), data)


def test_ambiguous_axes_ask() -> None:
    with pytest.raises(ReadError, match=r"more than one axis order.*axes="):
        find_axes((4, 4, 60, 7), 60, "file")
    axes, evidence = find_axes((3, 4, 4, 60), 60, "file")
    assert axes == ("y", "x", "stokes", "wavelength")
    assert "usual order" in evidence
    assert find_axes((4, 60), 60, "file")[0] == ("stokes", "wavelength")
    assert find_axes((7, 4, 60), 60, "file")[0] == ("x", "stokes", "wavelength")


def test_vacuum_and_air() -> None:
    # Fe I 6302.4936 in air: 6304.236 in vacuum; 15648.492: 15652.768 (NIST's conversion to 1 mÅ)
    np.testing.assert_allclose(
        air_to_vacuum([6302.4936, 15648.492]), [6304.2366, 15652.768], rtol=0, atol=2e-3
    )


@given(hnp.arrays(np.float64, 5, elements=st.floats(2000.0, 60000.0)))
def test_vacuum_and_air_are_inverse(wavelength: np.ndarray) -> None:
    np.testing.assert_allclose(vacuum_to_air(air_to_vacuum(wavelength)), wavelength, rtol=1e-12)
    assert (air_to_vacuum(wavelength) > wavelength).all()
