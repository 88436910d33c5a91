"""Exact sensitivities of the emergent light to the propagation matrix and the source function.

They are the derivatives of the *discrete* solution: the emergent light is differentiated through the
linear recursion backwards (P_i = dI_emergent/dJ_i, Q_i = P_i M_i⁻¹), so that Levenberg-Marquardt sees
true gradients. Because each change of E enters between a row vector and a column vector, no 4x4
derivative is ever formed. The notation is that of ``transfer``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.transfer import (
    THICK_STEP,
    copy_rows,
    derivative_at,
    fill_matrix,
    invert4,
    thickness_above,
)

Array = npt.NDArray[np.float64]

MAXIMUM_BLOCK: Final = 64
"""Most wavelengths that one call takes."""
FRAME_ROWS: Final = 58
"""Rows of the local array of :func:`sensitivity_at`."""


@njit
def _add_restart(
    carried: Array, limit: Array, j: Array, thick: Array, to_matrix: Array, to_source_slope: Array
) -> None:
    """Add what J = E⁻¹ S' e contributes where the solution restarts: dJ = E⁻¹ (e dS' - dE J)."""
    for i in range(thick.shape[0]):
        if thick[i] > THICK_STEP:
            t0 = t1 = t2 = t3 = 0.0
            for row in range(4):
                t0 += carried[row, i] * limit[4 * row, i]
                t1 += carried[row, i] * limit[4 * row + 1, i]
                t2 += carried[row, i] * limit[4 * row + 2, i]
                t3 += carried[row, i] * limit[4 * row + 3, i]
            j0, j1, j2, j3 = j[0, i], j[1, i], j[2, i], j[3, i]
            to_source_slope[i] += t0
            to_matrix[0, i] -= t0 * j0 + t1 * j1 + t2 * j2 + t3 * j3
            to_matrix[1, i] -= t0 * j1 + t1 * j0
            to_matrix[2, i] -= t0 * j2 + t2 * j0
            to_matrix[3, i] -= t0 * j3 + t3 * j0
            to_matrix[4, i] -= t2 * j3 - t3 * j2
            to_matrix[5, i] -= t3 * j1 - t1 * j3
            to_matrix[6, i] -= t1 * j2 - t2 * j1


@njit
def start_sensitivity(transmission: Array, pending: Array) -> None:
    """Begin the downward sweep: P = 1 at the surface, nothing pending from above it.

    Parameters
    ----------
    transmission : np.ndarray
        Receives P, rows of the emergent Stokes parameters, (4, 4, n) float64.
    pending : np.ndarray
        Receives what the step above the current depth left, :func:`sensitivity_at`, (4, 4, n) float64.
    """
    transmission[:, :, :] = 0.0
    pending[:, :, :] = 0.0
    for row in range(4):
        transmission[row, row, :] = 1.0


@njit
def sensitivity_at(
    depth: int,
    log_tau: Array,
    matrix: Array,
    planck: Array,
    stencil: Array,
    state: Array,
    transmission: Array,
    pending: Array,
    work: Array,
    to_matrix: Array,
    to_derivative: Array,
    to_source: Array,
    to_source_slope: Array,
) -> None:
    """Take one depth of the downward sweep (from the surface to the deepest point).

    Parameters
    ----------
    depth : int
        Depth index; the calls go from nd - 1 down to 0.
    log_tau, matrix, planck, stencil, state
        As given to, and left by, ``transfer.solve``.
    transmission, pending : np.ndarray
        From :func:`start_sensitivity`, updated by each call: P at this depth, and Q of the step above,
        (4, 4, n) float64; n is at most `MAXIMUM_BLOCK`.
    work : np.ndarray
        Scratch, (48, n) float64.
    to_matrix, to_derivative : np.ndarray
        Receive the derivatives of the emergent I, Q, U, V to the elements of E and of E' at this depth,
        (4, 7, n) float64.
    to_source, to_source_slope : np.ndarray
        The same to S and S', (4, n) float64.
    """
    n_depth = log_tau.shape[0]
    n = matrix.shape[2]
    slope = planck[depth, 1]
    full, thick, limit, carried = work[7:23], work[27], work[28:44], work[44:48]
    # One local array whose rows lie at constant distances: the compiler then sees that nothing overlaps, and
    # vectorises the long loops below, which it does not for a dozen arrays that might be one another.
    frame = np.empty((FRAME_ROWS, MAXIMUM_BLOCK))
    e, d, j, inverse = frame[0:7], frame[7:14], frame[14:18], frame[18:34]
    p, above, g, gd, source = frame[34:38], frame[38:42], frame[42:49], frame[49:56], frame[56:58]
    copy_rows(matrix[depth], e, n)
    copy_rows(state[depth, :4], j, n)
    copy_rows(state[depth, 4:], inverse, n)
    half_below = half_above = twelfth_below = twelfth_above = 0.0
    if depth > 0:
        step = log_tau[depth] - log_tau[depth - 1]
        half_below, twelfth_below = 0.5 * step, step * step / 12.0
    if depth < n_depth - 1:
        step = log_tau[depth + 1] - log_tau[depth]
        half_above, twelfth_above = 0.5 * step, step * step / 12.0
    derivative_at(matrix, stencil, depth, work[0:7])
    copy_rows(work[0:7], d, n)
    restarts = thickness_above(matrix, log_tau, depth, thick) > THICK_STEP
    if restarts:
        fill_matrix(matrix[depth], full)
        invert4(full, limit)
    at_surface = 1.0 if depth == n_depth - 1 else 0.0
    for row in range(4):
        copy_rows(transmission[row], p, n)
        copy_rows(pending[row], above, n)
        for i in range(n):
            k, q, u, v, rq, ru, rv = e[0, i], e[1, i], e[2, i], e[3, i], e[4, i], e[5, i], e[6, i]
            # P at this depth is Q of the step above times N; at the surface it is 1.
            b0, b1, b2, b3 = above[0, i], above[1, i], above[2, i], above[3, i]
            y0 = b0 * k + b1 * q + b2 * u + b3 * v
            y1 = b0 * q + b1 * k - b2 * rv + b3 * ru
            y2 = b0 * u + b1 * rv + b2 * k - b3 * rq
            y3 = b0 * v - b1 * ru + b2 * rq + b3 * k
            dk, dq, du, dv = d[0, i], d[1, i], d[2, i], d[3, i]
            drq, dru, drv = d[4, i], d[5, i], d[6, i]
            p0 = (
                p[0, i] * at_surface
                + b0
                + half_above * y0
                + twelfth_above * (b0 * dk + b1 * dq + b2 * du + b3 * dv + y0 * k + y1 * q + y2 * u + y3 * v)
            )
            p1 = (
                p[1, i] * at_surface
                + b1
                + half_above * y1
                + twelfth_above
                * (b0 * dq + b1 * dk - b2 * drv + b3 * dru + y0 * q + y1 * k - y2 * rv + y3 * ru)
            )
            p2 = (
                p[2, i] * at_surface
                + b2
                + half_above * y2
                + twelfth_above
                * (b0 * du + b1 * drv + b2 * dk - b3 * drq + y0 * u + y1 * rv + y2 * k - y3 * rq)
            )
            p3 = (
                p[3, i] * at_surface
                + b3
                + half_above * y3
                + twelfth_above
                * (b0 * dv - b1 * dru + b2 * drq + b3 * dk + y0 * v - y1 * ru + y2 * rq + y3 * k)
            )
            p[0, i], p[1, i], p[2, i], p[3, i] = p0, p1, p2, p3
        if restarts:
            copy_rows(p, carried, n)
        for i in range(n):
            p0, p1, p2, p3 = p[0, i], p[1, i], p[2, i], p[3, i]
            a0 = p0 * inverse[0, i] + p1 * inverse[4, i] + p2 * inverse[8, i] + p3 * inverse[12, i]
            a1 = p0 * inverse[1, i] + p1 * inverse[5, i] + p2 * inverse[9, i] + p3 * inverse[13, i]
            a2 = p0 * inverse[2, i] + p1 * inverse[6, i] + p2 * inverse[10, i] + p3 * inverse[14, i]
            a3 = p0 * inverse[3, i] + p1 * inverse[7, i] + p2 * inverse[11, i] + p3 * inverse[15, i]
            p[0, i], p[1, i], p[2, i], p[3, i] = a0, a1, a2, a3
        if restarts:
            for i in range(n):
                if thick[i] > THICK_STEP:
                    p[0, i], p[1, i], p[2, i], p[3, i] = 0.0, 0.0, 0.0, 0.0
        # From here p holds Q of the step below, above that of the step above.
        for i in range(n):
            k, q, u, v, rq, ru, rv = e[0, i], e[1, i], e[2, i], e[3, i], e[4, i], e[5, i], e[6, i]
            j0, j1, j2, j3 = j[0, i], j[1, i], j[2, i], j[3, i]
            w0 = k * j0 + q * j1 + u * j2 + v * j3 - slope
            w1 = q * j0 + k * j1 + rv * j2 - ru * j3
            w2 = u * j0 - rv * j1 + k * j2 + rq * j3
            w3 = v * j0 + ru * j1 - rq * j2 + k * j3
            a0, a1, a2, a3 = p[0, i], p[1, i], p[2, i], p[3, i]
            b0, b1, b2, b3 = above[0, i], above[1, i], above[2, i], above[3, i]
            z0 = twelfth_above * b0 - twelfth_below * a0
            z1 = twelfth_above * b1 - twelfth_below * a1
            z2 = twelfth_above * b2 - twelfth_below * a2
            z3 = twelfth_above * b3 - twelfth_below * a3
            y0 = z0 * k + z1 * q + z2 * u + z3 * v
            x0 = half_below * a0 + half_above * b0 + y0
            x1 = half_below * a1 + half_above * b1 + z0 * q + z1 * k - z2 * rv + z3 * ru
            x2 = half_below * a2 + half_above * b2 + z0 * u + z1 * rv + z2 * k - z3 * rq
            x3 = half_below * a3 + half_above * b3 + z0 * v - z1 * ru + z2 * rq + z3 * k
            source[0, i] = b0 - a0
            source[1, i] = -y0
            gd[0, i] = z0 * j0 + z1 * j1 + z2 * j2 + z3 * j3
            gd[1, i] = z0 * j1 + z1 * j0
            gd[2, i] = z0 * j2 + z2 * j0
            gd[3, i] = z0 * j3 + z3 * j0
            gd[4, i] = z2 * j3 - z3 * j2
            gd[5, i] = z3 * j1 - z1 * j3
            gd[6, i] = z1 * j2 - z2 * j1
            g[0, i] = x0 * j0 + x1 * j1 + x2 * j2 + x3 * j3 + z0 * w0 + z1 * w1 + z2 * w2 + z3 * w3
            g[1, i] = x0 * j1 + x1 * j0 + z0 * w1 + z1 * w0
            g[2, i] = x0 * j2 + x2 * j0 + z0 * w2 + z2 * w0
            g[3, i] = x0 * j3 + x3 * j0 + z0 * w3 + z3 * w0
            g[4, i] = x2 * j3 - x3 * j2 + z2 * w3 - z3 * w2
            g[5, i] = x3 * j1 - x1 * j3 + z3 * w1 - z1 * w3
            g[6, i] = x1 * j2 - x2 * j1 + z1 * w2 - z2 * w1
        if restarts:
            _add_restart(carried, limit, j, thick, g, source[1])
        copy_rows(g, to_matrix[row], n)
        copy_rows(gd, to_derivative[row], n)
        for i in range(n):
            to_source[row, i] = source[0, i]
            to_source_slope[row, i] = source[1, i]
        if row == 0 and depth == n_depth - 1:
            for i in range(n):
                to_source[0, i] += 1.0
        # What the step above left is spent; the step below takes its place.
        copy_rows(p, transmission[row], n)
        copy_rows(p, pending[row], n)
