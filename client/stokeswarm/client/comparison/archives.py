"""Atmospheres that are no result store: a truth, or what another code made of the map.

A NumPy archive holds either

- ``log_tau`` (n,) and quantities by name, ``temperature`` … (y, x, n), in the store's units;
  optional ``macroturbulence``, ``filling_factor``, ``stray_light`` (y, x), and of a fit ``chi2`` and
  ``seconds`` (y, x); or
- ``atm`` or ``model`` (y, x, n, 8 or 11) with the columns and units of a model file of SIR
  (`stokeswarm.contract.sir_files.models`).

A ``.mod`` file and an `Atmosphere` are read too, pixel by pixel in the order of the map's rows.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.comparison.sides import (
    QUANTITIES,
    SCALARS,
    Key,
    Level,
    Map,
    Polarisation,
    Side,
    slices,
    without_failures,
)
from stokeswarm.client.sources import load, source
from stokeswarm.client.tiles import Window
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.sir_files.models import CM_PER_KM, N_FULL, N_SHORT, SHORT_COLUMNS, parse_model

#: what a table of model columns is called in an archive
_TABLES: Final = ("atm", "model")
#: column → what it is divided by to come into the store's unit
_SCALE: Final[Mapping[str, float]] = {"microturbulence": CM_PER_KM, "velocity": CM_PER_KM}
_FIT: Final = ("chi2", "seconds")

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """Atmospheres of a map in a NumPy archive, or in memory.

    Attributes
    ----------
    name : str
    window : Window
        Where they lie in the observation.
    opened : callable
        Opens the arrays by name, each read when it is used: one of them is in memory at a time.
    attrs : mapping
        Empty.
    """

    name: str
    window: Window
    opened: Callable[[], AbstractContextManager[Arrays]]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def _axis(self, archive: Arrays) -> npt.NDArray[np.float64]:
        table = _table(archive)
        if table is None:
            axis = np.asarray(archive["log_tau"], np.float64)
        else:
            depths = archive[table][..., 0]
            axis = np.asarray(depths[0, 0], np.float64)
            if not np.allclose(depths, axis, atol=1e-4):
                raise InvalidArgumentError(f"{self.name}: {table}: log tau differs from pixel to pixel")
        if axis.ndim != 1 or not np.isfinite(axis).all() or len(set(np.sign(np.diff(axis)))) != 1:
            raise InvalidArgumentError(f"{self.name}: log tau: expected an ordered axis, found {axis}")
        return axis

    def read(self, window: Window, log_tau: Sequence[float]) -> Side:
        """Levels of a part; see `Opened`.

        Raises
        ------
        InvalidArgumentError
            A depth lies outside the axis, or arrays do not fit together.
        """
        at = slices(window, self.window)
        levels: dict[Key, Map] = {}
        with _explained(self.name), self.opened() as archive:
            axis = self._axis(archive)
            order = slice(None) if axis[0] > axis[-1] else slice(None, None, -1)
            taken = {depth: Level.of(axis[order], depth, self.name) for depth in log_tau}
            for name, values in _fields(archive):
                if values.shape != (*self.window.shape, axis.size):
                    raise InvalidArgumentError(
                        f"{self.name}: {name}: expected {(*self.window.shape, axis.size)} (y, x, log tau), "
                        f"found {values.shape}"
                    )
                part = values[at][..., order]
                levels |= {Key(0, name, depth): level.take(name, part) for depth, level in taken.items()}
            flat = {
                name: np.asarray(archive[name], np.float32)[at]
                for name in (*SCALARS, *_FIT)
                if name in archive and archive[name].shape == self.window.shape
            }
        levels |= {Key(0, name, None): flat[name] for name in SCALARS if name in flat}
        stratified = [values for key, values in levels.items() if key.log_tau is not None]
        return without_failures(
            Side(
                self.name,
                window,
                self.window,
                1,
                levels,
                np.all([np.isfinite(values) for values in stratified], axis=0),
                chi2=flat.get("chi2"),
                seconds=flat.get("seconds"),
            )
        )

    def polarisation(self, window: Window) -> Polarisation | None:
        """None: an atmosphere has no observation."""
        del window
        return None


def open_archive(
    place: str | Path | Atmosphere, shapes: Mapping[tuple[int, int], Window] | None = None
) -> ArchiveSource:
    """Open atmospheres.

    Parameters
    ----------
    place : path, URL or Atmosphere
    shapes : mapping, optional
        Shape of a map → where it lies in the observation; without it any shape is taken for the whole map.

    Raises
    ------
    NotFoundError
        There is no such file.
    InvalidArgumentError
        It is no map of atmospheres, or of another shape.
    """
    if isinstance(place, Atmosphere):
        return _of_atmosphere(place, "atmosphere", shapes)
    if str(place).lower().endswith(".mod"):
        return _of_atmosphere(load(place, parse_model), str(place), shapes)
    file = source(place)

    def opened() -> AbstractContextManager[Arrays]:
        place: Any = file.path if file.is_local else io.BytesIO(file.read_bytes())
        found: AbstractContextManager[Arrays] = np.load(place, allow_pickle=False)
        return found

    with _explained(file.display), opened() as content:
        table = _table(content)
        if table is None and not {"log_tau", "temperature"} <= set(content):
            raise InvalidArgumentError(
                f"{file.display}: expected log_tau and temperature (y, x, n), or atm (y, x, n, 11), found "
                f"{', '.join(sorted(content)) or 'nothing'}"
            )
        shape = content[table or "temperature"].shape
    if len(shape) != (3 if table is None else 4):
        raise InvalidArgumentError(f"{file.display}: {table or 'temperature'}: found shape {shape}")
    return ArchiveSource(file.display, _place((shape[0], shape[1]), shapes, file.display), opened)


def _of_atmosphere(
    atmosphere: Atmosphere, name: str, shapes: Mapping[tuple[int, int], Window] | None
) -> ArchiveSource:
    fitting = [shape for shape in shapes or {} if shape[0] * shape[1] == len(atmosphere)]
    shape = fitting[0] if fitting else (1, len(atmosphere))
    arrays = {key: values.reshape(*shape, *values.shape[1:]) for key, values in atmosphere.arrays().items()}
    arrays["log_tau"] = atmosphere.log_tau
    return ArchiveSource(name, _place(shape, shapes, name), lambda: nullcontext(arrays))


def _place(shape: tuple[int, int], shapes: Mapping[tuple[int, int], Window] | None, name: str) -> Window:
    if shapes is None:
        return Window(0, shape[0], 0, shape[1])
    if shape not in shapes:
        known = " or ".join(f"{rows}×{columns}" for rows, columns in shapes)
        raise InvalidArgumentError(f"{name}: expected a map of {known} pixels, found {shape[0]}×{shape[1]}")
    return shapes[shape]


def _fields(archive: Arrays) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Stratified quantities one by one, (y, x, n)."""
    table = _table(archive)
    if table is None:
        yield from ((name, archive[name]) for name in QUANTITIES if name in archive)
        return
    values = archive[table]
    for column, name in enumerate(SHORT_COLUMNS, start=1):
        if name in QUANTITIES:
            yield name, values[..., column] / _SCALE.get(name, 1.0)


def _table(archive: Arrays) -> str | None:
    """The array with a model file's columns."""
    for name in _TABLES:
        if name in archive and archive[name].shape[-1] in (N_SHORT, N_FULL):
            return name
    return None


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"{name}: not a readable .npz archive of plain arrays: {error}") from error
