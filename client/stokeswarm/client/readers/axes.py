"""Which axis of a cube is which: by the file's own labels, by the lengths, or an error that asks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.readers.hints import AXES
from stokeswarm.client.sources import ReadError
from stokeswarm.contract.spectra import STOKES

#: the layouts a cube without labels may have, the likeliest first
_USUAL: Final = (
    ("y", "x", "stokes", "wavelength"),
    ("y", "x", "wavelength", "stokes"),
    ("stokes", "wavelength", "y", "x"),
    ("wavelength", "stokes", "y", "x"),
    ("stokes", "y", "x", "wavelength"),
    ("wavelength", "y", "x", "stokes"),
)
_FEWER: Final = {
    2: (("stokes", "wavelength"), ("wavelength", "stokes")),
    3: (
        ("x", "stokes", "wavelength"),
        ("x", "wavelength", "stokes"),
        ("stokes", "wavelength", "x"),
        ("wavelength", "stokes", "x"),
        ("stokes", "x", "wavelength"),
        ("wavelength", "x", "stokes"),
    ),
}


def find_axes(
    shape: Sequence[int],
    n_wavelength: int,
    name: str,
    labels: Sequence[str] = (),
    hint: Sequence[str] = (),
) -> tuple[tuple[str, ...], str]:
    """The axes of a cube.

    Parameters
    ----------
    shape : sequence of int
        Of the cube, numpy's order.
    n_wavelength : int
        Length of the wavelength axis.
    name : str
        File name for messages.
    labels : sequence of str
        Axis names that the file gives (``""`` = not labelled), numpy's order.
    hint : sequence of str
        The user's own order; overrides everything.

    Returns
    -------
    axes : tuple of str
        A name per axis.
    evidence : str
        How they were found, for `Observation.recognised`.

    Raises
    ------
    ReadError
        The lengths do not fit, or fit more than one order.
    """
    shape = tuple(int(length) for length in shape)
    wanted = f"4 Stokes parameters and {n_wavelength} wavelengths"
    if len(shape) not in (2, 3, 4):
        raise ReadError(f"{name}: expected a cube of 2 to 4 axes with {wanted}, found shape {shape}")
    if hint:
        if not _fits(shape, hint, n_wavelength):
            raise ReadError(f"{name}: axes {', '.join(hint)} do not fit shape {shape} with {wanted}")
        return tuple(hint), "as told"
    candidates = [order for order in _orders(len(shape)) if _fits(shape, order, n_wavelength)]
    if not candidates:
        raise ReadError(
            f"{name}: no axis order of shape {shape} gives {wanted}; expected (y, x, stokes, wavelength) or "
            "a permutation of it"
        )
    if any(labels):
        named = [order for order in candidates if _agrees(order, labels)]
        if not named:
            raise ReadError(
                f"{name}: the file labels its axes {', '.join(label or '?' for label in labels)}, which does "
                f"not fit shape {shape} with {wanted}"
            )
        return named[0], "by the file's axis labels"
    # y and x cannot be told apart by length: the usual order counts, any other needs to be said
    kinds = {tuple("" if axis in "yx" else axis for axis in order) for order in candidates}
    usual = _USUAL if len(shape) == len(AXES) else _FEWER[len(shape)]
    if len(kinds) == 1:
        return next(order for order in (*usual, *candidates) if order in candidates), "by the lengths"
    if usual[0] in candidates:
        return usual[0], "by the lengths (ambiguous: the usual order taken; say axes=… if it is another)"
    raise ReadError(
        f"{name}: shape {shape} with {wanted} fits more than one axis order: "
        f"{'; '.join(', '.join(order) for order in candidates[:3])}. Say which with axes=…"
    )


def arrange(cube: npt.NDArray[Any], axes: Sequence[str]) -> npt.NDArray[Any]:
    """The cube as (y, x, stokes, wavelength); an absent y or x gets length 1."""
    order = [axes.index(axis) for axis in AXES if axis in axes]
    arranged = np.transpose(cube, order)
    absent = [position for position, axis in enumerate(AXES) if axis not in axes]
    return np.asarray(np.expand_dims(arranged, tuple(absent))) if absent else np.asarray(arranged)


def _orders(n_axis: int) -> list[tuple[str, ...]]:
    """Every order of that many axes, y before x first."""
    names = AXES[len(AXES) - n_axis :]
    usual = _USUAL if n_axis == len(AXES) else _FEWER[n_axis]
    return list(dict.fromkeys([*usual, *permutations(names)]))


def _fits(shape: Sequence[int], order: Sequence[str], n_wavelength: int) -> bool:
    if len(order) != len(shape) or "stokes" not in order or "wavelength" not in order:
        return False
    return shape[order.index("stokes")] == len(STOKES) and shape[order.index("wavelength")] == n_wavelength


def _agrees(order: Sequence[str], labels: Sequence[str]) -> bool:
    return all(label in ("", axis) for axis, label in zip(order, labels, strict=True))
