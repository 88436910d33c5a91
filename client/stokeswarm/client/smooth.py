"""A network's guess with no more structure in depth than the plan itself may give.

A network predicts every node on its own, so its values wiggle from node to node by their errors. A cycle with
few nodes only shifts and bends a start: what wiggles it has stay in the result. The guess is therefore
brought down to what the plan's last cycle could have made from its own model: that model plus the functions
of its nodes (a constant for one, a straight line for two, a spline for more). An assisted inversion then ends
in the same family of atmospheres as a full one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import SCALAR, Atmosphere, Floats
from stokeswarm.contract.plan import Plan

#: where photospheric lines form, and how far around [log τ]: the depths that a guess is judged by
CENTRE: Final = -1.0
WIDTH: Final = 1.2
#: weight of depths far from there, so that a polynomial does not run away in them
FLOOR: Final = 0.05
#: quantities that are brought down as they are; the azimuth is, on the double angle
PLAIN: Final = ("temperature", "field_strength", "velocity", "inclination", "microturbulence")
#: nodes of the temperature of a network that has seen lines of other strengths: they form at other depths,
#: and its finer structure would stay where the profile says little. On the 24 × 40 map, whose lines are 0.16
#: and 0.27 dex stronger than those seen, an assisted run's errors in the temperature at log τ = −1 were 1.26
#: times the reference's with the plan's five nodes, 1.04 with three, and 0.92 with two: chosen on that map
FOREIGN_NODES: Final = 2


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


def within_nodes(
    guess: Atmosphere, model: Atmosphere, plan: Plan, *, other_lines: bool = False
) -> Atmosphere:
    """The atmospheres nearest to guesses that the nodes of the plan's last cycle can make of a model.

    By least squares, weighted towards the depths where photospheric lines form. Quantities without nodes in
    that cycle stay as they are guessed. Azimuths are those of fitted vectors (cos 2χ, sin 2χ), so that 179°
    and 1° meet at 0°; the model's has no part in them.

    Parameters
    ----------
    guess, model : Atmosphere
        n pixels on the plan's depth axis.
    plan : Plan
        With at least one cycle.
    other_lines : bool
        Whether the guess is of a network that has seen lines of other strengths than the plan's: of its
        temperature no more than `FOREIGN_NODES` are kept.

    Returns
    -------
    Atmosphere
        n pixels; each depends on its own guess alone.
    """
    free = plan.cycles[-1].components[0]
    changed: dict[str, Floats] = {}
    for name in PLAIN:
        if count := getattr(free, name):
            if other_lines and name == "temperature":
                count = min(count, FOREIGN_NODES)
            matrix = projection(guess.log_tau, count)
            base = getattr(model, name)
            changed[name] = base + _apply(matrix, getattr(guess, name) - base)
    if free.azimuth:
        matrix = projection(guess.log_tau, free.azimuth)
        double = np.deg2rad(2.0 * guess.azimuth)
        cosine, sine = _apply(matrix, np.cos(double)), _apply(matrix, np.sin(double))
        changed["azimuth"] = np.rad2deg(np.arctan2(sine, cosine)) / 2.0 % 180.0
    return replace(guess, **changed)


def error_within(error: Atmosphere, guess: Atmosphere, brought: Atmosphere) -> Atmosphere:
    """1σ of a guess that was brought down to nodes: the network's, and what the nodes cannot follow.

    Parameters
    ----------
    error : Atmosphere
        The network's 1σ of n pixels, on its own nodes; linear between them, constant outside.
    guess, brought : Atmosphere
        n pixels on one depth axis: before and after `within_nodes`.

    Returns
    -------
    Atmosphere
        n pixels on that axis; scalars as they are.
    """
    unit = np.eye(error.n_depth)
    between = np.stack([np.interp(guess.log_tau, error.log_tau[::-1], row[::-1]) for row in unit], axis=1)
    scalars = {name: getattr(error, name) for name in SCALAR}
    values: dict[str, Floats] = {}
    for name in (*PLAIN, "azimuth"):
        missed = getattr(guess, name) - getattr(brought, name)
        if name == "azimuth":
            missed = (missed + 90.0) % 180.0 - 90.0
        values[name] = np.hypot(_apply(between, getattr(error, name)), missed)
    return Atmosphere(log_tau=guess.log_tau, **values, **scalars)


def projection(log_tau: Floats, n_node: int) -> Floats:
    """Weighted least-squares projection (n_depth, n_depth) onto what nodes can make of a depth axis."""
    weight = np.maximum(np.exp(-0.5 * ((log_tau - CENTRE) / WIDTH) ** 2), FLOOR)
    functions = cardinal_functions(log_tau, min(n_node, log_tau.size))
    normal = functions.T @ (weight[:, None] * functions)
    matrix: Floats = functions @ np.linalg.solve(normal, functions.T * weight)
    return matrix


def _apply(matrix: Floats, values: Floats) -> Floats:
    """Apply a projection to every pixel, summed node by node: no pixel depends on its tile."""
    total = np.zeros((len(values), len(matrix)))
    for node in range(matrix.shape[1]):
        total += values[:, node, None] * matrix[:, node]
    return total
