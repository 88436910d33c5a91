"""NumPy archives: ``stokes`` (y, x, 4, n) and ``wavelength`` (n,), with optional companions."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from stokeswarm.client.readers.assemble import Raw
from stokeswarm.client.readers.hints import Hints
from stokeswarm.client.sources import ReadError, Source
from stokeswarm.contract.status import ContinuumReference

_WAVELENGTH: Final = ("wavelength", "wavelengths", "wave")
_NOISE: Final = ("noise", "noise_sigma")
#: what an archive may hold beside stokes and wavelength
_KNOWN: Final = (
    *_WAVELENGTH,
    *_NOISE,
    "stokes",
    "reference",
    "mask",
    "position",
    "weights",
    "unit",
    "medium",
)


def read_npz(file: Source, hints: Hints) -> Raw:
    """Read an archive.

    Keys: ``stokes`` and ``wavelength`` [Å unless ``unit`` says otherwise]; optional ``reference``
    (``"disc-centre"`` or ``"local-quiet-sun"``), ``noise`` (one or four), ``mask`` (y, x; True = leave out),
    ``weights`` (4, n), ``position`` (y, x, 2) (X west, Y north, in solar radii), ``unit``, ``medium``.

    Raises
    ------
    ReadError
        Not an archive, pickled contents, or a key is missing or malformed.
    """
    content_of = file.path if file.is_local else io.BytesIO(file.read_bytes())
    try:
        with np.load(content_of, allow_pickle=False) as archive:
            keys = list(archive.files)
            content = {key: archive[key] for key in keys if key in _KNOWN}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError, KeyError, AttributeError) as error:
        raise ReadError(f"{file.display}: not a readable .npz archive of plain arrays: {error}") from error
    return raw_from_arrays(content, keys, file.display, "NumPy archive", hints)


def raw_from_arrays(content: Mapping[str, Any], keys: list[str], name: str, kind: str, hints: Hints) -> Raw:
    """Named arrays as a reader's result; shared with Zarr groups.

    Raises
    ------
    ReadError
        ``stokes`` or ``wavelength`` is missing, or a companion is malformed.
    """
    axis = next((key for key in _WAVELENGTH if key in content), "")
    missing = [] if "stokes" in content else ["stokes"]
    if not axis and hints.wavelength is None:
        missing.append("wavelength")
    if missing:
        raise ReadError(
            f"{name}: expected arrays 'stokes' (y, x, 4, n) and 'wavelength' (n,): {' and '.join(missing)} "
            f"missing, found {', '.join(sorted(keys)) or 'none'}"
        )
    reference = _text(content, "reference", name)
    names = [kind.value for kind in ContinuumReference]
    if reference and reference not in names:
        raise ReadError(f"{name}: reference: expected {' or '.join(names)}, found {reference!r}")
    mask = content.get("mask")
    if mask is not None and np.asarray(mask).dtype.kind not in "bui":
        raise ReadError(f"{name}: mask: expected booleans, found dtype {np.asarray(mask).dtype}")
    return Raw(
        stokes=np.asarray(content["stokes"]),
        wavelength=np.asarray(content[axis]) if axis else np.empty(0),
        kind=kind,
        unit=_text(content, "unit", name),
        medium=_text(content, "medium", name),
        reference=ContinuumReference(reference) if reference else None,
        mask=None if mask is None else np.asarray(mask, dtype=bool),
        noise=_noise(content, name),
        position=_position(content, name),
        weights=np.asarray(content["weights"], dtype=np.float32) if "weights" in content else None,
    )


def _position(content: Mapping[str, Any], name: str) -> np.ndarray | None:
    if "position" not in content:
        return None
    value = np.asarray(content["position"])
    if value.dtype.kind not in "fiu" or value.ndim != 3 or value.shape[2] != 2:
        raise ReadError(
            f"{name}: position: expected X and Y [solar radii] of every pixel, (y, x, 2), "
            f"found {value.dtype} of shape {value.shape}"
        )
    return value.astype(np.float64)


def _text(content: Mapping[str, Any], key: str, name: str) -> str:
    if key not in content:
        return ""
    value = np.asarray(content[key])
    if value.ndim or value.dtype.kind not in "US":
        raise ReadError(f"{name}: {key}: expected a text, found {value.dtype} of shape {value.shape}")
    item = value.item()
    return item.decode() if isinstance(item, bytes) else str(item)


def _noise(content: Mapping[str, Any], name: str) -> tuple[float, float, float, float] | None:
    key = next((key for key in _NOISE if key in content), "")
    if not key:
        return None
    value = np.asarray(content[key])
    if value.dtype.kind not in "fiu" or value.size not in (1, 4) or not (value > 0).all():
        raise ReadError(f"{name}: {key}: expected one or four positive numbers, found {value}")
    i, q, u, v = np.broadcast_to(value.reshape(-1).astype(np.float64), 4).tolist()
    return i, q, u, v
