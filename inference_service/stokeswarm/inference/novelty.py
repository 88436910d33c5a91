"""Novelty: how unlike the training profiles a profile is.

A principal-component basis of the (noisy, normalised) training profiles gives these numbers:

- how far a profile lies from their centre *within* the basis: root mean square of its whitened coefficients,
  the Mahalanobis distance (a brighter or faster Sun than was trained on);
- how far its most unusual coefficient lies *beyond* where training profiles end, on that side;
- how far the nearest of some prototypes is, in the first few coefficients: training profiles need not fill
  the space between them (a profile without any line lies in the middle of all, and far from each);
- how much of it the basis cannot describe: root mean square of the residual, each sample in units of its own
  spread over the training set (noise, a fringe, a strange line shape);
- the largest of these residuals (a cosmic ray, a bad sample);
- how far four simple projections lie *beyond* their range, like the coefficients: of Q, U and V on the
  commonest pattern of each (a network that has seen one polarity only knows projections of V of one sign
  only), and the contrast of the line (which never is zero, or negative).

Each is divided by its 99.9 % quantile over profiles that were not trained on; the largest is the novelty.
A profile that *could* come from the training set passes, whatever made it: unpolarised stray light looks
like a weaker field. The gate on the fit is for those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inference.normalisation import cast

Float32s = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

#: components of the basis; at most a quarter of the samples
N_COMPONENT: Final = 64
#: share of ordinary profiles below the threshold
QUANTILE: Final = 0.999
#: profiles that the basis is made from
MAX_PROFILES: Final = 20_000
#: with more values a profile the components are found by iteration, not by a complete decomposition
_COMPLETE: Final = 1024
_ITERATIONS: Final = 6
_TINY: Final = 1e-12
#: width of one side of a coefficient's range, in its standard deviations, at least: a side without any
#: training profile would make every step beyond it infinite
_NARROWEST: Final = 0.5
#: the same for the patterns, where such a side is what is looked for
_NARROW: Final = 0.02

#: prototypes, at most
N_PROTOTYPE: Final = 512
#: coefficients in which they are compared: those that hold this share of the variance, and at most so many;
#: in more of them noise hides the distance
COMPARED_VARIANCE: Final = 0.99
N_COMPARED: Final = 8
#: training profiles of a prototype, at least
_MEMBERS: Final = 4
_LLOYD: Final = 12

METHOD: Final = (
    f"largest of: Mahalanobis distance in {N_COMPONENT} principal components of profile and line shape, the "
    "coefficient farthest beyond its range, patterns of Q, U, V and the line contrast likewise, "
    f"distance to the nearest of {N_PROTOTYPE} prototypes in at most {N_COMPARED} of them, rms and "
    f"maximum of the residual outside the components; each over its {100 * QUANTILE:g} % quantile on "
    "validation profiles; the threshold is the same quantile of the result"
)


@dataclass(frozen=True, slots=True)
class Basis:
    """Principal components of normalised profiles.

    Attributes
    ----------
    mean : ndarray (n_value,) float32
    whiten : ndarray (n_value, n_component) float32
        Profile minus mean → coefficients of unit variance.
    colour : ndarray (n_component, n_value) float32
        Coefficients → profile minus mean.
    residual : ndarray (n_value,) float32
        Spread of what is left, sample by sample.
    centre, below, above : ndarray (n_component,) float32
        Median of each coefficient, and how far the training profiles reach on either side of it.
    prototype : ndarray (n_prototype, n_compared) float32
        Centres of training profiles in the first coefficients.
    n_judged : int
        Leading values of a profile whose residuals count: its Stokes parameters. Of the line shape that
        follows them only the coefficients do, since its noise is a dark profile's times many.
    pattern : ndarray (n_value, n_pattern) float32
        First principal component, about zero, of Stokes Q, U and V each, and the mean line shape's contrast.
    pattern_centre, pattern_below, pattern_above : ndarray (n_pattern,) float32
        As of the coefficients.
    scale : tuple of float
        Quantiles of the numbers, as `measure` returns them.
    """

    mean: Float32s
    whiten: Float32s
    colour: Float32s
    residual: Float32s
    centre: Float32s
    below: Float32s
    above: Float32s
    prototype: Float32s
    n_judged: int
    pattern: Float32s
    pattern_centre: Float32s
    pattern_below: Float32s
    pattern_above: Float32s
    scale: tuple[float, ...] = (1.0,)

    def project(self, profiles: Any, xp: Any = np) -> tuple[Any, Any]:
        """Coefficients (n, n_component), and residuals (n, n_value) in units of their spread.

        Parameters
        ----------
        profiles : (n, n_value) float32
        xp : module
            `numpy`, or `keras.ops` inside a graph.
        """
        # In double precision: a residual is a thousandth of what it is left over from.
        whiten, colour = self.whiten.astype(np.float64), self.colour.astype(np.float64)
        centred = cast(profiles, "float64", xp) - self.mean.astype(np.float64)
        coefficients = xp.matmul(centred, whiten)
        left = (centred - xp.matmul(coefficients, colour)) / self.residual.astype(np.float64)
        return cast(coefficients, "float32", xp), cast(left, "float32", xp)

    def measure(self, profiles: Any, xp: Any = np) -> Any:
        """The numbers (n, 5 + n_pattern) of each profile (n, n_value), in units of `scale`.

        In the order within, beyond, nearest, rms, largest, and each pattern.
        """
        coefficients, left = self.project(profiles, xp)
        left = left[:, : self.n_judged]
        offset = coefficients - self.centre
        turned = xp.matmul(profiles, self.pattern) - self.pattern_centre
        first = coefficients[:, : self.prototype.shape[1]]
        # |a|² − 2ab + |b|² would be faster, and lose the distance of a bright profile's neighbour in rounding
        square = xp.sum(xp.square(xp.expand_dims(first, 1) - self.prototype), axis=2)
        numbers = [
            xp.sqrt(xp.mean(xp.square(coefficients), axis=1)),
            xp.max(xp.maximum(offset / self.above, -offset / self.below), axis=1),
            xp.sqrt(xp.maximum(xp.min(square, axis=1), 0.0)),
            xp.sqrt(xp.mean(xp.square(left), axis=1)),
            xp.max(xp.absolute(left), axis=1),
        ]
        patterns = xp.maximum(turned / self.pattern_above, -turned / self.pattern_below)
        found = xp.concatenate([xp.stack(numbers, axis=1), patterns], axis=1)
        return found / np.array(self.scale, np.float32)


def fit(training: Float32s, validation: Float32s, n_judged: int, line: Float32s) -> Basis:
    """Make a basis and calibrate it.

    Parameters
    ----------
    training, validation : ndarray (n, n_value) float32
        Normalised, noisy profiles.
    n_judged : int
        See `Basis`.
    line : ndarray (n_wavelength,) float32
        Mean line shape; its contrast is the pattern of the line shapes.
    """
    profiles = training[:MAX_PROFILES]
    mean = profiles.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = profiles - mean
    n_component = max(1, min(N_COMPONENT, profiles.shape[1] // 4, profiles.shape[0] - 1))
    vector, spread = _components(centred, n_component)
    whiten, colour = (vector / spread).astype(np.float32), (vector * spread).T.astype(np.float32)
    coefficients = centred @ whiten
    left = centred - coefficients @ colour
    centre, below, above = _range(coefficients, _NARROWEST)
    pattern = _patterns(profiles, n_judged, line)
    orientation = _range(profiles @ pattern, _NARROW)
    basis = Basis(
        mean=mean,
        whiten=whiten,
        colour=colour,
        residual=np.maximum(left.std(axis=0), np.float32(np.sqrt(_TINY))).astype(np.float32),
        centre=centre,
        below=below,
        above=above,
        prototype=_prototypes(coefficients[:, : _compared(spread, centred)]),
        n_judged=n_judged,
        pattern=pattern,
        pattern_centre=orientation[0],
        pattern_below=orientation[1],
        pattern_above=orientation[2],
    )
    quantiles = np.quantile(basis.measure(validation), QUANTILE, axis=0)
    return replace(basis, scale=tuple(np.maximum(quantiles, _TINY).tolist()))


def _range(values: Float32s, narrowest: float) -> tuple[Float32s, Float32s, Float32s]:
    """Median of each column (n, k) and how far it reaches on either side, at least ``narrowest`` spreads."""
    low, centre, high = np.quantile(values, [1 - QUANTILE, 0.5, QUANTILE], axis=0).astype(np.float32)
    floor = np.maximum(np.float32(narrowest) * values.std(axis=0), np.float32(_TINY))
    return centre, np.maximum(centre - low, floor), np.maximum(high - centre, floor)


def _patterns(profiles: Float32s, n_judged: int, line: Float32s) -> Float32s:
    """Patterns (n_value, n_pattern): of Q, U, V, and of the line shape where the profiles have one."""
    n_wavelength = n_judged // 4
    result = np.zeros((profiles.shape[1], profiles.shape[1] // n_wavelength - 1), np.float32)
    for number in range(3):
        rows = slice((number + 1) * n_wavelength, (number + 2) * n_wavelength)
        values = profiles[:, rows].astype(np.float64)
        result[rows, number] = np.linalg.eigh(values.T @ values)[1][:, -1]
    if profiles.shape[1] > n_judged:
        depth = line - line.mean()
        result[n_judged:, 3] = depth / max(float(np.linalg.norm(depth)), _TINY)
    return result


def _compared(spread: Floats, centred: Float32s) -> int:
    """Number of first coefficients, of standard deviations ``spread``, in which prototypes are compared."""
    share = np.cumsum(spread**2) / float(centred.var(axis=0, dtype=np.float64).sum())
    return int(min(N_COMPARED, 1 + (share < COMPARED_VARIANCE).sum(), spread.size))


def _prototypes(values: Float32s) -> Float32s:
    """Centres (n_prototype, k) of points (n, k): k-means (Lloyd 1982, IEEE Trans. Inf. Theory 28, 129)."""
    n_prototype = int(np.clip(len(values) // _MEMBERS, 1, N_PROTOTYPE))
    centre = values[np.random.default_rng(0).permutation(len(values))[:n_prototype]].copy()
    for _ in range(_LLOYD):
        owner = ((centre**2).sum(axis=1) - 2.0 * values @ centre.T).argmin(axis=1)
        count = np.bincount(owner, minlength=n_prototype)
        total = np.zeros((n_prototype, values.shape[1]))
        np.add.at(total, owner, values)
        lone = count == 0
        centre = np.where(lone[:, None], centre, total / np.maximum(count, 1)[:, None]).astype(np.float32)
    return centre


def _components(centred: Float32s, n_component: int) -> tuple[Floats, Floats]:
    """The first principal components (n_value, n_component) and their standard deviations."""
    n_profile, n_value = centred.shape
    if n_value <= _COMPLETE:
        values = centred.astype(np.float64)
        variance, vector = np.linalg.eigh(values.T @ values / n_profile)
        vector, variance = vector[:, ::-1][:, :n_component], variance[::-1][:n_component]
    else:
        # Subspace iteration (Halko, Martinsson & Tropp 2011, SIAM Rev. 53, 217, algorithm 4.4)
        vector = np.random.default_rng(0).standard_normal((n_value, 2 * n_component))
        for _ in range(_ITERATIONS):
            vector = np.linalg.qr(centred.T @ (centred @ vector.astype(np.float32)).astype(np.float32))[0]
        small = (centred @ vector.astype(np.float32)).astype(np.float64)
        variance, inner = np.linalg.eigh(small.T @ small / n_profile)
        vector = vector @ inner[:, ::-1][:, :n_component]
        variance = variance[::-1][:n_component]
    return vector, np.sqrt(np.maximum(variance, _TINY))
