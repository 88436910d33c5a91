"""Reading a result, from memory or from a store, the way figures and comparisons need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.status import Status

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    Source = str | Path | xr.DataTree

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """An inversion's result.

    Parameters
    ----------
    tree : xarray.DataTree
        Laid out as the store is.
    """

    tree: xr.DataTree

    @classmethod
    def open(cls, source: Source) -> Result:
        """A result in memory, or a store by its path or URL, opened lazily.

        Raises
        ------
        NotFoundError
            There is no store at that place.
        InvalidArgumentError
            It is not a result of an inversion.
        """
        import xarray as xr

        if isinstance(source, xr.DataTree):
            tree = source
        else:
            try:
                tree = xr.open_datatree(str(source), engine="zarr", consolidated=False)
            except FileNotFoundError as error:
                raise NotFoundError(f"{source}: there is no result store") from error
        for name in ("atmosphere", "fit"):
            if name not in tree.children:
                raise InvalidArgumentError(f"{source}: not a result store: it has no group {name!r}")
        return cls(tree)

    def _variable(self, name: str) -> xr.Variable:
        """A variable without coordinates."""
        group, _, variable = name.rpartition("/")
        if name not in self:
            raise NotFoundError(f"the result has no {name!r}")
        node = self.tree
        for part in group.split("/"):
            node = node.children[part]
        return node.to_dataset(inherit=False).variables[variable]

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ny, nx = self._variable("fit/status").shape
        return int(ny), int(nx)

    @property
    def log_tau(self) -> Floats:
        """Depth axis (n_depth,)."""
        return self.coordinate("log_tau")

    @property
    def wavelength(self) -> Floats:
        """Wavelengths (n_wavelength,), Å."""
        return self.coordinate("wavelength")

    def coordinate(self, name: str) -> Floats:
        """A coordinate axis, ``log_tau`` or ``wavelength``.

        Raises
        ------
        NotFoundError
            The result does not hold it.
        """
        for node in (self.tree, self.tree.children["atmosphere"], self.tree.children["fit"]):
            if name in node.coords:
                return np.asarray(node.coords[name].values, dtype=np.float64)
        raise NotFoundError(f"the result has no coordinate {name!r}")

    @property
    def status(self) -> npt.NDArray[np.int64]:
        """Status of every pixel (ny, nx)."""
        return self.array("fit/status").astype(np.int64)

    @property
    def has_result(self) -> npt.NDArray[np.bool_]:
        """Which pixels have numbers (ny, nx)."""
        return np.isin(self.status, [int(status) for status in Status if status.has_result])

    def __contains__(self, name: str) -> bool:
        node: xr.DataTree = self.tree
        *groups, variable = name.split("/")
        for group in groups:
            if group not in node.children:
                return False
            node = node.children[group]
        return variable in node.to_dataset(inherit=False).variables

    def array(self, name: str) -> npt.NDArray[Any]:
        """A variable by group and name, ``fit/chi2`` or ``cycle_1/fit/chi2``.

        Raises
        ------
        NotFoundError
            The result does not hold it.
        """
        return np.asarray(self._variable(name).values)

    def level(self, quantity: str, log_tau: float, group: str = "atmosphere") -> Floats:
        """Map of a stratified quantity at the depth point nearest to a log τ.

        Returns
        -------
        ndarray (ny, nx) float64
            NaN where a pixel has no result.
        """
        nearest = int(np.argmin(np.abs(self.log_tau - log_tau)))
        values = self._variable(f"{group}/{quantity}").isel(log_tau=nearest).values.astype(np.float64)
        return np.where(self.has_result, values, np.nan)

    def pixel(self, name: str, y: int, x: int) -> npt.NDArray[Any]:
        """A variable of one pixel.

        Raises
        ------
        NotFoundError
            The result does not hold the variable, or the map does not hold the pixel.
        """
        ny, nx = self.shape
        if not (0 <= y < ny and 0 <= x < nx):
            raise NotFoundError(f"pixel ({y}, {x}) lies outside the map of {ny}×{nx} pixels")
        return np.asarray(self._variable(name).isel(y=y, x=x).values)
