"""FITS cubes: axes by their labels or lengths, wavelengths from an extension, a table or the WCS."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from stokeswarm.client.readers.assemble import Raw
from stokeswarm.client.readers.hints import Hints
from stokeswarm.client.sources import ReadError, Source
from stokeswarm.contract.status import ContinuumReference

#: first letters of an extension's name or a table column that holds wavelengths
_WAVELENGTH_NAMES: Final = ("WAVE", "LAMBDA", "WVL")
_SHORT_NAMES: Final = ("WL",)
#: CTYPE → axis. WAVE is vacuum, AWAV air (Greisen et al. 2006, A&A 446, 747, Table 1)
_CTYPES: Final = {"STOKES": "stokes", "WAVE": "wavelength", "AWAV": "wavelength"}
_Y_TYPES: Final = ("HPLT", "SOLY", "CRLT", "DEC-", "Y")
_X_TYPES: Final = ("HPLN", "SOLX", "CRLN", "RA--", "X")
#: keyword that carries, in the file's units, the level of the HSRA's disc-centre continuum
_HSRA_LEVEL: Final = "IC_HSRA"
#: keywords whose values say nothing about the data
_STRUCTURAL: Final = ("SIMPLE", "BITPIX", "EXTEND", "COMMENT", "HISTORY", "", "CHECKSUM", "DATASUM")


def read_fits(file: Source, hints: Hints) -> Raw:
    """Read a FITS file.

    Raises
    ------
    ReadError
        Not FITS, no cube in it, or no wavelengths.
    """
    name = file.display
    content = file.path if file.is_local else io.BytesIO(file.read_bytes())
    try:
        with fits.open(content, memmap=False, lazy_load_hdus=False) as hdus:
            cube = _cube(hdus, name)
            header = cube.header
            labels = _labels(header)
            wavelength, unit, medium, origin = _wavelength(hdus, cube, labels, hints, name)
            level, level_origin = _level(hdus)
            stokes = np.asarray(cube.data)
            kept = _header(header)
    except (OSError, ValueError, TypeError, fits.VerifyError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{name}: not a readable FITS file: {error}") from error
    return Raw(
        stokes=stokes,
        wavelength=wavelength,
        kind=f"FITS cube, wavelengths {origin}",
        labels=labels,
        unit=unit,
        medium=medium,
        reference=ContinuumReference.DISC_CENTRE if level is not None else None,
        continuum=level,
        continuum_name=level_origin,
        header=kept,
    )


def _cube(hdus: fits.HDUList, name: str) -> Any:
    """The extension that holds the Stokes cube: the first image of the most axes."""
    images = [hdu for hdu in hdus if getattr(hdu, "is_image", False) and hdu.data is not None]
    if not images:
        raise ReadError(f"{name}: FITS: expected an image with Stokes profiles, found none with data")
    best = max(images, key=lambda hdu: hdu.data.ndim)
    if best.data.ndim < 2:
        raise ReadError(f"{name}: FITS: expected a cube of 2 to 4 axes, found shape {best.data.shape}")
    return best


def _labels(header: fits.Header) -> tuple[str, ...]:
    """Axis names from CTYPEn, numpy's order."""
    labels = []
    for number in range(int(header["NAXIS"]), 0, -1):
        kind = str(header.get(f"CTYPE{number}", "")).strip().upper()
        label = _CTYPES.get(kind.split("-")[0], "")
        if not label and kind.startswith(_Y_TYPES):
            label = "y"
        elif not label and kind.startswith(_X_TYPES):
            label = "x"
        labels.append(label)
    # a label that occurs twice is worth nothing
    return tuple(label if labels.count(label) == 1 else "" for label in labels)


