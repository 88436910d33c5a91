"""The free parameters of a cycle, and the units in which they are comparable.

A step of the inversion is measured in units that change the profile by comparable amounts. Temperature,
field, velocity and angles change linearly; the electron pressure by a factor; the turbulent velocities in
their square, because that is what the profile depends on: at small ones a linear parameter has no effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import QUANTITIES, Cycle
from stokeswarm.inversion.engines.lte.nodes import interpolation_matrix
from stokeswarm.inversion.engines.lte.state import ELECTRON_PRESSURE, MICROTURBULENCE, Component

Floats = npt.NDArray[np.float64]

#: one unit: K, relative, cm/s (as the root of the change of the square), G, cm/s, rad, rad
UNITS: Final = np.array([200.0, 0.2, 7e4, 200.0, 5e4, 0.2, 0.2])
#: one unit of macroturbulence: km/s, as the root of the change of the square
MACROTURBULENCE_UNIT: Final = 0.7
#: one unit of filling factor and stray light
FRACTION_UNIT: Final = 0.1
#: largest change of ln Pe in one step
LARGEST_LN_PRESSURE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes of one quantity of one component.

    Attributes
    ----------
    component, quantity : int
    functions : ndarray (n_depth, n_node) float64
        Their cardinal functions.
    nodes : ndarray (n_node,) int64
        Their depths; of a single one, which is everywhere, the middle of the axis.
    """

    component: int
    quantity: int
    functions: Floats
    nodes: npt.NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        n_depth, n_node = self.functions.shape
        nodes = np.argmax(self.functions, axis=0) if n_node > 1 else np.array([n_depth // 2])
        object.__setattr__(self, "nodes", nodes)


@dataclass(frozen=True, slots=True)
class Layout:
    """The free parameters of a cycle: nodes, macroturbulences, filling factor, stray light, in this order."""

    groups: tuple[Group, ...]
    macroturbulence: tuple[int, ...]
    filling_factor: bool
    stray_light: bool

    @property
    def n_free(self) -> int:
        """Number of parameters."""
        nodes = sum(int(group.functions.shape[1]) for group in self.groups)
        return nodes + len(self.macroturbulence) + int(self.filling_factor) + int(self.stray_light)

    def free(self, component: int) -> tuple[int, ...]:
        """Quantities of a component that have nodes."""
        return tuple(g.quantity for g in self.groups if g.component == component)

    def rows(self, quantity: int) -> slice:
        """Parameters that are nodes of a quantity of the first component."""
        at = 0
        for group in self.groups:
            width = group.functions.shape[1]
            if (group.component, group.quantity) == (0, quantity):
                return slice(at, at + width)
            at += width
        return slice(at, at)

    @classmethod
    def of(cls, cycle: Cycle, log_tau: Floats, has_stray_light: bool) -> Layout:
        """Layout of a cycle on a depth axis; stray light is free only where there is a profile of it."""
        groups = [
            Group(c, q, interpolation_matrix(log_tau, getattr(nodes, name)))
            for c, nodes in enumerate(cycle.components)
            for q, name in enumerate(QUANTITIES)
            if getattr(nodes, name)
        ]
        vmac = tuple(c for c, nodes in enumerate(cycle.components) if nodes.macroturbulence)
        filling = cycle.filling_factor and len(cycle.components) == 2
        return cls(tuple(groups), vmac, filling, cycle.stray_light and has_stray_light)


def units(component: Component, quantity: int) -> Floats:
    """Change (n_depth,) of a quantity [engine units] for one unit of perturbation, to first order."""
    value = component.values[quantity]
    change: Floats = np.full(value.size, UNITS[quantity])
    if quantity == ELECTRON_PRESSURE:
        change = change * value
    elif quantity == MICROTURBULENCE:
        change = change**2 / (2.0 * value)
    return change


def change_of(component: Component, quantity: int, perturbation: Floats) -> Floats:
    """Change (n_depth,) of a quantity [engine units] for a perturbation (n_depth,) in units, in full."""
    value = component.values[quantity]
    change: Floats = UNITS[quantity] * perturbation
    if quantity == ELECTRON_PRESSURE:
        change = value * np.expm1(np.clip(change, -LARGEST_LN_PRESSURE, LARGEST_LN_PRESSURE))
    elif quantity == MICROTURBULENCE:
        change = np.sqrt(np.maximum(value**2 + UNITS[quantity] * change, 0.0)) - value
    return change


def coordinate(quantity: int, value: npt.ArrayLike) -> Floats:
    """Values [engine units] on the scale on which perturbations add up: `change_of` inverted."""
    array = np.asarray(value, dtype=np.float64)
    if quantity == ELECTRON_PRESSURE:
        with np.errstate(divide="ignore"):
            array = np.log(array)
    elif quantity == MICROTURBULENCE:
        array = array**2 / UNITS[quantity]
    scaled: Floats = array / UNITS[quantity]
    return scaled


def macroturbulence_coordinate(macroturbulence: float) -> float:
    """The same of the macroturbulence [km/s]."""
    return macroturbulence**2 / MACROTURBULENCE_UNIT**2


def macroturbulence_unit(macroturbulence: float) -> float:
    """Change of the macroturbulence [km/s] for one unit of perturbation, to first order."""
    return MACROTURBULENCE_UNIT**2 / (2.0 * macroturbulence)


def changed_macroturbulence(macroturbulence: float, perturbation: float) -> float:
    """Macroturbulence [km/s] after a perturbation in units."""
    return float(np.sqrt(max(macroturbulence**2 + MACROTURBULENCE_UNIT**2 * perturbation, 0.0)))
