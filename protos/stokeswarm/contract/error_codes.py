"""The one table between our exceptions and gRPC status codes; see `stokeswarm.contract.errors`."""

from __future__ import annotations

from typing import Final

import grpc

from stokeswarm.contract.errors import (
    AccessDeniedError,
    CancelledByCallerError,
    DataLossError,
    DeadlineError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
    PlanError,
    ResourceExhaustedError,
    SpectraError,
    StokeswarmError,
    UnavailableError,
    UnsupportedError,
)

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
