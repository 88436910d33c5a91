"""Where pixels lie on the solar disc, as a user says it: ``X,Y``, a ``.coor`` file, or an ``.npz``."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.sources import ReadError, load, source
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.sir_files.text import number

#: array of an archive that holds X and Y
KEY: Final = "position"
#: numbers of a .coor file: X, Y and two velocities
_COORDINATES: Final = 4


def parse_coordinates(text: str, name: str) -> tuple[float, float, float, float]:
    """A ``.coor`` file of DeSIRe's.

    Parameters
    ----------
    text, name : str
        X and Y in solar radii, Vx and Vy in cm/s; and a name for messages.

    Raises
    ------
    SirFileError
        The file does not begin with four numbers.
    """
    fields = re.split(r"[,\s]+", text.strip())
    if len(fields) < _COORDINATES:
        raise SirFileError(f"{name}: coordinates: expected X, Y, Vx and Vy, found {text.strip()!r}")
    x, y, vx, vy = (number(value, name, "coordinates") for value in fields[:_COORDINATES])
    return x, y, vx, vy


def read_position(wish: str) -> npt.NDArray[np.float64]:
    """Positions by an option.

    Parameters
    ----------
    wish : str
        ``X,Y`` in solar radii (X west, Y north) for all pixels; a ``.coor`` file; or an ``.npz`` whose array
        ``position`` holds them for every pixel.

    Returns
    -------
    ndarray (2,) or (y, x, 2) float64

    Raises
    ------
    InvalidArgumentError
        None of these, or one place for all pixels that is not on the disc.
    NotFoundError
        There is no such file.
    """
    suffix = PurePosixPath(wish).suffix
    if suffix == ".npz":
        return _from_archive(wish)
    if suffix == ".coor":
        place = np.array(load(wish, parse_coordinates)[:2])
    else:
        try:
            place = np.array([float(part) for part in wish.split(",")])
        except ValueError:
            place = np.empty(0)
    if place.shape != (2,):
        raise InvalidArgumentError(
            f"position {wish!r}: expected X,Y in solar radii, a .coor file, or an .npz with an array {KEY!r}"
        )
    if not np.square(place).sum() < 1.0:
        raise InvalidArgumentError(
            f"position {wish!r}: X = {place[0]:g}, Y = {place[1]:g} is not on the disc"
        )
    return place


def mu_of(position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cosine of the heliocentric angle of positions (…, 2) on the disc [solar radii]."""
    squared = np.square(position).sum(axis=-1)
    mu: npt.NDArray[np.float64] = np.sqrt(np.maximum(1.0 - squared, 0.0))
    return mu


def _from_archive(wish: str) -> npt.NDArray[np.float64]:
    file = source(wish)
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as archive:
            found = archive[KEY] if KEY in archive.files else None
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise ReadError(f"{file.display}: not a readable .npz archive of plain arrays: {error}") from error
    if found is None:
        raise ReadError(f"{file.display}: expected an array {KEY!r}")
    if found.dtype.kind not in "fiu" or found.ndim != 3 or found.shape[2] != 2:
        raise ReadError(
            f"{file.display}: {KEY}: expected X and Y of every pixel, (y, x, 2), "
            f"found {found.dtype} of shape {found.shape}"
        )
    return np.ascontiguousarray(found, dtype=np.float64)
