"""Voigt and Faraday-Voigt profiles and their derivatives, for many wavelengths of one Zeeman component.

With w(z) the Faddeeva function of z = v + i a, H(a, v) = Re w is the Voigt profile of area √π, and
L(a, v) = Im w the Faraday-Voigt profile (twice the F of some authors). Because dw/dz = -2 z w + 2i/√π,
the derivatives to v are dH/dv = Re w' and dL/dv = Im w', and those to a are dH/da = -dL/dv, dL/da = dH/dv.

Two rational forms cover the upper half plane, each where it is both exact enough and cheap:

- |v| < 5: Weideman (1994, SIAM J. Numer. Anal. 31, 1497, eq. 38) with 16 terms, absolute error below
  2e-7;
- beyond: the fifth convergent of Laplace's continued fraction (Gautschi 1970, SIAM J. Numer. Anal. 7, 187),
  relative error below 4e-6. There w' has a closed form that does not cancel.

Wavelengths ascend, so each form works on contiguous samples, and the compiler vectorises the loops.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit

Array = npt.NDArray[np.float64]

CORE_LIMIT: Final = 5.0
"""Displacement [Doppler widths] where Weideman's form gives way to the continued fraction."""

INVERSE_SQRT_PI: Final = 1.0 / math.sqrt(math.pi)

_TERMS: Final = 16


def _weideman(terms: int) -> tuple[float, tuple[float, ...]]:
    """Scale and coefficients, lowest power first, of Weideman's expansion (1994, table 1)."""
    size = 2 * terms
    scale = math.sqrt(terms / math.sqrt(2.0))
    angle = np.arange(-size + 1, size) * math.pi / size
    t = scale * np.tan(0.5 * angle)
    samples = np.concatenate([[0.0], np.exp(-t * t) * (scale * scale + t * t)])
    transform = np.real(np.fft.fft(np.fft.fftshift(samples))) / (2 * size)
    return scale, tuple(float(value) for value in transform[1 : terms + 1])


_SCALE, _COEFFICIENT = _weideman(_TERMS)


@njit
def _core(a: float, v: Array, h: Array, f: Array, h_v: Array, f_v: Array) -> None:
    """Evaluate Weideman's expansion.

    The polynomial of complex argument and real coefficients follows Goertzel's recurrence (Knuth 1997, The
    Art of Computer Programming 2, sect. 4.6.4), which halves its multiplications.
    """
    for i in range(v.shape[0]):
        x = v[i]
        down_re = _SCALE + a
        inverse = 1.0 / (down_re * down_re + x * x)
        inv_re = down_re * inverse
        inv_im = x * inverse
        up_re = _SCALE - a
        z_re = up_re * inv_re - x * inv_im
        z_im = up_re * inv_im + x * inv_re
        twice = z_re + z_re
        modulus = z_re * z_re + z_im * z_im
        b1 = _COEFFICIENT[14] + twice * _COEFFICIENT[15]
        b2 = _COEFFICIENT[13] + twice * b1 - modulus * _COEFFICIENT[15]
        b1 = _COEFFICIENT[12] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[11] + twice * b1 - modulus * b2
        b1 = _COEFFICIENT[10] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[9] + twice * b1 - modulus * b2
        b1 = _COEFFICIENT[8] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[7] + twice * b1 - modulus * b2
        b1 = _COEFFICIENT[6] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[5] + twice * b1 - modulus * b2
        b1 = _COEFFICIENT[4] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[3] + twice * b1 - modulus * b2
        b1 = _COEFFICIENT[2] + twice * b2 - modulus * b1
        b2 = _COEFFICIENT[1] + twice * b1 - modulus * b2
        p_re = _COEFFICIENT[0] + z_re * b2 - modulus * b1
        p_im = z_im * b2
        q_re = 2.0 * (p_re * inv_re - p_im * inv_im) + INVERSE_SQRT_PI
        q_im = 2.0 * (p_re * inv_im + p_im * inv_re)
        w_re = q_re * inv_re - q_im * inv_im
        w_im = q_re * inv_im + q_im * inv_re
        h[i] = w_re
        f[i] = w_im
        h_v[i] = -2.0 * (x * w_re - a * w_im)
        f_v[i] = -2.0 * (x * w_im + a * w_re) + 2.0 * INVERSE_SQRT_PI


@njit
def _wing(a: float, v: Array, h: Array, f: Array, h_v: Array, f_v: Array) -> None:
    """Evaluate the fifth convergent.

    w = (i/√π) (u² - 4.5u + 2) / (z d) and w' = (-2i/√π) (0.5u - 1.75) / d, with u = z² and
    d = u² - 5u + 3.75.
    """
    for i in range(v.shape[0]):
        x = v[i]
        u_re = x * x - a * a
        u_im = 2.0 * a * x
        s_re = u_re * u_re - u_im * u_im
        s_im = 2.0 * u_re * u_im
        d_re = s_re - 5.0 * u_re + 3.75
        d_im = s_im - 5.0 * u_im
        p_re = s_re - 4.5 * u_re + 2.0
        p_im = s_im - 4.5 * u_im
        zd_re = x * d_re - a * d_im
        zd_im = x * d_im + a * d_re
        inverse = INVERSE_SQRT_PI / (zd_re * zd_re + zd_im * zd_im)
        # p / (z d): conjugate of z d over its squared modulus; multiplying by i swaps the parts.
        r_re = zd_re * inverse
        r_im = -zd_im * inverse
        h[i] = -(p_re * r_im + p_im * r_re)
        f[i] = p_re * r_re - p_im * r_im
        # 1/d = z / (z d).
        e_re = x * r_re - a * r_im
        e_im = x * r_im + a * r_re
        n_re = u_re - 3.5
        h_v[i] = n_re * e_im + u_im * e_re
        f_v[i] = u_im * e_im - n_re * e_re


@njit
def voigt_faraday(a: float, v: Array, h: Array, f: Array, h_v: Array, f_v: Array) -> None:
    """Evaluate the profiles of one component at ascending displacements.

    Parameters
    ----------
    a : float
        Damping, in Doppler widths, not negative.
    v : np.ndarray
        Displacements from the component's centre in Doppler widths, ascending, (n,) float64.
    h, f : np.ndarray
        Receive H(a, v) and L(a, v), (n,) float64.
    h_v, f_v : np.ndarray
        Receive dH/dv and dL/dv, (n,) float64.
    """
    n = v.shape[0]
    first = np.searchsorted(v, -CORE_LIMIT)
    last = np.searchsorted(v, CORE_LIMIT)
    if first > 0:
        _wing(a, v[:first], h[:first], f[:first], h_v[:first], f_v[:first])
    if last > first:
        _core(a, v[first:last], h[first:last], f[first:last], h_v[first:last], f_v[first:last])
    if last < n:
        _wing(a, v[last:], h[last:], f[last:], h_v[last:], f_v[last:])
