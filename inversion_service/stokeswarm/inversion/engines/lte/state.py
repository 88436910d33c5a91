"""The atmosphere under inversion, in the engine's units: cm/s and radians, km/s and degrees outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.plan import QUANTITIES, Plan

Floats = npt.NDArray[np.float64]

TEMPERATURE, ELECTRON_PRESSURE, MICROTURBULENCE, FIELD_STRENGTH, VELOCITY, INCLINATION, AZIMUTH = range(7)
CM_PER_KM: Final = 1e5
#: contract unit → engine unit, in the order of `QUANTITIES`
TO_ENGINE: Final = np.array([1.0, 1.0, CM_PER_KM, 1.0, CM_PER_KM, np.pi / 180.0, np.pi / 180.0])
#: a free quantity starts at least here [engine units], because its derivative vanishes at 0
_FLOOR: Final = {MICROTURBULENCE: 0.05 * CM_PER_KM, FIELD_STRENGTH: 1.0}
MACROTURBULENCE_FLOOR: Final = 0.05


@dataclass(frozen=True, slots=True)
class Component:
    """One atmospheric component of one pixel.

    Attributes
    ----------
    values : ndarray (7, n_depth) float64
        Temperature [K], electron pressure [dyn cm⁻²], microturbulence [cm/s], field strength [G], velocity
        [cm/s, > 0 receding], inclination and azimuth [rad], in the order of `QUANTITIES`.
    gas_pressure : ndarray (n_depth,) float64
        dyn cm⁻².
    density : ndarray (n_depth,) float64
        g cm⁻³.
    height : ndarray (n_depth,) float64
        km.
    top_gas_pressure : float
        dyn cm⁻² at the highest point: the boundary of hydrostatic equilibrium.
    macroturbulence : float
        km/s.
    """

    values: Floats
    gas_pressure: Floats
    density: Floats
    height: Floats
    top_gas_pressure: float
    macroturbulence: float

    def moved(self, quantity: int, change: Floats, limits: Floats) -> Component:
        """The component with one quantity changed, kept within limits (n_quantity, 2) [engine units].

        Inclinations beyond a pole are reflected and azimuths taken modulo 180°, which leaves the Stokes
        profiles as they are: (−γ, χ) and (γ, χ + 180°) are the same direction up to the azimuth ambiguity.
        """
        values = self.values.copy()
        row = values[quantity] + change
        if quantity == INCLINATION:
            row = np.abs(np.mod(row + np.pi, 2 * np.pi) - np.pi)
        elif quantity != AZIMUTH:
            row = np.clip(row, limits[quantity, 0], limits[quantity, 1])
        values[quantity] = row
        return replace(self, values=values)


def engine_limits(plan: Plan) -> Floats:
    """Bounds (7, 2) of a plan in the engine's units, not below the floors; the azimuth has none."""
    rows = [plan.limit(q) if q != "azimuth" else (-np.inf, np.inf) for q in QUANTITIES]
    limits: Floats = np.asarray(rows) * TO_ENGINE[:, None]
    for quantity, floor in _FLOOR.items():
        limits[quantity, 0] = max(limits[quantity, 0], floor)
    return limits


def with_floors(component: Component, free: tuple[int, ...], macroturbulence: bool) -> Component:
    """The component with its free quantities off the zeros where derivatives vanish."""
    values = component.values.copy()
    for quantity, floor in _FLOOR.items():
        if quantity in free:
            values[quantity] = np.maximum(values[quantity], floor)
    vmac = (
        max(component.macroturbulence, MACROTURBULENCE_FLOOR)
        if macroturbulence
        else component.macroturbulence
    )
    return replace(component, values=values, macroturbulence=vmac)


def component_values(atmosphere: Atmosphere, row: int) -> Floats:
    """Values (7, n_depth) of one pixel in the engine's units; NaN where the electron pressure is absent."""
    missing = np.full(atmosphere.n_depth, np.nan)
    arrays = atmosphere.arrays()
    rows = [arrays[q][row] if q in arrays else missing for q in QUANTITIES]
    return np.ascontiguousarray(np.stack(rows) * TO_ENGINE[:, None])


def to_atmosphere(
    log_tau: Floats, components: list[Component], filling: list[float], stray_light: list[float]
) -> Atmosphere:
    """Atmosphere of k pixels (one component of each) in the contract's units, azimuth in [0°, 180°)."""
    values = np.stack([c.values for c in components]) / TO_ENGINE[None, :, None]
    values[:, AZIMUTH] = np.mod(values[:, AZIMUTH], 180.0)
    named = {name: values[:, i] for i, name in enumerate(QUANTITIES)}
    return Atmosphere(
        log_tau=log_tau,
        **named,
        macroturbulence=np.array([c.macroturbulence for c in components]),
        filling_factor=np.array(filling),
        stray_light=np.array(stray_light),
        gas_pressure=np.stack([c.gas_pressure for c in components]),
        density=np.stack([c.density for c in components]),
        height=np.stack([c.height for c in components]),
    )
