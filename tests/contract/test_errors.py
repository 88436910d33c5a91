"""One table exception ⇄ gRPC status, and the same numbers for statuses everywhere."""

from __future__ import annotations

import builtins
import re
from pathlib import Path

import grpc
import pytest

from stokeswarm.contract import error_codes, errors
from stokeswarm.contract.codec import (
    reference_from_proto,
    reference_to_proto,
    status_from_proto,
    status_to_proto,
)
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.v1 import common_pb2 as pb

ROOT = Path(__file__).parents[2]
SHARED = (errors.PlanError, errors.SpectraError)


def classes() -> set[type[errors.StokeswarmError]]:
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return {value for value in found if issubclass(value, errors.StokeswarmError)}


def test_every_exception_stands_in_the_table_once() -> None:
    listed = [kind for kind, _ in error_codes.STATUS_TABLE]
    assert len(listed) == len(set(listed))
    assert set(listed) == classes()


def test_subclasses_stand_before_their_bases() -> None:
    kinds = [kind for kind, _ in error_codes.STATUS_TABLE]
    for position, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[position + 1 :])


@pytest.mark.parametrize(("kind", "code"), error_codes.STATUS_TABLE)
def test_there_and_back(kind: type[errors.StokeswarmError], code: grpc.StatusCode) -> None:
    assert error_codes.to_status(kind("what happened")) is code
    back = error_codes.from_status(code, "what happened", retry_after=2.5)
    assert type(back) is (errors.InvalidArgumentError if kind in SHARED else kind)
    assert str(back) == "what happened"
    if isinstance(back, errors.ResourceExhaustedError):
        assert back.retry_after == 2.5


def test_codes_are_unique_but_for_the_kinds_of_invalid_argument() -> None:
    codes = [code for kind, code in error_codes.STATUS_TABLE if kind not in SHARED]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_becomes_an_exception_of_ours(code: grpc.StatusCode) -> None:
    assert isinstance(error_codes.from_status(code, "reason"), errors.StokeswarmError)


@pytest.mark.parametrize("foreign", [ValueError("x"), KeyError("x"), MemoryError(), KeyboardInterrupt()])
def test_what_is_not_ours_is_internal(foreign: BaseException) -> None:
    assert error_codes.to_status(foreign) is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidArgumentError, ValueError),
        (errors.NotFoundError, LookupError),
        (errors.OutputExistsError, FileExistsError),
        (errors.AccessDeniedError, PermissionError),
        (errors.DeadlineError, TimeoutError),
        (errors.UnavailableError, ConnectionError),
        (errors.UnsupportedError, NotImplementedError),
    ],
)
def test_builtin_handlers_catch_ours(kind: type[errors.StokeswarmError], builtin: type[Exception]) -> None:
    assert vars(builtins)[builtin.__name__] is builtin
    with pytest.raises(builtin, match="told"):
        raise kind("told")


def test_the_docstring_is_the_table() -> None:
    rows = re.findall(r"^(\w+Error) +([A-Z_]+) ", errors.__doc__ or "", re.MULTILINE)
    assert set(rows) == {(kind.__name__, code.name) for kind, code in error_codes.STATUS_TABLE}


def test_the_reference_page_is_the_table() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+Error)` \| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert rows == [(kind.__name__, code.name) for kind, code in error_codes.STATUS_TABLE]


def test_pixel_statuses_are_those_of_the_wire() -> None:
    wire = {name.removeprefix("PIXEL_STATUS_"): number for name, number in pb.PixelStatus.items()}
    assert wire.pop("UNSPECIFIED") == 0
    assert wire == {status.name: status.value for status in Status}
    assert status_from_proto(status_to_proto(list(Status))) == tuple(Status)


def test_the_reference_page_lists_every_status() -> None:
    text = (ROOT / "docs" / "reference" / "status.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| `([A-Z_]+)` \|", text, re.MULTILINE)
    assert rows == [(str(status.value), status.name) for status in Status]


@pytest.mark.parametrize("number", [0, 8, 255])
def test_unknown_pixel_statuses_are_refused(number: int) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=f"pixel status: {number}"):
        status_from_proto([Status.OK, number])


def test_only_two_statuses_carry_numbers() -> None:
    assert [status for status in Status if status.has_result] == [Status.OK, Status.NOT_CONVERGED]


@pytest.mark.parametrize("reference", list(ContinuumReference))
def test_references_there_and_back(reference: ContinuumReference) -> None:
    assert reference_from_proto(reference_to_proto(reference)) is reference


@pytest.mark.parametrize("number", [0, 3])
def test_a_normalisation_must_be_named(number: int) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="local-quiet-sun or disc-centre"):
        reference_from_proto(number)
