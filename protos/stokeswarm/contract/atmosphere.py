"""Depth-stratified atmospheres of a batch of pixels on one optical-depth axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError

Floats = npt.NDArray[np.float64]

#: field → unit, depth-stratified
STRATIFIED: Final[Mapping[str, str]] = {
    "temperature": "K",
    "electron_pressure": "dyn cm-2",
    "microturbulence": "km s-1",
    "field_strength": "G",
    "velocity": "km s-1",
    "inclination": "deg",
    "azimuth": "deg",
    "height": "km",
    "gas_pressure": "dyn cm-2",
    "density": "g cm-3",
}
#: field → unit, one number a pixel
SCALAR: Final[Mapping[str, str]] = {"macroturbulence": "km s-1", "filling_factor": "", "stray_light": ""}
#: a stratified field that may be absent (an engine computes it)
OPTIONAL: Final = ("electron_pressure", "height", "gas_pressure", "density")


@dataclass(frozen=True, slots=True)
class Atmosphere:
    """Atmospheres of n pixels (or their 1σ errors, in the same units).

    Attributes
    ----------
    log_tau : ndarray (n_depth,) float64
        log10 of the continuum optical depth at 5000 Å, strictly decreasing (deepest first).
    temperature : ndarray (n, n_depth) float64
        K.
    microturbulence, velocity : ndarray (n, n_depth) float64
        km/s; velocity > 0 = receding = redshift.
    field_strength : ndarray (n, n_depth) float64
        G.
    inclination, azimuth : ndarray (n, n_depth) float64
        Degrees; inclination from the line of sight, azimuth ambiguous by 180°.
    macroturbulence : ndarray (n,) float64
        km/s.
    filling_factor, stray_light : ndarray (n,) float64
        Fractions, 0–1.
    electron_pressure, gas_pressure : ndarray (n, n_depth) float64 or None
        dyn cm⁻².
    density : ndarray (n, n_depth) float64 or None
        g cm⁻³.
    height : ndarray (n, n_depth) float64 or None
        km, 0 at log τ = 0.

    Raises
    ------
    InvalidArgumentError
        On construction, where a shape or the order of log τ is wrong.
    """

    log_tau: Floats
    temperature: Floats
    microturbulence: Floats
    field_strength: Floats
    velocity: Floats
    inclination: Floats
    azimuth: Floats
    macroturbulence: Floats
    filling_factor: Floats
    stray_light: Floats
    electron_pressure: Floats | None = None
    height: Floats | None = None
    gas_pressure: Floats | None = None
    density: Floats | None = None

    def __post_init__(self) -> None:
        log_tau = np.ascontiguousarray(self.log_tau, dtype=np.float64)
        if log_tau.ndim != 1 or log_tau.size == 0 or not np.isfinite(log_tau).all():
            raise InvalidArgumentError(f"log_tau: expected a finite 1-D axis, found shape {log_tau.shape}")
        if (np.diff(log_tau) >= 0).any():
            raise InvalidArgumentError("log_tau: expected strictly decreasing values (deepest first)")
        object.__setattr__(self, "log_tau", log_tau)
        n_pixel = np.shape(self.temperature)[0] if np.ndim(self.temperature) == 2 else -1
        shapes = dict.fromkeys(STRATIFIED, (n_pixel, log_tau.size)) | dict.fromkeys(SCALAR, (n_pixel,))
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            array = np.ascontiguousarray(value, dtype=np.float64)
            if array.shape != shape:
                raise InvalidArgumentError(
                    f"{name}: expected shape {tuple('n' if s == -1 else s for s in shape)}, "
                    f"found {array.shape}"
                )
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return int(self.temperature.shape[0])

    @property
    def n_depth(self) -> int:
        """Number of depth points."""
        return int(self.log_tau.size)

    def arrays(self) -> dict[str, Floats]:
        """The fields that are present, without log_tau, by name."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "log_tau")
        return {name: value for name, value in pairs if value is not None}

    def take(self, pixels: npt.ArrayLike) -> Self:
        """The atmospheres of some pixels, in that order (indices or a boolean mask)."""
        chosen = np.asarray(pixels)
        if chosen.size == 0:  # numpy makes an empty list float64, which is no index
            chosen = chosen.astype(np.intp)
        return replace(self, **{name: array[chosen] for name, array in self.arrays().items()})

    def resample(self, log_tau: npt.ArrayLike) -> Self:
        """Interpolate onto another depth axis.

        Shape-preserving cubic inside (Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300), so that no
        new extremum appears; outside, the temperature goes on with the slope of its two last points and
        everything else stays constant. Angles are taken as they are (unwrapped by the caller where a 180°
        jump matters). Pressures, density and height are dropped: they no longer satisfy hydrostatic
        equilibrium.

        Parameters
        ----------
        log_tau : array_like (n_new,)
            Strictly decreasing.
        """
        new = np.ascontiguousarray(log_tau, dtype=np.float64)
        if new.shape == self.log_tau.shape and np.array_equal(new, self.log_tau):
            return self
        changed: dict[str, Any] = {
            name: _resample(self.log_tau, array, new, extrapolate=name == "temperature")
            for name, array in self.arrays().items()
            if name in STRATIFIED and name not in OPTIONAL
        }
        changed |= dict.fromkeys(OPTIONAL)
        return replace(self, log_tau=new, **changed)

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Join atmospheres of the same depth axis and the same fields.

        Raises
        ------
        InvalidArgumentError
            No parts, or their axes or fields differ.
        """
        if not parts:
            raise InvalidArgumentError("nothing to concatenate")
        first = parts[0]
        names = list(first.arrays())
        for part in parts[1:]:
            if not np.array_equal(part.log_tau, first.log_tau) or list(part.arrays()) != names:
                raise InvalidArgumentError("atmospheres differ in depth axis or fields")
        joined = {name: np.concatenate([part.arrays()[name] for part in parts]) for name in names}
        return cls(log_tau=first.log_tau, **joined)

    @classmethod
    def full(
        cls, n_pixel: int, log_tau: npt.ArrayLike, value: float = np.nan, pressures: bool = True
    ) -> Self:
        """Atmospheres with one value everywhere (NaN = no result)."""
        axis = np.ascontiguousarray(log_tau, dtype=np.float64)
        names = [name for name in STRATIFIED if pressures or name not in OPTIONAL]
        stratified = {name: np.full((n_pixel, axis.size), value) for name in names}
        return cls(log_tau=axis, **stratified, **{name: np.full(n_pixel, value) for name in SCALAR})


def _resample(old: Floats, values: Floats, new: Floats, *, extrapolate: bool) -> Floats:
    """Monotone cubic interpolation along the last axis; see `Atmosphere.resample`."""
    if old.size == 1:
        return np.repeat(values, new.size, axis=-1)
    x, y = old[::-1], values[..., ::-1]
    h = np.diff(x)
    slope = np.diff(y, axis=-1) / h
    derivative = _fritsch_butland(h, slope)
    inside = np.clip(new, x[0], x[-1])
    i = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, x.size - 2)
    t = (inside - x[i]) / h[i]
    result = (
        (1 + 2 * t) * (1 - t) ** 2 * y[..., i]
        + t * (1 - t) ** 2 * h[i] * derivative[..., i]
        + t**2 * (3 - 2 * t) * y[..., i + 1]
        + t**2 * (t - 1) * h[i] * derivative[..., i + 1]
    )
    if extrapolate:
        result = result + slope[..., :1] * np.minimum(new - x[0], 0.0)
        result = result + slope[..., -1:] * np.maximum(new - x[-1], 0.0)
    return np.ascontiguousarray(result)


def _fritsch_butland(h: Floats, slope: Floats) -> Floats:
    """Node derivatives (n,) of Fritsch & Butland 1984: weighted harmonic mean of the slopes, 0 at extrema."""
    n = h.size + 1
    derivative = np.empty((*slope.shape[:-1], n))
    derivative[..., 0], derivative[..., -1] = slope[..., 0], slope[..., -1]
    left, right = slope[..., :-1], slope[..., 1:]
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = left * right > 0
    safe_left, safe_right = np.where(same, left, 1.0), np.where(same, right, 1.0)
    derivative[..., 1:-1] = np.where(same, (w1 + w2) / (w1 / safe_left + w2 / safe_right), 0.0)
    return derivative
