"""Small linear algebra of an inversion step, compiled: projection on nodes, convolution, normal equations.

Plain loops with the wavelength innermost, and no BLAS: the result is the same whatever number of threads a
linear-algebra library was given, and nothing here holds the interpreter's lock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit

Floats = npt.NDArray[np.float64]


@njit
def project(response: Floats, functions: Floats, out: Floats) -> None:
    """Add the response to nodes: out[k] += Σ_j functions[j, k] response[j].

    Parameters
    ----------
    response : ndarray (n_depth, 4, n_wavelength)
    functions : ndarray (n_depth, n_node)
    out : ndarray (n_node, 4, n_wavelength)
    """
    n_depth, n_stokes, n_wavelength = response.shape
    for k in range(functions.shape[1]):
        for j in range(n_depth):
            weight = functions[j, k]
            if weight != 0.0:
                for s in range(n_stokes):
                    for w in range(n_wavelength):
                        out[k, s, w] += weight * response[j, s, w]


@njit
def multiply(left: Floats, right: Floats, out: Floats) -> None:
    """Matrix product out = left · right without BLAS.

    Parameters
    ----------
    left : ndarray (n, m)
    right : ndarray (m, p)
    out : ndarray (n, p)
    """
    for i in range(left.shape[0]):
        out[i, :] = 0.0
        for k in range(left.shape[1]):
            value = left[i, k]
            if value != 0.0:
                for j in range(right.shape[1]):
                    out[i, j] += value * right[k, j]


@njit
def convolve(spectra: Floats, transposed: Floats, first: int, first_out: int, out: Floats) -> None:
    """Apply a region's convolution to many spectra.

    Parameters
    ----------
    spectra : ndarray (n, 4, n_wavelength)
    transposed : ndarray (n_in, n_out)
        Transposed operator: row k is what a unit sample k becomes.
    first, first_out : int
        Position of the region on the axes of `spectra` and of `out`.
    out : ndarray (n, 4, n_wavelength_out)
        Only the region's samples are written.
    """
    n_in, n_out = transposed.shape
    whole = n_in - n_in % 4
    for i in range(spectra.shape[0]):
        for s in range(spectra.shape[1]):
            source, target = spectra[i, s], out[i, s, first_out : first_out + n_out]
            for w in range(n_out):
                target[w] = 0.0
            # Four rows at a time: the sums are read and written a quarter as often, in the same order.
            for k in range(0, whole, 4):
                at = first + k
                a, b, c, d = source[at], source[at + 1], source[at + 2], source[at + 3]
                row_a, row_b, row_c, row_d = (
                    transposed[k],
                    transposed[k + 1],
                    transposed[k + 2],
                    transposed[k + 3],
                )
                for w in range(n_out):
                    target[w] = (((target[w] + row_a[w] * a) + row_b[w] * b) + row_c[w] * c) + row_d[w] * d
            for k in range(whole, n_in):
                value, row = source[first + k], transposed[k]
                for w in range(n_out):
                    target[w] += row[w] * value


@njit
def fill_toeplitz(kernel: Floats, matrix: Floats) -> None:
    """Write a convolution into a matrix of zeros; what would come from beyond an end is given to its sample.

    Parameters
    ----------
    kernel : ndarray (2 h + 1,)
        Weights of the lags −h … h.
    matrix : ndarray (n, n)
        Filled with kernel[h + i − j] in row i and column j.
    """
    n, half = matrix.shape[0], kernel.size // 2
    for i in range(n):
        for j in range(max(i - half, 0), min(i + half, n - 1) + 1):
            matrix[i, j] = kernel[half + i - j]
        below = above = 0.0
        for lag in range(i + 1, half + 1):
            below += kernel[half + lag]
        for lag in range(n - i, half + 1):
            above += kernel[half - lag]
        matrix[i, 0] += below
        matrix[i, n - 1] += above


@njit
def normal_equations(
    jacobian: Floats, residual: Floats, weight: Floats, curvature: Floats, gradient: Floats
) -> None:
    """Gauss–Newton normal equations of Σ weight · residual².

    Parameters
    ----------
    jacobian : ndarray (n_free, 4, n_wavelength)
        ∂fit/∂parameter.
    residual : ndarray (4, n_wavelength)
        Observed − fit; anything finite where the weight is 0.
    weight : ndarray (4, n_wavelength)
    curvature : ndarray (n_free, n_free)
        Filled with Σ weight · ∂_i fit · ∂_j fit.
    gradient : ndarray (n_free,)
        Filled with Σ weight · residual · ∂_i fit.
    """
    n_free, n_stokes, n_wavelength = jacobian.shape
    for i in range(n_free):
        total = 0.0
        for s in range(n_stokes):
            for w in range(n_wavelength):
                total += weight[s, w] * residual[s, w] * jacobian[i, s, w]
        gradient[i] = total
        for j in range(i + 1):
            total = 0.0
            for s in range(n_stokes):
                for w in range(n_wavelength):
                    total += weight[s, w] * jacobian[i, s, w] * jacobian[j, s, w]
            curvature[i, j] = total
            curvature[j, i] = total


@njit
def secant(jacobian: Floats, difference: Floats, change: Floats) -> None:
    """Make a Jacobian give the difference that a change was found to make.

    Of all matrices that do, the result is the nearest to what was given (Broyden 1965, Math. Comp. 19, 577).

    Parameters
    ----------
    jacobian : ndarray (n_free, 4, n_wavelength)
        ∂fit/∂parameter before the change; updated in place.
    difference : ndarray (4, n_wavelength)
        Fit after the change − fit before it.
    change : ndarray (n_free,)
        Of the parameters.
    """
    n_free, n_stokes, n_wavelength = jacobian.shape
    square = 0.0
    for i in range(n_free):
        square += change[i] * change[i]
    if square == 0.0:
        return
    missed = difference.copy()
    for i in range(n_free):
        for s in range(n_stokes):
            for w in range(n_wavelength):
                missed[s, w] -= change[i] * jacobian[i, s, w]
    for i in range(n_free):
        weight = change[i] / square
        for s in range(n_stokes):
            for w in range(n_wavelength):
                jacobian[i, s, w] += weight * missed[s, w]


def warm_up() -> None:
    """Compile every kernel."""
    a = np.ones((2, 4, 3))
    out = np.zeros_like(a)
    project(a, np.ones((2, 2)), out)
    multiply(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
    convolve(a, np.eye(3), 0, 0, out)
    fill_toeplitz(np.ones(3), np.zeros((2, 2)))
    secant(np.ones((2, 4, 3)), a[0], np.ones(2))
    normal_equations(a, a[0], a[0], np.ones((2, 2)), np.ones(2))
