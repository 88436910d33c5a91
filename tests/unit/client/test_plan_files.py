from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.plan_files import dump_plan, load_plan, parse_plan, preset, preset_names
from stokeswarm.contract.abundances import abundance_table
from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.instrument import gaussian_psf, hinode_sp
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.status import ContinuumReference

DOCS = Path(__file__).parents[3] / "docs/reference/plans.md"
SMALL = 'name = "p"\ninstrument = "hinode-sp"\n'
LINE = """
[[line]]
index = 1
element = "Fe"
ion = 1
wavelength = 6301.5012
excitation = 3.654
log_gf = -0.718
lower_term = "5P 2.0"
upper_term = "5D 2.0"
"""
REGION = "[[region]]\nlines = [1]\nstart = 6301.0\nstop = 6302.0\n"


def assert_same(one: Plan, two: Plan) -> None:
    """Equal in everything; NaN abundances (absent elements) are equal to each other."""
    np.testing.assert_array_equal(one.abundances, two.abundances)
    fixed = tuple(abundance_table("asplund-2009").tolist())
    assert replace(one, abundances=fixed[:83] + (0.0,) * 9) == replace(
        two, abundances=fixed[:83] + (0.0,) * 9
    )


# ---- presets -------------------------------------------------------------------------------------------


def test_presets() -> None:
    assert preset_names() == ("assisted", "reference", "second-reference", "training")
    plans = {name: preset(name).plan for name in preset_names()}
    for name, plan in plans.items():
        assert preset(name).start == "hsra"
        assert plan.regions == hinode_sp().regions
        assert plan.n_depth == 53
        assert plan.top_gas_pressure == (868.2,)
    assert [len(plans[name].cycles) for name in preset_names()] == [3, 3, 1, 4]
    reference = [cycle.components[0] for cycle in plans["reference"].cycles]
    assert [n.temperature for n in reference] == [1, 3, 5]
    assert [n.field_strength for n in reference] == [n.velocity for n in reference] == [1, 3, 3]
    assert all(
        (n.inclination, n.azimuth, n.microturbulence, n.macroturbulence) == (1, 1, 1, True) for n in reference
    )
    # from a network's guess the last cycle runs alone, so it must be the reference's
    assert plans["assisted"].cycles[-1] == plans["reference"].cycles[-1]
    assert plans["second-reference"].cycles == plans["reference"].cycles[-1:]


def test_the_reference_preset_has_the_cycles_of_the_benchmark(data_dir: Path) -> None:
    assert preset("reference").plan.cycles == load_plan(data_dir / "map/inv_ref1.trol").plan.cycles


def test_unknown_names_get_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'assisted'"):
        load_plan("asisted")
    with pytest.raises(NotFoundError, match=r"neither a preset nor a file.*reference"):
        load_plan(tmp_path / "zzz.toml")
    with pytest.raises(NotFoundError, match="there are assisted"):
        preset("mine")


# ---- writing and reading back --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["assisted", "reference", "second-reference", "training"])
def test_presets_survive_a_round_trip(name: str) -> None:
    project = preset(name)
    again = parse_plan(dump_plan(project), "again")
    assert_same(again.plan, project.plan)
    assert again.start == project.start


@pytest.mark.parametrize("case", ["ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2"])
def test_control_files_survive_as_toml(data_dir: Path, case: str) -> None:
    folder = data_dir / "golden/inversion" / case
    plan = load_plan(folder / "run_as_course/inv.trol", [folder / "input"]).plan
    assert_same(parse_plan(dump_plan(plan), "again").plan, plan)


nodes = st.builds(
    Nodes,
    temperature=st.sampled_from([1, 3, 5]),
    velocity=st.sampled_from([0, 1, 2]),
    macroturbulence=st.booleans(),
)
positive = st.floats(1e-9, 9.0)