def _wavelength(
    hdus: fits.HDUList, cube: Any, labels: tuple[str, ...], hints: Hints, name: str
) -> tuple[npt.NDArray[np.float64], str, str, str]:
    """Axis, unit, medium, and where it was found."""
    if hints.wavelength is not None:
        return hints.wavelength, hints.unit or "Angstrom", hints.medium, "as given"
    lengths = set(cube.data.shape)
    for hdu in hdus:
        title = str(hdu.header.get("EXTNAME", "")).strip()
        if getattr(hdu, "is_image", False) and hdu is not cube and hdu.data is not None:
            values = np.squeeze(hdu.data)
            if values.ndim == 1 and values.size in lengths and (_is_wavelength(title) or not title):
                unit = str(_first(hdu.header, ("UNIT", "BUNIT", "CUNIT1", "UNITS")))
                return (
                    values.astype(np.float64),
                    unit,
                    _medium(hdu.header),
                    f"from extension {title or '1-D'}",
                )
        elif getattr(hdu, "columns", None) is not None:
            for column in hdu.columns:
                values = np.squeeze(hdu.data[column.name]) if _is_wavelength(column.name) else np.empty(0)
                if values.ndim == 1 and values.size in lengths and values.dtype.kind in "fiu":
                    return (
                        values.astype(np.float64),
                        column.unit or "",
                        _medium(hdu.header),
                        f"from column {column.name} of table {title}",
                    )
    if "wavelength" in labels:
        return _from_wcs(cube.header, len(labels) - labels.index("wavelength"))
    extensions = ", ".join(str(hdu.name) for hdu in hdus)
    raise ReadError(
        f"{name}: FITS: no wavelengths: expected a 1-D extension or table column named WAVELENGTH as long as "
        f"an axis of {cube.data.shape}, or CTYPEn = 'AWAV' or 'WAVE' with CRVALn and CDELTn; "
        f"found extensions {extensions}. Give them with wavelength=…"
    )


def _from_wcs(header: fits.Header, number: int) -> tuple[npt.NDArray[np.float64], str, str, str]:
    """The linear axis of a world coordinate system (Greisen & Calabretta 2002, A&A 395, 1061, eq. 1–3)."""
    kind = str(header[f"CTYPE{number}"]).strip().upper()
    step = header.get(f"CDELT{number}", header.get(f"CD{number}_{number}"))
    value = header.get(f"CRVAL{number}")
    if step is None or value is None:
        raise ReadError(f"FITS: axis {number} is {kind} without CRVAL{number} and CDELT{number}")
    pixel = np.arange(1, int(header[f"NAXIS{number}"]) + 1) - float(header.get(f"CRPIX{number}", 1.0))
    # without CUNIT the standard's unit of a wavelength is the metre
    unit = str(header.get(f"CUNIT{number}", "")).strip() or "m"
    medium = "vacuum" if kind.startswith("WAVE") else "air"
    axis = np.asarray(float(value) + float(step) * pixel, dtype=np.float64)
    return axis, unit, medium, f"from the WCS ({kind})"


def _is_wavelength(title: str) -> bool:
    upper = title.strip().upper()
    return upper in _SHORT_NAMES or upper.startswith(_WAVELENGTH_NAMES)


def _medium(header: fits.Header) -> str:
    text = str(_first(header, ("MEDIUM", "WAVEMED", "VACUUM"))).strip().lower()
    if text in ("vacuum", "vac", "true", "t"):
        return "vacuum"
    return "air" if text == "air" else ""


def _first(header: fits.Header, keys: Iterable[str]) -> Any:
    return next((header[key] for key in keys if key in header), "")


def _level(hdus: fits.HDUList) -> tuple[float | None, str]:
    """The disc-centre continuum that the file states, in its own units."""
    for hdu in hdus:
        value = hdu.header.get(_HSRA_LEVEL)
        if isinstance(value, int | float) and value > 0:
            return float(value), f"{_HSRA_LEVEL} of {hdu.name}"
    return None, ""


def _header(header: fits.Header) -> dict[str, Any]:
    """The keywords as plain values, for the store's attributes."""
    kept: dict[str, Any] = {}
    for card in header.cards:
        if card.keyword in _STRUCTURAL or card.keyword.startswith("NAXIS"):
            continue
        value = card.value
        kept[card.keyword] = value if isinstance(value, bool | int | float | str) else str(value)
    return kept
