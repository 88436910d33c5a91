"""The array codec: what goes in comes out bit for bit, and nothing damaged gets through."""

from __future__ import annotations

import math
import tracemalloc
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stokeswarm.contract.arrays import MAX_DIMENSIONS, from_array, optional_array, to_array
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.v1 import common_pb2 as pb

DTYPES = ("float32", "float64", "int32", "int64", "uint8")
SHAPES = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)


def bits(array: npt.NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


@st.composite
def arrays(draw: st.DrawFn) -> npt.NDArray[Any]:
    """Any array that travels, made from random bytes: every NaN payload, infinity and subnormal occurs."""
    dtype, shape = np.dtype(draw(st.sampled_from(DTYPES))), draw(SHAPES)
    size = math.prod(shape) * dtype.itemsize
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape)


@given(arrays())
def test_round_trip_keeps_every_bit(array: npt.NDArray[Any]) -> None:
    message = pb.Array.FromString(to_array(array).SerializeToString())
    back = from_array(message, "x", dtype=array.dtype, shape=array.shape)
    assert (back.dtype, back.shape, bits(back)) == (array.dtype, array.shape, bits(array))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_payloads_survive(dtype: str) -> None:
    integer = {"float32": "uint32", "float64": "uint64"}[dtype]
    quiet = np.array([np.nan, -np.nan, np.inf, -0.0], dtype).view(integer)
    marked = np.concatenate([quiet, quiet[:2] | np.array([0x1234, 0x4321], integer)])
    back = from_array(to_array(marked.view(dtype)), "x")
    assert back.view(integer).tolist() == marked.tolist()


@given(arrays())
def test_layout_in_memory_does_not_matter(array: npt.NDArray[Any]) -> None:
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert bits(from_array(to_array(swapped), "x")) == bits(array)
    fortran = np.asfortranarray(array)
    assert to_array(fortran).data == to_array(array).data
    if array.ndim:
        assert bits(from_array(to_array(array[::-1]), "x")) == bits(array[::-1].copy())


def test_decoding_copies_nothing_and_is_read_only() -> None:
    back = from_array(to_array(np.arange(4.0)), "x")
    assert not back.flags.writeable
    assert not back.flags.owndata


@pytest.mark.parametrize("values", [[True], [1j], ["a"], [None], np.zeros(2, "f2"), np.zeros(2, "u8")])
def test_other_dtypes_do_not_travel(values: npt.ArrayLike) -> None:
    with pytest.raises(
        InvalidArgumentError, match="does not travel; use float32, float64, int32, int64, uint8"
    ):
        to_array(values)


@given(
    dtype=st.integers(-(2**31), 2**31 - 1),
    shape=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=12),
    data=st.binary(max_size=64),
)
def test_arbitrary_messages_never_crash(dtype: int, shape: list[int], data: bytes) -> None:
    check_damaged(pb.Array(dtype=dtype, shape=shape, data=data))  # type: ignore[arg-type]


@given(
    dtype=st.sampled_from([1, 2, 3, 4, 5]),
    shape=st.lists(st.sampled_from([0, 1, 2, 2**20, 2**31, 2**40, 2**62]), max_size=8),
    data=st.binary(max_size=16),
)
def test_huge_shapes_never_crash(dtype: int, shape: list[int], data: bytes) -> None:
    check_damaged(pb.Array(dtype=dtype, shape=shape, data=data))  # type: ignore[arg-type]


def check_damaged(message: pb.Array) -> None:
    """Whatever is accepted has exactly the shape that was claimed and the bytes that came."""
    array = None
    with suppress(InvalidArgumentError):
        array = from_array(message, "x")
    if array is None:
        with pytest.raises(InvalidArgumentError, match=r"^x: "):
            from_array(message, "x")
        return
    assert array.shape == tuple(message.shape)
    assert array.tobytes() == message.data


@given(arrays(), st.data())
def test_truncated_or_padded_bytes_are_refused(array: npt.NDArray[Any], data: st.DataObject) -> None:
    message = to_array(array)
    size = len(message.data)
    wrong = data.draw(st.integers(0, size + 9).filter(lambda n: n != size))
    message.data = message.data[:wrong].ljust(wrong, b"\0")
    with pytest.raises(InvalidArgumentError, match=rf"stokes: .* needs {size} bytes, found {wrong}"):
        from_array(message, "stokes")


@given(arrays(), st.sampled_from(DTYPES))
def test_wrong_dtype_is_refused_not_cast(array: npt.NDArray[Any], dtype: str) -> None:
    if dtype == array.dtype:
        return
    with pytest.raises(InvalidArgumentError, match=f"mu: expected dtype {dtype}, found {array.dtype.name}"):
        from_array(to_array(array), "mu", dtype=dtype)


@given(arrays(), SHAPES)
def test_wrong_shape_is_refused_not_reshaped(array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if shape == array.shape:
        return
    with pytest.raises(InvalidArgumentError, match="x: expected shape"):
        from_array(to_array(array), "x", shape=shape)


def test_free_axes_match_anything_but_another_rank() -> None:
    message = to_array(np.zeros((3, 4, 5), np.float32))
    assert from_array(message, "x", shape=(None, 4, None)).shape == (3, 4, 5)
    with pytest.raises(InvalidArgumentError, match=r"expected shape \('any', 'any'\), found \(3, 4, 5\)"):
        from_array(message, "x", shape=(None, None))


@pytest.mark.parametrize(
    "shape",
    [
        (0, 2**62),
        (2**40, 0),
        (0, 2**31, 2**31, 2**31),
        (-1,),
        (-1, -1),
        (2**33, 2**33),
        (0,) * (MAX_DIMENSIONS + 1),
    ],
)
def test_impossible_shapes_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="stokes"):
        from_array(pb.Array(dtype=pb.DTYPE_FLOAT64, shape=shape), "stokes")


def test_a_huge_claim_allocates_nothing() -> None:
    message = pb.Array(dtype=pb.DTYPE_FLOAT64, shape=(2**27,), data=b"\0" * 64)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidArgumentError, match="needs 1073741824 bytes, found 64"):
            from_array(message, "x")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_an_unset_field_is_none_and_an_empty_array_is_not() -> None:
    assert optional_array(pb.Array(), "x") is None
    empty = optional_array(to_array(np.zeros((0, 4), np.float32)), "x", shape=(None, 4))
    assert empty is not None
    assert empty.shape == (0, 4)
    with pytest.raises(InvalidArgumentError, match="unknown dtype number 0"):
        from_array(pb.Array(), "x")
    with pytest.raises(InvalidArgumentError, match="unknown dtype number 0"):
        optional_array(pb.Array(shape=[2], data=b"\0" * 16), "x")
