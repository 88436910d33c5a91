"""The quality gate that makes a warm start safe: a bad fit, or a profile never learnt, runs again in full.

After the short assisted run (from a network's guess or an earlier result) a pixel is inverted again with all
the plan's cycles where

- its reduced χ² is above `Gate.chi2`,
- the network's novelty is above `Gate.novelty` (1 = the threshold set when the network was trained),
- Stokes V contradicted the guess's polarity (the assisted run started from the other one then), or
- the assisted run gave no result.

It starts from the best of several starts (see `stokeswarm.client.second_run`), the best of all fits is kept,
and every χ² is recorded. Where χ² is all that speaks against a pixel, a short run from that start may show
first that the misfit is the plan's. The criterion looks at one pixel alone: a threshold relative to the
neighbours (a multiple of the tile's median, say) would make results depend on how the map was cut. χ² is in
units of the plan's noise, so the gate is as good as that noise estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

#: reduced χ² above which an assisted fit is not trusted: residuals of 1.7 σ in the mean
DEFAULT_CHI2: Final = 3.0
#: novelty above which a guess is not trusted
DEFAULT_NOVELTY: Final = 1.0
#: the plan's own model, which no list of starts can leave out
MODEL: Final = "model"
#: what the assisted run started from, and the same with the other polarity
GUESS: Final = "guess"
MIRRORED: Final = "mirrored"
#: one model for every kind of photosphere, so that each pixel finds one near it. On the 24 × 40 map of an
#: active region the nearest one led to χ² that were never above 1.07 × those of the HSRA, in 0.7 to
#: 0.8 of the time. The guess is not among them, nor is it mirrored: the assisted run has seen where it leads,
#: and a second run that starts elsewhere tells more.
DEFAULT_STARTS: Final = (MODEL, "model:penumbra", "model:umbra", "model:umbra-hot", "model:plage")
#: full runs from starts of the list, the plan's model not counted
DEFAULT_TRIES: Final = 1
#: two runs whose χ² differ by less than this have found the same minimum
AGREEMENT: Final = 0.05
#: a scout that gains less than this on the assisted run (or loses less) has shown that the misfit is the
#: plan's: no pixel is to end above 1.1 × the χ² of its full inversion. Of 123 pixels of the 24 × 40 map, on
#: which it was chosen, full cycles then ended at 0.92 to 1.03 × the lower of the two
SCOUTED: Final = 0.1

#: statuses with numbers, as the store holds them
RESULTS: Final = tuple(int(status) for status in Status if status.has_result)

Bools = npt.NDArray[np.bool_]


class Reason(IntFlag):
    """Why a pixel was inverted again; reasons add up."""

    NONE = 0
    #: the assisted fit's χ² was above the gate
    CHI2 = 1
    #: the network calls the profile novel
    NOVEL = 2
    #: the assisted run ended without a result
    FAILED = 4
    #: there was no guess to assist with
    NO_GUESS = 8
    #: V contradicted the guess's polarity: who takes one for the other is not to be trusted with the rest
    POLARITY = 16


@dataclass(frozen=True, slots=True)
class Gate:
    """Thresholds of the gate; infinite = that criterion never holds.

    Attributes
    ----------
    chi2 : float
        Reduced χ², > 0.
    novelty : float
        > 0, in units of the model's own threshold.
    starts : tuple of str
        Starts of the second run: ``model`` (the plan's own, added where it is missing), ``model:NAME``,
        ``guess`` (that of the assisted run) and ``mirrored`` (the same with the other polarity).
    tries : int
        Full runs, from the best of them on; the plan's own model may come in addition.
    scout : bool
        Whether a pixel whose χ² is its only fault is spared the full cycles where the assisted run's cycles,
        from the best of the starts, end at about the same χ².
    polarity : bool
        Whether Stokes V has a say in the guess's polarity; without it a guess of the wrong one stays.

    Raises
    ------
    InvalidArgumentError
        On construction, where a value is not as above.
    """

    chi2: float = DEFAULT_CHI2
    novelty: float = DEFAULT_NOVELTY
    starts: tuple[str, ...] = DEFAULT_STARTS
    tries: int = DEFAULT_TRIES
    scout: bool = True
    polarity: bool = True

    def __post_init__(self) -> None:
        for name in ("chi2", "novelty"):
            value = getattr(self, name)
            if not value > 0:
                raise InvalidArgumentError(f"gate: expected {name} > 0, found {value}")
        if self.tries < 1:
            raise InvalidArgumentError(f"gate: expected at least one try, found {self.tries}")
        for start in self.starts:
            kind, _, name = start.partition(":")
            if start not in (MODEL, GUESS, MIRRORED) and not (kind == MODEL and name):
                raise InvalidArgumentError(
                    f"gate: start {start!r}: expected model, model:NAME, guess or mirrored"
                )
        if MODEL not in self.starts:
            object.__setattr__(self, "starts", (*self.starts, MODEL))

    @classmethod
    def open(cls) -> Self:
        """One that trusts the network: only what has no result, or no guess, is inverted again."""
        return cls(float("inf"), float("inf"), polarity=False)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models among the starts."""
        return tuple(start.partition(":")[2] for start in self.starts if ":" in start)

    def decide(
        self,
        status: npt.ArrayLike,
        chi2: npt.ArrayLike,
        novelty: npt.ArrayLike,
        mirrored: npt.ArrayLike = False,
    ) -> npt.NDArray[np.uint8]:
        """`Reason` of each pixel after the assisted run.

        Parameters
        ----------
        status : array_like (n,) int
        chi2 : array_like (n,) float
            NaN where there is no result.
        novelty : array_like (n,) float
            NaN = unknown: that alone sends no pixel back.
        mirrored : array_like (n,) bool
            Where the guess's polarity was turned.
        """
        state = np.asarray(status)
        ended = np.isin(state, RESULTS)
        reason = np.zeros(state.shape, np.uint8)
        # Not "chi2 > gate": a fit whose χ² is NaN must not pass.
        reason[ended & ~(np.asarray(chi2) <= self.chi2)] |= np.uint8(Reason.CHI2)
        reason[np.asarray(novelty) > self.novelty] |= np.uint8(Reason.NOVEL)
        reason[np.broadcast_to(np.asarray(mirrored, np.bool_), state.shape)] |= np.uint8(Reason.POLARITY)
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


def agree(
    status: npt.ArrayLike, chi2: npt.ArrayLike, before: npt.ArrayLike, within: float = AGREEMENT
) -> Bools:
    """Where a run from another start ends at the assisted run's χ²: that is what the plan's nodes can do.

    Parameters
    ----------
    status, chi2 : array_like (n,)
        Of the run.
    before : array_like (n,) float
        χ² of the assisted run; NaN = it gave none.
    within : float
        Relative difference that is none.
    """
    other, assisted = np.asarray(chi2), np.asarray(before)
    with np.errstate(invalid="ignore"):
        same = np.abs(other - assisted) <= within * np.minimum(other, assisted)
    found: Bools = np.isin(np.asarray(status), RESULTS) & same
    return found


def settled(status: npt.ArrayLike, chi2: npt.ArrayLike, before: npt.ArrayLike, gate: Gate) -> Bools:
    """Where a full run makes further ones useless: it passes the gate, or agrees with the assisted run.

    Parameters
    ----------
    status, chi2, before : array_like (n,)
        See `agree`.
    gate : Gate
    """
    passes = np.isin(np.asarray(status), RESULTS) & (np.asarray(chi2) <= gate.chi2)
    found: Bools = passes | agree(status, chi2, before)
    return found


def parse_starts(text: str) -> tuple[str, ...]:
    """Read ``--gate-starts``: names separated by commas; ``cnn`` is another word for ``guess``."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return tuple(GUESS if name == "cnn" else name for name in names)
