"""Recognise a format by its contents and read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.readers.assemble import Raw, assemble
from stokeswarm.client.readers.hints import Hints, parse_axes
from stokeswarm.client.readers.observation import Observation
from stokeswarm.client.sources import Identity, ReadError, Source, source
from stokeswarm.contract.errors import InvalidArgumentError, StokeswarmError, UnsupportedError
from stokeswarm.contract.plan import Line, Plan
from stokeswarm.contract.status import ContinuumReference

_FITS_MAGIC: Final = b"SIMPLE  ="
_ZIP_MAGIC: Final = b"PK\x03\x04"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEAD: Final = 512
#: a Hinode/SP level-1 folder holds one file a slit position, named SP3D<date>_<time>…
_HINODE_PREFIX: Final = "SP3D"


def _read_fits(file: Source, hints: Hints) -> tuple[Raw, Identity]:
    # astropy takes a second to import: only where a FITS file is read
    from stokeswarm.client.readers.fits import read_fits

    return read_fits(file, hints), file.identity()


def _read_npz(file: Source, hints: Hints) -> tuple[Raw, Identity]:
    from stokeswarm.client.readers.npz import read_npz

    return read_npz(file, hints), file.identity()


def _read_per(file: Source, hints: Hints) -> tuple[Raw, Identity]:
    from stokeswarm.client.readers.per import read_per

    return read_per(file, hints), file.identity()


def _read_zarr(file: Source, hints: Hints) -> tuple[Raw, Identity]:
    from stokeswarm.client.readers.zarr_groups import read_zarr

    return read_zarr(file, hints)


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name, how to recognise it and how to read it.

    Attributes
    ----------
    name, title : str
    recognises : callable
        (source, its first bytes) → bool; the bytes are empty for a folder.
    read : callable
    """

    name: str
    title: str
    recognises: Callable[[Source, bytes], bool]
    read: Callable[[Source, Hints], tuple[Raw, Identity]]


def _is_per(file: Source, head: bytes) -> bool:
    first = head.decode("latin-1").split("\n", 1)[0].split()
    return file.suffix in (".per", ".spc") or (
        bool(head) and b"\0" not in head and len(first) == 6 and _numeric(first)
    )


def _numeric(fields: Sequence[str]) -> bool:
    try:
        return bool(np.isfinite([float(field) for field in fields]).all())
    except ValueError:
        return False


def _is_zarr(file: Source, head: bytes) -> bool:
    return not head and (
        file.suffix == ".zarr" or any(file.exists_inside(n) for n in ("zarr.json", ".zgroup"))
    )


FORMATS: Final = (
    Format(
        "fits",
        "FITS cube",
        lambda file, head: (
            head.startswith(_FITS_MAGIC)
            or (head.startswith(_GZIP_MAGIC) and file.suffix in (".fits", ".fit", ".fts"))
        ),
        _read_fits,
    ),
    Format("npz", "NumPy archive", lambda _, head: head.startswith(_ZIP_MAGIC), _read_npz),
    Format("zarr", "Zarr group", _is_zarr, _read_zarr),
    Format("per", "SIR profile", _is_per, _read_per),
)


