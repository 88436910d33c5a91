r"""Hydrostatic equilibrium along the optical depth scale, and how electron pressure follows temperature.

With :math:`d\tau = \kappa\rho\,dz` the pressure of a plane-parallel atmosphere at rest obeys
:math:`dP_g/d\tau = g/\kappa_{5000}`, with the opacity per gram (Mihalas 1978, Stellar Atmospheres, section
7-1). Where H- absorbs the opacity is nearly proportional to the pressure, so the form solved here is

.. math:: d(P_g^2) / d\ln\tau = Q, \quad Q = 2 g \tau P_g / \kappa_{5000}

whose right-hand side hardly depends on the pressure, and is close to a power of tau between two points: the
step is h times the logarithmic mean of Q at its ends, exact for any power. Both the equilibrium far from
the top (P a power of tau) and the adjustment to a top pressure that is too low for the temperature there
come out right on grids as coarse as 0.1 or 0.2 in log tau. (SIR solves dP = g tau/kappa d ln tau by the
trapezoidal rule.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.continuum import continuum_opacity_5000
from stokeswarm.inversion.engines.lte.eos import N_STATE, PG, RHO, electron_pressure, gas_state

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

FloatArray = npt.NDArray[np.float64]

LN10: Final = float(np.log(10.0))
CM_PER_KM: Final = 1.0e5
PRESSURE_TOLERANCE: Final = 1.0e-11
"""Step in ln Pg at which the implicit equation counts as solved."""
MAXIMUM_ITERATIONS: Final = 60
SMALLEST_SLOPE: Final = 0.5
LARGEST_SLOPE: Final = 2.0
"""Bounds of the secant's slope, which is 1 to 1.5 in any stellar gas."""
SERIES_BELOW: Final = 1.0e-3
"""Logarithm of a ratio below which the logarithmic mean is taken from its series."""
RELATIVE_STEP: Final = 1.0e-4
"""Relative step in temperature and electron pressure of the local differences, whose error is near 1e-8."""


@njit
def opacity_per_gram(temperature: float, pe: float, mix: Mixture, state: FloatArray) -> float:
    """Continuous opacity at 5000 Angstrom per gram; `state` is filled on the way.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2].
    mix : Mixture
        Chemical composition.
    state : ndarray of float64, shape (N_STATE,)
        Filled by ``eos.gas_state``.

    Returns
    -------
    float
        Opacity [cm^2 g^-1].
    """
    gas_state(temperature, pe, mix, state)
    return continuum_opacity_5000(temperature, pe, state, mix) / float(state[RHO])


@njit
def ln_source(
    log_tau: float, temperature: float, pe: float, gravity: float, mix: Mixture, state: FloatArray
) -> float:
    """Logarithm of Q = d(Pg^2) / d ln tau; `state` is filled on the way.

    Parameters
    ----------
    log_tau : float
        Decimal logarithm of the vertical optical depth at 5000 Angstrom.
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2].
    gravity : float
        Gravity [cm s^-2].
    mix : Mixture
        Chemical composition.
    state : ndarray of float64, shape (N_STATE,)
        Filled by ``eos.gas_state``.

    Returns
    -------
    float
        ln Q, with Q in dyn^2 cm^-4.
    """
    opacity = opacity_per_gram(temperature, pe, mix, state)
    return float(np.log(2.0 * gravity * float(state[PG]) / opacity) + LN10 * log_tau)


@njit
def logarithmic_mean(ln_a: float, ln_b: float) -> tuple[float, float]:
    """Mean (b - a) / ln(b / a): the integral of a power law over its ln x, per unit length.

    Parameters
    ----------
    ln_a, ln_b : float
        Natural logarithms of the two values.

    Returns
    -------
    mean : float
        The mean.
    share : float
        d ln mean / d ln b; that with respect to ln a is 1 minus it.
    """
    x = ln_b - ln_a
    if abs(x) < SERIES_BELOW:
        sinhc = 1.0 + x * x / 24.0
        share = 0.5 + x / 12.0
    else:
        sinhc = 2.0 * np.sinh(0.5 * x) / x
        share = 0.5 + 0.5 / np.tanh(0.5 * x) - 1.0 / x
    return np.exp(0.5 * (ln_a + ln_b)) * sinhc, share


