"""Delivery without a network: what is sent again, what is given up, and how long one waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Delivery, RetryPolicy, Rows, ask
from stokeswarm.contract.errors import (
    CancelledByCallerError,
    DeadlineError,
    NotFoundError,
    PlanError,
    ResourceExhaustedError,
    StokeswarmError,
    UnavailableError,
)
from stokeswarm.contract.inversion import Heartbeat, InvertResults
from stokeswarm.contract.status import Status

PIXEL = np.array([50, 40, 30, 20, 10], np.int64)
QUICK = RetryPolicy(attempts=3, first_pause=1e-4, longest_pause=1e-4, patience=0.01)

Event = InvertResults | Heartbeat | StokeswarmError


def results(*pixel: int) -> InvertResults:
    return InvertResults.failed(
        list(pixel), Status.TIMEOUT, "made up", n_component=1, log_tau=[0.0], n_wavelength=1
    )


@dataclass
class Server:
    """Answers each call with the next script, then with whatever is asked."""

    scripts: list[list[Event]]
    asked: list[list[int]] = field(default_factory=list)
    got: list[int] = field(default_factory=list)
    cancelled: int = 0

    def send(self, rows: Rows) -> Call:
        self.asked.append(PIXEL[rows].tolist())
        events = self.scripts.pop(0) if self.scripts else [results(*PIXEL[rows].tolist())]
        return Call(self, events)

    def accept(self, rows: Rows, message: InvertResults, taken: Rows) -> None:
        assert PIXEL[rows].tolist() == message.pixel[taken].tolist()
        self.got += PIXEL[rows].tolist()

    def deliver(
        self, policy: RetryPolicy = QUICK, diagnose: Callable[[], None] = lambda: None
    ) -> dict[int, tuple[Status, str]]:
        delivery = Delivery(self.send, PIXEL, self.accept, Calls(), policy, diagnose)
        return delivery.run(np.arange(PIXEL.size))


@dataclass
class Call:
    server: Server
    events: list[Event]

    def __iter__(self) -> Iterator[InvertResults | Heartbeat]:
        for event in self.events:
            if isinstance(event, StokeswarmError):
                raise event
            yield event

    def cancel(self) -> None:
        self.server.cancelled += 1


GONE = UnavailableError("gone")
BEAT = Heartbeat(0, 5)


def test_each_pixel_is_taken_once_whatever_the_order() -> None:
    server = Server([[results(10, 50), BEAT, results(50, 10, 99), results(20, 30, 40, 30)]])
    assert server.deliver() == {}
    assert server.got == [10, 50, 20, 30, 40]
    assert len(server.asked) == 1


def test_progress_resets_the_count_of_failures() -> None:
    steps: list[list[Event]] = []
    for pixel in (10, 20, 30, 40):
        steps += [[DeadlineError("late")], [DeadlineError("late")], [results(pixel), DeadlineError("late")]]
    server = Server(steps)
    assert server.deliver(RetryPolicy(attempts=4, first_pause=1e-4, longest_pause=1e-4)) == {}
    assert sorted(server.got) == sorted(PIXEL.tolist())
    assert server.asked[-1] == [50]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DeadlineError("late"), Status.TIMEOUT),
        (StokeswarmError("a bug"), Status.ENGINE_FAILED),
    ],
)
def test_giving_up_tells_the_reason(error: StokeswarmError, status: Status) -> None:
    lost = Server([[BEAT, error]] * 3).deliver()
    assert set(lost) == set(range(5))
    assert {entry[0] for entry in lost.values()} == {status}
    assert all(str(error) in reason for _, reason in lost.values())


def test_a_stream_that_ends_early_without_an_error_is_no_output() -> None:
    lost = Server([[results(50)], [BEAT], [BEAT], [BEAT]]).deliver()
    assert set(lost) == {1, 2, 3, 4}
    assert {entry[0] for entry in lost.values()} == {Status.NO_OUTPUT}


def test_a_service_that_never_answers_is_no_pixels_fault() -> None:
    with pytest.raises(UnavailableError, match="no inversion server answered in 3 attempts: gone"):
        Server([[GONE]] * 3).deliver()


def test_the_reason_of_an_unavailable_service_wins() -> None:
    def diagnose() -> None:
        raise UnavailableError("the local server ended")

    with pytest.raises(UnavailableError, match="local server ended"):
        Server([[GONE]] * 3).deliver(diagnose=diagnose)


def test_requests_that_lose_their_server_are_halved() -> None:
    server = Server([[BEAT, GONE], [BEAT, GONE]])
    assert server.deliver() == {}
    assert server.asked == [[50, 40, 30, 20, 10]] * 2 + [[50, 40], [30, 20, 10]]


def test_the_budget_bounds_the_search_for_the_culprit() -> None:
    server = Server([[BEAT, GONE]] * 1000)
    lost = server.deliver(RetryPolicy(attempts=3, budget=7, first_pause=1e-4, longest_pause=1e-4))
    assert set(lost) == set(range(5))
    assert len(server.asked) <= 7 + PIXEL.size


@pytest.mark.parametrize("error", [PlanError("no"), NotFoundError("no")])
def test_refusals_are_raised_at_once(error: StokeswarmError) -> None:
    server = Server([[error]])
    with pytest.raises(type(error)):
        server.deliver()
    assert len(server.asked) == 1


def test_a_full_queue_is_waited_for_but_not_for_ever() -> None:
    full = ResourceExhaustedError("full", retry_after=0.001)
    server = Server([[full]] * 6)
    assert server.deliver() == {}
    assert len(server.asked) == 7
    with pytest.raises(ResourceExhaustedError):
        Server([[full]] * 100).deliver()


def test_every_call_is_closed() -> None:
    server = Server([[results(50), GONE], [results(40, 30, 20, 10), BEAT]])
    server.deliver()
    assert server.cancelled == len(server.asked) == 2


def test_a_stopped_run_sends_nothing() -> None:
    server, calls = Server([]), Calls()
    calls.stop()
    with pytest.raises(CancelledByCallerError):
        Delivery(server.send, PIXEL, server.accept, calls, QUICK).run(np.arange(5))
    assert server.asked == []


def test_pauses_double_up_to_the_longest_and_spread() -> None:
    policy = RetryPolicy(first_pause=1.0, longest_pause=8.0)
    pauses = [policy.pause(n, seed=3) for n in range(1, 8)]
    for pause, longest in zip(pauses, (1, 2, 4, 8, 8, 8, 8), strict=True):
        assert 0.5 * longest <= pause <= longest
    assert policy.pause(1, 3) == pauses[0]
    assert len({policy.pause(1, seed) for seed in range(20)}) > 10


def test_questions_are_repeated() -> None:
    answers: list[StokeswarmError | int] = [
        GONE,
        ResourceExhaustedError("full", 1e-4),
        DeadlineError("late"),
        7,
    ]

    def question() -> int:
        answer = answers.pop(0)
        if isinstance(answer, StokeswarmError):
            raise answer
        return answer

    assert ask(question, Calls(), QUICK) == 7
    answers[:] = [GONE] * 3
    with pytest.raises(UnavailableError):
        ask(question, Calls(), QUICK)
    answers[:] = [PlanError("no"), 1]
    with pytest.raises(PlanError):
        ask(question, Calls(), QUICK)
    assert answers == [1]
