"""The engine over a script in DeSIRe's place: slots, links, verdicts. The real code is in tests/external."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import FailedPreconditionError, PlanError, UnsupportedError
from stokeswarm.contract.inversion import ResponseRequest, SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.desire.engine import DesireEngine

from .conftest import VARIABLE

NLTE = {"desire.nlte_threshold": "0.", "rh.N_MAX_ITER": "2"}


@pytest.fixture
def engine(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DesireEngine]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(scratch))
    made = DesireEngine(VARIABLE, "desire", environment)
    yield made
    made.close()
    assert not list(scratch.rglob("pixel"))


def atmosphere(plan: Plan, **more: np.ndarray) -> Atmosphere:
    log_tau = plan.log_tau
    one = np.ones((1, log_tau.size))
    return Atmosphere(
        log_tau=log_tau,
        temperature=6000.0 + 1000.0 * log_tau[None],
        microturbulence=one,
        field_strength=100.0 * one,
        velocity=0.0 * one,
        inclination=45.0 * one,
        azimuth=45.0 * one,
        macroturbulence=np.zeros(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
        **more,
    )


def synthesis(engine: DesireEngine, plan: Plan, **more: object) -> SynthesizeResults:
    part = atmosphere(plan, electron_pressure=np.full((1, plan.n_depth), 10.0))
    request = SynthesizeRequest("desire", plan, (part,), np.array([5]), plan.wavelength, **more)
    return engine.prepare_synthesis(request).run([0], Slot())


def test_info_names_the_data(engine: DesireEngine) -> None:
    info = engine.info()
    assert info.version.startswith("DeSIRe 9.87, var ")
    assert len(info.digest) == 64
    assert (info.inverts, info.synthesizes, info.responds) == (True, True, False)


def test_the_self_test_wants_an_absorption_line(engine: DesireEngine) -> None:
    """The script's profile is flat."""
    with pytest.raises(FailedPreconditionError, match="absorption line"):
        engine.warm_up()


def test_an_lte_synthesis_sees_no_var(engine: DesireEngine, plan: Plan, tmp_path: Path) -> None:
    made = synthesis(engine, plan)
    assert made.status == (Status.OK,)
    np.testing.assert_allclose(made.stokes[0, 0], 0.9)
    assert not list((tmp_path / "scratch").rglob("var"))


def test_an_nlte_synthesis_runs_two_levels_below_var(
    engine: DesireEngine, plan: Plan, root: Path, tmp_path: Path
) -> None:
    made = synthesis(engine, replace(plan, options={**NLTE, "rh.ITER_LIMIT": "1e-2"}))
    assert made.status == (Status.OK,), made.message
    (link,) = (tmp_path / "scratch").rglob("var")
    assert link.is_symlink()
    assert link.resolve() == (root / "var").resolve()
    assert (link.parent / "run" / "pixel" / "run.trol").exists()


def test_no_convergence_is_a_status(engine: DesireEngine, plan: Plan) -> None:
    made = synthesis(engine, replace(plan, options={**NLTE, "rh.ITER_LIMIT": "1e-4"}))
    assert made.status == (Status.NOT_CONVERGED,)
    assert "1.0e-03" in made.message[0]
    assert np.isfinite(made.stokes).all()


def test_pressures_of_desires_own_equilibrium_are_unknown(engine: DesireEngine, plan: Plan) -> None:
    given = synthesis(engine, plan).atmosphere[0]
    np.testing.assert_array_equal(given.electron_pressure, 10.0)
    own = synthesis(engine, replace(plan, options={"desire.hydrostatic": "true"})).atmosphere[0]
    assert np.isnan(own.electron_pressure).all()


def test_rh_gets_whole_models(engine: DesireEngine, plan: Plan, tmp_path: Path) -> None:
    """With an electron pressure alone, height, gas pressure and density are those of equilibrium."""
    synthesis(engine, replace(plan, options=NLTE))
    (model,) = (tmp_path / "scratch").rglob("g.mod")
    columns = np.loadtxt(model, skiprows=1).T
    np.testing.assert_array_equal(columns[2], 10.0)
    assert (columns[9:] > 0.0).all()


def test_si_intensities_become_the_contracts(engine: DesireEngine, plan: Plan) -> None:
    made = synthesis(engine, replace(plan, options={"desire.units": "spc"}))
    # the script wrote 0.9 as if it were W m⁻² sr⁻¹ Hz⁻¹
    assert 1e7 < made.stokes[0, 0].min() < 1e8


def test_nlte_off_centre_is_refused(engine: DesireEngine, plan: Plan) -> None:
    with pytest.raises(PlanError, match="line_of_sight"):
        synthesis(engine, replace(plan, options=NLTE), mu=np.array([0.5]))
    assert synthesis(engine, plan, mu=np.array([0.5])).status == (Status.OK,)


def test_limits_of_the_build(engine: DesireEngine, plan: Plan) -> None:
    with pytest.raises(PlanError, match="depth"):
        synthesis(engine, replace(plan, depth_step=0.04))
    fine = replace(plan.regions[0], step=0.0004)
    with pytest.raises(PlanError, match="2000"):
        synthesis(engine, replace(plan, regions=(fine,)))
    many = replace(plan.regions[0], lines=plan.regions[0].lines * 26)
    with pytest.raises(PlanError, match="25"):
        synthesis(engine, replace(plan, regions=(many,)))


def test_response_functions_are_refused(engine: DesireEngine, plan: Plan) -> None:
    request = ResponseRequest("desire", plan, atmosphere(plan), np.array([0]), plan.wavelength)
    with pytest.raises(UnsupportedError):
        engine.prepare_response(request)
