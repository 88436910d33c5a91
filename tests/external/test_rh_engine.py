"""RH's engine over the real code: signs against the LTE engine, and all that RH passes over in silence."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte.engine import LteEngine
from stokeswarm.inversion.engines.rh import column, keywords, settings
from stokeswarm.inversion.engines.rh.engine import RhEngine
from stokeswarm.inversion.hydrostatic import with_pressures

from .rh_by_hand import installation

pytestmark = pytest.mark.external

IRON = Region("Fe", instrument("hinode-sp").regions[0].lines, 6301.0, 6303.1, 0.02)
CALCIUM = Region("Ca", (Line(1, "Ca", 2, 8542.091, 1.70, -0.36, "2D2.5", "2P1.5"),), 8538.0, 8546.0, 0.2)
PLAN = Plan("lte", (IRON,), reference=ContinuumReference.DISC_CENTRE)
NLTE = replace(
    PLAN, name="nlte", regions=(CALCIUM,), atoms=(AtomModel("CaII_CRD", active=True, start="ZERO_RADIATION"),)
)


@pytest.fixture(scope="module")
def root() -> Path:
    return installation()


@pytest.fixture
def make_engine(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., RhEngine]]:
    """Makes engines of installations; they are closed in the end, and leave nothing."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(scratch))
    made: list[RhEngine] = []

    def make(folder: Path = root, name: str = "rh") -> RhEngine:
        monkeypatch.setenv("STOKESWARM_RH_TEST", str(folder))
        made.append(RhEngine("STOKESWARM_RH_TEST", name))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
    assert not list(scratch.iterdir())


@pytest.fixture
def engine(make_engine: Callable[..., RhEngine]) -> RhEngine:
    return make_engine()


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Path:
    """An installation of one's own, of links and copies."""
    folder = tmp_path / "installation"
    (folder / "rhf1d").mkdir(parents=True)
    for program in ("rhf1d", "solveray"):
        shutil.copy(root / "rhf1d" / program, folder / "rhf1d" / program)
    for name in ("Atoms", "Molecules"):
        (folder / name).mkdir()
        for path in (root / name).iterdir():
            (folder / name / path.name).symlink_to(path)
    return folder


def quiet_sun(n: int = 1, **columns: Any) -> Atmosphere:
    """A grey atmosphere with a field and a flow, in hydrostatic equilibrium."""
    log_tau = PLAN.log_tau
    one = np.ones((n, log_tau.size))
    values: dict[str, Any] = {
        "temperature": 5777.0 * (0.75 * (10.0**log_tau + 2.0 / 3.0)) ** 0.25 * one,
        "microturbulence": one,
        "field_strength": 1200.0 * one,
        "velocity": 0.0 * one,
        "inclination": 50.0 * one,
        "azimuth": 30.0 * one,
    }
    values |= {name: value * one for name, value in columns.items()}
    return Atmosphere(
        log_tau=log_tau,
        **values,
        macroturbulence=np.zeros(n),
        filling_factor=np.ones(n),
        stray_light=np.zeros(n),
    )


def request_of(atmosphere: Atmosphere, plan: Plan = PLAN, mu: float | None = None) -> SynthesizeRequest:
    n = len(atmosphere)
    mus = None if mu is None else np.full(n, mu)
    if atmosphere.electron_pressure is None:
        atmosphere = with_pressures(atmosphere, plan, 1.0 if mu is None else mu)
    return SynthesizeRequest("rh", plan, (atmosphere,), np.arange(n), plan.wavelength, mu=mus)


def run(engine: Any, request: SynthesizeRequest) -> np.ndarray:
    results = engine.prepare_synthesis(request).run(range(len(request)), Slot())
    assert results.status == (Status.OK,) * len(request), results.message
    return np.asarray(results.stokes[0], dtype=float)


def centre(stokes: np.ndarray, low: float, high: float) -> float:
    """Centre of gravity of a line [Å]."""
    where = (PLAN.wavelength > low) & (PLAN.wavelength < high)
    depth = stokes[0].max() - stokes[0, where]
    return float((PLAN.wavelength[where] * depth).sum() / depth.sum())


# -- signs and units -------------------------------------------------------------------------------


