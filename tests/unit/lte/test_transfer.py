"""Formal solution against analytic solutions, and its sensitivities against differences."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.inversion.engines.lte import sensitivity, transfer

LN10 = np.log(10.0)


def grid(step: float) -> np.ndarray:
    return np.linspace(1.8, -6.0, round(7.8 / step) + 1)


def run(
    log_tau: np.ndarray, opacity: np.ndarray, source: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Emergent Stokes (4, n), and what the sensitivities need, for K (nd, 7, n) and S (nd,)."""
    n_depth, _, n = opacity.shape
    matrix = opacity * (10.0**log_tau * LN10)[:, None, None]
    stencil = np.empty((n_depth, 3))
    transfer.parabolic_stencil(log_tau, stencil)
    planck = np.empty((n_depth, 2))
    planck[:, 0] = source
    index = np.arange(n_depth)
    planck[:, 1] = (
        stencil[:, 0] * source[np.maximum(index - 1, 0)]
        + stencil[:, 1] * source
        + stencil[:, 2] * source[np.minimum(index + 1, n_depth - 1)]
    )
    state = np.zeros((n_depth, transfer.N_STATE, n))
    emergent = np.empty((4, n))
    transfer.solve(log_tau, matrix, planck, stencil, state, np.zeros((48, n)), emergent)
    return emergent, (matrix, planck, stencil, state)


def full_matrix(k: np.ndarray) -> np.ndarray:
    i, q, u, v, rq, ru, rv = k
    return np.array([[i, q, u, v], [q, i, rv, -ru], [u, -rv, i, rq], [v, ru, -rq, i]])


ELEMENTS = np.array([
    [1.0, 3.0, 12.0, 60.0],
    [0.0, 0.4, -2.0, 10.0],
    [0.0, -0.3, 3.0, -8.0],
    [0.0, 1.0, 5.0, 20.0],
    [0.0, 0.5, 4.0, -6.0],
    [0.0, 0.2, -3.0, 9.0],
    [0.0, -1.5, 6.0, 30.0],
])  # fmt: skip


def milne_eddington_error(step: float) -> np.ndarray:
    """Deviation from I = S0 e + S1 K⁻¹ e (Unno 1956, Rachkovsky 1962) for constant K and S = S0 + S1 τ."""
    log_tau = grid(step)
    opacity = np.repeat(ELEMENTS[None], log_tau.size, axis=0)
    emergent, _ = run(log_tau, opacity, 1.0 + 2.0 * 10.0**log_tau)
    error = np.empty((4, ELEMENTS.shape[1]))
    for i in range(ELEMENTS.shape[1]):
        exact = 2.0 * np.linalg.inv(full_matrix(ELEMENTS[:, i]))[:, 0] + [1.0, 0.0, 0.0, 0.0]
        error[:, i] = emergent[:, i] - exact
    return error


def test_milne_eddington_atmosphere() -> None:
    assert np.abs(milne_eddington_error(0.1)).max() < 2e-3
    assert np.abs(milne_eddington_error(0.05)).max() < 2e-4


def test_the_scheme_is_of_high_order() -> None:
    coarse, fine = np.abs(milne_eddington_error(0.1)).max(), np.abs(milne_eddington_error(0.05)).max()
    assert coarse / fine > 6.0


def test_an_isothermal_atmosphere_emits_the_planck_function() -> None:
    log_tau = grid(0.1)
    rng = np.random.default_rng(1)
    opacity = ELEMENTS[None] * rng.uniform(0.8, 1.2, (log_tau.size, 1, ELEMENTS.shape[1]))
    emergent, _ = run(log_tau, opacity, np.full(log_tau.size, 3.0))
    np.testing.assert_allclose(emergent[0], 3.0, rtol=1e-12)
    np.testing.assert_allclose(emergent[1:], 0.0, atol=1e-12)


def test_a_very_thick_line_forms_where_it_is_thin() -> None:
    """With K = 10⁶ only the highest layers matter, and nothing of the deep ones leaks upwards."""
    log_tau = grid(0.1)
    opacity = np.zeros((log_tau.size, 7, 1))
    opacity[:, 0] = 1.0e4
    emergent, parts = run(log_tau, opacity, 1.0 + 10.0**log_tau)
    assert emergent[0, 0] == pytest.approx(1.0 + 1.0e-4, rel=1e-5)
    to_matrix, to_source = sensitivities(log_tau, parts)
    deep = log_tau > -2.0
    assert np.all(to_source[deep] == 0.0)
    assert np.all(to_matrix[deep] == 0.0)


