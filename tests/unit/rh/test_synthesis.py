"""The engine over a test double of RH: statuses, what is shared, and what is never trusted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.errors import FailedPreconditionError, PlanError, UnsupportedError
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Psf, Region
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.rh.air import Air, to_vacuum
from stokeswarm.inversion.engines.rh.engine import RhEngine

Make = Callable[..., SynthesizeRequest]
#: an act that means nothing
WELL = 5500.0


def unit(request: SynthesizeRequest) -> Any:
    """Contract's intensity of 1 J m⁻² s⁻¹ Hz⁻¹ sr⁻¹, at every wavelength."""
    vacuum_cm = to_vacuum(request.wavelength, Air.IUE) * 1e-8
    return 1e3 * 2.99792458e10 / vacuum_cm**2 / hsra_continuum(6302.4932)


def starts(root: Path) -> list[str]:
    return (root / "starts").read_text().split()


def test_a_spectrum_arrives_in_the_contracts_units(engine: RhEngine, make_request: Make) -> None:
    request = make_request(WELL, field=100.0)
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.OK,)
    assert results.message == ("",)
    assert results.pixel.tolist() == [7]
    expected = 2e-8 * unit(request)
    np.testing.assert_allclose(results.stokes[0, 0], expected, rtol=1e-6)
    for stokes, fraction in enumerate((1e-3, 2e-3, 3e-3), start=1):
        np.testing.assert_allclose(results.stokes[0, stokes], fraction * expected, rtol=1e-6)


def test_without_a_field_there_is_no_polarization(engine: RhEngine, make_request: Make) -> None:
    results = engine.prepare_synthesis(make_request(WELL)).run([0], Slot())
    assert results.status == (Status.OK,)
    assert not results.stokes[0, 1:].any()


