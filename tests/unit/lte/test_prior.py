"""What a start with errors adds to the merit function: units, circles, gaps and derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.inversion.engines.lte.evaluate import Model
from stokeswarm.inversion.engines.lte.parameters import UNITS, Layout
from stokeswarm.inversion.engines.lte.prior import CAUTION, Prior, StartError
from stokeswarm.inversion.engines.lte.state import (
    AZIMUTH,
    CM_PER_KM,
    FIELD_STRENGTH,
    MICROTURBULENCE,
    Component,
)

LOG_TAU = np.linspace(1.2, -4.0, 27)


def component(**changes: float) -> Component:
    values = np.ones((7, LOG_TAU.size)) * np.array([5500.0, 10.0, 1e5, 800.0, 5e4, 1.0, 0.1])[:, None]
    for name, value in changes.items():
        values[int(name[1:])] = value
    blank = np.full(LOG_TAU.size, np.nan)
    return Component(values, blank, blank, blank, 868.0, 1.5)


def model(**changes: float) -> Model:
    return Model((component(**changes),), 0.0, 0.0)


@pytest.fixture
def layout() -> Layout:
    nodes = Nodes(temperature=3, microturbulence=1, field_strength=2, azimuth=1, macroturbulence=True)
    return Layout.of(Cycle((nodes,)), LOG_TAU, has_stray_light=False)


def claimed(**values: float) -> tuple[StartError, ...]:
    rows = np.full((7, LOG_TAU.size), np.nan)
    for name, value in values.items():
        rows[int(name[1:])] = value
    return (StartError(rows, 0.3),)


def test_a_displacement_is_measured_in_claimed_errors(layout: Layout) -> None:
    prior = Prior.of(layout, model(), claimed(q0=50.0, q2=2e4, q3=40.0, q6=0.05))
    assert prior.cost(model()) == 0.0
    # by one claimed σ at both nodes of the field: (1 / CAUTION)² each
    assert prior.cost(model(q3=840.0)) == pytest.approx(2.0 / CAUTION**2)
    assert prior.cost(model(q0=5550.0)) == pytest.approx(3.0 / CAUTION**2)
    # turbulence moves in its square: exact for small displacements
    assert prior.cost(model(q2=1.002e5)) == pytest.approx((0.01 / CAUTION) ** 2, rel=5e-3)
    far = replace(model(), components=(replace(component(), macroturbulence=1.503),))
    assert prior.cost(far) == pytest.approx((0.01 / CAUTION) ** 2, rel=5e-3)


def test_azimuths_are_compared_around_the_circle(layout: Layout) -> None:
    prior = Prior.of(layout, model(), claimed(q6=0.05))
    assert prior.cost(model(q6=0.1 + np.pi)) == pytest.approx(0.0, abs=1e-20)
    assert prior.cost(model(q6=np.pi - 0.1)) == pytest.approx((0.2 / 0.05 / CAUTION) ** 2)


def test_what_is_not_known_is_free(layout: Layout) -> None:
    prior = Prior.of(layout, model(), claimed(q0=np.nan, q3=0.0))
    assert not prior.precision[:-1].any()
    assert prior.precision[-1] > 0.0
    assert prior.cost(model(q0=9000.0, q3=3000.0)) == 0.0


def test_the_normal_equations_get_the_derivatives_of_the_cost(layout: Layout) -> None:
    prior = Prior.of(layout, model(), claimed(q0=50.0, q2=2e4, q3=40.0, q6=0.05))
    at = model(q0=5600.0, q3=700.0, q6=0.3)
    curvature, gradient = np.zeros((layout.n_free, layout.n_free)), np.zeros(layout.n_free)
    prior.add(at, curvature, gradient)
    rows = layout.rows(FIELD_STRENGTH)
    step = 1e-3
    more, less = (
        prior.cost(model(q0=5600.0, q3=700.0 + sign * step * UNITS[FIELD_STRENGTH], q6=0.3))
        for sign in (1, -1)
    )
    assert -2.0 * gradient[rows].sum() == pytest.approx((more - less) / (2.0 * step), rel=1e-6)
    assert np.count_nonzero(curvature) == np.count_nonzero(np.diag(curvature)) == layout.n_free
    assert gradient[layout.rows(AZIMUTH)][0] < 0.0
    assert gradient[layout.rows(MICROTURBULENCE)][0] == 0.0


def test_velocities_of_errors_are_in_centimetres() -> None:
    """An error of 0.05 km/s is 5e3 cm/s inside, a tenth of a unit."""
    moving = Layout.of(Cycle((Nodes(velocity=1),)), LOG_TAU, has_stray_light=False)
    prior = Prior.of(moving, model(), claimed(q4=0.05 * CM_PER_KM))
    assert 1.0 / np.sqrt(prior.precision) == pytest.approx(0.1 * CAUTION)
