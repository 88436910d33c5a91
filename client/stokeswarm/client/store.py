"""The result store: one Zarr v3 hierarchy, written tile by tile by one writer, resumable at any moment.

Every map variable has one chunk per tile (`stokeswarm.client.layout` lists them), so a tile is written
without touching another's bytes. After a tile's last array its mark in ``/tiles/done`` follows, a chunk of
its own: what is marked is complete, what is not is inverted again. The hierarchy opens with
``xarray.open_datatree(url, engine="zarr")`` at any time.

Root attributes
---------------
format, identity (what a resume compares: input, plan, engine, model, start, gate, region, seed), plan,
software, engine, model, observation (source, header), region, tile, summary (once complete).
"""

from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast

import numpy as np
import numpy.typing as npt

from stokeswarm.client.layout import STOKES_AXIS, Arrays, Variable, blank, result_variables
from stokeswarm.client.tiles import Tile, TileGrid, Window
from stokeswarm.contract.errors import (
    DataLossError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
    StokeswarmError,
)
from stokeswarm.contract.spectra import STOKES

# xarray and zarr take longer to import than all else together: a run's first pixels are on their way before.
if TYPE_CHECKING:
    import xarray as xr
    import zarr
    from zarr.abc.store import Store as ZarrStore

FORMAT: Final = "stokeswarm-result/1"
#: errno values of a disk or quota that is full
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_MISSING: Final = object()


class StoreError(StokeswarmError, OSError):
    """The store cannot be read or written (full disk, no permission, network)."""


