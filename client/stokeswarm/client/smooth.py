"""A network's guess with no more structure in depth than the plan itself may give.

A network predicts every node on its own, so its field and velocity wiggle from node to node by their errors.
A cycle with few nodes only shifts and bends a start: what wiggles it has stay in the result. The guess is
therefore brought down to the polynomials that the plan's last cycle could have made from a smooth start: a
constant for one node, a straight line for two, a parabola for three …
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere, Floats
from stokeswarm.contract.plan import Plan

#: where photospheric lines form, and how far around [log τ]: the depths that a guess is judged by
CENTRE: Final = -1.0
WIDTH: Final = 1.2
#: weight of depths far from there, so that a polynomial does not run away in them
FLOOR: Final = 0.05
#: quantities whose shape the network knows better than any polynomial: none but the temperature
SMOOTHED: Final = ("field_strength", "velocity", "inclination", "microturbulence")


def projection(log_tau: Floats, degree: int) -> Floats:
    """Weighted least-squares projection onto polynomials in log τ.

    Parameters
    ----------
    log_tau : ndarray (n_node,) float64
    degree : int

    Returns
    -------
    ndarray (n_node, n_node) float64
        Values at the nodes of the polynomial that fits values at the nodes best.
    """
    x = (log_tau - CENTRE) / WIDTH
    weight = np.maximum(np.exp(-0.5 * x**2), FLOOR)
    basis = np.vander(x, min(degree, log_tau.size - 1) + 1)
    normal = basis.T @ (weight[:, None] * basis)
    matrix: Floats = basis @ np.linalg.solve(normal, basis.T * weight)
    return matrix


def smoothed(nodes: Atmosphere, plan: Plan) -> Atmosphere:
    """The guess within the freedom of the plan's last cycle.

    Quantities without nodes in it, and the temperature, stay as they are. The azimuth is smoothed on the
    double angle.

    Parameters
    ----------
    nodes : Atmosphere
        n pixels on the network's nodes.
    plan : Plan
        With at least one cycle.
    """
    free = plan.cycles[-1].components[0]
    changed: dict[str, Floats] = {}
    for name in SMOOTHED:
        count = getattr(free, name)
        if count:
            changed[name] = _apply(projection(nodes.log_tau, count - 1), getattr(nodes, name))
    if free.azimuth:
        matrix = projection(nodes.log_tau, free.azimuth - 1)
        double = np.deg2rad(2.0 * nodes.azimuth)
        cosine, sine = _apply(matrix, np.cos(double)), _apply(matrix, np.sin(double))
        changed["azimuth"] = np.rad2deg(np.arctan2(sine, cosine)) / 2.0 % 180.0
    return replace(nodes, **changed)


def _apply(matrix: Floats, values: Floats) -> Floats:
    """Apply a projection to every pixel, summed node by node: no pixel depends on its tile."""
    total = np.zeros_like(values)
    for node in range(matrix.shape[1]):
        total += values[:, node, None] * matrix[:, node]
    return total