@given(
    cycles=st.integers(1, 2).flatmap(
        lambda n: st.lists(
            st.builds(
                Cycle,
                components=st.tuples(*[nodes] * n),
                filling_factor=st.booleans(),
                weights=st.tuples(positive, positive, positive, positive),
                automatic=st.booleans(),
            ),
            max_size=4,
        )
    ),
    noise=st.tuples(positive, positive, positive, positive),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    mu=st.floats(0.01, 1.0),
    limit=st.floats(1000.0, 9000.0),
    fwhm=st.floats(5.0, 100.0),
)
def test_any_plan_survives_a_round_trip(
    cycles: list[Cycle], noise: tuple[float, ...], name: str, mu: float, limit: float, fwhm: float
) -> None:
    region = replace(hinode_sp().regions[0], psf=gaussian_psf(fwhm, fwhm / 5, name))
    plan = Plan(
        name, (region,), tuple(cycles), noise=(noise[0], noise[1], noise[2], noise[3]), mu=mu,
        limits={"temperature": (limit, 2e4)}, reference=ContinuumReference.DISC_CENTRE,
    )  # fmt: skip
    assert_same(parse_plan(dump_plan(plan), "again").plan, plan)


def test_absent_elements_and_missing_psf_survive() -> None:
    abundances = (12.0, float("nan"), *[float("nan")] * 23, 7.5, *[float("nan")] * 66)
    region = replace(hinode_sp().regions[0], psf=None)
    plan = Plan("p", (region,), abundances=abundances)
    text = dump_plan(plan)
    assert_same(parse_plan(text, "again").plan, plan)
    assert tomllib.loads(text)["abundances"]["table"] == "none"


# ---- the schema ----------------------------------------------------------------------------------------


def test_the_example_of_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    project = parse_plan(text, "docs")
    plan = project.plan
    assert project.start == "hsra"
    assert plan.noise == (1e-3, 8e-4, 8e-4, 8e-4)
    assert plan.mu == 0.82
    assert plan.abundances[25] == 7.46
    assert plan.abundances[0] == 12.0
    assert plan.regions[0].lines == hinode_sp().regions[0].lines
    assert plan.regions[0].n_wavelength == 112
    assert plan.regions[0].psf == gaussian_psf(25.0, 5.0)
    assert plan.cycles[1].weights == (1.0, 4.0, 4.0, 4.0)
    assert plan.limit("temperature") == (2500.0, 15000.0)


