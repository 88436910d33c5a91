"""A filtergraph's few points come from a finely computed profile, a spectrograph's from their own axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.instrument import FE_6302, gaussian_psf, instrument
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.plan import Cycle, Nodes, Plan, Region
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.coarse import COARSE
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte.engine import LteEngine
from stokeswarm.inversion.engines.lte.evaluate import Evaluator, Model
from stokeswarm.inversion.engines.lte.parameters import Layout
from stokeswarm.inversion.engines.lte.sampling import sampling
from stokeswarm.inversion.engines.lte.state import Component, component_values

PSF = gaussian_psf(80.0, 5.0)
POINTS = FE_6302.wavelength + 1e-3 * np.array([-300.0, -140.0, -70.0, 0.0, 70.0, 140.0])


def region(psf=PSF) -> Region:
    return Region("points", (FE_6302,), POINTS[0], POINTS[-1], psf=psf)


def atmosphere(velocity: float = 0.0, vmac: float = 1.0) -> Atmosphere:
    log_tau = np.round(1.2 - 0.1 * np.arange(53), 6)
    one = np.ones((1, 53))
    return Atmosphere(
        log_tau=log_tau,
        temperature=5800.0 * (0.75 * (10.0**log_tau + 0.6)) ** 0.25 * one,
        microturbulence=one,
        field_strength=1000.0 * one,
        velocity=velocity * one,
        inclination=50.0 * one,
        azimuth=30.0 * one,
        macroturbulence=np.full(1, vmac),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )


def profile(where: Region, wavelength: np.ndarray, model: Atmosphere) -> np.ndarray:
    plan = Plan("sampling", (where,), reference=ContinuumReference.DISC_CENTRE)
    request = SynthesizeRequest("lte", plan, (model,), np.array([0]), wavelength, hydrostatic=True)
    made = LteEngine().prepare_synthesis(request).run([0], Slot())
    assert made.status == (Status.OK,)
    return made.stokes[0].astype(float)


def test_a_spectrograph_is_computed_on_its_own_samples() -> None:
    own = instrument("hinode-sp").regions[0]
    made = sampling(own, own.grid())
    np.testing.assert_array_equal(made.axis, own.grid())
    assert made.operator is not None
    assert made.operator.shape == (112, 112)
    assert sampling(replace(own, psf=None), own.grid()).operator is None


@pytest.mark.parametrize("psf", [PSF, None], ids=["filter", "bare"])
def test_points_are_what_a_fine_convolution_gives_there(psf) -> None:
    """Against the same line on a wide, fine axis that is convolved as a whole."""
    model = atmosphere(velocity=0.7)
    wide = Region("wide", (FE_6302,), POINTS[0] - 1.0, POINTS[-1] + 1.0, 0.005, psf)
    axis = wide.grid()
    fine = profile(wide, axis, model)
    expected = np.array([np.interp(POINTS, axis, stokes) for stokes in fine])
    found = profile(region(psf), POINTS, model)
    np.testing.assert_allclose(found, expected, atol=3e-4)


def test_a_symmetric_filter_leaves_a_line_where_it_was() -> None:
    points = FE_6302.wavelength + 1e-3 * np.array([-140.0, -70.0, 0.0, 70.0, 140.0])
    own = Region("points", (FE_6302,), points[0], points[-1], psf=PSF)
    intensity, _, _, circular = profile(own, points, atmosphere())
    np.testing.assert_allclose(intensity, intensity[::-1], atol=2e-4)
    np.testing.assert_allclose(circular, -circular[::-1], atol=2e-4)


def test_derivatives_on_the_points_are_those_of_the_points() -> None:
    nodes = Nodes(temperature=2, velocity=1, field_strength=1, macroturbulence=True)
    plan = Plan("points", (region(),), (Cycle((nodes,)),), reference=ContinuumReference.DISC_CENTRE)
    model = atmosphere(velocity=0.4)
    evaluator = Evaluator(plan, POINTS, model.log_tau)
    values = component_values(model, 0)
    values[1] = 1.0
    unknown = np.full(53, np.nan)
    component = evaluator.in_equilibrium(Component(values, unknown, unknown, unknown, 868.2, 1.0), 1.0)
    start = Model((component,), 0.0, 0.0)
    layout = Layout.of(plan.cycles[0], model.log_tau, False)
    workspace = evaluator.workspace()
    base, jacobian = evaluator.profile_and_jacobian(start, layout, None, 1.0, workspace)
    assert base.shape == (4, 6)
    assert jacobian.shape == (layout.n_free, 4, 6)
    np.testing.assert_allclose(base, evaluator.profile(start, None, 1.0, workspace), atol=1e-12)
    # the macroturbulence is the last parameter: against a difference of two profiles
    step = 1e-3
    moved = Model((replace(component, macroturbulence=1.0 + step),), 0.0, 0.0)
    slope = (evaluator.profile(moved, None, 1.0, workspace) - base) / step
    found = jacobian[-1] / np.abs(jacobian[-1]).max()
    np.testing.assert_allclose(found, slope / np.abs(slope).max(), atol=0.01)


def test_a_coarse_region_with_a_gap_is_refused_by_name() -> None:
    axis = 6302.0 + np.array([0.0, 40.0, 100.0])
    with pytest.raises(PlanError, match=r"region 'far'.*split it at its gaps"):
        sampling(Region("far", (FE_6302,), 6302.0, 6402.0), axis)
    assert axis.mean() / np.diff(axis).max() < COARSE
