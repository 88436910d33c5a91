"""Results as FITS, laid out like DKIST level-2 inversions: one extension a quantity, with BTYPE and BUNIT.

Axes of a stratified quantity, in FITS order: x, y, log τ. The depth axis is a linear WCS where it is evenly
spaced (as plans make it) and is written as a table extension in any case. The celestial or pixel axes are
those of the input's header, shifted to the region that was inverted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.layout import component_group
from stokeswarm.client.store import ResultStore
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED
from stokeswarm.contract.errors import OutputExistsError

if TYPE_CHECKING:
    from astropy.io import fits

#: variables of /fit that travel, and their types
FIT: Final = {
    "chi2": "reduced chi-square",
    "status": "pixel status",
    "start": "start that won",
    "cycles": "cycles that ran",
    "gate": "why the pixel was inverted again",
    "novelty": "novelty to the network",
}
#: keywords of the input's spatial WCS; the axis number follows
_WCS: Final = ("CTYPE", "CUNIT", "CRVAL", "CDELT", "CRPIX", "CROTA")
#: keywords of the input's observation, copied where present
_ORIGIN: Final = (
    "DATE-OBS",
    "DATE_OBS",
    "DATE-BEG",
    "TELESCOP",
    "INSTRUME",
    "OBSERVER",
    "OBJECT",
    "WAVELNTH",
)  #: relative departure from even spacing that a linear depth axis may have
_EVEN: Final = 1e-4


def export_fits(url: str | Path, path: Path, *, overwrite: bool = False) -> Path:
    """Write a result store as one FITS file.

    Parameters
    ----------
    url : str or Path
        The store.
    path : Path
    overwrite : bool

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputExistsError
        The file is there.
    NotFoundError
        There is no store.
    """
    from astropy.io import fits

    if path.exists() and not overwrite:
        raise OutputExistsError(f"output {path} exists already; name another, or add --overwrite")
    store = ResultStore.read(url)
    depth = store.map("log_tau")
    hdus: list[Any] = [_primary(store)]
    for component in range(store.n_component):
        for kind, label in (("atmosphere", ""), ("uncertainty", " uncertainty")):
            group = component_group(kind, component)
            suffix = ("" if component == 0 else f"_{component + 1}") + ("_ERR" if label else "")
            for name, unit in {**STRATIFIED, **SCALAR}.items():
                values = store.map(f"{group}/{name}")
                if not np.isfinite(values).any():
                    continue
                # (y, x, log τ) → the cube that FITS viewers expect, one map a depth.
                cube = np.moveaxis(values, -1, 0) if values.ndim == 3 else values
                hdu = _image(store, cube, f"{name.upper()}{suffix}", f"{name.replace('_', ' ')}{label}", unit)
                if cube.ndim == 3:
                    _depth_axis(hdu.header, depth)
                hdus.append(hdu)
    for name, label in FIT.items():
        hdus.append(_image(store, store.map(f"fit/{name}"), name.upper(), label, ""))
    hdus.append(_table("LOG_TAU", "log_tau", depth, ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList(hdus).writeto(path, overwrite=overwrite, checksum=True)
    return path


def _primary(store: ResultStore) -> fits.PrimaryHDU:
    from astropy.io import fits

    attrs = store.attrs
    hdu = fits.PrimaryHDU()
    header = hdu.header
    # The digests (sha256) fill their cards: no room for a comment.
    header["CREATOR"] = (f"stokeswarm {attrs['software']['stokeswarm']}", "software")
    header["ENGINE"] = (f"{attrs['engine']['name']} {attrs['engine']['version']}", "inversion engine")
    header["ENGSHA"] = attrs["engine"]["digest"]
    header["PLAN"] = (attrs["plan"]["name"], "inversion plan")
    header["INIT"] = (attrs["start"], "start of the inversion")
    for model in attrs.get("models", [])[:1]:
        header["NETWORK"] = (f"{model['name']} {model['version']}", "network of the start")
        header["NETSHA"] = model["digest"]
    digest = attrs["identity"]["input"]["sha256"]
    header["INSHA"] = digest
    for key in _ORIGIN:
        value = attrs.get("header", {}).get(key)
        if isinstance(value, str | int | float):
            header[key] = value
    return hdu


def _image(store: ResultStore, values: npt.NDArray[Any], name: str, label: str, unit: str) -> fits.ImageHDU:
    from astropy.io import fits

    hdu = fits.ImageHDU(np.ascontiguousarray(values), name=name)
    hdu.header["BTYPE"] = (label, "what the values are")
    hdu.header["BUNIT"] = (unit, "unit of the values")
    original = store.attrs.get("header", {})
    region = store.grid.region
    for axis, first in ((1, region.x0), (2, region.y0)):
        for key in _WCS:
            value = original.get(f"{key}{axis}")
            if isinstance(value, str | int | float):
                hdu.header[f"{key}{axis}"] = value
        if f"CRPIX{axis}" in hdu.header:
            hdu.header[f"CRPIX{axis}"] -= first
        elif f"CTYPE{axis}" not in hdu.header:
            # Pixel numbers of the observation, from 0: FITS counts its reference pixel from 1.
            hdu.header[f"CTYPE{axis}"] = "PIXEL"
            hdu.header[f"CRPIX{axis}"], hdu.header[f"CRVAL{axis}"] = 1.0, float(first)
            hdu.header[f"CDELT{axis}"] = 1.0
    return hdu


def _depth_axis(header: Any, depth: npt.NDArray[np.float64]) -> None:
    header["CTYPE3"] = ("LOGTAU", "log10 of the optical depth at 5000 angstrom")
    step = np.diff(depth)
    if step.size and np.ptp(step) <= _EVEN * abs(float(step.mean())):
        header["CRPIX3"], header["CRVAL3"], header["CDELT3"] = 1.0, float(depth[0]), float(step.mean())


def _table(name: str, column: str, values: npt.NDArray[np.float64], unit: str) -> fits.BinTableHDU:
    from astropy.io import fits

    return fits.BinTableHDU.from_columns([fits.Column(column, "D", unit=unit, array=values)], name=name)
