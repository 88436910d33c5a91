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
from stokeswarm.inversion.engines.lte.prior import Prior, StartError
from stokeswarm.inversion.engines.lte.state import TEMPERATURE, with_floors

Floats = npt.NDArray[np.float64]

#: a step that lowers the merit by less than this fraction counts as no progress
CONVERGED: Final = 1e-3
#: steps without progress that end a cycle
PATIENCE: Final = 2
#: a cycle that ran out of iterations while its last step still gained more than this has not converged
STILL_MOVING: Final = 1e-2
#: largest change of a scaled parameter in one step
LARGEST_STEP: Final = 5.0
#: a step is not worth its computation where the linear model promises less than this fraction of the merit,
#: or of what noise alone would leave where the fit is bad: of 448 samples 0.09, a third of one σ
WORTHWHILE: Final = 2e-4
#: the same for the derivatives at its end: what comes after it will hardly need them
WORTH_DERIVATIVES: Final = 1e-2
#: damping up to which the model's promise is that of the minimum, not of a shortened step
TRUSTED_DAMPING: Final = 1e-2
#: share of the promised gain above which the damping is lowered, and below which it is raised
GOOD_MODEL: Final = 0.75
POOR_MODEL: Final = 0.25
#: deviation of a step's gain from the promised one, relative to that, up to which the derivatives are good
#: for one more step
FORETOLD: Final = 0.1
#: share of the merit that the data alone must promise to gain for a prior to be dropped
OVERRULED: Final = 0.05
#: iterations after which a second try that is still so many times worse than the first is given up
TRIAL_ITERATIONS: Final = 5
HOPELESS: Final = 3.0
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
        self._prior: Prior | None = None
        self.iterations = 0
        self.merit = np.nan
        self.moving = False

    def prepare(self, model: Model, error: tuple[StartError, ...] = ()) -> Fit | None:
        """The start of the cycle, adjusted where that is free; None where it cannot be synthesised.

        Free quantities are lifted off the zeros where their derivatives vanish; a start whose brightness or
        field direction is far off is scaled or turned to what was observed (`adjust`). Its errors, where it
        has any, hold the cycle to it (`prior`), unless its brightness was far off.
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
                fit, error = self._evaluate(warmed), ()
        if fit is None:
            return None
        turned = adjust.turned(self.layout, self._observed, self._weight, fit)
        best = turned if self._misfit(turned) < self._misfit(fit) else fit
        self._prior = Prior.of(self.layout, best.model, error) if error else None
        return best

    def _evaluate(self, model: Model) -> Fit | None:
        """A model's profile and derivatives."""
        if not _finite(model):
            return None
        profile, jacobian = self._evaluator.profile_and_jacobian(
            model, self.layout, self._observed.stray_light, self._observed.mu, self._workspace
        )
        if not (np.isfinite(profile).all() and np.isfinite(jacobian).all()):
            return None
        return Fit(model, profile, self._observed.chi2(profile), jacobian)

    def _follow(self, fit: Fit, model: Model, change: Floats) -> Fit | None:
        """The profile of a model that is a change away from a fit, and its derivatives by Broyden's update.

        A profile alone costs a third of one with derivatives.
        """
        if not _finite(model):
            return None
        profile = self._evaluator.profile(
            model, self._observed.stray_light, self._observed.mu, self._workspace
        )
        if not np.isfinite(profile).all():
            return None
        jacobian = fit.jacobian.copy()
        kernels.secant(jacobian, profile - fit.profile, change)
        return Fit(model, profile, self._observed.chi2(profile), jacobian, exact=False)

    def _misfit(self, fit: Fit) -> float:
        return float(np.sum(self._weight * (self._observed.stokes - fit.profile) ** 2))

    def _objective(self, fit: Fit) -> float:
        """What a cycle lowers: the misfit, and the distance from a start with errors."""
        return self._misfit(fit) + (0.0 if self._prior is None else self._prior.cost(fit.model))

    def iterate(self, fit: Fit, rival: float = np.inf) -> Fit:
        """Levenberg–Marquardt from a start to convergence; never worse than the start.

        A start's errors are forgotten where the data contradict them: where without them the merit would fall
        by more than `OVERRULED`. ``rival`` is the merit of another try, to which this one is an alternative.
        """
        fit = self._descend(fit, rival)
        if self._prior is not None and self._contradicted(fit):
            self._prior = None
            fit = self._descend(fit, rival)
        self.merit = self._misfit(fit)
        return fit

    def _contradicted(self, fit: Fit) -> bool:
        curvature, gradient = self._normal_equations(fit)
        merit = self._misfit(fit)
        change, _ = self._step(fit, merit, curvature, gradient, self._evaluator.plan.initial_damping)
        return _promise(curvature, gradient, change) > OVERRULED * merit

    def _normal_equations(self, fit: Fit) -> tuple[Floats, Floats]:
        """Of the misfit: curvature (n_free, n_free) and gradient (n_free,)."""
        n_free = self.layout.n_free
        curvature, gradient = np.empty((n_free, n_free)), np.empty(n_free)
        residual = self._observed.stokes - fit.profile
        kernels.normal_equations(fit.jacobian, residual, self._weight, curvature, gradient)
        return curvature, gradient

    def _descend(self, fit: Fit, rival: float) -> Fit:
        plan = self._evaluator.plan
        damping = plan.initial_damping
        merit = self._objective(fit)
        calm = failures = 0
        foretold = False
        n_sample = max(self._observed.n_sample, 1)
        while self.iterations < plan.max_iterations and calm < PATIENCE and failures < MAX_FAILURES:
            if self._slot.cancelled() or self._slot.out_of_time():
                return fit
            if self.iterations >= TRIAL_ITERATIONS and merit > HOPELESS * rival:
                return fit
            curvature, gradient = self._normal_equations(fit)
            if self._prior is not None:
                self._prior.add(fit.model, curvature, gradient)
            change, damping = self._step(fit, merit, curvature, gradient, damping)
            promise = _promise(curvature, gradient, change)
            scale = min(merit, n_sample) if damping <= TRUSTED_DAMPING else 0.0
            if promise < WORTHWHILE * scale:
                self.moving = False
                break
            model = self._moves.moved(fit.model, self.layout, change, self._observed.mu)
            alone = foretold or promise < WORTH_DERIVATIVES * scale
            trial = self._follow(fit, model, change) if alone else self._evaluate(model)
            self.iterations += 1
            gain = -np.inf if trial is None else merit - self._objective(trial)
            foretold = abs(gain - promise) < FORETOLD * promise
            if trial is not None and gain > 0.0:
                calm = calm + 1 if gain < CONVERGED * merit else 0
                self.moving = gain > STILL_MOVING * merit
                if gain > GOOD_MODEL * promise:
                    damping = max(damping / 10.0, 1e-7)
                elif gain < POOR_MODEL * promise:
                    damping = max(damping * 10.0, 1e-4)
                fit, merit = trial, merit - gain
                failures = 0
            elif not fit.exact:
                exact = self._evaluate(fit.model)
                if exact is None:
                    return fit
                fit = exact
            else:
                damping = max(damping * 10.0, 1e-4)
                failures += 1
        if calm >= PATIENCE or failures >= MAX_FAILURES:
            self.moving = False
        return fit

    def _step(
        self, fit: Fit, merit: float, curvature: Floats, gradient: Floats, damping: float
    ) -> tuple[Floats, float]:
        """Marquardt step within the limits.

        A parameter at its limit that the step would push further out is held, and the step of the others
        computed anew: otherwise they would be moved to make room for a change that does not happen. With a
        prior, a parameter that the step would take beyond its limit goes there and no further. (In the quiet
        Sun that is what noise makes of the field's gradient.) Without one it would stay there: at zero field
        nothing says which way it pointed, and a refused step that is tried again with more damping is what
        keeps off it. A change of `LARGEST_STEP` units costs as much as one sample's present misfit, so that a
        parameter which the data do not determine stays where it is instead of running to the limit and
        holding back the others.
        """
        n_free = gradient.size
        room = self._moves.room(fit.model, self.layout)
        if self._prior is None:
            room[:, 0] = np.where(room[:, 0] < 0.0, -np.inf, 0.0)
            room[:, 1] = np.where(room[:, 1] > 0.0, np.inf, 0.0)
        free = np.ones(n_free, dtype=bool)
        change, used = np.zeros(n_free), damping
        ridge = merit / max(self._observed.n_sample, 1) / LARGEST_STEP**2
        while free.any():
            held = ~free
            change[free], used = marquardt.step(
                curvature[np.ix_(free, free)] + ridge * np.eye(int(free.sum())),
                gradient[free] - curvature[np.ix_(free, held)] @ change[held],
                damping,
                self._evaluator.plan.svd_tolerance,
                LARGEST_STEP,
            )
            within = np.clip(change, room[:, 0], room[:, 1])
            beyond = free & (within != change)
            if not beyond.any():
                break
            change[beyond] = within[beyond]
            free &= ~beyond
        return change, used


def _finite(model: Model) -> bool:
    return all(np.isfinite(component.values).all() for component in model.components)


def _promise(curvature: Floats, gradient: Floats, change: Floats) -> float:
    """By how much the linear model says that a change lowers the merit."""
    return float(2.0 * gradient @ change - change @ curvature @ change)
