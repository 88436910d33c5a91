"""DeSIRe's silent failures, each through the engine: a pixel ends in its true status, with the reason.

By hand every one of these leaves files that look like a result, or ends with exit code 0, or both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import FailedPreconditionError, PlanError
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.sir_files import parse_model
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.desire.engine import DesireEngine

from .desire_by_hand import Shipped

pytestmark = pytest.mark.external

FIELD_FREE = Nodes(temperature=2, velocity=1)


@pytest.fixture(scope="module")
def shipped() -> Shipped:
    return Shipped.find()


@pytest.fixture(scope="module")
def engine(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DesireEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOKESWARM_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        made = DesireEngine()
    yield made
    made.close()


@pytest.fixture(scope="module")
def nlte(shipped: Shipped) -> Plan:
    """The first example's plan, for syntheses."""
    plan = load_control_file(shipped.root / "run/example/synthesis.dtrol").plan
    return replace(plan, options={**plan.options, "rh.ITER_LIMIT": "1e-2"})


@pytest.fixture(scope="module")
def lte(nlte: Plan) -> Plan:
    return changed(nlte, nlte_threshold="10.")


@pytest.fixture(scope="module")
def model(shipped: Shipped) -> Atmosphere:
    return parse_model((shipped.root / "run/example/observed.mod").read_text(), "observed.mod")


def changed(plan: Plan, **options: str) -> Plan:
    new = {f"desire.{key}": value for key, value in options.items()}
    return replace(plan, options={**plan.options, **new})


def synthesize(engine: DesireEngine, plan: Plan, *models: Atmosphere, **slot: float) -> SynthesizeResults:
    part = Atmosphere.concatenate(list(models))
    request = SynthesizeRequest("desire", plan, (part,), np.arange(len(models)), plan.wavelength)
    return engine.prepare_synthesis(request).run(range(len(models)), Slot(**slot))


def invert(engine: DesireEngine, plan: Plan, stokes: np.ndarray, *starts: Atmosphere) -> InvertResults:
    plan = plan.with_cycles(plan.cycles or (Cycle((FIELD_FREE,)),))
    n = len(starts)
    profiles = np.broadcast_to(stokes, (n, *stokes.shape[-2:]))
    request = InvertRequest(
        "desire",
        plan,
        Spectra(plan.wavelength, profiles, plan.reference),
        np.arange(n),
        (Atmosphere.concatenate(list(starts)),),
    )
    return engine.prepare_inversion(request).run(range(n), Slot())


def with_temperature(model: Atmosphere, value: float | np.ndarray) -> Atmosphere:
    return replace(model, temperature=np.broadcast_to(value, model.temperature.shape).copy())


@pytest.fixture(scope="module")
def observed(engine: DesireEngine, lte: Plan, model: Atmosphere) -> np.ndarray:
    made = synthesize(engine, lte, model)
    assert made.status == (Status.OK,)
    return made.stokes[0]


def failed(results: SynthesizeResults | InvertResults, *words: str) -> None:
    """One pixel that failed, saying why, with NaN instead of numbers."""
    assert results.status == (Status.ENGINE_FAILED,), results.message
    for word in words:
        assert word in results.message[0]
    profile = results.stokes if isinstance(results, SynthesizeResults) else results.fit
    assert np.isnan(profile).all()


# -- what DeSIRe's SIR side does ------------------------------------------------------------------


