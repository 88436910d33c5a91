"""The exception tree of stokeswarm.

=========================  =======================  ================================================
exception                  gRPC status              meaning
=========================  =======================  ================================================
InvalidArgumentError       INVALID_ARGUMENT         an input breaks the contract; retrying is useless
PlanError                  INVALID_ARGUMENT         a plan contradicts itself, its grid or its engine
SpectraError               INVALID_ARGUMENT         spectra are not what the contract says
NotFoundError              NOT_FOUND                no such model, engine, file or preset
OutputExistsError          ALREADY_EXISTS           the output is there and nobody said to resume it
AccessDeniedError          PERMISSION_DENIED        the caller may not do this
ResourceExhaustedError     RESOURCE_EXHAUSTED       the queue is full; try again after ``retry_after``
FailedPreconditionError    FAILED_PRECONDITION      the server is not in a state to do this
DeadlineError              DEADLINE_EXCEEDED        the caller's time ran out
CancelledByCallerError     CANCELLED                the caller went away
UnavailableError           UNAVAILABLE              the server is starting, draining or gone; retry
UnsupportedError           UNIMPLEMENTED            the engine cannot do this
DataLossError              DATA_LOSS                an answer or a store is damaged
StokeswarmError            INTERNAL                 everything else: a bug of ours
=========================  =======================  ================================================

`stokeswarm.contract.error_codes` turns one into the other, and back into the same exception: transport types
never leave the client.
"""

from __future__ import annotations


class StokeswarmError(Exception):
    """Base of every error stokeswarm raises on purpose."""


class InvalidArgumentError(StokeswarmError, ValueError):
    """An input breaks the contract; the message names it, what was expected and what was found."""


class PlanError(InvalidArgumentError):
    """A plan contradicts itself, the observation's grid or the engine's abilities."""


class SpectraError(InvalidArgumentError):
    """Spectra are not what the contract says (axis order, normalisation, wavelength unit …)."""


class NotFoundError(StokeswarmError, LookupError):
    """A named thing (model, engine, preset, file) does not exist."""


class OutputExistsError(StokeswarmError, FileExistsError):
    """An output is already there."""


class AccessDeniedError(StokeswarmError, PermissionError):
    """The caller may not do this."""


class ResourceExhaustedError(StokeswarmError):
    """A bounded queue is full.

    Parameters
    ----------
    message : str
    retry_after : float
        Seconds after which a retry has a chance.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FailedPreconditionError(StokeswarmError):
    """The server is not in a state to do this."""


class DeadlineError(StokeswarmError, TimeoutError):
    """The caller's time ran out."""


class CancelledByCallerError(StokeswarmError):
    """The caller cancelled or went away."""


class UnavailableError(StokeswarmError, ConnectionError):
    """The server is starting, draining or gone; a retry may succeed."""


class UnsupportedError(StokeswarmError, NotImplementedError):
    """The engine or model cannot do what was asked."""


class DataLossError(StokeswarmError):
    """An answer or a store is damaged."""
