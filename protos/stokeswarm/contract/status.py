"""How a pixel ends: exactly one `Status`, the same numbers as on the wire and in the store."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Status(IntEnum):
    """Final state of one pixel."""

    OK = 1
    #: the iterations ended before the convergence criterion held; the best fit is kept
    NOT_CONVERGED = 2
    #: the pixel's own data cannot be inverted (all NaN, all zero, …)
    INVALID_INPUT = 3
    #: the caller asked to leave it out
    MASKED = 4
    #: the engine broke on it
    ENGINE_FAILED = 5
    #: the pixel's time limit passed
    TIMEOUT = 6
    #: the engine ended without a result
    NO_OUTPUT = 7

    @property
    def has_result(self) -> bool:
        """Whether the pixel's atmosphere and fit hold numbers."""
        return self in (Status.OK, Status.NOT_CONVERGED)


class ContinuumReference(StrEnum):
    """What Stokes I, Q, U, V are divided by."""

    LOCAL_QUIET_SUN = "local-quiet-sun"
    DISC_CENTRE = "disc-centre"
