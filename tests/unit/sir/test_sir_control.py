"""Control files, dialects and options."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from stokeswarm.client.control_fields import parse_fields
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.inversion.engines.sir.dialect import GUESS, Mode, Task
from stokeswarm.inversion.engines.sir.variants import SIR_2015, SIR_2017


def task(plan: Any, mode: Mode = Mode.INVERSION, **changes: Any) -> Task:
    cycles = plan.cycles if mode is Mode.INVERSION else ()
    given = Task(
        mode=mode,
        cycles=cycles,
        plan=plan,
        mu=0.8,
        weights=((1.0, 5.0, 5.0, 5.0),) * max(1, len(cycles)),
        options=SIR_2017.options(plan),
        stray_light=False,
        psf=False,
        profile="o.per",
    )
    return replace(given, **changes)


def values(text: str) -> dict[str, tuple[str, ...]]:
    return {name: field.values for name, field in parse_fields(text, "run.trol").items()}


@pytest.mark.parametrize("dialect", [SIR_2015, SIR_2017])
def test_an_inversion_says_all_42_lines(cases: ModuleType, dialect: Any) -> None:
    first = Cycle((Nodes(temperature=2, velocity=1),))
    plan = cases.plan(cycles=(first, Cycle((cases.NODES,), stray_light=True)), top_gas_pressure=(1e3,))
    text = dialect.control(task(plan, stray_light=True, psf=True))
    assert len(text.splitlines()) == 42
    found = values(text)
    assert found["cycles"] == ("2",)
    assert found["observed profiles"] == ("o.per",)
    assert found["stray light file"] == ("stray.per",)
    assert found["PSF file"] == ("slit.psf",)
    assert found["initial guess model 2"] == ()
    assert [found[f"weight {s}"] for s in "IQUV"] == [("1.",), ("5.",), ("5.",), ("5.",)]
    assert found["nodes T 1"] == ("2", "3")
    assert found["nodes B 1"] == ("0", "2")
    assert found["nodes vmac 1"] == ("0", "1")
    assert found["nodes T 2"] == ()
    assert found["invert stray light"] == ("0", "1")
    assert found["mu"] == ("0.8",)
    assert found["S/N"] == ("1000.",)
    assert found["SVD tolerance"] == ("0.0001",)
    assert found["gas pressure 1"] == ("1000.",)
    assert found["gas pressure 2"] == ()
    assert found["NLTE departures"] == ()


def test_weights_are_written_even_where_they_are_one(cases: ModuleType) -> None:
    # a blank is 1 for SIR 2017, and 0 for Q, U and V in 2015
    text = SIR_2015.control(task(cases.plan(), weights=((1.0,) * 4,)))
    assert [values(text)[f"weight {s}"] for s in "IQUV"] == [("1.",)] * 4


def test_two_components(cases: ModuleType) -> None:
    cycle = Cycle((cases.NODES, Nodes(temperature=2)), filling_factor=True)
    plan = cases.plan(cycles=(cycle,), top_gas_pressure=(1e3, 5e2))
    found = values(SIR_2017.control(task(plan, models=GUESS)))
    assert found["initial guess model 1"] == ("g.mod",)
    assert found["initial guess model 2"] == ("h.mod",)
    assert found["nodes T 2"] == ("2",)
    assert found["invert filling factor"] == ("1",)
    assert found["gas pressure 2"] == ("500.",)


def test_as_many_nodes_as_there_are_depths_means_all_under_automatic_selection(cases: ModuleType) -> None:
    nodes = Nodes(temperature=9, velocity=4)
    found = values(SIR_2017.control(task(cases.plan(cycles=(Cycle((nodes,), automatic=True),)))))
    assert found["automatic nodes"] == ("1",)
    assert found["nodes T 1"] == ("*",)
    assert found["nodes vlos 1"] == ("4",)


def test_synthesis_and_response_functions(cases: ModuleType) -> None:
    plan = cases.plan()
    assert values(SIR_2017.control(task(plan, Mode.SYNTHESIS)))["cycles"] == ("0",)
    response = task(plan, Mode.RESPONSE, cycles=(Cycle((Nodes(field_strength=9),)),))
    found = values(SIR_2017.control(response))
    assert found["cycles"] == ("-1",)
    assert found["nodes B 1"] == ("9",)


def test_options_of_sir(cases: ModuleType) -> None:
    plan = cases.plan(options={"sir.interpolation": "linear", "sir.magnetic_pressure": "on", "rh.NRAYS": "5"})
    found = values(SIR_2017.control(task(plan)))
    assert found["interpolation"] == ("1",)
    assert found["magnetic pressure"] == ("1",)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("sir.interpolation", "cubic", "sir.interpolation: expected splines or linear, found 'cubic'"),
        ("sir.contrast", "-1", r"sir.contrast: expected a number in \[0, 1000\], found '-1'"),
        ("sir.contrast", "1_0", "sir.contrast: expected a number"),
        ("sir.speed", "1", "sir.speed: unknown; sir takes sir.interpolation, sir.contrast"),
    ],
)
def test_options_that_are_not_sirs_are_refused(cases: ModuleType, key: str, value: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        SIR_2017.options(cases.plan(options={key: value}))


def test_what_sir_cannot_do_is_refused(cases: ModuleType) -> None:
    def check(plan: Any) -> None:
        SIR_2017.check(plan, SIR_2017.options(plan), Mode.INVERSION)

    with pytest.raises(PlanError, match="air wavelengths only"):
        check(cases.plan(vacuum=True))
    with pytest.raises(PlanError, match="two components"):
        check(cases.plan(options={"sir.contrast": "1.2"}))
    line = cases.region().lines[0]
    with pytest.raises(PlanError, match="found ion 3"):
        check(cases.plan(regions=(cases.region(lines=(replace(line, ion=3),)),)))
    jk = replace(line, lower_term="2[7/2]3.0")
    with pytest.raises(PlanError, match="jK coupling"):
        check(cases.plan(regions=(cases.region(lines=(jk,)),)))


def test_what_sir_says_when_it_gives_up() -> None:
    said = " Number of depths: 53\n STOP: The microturbulence (model 1) is zero somewhere.\n more"
    assert SIR_2017.failure(said) == "STOP: The microturbulence (model 1) is zero somewhere."
    assert SIR_2017.failure("Fortran runtime error: End of file\n").startswith("Fortran runtime error")
    assert SIR_2017.failure(" End of cycle 1\n NONSTOP\n") == ""


def test_chi_has_a_line_a_cycle() -> None:
    assert SIR_2017.merits(b" 89.7 44.0\n 97.5 55.5\n", 2) == [44.0, 55.5]
    assert SIR_2017.merits(b" 89.7 44.0\n", 2) == [44.0]
    assert SIR_2017.merits(None, 2) == []
    assert SIR_2017.merits(b" 89.7 NaN\n", 1) == [float("inf")]
    assert SIR_2017.merits(b" 89.7 ******\n", 1) == [float("inf")]
