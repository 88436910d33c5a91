"""The quality gate that makes a warm start safe: a bad fit, or a profile never learnt, runs again in full.

After the short assisted run (from a network's guess or an earlier result) a pixel is inverted again with all
the plan's cycles from the model start where

- its reduced χ² is above `Gate.chi2`,
- the network's novelty is above `Gate.novelty` (1 = the threshold set when the network was trained), or
- the assisted run gave no result.

The better of the two fits is kept and both χ² are recorded. The criterion looks at one pixel alone: a
threshold relative to the neighbours (a multiple of the tile's median, say) would make results depend on how
the map was cut. χ² is in units of the plan's noise, so the gate is as good as that noise estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

#: reduced χ² above which an assisted fit is not trusted: residuals of 1.7 σ in the mean
DEFAULT_CHI2: Final = 3.0
#: novelty above which a guess is not trusted
DEFAULT_NOVELTY: Final = 1.0

#: statuses with numbers, as the store holds them
RESULTS: Final = tuple(int(status) for status in Status if status.has_result)

Bools = npt.NDArray[np.bool_]


class Reason(IntFlag):
    """Why a pixel took the full cycles; reasons add up."""

    NONE = 0
    #: the assisted fit's χ² was above the gate
    CHI2 = 1
    #: the network calls the profile novel
    NOVEL = 2
    #: the assisted run ended without a result
    FAILED = 4
    #: there was no guess to assist with
    NO_GUESS = 8


@dataclass(frozen=True, slots=True)
class Gate:
    """Thresholds of the gate; infinite = that criterion never holds.

    Attributes
    ----------
    chi2 : float
        Reduced χ², > 0.
    novelty : float
        > 0, in units of the model's own threshold.
    """

    chi2: float = DEFAULT_CHI2
    novelty: float = DEFAULT_NOVELTY

    def __post_init__(self) -> None:
        for name in ("chi2", "novelty"):
            value = getattr(self, name)
            if not value > 0:
                raise InvalidArgumentError(f"gate: expected {name} > 0, found {value}")

    def decide(
        self, status: npt.ArrayLike, chi2: npt.ArrayLike, novelty: npt.ArrayLike
    ) -> npt.NDArray[np.uint8]:
        """`Reason` of each pixel after the assisted run.

        Parameters
        ----------
        status : array_like (n,) int
        chi2 : array_like (n,) float
            NaN where there is no result.
        novelty : array_like (n,) float
            NaN = unknown: that alone sends no pixel back.
        """
        state = np.asarray(status)
        ended = np.isin(state, RESULTS)
        reason = np.zeros(state.shape, np.uint8)
        # Not "chi2 > gate": a fit whose χ² is NaN must not pass.
        reason[ended & ~(np.asarray(chi2) <= self.chi2)] |= np.uint8(Reason.CHI2)
        reason[np.asarray(novelty) > self.novelty] |= np.uint8(Reason.NOVEL)
        reason[~ended & (state != Status.MASKED) & (state != Status.INVALID_INPUT)] |= np.uint8(Reason.FAILED)
        return reason


def better(
    status: npt.ArrayLike, chi2: npt.ArrayLike, other_status: npt.ArrayLike, other_chi2: npt.ArrayLike
) -> Bools:
    """Where the other attempt beats the one kept so far: it has a result and the lower χ².

    Ties and comparisons with NaN keep the earlier attempt, unless that has no result at all.
    """
    kept, other = np.isin(np.asarray(status), RESULTS), np.isin(np.asarray(other_status), RESULTS)
    a, b = np.asarray(chi2), np.asarray(other_chi2)
    improved: Bools = other & (~kept | (b < a) | (np.isnan(a) & ~np.isnan(b)))
    return improved
