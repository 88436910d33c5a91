"""Partition functions of neutral, singly and doubly ionised atoms, smooth in temperature.

The published fits (:mod:`~stokeswarm.inversion.engines.lte.partition_data`) are pieces that meet with small
jumps and kinks (Fe I at 4000 K, Mg I at 8000 K ...). An inversion differentiates them, so they are laid on a
fine grid of ln T, smoothed there, and read back through a cubic B-spline: twice continuously differentiable,
and the same four weights serve every element at a given temperature.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_banded

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.partition_data import PARTITION_TABLE

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

FloatArray = npt.NDArray[np.float64]

N_STAGES: Final = 3
"""Ionisation stages tabulated: neutral, once and twice ionised."""
SPECTRA: Final = ("I", "II", "III")
LOWEST_TEMPERATURE: Final = 1500.0
HIGHEST_TEMPERATURE: Final = 30000.0
"""Outside these temperatures [K] the partition functions keep the value at the edge."""
N_NODES: Final = 257
LN_LOWEST: Final = float(np.log(LOWEST_TEMPERATURE))
LN_STEP: Final = float(np.log(HIGHEST_TEMPERATURE / LOWEST_TEMPERATURE)) / (N_NODES - 1)
"""Step of the grid in ln T (about 1.2 %)."""
SMOOTHING_WIDTH: Final = 0.03
"""Standard deviation in ln T of the smoothing kernel (180 K at 6000 K): it turns a jump into a ramp a few
hundred kelvin wide, as wide as the pieces' own disagreement about where they meet."""
KERNEL_REACH: Final = 4.0
"""Half width of the truncated kernel, in standard deviations."""
THETA_TEMPERATURE: Final = 5040.0
"""Temperature [K] over which theta = 5040 / T is defined in the fits."""
SMALLEST_WEIGHT: Final = 1.0
"""A partition function is never below the weight of the ground level, which is at least one."""


def evaluate_published_fit(form: str, coefficients: FloatArray, temperature: FloatArray) -> FloatArray:
    """Evaluate one piece of the published table.

    Parameters
    ----------
    form : {'P', 'F', 'E'}
        Polynomial, polynomial with a floor, or ground weight plus exponential; see ``partition_data``.
    coefficients : ndarray of float64, shape (n,)
        Coefficients in the order of the table, dimensionless.
    temperature : ndarray of float64, shape (m,)
        Temperature [K].

    Returns
    -------
    ndarray of float64, shape (m,)
        Partition function.

    Raises
    ------
    ValueError
        If `form` is none of the three.
    """
    if form == "P":
        return np.asarray(np.polynomial.polynomial.polyval(temperature / 1000.0, coefficients))
    if form == "F":
        fit = np.polynomial.polynomial.polyval(temperature / 1000.0, coefficients[1:])
        return np.asarray(np.maximum(coefficients[0], fit))
    if form == "E":
        ln_theta = np.log(THETA_TEMPERATURE / temperature)
        exponent = np.polynomial.polynomial.polyval(ln_theta, coefficients[1:])
        return np.asarray(coefficients[0] + np.exp(exponent))
    raise ValueError(f"unknown form {form!r} of a partition function: expected P, F or E")


def published_partition_functions(temperature: FloatArray, symbols: tuple[str, ...]) -> FloatArray:
    """Evaluate the published fits as they stand, jumps included.

    Parameters
    ----------
    temperature : ndarray of float64, shape (m,)
        Temperature [K].
    symbols : tuple of str
        Chemical symbols, in the order wanted.

    Returns
    -------
    ndarray of float64, shape (m, len(symbols), 3)
        Partition functions of the neutral, singly and doubly ionised atom, at least 1.

    Raises
    ------
    KeyError
        If the table holds no row of a symbol.
    """
    pieces: dict[tuple[str, str], list[tuple[float, str, FloatArray]]] = {}
    for row in PARTITION_TABLE.split("\n"):
        if row:
            symbol, spectrum, start, form, *numbers = row.split()
            piece = (float(start), form, np.array([float(number) for number in numbers]))
            pieces.setdefault((symbol, spectrum), []).append(piece)
    values = np.empty((temperature.size, len(symbols), N_STAGES))
    for column, symbol in enumerate(symbols):
        for stage, spectrum in enumerate(SPECTRA):
            for lowest, form, coefficients in pieces[symbol, spectrum]:
                inside = temperature >= lowest
                values[inside, column, stage] = evaluate_published_fit(
                    form, coefficients, temperature[inside]
                )
    return np.maximum(values, SMALLEST_WEIGHT)


