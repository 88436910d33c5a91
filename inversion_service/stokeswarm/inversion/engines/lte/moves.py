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
    coordinate,
    macroturbulence_coordinate,
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
        """Changes (n_free, 2) of the scaled parameters that lead to their lower and upper limits.

        The value of a node is that of the stratification at the node's depth; angles have no limits.
        """
        room = np.empty((layout.n_free, 2))
        room[:, 0], room[:, 1] = -np.inf, np.inf
        at = 0
        for group in layout.groups:
            width = group.functions.shape[1]
            if group.quantity not in (INCLINATION, AZIMUTH):
                node = model.components[group.component].values[group.quantity, group.nodes]
                here = coordinate(group.quantity, node)
                limits = coordinate(group.quantity, self._limits[group.quantity])
                room[at : at + width] = limits - here[:, None]
            at += width
        for c in layout.macroturbulence:
            low, high = self._plan.limit("macroturbulence")
            limits_kms = (max(low, MACROTURBULENCE_FLOOR), high)
            here_kms = macroturbulence_coordinate(model.components[c].macroturbulence)
            room[at] = [macroturbulence_coordinate(limit) - here_kms for limit in limits_kms]
            at += 1
        fractions = (("filling_factor", layout.filling_factor), ("stray_light", layout.stray_light))
        for name, free in fractions:
            if free:
                low, high = self._plan.limit(name)
                value = getattr(model, name)
                room[at] = (low - value) / FRACTION_UNIT, (high - value) / FRACTION_UNIT
                at += 1
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
