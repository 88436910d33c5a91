"""A pixel's result is its own: not its neighbours', not the slot's, not that of the run before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Final

import numpy as np

from stokeswarm.contract.inversion import InvertResults
from stokeswarm.contract.status import Status
from stokeswarm.contract.testing.base import Check, Suite, skip, timed
from stokeswarm.contract.testing.examine import check_inversion, check_synthesis, expect, expect_same
from stokeswarm.contract.testing.protocols import StubSlot

#: at how many questions "is it cancelled?" the answer changes to yes
POLLS: Final = (1, 2, 5)


class Isolating(Suite):
    """Order, batches, slots, cancellation, deadlines."""

    def test_results_are_in_the_order_of_the_rows(self) -> None:
        """Shuffled rows, batches of any size, any slot: the same bits for the same pixel."""
        self.inverts()
        request, last = self.request(), self.problem.n_pixel - 1
        job = self.engine.prepare_inversion(request)
        for slot, rows in enumerate(([last, 0, 1], [1], [0, last], list(range(last, -1, -1)))):
            results = job.run(rows, StubSlot(number=slot))
            check_inversion(request, rows, results)
            for i, row in enumerate(rows):
                expect_same(results, i, self.baseline(), row, f"as row {row} of {rows} on slot {slot}")

    def test_synthesis_is_in_the_order_of_the_rows(self) -> None:
        """The same for profiles."""
        self.synthesizes()
        request, last = self.problem.synthesis(self.info.name), self.problem.n_pixel - 1
        job = self.engine.prepare_synthesis(request)
        whole = job.run(range(len(request)), StubSlot())
        for slot, rows in enumerate(([last, 0], [1], list(range(last, -1, -1)))):
            results = job.run(rows, StubSlot(number=slot))
            check_synthesis(request, rows, results)
            for i, row in enumerate(rows):
                expect_same(results, i, whole, row, f"as row {row} of {rows} on slot {slot}")

    def test_neighbours_do_not_matter(self) -> None:
        """Other pixels in the request may be anything."""
        self.inverts()
        stokes = self.observed().copy()
        stokes[1:] = stokes[1:][::-1]
        stokes[-1] *= 0.5
        results = self.invert(self.request(stokes))
        expect_same(results, 0, self.baseline(), 0, "among other neighbours")

    def test_a_second_request_is_not_touched_by_the_first(self) -> None:
        """Two jobs at a time, run in turn."""
        self.inverts()
        one = self.engine.prepare_inversion(self.request())
        other = self.engine.prepare_inversion(self.request(self.observed() * np.float32(0.9)))
        for row in (0, 1):
            other.run([row], StubSlot())
            expect_same(
                one.run([row], StubSlot()), 0, self.baseline(), row, "between those of another request"
            )

    def test_results_that_are_made_late(self) -> None:
        """A job that frees its slot before it makes a pixel's results may run others there meanwhile."""
        self.inverts()
        job = self.engine.prepare_inversion(self.request())
        deferred = getattr(job, "deferred", None)
        if deferred is None:
            skip(f"{self.info.name} makes its results while it has the slot")
        found: list[InvertResults] = []
        first = deferred([0], StubSlot())
        second = deferred([1], StubSlot(meanwhile=lambda: found.append(first())))
        job.run([0], StubSlot())
        for row, results in enumerate((*found, second())):
            expect_same(results, 0, self.baseline(), row, "made late")
        expect(len(found) == 1, f"meanwhile: expected one call, found {len(found)}")

    def test_slots_work_at_the_same_time(self) -> None:
        """Two threads, two slots, one job."""
        self.inverts(Check.CONCURRENCY)
        job = self.engine.prepare_inversion(self.request())

        def run(number: int) -> list[tuple[int, InvertResults]]:
            rows = range(number, self.problem.n_pixel, 2)
            return [(row, job.run([row], StubSlot(number=number))) for row in rows]

        with ThreadPoolExecutor(2) as threads:
            answers = [answer for answers in threads.map(run, (0, 1)) for answer in answers]
        for row, results in answers:
            expect_same(results, 0, self.baseline(), row, "on slots that work at the same time")

    # -- cancellation ----------------------------------------------------------------------------------------

    def test_nobody_waits_any_more(self) -> None:
        """Cancelled before it starts: every pixel NO_OUTPUT, at once, and the slot works afterwards."""
        self.inverts(Check.CANCELLATION)
        request = self.request()
        rows = range(len(request))
        job = self.engine.prepare_inversion(request)
        results, seconds = timed(lambda: job.run(rows, StubSlot(cancelled=lambda: True)))
        check_inversion(request, rows, results)
        expect(seconds < self.patience, f"took {seconds:.1f} s to notice that nobody waits")
        for status in results.status:
            expect(status is Status.NO_OUTPUT, f"nobody waits, but a pixel is {status.name}")
        self._works_as_before("after a cancelled one")

    def test_cancelling_while_it_runs(self) -> None:
        """Cancelled at some later look: what has ended stays, the rest is NO_OUTPUT, within the patience."""
        self.inverts(Check.CANCELLATION)
        request = self.request()
        rows = range(len(request))
        job = self.engine.prepare_inversion(request)
        for polls in POLLS:
            asked = count()
            slot = StubSlot(cancelled=lambda asked=asked, polls=polls: next(asked) >= polls)  # type: ignore[misc]
            results, seconds = timed(lambda slot=slot: job.run(rows, slot))  # type: ignore[misc]
            check_inversion(request, rows, results)
            expect(seconds < 2 * self.patience, f"took {seconds:.1f} s to notice that nobody waits")
            for i, status in enumerate(results.status):
                if status.has_result:
                    expect_same(results, i, self.baseline(), i, "before the others were cancelled")
                else:
                    expect(status is Status.NO_OUTPUT, f"cancelled, but a pixel is {status.name}")
        self._works_as_before("after a cancelled one")

    def test_cancelling_a_synthesis(self) -> None:
        """The same for profiles."""
        self.synthesizes(Check.CANCELLATION)
        request = self.problem.synthesis(self.info.name)
        rows = range(len(request))
        job = self.engine.prepare_synthesis(request)
        results, seconds = timed(lambda: job.run(rows, StubSlot(cancelled=lambda: True)))
        check_synthesis(request, rows, results)
        expect(seconds < self.patience, f"took {seconds:.1f} s to notice that nobody waits")
        for status in results.status:
            expect(status is Status.NO_OUTPUT, f"nobody waits, but a pixel is {status.name}")

    def test_a_deadline_that_has_passed(self) -> None:
        """Every pixel TIMEOUT, at once, and the slot works afterwards."""
        self.inverts(Check.DEADLINE)
        request = self.request()
        rows = range(len(request))
        job = self.engine.prepare_inversion(request)
        results, seconds = timed(lambda: job.run(rows, StubSlot(deadline=time.monotonic() - 1.0)))
        check_inversion(request, rows, results)
        expect(seconds < self.patience, f"took {seconds:.1f} s to notice that its time was up")
        for status in results.status:
            expect(status is Status.TIMEOUT, f"out of time, but a pixel is {status.name}")
        self._works_as_before("after one that was out of time")

    def test_a_deadline_that_passes_while_it_runs(self) -> None:
        """Soon: a result or TIMEOUT, within the patience."""
        self.inverts(Check.DEADLINE)
        request = self.request()
        rows = range(len(request))
        job = self.engine.prepare_inversion(request)
        for limit in (0.005, 0.05):
            slot = StubSlot(deadline=time.monotonic() + limit)
            results, seconds = timed(lambda slot=slot: job.run(rows, slot))  # type: ignore[misc]
            check_inversion(request, rows, results)
            expect(seconds < limit + self.patience, f"took {seconds:.1f} s instead of {limit} s")
            for status in results.status:
                known = status.has_result or status is Status.TIMEOUT
                expect(known, f"out of time, but a pixel is {status.name}")
        self._works_as_before("after one that was out of time")

    def _works_as_before(self, what: str) -> None:
        results = self.invert(self.request(), [0])
        expect_same(results, 0, self.baseline(), 0, what)
