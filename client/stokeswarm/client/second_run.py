"""The gate's second run: from the start that looks most like the observed profile.

Every start of the gate's list is synthesised (a few milliseconds each; an inversion takes a hundred times as
long), and the one whose profile is nearest to the observed one is inverted with all cycles. Where that
neither passes the gate nor ends at the χ² of the assisted run, so that the minimum is in doubt, the plan's
own model follows: what the inversion would have been without a network stays part of it.

A pixel whose χ² is its only fault is scouted first: the assisted run's short cycles, from the nearest start.
Where they end at about the χ² of the assisted run, the misfit is the plan's and not the guess's, and the full
cycles are spared; where not, they start from the plan's own model. Everything depends on the pixel alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from stokeswarm.client.asking import Asking
from stokeswarm.client.candidates import Candidate, candidates, mixed, ranking
from stokeswarm.client.delivery import Rows
from stokeswarm.client.gate import (
    GUESS,
    MODEL,
    RESULTS,
    SCOUTED,
    Bools,
    Reason,
    agree,
    better,
    settled,
)
from stokeswarm.client.layout import Arrays, adopt
from stokeswarm.client.starts import Pixels, Starts
from stokeswarm.client.task import Task
from stokeswarm.contract.atmosphere import Floats

Numbers = npt.NDArray[np.int64]
#: whether a fit ends the search: from its status and χ², and the χ² of the assisted run
Verdict = Callable[[npt.NDArray[np.uint8], Floats, Floats], Bools]


class SecondRun:
    """Inverts again what the gate sent back.

    Parameters
    ----------
    task : Task
    asking : Asking
    empty : callable (n) -> Arrays
        Results of n pixels, all blank.
    paths : tuple of str
        What one attempt fills, and a better one replaces.
    """

    def __init__(
        self, task: Task, asking: Asking, empty: Callable[[int], Arrays], paths: tuple[str, ...]
    ) -> None:
        self._task = task
        self._asking = asking
        self._empty = empty
        self._paths = paths

    def run(
        self,
        found: Arrays,
        rows: Rows,
        pixels: Pixels,
        guess: Starts,
        label: npt.NDArray[np.uint8],
        reason: npt.NDArray[np.uint8],
        ended: Callable[[Rows], None],
    ) -> None:
        """Invert some pixels again; the best fit of each stays.

        Parameters
        ----------
        found : Arrays
            Results of all the pixels after the assisted run.
        rows : ndarray (k,) int
            Pixels that the gate sent back.
        pixels : Pixels
        guess : Starts
            Of all the pixels.
        label : ndarray (n,) uint8
            How the store names the guess of each of them.
        reason : ndarray (n,) uint8
            `Reason` of each of them.
        ended : callable (rows)
            Told of rows whose result is final.
        """
        task = self._task
        chosen = pixels.take(rows)
        starts = candidates(task, chosen, guess.take(rows), label[rows])
        model = next(i for i, start in enumerate(starts) if task.gate.starts[start.number - 1] == MODEL)
        runs = ranking(self._scores(starts, chosen, model), task.gate.tries, model)
        assisted = found["fit/chi2"][rows].copy()
        open_rows = np.ones(rows.size, np.bool_)

        def attempt(choice: Numbers, cycles: tuple[int, ...], path: str, final: Verdict, last: Bools) -> None:
            for part, atmosphere in mixed(starts, np.where(open_rows, choice, -1)):
                other = self._empty(len(pixels))
                names = np.array(
                    [starts[i].label[row] for i, row in zip(choice[part], part, strict=True)], np.uint8
                )
                other["fit/gate_start"][rows[part]] = [starts[i].number for i in choice[part]]

                def weigh(where: Rows, other: Arrays = other) -> None:
                    order = np.searchsorted(rows, where)
                    self._weigh(found, other, where, path)
                    done = last[order] | final(
                        other["fit/status"][where], other["fit/chi2"][where], assisted[order]
                    )
                    open_rows[order[done]] = False
                    ended(where[done])

                self._asking.invert(other, rows[part], pixels, atmosphere, names, cycles, weigh)

        scouted = self._scouted(starts, runs[0], reason[rows])
        if scouted.any():
            never = np.zeros(rows.size, np.bool_)
            near = partial(agree, within=SCOUTED)
            attempt(np.where(scouted, runs[0], -1), task.assisted_cycles, "fit/chi2_scout", near, never)
            runs[0, scouted & (runs[0] != model)] = -1
        for number, choice in enumerate(runs):
            last: Bools = np.all(runs[number + 1 :] < 0, axis=0)
            attempt(choice, (), "fit/chi2_full", partial(settled, gate=task.gate), last)

    def _scouted(
        self, starts: tuple[Candidate, ...], choice: Numbers, reason: npt.NDArray[np.uint8]
    ) -> Bools:
        """Which pixels a short run from another start than the assisted run's may settle."""
        task = self._task
        if not task.gate.scout or len(task.assisted_cycles) == len(task.plan.cycles):
            return np.zeros(choice.size, np.bool_)
        elsewhere = np.array([task.gate.starts[start.number - 1] != GUESS for start in starts])
        scouted: Bools = (reason == Reason.CHI2) & elsewhere[choice]
        return scouted

    def _scores(self, starts: tuple[Candidate, ...], pixels: Pixels, model: int) -> Floats:
        """How far each start is from the observed profiles, (n_start, n)."""
        score = np.full((len(starts), len(pixels)), np.inf)
        if len(starts) == 1 or not self._task.synthesizes:
            # Nothing to choose from, or no means: the plan's model first, the others as they are listed.
            for number, start in enumerate(starts):
                score[number, start.available] = -1.0 if number == model else float(number)
            return score
        for number, start in enumerate(starts):
            where = np.flatnonzero(start.available)
            if where.size:
                part = tuple(one.take(where) for one in start.atmosphere)
                score[number, where] = self._asking.misfit(pixels.take(where), part)
        return score

    def _weigh(self, found: Arrays, other: Arrays, rows: Rows, path: str) -> None:
        """Keep the better of two fits of some pixels, note the other's χ², and add up their time."""
        chosen = np.zeros(found["fit/status"].size, np.bool_)
        chosen[rows] = True
        won = chosen & better(
            found["fit/status"], found["fit/chi2"], other["fit/status"], other["fit/chi2"]
        )  # fmt: skip
        # Without a result on either side the later reason stands.
        won |= chosen & ~np.isin(found["fit/status"], RESULTS)
        found[path][rows] = np.fmin(found[path][rows], other["fit/chi2"][rows])
        seconds = np.nan_to_num(found["fit/seconds"][rows]) + np.nan_to_num(other["fit/seconds"][rows])
        adopt(found, other, won, (*self._paths, "fit/gate_start"))
        found["fit/seconds"][rows] = seconds