def test_local_quiet_sun_is_the_continuum_at_the_ray(engine: RhEngine, make_request: Make) -> None:
    request = make_request(WELL, mu=[0.5], reference=ContinuumReference.LOCAL_QUIET_SUN)
    results = engine.prepare_synthesis(request).run([0], Slot())
    expected = 2e-8 * 0.5 * unit(request) / limb_darkening(6302.4932, 0.5)
    np.testing.assert_allclose(results.stokes[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        ("write no spectrum", Status.NO_OUTPUT, "spectrum.out is absent"),
        ("exit 3 with a message", Status.ENGINE_FAILED, "exit code 3: error in readAtom Unable to open x"),
        ("not know a keyword", Status.ENGINE_FAILED, "does not know the keyword N_THREADS"),
        ("die of a number", Status.ENGINE_FAILED, "SIGFPE"),
        ("write half a spectrum", Status.ENGINE_FAILED, "bytes"),
        ("write a spectrum of zeros", Status.ENGINE_FAILED, "not positive"),
        ("write a spectrum that is not a number", Status.ENGINE_FAILED, "not finite"),
        ("segfault", Status.ENGINE_FAILED, "SIGSEGV"),
        ("write the spectrum of another ray", Status.ENGINE_FAILED, "expected μ = 1.0, found 0.123"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_else_is_touched(
    engine: RhEngine, make_request: Make, acts: dict[str, float], act: str, status: Status, words: str
) -> None:
    """The pixels before and after are as they are alone, whatever an earlier run left in the folder."""
    job = engine.prepare_synthesis(make_request(WELL, acts[act], WELL + 1))
    results = job.run([0, 1, 2], Slot())
    assert results.status == (Status.OK, status, Status.OK)
    assert words in results.message[1]
    assert len(results.message[1]) <= 300
    assert np.isnan(results.stokes[1]).all()
    assert np.isnan(results.atmosphere[0].temperature[1]).all()
    np.testing.assert_array_equal(results.stokes[2], job.run([2], Slot()).stokes[0])


def test_a_run_that_did_not_converge_keeps_its_spectrum(
    engine: RhEngine, make_request: Make, acts: dict[str, float]
) -> None:
    atoms = (AtomModel("CaII", active=True),)
    results = engine.prepare_synthesis(make_request(acts["do not converge"], atoms=atoms)).run([0], Slot())
    assert results.status == (Status.NOT_CONVERGED,)
    assert results.message == ("after 2 iterations: last change of populations of CA 0.5 > 0.01",)
    assert np.isfinite(results.stokes).all()


def test_a_change_that_is_not_a_number_is_a_failure(
    engine: RhEngine, make_request: Make, acts: dict[str, float]
) -> None:
    request = make_request(acts["print NaN as the last change"], atoms=(AtomModel("CaII", active=True),))
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.ENGINE_FAILED,)
    assert "populations of CA are not finite" in results.message[0]


def test_a_short_run_that_dies_of_its_last_statement_is_good(
    engine: RhEngine, make_request: Make, acts: dict[str, float], root: Path
) -> None:
    """RH divides its processor time by itself at the end, which traps where that is nothing."""
    results = engine.prepare_synthesis(make_request(acts["die of the last statement"])).run([0], Slot())
    assert results.status == (Status.OK,), results.message
    assert starts(root) == ["rhf1d", "rhf1d", "solveray", "solveray"]


def test_a_run_killed_from_outside_is_tried_once_more(
    engine: RhEngine, make_request: Make, acts: dict[str, float], root: Path
) -> None:
    results = engine.prepare_synthesis(make_request(acts["die of SIGKILL once"])).run([0], Slot())
    assert results.status == (Status.OK,), results.message
    assert starts(root) == ["rhf1d", "rhf1d", "solveray"]


def test_a_hanging_run_ends_at_the_deadline(
    engine: RhEngine, make_request: Make, acts: dict[str, float]
) -> None:
    job = engine.prepare_synthesis(make_request(acts["hang"]))
    began = time.monotonic()
    results = job.run([0], Slot(deadline=began + 0.5))
    assert results.status == (Status.TIMEOUT,)
    assert time.monotonic() - began < 10.0


def test_cancelled_pixels_say_so(engine: RhEngine, make_request: Make) -> None:
    results = engine.prepare_synthesis(make_request(WELL)).run([0], Slot(cancelled=lambda: True))
    assert results.status == (Status.NO_OUTPUT,)
    assert results.message == ("cancelled",)


def test_upright_atmospheres_share_their_populations(
    engine: RhEngine, make_request: Make, root: Path
) -> None:
    """Rays of one atmosphere differ in μ only; their results are those of separate calls."""
    request = make_request(WELL, WELL, WELL, mu=[1.0, 0.5, 0.504], options={"rh.frame": "vertical"})
    job = engine.prepare_synthesis(request)
    assert job.batch == 3
    together = job.run([0, 1, 2], Slot())
    assert starts(root) == ["rhf1d", "solveray", "solveray", "solveray"]
    for i in range(3):
        np.testing.assert_array_equal(together.stokes[i], job.run([i], Slot()).stokes[0])
    # two rays whose files have the same name
    assert (together.stokes[1] < together.stokes[2])[0].all()


def test_along_the_line_of_sight_every_ray_has_its_own_column(
    engine: RhEngine, make_request: Make, root: Path
) -> None:
    job = engine.prepare_synthesis(make_request(WELL, WELL, mu=[1.0, 0.5]))
    assert job.batch == 1
    job.run([0, 1], Slot())
    assert starts(root).count("rhf1d") == 2


def test_a_failed_solution_is_not_tried_for_every_ray(
    engine: RhEngine, make_request: Make, acts: dict[str, float], root: Path
) -> None:
    top = acts["exit 3 with a message"]
    request = make_request(top, top, mu=[1.0, 0.5], options={"rh.frame": "vertical"})
    results = engine.prepare_synthesis(request).run([0, 1], Slot())
    assert results.status == (Status.ENGINE_FAILED,) * 2
    assert starts(root) == ["rhf1d"]


def test_two_components_are_mixed(engine: RhEngine, make_request: Make) -> None:
    request = make_request(WELL, atmospheres=2)
    results = engine.prepare_synthesis(request).run([0], Slot())
    np.testing.assert_allclose(results.stokes[0, 0], 2e-8 * unit(request), rtol=1e-6)
    assert len(results.atmosphere) == 2


def test_macroturbulence_and_psf_leave_a_flat_spectrum_flat(engine: RhEngine, make_request: Make) -> None:
    plain = make_request(WELL)
    psf = Psf((-100.0, 0.0, 100.0), (0.2, 1.0, 0.2))
    region = plain.plan.regions[0]
    blurred = make_request(
        WELL, regions=(Region("a", region.lines, region.start, region.stop, region.step, psf),)
    )
    one = engine.prepare_synthesis(plain).run([0], Slot()).stokes
    other = engine.prepare_synthesis(blurred).run([0], Slot()).stokes
    np.testing.assert_allclose(other, one, rtol=1e-4)


def test_pressures_are_found_where_there_are_none(engine: RhEngine, make_request: Make) -> None:
    request = make_request(WELL)
    object.__setattr__(request.atmosphere[0], "electron_pressure", None)
    results = engine.prepare_synthesis(request).run([0], Slot())
    assert results.status == (Status.OK,)
    found = results.atmosphere[0].electron_pressure
    assert found is not None
    assert (found > 0.0).all()


def test_an_unphysical_atmosphere_never_reaches_rh(engine: RhEngine, make_request: Make, root: Path) -> None:
    results = engine.prepare_synthesis(make_request(-1.0, float("nan"))).run([0, 1], Slot())
    assert results.status == (Status.INVALID_INPUT,) * 2
    assert "temperature" in results.message[0]
    assert not (root / "starts").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"rh.N_MAX_ITERATIONS": "5"}}, "did you mean N_MAX_ITER"),
        ({"options": {"rh.ATMOS_FILE": "etc"}}, "names a file"),
        ({"options": {"rh.NRAYS": "500"}}, "from 1 to 40"),
        ({"options": {"rh.frame": "sideways"}}, "line-of-sight or vertical"),
        ({"options": {"rh.air": "iue"}, "vacuum": True}, "vacuum"),
        ({"options": {"rh.HYDROSTATIC": "TRUE"}}, "active model of hydrogen"),
        ({"options": {"rh.ANGLE_SET": "SET_VERTICAL"}}, "NRAYS: expected 1"),
        ({"atoms": (AtomModel("CaII_PRD"),)}, "similar: CaII"),
        ({"atoms": (AtomModel("CaII"), AtomModel("CaII_CRD"))}, "both are of CA"),
        ({"molecules": (AtomModel("OH", active=True),)}, "collisional rates"),
    ],
)
def test_what_rh_cannot_do_is_refused(
    engine: RhEngine, make_request: Make, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        engine.prepare_synthesis(make_request(WELL, **changes))


def test_options_of_other_engines_are_passed_over(engine: RhEngine, make_request: Make) -> None:
    engine.prepare_synthesis(make_request(WELL, options={"sir.interpolation": "linear"}))


def test_it_neither_inverts_nor_responds(engine: RhEngine) -> None:
    info = engine.info()
    assert (info.inverts, info.synthesizes, info.responds) == (False, True, False)
    with pytest.raises(UnsupportedError, match="does not invert"):
        engine.prepare_inversion(None)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="response"):
        engine.prepare_response(None)  # type: ignore[arg-type]