def sensitivities(log_tau: np.ndarray, parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives to E (nd, 4, 7, n) and to S (nd, 4, n) with the neighbours' stencils folded in."""
    matrix, planck, stencil, state = parts
    n_depth, _, n = matrix.shape
    transmission, pending = np.empty((4, 4, n)), np.empty((4, 4, n))
    sensitivity.start_sensitivity(transmission, pending)
    to_matrix, to_derivative = np.empty((n_depth, 4, 7, n)), np.empty((n_depth, 4, 7, n))
    to_source, to_slope = np.empty((n_depth, 4, n)), np.empty((n_depth, 4, n))
    work = np.zeros((48, n))
    for depth in range(n_depth - 1, -1, -1):
        sensitivity.sensitivity_at(
            depth, log_tau, matrix, planck, stencil, state, transmission, pending, work,
            to_matrix[depth], to_derivative[depth], to_source[depth], to_slope[depth],
        )  # fmt: skip
    total, source = to_matrix.copy(), to_source.copy()
    for depth in range(n_depth):
        for neighbour in range(max(depth - 1, 0), min(depth + 2, n_depth)):
            weight = stencil[neighbour, depth - neighbour + 1]
            total[depth] += weight * to_derivative[neighbour]
            source[depth] += weight * to_slope[neighbour]
    return total, source


@pytest.mark.parametrize("factor", [1.0, 40.0])
def test_sensitivities_are_the_derivatives_of_the_discrete_solution(factor: float) -> None:
    """The larger opacities restart the solution from the diffusion limit within the grid."""
    rng = np.random.default_rng(7)
    log_tau = np.sort(rng.uniform(-4.0, 1.3, 40))[::-1].copy()
    opacity = ELEMENTS[None] * rng.uniform(0.7, 1.3, (40, 7, ELEMENTS.shape[1]))
    opacity[:, 0] *= factor
    source = 1.0 + 10.0 ** (0.6 * log_tau) * rng.uniform(0.9, 1.1, 40)
    _, parts = run(log_tau, opacity, source)
    to_matrix, to_source = sensitivities(log_tau, parts)
    scale = 10.0**log_tau * LN10
    for depth in (0, 1, 2, 7, 15, 30, 38, 39):
        step = 1e-6
        changed = source.copy()
        changed[depth] += step
        above, _ = run(log_tau, opacity, changed)
        changed[depth] -= 2 * step
        below, _ = run(log_tau, opacity, changed)
        np.testing.assert_allclose(
            (above - below) / (2 * step), to_source[depth], atol=1e-7 * np.abs(to_source).max()
        )
        for element in range(7):
            step = 1e-5 * factor
            shifted = opacity.copy()
            shifted[depth, element] += step
            above, _ = run(log_tau, shifted, source)
            shifted[depth, element] -= 2 * step
            below, _ = run(log_tau, shifted, source)
            expected = to_matrix[depth, :, element] * scale[depth]
            size = np.abs(to_matrix * scale[:, None, None, None]).max()
            np.testing.assert_allclose((above - below) / (2 * step), expected, atol=2e-6 * size)


def test_inverse() -> None:
    rng = np.random.default_rng(3)
    matrices = rng.normal(size=(16, 9)) + 3.0 * np.eye(4).reshape(16, 1)
    inverse = np.empty((16, 9))
    transfer.invert4(matrices, inverse)
    for i in range(9):
        product = matrices[:, i].reshape(4, 4) @ inverse[:, i].reshape(4, 4)
        np.testing.assert_allclose(product, np.eye(4), atol=1e-10)


def test_parabolic_stencil_differentiates_parabolas_on_uneven_grids() -> None:
    x = np.array([1.0, 0.7, 0.65, 0.2, -0.5])
    stencil = np.empty((5, 3))
    transfer.parabolic_stencil(x, stencil)
    y = 2.0 - x + 3.0 * x**2
    for i in range(1, 4):
        assert stencil[i] @ y[i - 1 : i + 2] == pytest.approx(-1.0 + 6.0 * x[i])