@njit
def local_derivatives(
    log_tau: float,
    temperature: float,
    pe: float,
    gravity: float,
    mix: Mixture,
    state: FloatArray,
    derivatives: FloatArray,
) -> None:
    """Derivatives of ln Q and ln Pe with respect to temperature and gas pressure at one depth.

    Central differences in the natural variables T and Pe, and then the change of variables to T and ln Pg.

    Parameters
    ----------
    log_tau, temperature, pe, gravity : float
        As for :func:`ln_source`.
    mix : Mixture
        Chemical composition.
    state : ndarray of float64, shape (N_STATE,)
        Filled for `temperature` and `pe`.
    derivatives : ndarray of float64, shape (5,)
        Filled with ln Q; d ln Q/dT at constant Pg [K^-1]; d ln Q / d ln Pg at constant T; d ln Pe/dT at
        constant Pg [K^-1]; d ln Pe / d ln Pg at constant T.
    """
    step_t = RELATIVE_STEP * temperature
    source_hotter = ln_source(log_tau, temperature + step_t, pe, gravity, mix, state)
    ln_pg_hotter = np.log(state[PG])
    source_cooler = ln_source(log_tau, temperature - step_t, pe, gravity, mix, state)
    ln_pg_cooler = np.log(state[PG])
    growth = np.exp(RELATIVE_STEP)
    source_more = ln_source(log_tau, temperature, pe * growth, gravity, mix, state)
    ln_pg_more = np.log(state[PG])
    source_less = ln_source(log_tau, temperature, pe / growth, gravity, mix, state)
    ln_pg_less = np.log(state[PG])

    source_t = (source_hotter - source_cooler) / (2.0 * step_t)
    pressure_t = (ln_pg_hotter - ln_pg_cooler) / (2.0 * step_t)
    source_pe = (source_more - source_less) / (2.0 * RELATIVE_STEP)
    pressure_pe = (ln_pg_more - ln_pg_less) / (2.0 * RELATIVE_STEP)
    derivatives[0] = ln_source(log_tau, temperature, pe, gravity, mix, state)
    derivatives[1] = source_t - source_pe * pressure_t / pressure_pe
    derivatives[2] = source_pe / pressure_pe
    derivatives[3] = -pressure_t / pressure_pe
    derivatives[4] = 1.0 / pressure_pe


@njit
def solve_depth(
    log_tau: float,
    temperature: float,
    step: float,
    ln_pg_above: float,
    ln_source_above: float,
    pe_guess: float,
    gravity: float,
    mix: Mixture,
    state: FloatArray,
) -> tuple[float, float, float]:
    """Find the gas pressure of one depth from that of the point above.

    Solves ``ln Pg = 0.5 ln(Pg_above^2 + step * mean(Q_above, Q))``. As Q falls, if at all, more slowly than
    1/Pg the residual has a slope between 1 and 1.5 in ln Pg: one root, which the secant method finds in a
    few steps.

    Parameters
    ----------
    log_tau, temperature : float
        Depth and temperature [K].
    step : float
        Step in ln tau from the point above, positive.
    ln_pg_above, ln_source_above : float
        ln Pg and ln Q of the point above.
    pe_guess : float
        First guess of Pe [dyn cm^-2].
    gravity : float
        Gravity [cm s^-2].
    mix : Mixture
        Chemical composition.
    state : ndarray of float64, shape (N_STATE,)
        Filled for the solution.

    Returns
    -------
    ln_pg, pe, ln_source : float
        ln Pg, electron pressure and ln Q; NaN where no solution was found.
    """
    square_above = np.exp(2.0 * ln_pg_above)
    ln_pg = 0.5 * np.log(square_above + step * np.exp(ln_source_above))
    pe = pe_guess
    slope = 1.0
    move = 0.0
    residual = 0.0
    for iteration in range(MAXIMUM_ITERATIONS):
        pe = electron_pressure(temperature, np.exp(ln_pg), pe, mix)
        source = ln_source(log_tau, temperature, pe, gravity, mix, state)
        mean, _share = logarithmic_mean(ln_source_above, source)
        found = ln_pg - 0.5 * np.log(square_above + step * mean)
        if not np.isfinite(found):
            break
        if abs(found) < PRESSURE_TOLERANCE:
            return ln_pg, pe, source
        if iteration > 0:
            slope = min(max((found - residual) / move, SMALLEST_SLOPE), LARGEST_SLOPE)
        residual = found
        move = -residual / slope
        ln_pg += move
        pe *= np.exp(move)
    return np.nan, np.nan, np.nan


