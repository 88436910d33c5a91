"""Admission: a few compute, a few wait in order, the rest is turned away with a time to come back."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from stokeswarm.contract.errors import CancelledByCallerError, DeadlineError, ResourceExhaustedError
from stokeswarm.inference.batching import Admission, Ticket

TIMEOUT = 10.0


class Crowd:
    """Requests that hold their place until told to leave."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.pool = ThreadPoolExecutor(16)
        self.order: list[int] = []
        self.inside = threading.Semaphore(0)

    def come(
        self, number: int, timeout: float | None = TIMEOUT
    ) -> tuple[Ticket, threading.Event, Future[None]]:
        ticket, leave = self.admission.ticket(), threading.Event()

        def request() -> None:
            with self.admission.admit(ticket, timeout):
                self.order.append(number)
                self.inside.release()
                assert leave.wait(TIMEOUT)

        return ticket, leave, self.pool.submit(request)

    def wait_inside(self) -> None:
        assert self.inside.acquire(timeout=TIMEOUT)

    def wait_queued(self, number: int) -> None:
        with self.admission._changed:
            assert self.admission._changed.wait_for(lambda: len(self.admission._waiting) == number, TIMEOUT)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Admission(workers=1, queue=2))


def _arrive(crowd: Crowd, number: int, queued: int) -> tuple[Ticket, threading.Event, Future[None]]:
    """Come, and be in the queue before the next one comes."""
    came = crowd.come(number)
    crowd.wait_queued(queued)
    return came


def test_requests_are_served_in_order_of_arrival_and_the_rest_is_turned_away(crowd: Crowd) -> None:
    first = crowd.come(0)
    crowd.wait_inside()
    others = [_arrive(crowd, number, number) for number in (1, 2)]
    with (
        pytest.raises(ResourceExhaustedError) as caught,
        crowd.admission.admit(crowd.admission.ticket(), 1.0),
    ):
        pass
    assert caught.value.retry_after > 0
    for _, leave, done in (first, *others):
        leave.set()
        done.result(TIMEOUT)
    assert crowd.order == [0, 1, 2]
    with crowd.admission.admit(crowd.admission.ticket(), 1.0):
        assert crowd.admission.waiting == 0


def test_a_cancelled_request_leaves_the_queue_to_the_next(crowd: Crowd) -> None:
    first = crowd.come(0)
    crowd.wait_inside()
    given_up, waiting = (_arrive(crowd, number, number) for number in (1, 2))
    given_up[0].cancel()
    with pytest.raises(CancelledByCallerError):
        given_up[2].result(TIMEOUT)
    first[1].set()
    crowd.wait_inside()
    waiting[1].set()
    waiting[2].result(TIMEOUT)
    assert crowd.order == [0, 2]


def test_time_runs_out_in_the_queue(crowd: Crowd) -> None:
    first = crowd.come(0)
    crowd.wait_inside()
    with pytest.raises(DeadlineError), crowd.admission.admit(crowd.admission.ticket(), 0.01):
        pass
    first[1].set()
    first[2].result(TIMEOUT)


def test_a_failing_request_gives_its_place_back(crowd: Crowd) -> None:
    with pytest.raises(KeyError), crowd.admission.admit(crowd.admission.ticket()):
        raise KeyError
    with crowd.admission.admit(crowd.admission.ticket(), 0.0):
        assert crowd.admission.waiting == 0


@pytest.mark.parametrize(("workers", "queue"), [(0, 1), (1, -1)])
def test_nonsense_is_refused(workers: int, queue: int) -> None:
    with pytest.raises(ValueError, match="expected workers"):
        Admission(workers, queue)
