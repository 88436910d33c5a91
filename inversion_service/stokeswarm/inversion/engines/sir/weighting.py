"""What the plan says about noise and weights, in SIR's terms.

SIR minimises Σ (obs − fit)² / σ² with, for Stokes parameter i of line k,

    σ²(i, k) = s(i, k) / c(k) / (S/N)² / w(i),

where c is the line's largest observed intensity and s its largest depression below c (Stokes I) or its
largest polarisation (Q, U, V), at least 1/(S/N); w is the control file's weight of the Stokes parameter (main
program of both releases). A sample below −0.99 gets σ = 10¹⁵.

So only w (S/N)² is the caller's, one number per Stokes parameter: with the plan's noise σ_i, the cycle's
weights w_i and factors f_i of the spectra that are constant over each Stokes parameter, S/N = 1/σ_I and
w(i) = w_i f_i (σ_I/σ_i)². The factor s/c is SIR's own: it makes weak lines and weak signals count for more
than their noise says, and no control file turns it off. Within a Stokes parameter weights can differ from the
others only by being 0 (the sample is ignored).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Cycle, Plan
from stokeswarm.contract.spectra import STOKES

Weights = tuple[float, float, float, float]
#: relative differences between weights that single precision makes
_EQUAL: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Weighting:
    """A plan's and a request's weights.

    Attributes
    ----------
    cycles : tuple of tuple of 4 floats
        The control file's weights of I, Q, U, V, one tuple a cycle.
    ignored : ndarray (4, n_wavelength) bool
        Samples of every pixel that count for nothing.
    """

    cycles: tuple[Weights, ...]
    ignored: npt.NDArray[np.bool_]

    def left_out(self, cycle: int) -> tuple[int, ...]:
        """Stokes parameters that SIR does not compute in a cycle, because they have no weight."""
        return tuple(i for i, weight in enumerate(self.cycles[cycle]) if weight == 0.0)


def weighting(
    plan: Plan, cycles: tuple[Cycle, ...], weights: npt.NDArray[np.float32] | None, n_wavelength: int
) -> Weighting:
    """Weights of an inversion.

    Parameters
    ----------
    plan : Plan
        Its noise, one σ per Stokes parameter.
    cycles : tuple of Cycle
        Those that run.
    weights : ndarray (4, n_wavelength) float32 or None
        The spectra's factors on 1/σ².
    n_wavelength : int

    Raises
    ------
    PlanError
        The factors vary within a Stokes parameter (other than between 0 and one value), or nothing is left.
    """
    factor = np.ones(4)
    ignored = np.zeros((4, n_wavelength), dtype=np.bool_)
    if weights is not None:
        ignored = weights == 0.0
        for i, values in enumerate(weights):
            used = values[values > 0.0]
            factor[i] = float(used[0]) if used.size else 0.0
            if used.size and float(np.ptp(used)) > _EQUAL * float(used.max()):
                raise PlanError(
                    f"weights of Stokes {STOKES[i]}: found {used.min():g} to {used.max():g}; SIR weighs a "
                    "Stokes parameter as a whole: expected 0 (sample ignored) and one other value"
                )
    noise = np.asarray(plan.noise)
    scale = factor * (noise[0] / noise) ** 2
    table = []
    for number, cycle in enumerate(cycles, start=1):
        one = scale * np.asarray(cycle.weights)
        if not one.any():
            raise PlanError(f"cycle {number}: no Stokes parameter has a weight")
        table.append((float(one[0]), float(one[1]), float(one[2]), float(one[3])))
    return Weighting(tuple(table), ignored)
