"""The gate looks at one pixel, errs on the safe side, and keeps the better fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.gate import Gate, Reason, better, parse_starts, settled
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import Status

OK, SLOW, DEAD = int(Status.OK), int(Status.NOT_CONVERGED), int(Status.ENGINE_FAILED)
NAN = math.nan


def decide(status: int, chi2: float, novelty: float, gate: Gate | None = None) -> Reason:
    return Reason(int((gate or Gate()).decide([status], [chi2], [novelty])[0]))


@pytest.mark.parametrize(
    ("status", "chi2", "novelty", "reason"),
    [
        (OK, 1.0, 0.5, Reason.NONE),
        (OK, 3.0, 1.0, Reason.NONE),
        (OK, 3.001, 0.5, Reason.CHI2),
        (SLOW, 9.0, 0.5, Reason.CHI2),
        (OK, 1.0, 1.001, Reason.NOVEL),
        (OK, 9.0, 9.0, Reason.CHI2 | Reason.NOVEL),
        (OK, NAN, 0.5, Reason.CHI2),
        (OK, math.inf, 0.5, Reason.CHI2),
        (OK, 1.0, NAN, Reason.NONE),
        (DEAD, NAN, 0.5, Reason.FAILED),
        (DEAD, NAN, 2.0, Reason.FAILED | Reason.NOVEL),
    ],
)
def test_reasons(status: int, chi2: float, novelty: float, reason: Reason) -> None:
    assert decide(status, chi2, novelty) == reason


def test_infinite_thresholds_switch_a_criterion_off() -> None:
    assert decide(OK, 1e9, 1e9, Gate(math.inf, math.inf)) == Reason.NONE
    assert decide(DEAD, NAN, 0.0, Gate(math.inf, math.inf)) == Reason.FAILED


@pytest.mark.parametrize("value", [0.0, -1.0, NAN])
def test_thresholds_are_positive(value: float) -> None:
    with pytest.raises(InvalidArgumentError, match="chi2 > 0"):
        Gate(chi2=value)
    with pytest.raises(InvalidArgumentError, match="novelty > 0"):
        Gate(novelty=value)


@given(
    st.lists(
        st.tuples(st.sampled_from([OK, SLOW, DEAD]), st.floats(0, 10), st.floats(0, 2)),
        min_size=1,
        max_size=9,
    )
)
def test_a_pixel_does_not_see_its_neighbours(pixels: list[tuple[int, float, float]]) -> None:
    together = Gate().decide(*(np.array(column) for column in zip(*pixels, strict=True)))
    assert together.tolist() == [int(decide(*pixel)) for pixel in pixels]


@pytest.mark.parametrize(
    ("kept", "chi2", "other", "other_chi2", "won"),
    [
        (OK, 2.0, OK, 1.0, True),
        (OK, 1.0, OK, 2.0, False),
        (OK, 1.0, OK, 1.0, False),
        (SLOW, 2.0, OK, 1.0, True),
        (OK, 2.0, SLOW, 1.0, True),
        (DEAD, NAN, SLOW, 50.0, True),
        (OK, 50.0, DEAD, NAN, False),
        (DEAD, NAN, DEAD, NAN, False),
        (OK, NAN, OK, 5.0, True),
        (OK, 5.0, OK, NAN, False),
    ],
)
def test_never_worse(kept: int, chi2: float, other: int, other_chi2: float, won: bool) -> None:
    assert bool(better([kept], [chi2], [other], [other_chi2])[0]) is won


@pytest.mark.parametrize(
    ("status", "chi2", "before", "done"),
    [
        (OK, 2.9, 9.0, True),  # passes the gate
        (OK, 4.0, 4.1, True),  # two starts, one minimum
        (OK, 4.1, 4.0, True),
        (OK, 4.0, 9.0, False),  # better, but in doubt
        (OK, 9.0, 4.0, False),
        (OK, 4.0, NAN, False),
        (OK, NAN, 4.0, False),
        (DEAD, NAN, 4.0, False),
    ],
)
def test_when_a_full_run_is_enough(status: int, chi2: float, before: float, done: bool) -> None:
    assert bool(settled([status], [chi2], [before], Gate())[0]) is done


def test_the_plans_model_cannot_be_left_out() -> None:
    assert Gate(starts=("guess", "model:umbra")).starts == ("guess", "model:umbra", "model")
    assert Gate(starts=("model", "guess")).starts == ("model", "guess")
    assert Gate(starts=("guess", "model:umbra", "model:hsra")).models == ("umbra", "hsra")
    assert parse_starts(" cnn, model:umbra,,mirrored") == ("guess", "model:umbra", "mirrored")


@pytest.mark.parametrize("wrong", ["magic", "model:", "guess:x", "previous:a.zarr"])
def test_unknown_starts_of_the_gate_are_refused(wrong: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected model, model:NAME, guess or mirrored"):
        Gate(starts=(wrong,))
    with pytest.raises(InvalidArgumentError, match="one try"):
        Gate(tries=0)
