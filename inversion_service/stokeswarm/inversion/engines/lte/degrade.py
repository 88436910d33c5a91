"""What happens to spectra after they leave the atmosphere: macroturbulence, instrument, mixing in the pixel.

Convolutions are matrices (nw, nw) that act on one spectral region: a plan's PSF never changes, and the
product with a macroturbulence is one matrix more. Samples beyond the ends of a region are taken equal to
its end samples, as SIR does. On an evenly sampled axis a kernel acts on the samples themselves; an uneven
axis is carried by cubic splines to an even one and back.

The Gaussian of macroturbulence is defined in Fourier space, exp(-2π²σ²f²) up to the Nyquist frequency (as in
SIR, with period 1024 samples): unlike a sampled Gaussian it is smooth in σ also where σ is below the
sampling step.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from stokeswarm.inversion.engines.lte import kernels
from stokeswarm.inversion.engines.lte.constants import SPEED_OF_LIGHT

Array = npt.NDArray[np.float64]

SPEED_OF_LIGHT_KMS: Final = SPEED_OF_LIGHT * 1.0e-5
MILLIANGSTROM: Final = 1.0e-3
EVEN_TOLERANCE: Final = 0.01
"""Deviation from even sampling, in steps, up to which an axis counts as even (half a mÅ does not show)."""
MINIMUM_PERIOD: Final = 1024
"""Samples of the Fourier grid on which the Gaussian is defined, at least."""
MAXIMUM_EVEN_SAMPLES: Final = 20000
"""Even samples that an uneven axis may need: beyond, it has gaps that no convolution should bridge."""


def _axis(wavelengths: npt.ArrayLike) -> Array:
    axis = np.asarray(wavelengths, dtype=np.float64)
    if axis.ndim != 1 or axis.size == 0 or not np.all(np.isfinite(axis)):
        raise ValueError(f"wavelengths must be a vector of finite numbers, found shape {axis.shape}")
    if not np.all(np.diff(axis) > 0.0):
        raise ValueError("wavelengths must ascend")
    return axis


def _toeplitz(kernel: Array, n: int) -> Array:
    """Matrix of a convolution whose input is continued by its end values.

    `kernel` holds the weights of the lags -h … h (out[i] = Σ kernel[h + i - j] in[j]).
    """
    matrix = np.zeros((n, n))
    kernels.fill_toeplitz(np.ascontiguousarray(kernel), matrix)
    return matrix


def _with_even_axis(axis: Array) -> tuple[float, int, Array | None, Array | None]:
    """Step and size of the even axis that serves a region, and the matrices to it and back (or None)."""
    step = float((axis[-1] - axis[0]) / (axis.size - 1))
    even = axis[0] + step * np.arange(axis.size)
    if np.all(np.abs(axis - even) <= EVEN_TOLERANCE * step):
        return step, axis.size, None, None
    n = int(np.ceil((axis[-1] - axis[0]) / np.diff(axis).min())) + 1
    if n > MAXIMUM_EVEN_SAMPLES:
        raise ValueError(
            f"a convolution needs (nearly) even sampling: steps from {np.diff(axis).min():.6g} to "
            f"{np.diff(axis).max():.6g} Å are too different; split the region at its gaps"
        )
    fine = np.linspace(axis[0], axis[-1], n)
    forth = CubicSpline(axis, np.eye(axis.size))(fine)
    back = CubicSpline(fine, np.eye(n))(axis)
    return float(fine[1] - fine[0]), n, forth, back


def _dressed(matrix: Array, forth: Array | None, back: Array | None) -> Array:
    return matrix if forth is None or back is None else back @ matrix @ forth


def _interpolate_psf(offsets: Array, values: Array, at: Array) -> Array:
    """Parabola through the three samples nearest to each point (so that symmetry is kept); 0 outside."""
    inside = (at >= offsets[0]) & (at <= offsets[-1])
    if offsets.size < 3:
        return np.where(inside, np.interp(at, offsets, values), 0.0)
    nearest = np.abs(at[:, None] - offsets[None, :]).argmin(axis=1)
    centre = np.clip(nearest, 1, offsets.size - 2)
    x0, x1, x2 = offsets[centre - 1], offsets[centre], offsets[centre + 1]
    weight0 = (at - x1) * (at - x2) / ((x0 - x1) * (x0 - x2))
    weight1 = (at - x0) * (at - x2) / ((x1 - x0) * (x1 - x2))
    weight2 = (at - x0) * (at - x1) / ((x2 - x0) * (x2 - x1))
    parabola = weight0 * values[centre - 1] + weight1 * values[centre] + weight2 * values[centre + 1]
    return np.where(inside, parabola, 0.0)


def convolution_matrix(
    wavelengths: npt.ArrayLike, psf_offsets_mA: npt.ArrayLike, psf_values: npt.ArrayLike
) -> Array:
    """Build the operator of a tabulated spectral PSF.

    The PSF is interpolated to the sampling of the region with its zero offset on a sample (a symmetric
    PSF leaves the centre of a symmetric line where it was) and normalised to unit sum. A positive offset
    sends light to the red.

    Parameters
    ----------
    wavelengths : array_like
        Wavelengths of one region [Å], ascending, (nw,).
    psf_offsets_mA : array_like
        Offsets from the centre of the PSF [mÅ], ascending, (np,).
    psf_values : array_like
        Transmission in any normalisation, (np,).

    Returns
    -------
    np.ndarray
        Operator, (nw, nw) float64; its rows sum to 1.

    Raises
    ------
    ValueError
        Where an axis does not ascend, a value is not finite, or the PSF has no area on this sampling.
    """
    axis = _axis(wavelengths)
    offsets = np.asarray(psf_offsets_mA, dtype=np.float64) * MILLIANGSTROM
    values = np.asarray(psf_values, dtype=np.float64)
    if offsets.ndim != 1 or offsets.shape != values.shape or offsets.size < 2:
        raise ValueError(f"the PSF needs offsets and values alike, found {offsets.shape} and {values.shape}")
    if not (np.all(np.isfinite(values)) and np.all(np.isfinite(offsets)) and np.all(np.diff(offsets) > 0.0)):
        raise ValueError("the PSF must be finite, and its offsets ascend")
    if axis.size == 1:
        return np.ones((1, 1))
    step, n, forth, back = _with_even_axis(axis)
    half = max(int(np.ceil(np.abs(offsets[[0, -1]]).max() / step)), 1)
    kernel = _interpolate_psf(offsets, values, step * np.arange(-half, half + 1, dtype=np.float64))
    area = float(kernel.sum())
    if not area > 0.0:
        raise ValueError(f"the PSF has no area when sampled every {step / MILLIANGSTROM:.3f} mÅ")
    return _dressed(_toeplitz(kernel / area, n), forth, back)


def macroturbulence_matrix(wavelengths: npt.ArrayLike, vmac_kms: float) -> Array:
    """Build the operator of a Gaussian macroturbulence.

    The standard deviation is σ = λ v / c at the mean wavelength of the region.

    Parameters
    ----------
    wavelengths : array_like
        Wavelengths of one region [Å], ascending, (nw,).
    vmac_kms : float
        Macroturbulent velocity [km s⁻¹], not negative.

    Returns
    -------
    np.ndarray
        Operator, (nw, nw) float64; its rows sum to 1.

    Raises
    ------
    ValueError
        Where the wavelengths do not ascend or the velocity is negative.
    """
    return _of_transfer(wavelengths, vmac_kms, derivative=False)


def macroturbulence_derivative(wavelengths: npt.ArrayLike, vmac_kms: float) -> Array:
    """Derivative of `macroturbulence_matrix` to the velocity [s km⁻¹], (nw, nw) float64.

    Parameters
    ----------
    wavelengths, vmac_kms
        As there.

    Raises
    ------
    ValueError
        As there.
    """
    return _of_transfer(wavelengths, vmac_kms, derivative=True)


def _of_transfer(wavelengths: npt.ArrayLike, vmac_kms: float, *, derivative: bool) -> Array:
    axis = _axis(wavelengths)
    if not (vmac_kms >= 0.0 and np.isfinite(vmac_kms)):
        raise ValueError(f"vmac_kms must not be negative, found {vmac_kms}")
    if axis.size == 1:
        return np.zeros((1, 1)) if derivative else np.ones((1, 1))
    step, n, forth, back = _with_even_axis(axis)
    per_velocity = float(axis.mean()) / SPEED_OF_LIGHT_KMS / step
    sigma = per_velocity * vmac_kms
    period = max(MINIMUM_PERIOD, 1 << (2 * n - 1).bit_length())
    frequency = np.arange(period // 2 + 1) / period
    transfer = np.exp(-2.0 * (np.pi * sigma * frequency) ** 2)
    if derivative:
        transfer *= -4.0 * np.pi**2 * sigma * frequency**2 * per_velocity
    half = min(n, period // 2 - 1)
    # The part of the kernel beyond the region only ever meets the continued end samples: it may be folded
    # into the outermost lag.
    circular = np.fft.irfft(transfer, period)
    kernel = np.concatenate([circular[-half:], circular[: half + 1]])
    rest = 0.5 * float(transfer[0] - kernel.sum())
    kernel[0] += rest
    kernel[-1] += rest
    return _dressed(_toeplitz(kernel, n), forth, back)
