"""Whatever an engine does, each pixel ends exactly once, with the truth about it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stokeswarm.contract.errors import (
    CancelledByCallerError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnsupportedError,
)
from stokeswarm.contract.status import Status
from stokeswarm.inversion import tasks
from stokeswarm.inversion.outcomes import take
from stokeswarm.inversion.pool import SlotPool


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("batch", [1, 4, 100])
def test_every_pixel_once_whatever_slots_and_batch(scripted, make_core, slots, batch):
    engine = scripted.ScriptedEngine(batch=batch)
    request = scripted.invert_request(23)
    found = scripted.drain(make_core(engine, slots).invert(request))
    assert found == {int(pixel): (Status.OK, "") for pixel in request.pixel}
    assert Counter(p for call in engine.calls for p in call.pixels) == dict.fromkeys(found, 1)
    assert max(len(call.pixels) for call in engine.calls) <= batch


@pytest.mark.parametrize("slots", [1, 3])
def test_results_that_are_made_while_the_next_code_runs(scripted, make_core, slots):
    engine = scripted.ScriptedEngine(batch=1, defers=True)
    request = scripted.invert_request(23)
    found = scripted.drain(make_core(engine, slots).invert(request))
    assert found == {int(pixel): (Status.OK, "") for pixel in request.pixel}
    assert Counter(p for call in engine.calls for p in call.pixels) == dict.fromkeys(found, 1)
    if slots == 1:  # each is made after the next has begun, and the last when none is left to begin
        pixels = [pixels for what, pixels in engine.order if what == "begun"]
        expected = [("begun", pixels[0])]
        for before, after in pairwise(pixels):
            expected += [("begun", after), ("made", before)]
        assert engine.order == [*expected, ("made", pixels[-1])]


def test_results_that_cannot_be_made_cost_one_more_run(scripted, make_core):
    engine = scripted.ScriptedEngine(batch=1, defers=True, defects=[RuntimeError("once")])
    found = scripted.drain(make_core(engine, 1).invert(scripted.invert_request(5)))
    assert set(found.values()) == {(Status.OK, "")}
    assert [what for what, _ in engine.order].count("begun") == 5  # the sixth was a plain run


def test_a_begin_that_fails_costs_only_its_pixel(scripted, make_core, monkeypatch):
    def broken(self, rows, slot):
        if 3 in self.request.pixel[list(rows)]:
            raise OSError("no scratch")
        return whole(self, rows, slot)

    whole = scripted.DeferringScriptedJob.deferred
    monkeypatch.setattr(scripted.DeferringScriptedJob, "deferred", broken)
    engine = scripted.ScriptedEngine(batch=1, defers=True)
    found = scripted.drain(make_core(engine, 2).invert(scripted.invert_request(9)))
    assert set(found.values()) == {(Status.OK, "")}
    assert len(engine.tries(3)) == 1


def test_values_belong_to_their_pixels(scripted, make_core):
    task = make_core(scripted.ScriptedEngine(batch=3), 2).invert(scripted.invert_request(11))
    seen = 0
    while (parts := task.collect(max_bytes=1, linger=0, timeout=scripted.PATIENCE)) is not None:
        for part in parts:
            expected = [scripted.temperature_of(p) for p in part.pixel]
            assert part.atmosphere[0].temperature[:, 0].tolist() == expected
            assert part.fit[:, 2, 1].tolist() == part.pixel.tolist()
            seen += len(part)
    assert seen == 11


def test_an_exception_costs_only_its_pixel(scripted, make_core):
    def broken(slot):
        raise ZeroDivisionError("no photons")

    engine = scripted.ScriptedEngine({6: broken})
    found = scripted.drain(make_core(engine).invert(scripted.invert_request(9)))
    assert found.pop(6) == (Status.ENGINE_FAILED, "ZeroDivisionError: no photons")
    assert set(found.values()) == {(Status.OK, "")}
    first, second = engine.tries(6)
    assert len(first.pixels) > 1
    assert second.pixels == (6,)


@pytest.mark.parametrize("error", [RuntimeError("once"), SystemExit(3)])
def test_a_passing_failure_costs_nothing(scripted, make_core, error):
    failures = [error]

    def once(slot):
        if failures:
            raise failures.pop()
        return Status.OK

    core = make_core(scripted.ScriptedEngine({0: once}), 1)
    found = scripted.drain(core.invert(scripted.invert_request(5)))
    assert set(found.values()) == {(Status.OK, "")}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda results: take(results, range(len(results) - 1)), "statuses: expected 1"),
        (lambda results: replace(results, pixel=results.pixel + 1), "asked for pixels"),
        (lambda results: replace(results, fit=results.fit[:, :, 1:]), "shape of the fit"),
        (lambda results: replace(results, atmosphere=results.atmosphere * 2), "components"),
        (lambda results: None, "AttributeError"),
    ],
)
def test_an_answer_that_is_not_the_question(scripted, make_core, spoil, reason):
    engine = scripted.ScriptedEngine(spoil=spoil)
    found = scripted.drain(make_core(engine).invert(scripted.invert_request(6)))
    assert len(found) == 6
    for status, message in found.values():
        assert status is Status.ENGINE_FAILED
        assert reason in message


def test_rows_in_another_order_are_refused_in_a_batch_and_right_alone(scripted, make_core):
    engine = scripted.ScriptedEngine(spoil=lambda results: take(results, range(len(results))[::-1]), batch=2)
    found = scripted.drain(make_core(engine, 1).invert(scripted.invert_request(4)))
    assert {status for status, _ in found.values()} == {Status.OK}
    assert all(len(engine.tries(pixel)) == 2 for pixel in found)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda r: _poison(r, "fit"), "the fit"),
        (lambda r: _poison(r, "chi2"), "chi2"),
        (lambda r: _poison_temperature(r), "temperature of component 1"),
    ],
)
def test_a_good_pixel_with_nan_is_not_good(scripted, make_core, spoil, what):
    engine = scripted.ScriptedEngine(spoil=spoil)
    task = make_core(engine).invert(scripted.invert_request(8))
    bad = {}
    while (parts := task.collect(max_bytes=1, linger=0, timeout=scripted.PATIENCE)) is not None:
        for part in parts:
            for i, status in enumerate(part.status):
                if status is not Status.OK:
                    bad[int(part.pixel[i])] = part.message[i]
                    assert np.isnan(part.atmosphere[0].temperature[i]).all()
                    assert np.isnan(part.fit[i]).all()
    assert bad == {9: f"the engine called the pixel OK, but {what} is not finite"}
    assert len(engine.tries(9)) == 1, "the same input would give the same answer"


def _poison(results, name):
    values = getattr(results, name).copy()
    values[results.pixel == 9] = np.inf
    return replace(results, **{name: values})


def _poison_temperature(results):
    atmosphere = results.atmosphere[0]
    values = atmosphere.temperature.copy()
    values[results.pixel == 9, -1] = np.nan
    return replace(results, atmosphere=(replace(atmosphere, temperature=values),))


def test_a_pixel_times_out_only_with_the_whole_limit_for_itself(scripted, make_core):
    engine = scripted.ScriptedEngine({3: lambda slot: Status.TIMEOUT, 6: _late_in_company()}, batch=4)
    before = time.monotonic()
    found = scripted.drain(make_core(engine, 1).invert(scripted.invert_request(4, pixel_timeout=50.0)))
    assert {pixel: status for pixel, (status, _) in found.items()} == {
        0: Status.OK,
        3: Status.TIMEOUT,
        6: Status.OK,
        9: Status.OK,
    }
    together, alone = engine.tries(6)
    assert alone.pixels == (6,)
    assert alone.deadline >= together.deadline >= before + 50.0
    assert alone.deadline <= time.monotonic() + 50.0


def _late_in_company():
    answers = [Status.OK, Status.TIMEOUT]
    return lambda slot: answers.pop()


def test_cancelling_frees_the_slot_and_drops_the_rest(scripted, make_core):
    act = scripted.UntilCancelled()
    engine = scripted.ScriptedEngine({0: act}, batch=1)
    core = make_core(engine, 1)
    task = core.invert(scripted.invert_request(50))
    assert act.reached.wait(scripted.PATIENCE)
    core.pool.release(task)
    assert act.cancelled.wait(scripted.PATIENCE)
    with pytest.raises(CancelledByCallerError):
        task.collect(max_bytes=1, linger=0, timeout=scripted.PATIENCE)
    assert len(scripted.drain(core.invert(scripted.invert_request(3, first=1000)))) == 3
    assert sum(len(call.pixels) for call in engine.calls) == 1 + 3


def test_an_engine_that_never_returns_is_given_up(scripted, make_core):
    gate = scripted.Gate()
    engine = scripted.ScriptedEngine({0: gate}, batch=1)
    core = make_core(engine, 2, overrun=0.0)
    task = core.invert(scripted.invert_request(6, pixel_timeout=0.2))
    assert gate.reached.wait(scripted.PATIENCE)
    found = {}
    while (parts := task.collect(max_bytes=1, linger=0, timeout=0.01)) is not None:
        for part in parts:
            found |= dict(zip(part.pixel.tolist(), part.status, strict=True))
        core.pool.check(task)
    assert found == {p: Status.TIMEOUT if p == 0 else Status.OK for p in range(0, 18, 3)}
    assert core.pool.reap() == 1
    other = scripted.drain(core.invert(scripted.invert_request(4, first=100)))
    assert {status for status, _ in other.values()} == {Status.OK}
    gate.opened.set()


def test_without_a_slot_left_requests_are_refused_not_kept_waiting(scripted, make_core):
    gate = scripted.Gate()
    core = make_core(scripted.ScriptedEngine({0: gate}, batch=1), 1, overrun=0.0)
    task = core.invert(scripted.invert_request(3, pixel_timeout=1e-3))
    assert gate.reached.wait(scripted.PATIENCE)
    ended = []
    with pytest.raises(UnavailableError, match="no slot is left"):
        _read_on(core, task, ended)
    assert ended == [0], "who reads on learns which pixel did it"
    with pytest.raises(UnavailableError, match="no slot is left"):
        core.invert(scripted.invert_request(1))
    gate.opened.set()
    assert set(scripted.drain(task)) == {3, 6}, "the slot returned and works on"


def _read_on(core, task, ended):
    while (parts := task.collect(max_bytes=1, linger=0, timeout=0.01)) is not None:
        ended += [pixel for part in parts for pixel in part.pixel.tolist()]
        core.pool.check(task)


def test_a_full_queue_says_when_to_come_back(scripted, make_core):
    gate = scripted.Gate()
    core = make_core(scripted.ScriptedEngine({0: gate}), 1, queue=2)
    first = core.invert(scripted.invert_request(2))
    second = core.invert(scripted.invert_request(2, first=100))
    with pytest.raises(ResourceExhaustedError, match="2 requests are open") as caught:
        core.invert(scripted.invert_request(2, first=200))
    assert 0 < caught.value.retry_after <= 60
    core.pool.release(second)
    third = core.invert(scripted.invert_request(2, first=200))
    gate.opened.set()
    assert len(scripted.drain(first)) == len(scripted.drain(third)) == 2


def test_requests_share_the_slots_in_turn(scripted, make_core):
    gate = scripted.Gate()
    engine = scripted.ScriptedEngine({0: gate}, batch=1)
    core = make_core(engine, 1)
    large = core.invert(scripted.invert_request(40))
    assert gate.reached.wait(scripted.PATIENCE)
    small = core.invert(scripted.invert_request(3, first=1000))
    assert core.pool.ahead_of(small) == 1
    assert core.pool.ahead_of(large) == 0
    gate.opened.set()
    scripted.drain(small)
    scripted.drain(large)
    order = [call.pixels[0] for call in engine.calls]
    assert max(order.index(pixel) for pixel in (1000, 1003, 1006)) <= 6


def test_slots_are_independent(scripted, make_core):
    gate = scripted.Gate()
    engine = scripted.ScriptedEngine({0: gate}, batch=1)
    task = make_core(engine, 3).invert(scripted.invert_request(30))
    rest = {}
    while len(rest) < 29:
        for part in task.collect(max_bytes=1, linger=0, timeout=scripted.PATIENCE):
            rest |= dict.fromkeys(part.pixel.tolist())
    assert 0 not in rest
    gate.opened.set()
    assert set(scripted.drain(task)) == {0}
    threads = {(call.slot, call.thread) for call in engine.calls}
    assert len(threads) == len({slot for slot, _ in threads}), "one thread a slot"


def test_a_slow_reader_holds_the_slots_back(scripted, make_core, monkeypatch):
    monkeypatch.setattr(tasks, "MAX_UNREAD_BYTES", 1)
    engine = scripted.ScriptedEngine(batch=2)
    task = make_core(engine, 1).invert(scripted.invert_request(8))
    sizes = []
    while (parts := task.collect(max_bytes=1, linger=0, timeout=scripted.PATIENCE)) is not None:
        sizes.append([len(part) for part in parts])
    assert sizes == [[2]] * 4


def test_bad_input_never_reaches_the_engine(scripted, make_core):
    request = scripted.invert_request(5)
    stokes = request.spectra.stokes.copy()
    stokes[1] = np.nan
    stokes[2] = 0.0
    start = request.start[0]
    temperature = start.temperature.copy()
    temperature[4, 0] = np.nan
    request = replace(
        request,
        spectra=replace(request.spectra, stokes=stokes),
        start=(replace(start, temperature=temperature),),
    )
    engine = scripted.ScriptedEngine()
    found = scripted.drain(make_core(engine).invert(request))
    assert found == {
        0: (Status.OK, ""),
        3: (Status.INVALID_INPUT, "every sample of Stokes I is NaN"),
        6: (Status.INVALID_INPUT, "Stokes I is zero at every wavelength"),
        9: (Status.OK, ""),
        12: (Status.INVALID_INPUT, "start of component 1: temperature is not finite"),
    }
    assert {p for call in engine.calls for p in call.pixels} == {0, 9}


def test_synthesis_and_response_functions_take_the_same_way(scripted, make_core):
    def broken(slot):
        raise ValueError("no")

    core = make_core(scripted.ScriptedEngine({2: broken}))
    for task in (core.synthesize(scripted.synthesize_request(5)), core.respond(scripted.response_request(5))):
        found = scripted.drain(task)
        assert found.pop(2) == (Status.ENGINE_FAILED, "ValueError: no")
        assert found == dict.fromkeys((0, 1, 3, 4), (Status.OK, ""))


def test_an_empty_request_ends_at_once(scripted, make_core):
    assert (
        scripted.drain(make_core(scripted.ScriptedEngine()).synthesize(scripted.synthesize_request(0))) == {}
    )


def test_refusals(scripted, make_core):
    core = make_core(scripted.ScriptedEngine(responds=False))
    with pytest.raises(UnsupportedError, match="no engine"):
        core.respond(scripted.response_request(1))
    with pytest.raises(NotFoundError, match="there are scripted"):
        core.invert(replace(scripted.invert_request(1), engine="sir"))
    able = make_core(scripted.ScriptedEngine())
    monster = scripted.response_request(1, n_depth=90_000)
    with pytest.raises(InvalidArgumentError, match="MiB a pixel"):
        able.respond(monster)


def test_a_closed_pool_takes_nothing(scripted):
    core = scripted.core(scripted.ScriptedEngine())
    assert core.pool.close(scripted.PATIENCE)
    with pytest.raises(UnavailableError, match="shutting down"):
        core.invert(scripted.invert_request(1))


@pytest.mark.parametrize(("slots", "queue"), [(0, None), (1, 0)])
def test_a_pool_needs_slots_and_a_queue(slots, queue):
    with pytest.raises(FailedPreconditionError, match="at least 1"):
        SlotPool(slots, queue)