def open_zarr_store(url: str | Path, *, read_only: bool) -> ZarrStore:
    """A zarr store of a path or an fsspec URL (``s3://``, ``memory://``, ``file://`` …).

    Raises
    ------
    StoreError
        The URL's protocol needs a package that is not installed.
    """
    from zarr.storage import FsspecStore, LocalStore

    text = str(url)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" not in text:
        return LocalStore(Path(text).absolute(), read_only=read_only)
    try:
        return FsspecStore.from_url(text, read_only=read_only)
    except (ImportError, ValueError) as error:
        raise StoreError(f"{text}: cannot be opened: {error}") from error


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Name the store, and what to do, in errors of the operating system or the network."""
    try:
        yield
    except StokeswarmError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(
                error.errno,
                f"{where}: no space left; make room and run again with --resume (complete tiles are kept)",
            ) from error
        raise StoreError(error.errno or 0, f"{where}: {error}") from error


class ResultStore:
    """A result store; made by `create`, `resume` or `read`.

    Attributes
    ----------
    url : str
    grid : TileGrid
    n_component : int
    n_cycle : int
        Cycles whose results are stored one by one; 0 = the best alone.
    """

    def __init__(self, url: str, store: ZarrStore, root: zarr.Group) -> None:
        self.url = url
        self._store = store
        self._root = root
        region = root.attrs["region"]
        tile = root.attrs["tile"]
        self.grid = TileGrid(Window(*cast(list[int], region)), tuple(cast(list[int], tile)))  # type: ignore[arg-type]
        self.n_component = int(cast(int, root.attrs["components"]))
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._done = self._array("tiles/done")
        # Absent in stores of before the cycles could be stored.
        self.n_cycle = int(cast(int, root.attrs.get("stored_cycles", 0)))
        self._variables = result_variables(self.n_component, self.n_cycle)

    @classmethod
    def create(
        cls,
        url: str | Path | None,
        *,
        grid: TileGrid,
        n_component: int,
        log_tau: npt.ArrayLike,
        wavelength: npt.ArrayLike,
        attrs: Mapping[str, Any],
        weights: npt.ArrayLike | None = None,
        n_cycle: int = 0,
    ) -> Self:
        """Make an empty store with every array in place.

        Parameters
        ----------
        url : str, Path or None
            None = in memory.
        grid : TileGrid
        n_component : int
        log_tau, wavelength : array_like
            Coordinates.
        attrs : mapping
            Root attributes, JSON-able, ``identity`` among them.
        weights : array_like (4, n_wavelength), optional
        n_cycle : int
            Cycles whose results are stored one by one; 0 = the best alone.

        Raises
        ------
        OutputExistsError
            Something is there already.
        StoreError
            It cannot be written.
        """
        import zarr
        from zarr.storage import MemoryStore

        store: ZarrStore = MemoryStore() if url is None else open_zarr_store(url, read_only=False)
        name = "memory" if url is None else str(url)
        if url is not None and occupied(store, name):
            raise OutputExistsError(
                f"output {name} exists already; continue it with --resume, remove it, or name another"
            )
        with _explained(name):
            fixed = {
                "format": FORMAT,
                "region": list(_bounds(grid.region)),
                "tile": list(grid.tile),
                "components": n_component,
                "stored_cycles": n_cycle,
            }
            root = zarr.create_group(store=store, zarr_format=3, attributes={**attrs, **fixed})
            depth = np.asarray(log_tau, np.float64)
            axis = np.asarray(wavelength, np.float64)
            _coordinates(root, grid.region, depth, axis)
            _maps(root, grid, result_variables(n_component, n_cycle), depth.size, axis.size)
            if weights is not None:
                _constant(
                    root, "observation/weights", np.asarray(weights, np.float32), (STOKES_AXIS, "wavelength")
                )
            # Last, and alone what `_open` asks for: a run killed before this line left nothing to resume.
            root.create_array(
                "tiles/done", shape=grid.shape, chunks=(1, 1), dtype="uint8", fill_value=0,
                dimension_names=("tile_y", "tile_x"), compressors=None,
                attributes={"long_name": "1 where every array of the tile is complete"},
            )  # fmt: skip
        return cls(name, store, root)

    @classmethod
    def read(cls, url: str | Path) -> Self:
        """Open for reading.

        Raises
        ------
        NotFoundError
            Nothing is there.
        DataLossError
            It is no result store of ours.
        """
        return cls._open(url, read_only=True)

    @classmethod
    def resume(cls, url: str | Path, identity: Mapping[str, Any]) -> Self:
        """Open for writing what is missing.

        Raises
        ------
        NotFoundError
            Nothing is there.
        InvalidArgumentError
            It was begun with another input, plan, engine, model …; the message names the differences.
        DataLossError
            It is no result store of ours.
        """
        found = cls._open(url, read_only=False)
        differences = list(_differences(found.attrs.get("identity", {}), json.loads(json.dumps(identity))))
        if differences:
            raise InvalidArgumentError(
                f"output {url} cannot be resumed, it was begun differently: {'; '.join(differences[:5])}"
                + (f"; and {len(differences) - 5} more" if len(differences) > 5 else "")
            )
        return found

    @classmethod
    def _open(cls, url: str | Path, *, read_only: bool) -> Self:
        import zarr.errors

        text = str(url)
        if "://" not in text and not Path(text).exists():
            raise NotFoundError(f"{text}: no such result store")
        store = open_zarr_store(text, read_only=read_only)
        mode = "r" if read_only else "r+"
        with _explained(text):
            try:
                root = zarr.open_group(store, mode=cast(Any, mode), zarr_format=3, use_consolidated=False)
            except (zarr.errors.GroupNotFoundError, zarr.errors.ContainsArrayError) as error:
                raise NotFoundError(f"{text}: no result store there") from error
            if root.attrs.get("format") != FORMAT or "tiles/done" not in root:
                raise DataLossError(
                    f"{text}: not a complete {FORMAT} store (a run that was killed while it made the store "
                    "leaves one like this: remove it)"
                )
        return cls(text, store, root)

    @property
    def attrs(self) -> dict[str, Any]:
        """Root attributes."""
        return dict(self._root.attrs)

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """Which tiles are complete, in the shape of the grid."""
        with _explained(self.url):
            return np.asarray(self._done[:], dtype=np.bool_)

    @property
    def complete(self) -> bool:
        """Whether every tile is."""
        return bool(self.done.all())

    def missing(self) -> Iterator[Tile]:
        """Tiles still to invert, in order."""
        done = self.done
        return (tile for tile in self.grid if not done[tile.row, tile.column])

    def write(self, tile: Tile, results: Arrays, stokes: npt.NDArray[np.float32]) -> None:
        """Write a tile's results and observed profiles, then mark it complete.

        Parameters
        ----------
        tile : Tile
        results : Arrays
            Pixels of the tile row by row.
        stokes : ndarray (n, 4, n_wavelength) float32

        Raises
        ------
        StoreError
            The disk is full, or the store cannot be reached: the tile stays unmarked.
        """
        with _explained(self.url):
            for variable in self._variables:
                self._put(variable.path, tile.window, results[variable.path])
            self._put("observation/stokes", tile.window, stokes)
            self._done[tile.row, tile.column] = 1

    def _array(self, path: str) -> zarr.Array[Any]:
        """An array; its metadata are read once."""
        if path not in self._arrays:
            self._arrays[path] = cast("zarr.Array[Any]", self._root[path])
        return self._arrays[path]

    def _put(self, path: str, window: Window, values: npt.NDArray[Any]) -> None:
        y, x = window.y0 - self.grid.region.y0, window.x0 - self.grid.region.x0
        ny, nx = window.shape
        array = self._array(path)
        array[y : y + ny, x : x + nx] = values.reshape(ny, nx, *values.shape[1:])

    def map(self, path: str) -> npt.NDArray[Any]:
        """A whole variable, for example ``fit/chi2``.

        Raises
        ------
        NotFoundError
            There is none of that name.
        """
        if path not in self._root:
            raise NotFoundError(f"{self.url}: holds no {path}")
        with _explained(self.url):
            return np.asarray(self._array(path)[...])

    def part(self, path: str, window: Window) -> npt.NDArray[Any]:
        """A rectangle of a variable; the window in coordinates of the observation, inside the region.

        Raises
        ------
        NotFoundError
            There is no variable of that name.
        """
        if path not in self._root:
            raise NotFoundError(f"{self.url}: holds no {path}")
        region = self.grid.region
        array = self._array(path)
        with _explained(self.url):
            rows = slice(window.y0 - region.y0, window.y1 - region.y0)
            return np.asarray(array[rows, window.x0 - region.x0 : window.x1 - region.x0])

    def update(self, **attrs: Any) -> None:
        """Add root attributes."""
        with _explained(self.url):
            self._root.update_attributes(attrs)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Record the summary and gather the metadata, so that xarray opens the store with one read."""
        import zarr

        self.update(summary=dict(summary))
        with _explained(self.url), warnings.catch_warnings():
            # zarr warns that consolidated metadata is not in the v3 specification; readers that do not
            # know it ignore it.
            warnings.simplefilter("ignore")
            self._root = zarr.consolidate_metadata(self._store)

    def tree(self) -> xr.DataTree:
        """The store as an xarray tree, arrays read when they are used."""
        import xarray as xr

        with _explained(self.url):
            return xr.open_datatree(cast(Any, self._store), engine="zarr", consolidated=False)


