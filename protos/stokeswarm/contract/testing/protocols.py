"""What the suite needs of an engine: only the shape, so that no engine's package is imported here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stokeswarm.contract.inversion import EngineInfo, InvertRequest, ResponseRequest, SynthesizeRequest


def never() -> bool:
    """Nobody cancels."""
    return False


def nothing() -> None:
    """Owe nothing."""


@dataclass(frozen=True, slots=True)
class StubSlot:
    """A slot of the inversion server as an engine sees it (`stokeswarm.inversion.engine.Slot`).

    Attributes
    ----------
    number : int
        0 … slots−1.
    cancelled : callable () -> bool
        True once nobody waits for the result any more.
    deadline : float
        `time.monotonic` second after which a pixel must end with `Status.TIMEOUT`.
    meanwhile : callable () -> None
        To be called between starting a code and waiting for it.
    """

    number: int = 0
    cancelled: Callable[[], bool] = never
    deadline: float = float("inf")
    meanwhile: Callable[[], None] = nothing

    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline


class JobLike(Protocol):
    """A prepared request; see `stokeswarm.inversion.engine.Job`."""

    @property
    def batch(self) -> int:
        """Pixels that one call of `run` should carry."""
        ...

    def run(self, rows: Sequence[int], slot: Any) -> Any:
        """Results of the request's pixels at positions ``rows``, in that order, one each."""
        ...


class EngineLike(Protocol):
    """An engine; see `stokeswarm.inversion.engine.Engine`. A ``close()`` may be there besides."""

    def info(self) -> EngineInfo:
        """Name, version, abilities, and whether it can be used here."""
        ...

    def warm_up(self) -> None:
        """Compile or load what the first pixel would otherwise wait for."""
        ...

    def prepare_inversion(self, request: InvertRequest) -> JobLike:
        """Check a request against the engine's limits."""
        ...

    def prepare_synthesis(self, request: SynthesizeRequest) -> JobLike:
        """Like `prepare_inversion`, for profiles."""
        ...

    def prepare_response(self, request: ResponseRequest) -> JobLike:
        """Like `prepare_inversion`, for response functions."""
        ...
