"""A network's guess with no more structure in depth than the plan itself may give.

A network predicts every node on its own, so its values wiggle from node to node by their errors. A cycle with
few nodes only shifts and bends a start: what wiggles it has stay in the result. The guess is therefore
brought down to what the plan's last cycle could have made from its own model: of the temperature, that model
plus the splines of its nodes; of all else, which is smooth there, a constant for one node, a straight line
for two, a parabola for three … An assisted inversion then ends in the same family of atmospheres as a full
one.
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
#: quantities that are smooth in a model to begin with
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
    weight = _weight(log_tau)
    basis = np.vander(x, min(degree, log_tau.size - 1) + 1)
    normal = basis.T @ (weight[:, None] * basis)
    matrix: Floats = basis @ np.linalg.solve(normal, basis.T * weight)
    return matrix


def cardinal_functions(log_tau: Floats, n_node: int) -> Floats:
    """What equidistant nodes make of a depth axis (Ruiz Cobo & del Toro Iniesta 1992, ApJ 398, 375, §2.3).

    Parameters
    ----------
    log_tau : ndarray (n_depth,) float64
        Decreasing.
    n_node : int
        At least 1, and at most n_depth.

    Returns
    -------
    ndarray (n_depth, n_node) float64
        Perturbation of every depth for one of each node, the deepest first: constant for one node, linear for
        two, a natural cubic spline for more.
    """
    if n_node == 1:
        return np.ones((log_tau.size, 1))
    knots = np.linspace(log_tau[0], log_tau[-1], n_node)
    step = knots[1] - knots[0]
    unit = np.eye(n_node)
    # Second derivatives of the splines (Press et al. 2007, §3.3), for equal steps and zero at both ends.
    curvature = np.zeros((n_node, n_node))
    if n_node > 2:
        system = 4.0 * np.eye(n_node - 2) + np.eye(n_node - 2, k=1) + np.eye(n_node - 2, k=-1)
        curvature[1:-1] = np.linalg.solve(system, 6.0 / step**2 * np.diff(unit, 2, axis=0))
    left = np.clip(((log_tau - knots[0]) / step).astype(np.int64), 0, n_node - 2)
    b = ((log_tau - knots[left]) / step)[:, None]
    a = 1.0 - b
    bent = ((a**3 - a) * curvature[left] + (b**3 - b) * curvature[left + 1]) * step**2 / 6.0
    functions: Floats = a * unit[left] + b * unit[left + 1] + bent
    return functions


def within_nodes(temperature: Floats, model: Floats, log_tau: Floats, n_node: int) -> Floats:
    """The temperature nearest to a guess that nodes can make of a model.

    Parameters
    ----------
    temperature, model : ndarray (n, n_depth) float64
        K: the guess, and the model that the nodes perturb.
    log_tau : ndarray (n_depth,) float64
    n_node : int

    Returns
    -------
    ndarray (n, n_depth) float64
        The model plus the nodes' functions that fit the difference best, by weighted least squares.
    """
    weight = _weight(log_tau)
    functions = cardinal_functions(log_tau, min(n_node, log_tau.size))
    normal = functions.T @ (weight[:, None] * functions)
    matrix: Floats = functions @ np.linalg.solve(normal, functions.T * weight)
    return model + _apply(matrix, temperature - model)


def smoothed(nodes: Atmosphere, plan: Plan) -> Atmosphere:
    """The guess within the freedom of the plan's last cycle, but for the temperature (`within_nodes`).

    Quantities without nodes in it stay as they are. The azimuth is smoothed on the double angle.

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


def _weight(log_tau: Floats) -> Floats:
    """How much a depth counts."""
    weight: Floats = np.maximum(np.exp(-0.5 * ((log_tau - CENTRE) / WIDTH) ** 2), FLOOR)
    return weight


def _apply(matrix: Floats, values: Floats) -> Floats:
    """Apply a projection to every pixel, summed node by node: no pixel depends on its tile."""
    total = np.zeros_like(values)
    for node in range(matrix.shape[1]):
        total += values[:, node, None] * matrix[:, node]
    return total
