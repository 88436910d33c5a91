"""The jobs over the runner, with an executable that leaves what the test prepared.

The scripts here are test doubles: they copy canned files and compute nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.errors import FailedPreconditionError, PlanError
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    ResponseRequest,
    SynthesizeRequest,
)
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.engine import SirEngine
from stokeswarm.inversion.engines.sir.sampling import sampling
from stokeswarm.inversion.engines.sir.texts import ProfileWriter
from stokeswarm.inversion.engines.sir.variants import SIR_2017

SCRIPT = """#!/bin/sh
# SIR VERSION (30/May/2017)
state="{state}"
read control
cat "$control" >> "$state/controls"
cp -f "$PWD"/* "$state/seen/"
[ -f "$state/before" ] && . "$state/before"
cycles=$(sed -n 's/^Number of cycles *://p' "$control")
if [ "$cycles" = 0 ]; then cp "$state/made/"* . ; else cp "$state/out/"* . ; fi
echo " SIR VERSION (30/May/2017)"
[ -f "$state/said" ] && cat "$state/said"
exit 0
"""


class Double:
    """An engine on a script, and what the script is to leave."""

    def __init__(self, folder: Path, cases: ModuleType) -> None:
        self.folder, self._cases = folder, cases
        for name in ("out", "made", "seen"):
            (folder / name).mkdir()
        script = folder / "sir.x"
        script.write_text(SCRIPT.format(state=folder), encoding="utf-8")
        script.chmod(0o755)
        self.engine = SirEngine(environment={"STOKESWARM_SIR": str(script)})

    def will_leave(self, plan: Plan, levels: tuple[float, ...], errors: float | None = 1.0) -> None:
        """Profiles of these levels, one a cycle, and the same for a synthesis."""
        shutil.rmtree(self.folder / "out")
        (self.folder / "out").mkdir()
        writer = models.ModelWriter(plan.log_tau)
        chi = ""
        for number, level in enumerate(levels, start=1):
            values, header = models.pixel_values(self._cases.atmosphere(temperature=1.0), 0)
            values[0] = 5000.0 + number
            self.put("out", f"g_{number}.mod", writer.text(values, header))
            self.put("out", f"g_{number}.per", self.profile(plan, level))
            if errors is not None:
                self.put("out", f"g_{number}.err", writer.text(np.full_like(values, errors), 0 * header))
            chi += f" {100.0 + number} {10.0 * number}\n"
        self.put("out", "run.chi", chi)
        self.put("out", "run.log", "   0 1.0\n   1 -3. 1.0 2.0\n")
        self.put("made", "s.per", self.profile(plan, 0.75))

    def start(self) -> Any:
        return self._cases.atmosphere()

    def profile(self, plan: Plan, level: float) -> str:
        grid = sampling(plan, plan.wavelength, SIR_2017.bounds, inverts=False, smears=False, exact=False)
        return ProfileWriter(grid.columns).text(np.full((4, grid.n_computed), level))

    def put(self, folder: str, name: str, text: str) -> None:
        (self.folder / folder / name).write_text(text, encoding="utf-8")

    def seen(self, name: str) -> str:
        return (self.folder / "seen" / name).read_text(encoding="utf-8")

    def runs(self) -> int:
        place = self.folder / "controls"
        return place.read_text(encoding="utf-8").count("Number of cycles") if place.exists() else 0

    def invert(self, plan: Plan, stokes: np.ndarray | None = None, **changes: Any) -> InvertResults:
        values = np.full((1, 4, 5), 0.5, np.float32) if stokes is None else stokes
        weights, reference = changes.pop("weights", None), changes.pop("reference", plan.reference)
        start = changes.pop("start", (self._cases.atmosphere(),))
        request = InvertRequest(
            "sir",
            plan,
            Spectra(plan.wavelength, values, reference, weights),
            np.arange(len(values)),
            start,
            **changes,
        )
        return self.engine.prepare_inversion(request).run(range(len(values)), Slot())


@pytest.fixture
def double(tmp_path: Path, cases: ModuleType) -> Iterator[Double]:
    made = Double(tmp_path, cases)
    yield made
    made.engine.close()


def test_the_best_cycle_is_kept(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(cycles=cases.plan().cycles * 3)
    double.will_leave(plan, (0.6, 0.51, 0.7))
    found = double.invert(plan, all_cycles=True)
    assert found.status == (Status.OK,)
    assert found.message == ("",)
    assert found.best_cycle.tolist() == [1]
    assert found.cycles.tolist() == [0b111]
    assert found.iterations.tolist() == [1]
    assert found.chi2_engine.tolist() == [20.0]
    assert found.atmosphere[0].temperature[0, 0] == 5002.0
    assert found.chi2_stokes[0] == pytest.approx([100.0] * 4, rel=1e-4)
    assert found.chi2[0] == pytest.approx(20 * 100.0 / (20 - 10), rel=1e-4)
    assert [one.cycle for one in found.by_cycle] == [0, 1, 2]
    assert found.by_cycle[2].fit[0, 0, 0] == np.float32(0.7)
    assert found.uncertainty[0].temperature[0, 0] == 1.0
    assert np.isnan(found.uncertainty[0].filling_factor[0])


def test_cycles_of_the_plan_can_be_chosen(double: Double, cases: ModuleType) -> None:
    cycles = (Cycle((Nodes(temperature=1),)), Cycle((Nodes(temperature=2),)), Cycle((Nodes(temperature=3),)))
    plan = cases.plan(cycles=cycles)
    double.will_leave(plan, (0.6, 0.55))
    found = double.invert(plan, cycles=(0, 2))
    assert found.best_cycle.tolist() == [2]
    assert found.cycles.tolist() == [0b101]
    assert "Nodes for temperature 1      :1,3\n" in double.seen("run.trol")


def given_back(double: Double, plan: Plan, level: float) -> None:
    """A run that gives the start back with zeros; the start's own profile has this level."""
    double.will_leave(plan, (0.0,))
    values, header = models.pixel_values(double.start(), 0)
    double.put("out", "g_1.mod", models.ModelWriter(plan.log_tau).text(values, header))
    double.put("out", "run.chi", " 0.0 0.0\n")
    double.put("out", "run.log", "   0   3.50E+02  3.718E+01\n")
    double.put("made", "s.per", double.profile(plan, level))


def test_a_start_that_no_step_improves_is_kept_where_it_fits(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    given_back(double, plan, 0.51)
    found = double.invert(plan, all_cycles=True)
    assert found.status == (Status.OK,)
    assert found.best_cycle.tolist() == [-1]
    assert found.cycles.tolist() == [0b1]
    assert found.fit[0, 0, 0] == np.float32(0.51)
    assert found.chi2[0] == pytest.approx(100.0, rel=1e-4)
    assert found.chi2_engine.tolist() == [37.18]
    assert found.iterations.tolist() == [0]


def test_an_absurd_start_that_no_step_improves_is_a_failure(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    given_back(double, plan, 0.75)
    found = double.invert(plan)
    assert found.status == (Status.ENGINE_FAILED,)
    assert "no step improved the start, which misses the observation by 0.25" in found.message[0]
    assert np.isnan(found.chi2).all()


def test_a_missing_later_cycle_keeps_the_earlier_and_says_so(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(cycles=cases.plan().cycles * 2)
    double.will_leave(plan, (0.6,))
    found = double.invert(plan, all_cycles=True)
    assert found.status == (Status.NOT_CONVERGED,)
    assert found.message == ("kept cycle 1; cycle 2: did not end",)
    assert found.best_cycle.tolist() == [0]
    assert found.cycles.tolist() == [0b01]
    assert np.isnan(found.by_cycle[1].chi2).all()


def test_uncertainties_that_cannot_be_read_are_told(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,), errors=None)
    found = double.invert(plan)
    assert found.status == (Status.NOT_CONVERGED,)
    assert found.message == ("kept cycle 1; no uncertainties: no g_1.err",)
    assert np.isnan(found.uncertainty[0].temperature).all()


def test_nothing_of_a_pixel_is_left_for_the_next(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,))
    assert double.invert(plan).status == (Status.OK,)
    shutil.rmtree(double.folder / "out")
    (double.folder / "out").mkdir()
    double.put("out", "junk", "x")
    assert double.invert(plan).status == (Status.NO_OUTPUT,)
    assert not {"g_1.mod", "g_1.per", "run.chi", "run.log"} & {
        path.name for path in (double.folder / "seen").iterdir()
    }


def test_two_jobs_on_one_slot_do_not_mix_their_static_files(double: Double, cases: ModuleType) -> None:
    one, other = cases.plan(), cases.plan(regions=(cases.region(n=7),), abundances=tuple([12.0] + [7.0] * 91))
    stokes = np.full((1, 4, 7), 0.5, np.float32)
    for plan, values, rows in ((one, None, 5), (other, stokes, 7), (one, None, 5)):
        double.will_leave(plan, (0.6,))
        assert double.invert(plan, values).status == (Status.OK,)
        assert len(double.seen("o.per").splitlines()) == rows
        assert double.seen("wave.grid") == f"1,2:-40.,20.,{-40 + 20 * (rows - 1)}.\n"
        assert ("26    7.000000" in double.seen("abundance.abu")) is (plan is other)


def test_a_run_that_was_killed_is_repeated_once(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,))
    (double.folder / "before").write_text('rm "$state/before"; kill -9 $$\n', encoding="utf-8")
    assert double.invert(plan).status == (Status.OK,)
    assert double.runs() == 2
    (double.folder / "before").write_text("kill -9 $$\n", encoding="utf-8")
    found = double.invert(plan)
    assert found.status == (Status.ENGINE_FAILED,)
    assert "killed by SIGKILL" in found.message[0]
    assert double.runs() == 4


def test_missing_and_ignored_samples_are_minus_one(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,))
    stokes = np.full((1, 4, 5), 0.5, np.float32)
    stokes[0, 0, 1] = np.nan
    weights = np.ones((4, 5), np.float32)
    weights[3, 4] = 0.0
    assert double.invert(plan, stokes, weights=weights).status == (Status.OK,)
    rows = [row.split()[2:] for row in double.seen("o.per").splitlines()]
    assert [row[0] for row in rows] == ["0.5", "-1", "0.5", "0.5", "0.5"]
    assert [row[3] for row in rows] == ["0.5", "0.5", "0.5", "0.5", "-1"]


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "no sample has a weight above 0"), (-1.0, "Stokes I is -1 at 6301.4612 Å")],
)
def test_profiles_that_sir_would_misunderstand_never_reach_it(
    double: Double, cases: ModuleType, value: float, message: str
) -> None:
    found = double.invert(cases.plan(), np.full((1, 4, 5), value, np.float32))
    assert found.status == (Status.INVALID_INPUT,)
    assert message in found.message[0]
    assert double.runs() == 0


def test_stokes_parameters_without_weight_are_synthesised(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(cycles=(Cycle((cases.NODES,), weights=(1.0, 0.0, 1.0, 0.0)),))
    double.will_leave(plan, (0.6,))
    found = double.invert(plan)
    assert found.status == (Status.OK,)
    assert found.fit[0, :, 0].tolist() == pytest.approx([0.6, 0.75, 0.6, 0.75])
    assert double.runs() == 2
    assert "Initial guess model 1        :g_1.mod\n" in double.seen("run.trol")


def test_a_result_beyond_a_limit_of_the_plan_is_not_converged(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(limits={"field_strength": (0.0, 1000.0), "filling_factor": (0.0, 0.5)})
    double.will_leave(plan, (0.6,))
    found = double.invert(plan)
    assert found.status == (Status.NOT_CONVERGED,)
    assert found.message[0].startswith("field_strength reaches 1500, beyond the plan's limits 0 to 1000")
    assert double.invert(cases.plan()).status == (Status.OK,)


def test_starts_come_onto_the_plans_axis_with_pressures(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,))
    start = cases.atmosphere(log_tau=np.array([1.5, 0.0, -3.5]), field_strength=0.0)
    assert double.invert(plan, start=(start,)).status == (Status.OK,)
    rows = np.array([row.split() for row in double.seen("g.mod").splitlines()[1:]], float)
    assert rows.shape == (9, 11)
    assert rows[:, 0] == pytest.approx(plan.log_tau)
    assert (rows[:, 2] > 0).all()
    assert (np.diff(rows[:, 9]) < 0).all()
    assert (rows[:, 4] == models.LOWEST_FIELD).all()


def test_mu_and_the_local_quiet_sun(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(reference=ContinuumReference.LOCAL_QUIET_SUN)
    double.will_leave(plan, (0.6,))
    found = double.invert(plan, mu=np.array([0.5]))
    darker = limb_darkening(plan.regions[0].lines[0].wavelength, 0.5)
    assert "mu=cos (theta)               :0.5\n" in double.seen("run.trol")
    assert float(double.seen("o.per").split()[2]) == pytest.approx(0.5 * darker)
    assert found.fit[0, 0, 0] == pytest.approx(0.6 / darker)


def test_a_cancelled_pixel_does_not_run(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    request = InvertRequest(
        "sir",
        plan,
        Spectra(plan.wavelength, np.full((1, 4, 5), 0.5, np.float32), plan.reference),
        np.arange(1),
        (cases.atmosphere(),),
    )
    found = double.engine.prepare_inversion(request).run([0], Slot(cancelled=lambda: True))
    assert found.status == (Status.NO_OUTPUT,)
    assert double.runs() == 0


def synthesize(double: Double, plan: Plan, atmosphere: Any, **changes: Any) -> Any:
    request = SynthesizeRequest(
        "sir", plan, (atmosphere,), np.arange(len(atmosphere)), plan.wavelength, **changes
    )
    return double.engine.prepare_synthesis(request).run(range(len(atmosphere)), Slot())


def test_a_synthesis_takes_the_given_electron_pressure(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, ())
    found = synthesize(double, plan, cases.atmosphere())
    assert found.status == (Status.OK,)
    assert (found.stokes == np.float32(0.75)).all()
    assert (found.atmosphere[0].electron_pressure == 10.0).all()
    assert double.seen("g.mod").splitlines()[1].split()[2] == "10"


def test_a_synthesis_in_hydrostatic_equilibrium_says_what_it_used(double: Double, cases: ModuleType) -> None:
    plan = cases.plan(top_gas_pressure=(500.0,))
    double.will_leave(plan, ())
    found = synthesize(double, plan, cases.atmosphere(), hydrostatic=True)
    pressure = found.atmosphere[0].electron_pressure
    assert found.atmosphere[0].gas_pressure[0, -1] == pytest.approx(500.0)
    rows = np.array([row.split() for row in double.seen("g.mod").splitlines()[1:]], float)
    assert rows[:, 2] == pytest.approx(pressure[0], rel=1e-8)


def test_stray_light_and_psf_are_static_or_not_there(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, ())
    synthesize(double, plan, cases.atmosphere(stray_light=0.2))
    assert double.seen("g.mod").splitlines()[0] == "0.5 1 0"
    profile = np.full((4, 5), 0.25, np.float32)
    synthesize(double, plan, cases.atmosphere(stray_light=0.2), stray_light_profile=profile)
    assert double.seen("g.mod").splitlines()[0] == "0.5 1 20"
    assert double.seen("stray.per").splitlines()[0] == "1 -40 0.25 0.25 0.25 0.25"


def test_a_response_file_is_brought_into_the_contracts_units(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, ())
    shutil.rmtree(double.folder / "out")
    (double.folder / "out").mkdir()
    values = np.arange(9 * 20, dtype=float).reshape(9, 4, 5)
    text = " 9 20\n" + " ".join(map(str, values.ravel())) + "\n"
    double.put("out", "g.rvz", text)
    double.put("out", "g.rinc", text)
    request = ResponseRequest(
        "sir",
        plan,
        cases.atmosphere(),
        np.arange(1),
        plan.wavelength,
        quantities=("velocity", "inclination"),
    )
    found = double.engine.prepare_response(request).run([0], Slot())
    assert found.status == (Status.OK,)
    assert found.response[0, 0] == pytest.approx(1e5 * values)
    assert found.response[0, 1] == pytest.approx(np.pi / 180 * values)
    double.put("out", "g.rinc", text.replace(" 9 20", " 9 19"))
    assert double.engine.prepare_response(request).run([0], Slot()).status == (Status.ENGINE_FAILED,)


REFUSED: dict[str, tuple[Callable[[ModuleType], Plan], str]] = {
    "depths": (
        lambda c: c.plan(depth_step=0.01, depth_top=-2.99, cycles=(Cycle((Nodes(temperature=1),)),)),
        "400 points",
    ),
    "decimals": (
        lambda c: c.plan(depth_bottom=1.00005, cycles=(Cycle((Nodes(temperature=1),)),) * 2),
        "depth_bottom: expected at most 4 decimals",
    ),
    "parameters": (
        lambda c: c.plan(depth_step=0.04, cycles=(Cycle((Nodes(temperature=101, velocity=101),)),)),
        "cycle 1: 202 free parameters, the code fits 200",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_plans_beyond_the_codes_limits_are_refused(double: Double, cases: ModuleType, what: str) -> None:
    make, reason = REFUSED[what]
    plan = make(cases)
    start = cases.atmosphere(log_tau=plan.log_tau)
    with pytest.raises(PlanError, match=reason):
        double.invert(plan, start=(start,))


def test_what_the_executable_is(double: Double, tmp_path: Path) -> None:
    info = double.engine.info()
    assert info.version == "SIR (30/May/2017)"
    assert len(info.digest) == 64
    with pytest.raises(FailedPreconditionError, match="self-test:"):
        double.engine.warm_up()
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    other.chmod(0o755)
    with pytest.raises(FailedPreconditionError, match="not SIR as far as can be told"):
        SirEngine(environment={"STOKESWARM_SIR": str(other)})
    told = {"STOKESWARM_SIR": str(other), "STOKESWARM_SIR_LAYOUT": "2015"}
    engine = SirEngine(environment=told)
    assert engine.info().version == "SIR 2015"
    engine.close()
    with pytest.raises(FailedPreconditionError, match="expected 2015 or 2017, found '2016'"):
        SirEngine(environment=told | {"STOKESWARM_SIR_LAYOUT": "2016"})
    with pytest.raises(FailedPreconditionError, match="STOKESWARM_SIR is not set"):
        SirEngine(environment={})


def test_a_banner_that_is_only_printed_is_believed_too(tmp_path: Path) -> None:
    script = tmp_path / "sir"
    script.write_text("#!/bin/sh\nprintf 'SIR %s (1/June/2015)\\n' VERSION\n", encoding="utf-8")
    script.chmod(0o755)
    engine = SirEngine(environment={"STOKESWARM_SIR": str(script)})
    assert engine.info().version == "SIR (1/June/2015)"
    engine.close()


def test_missing_pressures_of_some_pixels_only(double: Double, cases: ModuleType) -> None:
    plan = cases.plan()
    double.will_leave(plan, (0.6,))
    start = cases.atmosphere(2)
    pressure = start.electron_pressure.copy()
    pressure[1] = np.nan
    found = double.invert(
        plan,
        np.full((2, 4, 5), 0.5, np.float32),
        start=(replace(start, electron_pressure=pressure),),
    )
    assert found.status == (Status.OK, Status.OK)
