"""Training sets from files: a Zarr v3 group (as ``stokeswarm sample`` writes it) or one ``.npz``.

A Zarr group is read block by block and checked on the way, so that a bad value in a large set is found
before the rest is read, and never more than the set itself is in memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import SCALAR
from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.dataset import QUANTITIES, TrainingSet, check_axes, check_finite, learnt_scalars

#: what the attribute ``format`` of a group must say
FORMAT: Final = "stokeswarm training set 1"
#: entries that every set has
REQUIRED: Final = ("stokes", "wavelength", "log_tau", "macroturbulence", *QUANTITIES)
#: entries of one number a profile that a set may have
OPTIONAL: Final = (*(name for name in SCALAR if name != "macroturbulence"), "mu", "class", "region")
#: rows that are read together where the file's chunks do not say
_ROWS: Final = 4096

Arrays = Mapping[str, npt.NDArray[Any]]


def load(source: str | Path, *, one_class: bool = False) -> TrainingSet:
    """Read a training set.

    Parameters
    ----------
    source : path or URL
        A ``.npz`` file, or a Zarr v3 group (a folder, or whatever fsspec reaches).
    one_class : bool
        The set is meant to hold one class of atmospheres only.

    Raises
    ------
    NotFoundError
        There is nothing.
    InvalidArgumentError
        Not a training set, an unfinished one, or one that cannot be learnt from; the message names the
        place, the entry and the reason.
    FailedPreconditionError
        A Zarr group, and zarr is not installed.
    """
    text = str(source)
    remote = "://" in text
    if not remote and not Path(text).exists():
        raise NotFoundError(f"training set: {text} does not exist")
    try:
        if not remote and Path(text).is_file():
            return _from_npz(Path(text), one_class=one_class)
        return _from_zarr(text, one_class=one_class)
    except InvalidArgumentError as error:
        raise type(error)(f"{text}: {error}") from None


def from_arrays(data: Arrays, *, one_class: bool = False) -> TrainingSet:
    """Build a set from the entries of a ``.npz`` file.

    Raises
    ------
    InvalidArgumentError
        An entry is missing or not what it should be.
    """
    _check_names(data, (*REQUIRED, "reference"))
    try:
        recipe = json.loads(str(data["recipe"])) if "recipe" in data else {}
    except ValueError as error:
        raise InvalidArgumentError(f"recipe: not JSON: {error}") from None
    recipe = recipe if isinstance(recipe, dict) else {"recipe": recipe}
    attributes = {"reference": str(data["reference"]), "recipe": recipe, "noise": recipe.get("noise", 0.0)}
    return _build(data, attributes, one_class=one_class)


def _from_npz(path: Path, *, one_class: bool) -> TrainingSet:
    wanted = {*REQUIRED, *OPTIONAL, "reference", "recipe"}
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not a complete zip archive")
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files if name in wanted}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidArgumentError(f"not a .npz archive of plain arrays: {error}") from None
    return from_arrays(data, one_class=one_class)


def _from_zarr(text: str, *, one_class: bool) -> TrainingSet:
    try:
        import zarr
        import zarr.errors
    except ImportError as error:
        raise FailedPreconditionError(
            f"{text}: reading a Zarr training set needs zarr ({error}); install stokeswarm[train]"
        ) from None
    try:
        group = zarr.open_group(text, mode="r", zarr_format=3)
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        raise InvalidArgumentError("neither a .npz file nor a Zarr v3 group") from None
    attributes = dict(group.attrs)
    if attributes.get("format") != FORMAT:
        raise InvalidArgumentError(f"format: expected {FORMAT!r}, found {attributes.get('format')!r}")
    if attributes.get("complete") is not True:
        raise InvalidArgumentError(f"the set is unfinished{_progress(group)}; resume its sampling first")
    names = [name for name, _ in group.arrays()]
    _check_names(names, REQUIRED)
    axes = {name: np.asarray(_read(name, group[name]), np.float64) for name in ("wavelength", "log_tau")}
    check_axes(axes["wavelength"], axes["log_tau"])
    rest = [name for name in (*REQUIRED, *OPTIONAL) if name in names and name not in axes]
    data = axes | {name: _read(name, group[name]) for name in rest}
    return _build(data, attributes, one_class=one_class)


def _progress(group: Any) -> str:
    if "done" not in group:
        return ""
    done = np.asarray(group["done"][...])
    return f" ({int((done != 0).sum())} of {done.size} blocks are written)"


def _read(name: str, array: Any) -> npt.NDArray[Any]:
    """One array, block by block, with its floating-point values checked."""
    if array.ndim == 0:
        raise InvalidArgumentError(f"{name}: expected an array, found a single value")
    result = np.empty(array.shape, array.dtype)
    # A shard is the smallest piece that is read at once; without shards that is a chunk.
    rows = max(1, int((getattr(array, "shards", None) or array.chunks)[0]))
    rows *= max(1, _ROWS // rows)
    for first in range(0, array.shape[0], rows):
        part = np.asarray(array[first : first + rows])
        if part.dtype.kind == "f":
            check_finite(name, part, first)
        result[first : first + rows] = part
    return result


def _check_names(found: Any, needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in found]
    if missing:
        raise InvalidArgumentError(f"entries missing: {', '.join(missing)}; found: {', '.join(found)}")


def _build(data: Arrays, attributes: Mapping[str, Any], *, one_class: bool) -> TrainingSet:
    try:
        reference = ContinuumReference(str(attributes.get("reference")))
    except ValueError as error:
        raise InvalidArgumentError(f"reference: {error}") from None
    recipe, noise = attributes.get("recipe") or {}, attributes.get("noise", 0.0)
    if isinstance(noise, bool) or not isinstance(noise, (int, float)):
        raise InvalidArgumentError(f"noise: expected a number in [0, 1), found {noise!r}")
    recipe = dict(recipe) if isinstance(recipe, Mapping) else {"recipe": recipe}
    if "seed" in attributes:
        recipe.setdefault("seed", attributes["seed"])
    classes = attributes.get("classes", recipe.get("classes", ()))
    return TrainingSet(
        stokes=np.ascontiguousarray(data["stokes"], dtype=np.float32),
        wavelength=np.asarray(data["wavelength"], dtype=np.float64),
        reference=reference,
        log_tau=np.asarray(data["log_tau"], dtype=np.float64),
        quantities={name: np.ascontiguousarray(data[name], dtype=np.float32) for name in QUANTITIES},
        scalars=learnt_scalars(data),
        recipe=recipe,
        noise=float(noise),
        mu=None if "mu" not in data else np.ascontiguousarray(data["mu"], dtype=np.float32),
        classes=None if "class" not in data else np.ascontiguousarray(data["class"], dtype=np.int8),
        class_names=tuple(str(name) for name in classes) if isinstance(classes, (list, tuple)) else (),
        region=None if "region" not in data else np.ascontiguousarray(data["region"], dtype=np.int32),
        one_class=one_class,
    )
