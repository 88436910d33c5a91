"""The model card: a faithful round trip, and a reason for whatever is wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.card import Card
from stokeswarm.inference.testing import linear_card


def test_json_round_trip_keeps_every_bit() -> None:
    card = replace(
        linear_card(),
        wavelength=6301.5 + np.arange(5) / 7,
        accepted_references=(ContinuumReference.LOCAL_QUIET_SUN,),
        sections={"metrics": {"temperature": {"rms": [1.5]}}},
    )
    again = Card.from_json(card.to_json())
    assert np.array_equal(again.wavelength, card.wavelength)
    assert again.accepted_references == (ContinuumReference.DISC_CENTRE, ContinuumReference.LOCAL_QUIET_SUN)
    assert again.to_json() == card.to_json()


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("schema", 2, "schema"),
        ("instrument", "Hinode SP", "model name"),
        ("instrument", "../escape", "model name"),
        ("version", "01", "positive integer"),
        ("digest", "abc", "hexadecimal"),
        ("wavelength", [630.15, 630.16], "nanometres"),
        ("wavelength", [6302.0, 6301.0], "strictly increasing"),
        ("wavelength", [6302.0, "6303"], "list of numbers"),
        ("log_tau", [-1.0, 0.0], "deepest first"),
        ("log_tau", [], "nodes"),
        ("quantities", ["temperature"], "quantities"),
        ("scalars", ["mass"], "scalars"),
        ("reference", "continuum", "disc-centre"),
        ("novelty", {"threshold": 0}, "novelty threshold"),
        ("novelty", {"threshold": True}, "threshold"),
        ("accepted_references", "disc-centre", "expected a list"),
    ],
)
def test_a_wrong_entry_is_named(key: str, value: object, reason: str) -> None:
    data = json.loads(linear_card().to_json()) | {key: value}
    with pytest.raises(InvalidArgumentError, match=reason):
        Card.from_json(json.dumps(data))


@pytest.mark.parametrize("key", ["digest", "wavelength", "log_tau", "quantities", "novelty", "reference"])
def test_a_missing_entry_is_named(key: str) -> None:
    data = json.loads(linear_card().to_json())
    del data[key]
    with pytest.raises(InvalidArgumentError, match=f"{key}: missing"):
        Card.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_text_that_is_no_card_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        Card.from_json(text)
