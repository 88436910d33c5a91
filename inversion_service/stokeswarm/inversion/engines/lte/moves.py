"""How a step of the free parameters changes a model: nodes, limits, field vector, hydrostatic equilibrium."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.parameters import (
    FRACTION_UNIT,
    UNITS,
    Layout,
    change_of,
    changed_macroturbulence,
)
from stokeswarm.inversion.engines.lte.state import (
    AZIMUTH,
    ELECTRON_PRESSURE,
    FIELD_STRENGTH,
    INCLINATION,
    MACROTURBULENCE_FLOOR,
    TEMPERATURE,
    Component,
    engine_limits,
)

Floats = npt.NDArray[np.float64]

#: log τ where photospheric lines feel the field most: where a single node of it is looked at
LINE_FORMATION: Final = -1.0


class Moves:
    """Changes of models within one plan's limits; immutable."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._plan = evaluator.plan
        self._limits = engine_limits(evaluator.plan)
        self._middle = int(np.argmin(np.abs(evaluator.log_tau - LINE_FORMATION)))

    def moved(self, model: Model, layout: Layout, change: Floats, mu: float) -> Model:
        """The model after a change (n_free,) of the scaled parameters, within limits and in equilibrium."""
        components = list(model.components)
        nodes: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        at = 0
        for group in layout.groups:
            width = group.functions.shape[1]
            nodes[group.component, group.quantity] = (group.functions, change[at : at + width])
            at += width
        for c in range(len(components)):
            if (c, FIELD_STRENGTH) in nodes and (c, INCLINATION) in nodes:
                _turn_field(components[c], nodes, c, self._middle)
        for (c, quantity), (functions, steps) in nodes.items():
            shift = change_of(components[c], quantity, combine(functions, steps))
            components[c] = components[c].moved(quantity, shift, self._limits)
        hot = {c for c, quantity in nodes if quantity == TEMPERATURE}
        for c in layout.macroturbulence:
            low, high = self._plan.limit("macroturbulence")
            vmac = changed_macroturbulence(components[c].macroturbulence, change[at])
            vmac = float(np.clip(vmac, max(low, MACROTURBULENCE_FLOOR), high))
            components[c] = replace(components[c], macroturbulence=vmac)
            at += 1
        filling, stray = model.filling_factor, model.stray_light
        if layout.filling_factor:
            filling = float(
                np.clip(filling + FRACTION_UNIT * change[at], *self._plan.limit("filling_factor"))
            )
            at += 1
        if layout.stray_light:
            stray = float(np.clip(stray + FRACTION_UNIT * change[at], *self._plan.limit("stray_light")))
        for c in hot:
            if ELECTRON_PRESSURE not in layout.free(c):
                components[c] = self._evaluator.in_equilibrium(components[c], mu)
        return Model(tuple(components), filling, stray)

    def room(self, model: Model, layout: Layout) -> Floats:
        """Distance (n_free, 2) from every parameter to its lower (≤ 0) and upper (≥ 0) limit, engine units.

        The value of a node is that of the stratification at the node's depth; angles have no limits.
        """
        room = np.empty((layout.n_free, 2))
        room[:, 0], room[:, 1] = -np.inf, np.inf
        at = 0
        for group in layout.groups:
            width = group.functions.shape[1]
            if group.quantity not in (INCLINATION, AZIMUTH):
                depth = np.argmax(group.functions, axis=0) if width > 1 else np.zeros(1, dtype=np.int64)
                node = model.components[group.component].values[group.quantity, depth]
                room[at : at + width, 0] = self._limits[group.quantity, 0] - node
                room[at : at + width, 1] = self._limits[group.quantity, 1] - node
            at += width
        for c in layout.macroturbulence:
            low, high = self._plan.limit("macroturbulence")
            vmac = model.components[c].macroturbulence
            room[at] = max(low, MACROTURBULENCE_FLOOR) - vmac, high - vmac
            at += 1
        if layout.filling_factor:
            low, high = self._plan.limit("filling_factor")
            room[at] = low - model.filling_factor, high - model.filling_factor
            at += 1
        if layout.stray_light:
            low, high = self._plan.limit("stray_light")
            room[at] = low - model.stray_light, high - model.stray_light
        return room


def combine(functions: Floats, steps: Floats) -> Floats:
    """Perturbation (n_depth,) of nodes' steps (n_node,), summed in a fixed order."""
    shift = np.zeros(functions.shape[0])
    for k in range(steps.size):
        shift += functions[:, k] * steps[k]
    return shift


def _turn_field(
    component: Component,
    nodes: dict[tuple[int, int], tuple[Floats, Floats]],
    number: int,
    middle: int,
) -> None:
    """Replace the steps of field strength and inclination by those of the field vector they stand for.

    A weak field's profiles are linear in B cos γ and quadratic in B sin γ. To first order a step (δB, δγ) is
    the step (δB cos γ − B sin γ δγ, δB sin γ + B cos γ δγ) of these two; taking the latter in full keeps
    large steps as good as the linearisation that proposed them, and from ending at a pole where γ has no
    effect.
    """
    strength, inclination = component.values[FIELD_STRENGTH], component.values[INCLINATION]
    d_strength = UNITS[FIELD_STRENGTH] * combine(*nodes[number, FIELD_STRENGTH])
    d_inclination = UNITS[INCLINATION] * combine(*nodes[number, INCLINATION])
    along = (strength + d_strength) * np.cos(inclination) - strength * d_inclination * np.sin(inclination)
    across = (strength + d_strength) * np.sin(inclination) + strength * d_inclination * np.cos(inclination)
    turned = {
        FIELD_STRENGTH: np.hypot(along, across) - strength,
        INCLINATION: np.arctan2(across, along) - inclination,
    }
    for quantity, shift in turned.items():
        functions, _ = nodes[number, quantity]
        depth = np.argmax(functions, axis=0) if functions.shape[1] > 1 else np.array([middle])
        nodes[number, quantity] = (functions, shift[depth] / UNITS[quantity])
