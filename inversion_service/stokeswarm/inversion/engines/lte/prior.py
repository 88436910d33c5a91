"""What is known of a pixel before its profile is fitted: a start with errors, such as a network's guess.

Where a profile says nothing (high up, or of the field's gradient in the quiet Sun), the least squares of a
cycle only fit noise; a network has seen what is likely there. A start that comes with errors therefore adds
Σ (x − x_start)²/σ² over the nodes to the merit function, which is Bayes' theorem for Gaussian errors (Rodgers
2000, Inverse Methods for Atmospheric Sounding, eq. 4.3). A network knows its training set and not the Sun:
its errors count `CAUTION` times, so that its word never weighs more than a ninth of what it claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte.evaluate import Model
from stokeswarm.inversion.engines.lte.parameters import (
    UNITS,
    Layout,
    coordinate,
    macroturbulence_coordinate,
    macroturbulence_unit,
    units,
)
from stokeswarm.inversion.engines.lte.state import AZIMUTH

Floats = npt.NDArray[np.float64]

#: factor on the errors that a start claims
CAUTION: Final = 3.0
#: 180° in units of an azimuth
HALF_TURN: Final = float(np.pi / UNITS[AZIMUTH])


@dataclass(frozen=True, slots=True)
class StartError:
    """1σ of one component of a start.

    Attributes
    ----------
    values : ndarray (7, n_depth) float64
        Engine units; what is not finite and positive is not known.
    macroturbulence : float
        km/s.
    """

    values: Floats
    macroturbulence: float


@dataclass(frozen=True, slots=True)
class Prior:
    """A start and how far the free parameters may be from it.

    Attributes
    ----------
    layout : Layout
    origin : ndarray (n_free,) float64
        The start's parameters, in units.
    precision : ndarray (n_free,) float64
        1/σ² of them; 0 where nothing is known.
    angles : tuple of slice
        Parameters that are azimuths, which come back after half a turn.
    """

    layout: Layout
    origin: Floats
    precision: Floats
    angles: tuple[slice, ...]

    @classmethod
    def of(cls, layout: Layout, start: Model, error: tuple[StartError, ...]) -> Self:
        """The prior of a cycle's parameters.

        Parameters
        ----------
        layout : Layout
        start : Model
        error : tuple of StartError
            One per component.
        """
        sigma = np.full(layout.n_free, np.inf)
        angles = []
        at = 0
        for group in layout.groups:
            width = group.functions.shape[1]
            if group.quantity == AZIMUTH:
                angles.append(slice(at, at + width))
            unit = units(start.components[group.component], group.quantity)
            sigma[at : at + width] = (error[group.component].values[group.quantity] / unit)[group.nodes]
            at += width
        for c in layout.macroturbulence:
            unit_kms = macroturbulence_unit(start.components[c].macroturbulence)
            sigma[at] = error[c].macroturbulence / unit_kms
            at += 1
        known = np.isfinite(sigma) & (sigma > 0.0)
        precision = np.where(known, 1.0 / np.square(np.where(known, CAUTION * sigma, 1.0)), 0.0)
        return cls(layout, _coordinates(layout, start), precision, tuple(angles))

    def displacement(self, model: Model) -> Floats:
        """How far a model's parameters (n_free,) are from the start's, in units."""
        found = _coordinates(self.layout, model) - self.origin
        for rows in self.angles:
            found[rows] = np.mod(found[rows] + 0.5 * HALF_TURN, HALF_TURN) - 0.5 * HALF_TURN
        return found

    def cost(self, model: Model) -> float:
        """Σ (x − x_start)²/σ² of a model."""
        return float(np.sum(self.precision * self.displacement(model) ** 2))

    def add(self, model: Model, curvature: Floats, gradient: Floats) -> None:
        """Add the prior's part to the normal equations (n_free, n_free) and (n_free,) at a model."""
        gradient -= self.precision * self.displacement(model)
        curvature[np.diag_indices_from(curvature)] += self.precision


def _coordinates(layout: Layout, model: Model) -> Floats:
    """The free parameters (n_free,) of a model, in units."""
    found = np.zeros(layout.n_free)
    at = 0
    for group in layout.groups:
        width = group.functions.shape[1]
        values = model.components[group.component].values[group.quantity, group.nodes]
        found[at : at + width] = coordinate(group.quantity, values)
        at += width
    for c in layout.macroturbulence:
        found[at] = macroturbulence_coordinate(model.components[c].macroturbulence)
        at += 1
    return found
