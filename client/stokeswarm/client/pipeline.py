"""From an observation to results: tiles in order, several in flight, every pixel exactly one status.

A tile's way: leave out masked and invalid pixels → starts → `Invert` (assisted: the last cycle alone) → gate
→ full cycles for those it sends back → the better fit. Workers (threads, which wait for servers most of
their time) carry tiles; whoever iterates gets them as they end. A pixel's result depends on its own profile,
the plan, the models and the seed, never on tiles, slots or the order in which things came back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.answers import check_answer
from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Delivery, RetryPolicy, Rows, Stream
from stokeswarm.client.gate import RESULTS, Gate, Reason, better
from stokeswarm.client.layout import (
    STOKES_AXIS,
    Arrays,
    adopt,
    attempt_variables,
    blank,
    component_group,
    put_atmosphere,
    put_results,
    result_variables,
)
from stokeswarm.client.positions import mu_of
from stokeswarm.client.progress import Reporter, Silent
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Pixels, Starter, Starts
from stokeswarm.client.tiles import Tile
from stokeswarm.contract.inversion import InvertRequest, InvertResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra, invalid_reason
from stokeswarm.contract.status import Status

#: seconds of a request's deadline besides its pixels' own limits: queueing, transfer
DEADLINE_SLACK: Final = 600.0
#: no deadline is longer [s]; servers that live send heartbeats, and those that do not are cancelled sooner
LONGEST_DEADLINE: Final = 7 * 86400.0


class Inverter(Protocol):
    """What inverts: a client of the inversion service."""

    def invert(self, request: InvertRequest, timeout: float) -> Stream[InvertResults]:
        """Stream the results of a request."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What to do with an observation, resolved: nothing left to look up.

    Attributes
    ----------
    observation : Observation
    plan : Plan
    starters : tuple of Starter
        More than one = best of.
    fallback : ModelStart
        Where a starter has nothing, and where the gate sends pixels back to.
    engine : str
    gate : Gate
    stray_light_profile : ndarray (4, n_wavelength) float32 or None
    position : ndarray (y, x, 2) float64 or None
        X (west) and Y (north) of every pixel in solar radii; None = only the plan's μ is known.
    own_mu : bool
        Whether a pixel's μ is that of its position; else it is the plan's.
    all_cycles : bool
        Whether every cycle's results are asked for and kept.
    seed : int
    policy : RetryPolicy
    diagnose : callable
        See `Delivery`.
    """

    observation: Observation
    plan: Plan
    starters: tuple[Starter, ...]
    fallback: ModelStart
    engine: str = "lte"
    gate: Gate = field(default_factory=Gate)
    stray_light_profile: npt.NDArray[np.float32] | None = None
    position: npt.NDArray[np.float64] | None = None
    own_mu: bool = False
    all_cycles: bool = False
    seed: int = 0
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    diagnose: Callable[[], None] = lambda: None

    @property
    def assisted_cycles(self) -> tuple[int, ...]:
        """What runs after a warm start: the last cycle."""
        return (len(self.plan.cycles) - 1,)

    @property
    def stored_cycles(self) -> int:
        """Cycles whose results are kept one by one."""
        return len(self.plan.cycles) if self.all_cycles else 0


@dataclass(frozen=True, slots=True)
class TileResult:
    """A tile that has ended.

    Attributes
    ----------
    tile : Tile
    arrays : Arrays
        Path in the store (``fit/chi2``) → values of the tile's pixels, row by row.
    stokes : ndarray (n, 4, n_wavelength) float32
        The observed profiles.
    """

    tile: Tile
    arrays: Arrays
    stokes: npt.NDArray[np.float32]

    def __getitem__(self, path: str) -> npt.NDArray[Any]:
        """A variable in the tile's shape, (rows, columns, …)."""
        values = self.arrays[path]
        return values.reshape(*self.tile.window.shape, *values.shape[1:])


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
        self._inverter = inverter
        self._calls = calls
        self._reporter = reporter or Silent()
        plan = task.plan
        self._attempt = attempt_variables(plan.n_component, task.stored_cycles)
        self._paths = tuple(variable.path for variable in self._attempt)
        self._everything = result_variables(plan.n_component, task.stored_cycles)
        n_wavelength = task.observation.wavelength.size
        self._sizes = {"log_tau": plan.n_depth, STOKES_AXIS: 4, "wavelength": n_wavelength}

    def run(self, tiles: Iterator[Tile], in_flight: int) -> Iterator[TileResult]:
        """Invert tiles, several at a time, and yield each as it ends.

        Closing the iterator, an exception of a tile, or `Calls.stop` cancels what is in flight.

        Raises
        ------
        StokeswarmError
            What concerns the run and not a pixel: the plan is refused, the service is gone, cancelled.
        """
        pending: set[Future[TileResult]] = set()
        with ThreadPoolExecutor(in_flight, thread_name_prefix="tile") as workers:
            try:
                while True:
                    wanted = islice(tiles, in_flight - len(pending))
                    pending |= {workers.submit(self.invert, tile) for tile in wanted}
                    if not pending:
                        return
                    ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in ended:
                        yield future.result()
            except BaseException:
                # Also KeyboardInterrupt and GeneratorExit: the workers must not go on for nobody.
                self._calls.stop()
                raise

    def invert(self, tile: Tile) -> TileResult:
        """Invert one tile."""
        window = tile.window
        observation = self._task.observation
        y, x = window.positions()
        stokes = observation.stokes[window.y0 : window.y1, window.x0 : window.x1].reshape(window.size, 4, -1)
        arrays = blank(self._everything, window.size, self._sizes)
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
            adopt(kept, found, won, (*self._paths, "fit/gate", "fit/chi2_assisted", "fit/chi2_full"))
            kept["fit/seconds"], kept["fit/novelty"] = seconds, novelty
        if kept is None:
            raise ValueError("a task needs at least one start")
        return kept

    def _from_start(self, starter: Starter, pixels: Pixels, *, final: bool) -> Arrays:
        """One start, with the gate behind it where it is a warm one."""
        count = len(pixels)
        found = blank(self._everything, count, self._sizes)
        everyone = np.arange(count)
        starts = starter.start(pixels)
        if not starter.assisted:
            self._run_attempt(found, everyone, pixels, starter, starts, (), final=final)
            found["fit/chi2_full"][:] = found["fit/chi2"]
            return found
        found["fit/novelty"][:] = starts.novelty
        gate = np.full(count, int(Reason.NO_GUESS), np.uint8)
        guessed = np.flatnonzero(starts.available)
        if guessed.size:
            chosen = _take(starts, guessed)
            self._run_attempt(
                found, guessed, pixels, starter, chosen, self._task.assisted_cycles, final=final, gated=True
            )
            gate[guessed] = self._decide(found, guessed)
        found["fit/chi2_assisted"][:] = found["fit/chi2"]
        again = np.flatnonzero(gate)
        if again.size:
            self._again(found, again, pixels, final=final)
        found["fit/gate"][:] = gate
        return found

    def _again(self, found: Arrays, rows: Rows, pixels: Pixels, *, final: bool) -> None:
        """The full cycles from the model start; the better fit stays."""
        other = blank(self._everything, len(pixels), self._sizes)
        starts = self._task.fallback.start(pixels.take(rows))
        self._run_attempt(other, rows, pixels, self._task.fallback, starts, (), final=final)
        found["fit/chi2_full"][rows] = other["fit/chi2"][rows]
        chosen = np.zeros(len(pixels), np.bool_)
        chosen[rows] = True
        won = chosen & better(
            found["fit/status"], found["fit/chi2"], other["fit/status"], other["fit/chi2"]
        )  # fmt: skip
        # Without a result on either side the later reason stands: it comes from the full run.
        won |= chosen & ~np.isin(found["fit/status"], RESULTS)
        seconds = np.nan_to_num(found["fit/seconds"]) + np.nan_to_num(other["fit/seconds"])
        adopt(found, other, won, self._paths)
        found["fit/seconds"][:] = seconds

    def _decide(self, arrays: Arrays, rows: Rows) -> npt.NDArray[np.uint8]:
        return self._task.gate.decide(
            arrays["fit/status"][rows], arrays["fit/chi2"][rows], arrays["fit/novelty"][rows]
        )

    def _run_attempt(
        self,
        arrays: Arrays,
        rows: Rows,
        pixels: Pixels,
        starter: Starter,
        starts: Starts,
        cycles: tuple[int, ...],
        *,
        final: bool,
        gated: bool = False,
    ) -> None:
        """Invert some pixels from their starts and write the outcome into their rows.

        Parameters
        ----------
        rows : ndarray (k,) int
            Of the pixels, in the order of ``starts``.
        final, gated : bool
            Whether the outcome settles a pixel (and counts as progress): always, or where the gate passes it.
        """
        task, plan = self._task, self._task.plan
        chosen = pixels.take(rows)
        for component, start in enumerate(starts.atmosphere):
            put_atmosphere(arrays, component_group("initial", component), rows, start.resample(plan.log_tau))
        arrays["fit/start"][rows] = int(starter.label)

        position = None if task.position is None else task.position[chosen.y, chosen.x]
        mu = None if position is None or not task.own_mu else mu_of(position)

        def send(part: Rows) -> Stream[InvertResults]:
            request = InvertRequest(
                engine=task.engine,
                plan=plan,
                spectra=replace(chosen.spectra, stokes=chosen.spectra.stokes[part]),
                pixel=chosen.identifier[part],
                start=tuple(start.take(part) for start in starts.atmosphere),
                mu=None if mu is None else mu[part],
                position=None if position is None else position[part],
                all_cycles=task.all_cycles,
                stray_light_profile=task.stray_light_profile,
                cycles=cycles,
                seed=task.seed,
            )
            limit = DEADLINE_SLACK + len(request) * plan.pixel_timeout * max(1, len(plan.cycles))
            return self._inverter.invert(request, timeout=min(limit, LONGEST_DEADLINE))

        def accept(part: Rows, results: InvertResults, taken: Rows) -> None:
            check_answer(results, plan, self._sizes["wavelength"], task.stored_cycles)
            where = rows[part]
            put_results(arrays, where, results, taken)
            arrays["fit/seconds"][where] = results.seconds[taken]
            if final:
                passed = self._decide(arrays, where) == 0 if gated else np.ones(where.size, np.bool_)
                self._report(arrays["fit/status"][where[passed]])

        delivery = Delivery(send, chosen.identifier, accept, self._calls, task.policy, task.diagnose)
        lost = delivery.run(np.arange(rows.size))
        for order, (status, reason) in lost.items():
            row = rows[order]
            arrays["fit/status"][row] = int(status)
            arrays["fit/message"][row] = reason
            arrays["fit/seconds"][row] = 0.0
        if final and lost and not gated:
            self._report(arrays["fit/status"][rows[np.fromiter(lost, np.int64)]])

    def _report(self, status: npt.NDArray[np.uint8]) -> None:
        if status.size:
            self._reporter.pixels(status)


def _take(starts: Starts, rows: Rows) -> Starts:
    return Starts(
        tuple(part.take(rows) for part in starts.atmosphere), starts.available[rows], starts.novelty[rows]
    )


def default_in_flight(slots: int) -> int:
    """Tiles in flight for that many slots: two rounds each, so that none waits for the next request."""
    return max(2, math.ceil(2 * slots))
