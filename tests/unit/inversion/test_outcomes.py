"""Cutting and joining results loses nothing and mixes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stokeswarm.contract.inversion import CycleResults
from stokeswarm.contract.status import Status
from stokeswarm.inversion.outcomes import (
    InvertOutcomes,
    ResponseOutcomes,
    SynthesisOutcomes,
    join,
    nbytes,
    split,
    take,
)


@pytest.fixture(params=["invert", "synthesize", "response"])
def results(request, scripted):
    n = 7
    made = getattr(scripted, f"{request.param}_request")(n)
    make = getattr(scripted, f"{request.param}_results")
    return make(made, range(n), [Status.OK] * n)


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "arrays"):
        return same(a.log_tau, b.log_tau) and all(same(v, b.arrays()[k]) for k, v in a.arrays().items())
    return a == b


def equal(a, b) -> bool:
    return all(same(getattr(a, name), getattr(b, name)) for name in a.__slots__)


@pytest.mark.parametrize("parts", [1, 2, 3, 100])
def test_split_and_join_are_inverse(results, parts):
    limit = nbytes(results) // parts
    pieces = split(results, limit)
    assert all(nbytes(piece) <= limit or len(piece) == 1 for piece in pieces)
    assert len(pieces) >= min(parts, len(results))
    (whole,) = join(pieces)
    assert equal(whole, results)


def test_take_keeps_the_order_asked_for(results):
    taken = take(results, [5, 0, 3])
    assert taken.pixel.tolist() == results.pixel[[5, 0, 3]].tolist()
    assert len(taken.status) == len(taken.message) == 3
    assert same(take(taken, [1]).pixel, results.pixel[[0]])


def test_other_depth_axes_stay_apart(scripted):
    request = scripted.invert_request(4)
    one = scripted.invert_results(request, [0, 1], [Status.OK] * 2)
    other_plan = replace(request, plan=scripted.plan(depth_top=-3.0))
    two = scripted.invert_results(other_plan, [2], [Status.OK])
    three = scripted.invert_results(other_plan, [3], [Status.OK])
    joined = join([one, two, three])
    assert [part.pixel.tolist() for part in joined] == [[0, 3], [6, 9]]
    assert [part.atmosphere[0].n_depth for part in joined] == [6, 5]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("invert", InvertOutcomes), ("synthesize", SynthesisOutcomes), ("response", ResponseOutcomes)],
)
def test_failed_pixels_hold_no_numbers_and_join_with_good_ones(scripted, name, kind):
    request = getattr(scripted, f"{name}_request")(5)
    failed = kind(request).failed([1, 3], Status.ENGINE_FAILED, ["a", "b"])
    assert failed.pixel.tolist() == request.pixel[[1, 3]].tolist()
    assert failed.message == ("a", "b")
    values = failed.fit if name == "invert" else failed.stokes
    assert np.isnan(values).all()
    good = getattr(scripted, f"{name}_results")(request, [0], [Status.OK])
    assert len(join([good, failed])) == 1
    assert kind(request).faults(failed).keys()


def test_what_single_cycles_made_is_cut_and_joined_with_the_rest(scripted):
    request = scripted.invert_request(5)
    whole = scripted.invert_results(request, range(5), [Status.OK] * 5)
    chi2 = np.arange(5.0)
    cycles = tuple(CycleResults(n, whole.atmosphere, whole.fit, chi2 + 10 * n) for n in range(2))
    with_cycles = replace(whole, by_cycle=cycles)
    assert nbytes(with_cycles) > 2 * nbytes(whole)
    pieces = split(with_cycles, nbytes(with_cycles) // 3)
    assert len(pieces) >= 3
    (joined,) = join(pieces)
    assert [one.cycle for one in joined.by_cycle] == [0, 1]
    assert joined.by_cycle[1].chi2.tolist() == (chi2 + 10).tolist()
    assert same(joined.by_cycle[0].fit, whole.fit)
    assert take(with_cycles, [4, 2]).by_cycle[1].chi2.tolist() == [14.0, 12.0]
    # pixels without them stay apart, as those on another depth axis do
    assert len(join([with_cycles, whole])) == 2
