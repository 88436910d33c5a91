"""A plan comes back from the document that a store keeps of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.plan_files import load_plan, preset_names
from stokeswarm.client.provenance import plan_document
from stokeswarm.client.stored_plan import stored_plan
from stokeswarm.client.testing import small_plan
from stokeswarm.contract.errors import DataLossError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Cycle, Nodes, Plan


def there_and_back(plan: Plan) -> Plan:
    return stored_plan(json.loads(json.dumps(plan_document(plan), allow_nan=False)), "store")


def same(a: Plan, b: Plan) -> None:
    np.testing.assert_array_equal(a.abundances, b.abundances)
    assert replace(a, abundances=b.abundances) == b


@pytest.mark.parametrize("name", preset_names())
def test_presets(name: str) -> None:
    plan = load_plan(name).plan
    same(plan, there_and_back(plan))


def test_everything_that_a_plan_may_hold() -> None:
    nodes = Nodes(temperature=3, field_strength=1, macroturbulence=True)
    plan = replace(
        small_plan(),
        cycles=(Cycle((nodes, Nodes(temperature=1)), filling_factor=True, weights=(1.0, 2.0, 3.0, 4.0)),),
        top_gas_pressure=(900.0, 800.0),
        limits={"temperature": (2500.0, 9000.0)},
        options={"sir.interpolation": "linear"},
        atoms=(AtomModel("Fe", active=True),),
        vacuum=True,
        mu=0.7,
    )
    same(plan, there_and_back(plan))


def test_a_control_file(data_dir: Path) -> None:
    plan = load_plan(data_dir / "map" / "inv_ref1.trol").plan
    same(plan, there_and_back(plan))


@pytest.mark.parametrize("damage", [{"noise": [1.0]}, {"unknown": 1}, {"regions": [{}]}, {"cycles": 3}])
def test_damaged_documents_are_refused(damage: dict[str, object]) -> None:
    with pytest.raises(DataLossError, match="store: its plan cannot be read back"):
        stored_plan(plan_document(small_plan()) | damage, "store")
