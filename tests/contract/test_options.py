"""What a plan may say to one engine: bounded words, bare names, never a path or a second line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, PlanError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.options import MAX_OPTIONS, AtomModel
from stokeswarm.contract.plan import Plan

PLAN = Plan("options", hinode_sp().regions)


@pytest.mark.parametrize(
    "name", ["../CaII", "/etc/passwd", "CaII.atom", "", "a" * 49, "Ca II", "CaII\n", "-Ca", "Ca\x00", "é"]
)
def test_a_model_atom_is_a_bare_name(name: str) -> None:
    with pytest.raises(PlanError, match="bare name"):
        AtomModel(name)


@pytest.mark.parametrize("name", ["CaII_PRD", "H_6", "C_I+II_9", "MgI_b+MgII", "C_I-V", "H2+"])
def test_names_of_installed_models_pass(name: str) -> None:
    assert AtomModel(name).name == name


def test_a_start_is_one_of_two() -> None:
    with pytest.raises(PlanError, match="LTE_POPULATIONS or ZERO_RADIATION"):
        AtomModel("H_6", start="OLD_POPULATIONS")


@pytest.mark.parametrize("key", ["interpolation", "SIR.x", "sir.", "sir.a b", "sir.a\n", "sir.9", "../x.y"])
def test_a_key_has_family_and_name(key: str) -> None:
    with pytest.raises(PlanError, match=r"keys such as 'sir\.interpolation'"):
        replace(PLAN, options={key: "1"})


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "$(id)", "/etc", "x" * 65, "a!b", "a,b", "a:b"])
def test_a_value_is_one_word(value: str) -> None:
    with pytest.raises(PlanError, match="one word or number"):
        replace(PLAN, options={"sir.interpolation": value})


def test_there_is_an_end_to_options_and_models() -> None:
    with pytest.raises(PlanError, match=f"at most {MAX_OPTIONS}"):
        replace(PLAN, options={f"sir.a{i}": "1" for i in range(MAX_OPTIONS + 1)})
    with pytest.raises(PlanError, match="H_6 occurs twice"):
        replace(PLAN, atoms=(AtomModel("H_6"), AtomModel("H_6", active=True)))


@pytest.mark.parametrize("position", [[[0.8, 0.7]], [[np.nan, 0.0]], [[0.0]], [[1.0, 0.0]]])
def test_a_position_is_on_the_disc(position: list[list[float]]) -> None:
    atmosphere = Atmosphere.full(1, [1.0, 0.0], 1.0)
    with pytest.raises(InvalidArgumentError, match="position"):
        SynthesizeRequest(
            "lte", PLAN, (atmosphere,), np.array([1]), PLAN.wavelength, position=np.array(position)
        )