def _bounds(window: Window) -> tuple[int, int, int, int]:
    return window.y0, window.y1, window.x0, window.x1


def occupied(store: ZarrStore, name: str) -> bool:
    """Whether there is something at a store's place already."""
    import zarr.errors
    from zarr.storage import LocalStore

    if isinstance(store, LocalStore):
        return store.root.exists() and (not store.root.is_dir() or any(store.root.iterdir()))
    with _explained(name):
        try:
            zarr.open(store, mode="r")
        except (FileNotFoundError, zarr.errors.GroupNotFoundError):
            return False
    return True


def _constant(
    root: zarr.Group, path: str, values: npt.NDArray[Any], dims: tuple[str, ...], **attrs: Any
) -> None:
    dtype: Any = str if values.dtype.kind in "OUT" else values.dtype
    array = root.create_array(
        path, shape=values.shape, chunks=values.shape, dtype=dtype, dimension_names=dims, attributes=attrs
    )
    array[...] = values


def _coordinates(
    root: zarr.Group, region: Window, log_tau: npt.NDArray[np.float64], wavelength: npt.NDArray[np.float64]
) -> None:
    _constant(root, "y", np.arange(region.y0, region.y1), ("y",), units="pixel", long_name="row")
    _constant(root, "x", np.arange(region.x0, region.x1), ("x",), units="pixel", long_name="column")
    _constant(
        root, "log_tau", log_tau, ("log_tau",), units="1",
        long_name="log10 of the continuum optical depth at 5000 angstrom",
    )  # fmt: skip
    _constant(
        root, "wavelength", wavelength, ("wavelength",), units="angstrom", long_name="wavelength in air"
    )
    _constant(root, STOKES_AXIS, np.array(STOKES, dtype=object), (STOKES_AXIS,), long_name="Stokes parameter")


def _maps(
    root: zarr.Group, grid: TileGrid, variables: tuple[Variable, ...], n_depth: int, n_wavelength: int
) -> None:
    sizes = {"log_tau": n_depth, STOKES_AXIS: len(STOKES), "wavelength": n_wavelength}
    observed = Variable(
        "observation/stokes", (STOKES_AXIS, "wavelength"),
        attrs={"units": "1", "long_name": "observed Stokes profiles over the continuum reference"},
    )  # fmt: skip
    for variable in (*variables, observed):
        tail = tuple(sizes[name] for name in variable.dims)
        root.create_array(
            variable.path,
            shape=(*grid.region.shape, *tail),
            chunks=(*grid.tile, *tail),
            dtype=cast(Any, str if variable.dtype == "str" else variable.dtype),
            fill_value=variable.fill,
            dimension_names=("y", "x", *variable.dims),
            attributes=dict(variable.attrs),
        )


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Where two JSON documents differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(
                old.get(key, _MISSING), new.get(key, _MISSING), f"{path}.{key}" if path else key
            )
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(a, b, f"{path}[{i}]")
    elif old != new:
        yield f"{path} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    if value is _MISSING:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


__all__ = ["FORMAT", "ResultStore", "StoreError", "blank", "occupied", "open_zarr_store"]