def smooth(samples: FloatArray, width_in_steps: float) -> FloatArray:
    """Smooth along the first axis without bending polynomials up to the third degree.

    The kernel is 2 G - G*G with a Gaussian G, whose second moment vanishes. The samples are prolonged
    with their edge values.

    Parameters
    ----------
    samples : ndarray of float64, shape (m, ...)
        Samples on an even grid.
    width_in_steps : float
        Standard deviation of G, in grid steps.

    Returns
    -------
    ndarray of float64, shape (m, ...)
        Smoothed samples.
    """
    reach = int(np.ceil(KERNEL_REACH * width_in_steps))
    offsets = np.arange(-reach, reach + 1)
    gaussian = np.exp(-0.5 * (offsets / width_in_steps) ** 2)
    gaussian /= gaussian.sum()
    kernel = -np.convolve(gaussian, gaussian)
    kernel[reach : reach + gaussian.size] += 2.0 * gaussian
    half = kernel.size // 2
    padding = [(half, half)] + [(0, 0)] * (samples.ndim - 1)
    padded = np.pad(samples, padding, mode="edge")
    smoothed = np.zeros_like(samples)
    for shift, weight in enumerate(kernel):
        smoothed += weight * padded[shift : shift + samples.shape[0]]
    return smoothed


def spline_coefficients(samples: FloatArray) -> FloatArray:
    """Coefficients of the natural cubic B-spline through samples on an even grid.

    Parameters
    ----------
    samples : ndarray of float64, shape (m, ...)
        Values at the nodes.

    Returns
    -------
    ndarray of float64, shape (m + 2, ...)
        Coefficients: at node i the spline is ``(c[i] + 4 c[i + 1] + c[i + 2]) / 6``.
    """
    n_nodes = samples.shape[0]
    values = samples.reshape(n_nodes, -1)
    # A natural spline has c[0] - 2 c[1] + c[2] = 0 at its ends: there the coefficient is the value itself.
    inner = 6.0 * values[1:-1].copy()
    inner[0] -= values[0]
    inner[-1] -= values[-1]
    bands = np.ones((3, n_nodes - 2))
    bands[1] = 4.0
    coefficients = np.empty((n_nodes + 2, values.shape[1]))
    coefficients[1] = values[0]
    coefficients[-2] = values[-1]
    coefficients[2:-2] = solve_banded((1, 1), bands, inner)
    coefficients[0] = 2.0 * coefficients[1] - coefficients[2]
    coefficients[-1] = 2.0 * coefficients[-2] - coefficients[-3]
    return coefficients.reshape((n_nodes + 2, *samples.shape[1:]))


@functools.cache
def ln_partition_spline(symbols: tuple[str, ...]) -> FloatArray:
    """Table of ln U from which :func:`partition_functions` reads.

    Parameters
    ----------
    symbols : tuple of str
        Chemical symbols, in the order of the atomic numbers.

    Returns
    -------
    ndarray of float64, shape (N_NODES + 2, len(symbols), 3)
        B-spline coefficients of ln U over ln T; contiguous, to be read only.
    """
    margin = int(np.ceil(2.0 * KERNEL_REACH * SMOOTHING_WIDTH / LN_STEP))
    nodes = np.arange(-margin, N_NODES + margin)
    temperature = np.exp(LN_LOWEST + LN_STEP * nodes)
    ln_partition = np.log(published_partition_functions(temperature, symbols))
    smoothed = smooth(ln_partition, SMOOTHING_WIDTH / LN_STEP)[margin : margin + N_NODES]
    # Smoothing by a kernel with negative wings can overshoot a floor by some 1e-3: ln U stays at or above 0.
    coefficients = spline_coefficients(np.maximum(smoothed, 0.0))
    coefficients.setflags(write=False)
    return coefficients


@njit
def spline_position(temperature: float) -> tuple[int, float]:
    """Cell of the table and the place in it.

    Parameters
    ----------
    temperature : float
        Temperature [K].

    Returns
    -------
    cell : int
        Index of the first of the four coefficients.
    fraction : float
        Place between the cell's nodes, 0 to 1.
    """
    position = (np.log(temperature) - LN_LOWEST) / LN_STEP
    position = min(max(position, 0.0), N_NODES - 1.0)
    cell = min(int(position), N_NODES - 2)
    return cell, position - cell


