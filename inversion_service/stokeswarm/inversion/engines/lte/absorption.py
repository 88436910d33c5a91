"""Absorption matrix of overlapping Zeeman-split lines, with its derivatives.

The propagation matrix of polarised light has seven independent elements (Landi Degl'Innocenti & Landolfi
2004, eqs. 8.15, 9.32), here in the order (η_I, η_Q, η_U, η_V, ρ_Q, ρ_U, ρ_V) and in units of the
continuum opacity at 5000 Å. They follow from six profiles (η and ρ of the π, blue σ and red σ
components), each a sum over lines, and from the direction of the field. Derivatives are kept of the six
profiles only: the direction enters when :func:`contract` turns the sensitivities of the emergent light to
the seven elements into response functions.

Everything is per depth and vectorised over a block of wavelengths (innermost index).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import SPEED_OF_LIGHT
from stokeswarm.inversion.engines.lte.voigt import voigt_faraday
from stokeswarm.inversion.engines.lte.zeeman import LORENTZ_UNIT

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

N_ELEMENT: Final = 7
"""Elements of the propagation matrix."""
N_PROFILE: Final = 6
"""Profiles: η of π, blue σ, red σ, then ρ of the same."""

TEMPERATURE: Final = 0
ELECTRON_PRESSURE: Final = 1
MICROTURBULENCE: Final = 2
FIELD_STRENGTH: Final = 3
VELOCITY: Final = 4
INCLINATION: Final = 5
AZIMUTH: Final = 6
N_QUANTITY: Final = 7
"""Order and number of the quantities of a response function."""
N_SCALAR_QUANTITY: Final = 5
"""Quantities that change the profiles (all but the direction of the field)."""

STRENGTH: Final = 0
DAMPING_RATE: Final = 1
"""Rows of the table that says what a line is at one depth: integrated opacity over that of the 5000 Å
continuum [cm s⁻¹, to be divided by the Doppler velocity], damping Γ [rad s⁻¹]."""

WORK_ROWS: Final = 5 + 18
"""Rows that :func:`add_line` needs: displacement, four profiles, six sums of each of three kinds."""


@njit
def add_line(
    wavelength_A: Array,
    centre_A: float,
    vacuum_cm: float,
    shift: Array,
    strength: Array,
    kind: Integers,
    table: Array,
    velocities: Array,
    field: float,
    with_response: bool,
    work: Array,
    profile: Array,
    derivative: Array,
) -> None:
    """Add one line to the six profiles at one depth.

    Parameters
    ----------
    wavelength_A : np.ndarray
        Wavelengths in air [Å], ascending, (n,) float64.
    centre_A, vacuum_cm : float
        Wavelength of the line in air [Å] and in vacuum [cm].
    shift, strength, kind : np.ndarray
        Zeeman pattern, (n_component,) float64, float64, int64.
    table : np.ndarray
        Rows `STRENGTH` and `DAMPING_RATE`; columns value, derivative to temperature [K⁻¹], derivative to
        electron pressure [cm² dyn⁻¹]; (2, 3) float64.
    velocities : np.ndarray
        Doppler velocity [cm s⁻¹], its logarithmic derivatives to temperature [K⁻¹] and to microturbulence
        [s cm⁻¹], line-of-sight velocity [cm s⁻¹], (4,) float64.
    field : float
        Field strength [G].
    with_response : bool
        Whether to fill `derivative`.
    work : np.ndarray
        Scratch, (WORK_ROWS, n) float64.
    profile : np.ndarray
        Added to, (N_PROFILE, n) float64.
    derivative : np.ndarray
        Added to: derivatives to temperature, electron pressure, microturbulence, field strength and velocity,
        (N_SCALAR_QUANTITY, N_PROFILE, n) float64.
    """
    n = wavelength_A.shape[0]
    doppler = velocities[0]
    slope_t = velocities[1]
    slope_m = velocities[2]
    width_A = vacuum_cm * 1.0e8 * doppler / SPEED_OF_LIGHT
    offset = velocities[3] / doppler
    per_gauss = LORENTZ_UNIT * vacuum_cm * SPEED_OF_LIGHT / doppler
    split = per_gauss * field
    eta0 = table[STRENGTH, 0] / doppler
    to_damping = vacuum_cm / (4.0 * np.pi * doppler)
    a = table[DAMPING_RATE, 0] * to_damping

    displacement = work[0]
    h, f, h_v, f_v = work[1], work[2], work[3], work[4]
    sums = work[5:]
    sums[:, :] = 0.0
    inverse_width = 1.0 / width_A
    for k in range(shift.shape[0]):
        moved = offset + shift[k] * split
        for i in range(n):
            displacement[i] = (wavelength_A[i] - centre_A) * inverse_width - moved
        voigt_faraday(a, displacement, h, f, h_v, f_v)
        base = 6 * kind[k]
        s = strength[k]
        sum_h, sum_f = sums[base], sums[base + 1]
        for i in range(n):
            sum_h[i] += s * h[i]
            sum_f[i] += s * f[i]
        if with_response:
            sum_hv, sum_fv = sums[base + 2], sums[base + 3]
            sum_chv, sum_cfv = sums[base + 4], sums[base + 5]
            c = s * shift[k]
            for i in range(n):
                sum_hv[i] += s * h_v[i]
                sum_fv[i] += s * f_v[i]
                sum_chv[i] += c * h_v[i]
                sum_cfv[i] += c * f_v[i]

    for kind_index in range(3):
        base = 6 * kind_index
        sum_h, sum_f = sums[base], sums[base + 1]
        eta, rho = profile[kind_index], profile[kind_index + 3]
        for i in range(n):
            eta[i] += eta0 * sum_h[i]
            rho[i] += eta0 * sum_f[i]
    if not with_response:
        return

    # Each derivative is (change of strength) H + eta0 [(change of a) dH/da - (change of ln width) sum s v
    # dH/dv], with dH/da = -dL/dv, dL/da = dH/dv, and s v = s (x - c split) for a component displaced by c.
    for quantity in range(3):
        if quantity == TEMPERATURE:
            slope = slope_t
            change = table[STRENGTH, 1] / doppler - eta0 * slope
            change_a = table[DAMPING_RATE, 1] * to_damping - a * slope
        elif quantity == ELECTRON_PRESSURE:
            slope = 0.0
            change = table[STRENGTH, 2] / doppler
            change_a = table[DAMPING_RATE, 2] * to_damping
        else:
            slope = slope_m
            change = -eta0 * slope
            change_a = -a * slope
        damped = eta0 * change_a
        widened = eta0 * slope
        for kind_index in range(3):
            base = 6 * kind_index
            sum_h, sum_f, sum_hv, sum_fv = sums[base], sums[base + 1], sums[base + 2], sums[base + 3]
            sum_chv, sum_cfv = sums[base + 4], sums[base + 5]
            d_eta, d_rho = derivative[quantity, kind_index], derivative[quantity, kind_index + 3]
            for i in range(n):
                x = (wavelength_A[i] - centre_A) * inverse_width - offset
                d_eta[i] += (
                    change * sum_h[i] - damped * sum_fv[i] - widened * (x * sum_hv[i] - split * sum_chv[i])
                )
                d_rho[i] += (
                    change * sum_f[i] + damped * sum_hv[i] - widened * (x * sum_fv[i] - split * sum_cfv[i])
                )
    to_field = -eta0 * per_gauss
    to_velocity = -eta0 / doppler
    for kind_index in range(3):
        base = 6 * kind_index
        sum_hv, sum_fv, sum_chv, sum_cfv = sums[base + 2], sums[base + 3], sums[base + 4], sums[base + 5]
        b_eta, b_rho = derivative[FIELD_STRENGTH, kind_index], derivative[FIELD_STRENGTH, kind_index + 3]
        v_eta, v_rho = derivative[VELOCITY, kind_index], derivative[VELOCITY, kind_index + 3]
        for i in range(n):
            b_eta[i] += to_field * sum_chv[i]
            b_rho[i] += to_field * sum_cfv[i]
            v_eta[i] += to_velocity * sum_hv[i]
            v_rho[i] += to_velocity * sum_fv[i]


@njit
def propagation_matrix(
    profile: Array, continuum: float, inclination: float, azimuth: float, scale: float, matrix: Array
) -> None:
    """Elements of the propagation matrix at one depth (Landi Degl'Innocenti & Landolfi 2004, eq. 9.32).

    Parameters
    ----------
    profile : np.ndarray
        The six profiles, (N_PROFILE, n) float64.
    continuum : float
        Continuum opacity over that at 5000 Å.
    inclination, azimuth : float
        Direction of the field [rad].
    scale : float
        Factor of all elements (τ ln 10 makes them those of an integration over log τ).
    matrix : np.ndarray
        Receives the elements, (N_ELEMENT, n) float64.
    """
    sin2 = np.sin(inclination) ** 2
    cos = np.cos(inclination)
    cos_azimuth = np.cos(2.0 * azimuth)
    sin_azimuth = np.sin(2.0 * azimuth)
    eta_p, eta_b, eta_r = profile[0], profile[1], profile[2]
    rho_p, rho_b, rho_r = profile[3], profile[4], profile[5]
    k_i, k_q, k_u, k_v = matrix[0], matrix[1], matrix[2], matrix[3]
    r_q, r_u, r_v = matrix[4], matrix[5], matrix[6]
    for i in range(profile.shape[1]):
        mean = 0.5 * (eta_b[i] + eta_r[i])
        linear = 0.5 * scale * sin2 * (eta_p[i] - mean)
        k_i[i] = scale * (continuum + mean) + linear
        k_q[i] = linear * cos_azimuth
        k_u[i] = linear * sin_azimuth
        k_v[i] = 0.5 * scale * cos * (eta_r[i] - eta_b[i])
    for i in range(profile.shape[1]):
        mean = 0.5 * (rho_b[i] + rho_r[i])
        linear = 0.5 * scale * sin2 * (rho_p[i] - mean)
        r_q[i] = linear * cos_azimuth
        r_u[i] = linear * sin_azimuth
        r_v[i] = 0.5 * scale * cos * (rho_r[i] - rho_b[i])


@njit
def contract(
    sensitivity: Array,
    source_sensitivity: Array,
    profile: Array,
    derivative: Array,
    continuum_slope: Array,
    planck_slope: float,
    inclination: float,
    azimuth: float,
    scale: float,
    unit: float,
    work: Array,
    response: Array,
) -> None:
    """Turn sensitivities to the propagation matrix at one depth into response functions.

    Parameters
    ----------
    sensitivity : np.ndarray
        Derivatives of the emergent I, Q, U, V to the elements of the (scaled) propagation matrix,
        (4, N_ELEMENT, n) float64.
    source_sensitivity : np.ndarray
        The same to the Planck function, (4, n) float64.
    profile : np.ndarray
        The six profiles, (N_PROFILE, n) float64.
    derivative : np.ndarray
        Their derivatives, (N_SCALAR_QUANTITY, N_PROFILE, n) float64.
    continuum_slope : np.ndarray
        Derivative of the continuum opacity ratio to temperature and electron pressure, (2,) float64.
    planck_slope : float
        Derivative of the Planck function to temperature.
    inclination, azimuth : float
        Direction of the field [rad].
    scale : float
        Factor that the elements carry.
    unit : float
        Intensity in which the response is expressed.
    work : np.ndarray
        Scratch, (N_PROFILE, n) float64.
    response : np.ndarray
        Receives the response functions, (N_QUANTITY, 4, n) float64.
    """
    n = profile.shape[1]
    sin = np.sin(inclination)
    cos = np.cos(inclination)
    sin2 = sin * sin
    cos_azimuth = np.cos(2.0 * azimuth)
    sin_azimuth = np.sin(2.0 * azimuth)
    factor = scale / unit
    per_unit = 1.0 / unit
    slope_t = continuum_slope[0]
    slope_p = continuum_slope[1]
    for stokes in range(4):
        g_i, g_q, g_u, g_v = (
            sensitivity[stokes, 0],
            sensitivity[stokes, 1],
            sensitivity[stokes, 2],
            sensitivity[stokes, 3],
        )
        h_q, h_u, h_v = sensitivity[stokes, 4], sensitivity[stokes, 5], sensitivity[stokes, 6]
        # Chain rule from the matrix to the six profiles; the direction of the field is that of the depth.
        for family in range(2):
            w_p, w_b, w_r = work[3 * family], work[3 * family + 1], work[3 * family + 2]
            p, b, r = profile[3 * family], profile[3 * family + 1], profile[3 * family + 2]
            tilt, turn = response[INCLINATION, stokes], response[AZIMUTH, stokes]
            q = g_q if family == 0 else h_q
            u = g_u if family == 0 else h_u
            v = g_v if family == 0 else h_v
            if family == 0:
                for i in range(n):
                    along = factor * (cos_azimuth * q[i] + sin_azimuth * u[i])
                    across = factor * (cos_azimuth * u[i] - sin_azimuth * q[i])
                    total = factor * g_i[i]
                    circular = 0.5 * factor * v[i]
                    linear = 0.5 * sin2 * (total + along)
                    common = 0.5 * (total - linear)
                    w_p[i] = linear
                    w_b[i] = common - cos * circular
                    w_r[i] = common + cos * circular
                    difference = p[i] - 0.5 * (b[i] + r[i])
                    tilt[i] = sin * (cos * difference * (total + along) - circular * (r[i] - b[i]))
                    turn[i] = sin2 * difference * across
            else:
                for i in range(n):
                    along = factor * (cos_azimuth * q[i] + sin_azimuth * u[i])
                    across = factor * (cos_azimuth * u[i] - sin_azimuth * q[i])
                    circular = 0.5 * factor * v[i]
                    linear = 0.5 * sin2 * along
                    common = -0.5 * linear
                    w_p[i] = linear
                    w_b[i] = common - cos * circular
                    w_r[i] = common + cos * circular
                    difference = p[i] - 0.5 * (b[i] + r[i])
                    tilt[i] += sin * (cos * difference * along - circular * (r[i] - b[i]))
                    turn[i] += sin2 * difference * across
        w0, w1, w2, w3, w4, w5 = work[0], work[1], work[2], work[3], work[4], work[5]
        for quantity in range(N_SCALAR_QUANTITY):
            d = derivative[quantity]
            d0, d1, d2, d3, d4, d5 = d[0], d[1], d[2], d[3], d[4], d[5]
            out = response[quantity, stokes]
            for i in range(n):
                out[i] = (
                    w0[i] * d0[i]
                    + w1[i] * d1[i]
                    + w2[i] * d2[i]
                    + w3[i] * d3[i]
                    + w4[i] * d4[i]
                    + w5[i] * d5[i]
                )
        to_source = source_sensitivity[stokes]
        out_t, out_p = response[TEMPERATURE, stokes], response[ELECTRON_PRESSURE, stokes]
        for i in range(n):
            out_t[i] += factor * slope_t * g_i[i] + per_unit * planck_slope * to_source[i]
            out_p[i] += factor * slope_p * g_i[i]
