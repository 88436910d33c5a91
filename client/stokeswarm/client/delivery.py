"""Getting a result for every pixel out of servers that may vanish, stall, repeat themselves or err.

gRPC does not retry a stream that has begun, so the pixels that did not come are sent again, and only those:

- a message's pixels are taken once; repeated or unknown ones are dropped,
- a stream that breaks, ends early or falls silent is followed by a request for what is missing, after an
  exponential pause; progress resets the count of failures,
- a full queue (RESOURCE_EXHAUSTED) is waited for as long as the server says, up to `RetryPolicy.patience`,
- a request that breaks its server again and again is halved, until the pixel that does it stands alone,
- what the server refuses (a plan it cannot run, an unknown engine) stops the run: a retry is useless,
- so does a service that never answered: its pixels are not at fault, and a later resume can still invert
  them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from stokeswarm.client.calls import Calls
from stokeswarm.contract.errors import (
    AccessDeniedError,
    DataLossError,
    DeadlineError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    StokeswarmError,
    UnavailableError,
    UnsupportedError,
)
from stokeswarm.contract.inversion import Heartbeat, InvertResults, ResponseResults, SynthesizeResults
from stokeswarm.contract.status import Status

Rows = npt.NDArray[np.int64]
Results = TypeVar("Results", InvertResults, SynthesizeResults, ResponseResults)
Results_co = TypeVar("Results_co", InvertResults, SynthesizeResults, ResponseResults, covariant=True)
Answer = TypeVar("Answer")

#: a retry cannot help: the request itself is refused
FATAL: Final = (InvalidArgumentError, NotFoundError, AccessDeniedError, UnsupportedError)


class Stream(Protocol[Results_co]):
    """A call whose events are read once."""

    def __iter__(self) -> Iterator[Results_co | Heartbeat]: ...

    def cancel(self) -> None:
        """End the call."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How hard to try.

    Attributes
    ----------
    attempts : int
        Failed attempts in a row, without one new pixel, after which a request is given up.
    split_after : int
        Failed attempts in a row after which a request that loses its server is halved.
    budget : int
        Failed attempts of one tile in all: isolating one pixel that kills servers takes about 20.
    first_pause, longest_pause : float
        Seconds before the second attempt, doubling up to the longest.
    patience : float
        Seconds without progress that a full queue may keep us waiting.
    """

    attempts: int = 5
    split_after: int = 2
    budget: int = 60
    first_pause: float = 0.2
    longest_pause: float = 10.0
    patience: float = 1800.0

    def pause(self, failures: int, seed: int) -> float:
        """Seconds to wait after that many failures: 50–100 % of the doubling pause, to spread clients out."""
        longest = min(self.first_pause * 2.0 ** (failures - 1), self.longest_pause)
        spread = random.Random(seed * 1009 + failures)  # noqa: S311  # spreads load, guards nothing
        return longest * (0.5 + 0.5 * spread.random())


class Delivery(Generic[Results]):
    """One tile's pixels on their way.

    Parameters
    ----------
    send : callable (rows) -> Stream
        Opens a call for some rows of the tile.
    pixel : ndarray (n,) int64
        Identifiers of the tile's pixels, by row.
    accept : callable (rows, results, taken)
        Takes pixels ``taken`` of a message as the results of ``rows``; raises DataLossError where they
        cannot be.
    calls : Calls
    policy : RetryPolicy
    diagnose : callable
        Called when the service is unavailable; raises where it knows why (the local server died, say).
    """

    def __init__(
        self,
        send: Callable[[Rows], Stream[Results]],
        pixel: Rows,
        accept: Callable[[Rows, Results, Rows], None],
        calls: Calls,
        policy: RetryPolicy,
        diagnose: Callable[[], None] = lambda: None,
    ) -> None:
        self._send: Callable[[Rows], Stream[Results]] = send
        self._pixel = pixel
        self._accept: Callable[[Rows, Results, Rows], None] = accept
        self._calls = calls
        self._policy = policy
        self._diagnose = diagnose
        self._spent = 0
        self._heard = False
        self._lost: dict[int, tuple[Status, str]] = {}

    def run(self, rows: Rows) -> dict[int, tuple[Status, str]]:
        """Deliver these rows.

        Returns
        -------
        dict
            Row → status and reason of every pixel that never came.

        Raises
        ------
        StokeswarmError
            The request was refused, no server ever answered, the queues stayed full, or the run was
            cancelled.
        """
        self._deliver(np.asarray(rows, dtype=np.int64))
        return self._lost

    def _deliver(self, rows: Rows) -> None:
        failures, waited = 0, 0.0
        while rows.size:
            self._calls.check()
            heard, left, error = self._attempt(rows)
            self._heard |= heard
            if left.size < rows.size:
                failures, waited = 0, 0.0
            rows = left
            if not rows.size:
                return
            self._calls.check()
            if isinstance(error, FATAL):
                raise error
            if isinstance(error, ResourceExhaustedError):
                if waited >= self._policy.patience:
                    raise error
                self._calls.wait(error.retry_after)
                waited += error.retry_after
                continue
            if isinstance(error, UnavailableError):
                self._diagnose()
            failures += 1
            self._spent += 1
            if failures >= self._policy.attempts or self._spent >= self._policy.budget:
                self._give_up(rows, error, failures)
                return
            self._calls.wait(self._policy.pause(failures, int(self._pixel[rows[0]])))
            lost_server = heard and isinstance(error, UnavailableError)
            if lost_server and failures >= self._policy.split_after and rows.size > 1:
                half = rows.size // 2
                self._deliver(rows[:half])
                self._deliver(rows[half:])
                return

    def _attempt(self, rows: Rows) -> tuple[bool, Rows, StokeswarmError]:
        """One call: whether the server spoke, the rows still missing, and what ended it."""
        missing = {int(self._pixel[row]): int(row) for row in rows}
        heard = False
        error: StokeswarmError = DataLossError("the stream ended before every pixel had come")
        stream = self._send(rows)
        with self._calls.watch(stream) as watched:
            try:
                for event in stream:
                    watched.heard()
                    heard = True
                    if not isinstance(event, Heartbeat):
                        self._take(event, missing)
                    if not missing:
                        break
            except StokeswarmError as raised:
                error = raised
            if watched.silent:
                error = DeadlineError("the server fell silent: neither results nor heartbeats came")
        return heard, np.array(sorted(missing.values()), dtype=np.int64), error

    def _take(self, results: Results, missing: dict[int, int]) -> None:
        taken: dict[int, int] = {}
        for position, pixel in enumerate(results.pixel.tolist()):
            if pixel in missing:
                taken.setdefault(pixel, position)
        if not taken:
            return
        rows = np.array([missing[pixel] for pixel in taken], np.int64)
        self._accept(rows, results, np.array(list(taken.values()), np.int64))
        for pixel in taken:
            del missing[pixel]

    def _give_up(self, rows: Rows, error: StokeswarmError, failures: int) -> None:
        if isinstance(error, UnavailableError) and not self._heard:
            raise UnavailableError(f"no inversion server answered in {failures} attempts: {error}") from error
        status = _status_of(error)
        reason = f"no result after {failures} failed attempts in a row; the last: {error}"
        self._lost.update({int(row): (status, reason) for row in rows})


def _status_of(error: StokeswarmError) -> Status:
    if isinstance(error, DeadlineError):
        return Status.TIMEOUT
    if isinstance(error, UnavailableError | DataLossError):
        return Status.NO_OUTPUT
    return Status.ENGINE_FAILED


def ask(
    question: Callable[[], Answer],
    calls: Calls,
    policy: RetryPolicy,
    diagnose: Callable[[], None] = lambda: None,
) -> Answer:
    """Repeat a call with one answer until it comes.

    Raises
    ------
    StokeswarmError
        The request was refused, or every attempt failed: the last error.
    """
    failures, waited = 0, 0.0
    while True:
        calls.check()
        try:
            return question()
        except FATAL:
            raise
        except ResourceExhaustedError as error:
            if waited >= policy.patience:
                raise
            calls.wait(error.retry_after)
            waited += error.retry_after
        except StokeswarmError as error:
            if isinstance(error, UnavailableError):
                diagnose()
            failures += 1
            if failures >= policy.attempts:
                raise
            calls.wait(policy.pause(failures, 0))
