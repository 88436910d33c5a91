"""Reading a result store block by block: of a map of gigabytes a few levels are kept, nothing else.

Blocks follow the store's chunks, so that each chunk is read once, and hold `BLOCK_BYTES` at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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
from stokeswarm.client.gate import RESULTS
from stokeswarm.client.layout import component_group
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import LARGE_TILE, Window
from stokeswarm.contract.errors import InvalidArgumentError

if TYPE_CHECKING:
    import xarray as xr

#: largest piece of one variable in memory
BLOCK_BYTES: Final = 1 << 26
_CODES: Final = ("status", "start", "gate")


@dataclass(frozen=True, slots=True)
class StoreSource:
    """A result store, or an xarray tree laid out like one.

    Attributes
    ----------
    name : str
    window : Window
    attrs : mapping
    variables : mapping
        ``fit/chi2`` → xarray variable, read when it is used.
    log_tau : ndarray (n_depth,) float64
        Strictly decreasing.
    tile : (int, int)
        Rows and columns of a chunk.
    """

    name: str
    window: Window
    attrs: Mapping[str, Any]
    variables: Mapping[str, xr.Variable]
    log_tau: npt.NDArray[np.float64]
    tile: tuple[int, int]

    @classmethod
    def open(cls, source: str | Path | ResultStore | xr.DataTree) -> StoreSource:
        """Open for reading.

        Raises
        ------
        NotFoundError
            Nothing is there.
        DataLossError
            It is no result store of ours.
        InvalidArgumentError
            A tree without atmosphere, fit or coordinates.
        """
        if isinstance(source, str | Path):
            source = ResultStore.read(source)
        name, tree = (source.url, source.tree()) if isinstance(source, ResultStore) else ("result", source)
        variables = {
            f"{group}/{key}": variable
            for group, node in tree.children.items()
            if group.startswith(("atmosphere", "fit", "observation"))
            for key, variable in node.to_dataset(inherit=False).variables.items()
        }
        for path in ("atmosphere/temperature", "fit/status"):
            if path not in variables:
                raise InvalidArgumentError(f"{name}: not a result: it has no {path}")
        attrs = {str(key): value for key, value in tree.attrs.items()}
        axis = tree.coords if "log_tau" in tree.coords else tree.children["atmosphere"].coords
        if "log_tau" not in axis:
            raise InvalidArgumentError(f"{name}: not a result: it has no coordinate log_tau")
        rows, columns = (int(n) for n in variables["fit/status"].shape)
        # The coordinates and not the attribute: a tree may be a part of the store that it was read from.
        y0, x0 = (_first(tree, axis_name) for axis_name in ("y", "x"))
        return cls(
            name,
            Window(y0, y0 + rows, x0, x0 + columns),
            attrs,
            variables,
            np.asarray(axis["log_tau"].values, np.float64),
            tuple(attrs.get("tile", (LARGE_TILE, LARGE_TILE))),
        )

    @property
    def n_component(self) -> int:
        """Atmospheric components."""
        count = 1
        while f"{component_group('atmosphere', count)}/temperature" in self.variables:
            count += 1
        return count

    def _part(self, path: str, window: Window) -> npt.NDArray[Any]:
        rows, columns = slices(window, self.window)
        return np.asarray(self.variables[path].isel(y=rows, x=columns).values)

    def blocks(self, window: Window, bytes_per_pixel: int) -> Iterator[Window]:
        """Pieces of a window along the chunks, each of `BLOCK_BYTES` at most (or one chunk)."""
        most = max(1, BLOCK_BYTES // bytes_per_pixel)
        width = window.shape[1]
        if self.tile[0] * width > most:
            width = max(1, most // (self.tile[0] * self.tile[1])) * self.tile[1]
        height = max(1, most // (width * self.tile[0])) * self.tile[0]
        for y0, y1 in _cuts(window.y0, window.y1, self.window.y0, height):
            for x0, x1 in _cuts(window.x0, window.x1, self.window.x0, width):
                yield Window(y0, y1, x0, x1)

    def read(self, window: Window, log_tau: Sequence[float]) -> Side:
        """Levels and codes of a part; see `Opened`."""
        taken = {depth: Level.of(self.log_tau, depth, self.name) for depth in log_tau}
        levels: dict[Key, Map] = {}
        for component in range(self.n_component):
            group = component_group("atmosphere", component)
            for quantity in QUANTITIES:
                path = f"{group}/{quantity}"
                if path not in self.variables:
                    continue
                maps = {depth: np.full(window.shape, np.nan, np.float32) for depth in log_tau}
                for block in self.blocks(window, 4 * self.log_tau.size):
                    values = self._part(path, block)
                    for depth, level in taken.items():
                        maps[depth][slices(block, window)] = level.take(quantity, values)
                levels |= {Key(component, quantity, depth): values for depth, values in maps.items()}
            for name in SCALARS:
                if f"{group}/{name}" in self.variables:
                    whole = self._part(f"{group}/{name}", window)
                    levels[Key(component, name, None)] = whole.astype(np.float32)
        fit = {
            name: self._part(f"fit/{name}", window)
            for name in (*_CODES, "chi2", "seconds")
            if f"fit/{name}" in self.variables
        }
        side = Side(
            self.name,
            window,
            self.window,
            self.n_component,
            levels,
            np.isin(fit["status"], RESULTS),
            attrs=self.attrs,
            **fit,
        )
        return without_failures(side)

    def polarisation(self, window: Window) -> Polarisation | None:
        """Of the observation over the plan's noise; see `Opened`."""
        noise = dict(self.attrs.get("plan", {})).get("noise")
        if noise is None or "observation/stokes" not in self.variables:
            return None
        weights = None
        if "observation/weights" in self.variables:
            weights = np.asarray(self.variables["observation/weights"].values)
        linear, total = np.zeros(window.shape, np.float32), np.zeros(window.shape, np.float32)
        n_wavelength = int(self.variables["observation/stokes"].shape[-1])
        for block in self.blocks(window, 4 * 4 * n_wavelength):
            at = slices(block, window)
            stokes = self._part("observation/stokes", block)
            linear[at], total[at] = strongest(stokes, noise, weights)
        return Polarisation(linear, total)