def test_files_beside_the_plan(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "golden/inversion/ex5_straylight/input"
    for name in ("LINES", "THEVENIN", "SP_ins_prof.psf", "guess.mod", "straylight.per", "obs.per"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "plan.toml").write_text(
        'name = "p"\nline_list = "LINES"\nstray_light_profile = "straylight.per"\nobservation = "obs.per"\n'
        '[abundances]\nfile = "THEVENIN"\n[psf]\nfile = "SP_ins_prof.psf"\n'
        '[[region]]\nlines = [1, 2]\nstart = 6300.8\nstop = 6303.3\n[start]\nfiles = ["guess.mod"]\n'
        "[[cycle]]\ntemperature = 1\nstray_light = true\n"
    )
    project = load_plan(tmp_path / "plan.toml")
    assert project.plan.abundances[25] == 7.46
    assert [line.index for line in project.plan.regions[0].lines] == [1, 2]
    assert project.plan.regions[0].psf is not None
    assert project.stray_light_profile is not None
    assert project.guess[0].temperature[0, 0] == 9560.0
    assert project.observation == str(tmp_path / "obs.per")
    (tmp_path / "THEVENIN").write_text("nothing\n")
    with pytest.raises(SirFileError, match="THEVENIN"):
        load_plan(tmp_path / "plan.toml")


def test_psf_of_an_instrument_can_be_changed_or_taken_away() -> None:
    assert parse_plan(SMALL + "psf = false\n", "p").plan.regions[0].psf is None
    wide = parse_plan(SMALL + "psf = {gaussian_fwhm = 50}\n", "p").plan.regions[0].psf
    assert wide == gaussian_psf(50.0, 10.0)
    listed = parse_plan(SMALL + "psf = {offset = [-1, 0, 1], transmission = [0.2, 0.6, 0.2]}\n", "p")
    assert listed.plan.regions[0].psf is not None
    assert listed.plan.regions[0].psf.transmission == (0.2, 0.6, 0.2)


def test_samples_that_are_not_even() -> None:
    region = "[[region]]\nlines = [1]\nsamples = [6301.2, 6301.35, 6301.6]\n"
    plan = parse_plan('name = "p"\n' + LINE + region, "p").plan
    assert plan.wavelength.tolist() == [6301.2, 6301.35, 6301.6]
    assert (plan.regions[0].start, plan.regions[0].stop) == (6301.2, 6301.6)
    assert_same(parse_plan(dump_plan(plan), "again").plan, plan)
    wider = parse_plan('name = "p"\n' + LINE + region + "start = 6301.0\nstop = 6302.0\n", "p").plan
    assert_same(parse_plan(dump_plan(wider), "again").plan, wider)
    with pytest.raises(PlanError, match="leave one of them out"):
        parse_plan('name = "p"\n' + LINE + region + "step = 0.1\n", "p")


def test_two_components() -> None:
    plan = parse_plan(
        SMALL + "top_gas_pressure = [800, 900]\n[[cycle]]\ntemperature = 3\nfilling_factor = true\n"
        "[cycle.second]\ntemperature = 1\nvelocity = 1\n",
        "p",
    ).plan
    assert plan.n_component == 2
    assert plan.cycles[0].components[1] == Nodes(temperature=1, velocity=1)
    assert plan.top_gas_pressure == (800.0, 900.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = \nmu = 1", ("not valid TOML", "line 1")),
        ('instrument = "hinode-sp"', ("name", "missing")),
        ('name = "p"', ("region", "missing")),
        (SMALL + "noisee = 1", ("'noisee'", "did you mean 'noise'")),
        (SMALL + "zzz = 1", ("'zzz'", "there are")),
        (SMALL + 'mu = "one"', ("mu", "a number", "'one'")),
        (SMALL + "mu = 2", ("mu", "0.01, 1")),
        (SMALL + "mu = true", ("mu", "a number")),
        (SMALL + "noise = [1, 2]", ("noise", "four")),
        (SMALL + 'reference = "sun"', ("reference", "disc-centre")),
        (SMALL + "max_iterations = 2.5", ("max_iterations", "whole number")),
        (SMALL + "[depth]\nstop = 1", ("[depth]", "'stop'", "did you mean")),
        (SMALL + "[limits]\ntemperature = 5", ("[limits]", "temperature", "[lower, upper]")),
        (SMALL + "[limits]\ntemprature = [1, 2]", ("limits", "temprature")),
        (SMALL + "[abundances]\nFee = 7", ("Fee", "log10")),
        (SMALL + '[abundances]\ntable = "sun"', ("sun", "asplund-2009")),
        (SMALL + "[[cycle]]\ntemperatur = 1", ("[[cycle]] 1", "did you mean 'temperature'")),
        (SMALL + "[[cycle]]\ntemperature = 7", ("cycle 1", "53 depths", "1, 2, 3, 5, 14")),
        (SMALL + "[[cycle]]\ntemperature = 1.5", ("[[cycle]] 1", "whole number")),
        (SMALL + "[[cycle]]\nvelocity = 0", ("cycle 1", "nothing is free")),
        (SMALL + "[[cycle]]\ntemperature = 1\nweights = [1, 2]", ("weights", "4 numbers")),
        (SMALL + REGION, ("instrument", "own regions")),
        (SMALL + "[psf]\ngaussian_fwhm = -1", ("gaussian_fwhm", "positive")),
        (SMALL + '[psf]\nfile = "a"\ngaussian_fwhm = 1', ("one of file",)),
        (SMALL + '[psf]\nfile = "a.psf"', ("[psf]", "'a.psf'")),
        (SMALL + '[start]\nmodel = "hsra"\nfiles = ["a"]', ("[start]", "not both")),
        (SMALL + '[start]\nmodl = "hsra"', ("[start]", "did you mean 'model'")),
        ('name = "p"\n' + REGION, ("[[region]] 1", "no line has index 1")),
        ('name = "p"\n' + LINE + REGION.replace("stop", "end"), ("[[region]] 1", "stop", "missing")),
        ('name = "p"\n' + LINE.replace("6301.5012", "630.15") + REGION, ("[[line]] 1", "630.15")),
        ('name = "p"\n' + LINE.replace("element", "elment") + REGION, ("element", "missing", "'elment'")),
        ('name = "p"\n' + LINE + LINE + REGION, ("[[line]] 2", "twice")),
    ],
)
def test_a_bad_plan_names_the_key(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises((PlanError, NotFoundError)) as caught:
        parse_plan(text, "bad.toml")
    for word in ("bad.toml", *words):
        assert word in str(caught.value)
