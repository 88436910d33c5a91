"""Answers that cannot be about the question are told from those that can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.client.answers import check_answer
from stokeswarm.client.testing import fake_cycle, small_plan
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import DataLossError
from stokeswarm.contract.inversion import CycleResults, InvertRequest, InvertResults
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status

PLAN = small_plan()
N = PLAN.wavelength.size


def answer() -> InvertResults:
    return InvertResults.failed(
        [1, 2], Status.NO_OUTPUT, "", n_component=1, log_tau=PLAN.log_tau, n_wavelength=N
    )


def cycle(number: int = 0) -> CycleResults:
    start = Atmosphere.full(2, PLAN.log_tau, 1.0)
    spectra = Spectra(PLAN.wavelength, np.ones((2, 4, N), np.float32))
    return fake_cycle(InvertRequest("lte", PLAN, spectra, np.array([1, 2]), (start,)), (start,), number)


def test_what_was_asked_for_passes() -> None:
    check_answer(answer(), PLAN, N, 0)
    check_answer(replace(answer(), by_cycle=(cycle(0), cycle(2))), PLAN, N, 3)


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (replace(answer(), fit=answer().fit[:, :, 1:]), "111 wavelengths, sent 112"),
        (replace(answer(), atmosphere=answer().atmosphere * 2), r"2 component\(s\), the plan 1"),
        (replace(answer(), atmosphere=(Atmosphere.full(2, PLAN.log_tau + 1),)), "depths from log tau 2"),
        (replace(answer(), by_cycle=(cycle(3),)), "cycle 3"),
        (replace(answer(), by_cycle=(replace(cycle(), fit=cycle().fit[:, :, 1:]),)), "cycle 0 has 111"),
        (replace(answer(), by_cycle=(replace(cycle(), atmosphere=()),)), r"0 component\(s\)"),
        (
            replace(
                answer(), by_cycle=(replace(cycle(), atmosphere=(Atmosphere.full(2, PLAN.log_tau - 1),)),)
            ),
            "depths from log tau 0",
        ),
    ],
)
def test_what_was_not_is_damage(spoiled: InvertResults, words: str) -> None:
    with pytest.raises(DataLossError, match=words):
        check_answer(spoiled, PLAN, N, 3)


def test_cycles_that_nobody_asked_for_are_damage() -> None:
    with pytest.raises(DataLossError, match="cycle 0"):
        check_answer(replace(answer(), by_cycle=(cycle(),)), PLAN, N, 0)