def strongest(
    stokes: npt.NDArray[np.float32], noise: Sequence[float], weights: npt.NDArray[Any] | None = None
) -> tuple[Map, Map]:
    """Largest linear and total polarisation over the wavelengths, in units of the noise.

    Parameters
    ----------
    stokes : ndarray (…, 4, n_wavelength) float32
        I, Q, U, V; NaN = missing.
    noise : sequence of 4 floats
        1 σ of I, Q, U, V, in the unit of ``stokes``.
    weights : ndarray (4, n_wavelength), optional
        Samples of weight 0 were not fitted and do not count.

    Returns
    -------
    linear, total : ndarray (…) float32
    """
    sigma = np.asarray(noise, np.float32)[1:, None]
    squared = np.square(stokes[..., 1:, :] / sigma)
    squared[~np.isfinite(squared)] = 0.0
    if weights is not None:
        squared *= weights[1:] > 0
    flat = squared[..., 0, :] + squared[..., 1, :]
    linear = np.sqrt(flat.max(axis=-1))
    total = np.sqrt((flat + squared[..., 2, :]).max(axis=-1))
    return linear.astype(np.float32), total.astype(np.float32)


def _first(tree: xr.DataTree, axis: str) -> int:
    """First pixel of an axis; 0 where the tree has no coordinates in pixels."""
    if axis not in tree.coords or tree.coords[axis].dtype.kind not in "iu":
        return 0
    return int(tree.coords[axis].values[0])


def _cuts(start: int, stop: int, origin: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a range at multiples of a step from an origin."""
    first = start
    while first < stop:
        last = min(stop, origin + ((first - origin) // step + 1) * step)
        yield first, last
        first = last
