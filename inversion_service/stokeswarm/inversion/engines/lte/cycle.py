"""One cycle of one pixel: Levenberg–Marquardt iterations with one set of nodes and weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Cycle
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte import adjust, kernels, marquardt
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.forward import Workspace
from stokeswarm.inversion.engines.lte.moves import Moves
from stokeswarm.inversion.engines.lte.observed import Fit, Observed
from stokeswarm.inversion.engines.lte.parameters import Layout
from stokeswarm.inversion.engines.lte.state import (
    TEMPERATURE,
    with_floors,
)

Floats = npt.NDArray[np.float64]

#: a step that lowers the merit by less than this fraction counts as no progress
CONVERGED: Final = 1e-3
#: steps without progress that end a cycle
PATIENCE: Final = 2
#: a cycle that ran out of iterations while its last step still gained more than this has not converged
STILL_MOVING: Final = 1e-2
#: largest change of a scaled parameter in one step
LARGEST_STEP: Final = 5.0
#: relative error of the mean intensity above which only the temperature moves
FAR_OFF: Final = 0.1
#: a step is not worth its computation where the linear model promises less than this fraction of the merit,
#: or of what noise alone would leave where the fit is bad: of 448 samples 0.02, a seventh of one σ
WORTHWHILE: Final = 5e-5
#: damping up to which the model's promise is that of the minimum, not of a shortened step
TRUSTED_DAMPING: Final = 1e-2
#: share of the promised gain above which the damping is lowered, and below which it is raised
GOOD_MODEL: Final = 0.75
POOR_MODEL: Final = 0.25
#: failed steps in a row that end a cycle
MAX_FAILURES: Final = 6


class CycleRun:
    """One cycle of one pixel."""

    def __init__(
        self,
        evaluator: Evaluator,
        moves: Moves,
        observed: Observed,
        cycle: Cycle,
        layout: Layout,
        workspace: Workspace,
        slot: Slot,
    ) -> None:
        self._evaluator = evaluator
        self._moves = moves
        self._observed = observed
        self.layout = layout
        self._workspace = workspace
        self._slot = slot
        self._weight = observed.weight * np.asarray(cycle.weights)[:, None]
        self.iterations = 0
        self.merit = np.nan
        self.moving = False

    def prepare(self, model: Model) -> Fit | None:
        """The start of the cycle, adjusted where that is free; None where it cannot be synthesised.

        Free quantities are lifted off the zeros where their derivatives vanish; a start whose brightness or
        field direction is far off is scaled or turned to what was observed (`adjust`).
        """
        components = tuple(
            with_floors(component, self.layout.free(c), c in self.layout.macroturbulence)
            for c, component in enumerate(model.components)
        )
        model = replace(model, components=components)
        fit = self._evaluate(model)
        if TEMPERATURE in self.layout.free(0):
            profile = None if fit is None else fit.profile
            warmed = adjust.warmed(self._evaluator, self._observed, model, profile, self._workspace)
            if warmed is not model:
                fit = self._evaluate(warmed)
        if fit is None:
            return None
        turned = adjust.turned(self.layout, self._observed, self._weight, fit)
        return turned if self._merit(turned) < self._merit(fit) else fit

    def _evaluate(self, model: Model) -> Fit | None:
        evaluator = self._evaluator
        if not all(np.isfinite(component.values).all() for component in model.components):
            return None
        profile, jacobian = evaluator.profile_and_jacobian(
            model, self.layout, self._observed.stray_light, self._observed.mu, self._workspace
        )
        if not (np.isfinite(profile).all() and np.isfinite(jacobian).all()):
            return None
        return Fit(model, profile, self._observed.chi2(profile), jacobian)

    def _merit(self, fit: Fit) -> float:
        return float(np.sum(self._weight * (self._observed.stokes - fit.profile) ** 2))

    def iterate(self, fit: Fit) -> Fit:
        """Levenberg–Marquardt from a start to convergence; never worse than the start."""
        plan = self._evaluator.plan
        damping = plan.initial_damping
        self.merit = self._merit(fit)
        n_free = self.layout.n_free
        curvature, gradient = np.empty((n_free, n_free)), np.empty(n_free)
        calm = failures = 0
        n_sample = max(self._observed.n_sample, 1)
        while self.iterations < plan.max_iterations and calm < PATIENCE and failures < MAX_FAILURES:
            if self._slot.cancelled() or self._slot.out_of_time():
                return fit
            residual = self._observed.stokes - fit.profile
            kernels.normal_equations(fit.jacobian, residual, self._weight, curvature, gradient)
            change, damping = self._step(fit, curvature, gradient, damping)
            expected = float(2.0 * gradient @ change - change @ curvature @ change)
            if expected < WORTHWHILE * min(self.merit, n_sample) and damping <= TRUSTED_DAMPING:
                self.moving = False
                break
            trial = self._evaluate(self._moves.moved(fit.model, self.layout, change, self._observed.mu))
            self.iterations += 1
            merit = np.inf if trial is None else self._merit(trial)
            if trial is not None and merit < self.merit:
                gain = (self.merit - merit) / self.merit
                calm = calm + 1 if gain < CONVERGED else 0
                self.moving = gain > STILL_MOVING
                if self.merit - merit > GOOD_MODEL * expected:
                    damping = max(damping / 10.0, 1e-7)
                elif self.merit - merit < POOR_MODEL * expected:
                    damping = max(damping * 10.0, 1e-4)
                fit, self.merit = trial, merit
                failures = 0
            else:
                damping = max(damping * 10.0, 1e-4)
                failures += 1
        if calm >= PATIENCE or failures >= MAX_FAILURES:
            self.moving = False
        return fit

    def _step(self, fit: Fit, curvature: Floats, gradient: Floats, damping: float) -> tuple[Floats, float]:
        """Marquardt step among the parameters that are not held at a limit.

        A parameter at its limit that the step would push further out is held and the step computed anew:
        otherwise the others would be moved to make room for a change that does not happen. A change of
        `LARGEST_STEP` units costs as much as one sample's present misfit, so that a parameter which the data
        do not determine stays where it is instead of running to the limit and holding back the others.
        """
        n_free = gradient.size
        room = self._moves.room(fit.model, self.layout)
        active = np.ones(n_free, dtype=bool)
        change, used = np.zeros(n_free), damping
        ridge = self.merit / max(self._observed.n_sample, 1) / LARGEST_STEP**2
        while active.any():
            change[:] = 0.0
            change[active], used = marquardt.step(
                curvature[np.ix_(active, active)] + ridge * np.eye(int(active.sum())),
                gradient[active],
                damping,
                self._evaluator.plan.svd_tolerance,
                LARGEST_STEP,
            )
            pushed = active & (((change < 0) & (room[:, 0] >= 0)) | ((change > 0) & (room[:, 1] <= 0)))
            if not pushed.any():
                break
            active = active & ~pushed
        return change, used