def read(
    place: str | os.PathLike[str],
    *,
    format: str = "",  # noqa: A002 - the word users know
    axes: str | Sequence[str] = "",
    stokes_order: str = "",
    wavelength: npt.ArrayLike | None = None,
    unit: str = "",
    medium: str = "",
    reference: ContinuumReference | str | None = None,
    continuum: float | str | None = None,
    sentinel: float | None = None,
    plan: Plan | None = None,
    lines: dict[int, Line] | str | os.PathLike[str] | None = None,
) -> Observation:
    """Read an observation; `Observation.recognised` says what it was taken for.

    Formats: FITS cubes, ``.npz`` (``stokes``, ``wavelength``), SIR ``.per`` (one pixel), Zarr groups (a
    result store's ``/observation``, or the arrays at the top). Every keyword is a hint for what the file
    leaves open, and overrides what it says.

    Parameters
    ----------
    place : path or fsspec URL
    format : str
        ``"fits"``, ``"npz"``, ``"per"``, ``"zarr"``; empty = recognise it.
    axes : str or sequence of str
        Order of the cube's axes, slowest first: ``"y,x,stokes,wavelength"`` or ``"yxsw"``.
    stokes_order : str
        For example ``"IVQU"``.
    wavelength : array_like (n,)
        The axis, where the file has none.
    unit, medium : str
        Of the wavelengths: ``"nm"``, ``"Angstrom"``, …; ``"air"`` or ``"vacuum"``.
    reference : ContinuumReference or str
        What the file's Stokes parameters are divided by.
    continuum : float or "map"
        Level (in the file's units) to divide by; ``"map"`` = the map's own median continuum.
    sentinel : float
        A value that means "missing".
    plan : Plan
        Names the lines of a ``.per``, and the reference of a file that names none.
    lines : dict or path
        A line list, for a ``.per``.

    Returns
    -------
    Observation

    Raises
    ------
    NotFoundError, AccessDeniedError, UnavailableError
        The file cannot be opened.
    ReadError
        It cannot be understood.
    UnsupportedError
        It is a Hinode/SP level-1 folder, which is not read yet.
    InvalidArgumentError
        A hint is malformed.
    """
    hints = Hints(
        format=format,
        axes=parse_axes(axes) if isinstance(axes, str) and axes else tuple(axes),
        stokes_order=stokes_order.upper(),
        wavelength=None if wavelength is None else np.asarray(wavelength, dtype=np.float64),
        unit=unit,
        medium=medium,
        reference=_reference(reference),
        continuum=continuum,
        sentinel=sentinel,
        plan=plan,
        lines=_lines(lines),
    )
    file = source(place)
    chosen = _recognise(file, hints.format)
    raw, identity = chosen.read(file, hints)
    try:
        return assemble(raw, hints, file.display, identity)
    except ReadError:
        raise
    except StokeswarmError as error:
        raise ReadError(f"{file.display}: {error}") from error


def _recognise(file: Source, wanted: str) -> Format:
    """The format of a file or folder."""
    if wanted:
        for candidate in FORMATS:
            if candidate.name == wanted:
                return candidate
        raise InvalidArgumentError(
            f"format: expected one of {', '.join(f.name for f in FORMATS)}, found {wanted!r}"
        )
    folder = file.is_directory()
    head = b"" if folder else file.read_bytes(_HEAD)
    if not folder and not head:
        raise ReadError(f"{file.display}: the file is empty (0 bytes)")
    for candidate in FORMATS:
        if candidate.recognises(file, head):
            return candidate
    if folder:
        names = file.entries()
        slits = [n for n in names if n.upper().startswith(_HINODE_PREFIX)]
        if slits:
            raise UnsupportedError(
                f"{file.display}: recognised as a Hinode/SP level-1 folder of {len(slits)} slit positions; "
                "this is not read yet. Join them into one FITS cube (y, x, stokes, wavelength) with a "
                "WAVELENGTH extension"
            )
        raise ReadError(
            f"{file.display}: a folder that is no Zarr group; it holds {', '.join(names[:5]) or 'nothing'}"
        )
    titles = ", ".join(f"{f.title} ({f.name})" for f in FORMATS)
    raise ReadError(
        f"{file.display}: the format is not recognised (it begins with {head[:16]!r}); "
        f"expected one of {titles}"
    )


def _reference(value: ContinuumReference | str | None) -> ContinuumReference | None:
    if value is None or value == "":
        return None
    names = [kind.value for kind in ContinuumReference]
    if value not in names:
        raise InvalidArgumentError(f"reference: expected {' or '.join(names)}, found {value!r}")
    return ContinuumReference(value)


def _lines(value: dict[int, Line] | str | os.PathLike[str] | None) -> dict[int, Line]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    from stokeswarm.client.sources import load
    from stokeswarm.contract.sir_files import parse_lines

    return load(value, parse_lines)
