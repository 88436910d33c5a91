"""The one codec between numpy arrays and the wire's `Array` message.

Raw little-endian bytes with dtype and shape. Everything received is untrusted: the number of bytes must be
exactly what shape and dtype say, before anything is allocated or reshaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.v1 import common_pb2 as pb

_TO_NUMPY: Final[dict[int, np.dtype[Any]]] = {
    pb.DTYPE_FLOAT32: np.dtype("<f4"),
    pb.DTYPE_FLOAT64: np.dtype("<f8"),
    pb.DTYPE_INT32: np.dtype("<i4"),
    pb.DTYPE_INT64: np.dtype("<i8"),
    pb.DTYPE_UINT8: np.dtype("u1"),
}
_FROM_NUMPY: Final = {dtype: code for code, dtype in _TO_NUMPY.items()}
MAX_DIMENSIONS: Final = 8
#: a protobuf message cannot be larger; a shape that claims more is damaged, even where one axis is empty
MAX_BYTES: Final = 2**31


def to_array(values: npt.ArrayLike) -> pb.Array:
    """Encode an array (float32, float64, int32, int64 or uint8).

    Raises
    ------
    InvalidArgumentError
        Another dtype.
    """
    array = np.asarray(values)
    little = array.dtype.newbyteorder("<")
    if little not in _FROM_NUMPY:
        raise InvalidArgumentError(f"array: dtype {array.dtype} does not travel; use {_names()}")
    data = np.ascontiguousarray(array, dtype=little).tobytes()
    return pb.Array(dtype=pb.DType.Name(_FROM_NUMPY[little]), shape=array.shape, data=data)


def from_array(
    message: pb.Array,
    name: str,
    *,
    dtype: npt.DTypeLike | None = None,
    shape: Sequence[int | None] | None = None,
) -> npt.NDArray[Any]:
    """Decode an array and check it.

    Parameters
    ----------
    message : Array
    name : str
        For the error message.
    dtype : dtype, optional
        The only one accepted; None = any that travels.
    shape : sequence of int or None, optional
        Expected shape; None entries match anything.

    Returns
    -------
    ndarray
        Read-only view of the message's bytes.

    Raises
    ------
    InvalidArgumentError
        The dtype, shape or number of bytes is not as expected.
    """
    if message.dtype not in _TO_NUMPY:
        raise InvalidArgumentError(
            f"{name}: unknown dtype number {message.dtype}; expected one of {_names()}"
        )
    found = _TO_NUMPY[message.dtype]
    if dtype is not None and np.dtype(dtype).newbyteorder("<") != found:
        raise InvalidArgumentError(f"{name}: expected dtype {np.dtype(dtype).name}, found {found.name}")
    dimensions = tuple(message.shape)
    if len(dimensions) > MAX_DIMENSIONS:
        raise InvalidArgumentError(f"{name}: {len(dimensions)} dimensions, at most {MAX_DIMENSIONS}")
    # counted without the empty axes: numpy refuses (0, 2**62) although it holds nothing
    if any(n < 0 for n in dimensions) or math.prod(n or 1 for n in dimensions) * found.itemsize > MAX_BYTES:
        raise InvalidArgumentError(f"{name}: shape {dimensions} of {found.name} is not a shape")
    expected = math.prod(dimensions) * found.itemsize
    if expected != len(message.data):
        raise InvalidArgumentError(
            f"{name}: shape {dimensions} of {found.name} needs {expected} bytes, found {len(message.data)}"
        )
    if shape is not None and not _matches(dimensions, shape):
        wanted = tuple("any" if n is None else n for n in shape)
        raise InvalidArgumentError(f"{name}: expected shape {wanted}, found {dimensions}")
    values: npt.NDArray[Any] = np.frombuffer(message.data, dtype=found).reshape(dimensions)
    return values


def optional_array(
    message: pb.Array,
    name: str,
    *,
    dtype: npt.DTypeLike | None = None,
    shape: Sequence[int | None] | None = None,
) -> npt.NDArray[Any] | None:
    """Like `from_array`; None where the field was never set."""
    if message.dtype == pb.DTYPE_UNSPECIFIED and not message.shape and not message.data:
        return None
    return from_array(message, name, dtype=dtype, shape=shape)


def _matches(found: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(found) == len(wanted) and all(w is None or w == f for f, w in zip(found, wanted, strict=True))


def _names() -> str:
    return ", ".join(dtype.name for dtype in _TO_NUMPY.values())
