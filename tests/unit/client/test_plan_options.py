"""Options of engines and model atoms in plan files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.plan_files import dump_plan, parse_plan
from stokeswarm.client.plan_options import FAMILIES, option_text
from stokeswarm.client.testing import small_plan
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.options import LTE_POPULATIONS, STARTS, AtomModel

SMALL = 'name = "p"\ninstrument = "hinode-sp"\n'


def test_tables_of_engines_become_options() -> None:
    text = SMALL + (
        '[sir]\ninterpolation = "linear"\ncontrast = 0.5\n[desire]\nnlte_threshold = 1e-5\nrays = 5\n'
        "[rh]\nN_MAX_ITER = 200\nITER_LIMIT = 1e3\nHYDROGEN_LTE = true\n"
    )
    assert parse_plan(text, "p").plan.options == {
        "sir.interpolation": "linear",
        "sir.contrast": "0.5",
        "desire.nlte_threshold": "1.0e-05",
        "desire.rays": "5",
        "rh.N_MAX_ITER": "200",
        "rh.ITER_LIMIT": "1000.0",
        "rh.HYDROGEN_LTE": "true",
    }


def test_model_atoms_and_the_medium() -> None:
    text = SMALL + (
        'wavelengths = "vacuum"\n[[atom]]\nmodel = "H_6"\n[[atom]]\nmodel = "CaII_PRD"\nactive = true\n'
        'start = "ZERO_RADIATION"\n[[molecule]]\nmodel = "H2+"\n'
    )
    plan = parse_plan(text, "p").plan
    assert plan.vacuum
    assert plan.atoms == (
        AtomModel("H_6", False, LTE_POPULATIONS),
        AtomModel("CaII_PRD", True, "ZERO_RADIATION"),
    )
    assert plan.molecules == (AtomModel("H2+"),)
    assert not parse_plan(SMALL, "p").plan.vacuum


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sir]\nlist = [1, 2]", ("[sir]", "list", "[1, 2]")),
        ('[sir]\nname = "two words"', ("sir.name", "'two words'")),
        ("[desire]\nrays = nan", ("p", "desire")),
        ('[sirius]\na = "b"', ("'sirius'", "did you mean 'sir'")),
        ("[[atom]]\nactive = true", ("[[atom]] 1", "model", "missing")),
        ('[[atom]]\nmodel = "a/b.atom"', ("[[atom]] 1", "bare name")),
        ('[[molecule]]\nmodel = "CO"\nstrat = "x"', ("[[molecule]] 1", "did you mean 'start'")),
        ('[[atom]]\nmodel = "H"\nstart = "OLD_POPULATIONS"', ("[[atom]] 1", "ZERO_RADIATION")),
        ('wavelengths = "water"', ("wavelengths", "air or vacuum", "'water'")),
    ],
)
def test_wrong_options_name_their_key(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(SMALL + text + "\n", "p")
    for word in words:
        assert word in str(caught.value)


keys = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
values = st.from_regex(r"[A-Za-z0-9_.+-]{1,64}", fullmatch=True)
models = st.builds(
    AtomModel,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,30}", fullmatch=True),
    st.booleans(),
    st.sampled_from(STARTS),
)


@given(
    options=st.dictionaries(st.tuples(st.sampled_from(FAMILIES), keys).map(".".join), values, max_size=8),
    atoms=st.lists(models, max_size=4, unique_by=lambda model: model.name),
    molecules=st.lists(models, max_size=4, unique_by=lambda model: model.name),
    vacuum=st.booleans(),
)
def test_they_survive_a_round_trip(
    options: dict[str, str], atoms: list[AtomModel], molecules: list[AtomModel], vacuum: bool
) -> None:
    plan = replace(
        small_plan(), options=options, atoms=tuple(atoms), molecules=tuple(molecules), vacuum=vacuum
    )
    again = parse_plan(dump_plan(plan), "again").plan
    assert again.options == options
    assert (again.atoms, again.molecules, again.vacuum) == (plan.atoms, plan.molecules, vacuum)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_real_numbers_keep_every_bit_and_have_a_point(value: float) -> None:
    text = option_text(value)
    assert float(text) == value
    assert "." in text


def test_an_option_of_nobody_is_not_written() -> None:
    with pytest.raises(PlanError, match=r"lte\.fast"):
        dump_plan(replace(small_plan(), options={"lte.fast": "1"}))
