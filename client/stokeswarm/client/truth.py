"""How far a result is from a known truth, quantity by quantity and depth by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.results import Floats, Result
from stokeswarm.contract.atmosphere import STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

if TYPE_CHECKING:
    from stokeswarm.client.results import Source

Mask = npt.NDArray[np.bool_]

QUANTITIES: Final = ("temperature", "velocity", "field_strength", "inclination", "azimuth")
DEPTHS: Final = (0.0, -1.0, -2.0)
#: polarisation, in units of its noise, that a pixel needs for its field to be judged
SIGNIFICANT: Final = 5.0
#: which signal says that a quantity can be known at all
_SIGNAL: Final[Mapping[str, str]] = {"field_strength": "total", "inclination": "total", "azimuth": "linear"}


@dataclass(frozen=True, slots=True)
class Error:
    """Errors of one quantity at one depth.

    Attributes
    ----------
    quantity, unit : str
    log_tau : float
    pixels : int
        That were judged: with a result and, for the field, with enough polarisation.
    rms, median, bias : float
        Root mean square, median of the absolute value, and mean of result − truth; NaN without pixels.
    """

    quantity: str
    unit: str
    log_tau: float
    pixels: int
    rms: float
    median: float
    bias: float


def difference(quantity: str, found: Floats, true: Floats) -> Floats:
    """Found − true; azimuths modulo 180°, in −90 … 90°."""
    delta = found - true
    return np.asarray(np.mod(delta + 90.0, 180.0) - 90.0) if quantity == "azimuth" else delta


def polarised(stokes: npt.NDArray[Any], noise: Sequence[float]) -> dict[str, Mask]:
    """Where polarisation stands out of the noise.

    Parameters
    ----------
    stokes : ndarray (ny, nx, 4, n_wavelength)
        Observed I, Q, U, V.
    noise : sequence of 4 floats
        Standard deviation of I, Q, U, V.

    Returns
    -------
    dict
        ``linear`` and ``total``: bool (ny, nx); the largest |Q| or |U| (or |V|) exceeds `SIGNIFICANT` times
        its noise.
    """
    peak = np.nanmax(np.abs(stokes[:, :, 1:]), axis=-1) / np.asarray(noise[1:], dtype=float)
    linear = peak[..., :2].max(axis=-1) > SIGNIFICANT
    return {"linear": linear, "total": linear | (peak[..., 2] > SIGNIFICANT)}


def compare(
    source: Source, truth: Atmosphere, noise: Sequence[float], log_tau: Sequence[float] = DEPTHS
) -> tuple[Error, ...]:
    """Errors of a result.

    Parameters
    ----------
    source : DataTree, path or URL
        The result, with its observation.
    truth : Atmosphere
        ny·nx pixels, row by row.
    noise : sequence of 4 floats
        Of the observation.
    log_tau : sequence of float

    Returns
    -------
    tuple of Error
        By quantity, then depth.

    Raises
    ------
    InvalidArgumentError
        The truth has another number of pixels.
    NotFoundError
        There is no result.
    """
    result = Result.open(source)
    ny, nx = result.shape
    if len(truth) != ny * nx:
        raise InvalidArgumentError(f"truth: {len(truth)} pixels for a map of {ny}×{nx}")
    signal = polarised(result.array("observation/stokes"), noise)
    on_axis = truth.resample(result.log_tau)
    errors = []
    for quantity in QUANTITIES:
        known = signal[_SIGNAL[quantity]] if quantity in _SIGNAL else np.ones((ny, nx), dtype=bool)
        for depth in log_tau:
            row = int(np.argmin(np.abs(result.log_tau - depth)))
            true = on_axis.arrays()[quantity][:, row].reshape(ny, nx)
            delta = difference(quantity, result.level(quantity, depth), true)
            errors.append(_error(quantity, depth, delta[known & result.has_result]))
    return tuple(errors)


def _error(quantity: str, depth: float, delta: Floats) -> Error:
    if delta.size == 0:
        return Error(quantity, STRATIFIED[quantity], depth, 0, np.nan, np.nan, np.nan)
    return Error(
        quantity,
        STRATIFIED[quantity],
        depth,
        int(delta.size),
        float(np.sqrt(np.mean(delta**2))),
        float(np.median(np.abs(delta))),
        float(np.mean(delta)),
    )
