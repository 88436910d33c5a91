"""Pressures in hydrostatic equilibrium, for atmospheres that come without: from a network, another grid …"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.plan import Plan
from stokeswarm.inversion.engines.lte.constants import SOLAR_GRAVITY
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture
from stokeswarm.inversion.engines.lte.eos import N_STATE, PG, gas_state
from stokeswarm.inversion.engines.lte.hydrostatic import hydrostatic_equilibrium

Floats = npt.NDArray[np.float64]

#: gas pressure [dyn cm⁻²] of the HSRA at log τ = −4 (Gingerich et al. 1971): the boundary of an atmosphere
#: that brings neither an electron pressure nor a top pressure
DEFAULT_TOP_GAS_PRESSURE: Final = 868.2


def top_gas_pressure(
    plan: Plan, component: int, temperature: float, electron_pressure: float, gas: Mixture
) -> float:
    """Gas pressure [dyn cm⁻²] at the highest point, from which equilibrium is integrated downwards.

    Parameters
    ----------
    plan : Plan
        Its `top_gas_pressure` comes first.
    component : int
        0 or 1.
    temperature, electron_pressure : float
        K and dyn cm⁻² at the highest point, which give it otherwise; NaN = unknown, then the HSRA's.
    gas : Mixture
        Chemical composition.
    """
    if plan.top_gas_pressure:
        return plan.top_gas_pressure[min(component, len(plan.top_gas_pressure) - 1)]
    if not np.isfinite(electron_pressure):
        return DEFAULT_TOP_GAS_PRESSURE
    state = np.empty(N_STATE)
    gas_state(temperature, electron_pressure, gas, state)
    return float(state[PG])


def with_pressures(
    atmosphere: Atmosphere, plan: Plan, mu: float | Floats = 1.0, component: int = 0
) -> Atmosphere:
    """The same atmospheres in hydrostatic equilibrium, as SIR's inversions impose it.

    Parameters
    ----------
    atmosphere : Atmosphere
        n pixels, T > 0 everywhere. An electron pressure they bring is used at the highest point only.
    plan : Plan
        Abundances and `top_gas_pressure`.
    mu : float or ndarray (n,)
        Cosine of the heliocentric angle: depth is counted along the line of sight, so that gravity's
        component along it is g μ.
    component : int
        Which of the plan's top pressures counts.

    Returns
    -------
    Atmosphere
        With electron and gas pressure [dyn cm⁻²], density [g cm⁻³] and height [km, 0 at log τ = 0]; a pixel
        without finite temperatures gets NaN.
    """
    gas = mixture(np.asarray(plan.abundances))
    # a copy: an array decoded from a message is read-only, which is another type to the compiler
    log_tau = np.array(atmosphere.log_tau)
    gravity = np.broadcast_to(np.asarray(mu, dtype=np.float64), (len(atmosphere),)) * SOLAR_GRAVITY
    results = np.full((4, len(atmosphere), log_tau.size), np.nan)
    for row in range(len(atmosphere)):
        temperature = np.array(atmosphere.temperature[row])
        if not (np.isfinite(temperature) & (temperature > 0)).all():
            continue
        known = atmosphere.electron_pressure
        top = np.nan if known is None else float(known[row, -1])
        boundary = top_gas_pressure(plan, component, float(temperature[-1]), top, gas)
        pe, pg, rho, z = (np.empty(log_tau.size) for _ in range(4))
        hydrostatic_equilibrium(log_tau, temperature, boundary, float(gravity[row]), gas, pe, pg, rho, z)
        results[:, row] = pe, pg, rho, z
    pe, pg, rho, z = results
    return replace(atmosphere, electron_pressure=pe, gas_pressure=pg, density=rho, height=z)