@pytest.mark.parametrize("mu", [1.0, 0.4])
@pytest.mark.parametrize(
    "columns",
    [
        {"inclination": 20.0},
        {"inclination": 150.0},
        {"inclination": 90.0, "azimuth": 0.0},
        {"inclination": 90.0, "azimuth": 45.0},
        {"inclination": 70.0, "azimuth": 110.0, "velocity": 1.5},
        {"inclination": 120.0, "azimuth": 160.0, "velocity": -2.0},
    ],
)
def test_lines_in_equilibrium_are_those_of_the_lte_engine(
    engine: RhEngine, columns: dict[str, float], mu: float
) -> None:
    """Signs of Q, U, V and of the velocity, the frame of inclined rays, and the unit."""
    request = request_of(quiet_sun(**columns), mu=mu)
    ours, theirs = run(LteEngine(), request), run(engine, request)
    assert theirs[0].max() == pytest.approx(ours[0].max(), rel=0.03)
    assert np.abs(theirs[0] / theirs[0].max() - ours[0] / ours[0].max()).max() < 0.05
    for k in (1, 2, 3):
        if np.abs(ours[k]).max() > 5e-3:
            assert np.corrcoef(theirs[k], ours[k])[0, 1] > 0.99
            assert np.abs(theirs[k]).max() == pytest.approx(np.abs(ours[k]).max(), rel=0.25)
        else:
            assert np.abs(theirs[k]).max() < 1e-2
    for low, high in ((6301.1, 6301.9), (6302.1, 6302.9)):
        assert centre(theirs, low, high) == pytest.approx(centre(ours, low, high), abs=2e-3)


def test_a_receding_atmosphere_is_redshifted(engine: RhEngine) -> None:
    spectra = []
    for speed in (-0.4, 0.4):
        request = request_of(quiet_sun(field_strength=0.0, velocity=speed))
        wavelength = request.wavelength * (1.0 + speed / 299792.458)
        spectra.append(run(engine, replace(request, wavelength=wavelength))[0])
        spectra.append(run(engine, request)[0])
    # RH cuts the wings of background lines off at 20 Doppler widths, which lets single samples differ
    np.testing.assert_allclose(spectra[0], spectra[2], rtol=3e-3)
    assert np.abs(spectra[1] / spectra[3] - 1.0).max() > 0.1


@pytest.mark.parametrize("air", ["iue", "edlen"])
def test_lines_lie_where_the_plan_says(engine: RhEngine, air: str) -> None:
    request = request_of(quiet_sun(field_strength=0.0), replace(PLAN, options={"rh.air": air}))
    right = centre(run(LteEngine(), request_of(quiet_sun(field_strength=0.0))), 6302.1, 6302.9)
    assert centre(run(engine, request), 6302.1, 6302.9) == pytest.approx(right, abs=1e-3)


def test_a_profile_is_degraded_like_every_other_engines(engine: RhEngine) -> None:
    psf = instrument("hinode-sp").regions[0].psf
    assert psf is not None
    plan = replace(PLAN, regions=(replace(IRON, psf=psf),))
    blurred = replace(quiet_sun(), macroturbulence=np.array([2.0]))
    ours = [run(LteEngine(), request_of(a, p)) for a, p in ((quiet_sun(), PLAN), (blurred, plan))]
    theirs = [run(engine, request_of(a, p)) for a, p in ((quiet_sun(), PLAN), (blurred, plan))]
    for k in (0, 3):
        shrunk = [np.ptp(pair[1][k]) / np.ptp(pair[0][k]) for pair in (ours, theirs)]
        assert shrunk[1] == pytest.approx(shrunk[0], rel=0.05)
        assert shrunk[1] < 0.97


def test_without_a_field_nothing_is_polarized(engine: RhEngine) -> None:
    assert not run(engine, request_of(quiet_sun(field_strength=0.0)))[1:].any()


def test_the_requested_grid_hardly_changes_the_solution(engine: RhEngine) -> None:
    """RH integrates over the wavelengths that it is given: they are its quadrature."""
    spectra = [
        run(
            engine,
            request_of(quiet_sun(field_strength=0.0), replace(NLTE, regions=(replace(CALCIUM, step=s),))),
        )
        for s in (0.8, 0.1)
    ]
    np.testing.assert_allclose(spectra[0][0], spectra[1][0, ::8], rtol=2e-3)


# -- what RH passes over ---------------------------------------------------------------------------


def test_the_self_test_passes(engine: RhEngine) -> None:
    engine.warm_up()


def test_one_iteration_is_not_convergence(engine: RhEngine) -> None:
    """RH ends with 0."""
    request = request_of(quiet_sun(field_strength=0.0), replace(NLTE, options={"rh.N_MAX_ITER": "1"}))
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.NOT_CONVERGED,)
    assert "after 1 iterations: last change of populations of CA" in results.message[0]
    assert np.isfinite(results.stokes).all()


