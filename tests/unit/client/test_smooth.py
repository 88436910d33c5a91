"""A guess is brought down to what the plan's nodes could have made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.client.smooth import cardinal_functions, error_within, within_nodes
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.inversion.engines.lte.nodes import interpolation_matrix

AXIS = np.round(1.2 - 0.1 * np.arange(53), 6)
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


def on_axis(nodes: Atmosphere) -> Atmosphere:
    """The guess between its nodes, angles as they are."""
    return nodes.resample(AXIS)


def constant(n_pixel: int = 3) -> Atmosphere:
    """A model without structure."""
    return replace(
        Atmosphere.full(n_pixel, AXIS, 1.0, pressures=False), temperature=np.full((n_pixel, 53), 5000.0)
    )


def test_each_quantity_gets_the_freedom_of_its_nodes() -> None:
    raw, model = on_axis(guess()), constant()
    freedom = plan(field_strength=2, inclination=1, azimuth=1)
    result = within_nodes(raw, model, freedom)
    slope = np.diff(result.field_strength, axis=1) / np.diff(AXIS)
    np.testing.assert_allclose(slope, slope[:, :1] * np.ones(AXIS.size - 1), rtol=1e-7)
    np.testing.assert_array_equal(result.velocity, raw.velocity)
    assert np.ptp(result.inclination, axis=1).max() < 1e-9
    assert np.ptp(result.azimuth % 180.0) < 1e-9
    assert min(result.azimuth[0, 0], 180.0 - result.azimuth[0, 0]) < 2.0


def test_of_a_network_of_other_lines_the_level_and_the_slope_of_the_temperature_are_kept() -> None:
    raw, model = on_axis(guess()), constant()
    freedom = plan(field_strength=3)
    result = within_nodes(raw, model, freedom, other_lines=True)
    slope = np.diff(result.temperature, axis=1) / np.diff(AXIS)
    np.testing.assert_allclose(slope, slope[:, :1] * np.ones(AXIS.size - 1), atol=1e-7)
    usual = within_nodes(raw, model, freedom)
    assert np.abs(usual.temperature - result.temperature).max() > 0.1
    np.testing.assert_array_equal(result.field_strength, usual.field_strength)


def test_a_models_own_structure_stays() -> None:
    model = replace(constant(), field_strength=700.0 + 300.0 * np.sin(AXIS) * np.ones((3, 1)))
    shifted = replace(on_axis(guess()), field_strength=model.field_strength + 120.0)
    result = within_nodes(shifted, model, plan(field_strength=1))
    np.testing.assert_allclose(result.field_strength, shifted.field_strength, rtol=1e-10)


def test_a_pixel_does_not_depend_on_its_neighbours() -> None:
    freedom = plan(field_strength=3, velocity=3, inclination=1, azimuth=1, microturbulence=1)
    raw, model = on_axis(guess()), constant()
    together, alone = within_nodes(raw, model, freedom), within_nodes(raw.take([1]), model.take([1]), freedom)
    for name, values in alone.arrays().items():
        np.testing.assert_array_equal(values[0], together.arrays()[name][1], err_msg=name)


def test_an_error_holds_what_the_nodes_cannot_follow() -> None:
    raw = on_axis(guess())
    raw = replace(raw, azimuth=np.full_like(raw.azimuth, 179.0))
    brought = replace(raw, velocity=raw.velocity + 0.4, azimuth=np.full_like(raw.azimuth, 2.0))
    claimed = replace(
        Atmosphere.full(3, NODES, 0.3, pressures=False),
        temperature=np.linspace(20.0, 200.0, 10) * np.ones((3, 1)),
        macroturbulence=np.array([0.1, np.nan, 0.2]),
    )
    error = error_within(claimed, raw, brought)
    np.testing.assert_array_equal(error.log_tau, AXIS)
    np.testing.assert_allclose(error.velocity, 0.5)
    np.testing.assert_allclose(error.azimuth, np.hypot(0.3, 3.0))
    at = [int(np.abs(AXIS - tau).argmin()) for tau in (1.2, -1.0, -4.0)]
    np.testing.assert_allclose(error.temperature[0, at], [20.0, 120.0, 200.0])
    assert (np.diff(error.temperature[0]) >= 0.0).all()
    np.testing.assert_array_equal(error.macroturbulence, claimed.macroturbulence)
    assert error.electron_pressure is None


@pytest.mark.parametrize("n_node", [1, 2, 3, 5, 7])
def test_cardinal_functions_are_those_of_the_engine(n_node: int) -> None:
    axis = 1.2 - 0.1 * np.arange(53)
    np.testing.assert_allclose(
        cardinal_functions(axis, n_node), interpolation_matrix(axis, n_node), rtol=0, atol=1e-12
    )


def test_what_nodes_can_make_of_the_model_stays_and_nothing_else() -> None:
    shape = 6000.0 + 400.0 * AXIS + 60.0 * np.sin(9.0 * AXIS)
    model = replace(constant(2), temperature=np.tile(shape, (2, 1)))
    nodes = np.array([[300.0, -200.0, 100.0, 400.0, -50.0], [0.0, 0.0, 50.0, 0.0, 0.0]])
    wanted = replace(model, temperature=shape + nodes @ cardinal_functions(AXIS, 5).T)
    found = within_nodes(wanted, model, plan())
    np.testing.assert_allclose(found.temperature, wanted.temperature, rtol=1e-10)
    wiggly = replace(wanted, temperature=wanted.temperature + 80.0 * np.cos(12.0 * AXIS))
    found = within_nodes(wiggly, model, plan())
    line_forming = (AXIS < 0.2) & (AXIS > -2.5)
    assert np.abs(found.temperature - wanted.temperature)[:, line_forming].max() < 30.0
