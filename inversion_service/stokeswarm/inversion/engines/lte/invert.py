"""Inversion of one pixel: the plan's cycles in turn, the best one kept.

In the manner of SIR (Ruiz Cobo & del Toro Iniesta 1992): every cycle starts from the best atmosphere so far,
with its own nodes and weights; hydrostatic equilibrium is imposed after every change of temperature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte import adjust
from stokeswarm.inversion.engines.lte.cycle import CycleRun
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.forward import Workspace
from stokeswarm.inversion.engines.lte.moves import Moves
from stokeswarm.inversion.engines.lte.observed import Fit, Observed
from stokeswarm.inversion.engines.lte.parameters import Layout
from stokeswarm.inversion.engines.lte.prior import StartError
from stokeswarm.inversion.engines.lte.uncertainty import uncertainty

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one pixel.

    Attributes
    ----------
    status : Status
    message : str
    fit : Fit or None
    layout : Layout or None
        Of the best cycle; None where the start was best.
    sigma : ndarray (n_component, 7, n_depth) float64
        1σ of what had nodes, engine units; NaN elsewhere.
    sigma_scalar : ndarray (n_component + 2,) float64
        1σ of the macroturbulences, the filling factor and the stray light.
    ran : tuple of int
    best_cycle : int
        −1 = the start.
    iterations : int
    merit : float
        The weighted merit function of the best cycle.
    by_cycle : tuple of (int, Fit, int)
        Of every cycle that ran: its number, result and number of free parameters.
    """

    status: Status
    message: str
    fit: Fit | None
    layout: Layout | None
    sigma: Floats
    sigma_scalar: Floats
    ran: tuple[int, ...]
    best_cycle: int
    iterations: int
    merit: float
    by_cycle: tuple[tuple[int, Fit, int], ...] = ()


class PixelInverter:
    """Inverts pixels of one plan with one evaluator; immutable, one for all slots."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._moves = Moves(evaluator)
        #: by number of the cycle, and whether there is stray light
        self._layouts: dict[tuple[int, bool], Layout] = {}

    def _layout(self, number: int, has_stray_light: bool) -> Layout:
        """The free parameters of a cycle, the same for every pixel."""
        key = (number, has_stray_light)
        if key not in self._layouts:
            plan = self._evaluator.plan
            cycle = plan.carried_nodes(plan.cycles[number])
            self._layouts[key] = Layout.of(cycle, self._evaluator.log_tau, has_stray_light)
        return self._layouts[key]

    def invert(
        self,
        observed: Observed,
        start: Model,
        cycles: tuple[int, ...],
        workspace: Workspace,
        slot: Slot,
        error: tuple[StartError, ...] = (),
    ) -> Outcome:
        """Run cycles of the plan from a start; see `Outcome`.

        The start's errors, where it has any, hold the first of them to it (see `prior`): the ones after it
        have nodes of their own to find out where it was wrong.
        """
        plan = self._evaluator.plan
        if observed.n_sample == 0:
            return self._nothing(start, Status.INVALID_INPUT, "no sample has a weight above 0", 0)
        best: Fit | None = None
        best_run: CycleRun | None = None
        best_cycle, iterations = -1, 0
        made: list[tuple[int, Fit, int]] = []
        for number in cycles:
            cycle = plan.carried_nodes(plan.cycles[number])
            layout = self._layout(number, observed.stray_light is not None)
            run = CycleRun(self._evaluator, self._moves, observed, cycle, layout, workspace, slot)
            prepared = run.prepare(start, error) if best is None else run.prepare(best.model)
            if prepared is None:
                continue
            if best is None:
                best = prepared
            result = run.iterate(prepared)
            iterations += run.iterations
            if adjust.suspicious(layout, observed, result):
                other = CycleRun(self._evaluator, self._moves, observed, cycle, layout, workspace, slot)
                begun = other.prepare(adjust.strong_field(result.model))
                found = None if begun is None else other.iterate(begun, run.merit)
                iterations += other.iterations
                if found is not None and found.chi2 < result.chi2:
                    result, run = found, other
            if slot.cancelled():
                return self._nothing(start, Status.NO_OUTPUT, "cancelled", iterations)
            if slot.out_of_time():
                text = f"took longer than {plan.pixel_timeout:g} s"
                return self._nothing(start, Status.TIMEOUT, text, iterations)
            made.append((number, result, layout.n_free))
            if result.chi2 <= best.chi2:
                best, best_run, best_cycle = result, run, number
        if best is None:
            text = (
                "the start cannot be synthesised: its profile is not finite (check temperature and pressure)"
            )
            return self._nothing(start, Status.ENGINE_FAILED, text, iterations)
        blank = self._nothing(start, Status.OK, "", iterations)
        if best_run is None:
            return replace(blank, fit=best, ran=cycles, by_cycle=tuple(made))
        sigma, scalar = uncertainty(self._evaluator, observed, best, best_run.layout)
        return Outcome(
            status=Status.NOT_CONVERGED if best_run.moving else Status.OK,
            message="χ² was still falling when the iterations ended" if best_run.moving else "",
            fit=best,
            layout=best_run.layout,
            sigma=sigma,
            sigma_scalar=scalar,
            ran=cycles,
            best_cycle=best_cycle,
            iterations=iterations,
            merit=best_run.merit,
            by_cycle=tuple(made),
        )

    def _nothing(self, start: Model, status: Status, message: str, iterations: int) -> Outcome:
        """An outcome without a result."""
        n_component, n_depth = len(start.components), self._evaluator.log_tau.size
        return Outcome(
            status=status,
            message=message,
            fit=None,
            layout=None,
            sigma=np.full((n_component, 7, n_depth), np.nan),
            sigma_scalar=np.full(n_component + 2, np.nan),
            ran=(),
            best_cycle=-1,
            iterations=iterations,
            merit=np.nan,
        )
