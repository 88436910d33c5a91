"""One cycle of one pixel: Levenberg–Marquardt iterations with one set of nodes and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Cycle
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte import kernels, marquardt
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Layout, Model
from stokeswarm.inversion.engines.lte.forward import Workspace
from stokeswarm.inversion.engines.lte.moves import Moves
from stokeswarm.inversion.engines.lte.state import (
    AZIMUTH,
    CM_PER_KM,
    FIELD_STRENGTH,
    INCLINATION,
    MICROTURBULENCE,
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
#: fraction of the polarisation signal, and multiple of the noise, that a fit may leave out
MISSED: Final = 0.05
CLEAR: Final = 5.0
#: field [G] and turbulence [km/s] of the second try
STRONG_FIELD: Final = 2000.0
QUIET_TURBULENCE: Final = 1.0
#: azimuths that are right to this [rad] are left to the iterations
SMALL_TURN: Final = 0.02
#: failed steps in a row that end a cycle
MAX_FAILURES: Final = 6


@dataclass(frozen=True, slots=True)
class Observed:
    """What one pixel was observed to be.

    Attributes
    ----------
    stokes : ndarray (4, n_wavelength) float64
        0 where a sample is missing.
    weight : ndarray (4, n_wavelength) float64
        w/σ²; 0 where a sample is missing.
    stray_light : ndarray (4, n_wavelength) float64 or None
    mu : float
    """

    stokes: Floats
    weight: Floats
    stray_light: Floats | None
    mu: float

    def chi2(self, fit: Floats) -> float:
        """Σ w (obs − fit)²/σ², not reduced."""
        return float(np.sum(self.weight * (self.stokes - fit) ** 2))

    @property
    def n_sample(self) -> int:
        """Number of samples with a weight."""
        return int(np.count_nonzero(self.weight))


@dataclass(frozen=True, slots=True)
class Fit:
    """A model, its profile (4, n_wavelength) and its χ² (not reduced)."""

    model: Model
    profile: Floats
    chi2: float


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
        self._jacobian: Floats = np.empty(0)
        widths = [group.functions.shape[1] for group in layout.groups]
        thermal = [group.quantity == TEMPERATURE for group in layout.groups]
        self._thermal = np.zeros(layout.n_free, dtype=bool)
        self._thermal[: sum(widths)] = np.repeat(thermal, widths)
        self.iterations = 0
        self.merit = np.nan
        self.moving = False

    def prepare(self, model: Model) -> Fit | None:
        """The start of the cycle, with floors under free quantities; None where it cannot be synthesised."""
        components = tuple(
            with_floors(component, self.layout.free(c), c in self.layout.macroturbulence)
            for c, component in enumerate(model.components)
        )
        fit = self._evaluate(replace(model, components=components))
        if fit is None or len(components) > 1:
            return fit
        turned = self._turned(fit)
        return fit if turned is None else turned

    def _turned(self, fit: Fit) -> Fit | None:
        """The fit with the field turned to where the observed polarisation points; None where it already does.

        Two exact symmetries of the transfer equation: turning the azimuth of the whole column by Δχ turns
        (Q, U) by 2Δχ, and γ → 180° − γ changes the sign of V. The best Δχ is therefore known in closed form;
        without it a start with a wrong azimuth is driven to γ = 0, where the azimuth has no effect any more.
        """
        free = self.layout.free(0)
        observed, profile, weight = self._observed.stokes, fit.profile, self._weight
        turn, flip = 0.0, False
        if AZIMUTH in free:
            w = np.minimum(weight[1], weight[2])
            along = np.sum(w * (profile[1] * observed[1] + profile[2] * observed[2]))
            across = np.sum(w * (profile[1] * observed[2] - profile[2] * observed[1]))
            turn = 0.5 * float(np.arctan2(across, along))
        if INCLINATION in free:
            flip = bool(np.sum(weight[3] * profile[3] * observed[3]) < 0.0)
        if abs(turn) < SMALL_TURN and not flip:
            return None
        component = fit.model.components[0]
        values = component.values.copy()
        values[AZIMUTH] += turn
        if flip:
            values[INCLINATION] = np.pi - values[INCLINATION]
        before = self._jacobian
        found = self._evaluate(replace(fit.model, components=(replace(component, values=values),)))
        if found is not None and self._merit(found) < self._merit(fit):
            return found
        self._jacobian = before
        return None

    def _evaluate(self, model: Model) -> Fit | None:
        evaluator = self._evaluator
        if not all(np.isfinite(component.values).all() for component in model.components):
            return None
        profile, jacobian = evaluator.profile_and_jacobian(
            model, self.layout, self._observed.stray_light, self._observed.mu, self._workspace
        )
        if not (np.isfinite(profile).all() and np.isfinite(jacobian).all()):
            return None
        self._jacobian = jacobian
        return Fit(model, profile, self._observed.chi2(profile))

    def _merit(self, fit: Fit) -> float:
        return float(np.sum(self._weight * (self._observed.stokes - fit.profile) ** 2))

    def iterate(self, fit: Fit) -> Fit:
        """Levenberg–Marquardt from a start to convergence; never worse than the start."""
        plan = self._evaluator.plan
        damping = plan.initial_damping
        self.merit = self._merit(fit)
        n_free = self.layout.n_free
        curvature, gradient = np.empty((n_free, n_free)), np.empty(n_free)
        jacobian = self._jacobian
        calm = failures = 0
        while self.iterations < plan.max_iterations and calm < PATIENCE and failures < MAX_FAILURES:
            if self._slot.cancelled() or self._slot.out_of_time():
                return fit
            residual = self._observed.stokes - fit.profile
            kernels.normal_equations(jacobian, residual, self._weight, curvature, gradient)
            change, damping = self._step(fit, curvature, gradient, damping)
            trial = self._evaluate(self._moves.moved(fit.model, self.layout, change, self._observed.mu))
            self.iterations += 1
            merit = np.inf if trial is None else self._merit(trial)
            if trial is not None and merit < self.merit:
                gain = (self.merit - merit) / self.merit
                calm = calm + 1 if gain < CONVERGED else 0
                self.moving = gain > STILL_MOVING
                fit, self.merit, jacobian = trial, merit, self._jacobian
                damping = max(damping / 10.0, 1e-7)
                failures = 0
            else:
                damping = max(damping * 10.0, 1e-4)
                failures += 1
        if calm >= PATIENCE or failures >= MAX_FAILURES:
            self.moving = False
        return fit

    def misses_polarisation(self, fit: Fit) -> bool:
        """Whether the fit leaves out much of a clear polarisation signal, as a wrong kind of field does."""
        signal = self._weight[1:] * self._observed.stokes[1:] ** 2
        residual = self._weight[1:] * (self._observed.stokes[1:] - fit.profile[1:]) ** 2
        n_used = max(int(np.count_nonzero(self._weight[1:])), 1)
        free = self.layout.free(0)
        if FIELD_STRENGTH not in free or len(fit.model.components) > 1:
            return False
        return bool(residual.sum() > MISSED * signal.sum() and residual.sum() > CLEAR * n_used)

    def alternatives(self, fit: Fit) -> list[Model]:
        """Other fields to try from a fit that misses the polarisation: strong, with the turbulence set back.

        The temperature stays; a strong field splits the lines that a weak one can only broaden by turbulence.
        """
        component = fit.model.components[0]
        values = component.values.copy()
        values[FIELD_STRENGTH] = STRONG_FIELD
        values[MICROTURBULENCE] = np.minimum(values[MICROTURBULENCE], QUIET_TURBULENCE * CM_PER_KM)
        values[INCLINATION] = np.where(values[INCLINATION] > np.pi / 2, 0.75 * np.pi, 0.25 * np.pi)
        vmac = min(component.macroturbulence, QUIET_TURBULENCE)
        return [replace(fit.model, components=(replace(component, values=values, macroturbulence=vmac),))]

    def _too_bright_or_dark(self, fit: Fit) -> bool:
        """Whether the mean intensity of the fit is off by more than `FAR_OFF` and temperatures are free."""
        used = self._weight[0] > 0.0
        if not self._thermal.any() or not used.any():
            return False
        return bool(abs(fit.profile[0, used].sum() / self._observed.stokes[0, used].sum() - 1.0) > FAR_OFF)

    def _step(self, fit: Fit, curvature: Floats, gradient: Floats, damping: float) -> tuple[Floats, float]:
        """Marquardt step among the parameters that may move.

        As long as the intensity as a whole is far off, only the temperature moves: the others would be driven
        to absurd values by a misfit that is not theirs. A parameter at its limit that the step would push
        further out is held and the step computed anew: otherwise the others would be moved to make room for a
        change that does not happen.
        """
        plan = self._evaluator.plan
        n_free = gradient.size
        room = self._moves.room(fit.model, self.layout)
        active = self._thermal if self._too_bright_or_dark(fit) else np.ones(n_free, dtype=bool)
        change = np.zeros(n_free)
        for _ in range(n_free):
            if not active.any():
                break
            change[:] = 0.0
            change[active], damping = marquardt.step(
                curvature[np.ix_(active, active)], gradient[active], damping, plan.svd_tolerance, LARGEST_STEP
            )
            pushed = active & (((change < 0) & (room[:, 0] >= 0)) | ((change > 0) & (room[:, 1] <= 0)))
            if not pushed.any():
                break
            active &= ~pushed
        return change, damping
