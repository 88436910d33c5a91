"""How alike two samples of one quantity are: correlation, differences, and the ellipse of their scatter.

Azimuths are known up to 180°, so they live on a circle of the double angle. Their correlation is circular,
their differences lie in −90 … 90°, their mean is that of the doubled direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.truth import difference

Floats = npt.NDArray[np.float64]

#: share of the points of a bivariate normal distribution that the ellipse holds
HELD: Final = 0.99
#: quantile of χ² with two degrees of freedom at that share; its distribution is 1 − exp(−x/2) exactly
QUANTILE: Final = -2.0 * math.log(1.0 - HELD)
#: what is known up to half a turn
CIRCULAR: Final = "azimuth"
#: spread, in units of the largest value, below which a sample does not vary but by rounding (float32 maps)
_FLAT: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Ellipse:
    """The ellipse that holds 99 % of a normal distribution with the covariance of the points (REF, OTHER).

    Attributes
    ----------
    reference, other : float
        Its centre: the means.
    major, minor : float
        Semi-axes, in the quantity's unit.
    tilt : float
        Degrees from the axis of REF to the major axis, counter-clockwise, −90 < tilt ≤ 90; 45 where OTHER
        follows REF one to one.
    held : float
        Share of the points that really lie inside: far less than 0.99 in the core and outliers beyond show
        that the scatter is not normal.
    """

    reference: float
    other: float
    major: float
    minor: float
    tilt: float
    held: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Numbers of one sample; NaN where there are too few points, or none varies.

    Attributes
    ----------
    pixels : int
        Points with a finite value on both sides.
    correlation : float
        Pearson's, −1 … 1; for azimuths `circular_correlation`.
    bias, rms, deviation : float
        Of OTHER − REF: mean, root mean square, and median of the absolute deviation from the median (for
        azimuths from the mean direction), which outliers do not move.
    ellipse : Ellipse or None
        None with fewer than three points.
    """

    pixels: int
    correlation: float
    bias: float
    rms: float
    deviation: float
    ellipse: Ellipse | None


def agreement(quantity: str, reference: npt.NDArray[Any], other: npt.NDArray[Any]) -> Agreement:
    """Compare two samples of a quantity.

    Parameters
    ----------
    quantity : str
        ``azimuth`` is taken modulo 180°.
    reference, other : ndarray (n,) float
        Pairs with NaN on either side are left out.
    """
    use = np.isfinite(reference) & np.isfinite(other)
    a, b = reference[use].astype(np.float64), other[use].astype(np.float64)
    if a.size == 0:
        return Agreement(0, math.nan, math.nan, math.nan, math.nan, None)
    delta = difference(quantity, b, a)
    if quantity == CIRCULAR:
        correlation, bias = circular_correlation(a, b), mean_angle(delta)
        # The pair on its common branch: a wrap of either one is no scatter.
        a = np.mod(a, 180.0)
        b, centre = a + delta, bias
    else:
        correlation, bias = pearson(a, b), float(delta.mean())
        centre = float(np.median(delta))
    rms = float(np.sqrt(np.mean(delta**2)))
    deviation = float(np.median(np.abs(difference(quantity, delta, np.asarray(centre)))))
    return Agreement(int(a.size), correlation, bias, rms, deviation, ellipse(a, b))


