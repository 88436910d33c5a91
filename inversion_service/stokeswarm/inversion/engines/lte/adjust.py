"""Cheap corrections that bring a start near the observation before any derivative is used.

An iteration is only as good as its linearisation. A start that is a thousand kelvin too hot, whose field
points elsewhere or is of another kind, is corrected by what is known without iterating: the temperature that
the brightness asks for, and the exact symmetries of the polarised transfer equation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte.constants import SECOND_RADIATION_CONSTANT
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.forward import Workspace
from stokeswarm.inversion.engines.lte.observed import Fit, Observed
from stokeswarm.inversion.engines.lte.parameters import Layout
from stokeswarm.inversion.engines.lte.state import (
    AZIMUTH,
    CM_PER_KM,
    FIELD_STRENGTH,
    INCLINATION,
    MICROTURBULENCE,
    TEMPERATURE,
)

Floats = npt.NDArray[np.float64]

#: relative error of the mean intensity above which the temperature is scaled before the iterations
FAR_OFF: Final = 0.1
#: scalings tried; each leaves a tenth of the error
MAX_SCALINGS: Final = 4
#: fraction of the polarisation signal, and multiple of the noise, that a fit may leave out
MISSED: Final = 0.05
CLEAR: Final = 5.0
#: sin γ of a field that has ended at a pole, and the reduced χ² above which that is not believed
POLE: Final = 0.1
BAD: Final = 2.0
#: field [G] and turbulence [km/s] of the second try
STRONG_FIELD: Final = 2000.0
QUIET_TURBULENCE: Final = 1.0


def warmed(
    evaluator: Evaluator, observed: Observed, model: Model, profile: Floats | None, workspace: Workspace
) -> Model:
    """The model with its temperature scaled so that its mean intensity is about the observed one.

    Radiative equilibrium scales T(τ) with the effective temperature, so a darker atmosphere is better
    approached by a factor than by a shift, which would make its top absurdly cold. The factor is the ratio
    of the Planck temperatures of observed and synthetic intensity at τ = 1. Unchanged where the mean
    intensity is within `FAR_OFF`, or where there are two components. ``profile`` is the model's, where it is
    known.
    """
    used = observed.weight[0] > 0.0
    if len(model.components) > 1 or not used.any():
        return model
    wanted = float(observed.stokes[0, used].sum())
    if wanted <= 0.0:
        return model
    surface = int(np.argmin(np.abs(evaluator.log_tau)))
    wavelength_cm = 1e-8 * float(evaluator.wavelength[used].mean())
    low, high = evaluator.plan.limit("temperature")
    for _ in range(MAX_SCALINGS):
        component = model.components[0]
        if profile is None:
            profile = evaluator.profile(model, observed.stray_light, observed.mu, workspace)
        found = float(profile[0, used].sum())
        if not np.isfinite(found) or found <= 0.0 or abs(found / wanted - 1.0) < FAR_OFF:
            break
        temperature = component.values[TEMPERATURE, surface]
        exponent = SECOND_RADIATION_CONSTANT / (wavelength_cm * temperature)
        factor = exponent / np.log1p(np.expm1(exponent) * found / wanted)
        values = component.values.copy()
        values[TEMPERATURE] = np.clip(values[TEMPERATURE] * factor, low, high)
        scaled = evaluator.in_equilibrium(replace(component, values=values), observed.mu)
        if not np.isfinite(scaled.values).all():
            break
        model, profile = replace(model, components=(scaled,)), None
    return model


def turned(layout: Layout, observed: Observed, weight: Floats, fit: Fit) -> Fit:
    """The fit with the field turned to where the observed polarisation points.

    Two exact symmetries of the transfer equation: turning the azimuth of the whole column by Δχ turns
    (Q, U) by 2Δχ, and γ → 180° − γ changes the sign of V, so that neither needs a synthesis. The best Δχ is
    known in closed form; without it a start with a wrong azimuth is driven to γ = 0, where the azimuth has no
    effect any more. Unchanged where there are two components or stray light: the iterations alone tell their
    fields apart.
    """
    if len(fit.model.components) > 1 or observed.stray_light is not None:
        return fit
    free = layout.free(0)
    stokes, profile = observed.stokes, fit.profile
    turn, flip = 0.0, False
    if AZIMUTH in free:
        w = np.minimum(weight[1], weight[2])
        along = np.sum(w * (profile[1] * stokes[1] + profile[2] * stokes[2]))
        across = np.sum(w * (profile[1] * stokes[2] - profile[2] * stokes[1]))
        turn = 0.5 * float(np.arctan2(across, along))
    if INCLINATION in free:
        flip = bool(np.sum(weight[3] * profile[3] * stokes[3]) < 0.0)
    if turn == 0.0 and not flip:
        return fit
    component = fit.model.components[0]
    values = component.values.copy()
    values[AZIMUTH] += turn
    if flip:
        values[INCLINATION] = np.pi - values[INCLINATION]
    model = replace(fit.model, components=(replace(component, values=values),))
    turning = np.eye(4)
    turning[1:3, 1:3] = [[np.cos(2 * turn), -np.sin(2 * turn)], [np.sin(2 * turn), np.cos(2 * turn)]]
    turning[3, 3] = -1.0 if flip else 1.0
    # Few numbers, but no BLAS: its sums depend on the machine.
    profile = np.zeros_like(fit.profile)
    jacobian = np.zeros_like(fit.jacobian)
    for i, j in zip(*np.nonzero(turning), strict=True):
        profile[i] += turning[i, j] * fit.profile[j]
        jacobian[:, i] += turning[i, j] * fit.jacobian[:, j]
    if flip:
        jacobian[layout.rows(INCLINATION)] *= -1.0
    return Fit(model, profile, observed.chi2(profile), jacobian)


def suspicious(layout: Layout, observed: Observed, fit: Fit) -> bool:
    """Whether a fit may have the wrong kind of field.

    It leaves out much of a clear polarisation signal, or it is bad and its field has ended at a pole, where
    neither inclination nor azimuth has an effect to first order and iterations stay.
    """
    if FIELD_STRENGTH not in layout.free(0) or len(fit.model.components) > 1:
        return False
    inclination = fit.model.components[0].values[INCLINATION]
    at_pole = bool(np.sin(inclination).max() < POLE)
    if at_pole and INCLINATION in layout.free(0) and fit.chi2 > BAD * observed.n_sample:
        return True
    weight = observed.weight[1:]
    signal = weight * observed.stokes[1:] ** 2
    residual = weight * (observed.stokes[1:] - fit.profile[1:]) ** 2
    n_used = max(int(np.count_nonzero(weight)), 1)
    return bool(residual.sum() > MISSED * signal.sum() and residual.sum() > CLEAR * n_used)


def strong_field(model: Model) -> Model:
    """The model with a strong field and moderate turbulence, to try where a fit misses the polarisation.

    The temperature stays. A strong field splits the lines that a weak one can only broaden by turbulence.
    """
    component = model.components[0]
    values = component.values.copy()
    values[FIELD_STRENGTH] = STRONG_FIELD
    values[MICROTURBULENCE] = np.minimum(values[MICROTURBULENCE], QUIET_TURBULENCE * CM_PER_KM)
    values[INCLINATION] = np.where(values[INCLINATION] > np.pi / 2, 0.75 * np.pi, 0.25 * np.pi)
    vmac = min(component.macroturbulence, QUIET_TURBULENCE)
    return replace(model, components=(replace(component, values=values, macroturbulence=vmac),))