def test_a_terminating_error_ends_with_exit_code_0(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    broken = model.temperature.copy()
    broken[0, 5] = np.nan
    failed(invert(engine, lte, observed, with_temperature(model, broken)), "TERMINATING ERROR", "RTE")


def test_nan_is_written_as_a_profile(engine: DesireEngine, lte: Plan, model: Atmosphere) -> None:
    broken = model.temperature.copy()
    broken[0, 5] = np.nan
    failed(synthesize(engine, lte, with_temperature(model, broken)), "not finite")


def test_a_profile_of_zeros_is_called_a_fit(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    """By hand: exit code 0, the guess as the result, and χ² 1e8, 1e-8, 1e8."""
    failed(invert(engine, lte, np.zeros_like(observed), model), "χ² is 0")


def test_a_profile_of_nan_is_no_input(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    results = invert(engine, lte, np.full_like(observed, np.nan), model)
    assert results.status == (Status.INVALID_INPUT,)


def test_a_missing_sample_is_left_out(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    """By hand a NaN in the observed profile ends the run."""
    holes = observed.copy()
    holes[0, 3:6] = np.nan
    holes[3, 100] = np.nan
    results = invert(engine, lte, holes, with_temperature(model, model.temperature + 100.0))
    assert results.status[0].has_result, results.message
    assert np.isfinite(results.fit).all()


def test_a_field_of_zero_is_raised(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    """By hand the run ends: it is perturbed by factors."""
    plan = lte.with_cycles((Cycle((Nodes(temperature=2, field_strength=1, microturbulence=1),)),))
    zero = replace(
        model,
        field_strength=np.zeros_like(model.field_strength),
        microturbulence=np.zeros_like(model.microturbulence),
    )
    results = invert(engine, plan, observed, zero)
    assert results.status[0].has_result, results.message


def test_a_warm_start_is_a_result(
    engine: DesireEngine, lte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    """Where no step improves on the start DeSIRe's .chi says 1e8, as of a failure."""
    first = invert(engine, lte, observed, with_temperature(model, model.temperature + 100.0))
    again = invert(engine, lte, observed, first.atmosphere[0])
    assert first.status[0].has_result
    assert again.status[0].has_result, again.message
    assert again.chi2[0] <= 1.1 * first.chi2[0]


def test_what_one_pixel_leaves_is_not_the_next_ones(
    engine: DesireEngine, nlte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    """Hydrogen populations written after a cycle would be read with the next model of the same name."""
    plan = changed(nlte, final_evaluation="3")
    warm = with_temperature(model, model.temperature + 200.0)
    alone = invert(engine, plan, observed, model)
    after = invert(engine, plan, observed, warm, model)
    np.testing.assert_array_equal(after.fit[1], alone.fit[0])
    np.testing.assert_array_equal(after.atmosphere[0].temperature[1], alone.atmosphere[0].temperature[0])


def test_electron_pressures_are_kept(engine: DesireEngine, lte: Plan, model: Atmosphere) -> None:
    """By hand a synthesis silently imposes hydrostatic equilibrium."""
    more = replace(model, electron_pressure=1.3 * model.electron_pressure)
    own = changed(lte, hydrostatic="true")
    given = changed(lte, hydrostatic="false")
    kept = synthesize(engine, given, model, more).stokes
    imposed = synthesize(engine, own, model, more).stokes
    assert np.abs(kept[1] - kept[0]).max() > 5.0 * np.abs(imposed[1] - imposed[0]).max()


# -- what RH's side does --------------------------------------------------------------------------


def test_rh_does_not_say_that_it_did_not_converge(
    engine: DesireEngine, nlte: Plan, model: Atmosphere
) -> None:
    plan = replace(nlte, options={**nlte.options, "rh.N_MAX_ITER": "2", "rh.ITER_LIMIT": "1e-4"})
    made = synthesize(engine, plan, model)
    assert made.status == (Status.NOT_CONVERGED,)
    assert "after 2 iterations" in made.message[0]
    assert np.isfinite(made.stokes).all()


def test_an_inversion_that_did_not_converge(
    engine: DesireEngine, nlte: Plan, model: Atmosphere, observed: np.ndarray
) -> None:
    plan = replace(nlte, options={**nlte.options, "rh.N_MAX_ITER": "2", "rh.ITER_LIMIT": "1e-4"})
    results = invert(engine, plan, observed, model)
    assert results.status == (Status.NOT_CONVERGED,)
    assert "after 2 iterations" in results.message[0]


def test_rh_ends_with_exit_code_3(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    failed(synthesize(engine, nlte, with_temperature(model, 1000.0)), "TERMINATING")


def test_nan_kills_rh(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    broken = model.temperature.copy()
    broken[0, 5] = np.nan
    results = synthesize(engine, nlte, with_temperature(model, broken))
    assert results.status == (Status.ENGINE_FAILED,)
    assert np.isnan(results.stokes).all()


def test_an_unknown_keyword_is_not_passed_over(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    plan = replace(nlte, options={**nlte.options, "rh.ITER_LIMT": "1e-2"})
    with pytest.raises(PlanError, match="ITER_LIMIT"):
        synthesize(engine, plan, model)


def test_an_unknown_atom_is_found_before_the_run(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    with pytest.raises(PlanError, match="no such model"):
        synthesize(engine, replace(nlte, atoms=(AtomModel("CaII_NO", active=True),)), model)


def test_a_line_of_a_passive_atom_is_found_before_the_run(
    engine: DesireEngine, nlte: Plan, model: Atmosphere
) -> None:
    """By hand: TERMINATING ERROR, exit code 0."""
    passive = tuple(replace(atom, active=atom.name == "KI_fine") for atom in nlte.atoms)
    with pytest.raises(PlanError, match="no active atom of Ca"):
        synthesize(engine, replace(nlte, atoms=passive), model)


def test_positions_do_not_matter_to_desire(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    """By hand a warning, and the numbers of disc centre: the plan has to say that this is meant."""
    off = replace(nlte, mu=0.6)
    with pytest.raises(PlanError, match="line_of_sight"):
        synthesize(engine, off, model)
    meant = synthesize(engine, changed(off, line_of_sight="true"), model)
    assert meant.status == (Status.OK,)
    np.testing.assert_array_equal(meant.stokes, synthesize(engine, nlte, model).stokes)


def test_a_run_that_takes_too_long_ends(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    results = synthesize(engine, replace(nlte, pixel_timeout=0.2), model)
    assert results.status == (Status.TIMEOUT,)


def test_a_cancelled_run_ends(engine: DesireEngine, nlte: Plan, model: Atmosphere) -> None:
    part = Atmosphere.concatenate([model])
    request = SynthesizeRequest("desire", nlte, (part,), np.array([0]), nlte.wavelength)
    asked = iter([False, False, False])
    slot = Slot(0, lambda: next(asked, True))
    results = engine.prepare_synthesis(request).run([0], slot)
    assert results.status == (Status.NO_OUTPUT,)


# -- the installation -----------------------------------------------------------------------------


def test_nothing_is_written_into_var(
    shipped: Shipped, engine: DesireEngine, nlte: Plan, model: Atmosphere
) -> None:
    def state() -> list[tuple[str, int, str]]:
        files = sorted(path for path in (shipped.root / "var").rglob("*") if path.is_file())
        return [(str(p), p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]

    before = state()
    assert synthesize(engine, nlte, model).status == (Status.OK,)
    assert state() == before


def test_the_self_test_passes(engine: DesireEngine) -> None:
    engine.warm_up()


def test_a_program_that_is_none_fails_the_self_test(tmp_path: Path) -> None:
    program = tmp_path / "desire"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    other = DesireEngine("STOKESWARM_DESIRE", "desire", {"STOKESWARM_DESIRE": str(program)})
    try:
        with pytest.raises(FailedPreconditionError, match="self-test"):
            other.warm_up()
    finally:
        other.close()
