"""Atmospheres as the parallel wrapper keeps them: FITS cubes, and models of clusters."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.project import AtmosphereMap
from stokeswarm.client.readers.cubes import primary_array
from stokeswarm.client.sources import ReadError, Source
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.sir_files.models import CM_PER_KM, FULL_COLUMNS, N_FULL, SHORT_COLUMNS
from stokeswarm.contract.sir_files.text import number

#: column → what it is divided by to come into the contract's unit
_SCALE: Final = {"microturbulence": CM_PER_KM, "velocity": CM_PER_KM}
_PERCENT: Final = 100.0


def parse_header(text: str, where: str) -> tuple[float, float, float]:
    """A model's first line: macroturbulence [km/s], filling factor, stray light as a fraction.

    Raises
    ------
    SirFileError
        It does not hold three numbers.
    """
    fields = text.replace(",", " ").split()
    if len(fields) != 3:
        raise SirFileError(
            f"{where}: expected macroturbulence, filling factor and stray light, found {text!r}"
        )
    macroturbulence, filling, stray = (number(field, where, "header") for field in fields)
    return macroturbulence, filling, stray / _PERCENT


def read_atmospheres(file: Source, header: tuple[float, float, float]) -> AtmosphereMap:
    """A FITS cube of models, (column, depth, y, x) with a model file's 8 or 11 columns.

    Parameters
    ----------
    file : Source
    header : tuple of 3 floats
        Macroturbulence [km/s], filling factor and stray light of every pixel.

    Returns
    -------
    AtmosphereMap
        Pixels that are not finite have none.

    Raises
    ------
    ReadError
        Another shape, or depths that differ from pixel to pixel.
    """
    data = primary_array(file)
    if data.ndim != 4 or data.shape[0] not in (N_FULL, 1 + len(SHORT_COLUMNS)):
        raise ReadError(
            f"{file.display}: expected models of shape (11, depth, y, x) or (8, depth, y, x), "
            f"found {data.shape}"
        )
    columns, n_depth, ny, nx = data.shape
    flat = data.astype(np.float64).transpose(0, 2, 3, 1).reshape(columns, ny * nx, n_depth)
    available = np.isfinite(flat).all(axis=(0, 2)) & (flat[1] > 0).all(axis=1)
    if not available.any():
        raise ReadError(f"{file.display}: no pixel holds a model")
    # single precision in the file: depths that were written with four decimals
    depths = np.round(flat[0], 4)
    axis = depths[np.flatnonzero(available)[0]]
    if (depths[available] != axis).any():
        raise ReadError(f"{file.display}: the models have different depth grids; one grid is needed")
    names = SHORT_COLUMNS + (FULL_COLUMNS if columns == N_FULL else ())
    fields = {name: flat[i] / _SCALE.get(name, 1.0) for i, name in enumerate(names, start=1)}
    scalars = zip(("macroturbulence", "filling_factor", "stray_light"), header, strict=True)
    try:
        atmosphere = Atmosphere(
            log_tau=axis, **fields, **{name: np.full(ny * nx, value) for name, value in scalars}
        )
    except InvalidArgumentError as error:
        raise ReadError(f"{file.display}: {error}") from error
    return AtmosphereMap(atmosphere, (ny, nx), available)


def clustered(file: Source, models: dict[int, Atmosphere]) -> AtmosphereMap:
    """Models by the cluster of each pixel.

    Parameters
    ----------
    file : Source
        FITS array (x, y) of the clusters' numbers, as the wrapper reads it: its first axis is x.
    models : dict
        Number → model of one pixel.

    Raises
    ------
    ReadError
        A number has no model, or the models have different grids or columns.
    """
    numbers: npt.NDArray[np.int64] = np.asarray(np.rint(primary_array(file))).astype(np.int64)
    if numbers.ndim != 2:
        raise ReadError(f"{file.display}: expected the clusters' numbers (x, y), found {numbers.shape}")
    missing = sorted(set(np.unique(numbers).tolist()) - models.keys())
    if missing:
        raise ReadError(f"{file.display}: cluster {missing[0]} has no model atmcl{missing[0]}.mod")
    order = sorted(models)
    try:
        every = Atmosphere.concatenate([models[n] for n in order])
    except InvalidArgumentError as error:
        raise ReadError(f"{file.display}: the clusters' models: {error}") from error
    rows = np.searchsorted(order, numbers.T.reshape(-1))
    return AtmosphereMap(every.take(rows), (numbers.shape[1], numbers.shape[0]), np.ones(rows.size, np.bool_))
