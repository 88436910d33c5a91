"""A network is told from a plan by the strengths of its lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stokeswarm.client.network_lines import other_strengths
from stokeswarm.client.testing import small_plan
from stokeswarm.contract.inference import ModelInfo
from stokeswarm.contract.instrument import FE_6302
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference


def network(lines: list[list[float]], spread: float | None = None) -> ModelInfo:
    recipe: dict[str, Any] = {"regions": [{"lines": lines}]}
    if spread is not None:
        recipe["log_gf_spread"] = spread
    return with_card(json.dumps({"training": {"recipe": recipe}}))


def with_card(card: str) -> ModelInfo:
    axis = np.array([6301.0, 6303.0])
    return ModelInfo(
        "hinode-sp", "2", "", "", True, "", axis, axis, (), ContinuumReference.DISC_CENTRE, 1.0, card
    )


def plan(log_gf: float, shift: float = 0.0) -> Plan:
    region = small_plan().regions[0]
    line = replace(FE_6302, log_gf=log_gf, wavelength=FE_6302.wavelength + shift)
    return replace(small_plan(), regions=(replace(region, lines=(line,)),))


@pytest.mark.parametrize(
    ("log_gf", "spread", "told"),
    [
        (-1.236, 0.0, False),
        (-1.25, None, False),
        (-1.30, None, True),
        (-1.13, 0.12, False),
        (-0.97, 0.12, True),
    ],
)
def test_lines_of_another_strength_are_told(log_gf: float, spread: float | None, told: bool) -> None:
    found = other_strengths(network([[6302.4936, -1.236]], spread), plan(log_gf))
    assert len(found) == told
    if told:
        assert f"log gf {log_gf:g} in the plan, -1.236 in the network" in found[0]


def test_other_lines_are_not_compared() -> None:
    far = network([[6301.5012, -0.75]])
    assert other_strengths(far, plan(-1.236)) == ()
    # The same line with another author's wavelength.
    assert other_strengths(network([[6302.4936, -1.236]]), plan(-0.97, shift=0.005))


@pytest.mark.parametrize(
    "card",
    ["", "{}", "[]", '{"training": null}', '{"training": {"recipe": {"regions": [{"lines": [[1]]}]}}}'],
)
def test_a_card_that_says_nothing_is_no_error(card: str) -> None:
    assert other_strengths(with_card(card), plan(-0.97)) == ()
