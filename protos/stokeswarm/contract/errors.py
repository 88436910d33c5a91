"""The exception tree of stokeswarm and its one table onto gRPC status codes.

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

Transport types never leave the client: `from_status` turns a status back into the same exception.
"""

from __future__ import annotations

from typing import Final

import grpc


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


#: exception → status; the first entry that matches by `isinstance` wins, so subclasses stand first.
STATUS_TABLE: Final[tuple[tuple[type[StokeswarmError], grpc.StatusCode], ...]] = (
    (PlanError, grpc.StatusCode.INVALID_ARGUMENT),
    (SpectraError, grpc.StatusCode.INVALID_ARGUMENT),
    (InvalidArgumentError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (OutputExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (AccessDeniedError, grpc.StatusCode.PERMISSION_DENIED),
    (ResourceExhaustedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (FailedPreconditionError, grpc.StatusCode.FAILED_PRECONDITION),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (CancelledByCallerError, grpc.StatusCode.CANCELLED),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
    (UnsupportedError, grpc.StatusCode.UNIMPLEMENTED),
    (DataLossError, grpc.StatusCode.DATA_LOSS),
    (StokeswarmError, grpc.StatusCode.INTERNAL),
)

_CLASS_OF: Final[dict[grpc.StatusCode, type[StokeswarmError]]] = {
    code: kind for kind, code in STATUS_TABLE if kind not in (PlanError, SpectraError)
}


def to_status(error: BaseException) -> grpc.StatusCode:
    """GRPC status of an exception; INTERNAL for whatever is not ours."""
    for kind, code in STATUS_TABLE:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


def from_status(code: grpc.StatusCode, message: str, retry_after: float = 1.0) -> StokeswarmError:
    """Exception of a gRPC status, with the server's message.

    Parameters
    ----------
    code : grpc.StatusCode
    message : str
        The status details.
    retry_after : float
        Seconds, from the server's push-back; used for RESOURCE_EXHAUSTED only.
    """
    kind = _CLASS_OF.get(code, StokeswarmError)
    if kind is ResourceExhaustedError:
        return ResourceExhaustedError(message, retry_after)
    return kind(message)