def test_a_keyword_that_an_installation_does_not_know_is_a_failure(
    engine: RhEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RH only warns, and ends with 0."""
    monkeypatch.setitem(
        keywords.KEYWORDS, "OF_A_LATER_RH", keywords.Keyword("OF_A_LATER_RH", keywords.Kind.FLAG)
    )  # type: ignore[index]
    request = request_of(quiet_sun(), replace(PLAN, options={"rh.OF_A_LATER_RH": "TRUE"}))
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert "does not know the keyword OF_A_LATER_RH" in results.message[0]


def test_a_missing_model_is_a_failure(make_engine: Callable[..., RhEngine], copied: Path) -> None:
    """Exit code 3: the model was there when the engine started."""
    engine = make_engine(copied)
    (copied / "Molecules" / "CO.molecule").unlink()
    results = engine.prepare_synthesis(request_of(quiet_sun())).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert "exit code 3" in results.message[0]


def test_a_truncated_atmosphere_is_a_failure(engine: RhEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3."""
    whole = column.Column.text
    monkeypatch.setattr(column.Column, "text", lambda self: whole(self)[: len(whole(self)) // 3])
    results = engine.prepare_synthesis(request_of(quiet_sun())).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert "exit code 3" in results.message[0]


def test_a_file_that_may_not_grow_is_a_failure(
    make_engine: Callable[..., RhEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a full disk is: RH cannot write its background."""
    monkeypatch.setenv("STOKESWARM_CODE_FILE_MIB", "1")
    results = make_engine().prepare_synthesis(request_of(quiet_sun())).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert np.isnan(results.stokes).all()


def test_a_number_that_is_none_kills_rh(engine: RhEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGFPE, which a shell calls exit code 136."""
    whole = column.Column.text
    monkeypatch.setattr(column.Column, "text", lambda self: whole(self).replace(" 1.0\n", " nan\n", 1))
    results = engine.prepare_synthesis(request_of(quiet_sun())).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert signal.SIGFPE.name in results.message[0]


def test_an_absurd_temperature_kills_rh_alone(engine: RhEngine) -> None:
    """The pixels beside it are as they are alone."""
    atmosphere = with_pressures(quiet_sun(3), PLAN)
    temperature = atmosphere.temperature.copy()
    temperature[1] = 100.0
    request = request_of(replace(atmosphere, temperature=temperature))
    job = engine.prepare_synthesis(request)
    results = job.run([0, 1, 2], Slot())
    assert results.status == (Status.OK, Status.ENGINE_FAILED, Status.OK)
    assert "SIGFPE" in results.message[1]
    np.testing.assert_array_equal(results.stokes[2], job.run([2], Slot()).stokes[0])


def test_an_input_that_cannot_be_read_is_a_failure(engine: RhEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands where RH wants to write: what a read-only folder is to it."""
    monkeypatch.setitem(settings.MANAGED, "BACKGROUND_FILE", "../run")  # type: ignore[arg-type]
    results = engine.prepare_synthesis(request_of(quiet_sun())).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert np.isnan(results.stokes).all()


def test_nothing_of_an_earlier_run_is_taken_for_a_result(
    make_engine: Callable[..., RhEngine], copied: Path
) -> None:
    """A program that does nothing and ends with 0, in a folder where another has just succeeded."""
    engine = make_engine(copied)
    request = request_of(quiet_sun())
    assert engine.prepare_synthesis(request).run([0], Slot()).status == (Status.OK,)
    (copied / "rhf1d" / "solveray").write_text("#!/bin/sh\nexit 0\n")
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.NO_OUTPUT,)
    assert "spectrum_1.00 is empty" in results.message[0]


def test_installations_stand_side_by_side(make_engine: Callable[..., RhEngine], copied: Path) -> None:
    first, second = make_engine(), make_engine(copied / "rhf1d" / "rhf1d", "rh-other")
    assert second.info().name == "rh-other"
    assert first.info().digest == second.info().digest
    request = request_of(quiet_sun())
    np.testing.assert_array_equal(run(first, request), run(second, request))


def test_a_job_gives_the_same_bits_however_it_is_cut(engine: RhEngine) -> None:
    """Across rays that share a solution, calls and slots."""
    atmosphere = with_pressures(quiet_sun(3), PLAN)
    plan = replace(NLTE, options={"rh.frame": "vertical"})
    mu = np.array([1.0, 0.6, 0.6])
    request = SynthesizeRequest("rh", plan, (atmosphere,), np.arange(3), plan.wavelength, mu=mu)
    job = engine.prepare_synthesis(request)
    assert job.batch == 3
    together = job.run([0, 1, 2], Slot(0)).stokes
    for row in (2, 0, 1):
        np.testing.assert_array_equal(job.run([row], Slot(1)).stokes[0], together[row])
    # the wing darkens towards the limb
    assert together[0, 0, 0] > together[1, 0, 0]