@njit
def spline_weights(fraction: float) -> tuple[float, float, float, float]:
    """Weights of the four cubic B-splines that reach into a cell (de Boor 1978, ch. IX).

    Parameters
    ----------
    fraction : float
        Place in the cell, 0 to 1.

    Returns
    -------
    tuple of 4 float
        Weights; their sum is 1.
    """
    rest = 1.0 - fraction
    return (
        rest * rest * rest / 6.0,
        (4.0 + fraction * fraction * (3.0 * fraction - 6.0)) / 6.0,
        (4.0 + rest * rest * (3.0 * rest - 6.0)) / 6.0,
        fraction * fraction * fraction / 6.0,
    )


@njit
def weighted_sum(
    table: FloatArray, cell: int, column: int, stage: int, w0: float, w1: float, w2: float, w3: float
) -> float:
    """Sum of four neighbouring coefficients of the table of ln U, weighted.

    Parameters
    ----------
    table : ndarray of float64, shape (N_NODES + 2, n_elements, 3)
        Spline coefficients.
    cell, column, stage : int
        First coefficient, element and ionisation stage.
    w0, w1, w2, w3 : float
        Weights.

    Returns
    -------
    float
        The sum.
    """
    return (
        w0 * float(table[cell, column, stage])
        + w1 * float(table[cell + 1, column, stage])
        + w2 * float(table[cell + 2, column, stage])
        + w3 * float(table[cell + 3, column, stage])
    )


@njit
def partition_functions(temperature: float, atomic_number: int, mix: Mixture) -> tuple[float, float, float]:
    """Partition functions of an element.

    Parameters
    ----------
    temperature : float
        Temperature [K], clipped to 1500-30 000 K.
    atomic_number : int
        Atomic number, 1-92.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    tuple of 3 float
        Partition functions of the neutral, singly and doubly ionised atom. (H III does not exist: 1.)
    """
    cell, fraction = spline_position(temperature)
    w0, w1, w2, w3 = spline_weights(fraction)
    table = mix.ln_partition
    z = atomic_number - 1
    ln_u1 = (
        w0 * table[cell, z, 0]
        + w1 * table[cell + 1, z, 0]
        + w2 * table[cell + 2, z, 0]
        + w3 * table[cell + 3, z, 0]
    )
    ln_u2 = (
        w0 * table[cell, z, 1]
        + w1 * table[cell + 1, z, 1]
        + w2 * table[cell + 2, z, 1]
        + w3 * table[cell + 3, z, 1]
    )
    ln_u3 = (
        w0 * table[cell, z, 2]
        + w1 * table[cell + 1, z, 2]
        + w2 * table[cell + 2, z, 2]
        + w3 * table[cell + 3, z, 2]
    )
    return np.exp(ln_u1), np.exp(ln_u2), np.exp(ln_u3)


@njit
def partition_derivatives(temperature: float, atomic_number: int, mix: Mixture) -> tuple[float, float, float]:
    """Logarithmic derivatives d ln U / dT of the partition functions of an element.

    Parameters
    ----------
    temperature : float
        Temperature [K]; outside 1500-30 000 K the derivative is 0.
    atomic_number : int
        Atomic number, 1-92.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    tuple of 3 float
        d ln U / dT of the neutral, singly and doubly ionised atom [K^-1].
    """
    if temperature < LOWEST_TEMPERATURE or temperature > HIGHEST_TEMPERATURE:
        return 0.0, 0.0, 0.0
    cell, fraction = spline_position(temperature)
    rest = 1.0 - fraction
    w0 = -0.5 * rest * rest
    w1 = fraction * (1.5 * fraction - 2.0)
    w2 = -rest * (1.5 * rest - 2.0)
    w3 = 0.5 * fraction * fraction
    table = mix.ln_partition
    z = atomic_number - 1
    scale = 1.0 / (LN_STEP * temperature)
    d1 = (
        w0 * table[cell, z, 0]
        + w1 * table[cell + 1, z, 0]
        + w2 * table[cell + 2, z, 0]
        + w3 * table[cell + 3, z, 0]
    )
    d2 = (
        w0 * table[cell, z, 1]
        + w1 * table[cell + 1, z, 1]
        + w2 * table[cell + 2, z, 1]
        + w3 * table[cell + 3, z, 1]
    )
    d3 = (
        w0 * table[cell, z, 2]
        + w1 * table[cell + 1, z, 2]
        + w2 * table[cell + 2, z, 2]
        + w3 * table[cell + 3, z, 2]
    )
    return d1 * scale, d2 * scale, d3 * scale