def test_the_self_test_tells_light_from_darkness(engine: RhEngine) -> None:
    with pytest.raises(FailedPreconditionError, match="continuum"):
        engine.warm_up()


def test_an_installation_is_found_by_its_folder_or_its_program(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = set()
    for value in (root, root / "rhf1d" / "rhf1d", root / "rhf1d"):
        monkeypatch.setenv("STOKESWARM_RH_OTHER", str(value))
        other = RhEngine("STOKESWARM_RH_OTHER", "rh-other")
        digests.add(other.info().digest)
        assert other.info().name == "rh-other"
        other.close()
    assert len(digests) == 1


@pytest.mark.parametrize("lost", ["Atoms/pf_Kurucz.input", "rhf1d/solveray", "rhf1d/rhf1d"])
def test_an_incomplete_installation_says_what_is_missing(
    root: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    (root / lost).unlink()
    monkeypatch.setenv("STOKESWARM_RH", str(root))
    with pytest.raises(FailedPreconditionError, match=Path(lost).name):
        RhEngine()


def test_the_installation_is_only_read(engine: RhEngine, make_request: Make, root: Path) -> None:
    before = {path: path.read_bytes() for path in (root / "Atoms").iterdir()}
    engine.prepare_synthesis(make_request(WELL, WELL)).run([0, 1], Slot())
    assert {path: path.read_bytes() for path in (root / "Atoms").iterdir()} == before
