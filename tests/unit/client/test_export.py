"""FITS export: units, types, axes and the shifted WCS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from stokeswarm.client.export import export_fits
from stokeswarm.client.layout import blank, result_variables
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import TileGrid, Window
from stokeswarm.contract.errors import OutputExistsError
from stokeswarm.contract.status import Status

TAU = np.array([1.0, 0.0, -1.0, -2.0])
WINDOW = Window(2, 5, 4, 6)


def store(place: Path, temperature: float = 5000.0, azimuth: float = 10.0, window: Window = WINDOW) -> Path:
    attrs = {
        "identity": {"input": {"sha256": "abc"}},
        "software": {"stokeswarm": "1"},
        "engine": {"name": "lte", "version": "1", "digest": "d"},
        "models": [{"name": "net", "version": "2", "digest": "n"}],
        "plan": {"name": "p"},
        "start": "cnn:net",
        "header": {
            "CTYPE1": "HPLN-TAN",
            "CRPIX1": 10.0,
            "CRVAL1": -30.0,
            "CDELT1": 0.3,
            "TELESCOP": "Hinode",
        },
    }
    made = ResultStore.create(
        place, grid=TileGrid(window, window.shape), n_component=1, log_tau=TAU,
        wavelength=np.array([6301.0, 6301.1]), attrs=attrs,
    )  # fmt: skip
    n = window.size
    arrays = blank(result_variables(1), n, {"log_tau": 4, "stokes_parameter": 4, "wavelength": 2})
    arrays["fit/status"][:] = int(Status.OK)
    arrays["fit/status"][-1] = int(Status.TIMEOUT)
    arrays["fit/chi2"][:] = np.arange(n)
    arrays["atmosphere/temperature"][:] = temperature + np.arange(n)[:, None] + 100.0 * np.arange(4)
    arrays["atmosphere/azimuth"][:] = azimuth
    for name in ("velocity", "field_strength", "inclination", "microturbulence"):
        arrays[f"atmosphere/{name}"][:] = 1.0
    arrays["atmosphere/macroturbulence"][:] = 0.5
    made.write(next(iter(made.grid)), arrays, np.zeros((n, 4, 2), np.float32))
    return place


def test_one_extension_a_quantity(tmp_path: Path) -> None:
    path = export_fits(store(tmp_path / "a.zarr"), tmp_path / "a.fits")
    with fits.open(path, checksum=True) as hdus:
        temperature = hdus["TEMPERATURE"]
        assert temperature.data.shape == (4, 3, 2)
        assert temperature.data[3, 0, 1] == 5000.0 + 1 + 300
        header = temperature.header
        assert (header["BTYPE"], header["BUNIT"]) == ("temperature", "K")
        # The inverted region begins at column 4 of the observation.
        assert (header["CTYPE1"], header["CRPIX1"], header["CRVAL1"]) == ("HPLN-TAN", 6.0, -30.0)
        assert (header["CTYPE2"], header["CRVAL2"]) == ("PIXEL", 2.0)
        assert (header["CTYPE3"], header["CRVAL3"], header["CDELT3"]) == ("LOGTAU", 1.0, -1.0)
        assert hdus["MACROTURBULENCE"].data.shape == (3, 2)
        assert hdus["STATUS"].data[-1, -1] == Status.TIMEOUT
        assert hdus["LOG_TAU"].data["log_tau"].tolist() == TAU.tolist()
        assert "ELECTRON_PRESSURE" not in hdus  # all NaN
        assert hdus[0].header["TELESCOP"] == "Hinode"
        assert hdus[0].header["NETWORK"] == "net 2"


def test_files_are_replaced_only_when_told(tmp_path: Path) -> None:
    place = store(tmp_path / "a.zarr")
    path = export_fits(place, tmp_path / "a.fits")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export_fits(place, path)
    assert export_fits(place, path, overwrite=True) == path
