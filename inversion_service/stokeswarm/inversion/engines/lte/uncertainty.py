"""Errors of an inverted atmosphere from the response functions at the solution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte import kernels, marquardt
from stokeswarm.inversion.engines.lte.evaluate import Evaluator
from stokeswarm.inversion.engines.lte.observed import Fit, Observed
from stokeswarm.inversion.engines.lte.parameters import FRACTION_UNIT, Layout, macroturbulence_unit, units

Floats = npt.NDArray[np.float64]


def uncertainty(evaluator: Evaluator, observed: Observed, fit: Fit, layout: Layout) -> tuple[Floats, Floats]:
    """1σ at every depth from the curvature of χ² at the solution.

    Covariance of the nodes = (Jᵀ W J)⁻¹ · max(χ²_reduced, 1) (Press et al. 2007, §15.6), carried to the
    depths by the nodes' cardinal functions; what has no nodes keeps NaN. The factor χ²_reduced makes a
    bad fit's errors larger (del Toro Iniesta 2003, eq. 11.29, does the same with the merit function).
    """
    n_component, n_depth = len(fit.model.components), evaluator.log_tau.size
    sigma = np.full((n_component, 7, n_depth), np.nan)
    scalar = np.full(n_component + 2, np.nan)
    n_free = layout.n_free
    curvature, gradient = np.empty((n_free, n_free)), np.empty(n_free)
    kernels.normal_equations(
        fit.jacobian, observed.stokes - fit.profile, observed.weight, curvature, gradient
    )
    if not np.isfinite(curvature).all():
        return sigma, scalar
    freedom = max(observed.n_sample - n_free, 1)
    matrix = marquardt.covariance(curvature, evaluator.plan.svd_tolerance)
    matrix = matrix * max(fit.chi2 / freedom, 1.0)
    at = 0
    for group in layout.groups:
        width = group.functions.shape[1]
        own = matrix[at : at + width, at : at + width]
        variance = np.sum((group.functions @ own) * group.functions, axis=1)
        scale = units(fit.model.components[group.component], group.quantity)
        sigma[group.component, group.quantity] = scale * np.sqrt(np.maximum(variance, 0.0))
        at += width
    deviation = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    for c in layout.macroturbulence:
        scalar[c] = macroturbulence_unit(fit.model.components[c].macroturbulence) * deviation[at]
        at += 1
    if layout.filling_factor:
        scalar[n_component] = FRACTION_UNIT * deviation[at]
        at += 1
    if layout.stray_light:
        scalar[n_component + 1] = FRACTION_UNIT * deviation[at]
    return sigma, scalar
