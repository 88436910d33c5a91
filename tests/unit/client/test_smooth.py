"""A guess is brought down to what the plan's nodes could have made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.client.smooth import cardinal_functions, projection, smoothed, within_nodes
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.inversion.engines.lte.nodes import interpolation_matrix

NODES = np.array([1.2, 0.6, 0.2, -0.2, -0.6, -1.0, -1.5, -2.0, -2.8, -4.0])


def guess(n_pixel: int = 3) -> Atmosphere:
    rng = np.random.default_rng(5)
    atmosphere = Atmosphere.full(n_pixel, NODES, 1.0, pressures=False)
    return replace(
        atmosphere,
        temperature=5000.0 + rng.normal(size=(n_pixel, 10)),
        field_strength=1000.0 + 100.0 * NODES + rng.normal(scale=50.0, size=(n_pixel, 10)),
        velocity=rng.normal(size=(n_pixel, 10)),
        azimuth=np.array([[178.0, 2.0] * 5] * n_pixel),
    )


def plan(**nodes: int) -> Plan:
    return Plan("test", instrument("hinode-sp").regions, (Cycle((Nodes(temperature=5, **nodes),)),))


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_polynomial_stays_itself(degree: int) -> None:
    values = sum((k + 1.0) * NODES**k for k in range(degree + 1))
    np.testing.assert_allclose(projection(NODES, degree) @ values, values, rtol=1e-9, atol=1e-9)


def test_each_quantity_gets_the_freedom_of_its_nodes() -> None:
    raw = guess()
    result = smoothed(raw, plan(field_strength=2, inclination=1, azimuth=1))
    slope = np.diff(result.field_strength, axis=1) / np.diff(NODES)
    np.testing.assert_allclose(slope, slope[:, :1] * np.ones(9), rtol=1e-8)
    np.testing.assert_array_equal(result.temperature, raw.temperature)
    np.testing.assert_array_equal(result.velocity, raw.velocity)
    assert np.ptp(result.azimuth % 180.0) < 1e-9
    assert min(result.azimuth[0, 0], 180.0 - result.azimuth[0, 0]) < 2.0


def test_a_pixel_does_not_depend_on_its_neighbours() -> None:
    freedom = plan(field_strength=3, velocity=3, inclination=1, azimuth=1, microturbulence=1)
    together = smoothed(guess(), freedom)
    alone = smoothed(guess().take([1]), freedom)
    for name, values in alone.arrays().items():
        np.testing.assert_array_equal(values[0], together.arrays()[name][1], err_msg=name)


@pytest.mark.parametrize("n_node", [1, 2, 3, 5, 7])
def test_cardinal_functions_are_those_of_the_engine(n_node: int) -> None:
    axis = 1.2 - 0.1 * np.arange(53)
    np.testing.assert_allclose(
        cardinal_functions(axis, n_node), interpolation_matrix(axis, n_node), rtol=0, atol=1e-12
    )


def test_what_nodes_can_make_of_the_model_stays_and_nothing_else() -> None:
    axis = 1.2 - 0.1 * np.arange(53)
    model = 6000.0 + 400.0 * axis + 60.0 * np.sin(9.0 * axis)
    nodes = np.array([[300.0, -200.0, 100.0, 400.0, -50.0], [0.0, 0.0, 50.0, 0.0, 0.0]])
    wanted = model + nodes @ cardinal_functions(axis, 5).T
    np.testing.assert_allclose(within_nodes(wanted, np.tile(model, (2, 1)), axis, 5), wanted, rtol=1e-10)
    wiggly = wanted + 80.0 * np.cos(12.0 * axis)
    found = within_nodes(wiggly, np.tile(model, (2, 1)), axis, 5)
    line_forming = (axis < 0.2) & (axis > -2.5)
    assert np.abs(found - wanted)[:, line_forming].max() < 30.0