def pearson(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Pearson's correlation of two samples.

    Parameters
    ----------
    a, b : array_like (n,)
        Finite.

    Returns
    -------
    float
        −1 … 1; NaN where either one does not vary.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not (_varies(x) and _varies(y)):
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(np.clip((x @ y) / scale, -1.0, 1.0)) if scale > 0 else math.nan


def circular_correlation(a: npt.ArrayLike, b: npt.ArrayLike, period: float = 180.0) -> float:
    """Correlation of two samples of angles, of Fisher & Lee 1983.

    With α, β the angles as parts of a full turn (an azimuth doubled), over all pairs of points i < j::

        ρ = Σ sin(α_i − α_j) sin(β_i − β_j) / √[Σ sin²(α_i − α_j) Σ sin²(β_i − β_j)]

    evaluated in O(n) as 4 (AB − CD) / √[(n² − E² − F²)(n² − G² − H²)] (Fisher 1993, *Statistical Analysis of
    Circular Data*, eq. 6.36). ρ = ±1 exactly where β = ±α + const; for small spreads it becomes Pearson's.
    The coefficient of Jammalamadaka & Sarma 1988 (*Statistical Theory and Data Analysis II*, 349) measures
    the same from the two mean directions. Azimuths around a sunspot fill the circle and have no mean
    direction; the pairs of Fisher & Lee (Biometrika 70, 327) need none, so theirs is used.

    Parameters
    ----------
    a, b : array_like (n,)
        Finite angles.
    period : float
        In the angles' unit; 180 for azimuths in degrees.

    Returns
    -------
    float
        −1 … 1; NaN where either one does not vary.
    """
    turn = 2.0 * np.pi / period
    alpha, beta = np.asarray(a, np.float64) * turn, np.asarray(b, np.float64) * turn
    n = alpha.size
    if n < 2:
        return math.nan
    # Turned to their mean directions, which changes nothing but keeps small spreads from cancelling.
    alpha, beta = alpha - _direction(alpha), beta - _direction(beta)
    cos_a, sin_a, cos_b, sin_b = np.cos(alpha), np.sin(alpha), np.cos(beta), np.sin(beta)
    product = (cos_a @ cos_b) * (sin_a @ sin_b) - (cos_a @ sin_b) * (sin_a @ cos_b)
    spread = _double_spread(cos_a, sin_a) * _double_spread(cos_b, sin_b)
    if not spread > 0:
        return math.nan
    return float(np.clip(4.0 * product / (n * n * math.sqrt(spread)), -1.0, 1.0))


def _direction(angle: Floats) -> float:
    return float(np.angle(np.exp(1j * angle).mean()))


def _double_spread(cosine: Floats, sine: Floats) -> float:
    """1 − |mean of exp 2iα|², as a variance: the difference itself would cancel; 0 where that is rounding."""
    double = (cosine + 1j * sine) ** 2
    variance = float(np.mean(np.abs(double - double.mean()) ** 2))
    return variance if variance > _FLAT**2 else 0.0


def mean_angle(angle: npt.ArrayLike, period: float = 180.0) -> float:
    """Direction of the mean of unit vectors on the circle, in −period/2 … period/2.

    Parameters
    ----------
    angle : array_like (n,)
        Finite, at least one.
    """
    turn = 2.0 * np.pi / period
    return _direction(np.asarray(angle, np.float64) * turn) / turn


def ellipse(reference: Floats, other: Floats) -> Ellipse | None:
    """Covariance ellipse of points, scaled to hold 99 % of a normal distribution.

    Its semi-axes are √(χ²₀.₉₉(2) λ) with the eigenvalues λ of the covariance matrix, χ²₀.₉₉(2) = 9.21.

    Parameters
    ----------
    reference, other : ndarray (n,) float64
        Finite.

    Returns
    -------
    Ellipse or None
        None with fewer than three points.
    """
    if reference.size < 3:
        return None
    x, y = reference - reference.mean(), other - other.mean()
    n = x.size
    covariance = np.array([[x @ x, x @ y], [x @ y, y @ y]]) / (n - 1)
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    minor, major = np.sqrt(QUANTILE * values)
    tilt = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    tilt = (tilt + 90.0) % 180.0 - 90.0
    along = x * vectors[0, 1] + y * vectors[1, 1]
    across = x * vectors[0, 0] + y * vectors[1, 0]
    # Without a minor axis the ellipse is a line, on which all points lie.
    safe = np.maximum(values, _FLAT**2 * max(float(values.max()), np.finfo(np.float64).tiny))
    inside = across**2 / safe[0] + along**2 / safe[1] <= QUANTILE
    return Ellipse(
        float(reference.mean()),
        float(other.mean()),
        float(major),
        float(minor),
        90.0 if tilt == -90.0 else tilt,
        float(inside.mean()),
    )


def _varies(values: Floats) -> bool:
    return values.size > 1 and float(np.ptp(values)) > _FLAT * float(np.abs(values).max())
