"""Noise and weights in SIR's terms."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Cycle
from stokeswarm.inversion.engines.sir.weighting import weighting


def test_noise_per_stokes_parameter_becomes_weights(cases: ModuleType) -> None:
    plan = cases.plan(noise=(1e-3, 5e-4, 1e-3, 2e-3))
    cycles = (Cycle((cases.NODES,), weights=(1.0, 2.0, 2.0, 4.0)),)
    assert weighting(plan, cycles, None, 5).cycles == (pytest.approx((1.0, 8.0, 2.0, 1.0)),)


def test_equal_noise_leaves_the_cycles_weights(cases: ModuleType) -> None:
    cycles = (Cycle((cases.NODES,), weights=(1.0, 10.0, 10.0, 4.0)),)
    assert weighting(cases.plan(), cycles, None, 5).cycles == ((1.0, 10.0, 10.0, 4.0),)


def test_a_factor_that_is_constant_over_a_stokes_parameter_is_worked_in(cases: ModuleType) -> None:
    factors = np.ones((4, 5), np.float32)
    factors[3] = 9.0
    factors[:, 2] = 0.0
    found = weighting(cases.plan(), cases.plan().cycles, factors, 5)
    assert found.cycles == ((1.0, 1.0, 1.0, 9.0),)
    assert found.ignored[:, 2].all()
    assert found.ignored.sum() == 4


def test_a_stokes_parameter_without_weight_is_left_out(cases: ModuleType) -> None:
    factors = np.ones((4, 5), np.float32)
    factors[1:3] = 0.0
    found = weighting(cases.plan(), cases.plan().cycles, factors, 5)
    assert found.left_out(0) == (1, 2)


def test_weights_that_sir_cannot_express_are_refused(cases: ModuleType) -> None:
    factors = np.ones((4, 5), np.float32)
    factors[1, 3] = 2.0
    with pytest.raises(PlanError, match="weights of Stokes Q: found 1 to 2; SIR weighs"):
        weighting(cases.plan(), cases.plan().cycles, factors, 5)


def test_nothing_left_to_fit_is_refused(cases: ModuleType) -> None:
    cycles = (Cycle((cases.NODES,), weights=(0.0, 0.0, 0.0, 1.0)),)
    factors = np.ones((4, 5), np.float32)
    factors[3] = 0.0
    with pytest.raises(PlanError, match="cycle 1: no Stokes parameter has a weight"):
        weighting(cases.plan(), cycles, factors, 5)
