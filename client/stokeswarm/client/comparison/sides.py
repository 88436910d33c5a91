"""One side of a comparison: what is kept of a result, and how a level is taken from its depths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.tiles import Window
from stokeswarm.client.truth import difference
from stokeswarm.contract.errors import InvalidArgumentError

Map = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

#: stratified quantities that are compared, in the order of every table
QUANTITIES: Final = (
    "temperature",
    "velocity",
    "field_strength",
    "inclination",
    "azimuth",
    "microturbulence",
)
#: numbers of a whole pixel that are compared where they vary
SCALARS: Final = ("macroturbulence", "filling_factor", "stray_light")
#: a depth this close to a point of the axis is that point
_ON_POINT: Final = 1e-6


class Key(NamedTuple):
    """What a map shows.

    Attributes
    ----------
    component : int
        From 0.
    quantity : str
    log_tau : float or None
        None of a number of the whole pixel.
    """

    component: int
    quantity: str
    log_tau: float | None


@dataclass(frozen=True, slots=True)
class Polarisation:
    """Largest polarisation of every pixel over its wavelengths, in units of the noise.

    Attributes
    ----------
    linear, total : ndarray (ny, nx) float32
        max over λ of √(Q² + U²) and of √(Q² + U² + V²), each Stokes parameter over its own σ.
    """

    linear: Map
    total: Map


@dataclass(frozen=True, slots=True)
class Side:
    """A result over the pixels that are compared.

    Attributes
    ----------
    name : str
        Path or URL, for messages and tables.
    window : Window
        Pixels that were read, in the coordinates of the observation.
    origin : Window
        Pixels that the result has.
    n_component : int
    levels : dict
        `Key` → ndarray (ny, nx) float32; NaN without a result.
    has_result : ndarray (ny, nx) bool
    chi2, seconds : ndarray (ny, nx) float32 or None
        Reduced χ², and CPU seconds in the engine; None where the source does not hold them.
    status, start, gate : ndarray (ny, nx) uint8 or None
        Codes as the store numbers them.
    attrs : mapping
        The store's root attributes.
    """

    name: str
    window: Window
    origin: Window
    n_component: int
    levels: dict[Key, Map]
    has_result: Bools
    chi2: Map | None = None
    seconds: Map | None = None
    status: Codes | None = None
    start: Codes | None = None
    gate: Codes | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def position(self, y: int, x: int) -> tuple[int, int]:
        """Row and column in the result's own arrays of a pixel of the observation."""
        return y - self.origin.y0, x - self.origin.x0


class Opened(Protocol):
    """A result that can be read: a store, or an archive of atmospheres."""

    @property
    def name(self) -> str:
        """Path or URL."""
        ...

    @property
    def window(self) -> Window:
        """Its pixels, in the coordinates of the observation."""
        ...

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Root attributes of a store; empty of an archive."""
        ...

    def read(self, window: Window, log_tau: Sequence[float]) -> Side:
        """Levels and codes of a part.

        Raises
        ------
        InvalidArgumentError
            A depth lies outside the axis.
        """
        ...

    def polarisation(self, window: Window) -> Polarisation | None:
        """Of the observation; None where it, or its noise, is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Level:
    """Where a depth lies on an axis: a point, or a place between two.

    Attributes
    ----------
    deep, high : int
        The neighbouring points.
    weight : float
        Of the higher point, 0 … 1.
    """

    deep: int
    high: int
    weight: float

    @classmethod
    def of(cls, log_tau: npt.NDArray[np.float64], depth: float, name: str) -> Level:
        """Find a depth.

        Parameters
        ----------
        log_tau : ndarray (n_depth,) float64
            Strictly decreasing.
        depth : float
        name : str
            Of the result, for the message.

        Raises
        ------
        InvalidArgumentError
            It lies outside.
        """
        nearest = int(np.abs(log_tau - depth).argmin())
        if abs(float(log_tau[nearest]) - depth) <= _ON_POINT:
            return cls(nearest, nearest, 0.0)
        if not log_tau[-1] < depth < log_tau[0]:
            raise InvalidArgumentError(
                f"log tau {depth:g} lies outside {name}, which has {log_tau[0]:g} to {log_tau[-1]:g}"
            )
        deep = int(np.flatnonzero(log_tau > depth)[-1])
        step = float(log_tau[deep] - log_tau[deep + 1])
        return cls(deep, deep + 1, float(log_tau[deep] - depth) / step)

    def take(self, quantity: str, values: npt.NDArray[Any]) -> Map:
        """The level of values (…, n_depth), linear in log τ; azimuths along the shorter arc, 0 … 180°."""
        found = values[..., self.deep].astype(np.float64)
        if self.weight:
            step = difference(quantity, values[..., self.high].astype(np.float64), found)
            found = found + self.weight * step
        return (np.mod(found, 180.0) if quantity == "azimuth" else found).astype(np.float32)


def common_window(a: Window, b: Window) -> Window | None:
    """The pixels of both; None if there are none."""
    y0, y1 = max(a.y0, b.y0), min(a.y1, b.y1)
    x0, x1 = max(a.x0, b.x0), min(a.x1, b.x1)
    return Window(y0, y1, x0, x1) if y0 < y1 and x0 < x1 else None


def slices(window: Window, origin: Window) -> tuple[slice, slice]:
    """Where a window lies in an array that begins at another one's corner."""
    return (
        slice(window.y0 - origin.y0, window.y1 - origin.y0),
        slice(window.x0 - origin.x0, window.x1 - origin.x0),
    )


def without_failures(side: Side) -> Side:
    """The side with NaN where a pixel has no result, whatever its arrays hold there."""
    levels = {key: np.where(side.has_result, values, np.nan) for key, values in side.levels.items()}
    return replace(side, levels=levels)