@njit
def hydrostatic_equilibrium(
    log_tau: FloatArray,
    temperature: FloatArray,
    pg_top: float,
    gravity: float,
    mix: Mixture,
    pe_out: FloatArray,
    pg_out: FloatArray,
    rho_out: FloatArray,
    z_out: FloatArray,
) -> bool:
    """Pressures, density and height of an atmosphere in hydrostatic equilibrium.

    Parameters
    ----------
    log_tau : ndarray of float64, shape (nd,)
        Decimal logarithm of the vertical optical depth at 5000 Angstrom, decreasing, of any spacing.
    temperature : ndarray of float64, shape (nd,)
        Temperature [K].
    pg_top : float
        Gas pressure at the last (highest) point [dyn cm^-2].
    gravity : float
        Gravity [cm s^-2]. For depths along an inclined line of sight pass mu times the gravity, as SIR does.
    mix : Mixture
        Chemical composition.
    pe_out, pg_out : ndarray of float64, shape (nd,)
        Filled with electron and gas pressure [dyn cm^-2].
    rho_out : ndarray of float64, shape (nd,)
        Filled with the density [g cm^-3].
    z_out : ndarray of float64, shape (nd,)
        Filled with the height [km], upwards, 0 at tau = 1 (interpolated, or extrapolated, linearly in log
        tau).

    Returns
    -------
    bool
        Whether a solution was found at every depth. From the first depth without one downwards, and in all
        heights then, the output is NaN.
    """
    n_depth = log_tau.size
    state = np.empty(N_STATE)
    scale = np.empty(n_depth)
    pe_out[:] = np.nan
    pg_out[:] = np.nan
    rho_out[:] = np.nan
    z_out[:] = np.nan

    top = n_depth - 1
    pe = electron_pressure(temperature[top], pg_top, 0.0, mix)
    source = ln_source(log_tau[top], temperature[top], pe, gravity, mix, state)
    ln_pg = np.log(pg_top)
    for i in range(top, -1, -1):
        if i < top:
            step = LN10 * (log_tau[i] - log_tau[i + 1])
            ln_pg, pe, source = solve_depth(
                log_tau[i], temperature[i], step, ln_pg, source, pe, gravity, mix, state
            )
        if not np.isfinite(source):
            return False
        pe_out[i] = pe
        pg_out[i] = np.exp(ln_pg)
        rho_out[i] = state[RHO]
        # Pressure scale height; dz = -scale d ln Pg.
        scale[i] = pg_out[i] / (gravity * rho_out[i])

    z_out[top] = 0.0
    for i in range(top - 1, -1, -1):
        fall = np.log(pg_out[i] / pg_out[i + 1])
        z_out[i] = z_out[i + 1] - 0.5 * (scale[i] + scale[i + 1]) * fall / CM_PER_KM
    cell = 0
    while cell < n_depth - 2 and log_tau[cell + 1] > 0.0:
        cell += 1
    place = log_tau[cell] / (log_tau[cell] - log_tau[cell + 1]) if n_depth > 1 else 0.0
    zero = z_out[cell] + place * (z_out[min(cell + 1, top)] - z_out[cell])
    for i in range(n_depth):
        z_out[i] -= zero
    return True


@njit
def hydrostatic_response(
    log_tau: FloatArray,
    temperature: FloatArray,
    pe: FloatArray,
    gravity: float,
    mix: Mixture,
    out: FloatArray,
) -> None:
    """Change of the electron pressure with temperature that hydrostatic equilibrium forces.

    The discrete equation of :func:`hydrostatic_equilibrium`, linearised; the gas pressure at the last point
    is held. A change of temperature at one depth changes Pe there, and, through the opacity, at all depths
    below.

    Parameters
    ----------
    log_tau : ndarray of float64, shape (nd,)
        Decimal logarithm of the vertical optical depth, decreasing.
    temperature : ndarray of float64, shape (nd,)
        Temperature [K].
    pe : ndarray of float64, shape (nd,)
        Electron pressure in equilibrium [dyn cm^-2].
    gravity : float
        Gravity [cm s^-2].
    mix : Mixture
        Chemical composition.
    out : ndarray of float64, shape (nd, nd)
        Filled with dPe_i/dT_j [dyn cm^-2 K^-1]; zero where j is deeper than i (j < i).
    """
    n_depth = log_tau.size
    state = np.empty(N_STATE)
    below = np.empty(5)
    above = np.empty(5)
    ln_pg_response = np.zeros(n_depth)
    out[:, :] = 0.0
    top = n_depth - 1
    local_derivatives(log_tau[top], temperature[top], pe[top], gravity, mix, state, above)
    out[top, top] = pe[top] * above[3]
    ln_pg_above = np.log(state[PG])
    for i in range(top - 1, -1, -1):
        local_derivatives(log_tau[i], temperature[i], pe[i], gravity, mix, state, below)
        ln_pg = np.log(state[PG])
        step = LN10 * (log_tau[i] - log_tau[i + 1])
        mean, share = logarithmic_mean(above[0], below[0])
        inherited = np.exp(2.0 * ln_pg_above)
        gained = step * mean
        from_pressure = inherited / (inherited + gained)
        from_below = 0.5 * (1.0 - from_pressure) * share
        from_above = 0.5 * (1.0 - from_pressure) * (1.0 - share)
        denominator = 1.0 - from_below * below[2]
        carried = (from_pressure + from_above * above[2]) / denominator
        for j in range(i + 1, n_depth):
            ln_pg_response[j] *= carried
        ln_pg_response[i + 1] += from_above * above[1] / denominator
        ln_pg_response[i] = from_below * below[1] / denominator
        for j in range(i, n_depth):
            out[i, j] = pe[i] * below[4] * ln_pg_response[j]
        out[i, i] += pe[i] * below[3]
        above[:] = below
        ln_pg_above = ln_pg
