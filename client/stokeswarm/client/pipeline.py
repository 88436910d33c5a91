"""From an observation to results: tiles in order, several in flight, every pixel exactly one status.

A tile's way: leave out masked and invalid pixels → starts → polarity by V → `Invert` (assisted: the last
cycle alone) → gate → full cycles for those it sends back → the best fit. Workers (threads, which wait for
servers most of their time) carry tiles; whoever iterates gets them as they end. A pixel's result depends on
its own profile, the plan, the models and the seed, never on tiles, slots or the order in which things came
back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stokeswarm.client.asking import Asking, Inverter
from stokeswarm.client.calls import Calls
from stokeswarm.client.carrying import TileResult, carried
from stokeswarm.client.delivery import Rows
from stokeswarm.client.gate import Reason, better
from stokeswarm.client.layout import (
    STOKES_AXIS,
    Arrays,
    Start,
    adopt,
    attempt_variables,
    blank,
    result_variables,
)
from stokeswarm.client.polarity import contradicted, mirrored
from stokeswarm.client.progress import Reporter, Silent
from stokeswarm.client.second_run import SecondRun
from stokeswarm.client.starts import Pixels, Starter, Starts
from stokeswarm.client.task import Task
from stokeswarm.client.tiles import Tile
from stokeswarm.contract.spectra import Spectra, invalid_reason
from stokeswarm.contract.status import Status

#: what is known of a pixel from the start whose fit is kept, besides the attempt itself
_OF_START = ("fit/gate", "fit/chi2_assisted", "fit/chi2_scout", "fit/chi2_full", "fit/gate_start")


class Pipeline:
    """Runs a task over tiles.

    Parameters
    ----------
    task : Task
    inverter : Inverter
    calls : Calls
        Stop it to end the run.
    reporter : Reporter, optional
    """

    def __init__(
        self, task: Task, inverter: Inverter, calls: Calls, reporter: Reporter | None = None
    ) -> None:
        self._task = task
        self._calls = calls
        self._reporter = reporter or Silent()
        plan = task.plan
        attempt = attempt_variables(plan.n_component, task.stored_cycles)
        self._paths = tuple(variable.path for variable in attempt)
        self._everything = result_variables(plan.n_component, task.stored_cycles)
        n_wavelength = task.observation.wavelength.size
        self._sizes = {"log_tau": plan.n_depth, STOKES_AXIS: 4, "wavelength": n_wavelength}
        self._asking = Asking(task, inverter, calls)
        self._second = SecondRun(task, self._asking, self._empty, self._paths)

    def run(self, tiles: Iterator[Tile], in_flight: int) -> Iterator[TileResult]:
        """Invert tiles, several at a time, and yield each as it ends.

        Closing the iterator, an exception of a tile, or `Calls.stop` cancels what is in flight.

        Raises
        ------
        StokeswarmError
            What concerns the run and not a pixel: the plan is refused, the service is gone, cancelled.
        """
        return carried(self.invert, tiles, in_flight, self._calls)

    def invert(self, tile: Tile) -> TileResult:
        """Invert one tile."""
        window = tile.window
        observation = self._task.observation
        y, x = window.positions()
        stokes = observation.stokes[window.y0 : window.y1, window.x0 : window.x1].reshape(window.size, 4, -1)
        arrays = self._empty(window.size)
        arrays["fit/seconds"][:] = 0.0
        mask = None if observation.mask is None else observation.mask[y, x]
        position = None if self._task.position is None else self._task.position[y, x]
        rows = self._screen(arrays, stokes, mask, position)
        if rows.size:
            identifier = y * observation.shape[1] + x
            spectra = Spectra(
                observation.wavelength, stokes[rows], observation.reference, observation.weights
            )
            found = self._invert_pixels(Pixels(identifier[rows], y[rows], x[rows], spectra))
            for variable in self._everything:
                arrays[variable.path][rows] = found[variable.path]
        return TileResult(tile, arrays, stokes)

    def _screen(
        self,
        arrays: Arrays,
        stokes: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_] | None,
        position: npt.NDArray[np.float64] | None,
    ) -> Rows:
        """Settle the pixels that need no engine; the rows of the others."""
        reasons = [invalid_reason(profile) for profile in stokes]
        for row, (x, y) in enumerate([] if position is None else position.tolist()):
            # Not ">= 1": a position that is NaN is none.
            if not reasons[row] and not x * x + y * y < 1.0:
                reasons[row] = f"its position X = {x:g}, Y = {y:g} [solar radii] is not on the disc"
        invalid = np.array([bool(reason) for reason in reasons])
        masked = np.zeros(invalid.size, np.bool_) if mask is None else mask
        invalid &= ~masked
        arrays["fit/status"][masked] = int(Status.MASKED)
        arrays["fit/message"][masked] = "masked in the observation"
        arrays["fit/status"][invalid] = int(Status.INVALID_INPUT)
        arrays["fit/message"][invalid] = np.array(reasons, dtype=object)[invalid]
        settled = masked | invalid
        self._report(arrays["fit/status"][settled])
        return np.flatnonzero(~settled)

    def _invert_pixels(self, pixels: Pixels) -> Arrays:
        """Every start in turn; the best fit of each pixel."""
        starters = self._task.starters
        kept: Arrays | None = None
        for number, starter in enumerate(starters):
            last = number == len(starters) - 1
            found = self._from_start(starter, pixels, final=last)
            if kept is None:
                kept = found
                continue
            won = better(
                kept["fit/status"], kept["fit/chi2"], found["fit/status"], found["fit/chi2"]
            )  # fmt: skip
            seconds = kept["fit/seconds"] + found["fit/seconds"]
            novelty = np.where(np.isnan(found["fit/novelty"]), kept["fit/novelty"], found["fit/novelty"])
            adopt(kept, found, won, (*self._paths, *_OF_START))
            kept["fit/seconds"], kept["fit/novelty"] = seconds, novelty
        if kept is None:
            raise ValueError("a task needs at least one start")
        return kept

    def _from_start(self, starter: Starter, pixels: Pixels, *, final: bool) -> Arrays:
        """One start, with the gate behind it where it is a warm one."""
        count = len(pixels)
        found = self._empty(count)
        everyone = np.arange(count)
        starts = starter.start(pixels)
        label = np.full(count, int(starter.label), np.uint8)
        ended = self._reporting(found, final=final)
        if not starter.assisted:
            self._asking.invert(found, everyone, pixels, starts.atmosphere, label, (), ended)
            found["fit/chi2_full"][:] = found["fit/chi2"]
            return found
        found["fit/novelty"][:] = starts.novelty
        starts, turned = self._by_polarity(pixels, starts)
        label[turned] = int(Start.MIRRORED)
        gate = np.full(count, int(Reason.NO_GUESS), np.uint8)
        guessed = np.flatnonzero(starts.available)
        if guessed.size:
            part = starts.take(guessed)
            error = part.error if self._task.prior else ()
            cycles = self._task.assisted_cycles

            def passed(where: Rows) -> None:
                ended(where[self._decide(found, where) == 0])

            self._asking.invert(
                found, guessed, pixels, part.atmosphere, label[guessed], cycles, passed, error
            )
            gate[guessed] = self._decide(found, guessed)
        found["fit/chi2_assisted"][:] = found["fit/chi2"]
        again = np.flatnonzero(gate)
        if again.size:
            self._second.run(found, again, pixels, starts, label, gate, ended)
        found["fit/gate"][:] = gate
        return found

    def _by_polarity(self, pixels: Pixels, starts: Starts) -> tuple[Starts, npt.NDArray[np.bool_]]:
        """Turn guesses whose polarity V contradicts, where the turned one looks more like the profile.

        V alone may mislead (two polarities in one pixel): the synthesis has the last word.
        """
        turned = np.zeros(len(pixels), np.bool_)
        if len(starts.atmosphere) != 1 or not self._task.gate.polarity:
            return starts, turned
        guess = starts.atmosphere[0]
        doubted = np.flatnonzero(starts.available & contradicted(pixels.spectra, guess, self._task.plan))
        if not doubted.size:
            return starts, turned
        if self._task.synthesizes:
            chosen, part = pixels.take(doubted), guess.take(doubted)
            as_guessed = self._asking.misfit(chosen, (part,))
            doubted = doubted[self._asking.misfit(chosen, (mirrored(part),)) < as_guessed]
        turned[doubted] = True
        return replace(starts, atmosphere=(mirrored(guess, turned),)), turned

    def _decide(self, arrays: Arrays, rows: Rows) -> npt.NDArray[np.uint8]:
        return self._task.gate.decide(
            arrays["fit/status"][rows],
            arrays["fit/chi2"][rows],
            arrays["fit/novelty"][rows],
            arrays["fit/start"][rows] == Start.MIRRORED,
        )

    def _empty(self, count: int) -> Arrays:
        return blank(self._everything, count, self._sizes)

    def _reporting(self, arrays: Arrays, *, final: bool) -> Callable[[Rows], None]:
        """Counts pixels as progress, where the outcome settles them."""

        def ended(rows: Rows) -> None:
            if final:
                self._report(arrays["fit/status"][rows])

        return ended

    def _report(self, status: npt.NDArray[np.uint8]) -> None:
        if status.size:
            self._reporter.pixels(status)


def default_in_flight(slots: int) -> int:
    """Tiles in flight for that many slots: two rounds each, so that none waits for the next request."""
    return max(2, math.ceil(2 * slots))


__all__ = ["Inverter", "Pipeline", "Task", "TileResult", "default_in_flight"]
