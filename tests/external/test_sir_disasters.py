"""What SIR does in silence, run by hand, and what the engine makes of the same input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    ResponseRequest,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.sir_files import format_model, format_profile, profile_from_spectra
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.dialect import Mode, Task
from stokeswarm.inversion.engines.sir.engine import SirEngine
from stokeswarm.inversion.engines.sir.variants import SIR_2017
from stokeswarm.inversion.hydrostatic import with_pressures

from . import sir_by_hand as by_hand

pytestmark = pytest.mark.external

NODES = Nodes(
    temperature=3,
    microturbulence=1,
    field_strength=1,
    velocity=1,
    inclination=1,
    azimuth=1,
    macroturbulence=True,
)
PLAN = Plan(
    name="disaster",
    regions=(replace(instrument("hinode-sp").regions[0], psf=None),),
    cycles=(Cycle((NODES,)),),
    reference=ContinuumReference.DISC_CENTRE,
)


def sun(**changes: float) -> Atmosphere:
    """A grey Sun with a field."""
    log_tau = PLAN.log_tau
    one = np.ones((1, log_tau.size))
    values = {
        "microturbulence": 1.0,
        "field_strength": 1200.0,
        "velocity": 0.4,
        "inclination": 50.0,
        "azimuth": 30.0,
    }
    scalars = {"macroturbulence": 0.5, "filling_factor": 1.0, "stray_light": 0.0}
    temperature = 5780.0 * (0.75 * (10.0**log_tau + 2.0 / 3.0)) ** 0.25
    made = Atmosphere(
        log_tau=log_tau,
        temperature=(temperature + changes.get("warmer", 0.0))[None],
        **{name: changes.get(name, value) * one for name, value in values.items()},
        **{name: np.array([changes.get(name, value)]) for name, value in scalars.items()},
    )
    return with_pressures(made, PLAN)


def synthesize(sir: SirEngine, atmosphere: Atmosphere, plan: Plan = PLAN, **more: Any) -> SynthesizeResults:
    wavelength = more.pop("wavelength", None)
    wavelength = plan.wavelength if wavelength is None else wavelength
    request = SynthesizeRequest("sir", plan, (atmosphere,), np.arange(1), wavelength, **more)
    return sir.prepare_synthesis(request).run([0], Slot())


def invert(
    sir: SirEngine, stokes: np.ndarray, start: Atmosphere | None = None, plan: Plan = PLAN, **more: Any
) -> InvertResults:
    wavelength, slot = more.pop("wavelength", None), more.pop("slot", Slot())
    wavelength = plan.wavelength if wavelength is None else wavelength
    spectra = Spectra(wavelength, stokes, plan.reference, more.pop("weights", None))
    starts = more.pop("starts", (sun(warmer=200.0, field_strength=800.0) if start is None else start,))
    request = InvertRequest("sir", plan, spectra, np.arange(1), starts, **more)
    return sir.prepare_inversion(request).run([0], slot)


@pytest.fixture(scope="module")
def observed(sir: SirEngine) -> np.ndarray:
    """Profiles of `sun` (1, 4, n)."""
    return synthesize(sir, sun()).stokes


class ByHand:
    """An inversion as a user would write it, without the engine's care."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.folder = program, folder

    def invert(self, stokes: np.ndarray, start: Atmosphere) -> str:
        """Start SIR on files of these; returns what it wrote."""
        region = PLAN.regions[0]
        lines = "".join(
            f"{line.index}={line.element.upper()} {line.ion} {line.wavelength} 1. {line.excitation} "
            f"{line.log_gf}  {line.lower_term[:2]} {line.lower_term[2:]}- {line.upper_term[:2]} "
            f"{line.upper_term[2:]} {line.abo_alpha} {line.abo_sigma}\n"
            for line in region.lines
        )
        offset = 1e3 * (region.grid() - region.lines[0].wavelength)
        abundances = "".join(
            f"{z} {a if np.isfinite(a) else -8.0}\n" for z, a in enumerate(PLAN.abundances, start=1)
        )
        profile = format_profile(profile_from_spectra(PLAN, PLAN.wavelength, np.nan_to_num(stokes[0])))
        if np.isnan(stokes).any():
            profile = profile.replace("0.0000000E+00", "NaN")
        values = {0: "1", 1: "o.per", 4: "w.grid", 5: "L", 6: "A", 7: "g.mod", 14: "3"}
        values |= dict.fromkeys(range(9, 13), "1") | dict.fromkeys((16, 17, 18, 19, 20, 21), "1")
        control = "".join(f"line {n}:{values.get(n, '')}\n" for n in range(42))
        return by_hand.run(
            self.program,
            self.folder / "hand",
            {
                "run.trol": control,
                "L": lines,
                "A": abundances,
                "w.grid": f"1,2: {offset[0]:.4f}, 21.549, {offset[-1]:.4f}\n",
                "o.per": profile,
                "g.mod": format_model(start),
            },
        )

    def profile(self) -> np.ndarray:
        return np.genfromtxt(self.folder / "hand" / "g_1.per")[:, 2:]

    def chi2(self) -> float:
        return float((self.folder / "hand" / "run.chi").read_text(encoding="utf-8").split()[1])


