"""What every engine (lte, sir, desire, rh …) is to the server: it prepares jobs, and a job runs pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)

Results = TypeVar("Results", InvertResults, SynthesizeResults, ResponseResults, covariant=True)


def _never() -> bool:
    return False


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Slot:
    """The place where a job runs some pixels.

    Attributes
    ----------
    number : int
        0 … slots−1; an engine keeps per-slot state (work arrays, scratch folders) under it.
    cancelled : callable () -> bool
        True once nobody waits for the result any more; engines look at it between iterations.
    deadline : float
        `time.monotonic` second after which a pixel must end with `Status.TIMEOUT`.
    meanwhile : callable () -> None
        What the slot's thread still owes of earlier pixels. Whoever starts a code and waits for it calls this
        in between; calls after the first do nothing.
    """

    number: int = 0
    cancelled: Callable[[], bool] = _never
    deadline: float = float("inf")
    meanwhile: Callable[[], None] = _nothing

    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline


class Job(Protocol[Results]):
    """A validated request, ready to run pixel by pixel from any slot: thread-safe, no shared state."""

    @property
    def batch(self) -> int:
        """Pixels that one call of `run` should carry."""
        ...

    def run(self, rows: Sequence[int], slot: Slot) -> Results:
        """Results of the request's pixels at positions ``rows``, in that order, one each.

        A pixel that fails ends in its status with a message; an exception means a bug of the engine.
        The result of a pixel does not depend on the other rows or on the slot.
        """
        ...


@runtime_checkable
class DeferringJob(Job[Results], Protocol[Results]):
    """A job that can free its slot before it has made its results: the next code runs while they are made."""

    def deferred(self, rows: Sequence[int], slot: Slot) -> Callable[[], Results]:
        """Do of `run` what needs the slot; the rest, computing alone, happens when the answer is called."""
        ...


class Engine(Protocol):
    """One engine of a server."""

    def info(self) -> EngineInfo:
        """Name, version, abilities, and whether it can be used here."""
        ...

    def warm_up(self) -> None:
        """Compile or load what the first pixel would otherwise wait for."""
        ...

    def prepare_inversion(self, request: InvertRequest) -> Job[InvertResults]:
        """Check a request against the engine's limits.

        Raises
        ------
        PlanError
            The engine cannot do what the plan says.
        UnsupportedError
            The engine does not invert.
        """
        ...

    def prepare_synthesis(self, request: SynthesizeRequest) -> Job[SynthesizeResults]:
        """Like `prepare_inversion`, for profiles."""
        ...

    def prepare_response(self, request: ResponseRequest) -> Job[ResponseResults]:
        """Like `prepare_inversion`, for response functions."""
        ...

    def close(self) -> None:
        """End helper processes and remove scratch folders; safe to call twice."""
        ...
