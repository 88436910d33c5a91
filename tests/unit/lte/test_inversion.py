"""The inversion loop: its pieces, and that it finds what it synthesised."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, PlanError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import InvertRequest, ResponseRequest, SynthesizeRequest
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.plan import QUANTITIES, Cycle, Nodes, Plan, Region
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte import kernels, marquardt
from stokeswarm.inversion.engines.lte.cycle import OVERRULED
from stokeswarm.inversion.engines.lte.engine import LteEngine
from stokeswarm.inversion.engines.lte.nodes import interpolation_matrix
from stokeswarm.inversion.engines.lte.parameters import change_of, units
from stokeswarm.inversion.engines.lte.state import MICROTURBULENCE, Component

NOISE = 1e-3
FREE = Nodes(
    temperature=3,
    microturbulence=1,
    field_strength=1,
    velocity=2,
    inclination=1,
    azimuth=1,
    macroturbulence=True,
)


@pytest.fixture(scope="module")
def plan() -> Plan:
    region = instrument("hinode-sp").regions[0]
    small = Region(
        region.name, region.lines, region.start, region.start + 79 * region.step, region.step, region.psf
    )
    first = Nodes(temperature=1, field_strength=1, velocity=1, inclination=1, azimuth=1, macroturbulence=True)
    return Plan(
        name="test",
        regions=(small,),
        cycles=(Cycle((first,)), Cycle((FREE,))),
        depth_step=0.2,
        top_gas_pressure=(868.2,),
        noise=(NOISE,) * 4,
        reference=ContinuumReference.DISC_CENTRE,
    )


def atmosphere(plan: Plan, n_pixel: int = 1, **fields: float) -> Atmosphere:
    """A grey atmosphere with constant field and velocity."""
    one = np.ones((n_pixel, plan.n_depth))
    log_tau = plan.log_tau
    values = {
        "effective": 5800.0,
        "field_strength": 800.0,
        "velocity": 0.5,
        "inclination": 60.0,
        "azimuth": 70.0,
        "microturbulence": 1.0,
        "macroturbulence": 1.0,
    } | fields
    temperature = values.pop("effective") * (0.75 * (10.0**log_tau + 0.6)) ** 0.25
    vmac = values.pop("macroturbulence")
    return Atmosphere(
        log_tau=log_tau,
        temperature=temperature * one,
        **{name: value * one for name, value in values.items()},
        macroturbulence=np.full(n_pixel, vmac),
        filling_factor=np.ones(n_pixel),
        stray_light=np.zeros(n_pixel),
    )


def synthesize(plan: Plan, *models: Atmosphere, stray: np.ndarray | None = None) -> np.ndarray:
    request = SynthesizeRequest(
        "lte", plan, models, np.arange(len(models[0])), plan.wavelength, stray_light_profile=stray
    )
    result = LteEngine().prepare_synthesis(request).run(range(len(models[0])), Slot())
    assert set(result.status) == {Status.OK}
    return result.stokes


def request_for(plan: Plan, stokes: np.ndarray, start: Atmosphere, **options: object) -> InvertRequest:
    spectra = Spectra(plan.wavelength, stokes.astype(np.float32), ContinuumReference.DISC_CENTRE)
    pixel = np.arange(len(stokes))
    return InvertRequest("lte", plan, spectra, pixel, (start,), **options)  # type: ignore[arg-type]


def invert(request: InvertRequest, slot: Slot | None = None):  # type: ignore[no-untyped-def]
    return LteEngine().prepare_inversion(request).run(range(len(request)), slot or Slot())


#: a network's errors where it knows the Sun well
SMALL = {"temperature": 30.0, "field_strength": 20.0, "velocity": 0.05, "inclination": 2.0, "azimuth": 2.0}


def errors(log_tau: np.ndarray, n_pixel: int = 1, **known: float) -> Atmosphere:
    """1σ of a start; NaN where it is not said."""
    part = Atmosphere.full(n_pixel, log_tau, pressures=False)
    shape = {
        name: (n_pixel,) if name in SCALAR else (n_pixel, log_tau.size) for name in (*STRATIFIED, *SCALAR)
    }
    return replace(part, **{name: np.full(shape[name], value) for name, value in known.items()})


@pytest.mark.parametrize("n_node", [1, 2, 3, 5, 14])
def test_node_functions_are_cardinal_and_reproduce_straight_lines(n_node: int) -> None:
    log_tau = np.linspace(1.2, -4.0, 53)
    functions = interpolation_matrix(log_tau, n_node)
    step = 52 // (n_node - 1) if n_node > 1 else 52
    if n_node > 1:
        np.testing.assert_allclose(functions[::step], np.eye(n_node), atol=1e-12)
        np.testing.assert_allclose(functions @ log_tau[::step], log_tau, atol=1e-12)
    np.testing.assert_allclose(functions.sum(axis=1), 1.0, atol=1e-12)


def test_more_nodes_than_depths_are_refused() -> None:
    with pytest.raises(ValueError, match="6 nodes on 5 depths"):
        interpolation_matrix(np.linspace(1.0, -3.0, 5), 6)


def test_kernels_agree_with_matrix_algebra() -> None:
    rng = np.random.default_rng(1)
    response, functions = rng.normal(size=(9, 4, 7)), rng.normal(size=(9, 3))
    out = np.zeros((3, 4, 7))
    kernels.project(response, functions, out)
    np.testing.assert_allclose(out, np.einsum("jk,jsw->ksw", functions, response), rtol=1e-12)
    operator = rng.normal(size=(5, 5))
    convolved = np.zeros_like(out)
    kernels.convolve(out, np.ascontiguousarray(operator.T), 2, 2, convolved)
    np.testing.assert_allclose(convolved[..., 2:], out[..., 2:] @ operator.T, rtol=1e-10)
    weight, residual = rng.uniform(size=(4, 7)), rng.normal(size=(4, 7))
    curvature, gradient = np.empty((3, 3)), np.empty(3)
    kernels.normal_equations(out, residual, weight, curvature, gradient)
    flat = out.reshape(3, -1)
    np.testing.assert_allclose(curvature, (flat * weight.ravel()) @ flat.T, rtol=1e-12)
    np.testing.assert_allclose(gradient, (flat * weight.ravel()) @ residual.ravel(), rtol=1e-12)


def test_a_secant_makes_the_jacobian_agree_with_a_step_and_changes_nothing_across_it() -> None:
    rng = np.random.default_rng(7)
    before, difference, change = rng.normal(size=(3, 4, 5)), rng.normal(size=(4, 5)), rng.normal(size=3)
    after = before.copy()
    kernels.secant(after, difference, change)
    np.testing.assert_allclose(np.tensordot(change, after, 1), difference, rtol=1e-10)
    across = np.cross(change, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(np.tensordot(across, after, 1), np.tensordot(across, before, 1), atol=1e-12)
    still = before.copy()
    kernels.secant(still, difference, np.zeros(3))
    np.testing.assert_array_equal(still, before)


def test_an_undamped_step_solves_the_linear_problem() -> None:
    rng = np.random.default_rng(2)
    jacobian = rng.normal(size=(40, 4))
    truth = np.array([0.5, -1.0, 2.0, 0.1])
    change, _ = marquardt.step(jacobian.T @ jacobian, jacobian.T @ (jacobian @ truth), 0.0, 0.0, 5.0)
    np.testing.assert_allclose(change, truth, rtol=1e-9)
    bounded, damping = marquardt.step(jacobian.T @ jacobian, jacobian.T @ (jacobian @ truth), 0.0, 0.0, 1.0)
    assert np.abs(bounded).max() <= 1.0
    assert damping > 0.0


def test_an_undetermined_combination_is_dropped_and_not_called_certain() -> None:
    direction = np.array([1.0, 1.0]) / np.sqrt(2.0)
    curvature = 100.0 * np.outer(direction, direction)
    change, _ = marquardt.step(curvature, curvature @ np.array([1.0, 0.0]), 0.0, 1e-6, 5.0)
    np.testing.assert_allclose(change, [0.5, 0.5], rtol=1e-6)
    assert marquardt.covariance(curvature, 1e-6)[0, 0] > 100.0 / 100.0


def test_turbulence_moves_in_its_square_and_keeps_a_response_at_small_values() -> None:
    values = np.ones((7, 3))
    values[MICROTURBULENCE] = [5e3, 5e4, 1e5]
    component = Component(values, *(np.ones(3),) * 3, 1.0, 1.0)
    tiny = 1e-6 * np.ones(3)
    np.testing.assert_allclose(
        change_of(component, MICROTURBULENCE, tiny),
        tiny * units(component, MICROTURBULENCE),
        rtol=1e-3,
    )
    fallen = change_of(component, MICROTURBULENCE, -1e6 * np.ones(3))
    np.testing.assert_allclose(values[MICROTURBULENCE] + fallen, 0.0)


def test_response_functions_are_those_of_the_observable(plan: Plan) -> None:
    """Against central differences of the synthesis, PSF and macroturbulence included."""
    model = atmosphere(plan)
    base = SynthesizeRequest("lte", plan, (model,), np.array([0]), plan.wavelength, hydrostatic=True)
    used = LteEngine().prepare_synthesis(base).run([0], Slot()).atmosphere[0]
    request = ResponseRequest("lte", plan, used, np.array([0]), plan.wavelength)
    result = LteEngine().prepare_response(request).run([0], Slot())
    depth = 12
    steps = {
        "microturbulence": 0.05,
        "field_strength": 20.0,
        "velocity": 0.05,
        "inclination": 1.0,
        "azimuth": 1.0,
    }
    for name, step in steps.items():
        shifted = []
        for sign in (1.0, -1.0):
            changed = used.arrays()[name].copy()
            changed[0, depth] += sign * step
            shifted.append(synthesize(plan, replace(used, **{name: changed}))[0].astype(np.float64))
        numerical = (shifted[0] - shifted[1]) / (2.0 * step)
        analytic = result.response[0, QUANTITIES.index(name), depth]
        scale = np.abs(numerical).max()
        assert np.abs(analytic - numerical).max() < 0.02 * scale + 2e-7 / step, name


def test_the_local_quiet_sun_is_the_unit_where_the_plan_says_so(plan: Plan) -> None:
    """Away from disc centre the same light is a larger fraction of the darker local continuum."""
    inclined = replace(plan, mu=0.6)
    local = replace(inclined, reference=ContinuumReference.LOCAL_QUIET_SUN)
    ratio = synthesize(inclined, atmosphere(plan)) / synthesize(local, atmosphere(plan))
    np.testing.assert_allclose(ratio[0, 0], limb_darkening(6301.5012, 0.6), rtol=1e-5)
    assert limb_darkening(6301.5012, 1.0) == pytest.approx(1.0, abs=1e-4)
    assert 0.72 < limb_darkening(6301.5012, 0.6) < 0.85
    assert limb_darkening(15648.0, 0.6) > limb_darkening(6301.5012, 0.6)


def test_it_finds_what_it_synthesised(plan: Plan) -> None:
    truth = atmosphere(
        plan, field_strength=1300.0, velocity=-0.8, inclination=110.0, azimuth=20.0, effective=5600.0
    )
    rng = np.random.default_rng(3)
    clean = synthesize(plan, truth)
    stokes = clean + rng.normal(scale=NOISE, size=clean.shape)
    result = invert(request_for(plan, stokes, atmosphere(plan)))
    assert result.status == (Status.OK,)
    assert 0.8 < result.chi2[0] < 1.2
    found = result.atmosphere[0]
    line = slice(10, 18)  # log τ −0.8 … −2.2, where the lines form
    assert np.abs(found.temperature - truth.temperature)[0, line].max() < 60.0
    np.testing.assert_allclose(found.field_strength[0, line], 1300.0, atol=25.0)
    np.testing.assert_allclose(found.velocity[0, line], -0.8, atol=0.05)
    np.testing.assert_allclose(found.inclination[0, 0], 110.0, atol=1.5)
    np.testing.assert_allclose(found.azimuth[0, 0], 20.0, atol=1.5)
    error = result.uncertainty[0]
    assert 0.0 < error.field_strength[0, 12] < 40.0
    assert abs(found.field_strength[0, 12] - 1300.0) < 5.0 * error.field_strength[0, 12]
    assert found.gas_pressure is not None
    assert found.gas_pressure[0, -1] == pytest.approx(868.2)


def test_a_start_of_the_other_polarity_and_azimuth_is_turned(plan: Plan) -> None:
    truth = atmosphere(plan, field_strength=1500.0, inclination=140.0, azimuth=120.0)
    stokes = synthesize(plan, truth)
    start = atmosphere(plan, field_strength=500.0, inclination=45.0, azimuth=20.0)
    found = invert(request_for(plan, stokes, start)).atmosphere[0]
    assert found.inclination[0, 0] == pytest.approx(140.0, abs=1.0)
    assert found.azimuth[0, 0] == pytest.approx(120.0, abs=1.0)


def test_an_umbra_is_reached_from_the_quiet_sun(plan: Plan) -> None:
    truth = atmosphere(plan, effective=4000.0, field_strength=2700.0, inclination=20.0)
    result = invert(request_for(plan, synthesize(plan, truth), atmosphere(plan, field_strength=500.0)))
    assert result.chi2[0] < 2.0
    assert result.atmosphere[0].field_strength[0, 12] == pytest.approx(2700.0, abs=60.0)


def test_a_good_start_keeps_what_the_profile_does_not_tell(plan: Plan) -> None:
    """High up, where noise would otherwise decide."""
    truth = atmosphere(plan, field_strength=60.0)
    rng = np.random.default_rng(8)
    clean = np.repeat(synthesize(plan, truth), 12, axis=0)
    stokes = clean + rng.normal(scale=NOISE, size=clean.shape)
    nodes = replace(FREE, field_strength=3, velocity=3)
    wide = plan.with_cycles((Cycle((nodes,)),))
    start = truth.take(np.zeros(12, np.int64))
    start = replace(start, velocity=start.velocity + 0.05, temperature=start.temperature + 20.0)
    known = errors(plan.log_tau, 12, **SMALL)
    free, held = (
        invert(request_for(wide, stokes, start, **options)) for options in ({}, {"start_error": (known,)})
    )
    top, line = -1, slice(10, 18)
    for name in ("field_strength", "velocity"):
        off = [np.abs(r.atmosphere[0].arrays()[name] - truth.arrays()[name][0]) for r in (free, held)]
        assert off[1][:, top].mean() < 0.6 * off[0][:, top].mean(), name
        assert off[1][:, line].mean() < 1.1 * off[0][:, line].mean(), name
    # More than that, and the data would have overruled it.
    assert (held.chi2 < (1.0 + OVERRULED) * free.chi2).all()


def test_a_start_that_is_sure_and_wrong_is_overruled(plan: Plan) -> None:
    truth = atmosphere(plan, field_strength=1500.0, velocity=0.5)
    start = atmosphere(plan, field_strength=700.0, velocity=-0.5)
    known = errors(plan.log_tau, field_strength=3.0, velocity=0.01, temperature=3.0)
    held = invert(request_for(plan, synthesize(plan, truth), start, cycles=(1,), start_error=(known,)))
    assert held.chi2[0] < 0.05
    assert held.atmosphere[0].field_strength[0, 12] == pytest.approx(1500.0, abs=30.0)
    assert held.atmosphere[0].velocity[0, 12] == pytest.approx(0.5, abs=0.03)


def test_errors_of_another_shape_or_sign_are_refused(plan: Plan) -> None:
    stokes = synthesize(plan, atmosphere(plan))
    one = errors(plan.log_tau, **SMALL)
    with pytest.raises(InvalidArgumentError, match="expected one for each of 1"):
        request_for(plan, stokes, atmosphere(plan), start_error=(one, one))
    with pytest.raises(InvalidArgumentError, match="start_error"):
        request_for(plan, stokes, atmosphere(plan), start_error=(errors(plan.log_tau, 2, **SMALL),))
    with pytest.raises(InvalidArgumentError, match="start_error: velocity: an error is negative"):
        request_for(plan, stokes, atmosphere(plan), start_error=(errors(plan.log_tau, velocity=-0.1),))


def test_a_guessed_field_that_meets_zero_stops_there_and_the_rest_goes_on(plan: Plan) -> None:
    """A gradient that the noise of a weak field asks for would take one end below zero."""
    truth = atmosphere(plan, field_strength=40.0, inclination=30.0)
    rng = np.random.default_rng(5)
    clean = np.repeat(synthesize(plan, truth), 8, axis=0)
    stokes = clean + rng.normal(scale=NOISE, size=clean.shape)
    graded = plan.with_cycles((Cycle((replace(FREE, field_strength=3),)),))
    start = atmosphere(plan, 8, field_strength=60.0, inclination=40.0, velocity=0.4)
    known = errors(plan.log_tau, 8, field_strength=60.0, velocity=0.2, temperature=60.0, inclination=20.0)
    result = invert(request_for(graded, stokes, start, start_error=(known,)))
    assert set(result.status) == {Status.OK}
    assert (result.chi2 < 1.3).all()
    assert result.atmosphere[0].field_strength.min() >= 0.0
    # Steps that are refused because the field cannot be negative make this 8.
    assert result.iterations.max() <= 4


def test_missing_samples_have_no_weight(plan: Plan) -> None:
    truth = atmosphere(plan, field_strength=1000.0)
    stokes = synthesize(plan, truth)
    damaged = stokes.copy()
    damaged[0, :, 20:24] = np.nan
    damaged[0, 2] = np.nan
    result = invert(request_for(plan, damaged, atmosphere(plan)))
    assert result.status == (Status.OK,)
    assert np.isfinite(result.fit).all()
    assert np.isnan(result.chi2_stokes[0, 2])
    assert result.atmosphere[0].field_strength[0, 12] == pytest.approx(1000.0, abs=10.0)


def test_a_pixel_without_weights_is_not_called_a_fit(plan: Plan) -> None:
    weights = np.zeros((4, plan.wavelength.size), np.float32)
    spectra = Spectra(
        plan.wavelength, synthesize(plan, atmosphere(plan)), ContinuumReference.DISC_CENTRE, weights
    )
    result = invert(InvertRequest("lte", plan, spectra, np.array([0]), (atmosphere(plan),)))
    assert result.status == (Status.INVALID_INPUT,)
    assert "weight" in result.message[0]
    assert np.isnan(result.chi2).all()


def test_a_result_depends_on_its_pixel_alone(plan: Plan) -> None:
    truth = Atmosphere.concatenate(
        [
            atmosphere(plan, field_strength=b, velocity=v)
            for b, v in ((300.0, 0.3), (900.0, -1.0), (1800.0, 2.0))
        ]
    )
    rng = np.random.default_rng(4)
    stokes = synthesize(plan, truth)
    stokes = stokes + rng.normal(scale=NOISE, size=stokes.shape)
    request = request_for(plan, stokes, atmosphere(plan, 3))
    job = LteEngine().prepare_inversion(request)
    together = job.run([0, 1, 2], Slot(0))
    backwards = [LteEngine().prepare_inversion(request).run([row], Slot(1)) for row in (2, 1, 0)]
    for row, alone in enumerate(reversed(backwards)):
        np.testing.assert_array_equal(alone.fit[0], together.fit[row])
        for name, values in alone.atmosphere[0].arrays().items():
            np.testing.assert_array_equal(values[0], together.atmosphere[0].arrays()[name][row], err_msg=name)


def test_only_the_cycles_asked_for_run_and_the_best_is_kept(plan: Plan) -> None:
    stokes = synthesize(plan, atmosphere(plan, field_strength=1200.0))
    result = invert(request_for(plan, stokes, atmosphere(plan), cycles=(1,)))
    assert result.cycles[0] == 0b10
    assert result.best_cycle[0] == 1
    perfect = invert(request_for(plan, stokes, atmosphere(plan, field_strength=1200.0)))
    assert perfect.chi2[0] < 0.01


def test_stray_light_and_its_fraction(plan: Plan) -> None:
    dark = synthesize(plan, atmosphere(plan, field_strength=1800.0, inclination=30.0))[0]
    quiet = synthesize(plan, atmosphere(plan, field_strength=1.0, velocity=0.0))[0]
    mixed = (0.8 * dark + 0.2 * quiet)[None]
    cycle = Cycle((FREE,), stray_light=True)
    request = request_for(
        plan.with_cycles((cycle,)), mixed, atmosphere(plan, field_strength=1500.0), stray_light_profile=quiet
    )
    found = invert(request).atmosphere[0]
    assert found.stray_light[0] == pytest.approx(0.2, abs=0.03)


def test_two_components_and_their_filling_factor(plan: Plan) -> None:
    cool = atmosphere(plan, effective=5200.0, field_strength=2000.0, inclination=20.0)
    hot = atmosphere(plan, effective=6000.0, field_strength=5.0, velocity=-1.0)
    mixture = (
        replace(cool, filling_factor=np.array([0.3])),
        replace(hot, filling_factor=np.array([0.7])),
    )
    stokes = synthesize(plan, *mixture)
    nodes = Nodes(temperature=1, field_strength=1, velocity=1)
    twofold = plan.with_cycles((Cycle((nodes, nodes), filling_factor=True),))
    starts = (
        replace(atmosphere(plan, effective=5300.0, field_strength=1700.0, inclination=20.0)),
        replace(
            atmosphere(plan, effective=5900.0, field_strength=5.0, velocity=-0.5),
            filling_factor=np.array([0.5]),
        ),
    )
    spectra = Spectra(plan.wavelength, stokes, ContinuumReference.DISC_CENTRE)
    result = invert(InvertRequest("lte", twofold, spectra, np.array([0]), starts))
    first, second = result.atmosphere
    assert first.filling_factor[0] + second.filling_factor[0] == pytest.approx(1.0)
    assert second.filling_factor[0] == pytest.approx(0.7, abs=0.05)
    assert first.field_strength[0, 12] == pytest.approx(2000.0, abs=80.0)


def test_an_impossible_start_fails_with_its_reason_and_without_numbers(plan: Plan) -> None:
    stokes = synthesize(plan, atmosphere(plan))
    start = atmosphere(plan)
    cold = replace(start, temperature=np.full_like(start.temperature, 1.0))
    result = invert(request_for(plan, stokes, cold))
    assert result.status == (Status.ENGINE_FAILED,)
    assert "start cannot be synthesised" in result.message[0]
    assert np.isnan(result.fit).all()
    assert np.isnan(result.atmosphere[0].temperature).all()


def test_a_pixel_out_of_time_or_cancelled_ends_as_such(plan: Plan) -> None:
    request = request_for(plan, synthesize(plan, atmosphere(plan)), atmosphere(plan, field_strength=300.0))
    late = invert(request, Slot(deadline=time.monotonic() - 1.0))
    assert late.status == (Status.TIMEOUT,)
    assert "300 s" in late.message[0]
    assert np.isnan(late.chi2).all()
    assert invert(request, Slot(cancelled=lambda: True)).status == (Status.NO_OUTPUT,)


def test_every_cycle_is_returned_where_asked(plan: Plan) -> None:
    stokes = synthesize(plan, atmosphere(plan))
    start = atmosphere(plan, effective=5600.0, field_strength=500.0)
    one = invert(request_for(plan, stokes, start))
    assert one.by_cycle == ()
    result = invert(request_for(plan, stokes, start, all_cycles=True))
    assert [part.cycle for part in result.by_cycle] == [0, 1]
    best = result.by_cycle[int(result.best_cycle[0])]
    np.testing.assert_array_equal(best.fit, result.fit)
    np.testing.assert_array_equal(best.atmosphere[0].temperature, result.atmosphere[0].temperature)
    assert best.chi2[0] == result.chi2[0] == one.chi2[0]
    alone = invert(request_for(plan, stokes, start, all_cycles=True, cycles=(0,)))
    np.testing.assert_array_equal(alone.by_cycle[0].fit, result.by_cycle[0].fit)


def test_what_the_engine_would_pass_over_is_refused(plan: Plan) -> None:
    stokes = np.ones((1, 4, plan.wavelength.size), np.float32)
    for changed, reason in (
        (replace(plan, vacuum=True), "in vacuum"),
        (replace(plan, options={"lte.speed": "11"}), "option lte.speed"),
    ):
        with pytest.raises(PlanError, match=reason):
            LteEngine().prepare_inversion(request_for(changed, stokes, atmosphere(plan)))
    other = replace(plan, options={"sir.interpolation": "linear"})
    LteEngine().prepare_inversion(request_for(other, stokes, atmosphere(plan)))


def test_a_fit_that_needs_no_further_step_has_converged(plan: Plan) -> None:
    truth = atmosphere(plan)
    noise = 1e-3 * np.random.default_rng(3).standard_normal((12, 4, plan.wavelength.size))
    stokes = (np.repeat(synthesize(plan, truth), 12, axis=0) + noise).astype(np.float32)
    start = replace(truth, temperature=truth.temperature + 40.0, velocity=truth.velocity + 0.1)
    start = start.take(np.zeros(12, dtype=np.int64))
    result = invert(request_for(plan, stokes, start, cycles=(1,)))
    assert result.status == (Status.OK,) * 12
    assert (result.iterations < plan.max_iterations / 2).all()
