"""Formal solution of the polarised transfer equation in a stratified atmosphere.

The scheme is the Hermitian method of fourth order (Bellot Rubio, Ruiz Cobo & Collados 1998, ApJ 506, 805),
on x = log10 τ5000. With E = τ ln10 K, S the Planck function and J = I - (S, 0, 0, 0),

    I' = E (I - S e),    I'' = E' (I - S e) + E I' - E S' e,
    I_i = I_{i-1} + h/2 (I'_{i-1} + I'_i) + h²/12 (I''_{i-1} - I''_i),    h = x_i - x_{i-1},  e = (1, 0, 0, 0)

is linear in J: M_i J_i = N_{i-1} J_{i-1} + source terms. E' and S' are derivatives of the parabola
through three depths. Depth index 0 is the deepest, the last one the surface.

Where one step is optically thick the light has forgotten what lies below, and the solution is restarted from
the diffusion limit J = E⁻¹ S' e (as at the deepest point); without it the scheme, which damps weakly
there, would carry errors of the deep layers upwards.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit

Array = npt.NDArray[np.float64]

THICK_STEP: Final = 5.0
"""Optical thickness of a step above which the solution is restarted from the diffusion limit."""
N_STATE: Final = 20
"""Numbers that the upward sweep keeps a depth and wavelength: J (4) and M⁻¹ (16)."""


@njit
def copy_rows(source: Array, target: Array, n: int) -> None:
    """Copy the first n columns of all rows of the source."""
    for row in range(source.shape[0]):
        here, there = source[row], target[row]
        for i in range(n):
            there[i] = here[i]


@njit
def parabolic_stencil(x: Array, stencil: Array) -> None:
    """Weights of the three-point derivative on an uneven grid; two points at the ends.

    Parameters
    ----------
    x : np.ndarray
        Grid, monotonic, (n,) float64, n > 1.
    stencil : np.ndarray
        Receives the weights of the points i-1, i, i+1 in the derivative at i, (n, 3) float64.
    """
    n = x.shape[0]
    stencil[0, 0] = 0.0
    stencil[0, 1] = -1.0 / (x[1] - x[0])
    stencil[0, 2] = 1.0 / (x[1] - x[0])
    stencil[n - 1, 0] = -1.0 / (x[n - 1] - x[n - 2])
    stencil[n - 1, 1] = 1.0 / (x[n - 1] - x[n - 2])
    stencil[n - 1, 2] = 0.0
    for i in range(1, n - 1):
        below = x[i] - x[i - 1]
        above = x[i + 1] - x[i]
        stencil[i, 0] = -above / (below * (below + above))
        stencil[i, 1] = (above - below) / (above * below)
        stencil[i, 2] = below / (above * (below + above))


@njit
def invert4(m: Array, out: Array) -> None:
    """Inverse of 4x4 matrices by 2x2 minors, vectorised over the last index.

    Parameters
    ----------
    m : np.ndarray
        Matrices in row-major order, (16, n) float64.
    out : np.ndarray
        Receives the inverses, (16, n) float64.
    """
    for i in range(m.shape[1]):
        a00, a01, a02, a03 = m[0, i], m[1, i], m[2, i], m[3, i]
        a10, a11, a12, a13 = m[4, i], m[5, i], m[6, i], m[7, i]
        a20, a21, a22, a23 = m[8, i], m[9, i], m[10, i], m[11, i]
        a30, a31, a32, a33 = m[12, i], m[13, i], m[14, i], m[15, i]
        s0 = a00 * a11 - a10 * a01
        s1 = a00 * a12 - a10 * a02
        s2 = a00 * a13 - a10 * a03
        s3 = a01 * a12 - a11 * a02
        s4 = a01 * a13 - a11 * a03
        s5 = a02 * a13 - a12 * a03
        c5 = a22 * a33 - a32 * a23
        c4 = a21 * a33 - a31 * a23
        c3 = a21 * a32 - a31 * a22
        c2 = a20 * a33 - a30 * a23
        c1 = a20 * a32 - a30 * a22
        c0 = a20 * a31 - a30 * a21
        inverse = 1.0 / (s0 * c5 - s1 * c4 + s2 * c3 + s3 * c2 - s4 * c1 + s5 * c0)
        out[0, i] = (a11 * c5 - a12 * c4 + a13 * c3) * inverse
        out[1, i] = (-a01 * c5 + a02 * c4 - a03 * c3) * inverse
        out[2, i] = (a31 * s5 - a32 * s4 + a33 * s3) * inverse
        out[3, i] = (-a21 * s5 + a22 * s4 - a23 * s3) * inverse
        out[4, i] = (-a10 * c5 + a12 * c2 - a13 * c1) * inverse
        out[5, i] = (a00 * c5 - a02 * c2 + a03 * c1) * inverse
        out[6, i] = (-a30 * s5 + a32 * s2 - a33 * s1) * inverse
        out[7, i] = (a20 * s5 - a22 * s2 + a23 * s1) * inverse
        out[8, i] = (a10 * c4 - a11 * c2 + a13 * c0) * inverse
        out[9, i] = (-a00 * c4 + a01 * c2 - a03 * c0) * inverse
        out[10, i] = (a30 * s4 - a31 * s2 + a33 * s0) * inverse
        out[11, i] = (-a20 * s4 + a21 * s2 - a23 * s0) * inverse
        out[12, i] = (-a10 * c3 + a11 * c1 - a12 * c0) * inverse
        out[13, i] = (a00 * c3 - a01 * c1 + a02 * c0) * inverse
        out[14, i] = (-a30 * s3 + a31 * s1 - a32 * s0) * inverse
        out[15, i] = (a20 * s3 - a21 * s1 + a22 * s0) * inverse


@njit
def fill_matrix(e: Array, out: Array) -> None:
    """Write out the 4x4 propagation matrix of its seven elements (7, n) into (16, n)."""
    for i in range(e.shape[1]):
        k, q, u, v, rq, ru, rv = e[0, i], e[1, i], e[2, i], e[3, i], e[4, i], e[5, i], e[6, i]
        out[0, i] = k
        out[1, i] = q
        out[2, i] = u
        out[3, i] = v
        out[4, i] = q
        out[5, i] = k
        out[6, i] = rv
        out[7, i] = -ru
        out[8, i] = u
        out[9, i] = -rv
        out[10, i] = k
        out[11, i] = rq
        out[12, i] = v
        out[13, i] = ru
        out[14, i] = -rq
        out[15, i] = k


@njit
def _fill_operator(e: Array, d: Array, half: float, twelfth: float, out: Array) -> None:
    """Write out M = 1 - h/2 E + h²/12 (E' + E²), (16, n), of the elements of E and E', (7, n) each."""
    for i in range(e.shape[1]):
        k, q, u, v, rq, ru, rv = e[0, i], e[1, i], e[2, i], e[3, i], e[4, i], e[5, i], e[6, i]
        diagonal = 1.0 - half * k + twelfth * (d[0, i] + k * k)
        # E² = k² + 2 k L + L² with L the part without k: 2 k L and E' share the pattern of L.
        linear = 2.0 * twelfth * k - half
        mq = linear * q + twelfth * d[1, i]
        mu = linear * u + twelfth * d[2, i]
        mv = linear * v + twelfth * d[3, i]
        nq = linear * rq + twelfth * d[4, i]
        nu = linear * ru + twelfth * d[5, i]
        nv = linear * rv + twelfth * d[6, i]
        cq = twelfth * (v * ru - u * rv)
        cu = twelfth * (q * rv - v * rq)
        cv = twelfth * (u * rq - q * ru)
        qu = twelfth * (q * u + rq * ru)
        qv = twelfth * (q * v + rq * rv)
        uv = twelfth * (u * v + ru * rv)
        out[0, i] = diagonal + twelfth * (q * q + u * u + v * v)
        out[1, i] = mq + cq
        out[2, i] = mu + cu
        out[3, i] = mv + cv
        out[4, i] = mq - cq
        out[5, i] = diagonal + twelfth * (q * q - ru * ru - rv * rv)
        out[6, i] = nv + qu
        out[7, i] = qv - nu
        out[8, i] = mu - cu
        out[9, i] = qu - nv
        out[10, i] = diagonal + twelfth * (u * u - rq * rq - rv * rv)
        out[11, i] = nq + uv
        out[12, i] = mv - cv
        out[13, i] = nu + qv
        out[14, i] = uv - nq
        out[15, i] = diagonal + twelfth * (v * v - rq * rq - ru * ru)


@njit
def derivative_at(matrix: Array, stencil: Array, depth: int, out: Array) -> None:
    """Derivative of the seven elements at one depth, (7, n), of those at all depths, (nd, 7, n)."""
    n_depth = matrix.shape[0]
    here = matrix[depth]
    below = matrix[max(depth - 1, 0)]
    above = matrix[min(depth + 1, n_depth - 1)]
    w_below, w_here, w_above = stencil[depth, 0], stencil[depth, 1], stencil[depth, 2]
    for element in range(7):
        row, row_below, row_above = here[element], below[element], above[element]
        target = out[element]
        for i in range(target.shape[0]):
            target[i] = w_below * row_below[i] + w_here * row[i] + w_above * row_above[i]


@njit
def _restart(inverse: Array, planck_slope: float, thick: Array, j: Array) -> None:
    """Put J to the diffusion limit E⁻¹ S' e where `thick` says so."""
    for i in range(thick.shape[0]):
        if thick[i] > THICK_STEP:
            for row in range(4):
                j[row, i] = inverse[4 * row, i] * planck_slope


@njit
def thickness_above(matrix: Array, log_tau: Array, depth: int, out: Array) -> float:
    """Optical thickness of the step above a depth, (n,); returns the largest.

    Infinite at the deepest point,
    where the diffusion limit is the boundary condition.
    """
    n = out.shape[0]
    if depth == 0:
        out[:] = np.inf
        return np.inf
    if depth == log_tau.shape[0] - 1:
        out[:] = 0.0
        return 0.0
    # E is per unit log tau: K dtau = E (1 - tau_above / tau_here) / ln 10.
    factor = (1.0 - 10.0 ** (log_tau[depth + 1] - log_tau[depth])) / np.log(10.0)
    largest = 0.0
    for i in range(n):
        out[i] = matrix[depth, 0, i] * factor
        largest = max(largest, out[i])
    return largest


@njit
def solve(
    log_tau: Array, matrix: Array, planck: Array, stencil: Array, state: Array, work: Array, emergent: Array
) -> None:
    """Integrate from the deepest point to the surface.

    Parameters
    ----------
    log_tau : np.ndarray
        log10 of the continuum optical depth at 5000 Å, deepest first, (nd,) float64.
    matrix : np.ndarray
        Seven elements of the propagation matrix times τ ln10, (nd, 7, n) float64.
    planck : np.ndarray
        Planck function and its derivative to log τ, (nd, 2) float64.
    stencil : np.ndarray
        From :func:`parabolic_stencil` of `log_tau`, (nd, 3) float64.
    state : np.ndarray
        Receives J and M⁻¹ of each depth, for ``sensitivity``, (nd, N_STATE, n) float64.
    work : np.ndarray
        Scratch, (48, n) float64.
    emergent : np.ndarray
        Receives I, Q, U, V in the unit of the Planck function, (4, n) float64.
    """
    n_depth = log_tau.shape[0]
    d, operator, right, thick = work[0:7], work[7:23], work[23:27], work[27]
    for depth in range(n_depth):
        e = matrix[depth]
        j = state[depth, :4]
        inverse = state[depth, 4:]
        source = planck[depth, 0]
        slope = planck[depth, 1]
        derivative_at(matrix, stencil, depth, d)
        if depth > 0:
            step = log_tau[depth] - log_tau[depth - 1]
            twelfth = step * step / 12.0
            _fill_operator(e, d, 0.5 * step, twelfth, operator)
            invert4(operator, inverse)
            for i in range(e.shape[1]):
                r0 = right[0, i] - source + twelfth * slope * e[0, i]
                r1 = right[1, i] + twelfth * slope * e[1, i]
                r2 = right[2, i] + twelfth * slope * e[2, i]
                r3 = right[3, i] + twelfth * slope * e[3, i]
                j[0, i] = inverse[0, i] * r0 + inverse[1, i] * r1 + inverse[2, i] * r2 + inverse[3, i] * r3
                j[1, i] = inverse[4, i] * r0 + inverse[5, i] * r1 + inverse[6, i] * r2 + inverse[7, i] * r3
                j[2, i] = inverse[8, i] * r0 + inverse[9, i] * r1 + inverse[10, i] * r2 + inverse[11, i] * r3
                j[3, i] = (
                    inverse[12, i] * r0 + inverse[13, i] * r1 + inverse[14, i] * r2 + inverse[15, i] * r3
                )
        if depth == n_depth - 1:
            break
        if thickness_above(matrix, log_tau, depth, thick) > THICK_STEP:
            fill_matrix(e, operator)
            invert4(operator, work[28:44])
            _restart(work[28:44], slope, thick, j)
        step = log_tau[depth + 1] - log_tau[depth]
        half = 0.5 * step
        twelfth = step * step / 12.0
        for i in range(e.shape[1]):
            k, q, u, v, rq, ru, rv = e[0, i], e[1, i], e[2, i], e[3, i], e[4, i], e[5, i], e[6, i]
            j0, j1, j2, j3 = j[0, i], j[1, i], j[2, i], j[3, i]
            # E J, less E' s source slope: the derivative of J but for -S' e, which enters below through E.
            w0 = k * j0 + q * j1 + u * j2 + v * j3 - slope
            w1 = q * j0 + k * j1 + rv * j2 - ru * j3
            w2 = u * j0 - rv * j1 + k * j2 + rq * j3
            w3 = v * j0 + ru * j1 - rq * j2 + k * j3
            dk, dq, du, dv = d[0, i], d[1, i], d[2, i], d[3, i]
            drq, dru, drv = d[4, i], d[5, i], d[6, i]
            right[0, i] = (
                j0
                + source
                + half * (w0 + slope)
                + twelfth * (dk * j0 + dq * j1 + du * j2 + dv * j3 + k * w0 + q * w1 + u * w2 + v * w3)
            )
            right[1, i] = (
                j1
                + half * w1
                + twelfth * (dq * j0 + dk * j1 + drv * j2 - dru * j3 + q * w0 + k * w1 + rv * w2 - ru * w3)
            )
            right[2, i] = (
                j2
                + half * w2
                + twelfth * (du * j0 - drv * j1 + dk * j2 + drq * j3 + u * w0 - rv * w1 + k * w2 + rq * w3)
            )
            right[3, i] = (
                j3
                + half * w3
                + twelfth * (dv * j0 + dru * j1 - drq * j2 + dk * j3 + v * w0 + ru * w1 - rq * w2 + k * w3)
            )
    surface = state[n_depth - 1]
    for i in range(emergent.shape[1]):
        emergent[0, i] = surface[0, i] + planck[n_depth - 1, 0]
        emergent[1, i] = surface[1, i]
        emergent[2, i] = surface[2, i]
        emergent[3, i] = surface[3, i]
