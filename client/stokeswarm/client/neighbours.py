"""Isolated bad pixels of a result, and what their neighbours suggest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.gate import DEFAULT_CHI2, RESULTS
from stokeswarm.contract.atmosphere import Atmosphere, Floats
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

#: a bad pixel's χ² is above this multiple of its good neighbours' median
RATIO: Final = 2.0
#: good neighbours, of eight, that a repair needs
ENOUGH: Final = 3
#: fields that change by factors rather than by differences: averaged as logarithms
_LOGARITHMIC: Final = ("field_strength", "electron_pressure")
#: field strength that stands for none [G], so that a logarithm exists
_NO_FIELD: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Rule:
    """Which pixels are bad.

    Attributes
    ----------
    chi2 : float
        Reduced χ² up to which a pixel is good whatever its neighbours are; > 0.
    ratio : float
        A bad one's χ² is above this multiple of the median of its good neighbours; > 1.
    enough : int
        Good neighbours that a repair needs, 1 to 8.
    """

    chi2: float = DEFAULT_CHI2
    ratio: float = RATIO
    enough: int = ENOUGH

    def __post_init__(self) -> None:
        if not self.chi2 > 0 or not self.ratio > 1 or not 1 <= self.enough <= 8:
            raise InvalidArgumentError(
                f"repair: expected chi2 > 0, ratio > 1 and 1 to 8 neighbours, found {self.chi2:g}, "
                f"{self.ratio:g} and {self.enough}"
            )


def bad_pixels(
    status: npt.NDArray[np.uint8], chi2: npt.NDArray[np.floating], rule: Rule
) -> Mapping[tuple[int, int], npt.NDArray[np.int64]]:
    """Pixels to repair, each with its good neighbours.

    A pixel is bad where it has no result (and is neither masked nor invalid), or where its χ² is above both
    ``rule.chi2`` and ``rule.ratio`` times the median of its good neighbours. A neighbour is good where it has
    a result whose χ² is at most ``rule.chi2``, or ``rule.ratio`` times lower than the pixel's own: where a
    structure is beyond the plan's nodes every fit is above the gate, and its outliers are bad all the same.

    Parameters
    ----------
    status : ndarray (y, x) uint8
    chi2 : ndarray (y, x) float
        NaN where there is no result.
    rule : Rule

    Returns
    -------
    mapping
        (y, x) → its good neighbours, (k, 2) of y and x, at least ``rule.enough`` of them.
    """
    ended = np.isin(status, RESULTS)
    settled = ended | np.isin(status, (Status.MASKED, Status.INVALID_INPUT, 0))
    suspects = ~settled | (ended & ~(chi2 <= rule.chi2))
    ny, nx = status.shape
    found = {}
    for y, x in np.argwhere(suspects).tolist():
        rows = np.arange(max(y - 1, 0), min(y + 2, ny))
        columns = np.arange(max(x - 1, 0), min(x + 2, nx))
        around = np.array([(j, i) for j in rows.tolist() for i in columns.tolist() if (j, i) != (y, x)])
        if around.size == 0:
            continue
        theirs = chi2[around[:, 0], around[:, 1]].astype(np.float64)
        # A pixel without a result, or whose χ² is NaN, is worse than any.
        own = float(chi2[y, x]) if ended[y, x] and np.isfinite(chi2[y, x]) else np.inf
        good = ended[around[:, 0], around[:, 1]] & (theirs <= max(rule.chi2, own / rule.ratio))
        good &= np.isfinite(theirs)
        if good.sum() >= rule.enough and own > rule.ratio * float(np.median(theirs[good])):
            found[y, x] = around[good]
    return found


def suggestion(neighbours: Atmosphere) -> Atmosphere:
    """One atmosphere from a pixel's neighbours.

    Field strength and pressures: the mean of the logarithms. Azimuth: that of the mean vector (cos 2χ, sin
    2χ), so that 179° and 1° meet at 0°. Everything else: the median, which one bad neighbour does not move.

    Parameters
    ----------
    neighbours : Atmosphere
        k pixels, k > 0.

    Returns
    -------
    Atmosphere
        One pixel; without gas pressure, density and height.
    """
    values: dict[str, Any] = {}
    for name, array in neighbours.arrays().items():
        if name in ("gas_pressure", "density", "height"):
            continue
        if name in _LOGARITHMIC:
            values[name] = np.exp(np.log(np.maximum(array, _NO_FIELD)).mean(axis=0))[None]
        elif name == "azimuth":
            values[name] = _mean_azimuth(neighbours)[None]
        else:
            values[name] = np.median(array, axis=0)[None]
    return Atmosphere(log_tau=neighbours.log_tau, **values)


def _mean_azimuth(neighbours: Atmosphere) -> Floats:
    """Direction [deg] (n_depth,) of the mean of (cos 2χ, sin 2χ), weighted like Q and U with (B sin γ)²."""
    across = neighbours.field_strength * np.sin(np.deg2rad(neighbours.inclination))
    double = np.deg2rad(2.0 * neighbours.azimuth)
    weight = np.square(across)
    cosine, sine = (weight * np.cos(double)).sum(axis=0), (weight * np.sin(double)).sum(axis=0)
    return np.asarray(np.rad2deg(np.arctan2(sine, cosine)) / 2.0 % 180.0)
