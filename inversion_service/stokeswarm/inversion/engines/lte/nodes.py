"""Nodes: how a few free numbers change a whole stratification, as in SIR.

A quantity with n nodes is perturbed at n equidistant points of the log τ axis, from the deepest to the
highest; between them the perturbation is interpolated. One node shifts the stratification, two tilt it
(Ruiz Cobo & del Toro Iniesta 1992, ApJ 398, 375, §2.3). The response function to a node is the sum of
those to the grid points it moves, weighted with its cardinal function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

Floats = npt.NDArray[np.float64]


def interpolation_matrix(log_tau: Floats, n_node: int) -> Floats:
    """Cardinal functions of equidistant nodes.

    Parameters
    ----------
    log_tau : ndarray (n_depth,) float64
        Decreasing.
    n_node : int
        1 … n_depth.

    Returns
    -------
    ndarray (n_depth, n_node) float64
        Perturbation of every depth for a unit perturbation of every node: constant for one node, linear for
        two, natural cubic splines for more.

    Raises
    ------
    ValueError
        n_node is not in 1 … n_depth.
    """
    n_depth = log_tau.size
    if not 1 <= n_node <= n_depth:
        raise ValueError(f"{n_node} nodes on {n_depth} depths")
    if n_node == 1:
        return np.ones((n_depth, 1))
    position = np.linspace(log_tau[-1], log_tau[0], n_node)
    if n_node == 2:
        upper = (log_tau - position[0]) / (position[1] - position[0])
        functions = np.stack([1.0 - upper, upper], axis=1)
    else:
        functions = CubicSpline(position, np.eye(n_node), bc_type="natural")(log_tau)
    return np.ascontiguousarray(functions[:, ::-1])
