"""Zarr groups: the result store's ``/observation``, or ``stokes`` and ``wavelength`` at the top."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import zarr
import zarr.errors

from stokeswarm.client.readers.assemble import Raw
from stokeswarm.client.readers.hints import Hints
from stokeswarm.client.readers.npz import raw_from_arrays
from stokeswarm.client.sources import Identity, ReadError, Source

#: where the arrays may lie, the likeliest first
_GROUPS: Final = ("observation", "")
_ARRAYS: Final = ("stokes", "wavelength", "weights", "mask", "noise", "position")
_TEXTS: Final = ("reference", "unit", "medium")


def read_zarr(file: Source, hints: Hints) -> tuple[Raw, Identity]:
    """Read a Zarr group, version 2 or 3.

    Raises
    ------
    ReadError
        Not a Zarr group, or without the arrays.
    """
    name = file.display
    try:
        root = zarr.open_group(file.name, mode="r")
        for place in _GROUPS:
            group = root if not place else root.get(place)
            if not isinstance(group, zarr.Group) or not isinstance(group.get("stokes"), zarr.Array):
                continue
            content = _content(root, group)
            keys = sorted(str(key) for key in group)
            kind = f"Zarr group {place or '/'}"
            return raw_from_arrays(content, keys, name, kind, hints), _identity(file, content)
        found = ", ".join(sorted(str(key) for key in root)) or "nothing"
    except (zarr.errors.BaseZarrError, OSError, ValueError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{name}: not a readable Zarr group: {error}") from error
    raise ReadError(
        f"{name}: Zarr group: expected an array 'stokes' in /observation or at the top, found {found}"
    )


def _content(root: zarr.Group, group: zarr.Group) -> dict[str, Any]:
    """The arrays and labels of one group; coordinates may lie at the top, where all groups share them."""
    content: dict[str, Any] = {}
    attributes = {**dict(root.attrs), **dict(group.attrs)}
    for key in _ARRAYS:
        array = group.get(key)
        if array is None and key == "wavelength":
            array = root.get(key)
        if isinstance(array, zarr.Array):
            content[key] = np.asarray(array[...])
            if key == "stokes":
                attributes |= dict(array.attrs)
    return content | {key: attributes[key] for key in _TEXTS if isinstance(attributes.get(key), str)}


def _identity(file: Source, content: dict[str, Any]) -> Identity:
    """A group has no single file: its arrays are what identifies it."""
    digest, size = hashlib.sha256(), 0
    for key in ("stokes", "wavelength"):
        if key in content:
            array = np.ascontiguousarray(content[key])
            digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
            digest.update(array.data)
            size += array.nbytes
    return Identity(file.display, size, "", digest.hexdigest())