@pytest.fixture
def hand(sir_program: Path, tmp_path: Path) -> ByHand:
    return ByHand(sir_program, tmp_path)


def is_good(found: InvertResults) -> bool:
    return found.status == (Status.OK,) and float(found.chi2[0]) < 50.0


def test_a_run_that_should_work_does(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    start = sun(warmer=200.0, field_strength=800.0)
    assert "STOP" not in hand.invert(observed, start)
    assert hand.chi2() > 0
    found = invert(sir, observed, start)
    assert is_good(found), found.message
    assert found.iterations[0] > 1
    assert found.seconds[0] > 0.01


@pytest.mark.parametrize(
    ("what", "stops"),
    [
        ({"field_strength": 0.0}, True),
        ({"microturbulence": 0.0}, True),
        ({"macroturbulence": 0.0}, True),
    ],
    ids=["field", "microturbulence", "macroturbulence"],
)
def test_a_start_of_zero(
    sir: SirEngine, hand: ByHand, observed: np.ndarray, what: dict[str, float], stops: bool
) -> None:
    start = sun(warmer=100.0, **what)
    assert ("zero somewhere" in hand.invert(observed, start)) is stops
    found = invert(sir, observed, start)
    assert found.status == (Status.OK,), found.message
    name = next(iter(what))
    assert (getattr(found.atmosphere[0], name) > 0).all()


def test_an_electron_pressure_of_zero_is_replaced(sir: SirEngine, observed: np.ndarray) -> None:
    plan = replace(PLAN, cycles=(Cycle((replace(NODES, electron_pressure=1),)),))
    start = replace(sun(warmer=100.0), electron_pressure=np.zeros((1, PLAN.n_depth)))
    found = invert(sir, observed, start, plan)
    assert found.status[0].has_result, found.message


def test_nan(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    nothing = np.full_like(observed, np.nan)
    hand.invert(nothing, sun())
    assert not np.isfinite(hand.chi2()) or hand.chi2() == 0 or not hand.profile().any()
    found = invert(sir, nothing)
    assert found.status == (Status.INVALID_INPUT,)
    assert np.isnan(found.fit).all()


def test_zeros(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    hand.invert(np.zeros_like(observed), sun())
    assert not hand.profile().any()
    found = invert(sir, np.zeros_like(observed))
    assert found.status == (Status.ENGINE_FAILED,)
    assert "no step improved the start" in found.message[0]
    assert np.isnan(found.chi2).all()


def test_all_minus_one(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    hand.invert(np.full_like(observed, -1.0), sun())
    assert not hand.profile().any() or hand.chi2() == 0 or not np.isfinite(hand.chi2())
    found = invert(sir, np.full_like(observed, -1.0))
    assert found.status == (Status.INVALID_INPUT,)
    assert "means a missing sample" in found.message[0]


def test_an_absurdly_cold_start(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    start = replace(sun(), temperature=np.full((1, PLAN.n_depth), 1000.0))
    hand.invert(observed, start)
    assert not hand.profile().any()
    assert hand.chi2() == 0
    found = invert(sir, observed, start)
    assert found.status == (Status.ENGINE_FAILED,)
    assert np.isnan(found.atmosphere[0].temperature).all()


def test_a_start_that_cannot_be_improved_is_kept(sir: SirEngine, hand: ByHand, observed: np.ndarray) -> None:
    # a second inversion that starts from the first one's result: by hand it looks like an absurd start
    first = invert(sir, observed)
    for _ in range(5):
        again = invert(sir, observed, first.atmosphere[0])
        assert again.status == (Status.OK,), again.message
        if again.best_cycle[0] == -1:
            break
        first = again
    else:
        pytest.skip("SIR went on improving the fit")
    hand.invert(observed, first.atmosphere[0])
    assert not hand.profile().any()
    assert hand.chi2() == 0
    assert again.fit.any()
    assert again.chi2[0] == pytest.approx(first.chi2[0], rel=0.1)
    assert again.chi2_engine[0] > 0


def test_an_absurdly_hot_start_is_no_good_fit(sir: SirEngine, observed: np.ndarray) -> None:
    start = replace(sun(), temperature=np.full((1, PLAN.n_depth), 50000.0))
    found = invert(sir, observed, start)
    if found.status[0].has_result:  # depending on the start's pressures SIR moves away from it, not far
        assert found.fit.any()
        assert found.chi2[0] > 100.0
    else:
        assert found.status == (Status.ENGINE_FAILED,)


def test_missing_samples_are_ignored(sir: SirEngine, observed: np.ndarray) -> None:
    spoilt = observed.copy()
    spoilt[0, :, 40:44] = 5.0
    missing = observed.copy()
    missing[0, :, 40:44] = np.nan
    weights = np.ones((4, observed.shape[2]), np.float32)
    weights[:, 40:44] = 0.0
    first = invert(sir, missing)
    second = invert(sir, spoilt, weights=weights)
    assert is_good(first)
    assert np.array_equal(first.fit, second.fit)
    assert first.chi2[0] == second.chi2[0]
    assert invert(sir, spoilt).chi2[0] > 100.0


def test_blends_are_computed(sir: SirEngine) -> None:
    made = synthesize(sir, sun(field_strength=0.0)).stokes[0, 0]
    grid = PLAN.regions[0].grid()
    for line in PLAN.regions[0].lines:
        core = made[np.abs(grid - line.wavelength) < 0.1].min()
        assert core < 0.6 * made.max(), line.wavelength


def test_a_field_of_a_gauss_makes_no_polarisation_and_no_trouble(sir: SirEngine) -> None:
    made = synthesize(sir, sun(field_strength=1.0))
    assert made.status == (Status.OK,)
    assert not made.stokes[0, 1:].any()
    request = ResponseRequest(
        "sir", PLAN, sun(field_strength=0.0), np.arange(1), PLAN.wavelength, quantities=("field_strength",)
    )
    found = sir.prepare_response(request).run([0], Slot())
    assert found.status == (Status.OK,)
    assert found.response[0, 0, :, 3].any()


def test_a_step_that_does_not_divide_the_observed_one(sir: SirEngine, observed: np.ndarray) -> None:
    other = replace(PLAN, regions=(replace(PLAN.regions[0], step=0.0200),))
    right = invert(sir, observed)
    found = invert(sir, observed, plan=other, wavelength=PLAN.wavelength)
    assert np.array_equal(found.fit, right.fit)


def test_uneven_samples(sir: SirEngine, observed: np.ndarray) -> None:
    keep = np.r_[0:30:3, 30:70, 70:112:2]
    plan = replace(PLAN, regions=(replace(PLAN.regions[0], step=0.0),))
    wavelength = PLAN.wavelength[keep]
    made = synthesize(sir, sun(), plan, wavelength=wavelength)
    # macroturbulence is convolved on a finer grid here
    assert np.abs(made.stokes - observed[:, :, keep]).max() < 1e-3
    assert is_good(invert(sir, observed[:, :, keep], plan=plan, wavelength=wavelength))


def test_nodes_that_do_not_fit_the_grid_are_refused(sir: SirEngine, observed: np.ndarray) -> None:
    with pytest.raises(PlanError, match="4 nodes of temperature do not fit a grid of 53 depths"):
        replace(PLAN, cycles=(Cycle((Nodes(temperature=4),)),))


def test_too_many_samples_to_convolve_are_refused(sir: SirEngine) -> None:
    region = replace(PLAN.regions[0], step=0.002, stop=PLAN.regions[0].start + 1099 * 0.002)
    plan = replace(PLAN, regions=(region,))
    with pytest.raises(PlanError, match="1100 wavelengths, the code convolves at most 1024"):
        synthesize(sir, sun(), plan)
    assert synthesize(sir, sun(macroturbulence=0.0), plan).status == (Status.OK,)


def test_numbers_reach_sir_as_they_were_meant(sir_program: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, svd_tolerance=1e-5, initial_damping=1e-4, noise=(2e-4,) * 4)
    task = Task(Mode.INVERSION, plan.cycles, plan, 0.25, ((1.0, 1e-3, 1e3, 1.0),), {}, False, False, "o.per")
    said = by_hand.run(sir_program, tmp_path / "hand", {"run.trol": SIR_2017.control(task)})
    values = {
        line.partition(":")[0].strip(): float(line.partition(":")[2].replace("D", "E"))
        for line in said.splitlines()
        if line.strip().startswith(("Tolerance", "Initial diag", "Estimated", "mu=", "Weight"))
    }
    assert values["Tolerance for SVD"] == 1e-5
    assert values["Initial diagonal element"] == 1e-4
    assert values["Estimated S/N for I"] == 5000.0
    assert values["mu=cos (theta)"] == 0.25
    assert values["Weight for Stokes Q"] == 1e-3
    assert values["Weight for Stokes U"] == 1e3


def test_equal_weights_fit_all_four_stokes_parameters(sir: SirEngine, observed: np.ndarray) -> None:
    # a blank weight would leave Q, U and V out in the release of 2015
    found = invert(sir, observed)
    for i in range(1, 4):
        assert np.corrcoef(found.fit[0, i], observed[0, i])[0, 1] > 0.9


def test_stokes_parameters_without_weight_have_a_profile_all_the_same(
    sir: SirEngine, observed: np.ndarray
) -> None:
    plan = replace(
        PLAN, cycles=(Cycle((replace(NODES, inclination=0, azimuth=0),), weights=(1.0, 0.0, 0.0, 0.0)),)
    )
    found = invert(sir, observed, plan=plan)
    assert found.status == (Status.OK,)
    assert found.fit[0, 3].any()
    again = synthesize(sir, found.atmosphere[0])
    assert np.abs(again.stokes[0] - found.fit[0]).max() < 1e-5


def test_cycles_do_not_see_what_an_earlier_run_left(sir: SirEngine, observed: np.ndarray) -> None:
    # .chi and .log are appended to, and models of three cycles would be taken for those of one
    three = replace(PLAN, cycles=PLAN.cycles * 3)
    first = invert(sir, observed)
    assert invert(sir, observed, plan=three).cycles.tolist() == [0b111]
    again = invert(sir, observed)
    assert again.cycles.tolist() == [0b1]
    assert again.chi2_engine.tolist() == first.chi2_engine.tolist()
    assert again.iterations.tolist() == first.iterations.tolist()


def test_the_best_cycle_is_kept_where_a_later_one_is_worse(sir: SirEngine, observed: np.ndarray) -> None:
    noisy = observed + np.random.default_rng(3).normal(0.0, 3e-3, observed.shape).astype(np.float32)
    cycles = (Cycle((NODES,)), Cycle((Nodes(temperature=1),), weights=(0.0, 0.0, 0.0, 1.0)))
    found = invert(sir, noisy, plan=replace(PLAN, cycles=cycles), all_cycles=True)
    chi2 = [float(one.chi2[0]) for one in found.by_cycle]
    assert found.best_cycle[0] == int(np.argmin(chi2))
    assert found.chi2[0] == min(chi2)


def test_a_contrast_of_two_components_can_be_fitted(sir: SirEngine, observed: np.ndarray) -> None:
    cycle = Cycle((NODES, Nodes(temperature=2)), filling_factor=True)
    plan = replace(PLAN, cycles=(cycle,), options={"sir.contrast": "1.1"})
    starts = (sun(filling_factor=0.6), sun(field_strength=0.0, filling_factor=0.4, warmer=-100.0))
    found = invert(sir, observed, plan=plan, starts=starts)
    assert found.status[0].has_result, found.message
    assert found.fit.shape == (1, 4, 112)
    total = found.atmosphere[0].filling_factor + found.atmosphere[1].filling_factor
    assert total == pytest.approx(1.0, abs=1e-5)


def test_time_runs_out(sir: SirEngine, observed: np.ndarray) -> None:
    plan = replace(PLAN, cycles=PLAN.cycles * 9, pixel_timeout=0.05)
    found = invert(sir, observed, plan=plan)
    assert found.status == (Status.TIMEOUT,)
    assert "out of time" in found.message[0]


def test_cancelled_in_the_midst(sir: SirEngine, observed: np.ndarray) -> None:
    asked = iter([False])
    slot = Slot(cancelled=lambda: next(asked, True))
    found = invert(sir, observed, plan=replace(PLAN, cycles=PLAN.cycles * 9), slot=slot)
    assert found.status == (Status.NO_OUTPUT,)
    assert found.message == ("cancelled",)


@pytest.fixture
def killed(sir_program: Path, tmp_path: Path) -> Iterator[tuple[SirEngine, Path]]:
    """SIR behind a script that kills itself while there is a file."""
    flag, script = tmp_path / "kill", tmp_path / "sir.x"
    text = f"#!/bin/sh\n# SIR VERSION (30/May/2017)\n. {flag} 2>/dev/null\nexec {sir_program}\n"
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)
    flag.touch()
    engine = SirEngine(environment={"STOKESWARM_SIR": str(script)})
    yield engine, flag
    engine.close()


def test_a_killed_run_is_repeated_and_is_the_same(
    killed: tuple[SirEngine, Path], sir: SirEngine, observed: np.ndarray
) -> None:
    engine, flag = killed
    flag.write_text(f"rm {flag}; touch {flag}; kill -9 $$\n", encoding="utf-8")
    found = invert(engine, observed)
    assert found.status == (Status.OK,)
    assert np.array_equal(found.fit, invert(sir, observed).fit)
    flag.write_text("kill -9 $$\n", encoding="utf-8")
    found = invert(engine, observed)
    assert found.status == (Status.ENGINE_FAILED,)
    assert "killed by SIGKILL" in found.message[0]
