"""Training sets: spectra and the atmospheres they come from, a Zarr v3 group over fsspec.

==================  ==========  =========================================================================
array               dtype       content
==================  ==========  =========================================================================
stokes              float32     (n, 4, n_wavelength) I, Q, U, V over the reference, as an instrument sees it
wavelength          float64     (n_wavelength,) Å in air
log_tau             float64     (n_depth,) deepest first
temperature …       float32     (n, n_depth): every stratified field of `Atmosphere`, in its units
macroturbulence …   float32     (n,): every scalar field
mu                  float32     (n,) cosine of the heliocentric angle
class               int8        (n,) index into the attribute ``classes``; −1 = unknown
region              int32       (n,) what is drawn or observed together: no region is in two parts of a split
done                uint8       (n_block,) 1 = the block's rows are written
==================  ==========  =========================================================================

Attributes: ``format``, ``complete``, ``reference``, ``noise`` (what the profiles already hold), ``classes``,
``block`` (rows of a block, one chunk of every array) and ``recipe`` (how the set was made). A block's data
are written before its mark in ``done``, so that an interrupted set goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np
import numpy.typing as npt
import zarr
import zarr.errors

from stokeswarm.client.random_atmospheres import BLOCK
from stokeswarm.client.store import StoreError, open_zarr_store
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, OutputExistsError
from stokeswarm.contract.status import ContinuumReference

FORMAT: Final = "stokeswarm training set 1"


class TrainingSetStore:
    """A training set being written; made by `create` or `resume`.

    Attributes
    ----------
    url : str
    n : int
        Rows, when complete.
    """

    def __init__(self, url: str, root: zarr.Group) -> None:
        self.url = url
        self._root = root
        self._done = cast(zarr.Array[Any], root["done"])
        self.n = int(cast(zarr.Array[Any], root["stokes"]).shape[0])

    @classmethod
    def create(
        cls,
        url: str | Path,
        *,
        n: int,
        log_tau: npt.ArrayLike,
        wavelength: npt.ArrayLike,
        classes: Sequence[str],
        recipe: Mapping[str, Any],
        noise: float,
        reference: ContinuumReference = ContinuumReference.DISC_CENTRE,
    ) -> Self:
        """Make an empty set with every array in place.

        Raises
        ------
        OutputExistsError
            There is something at that place.
        StoreError
            It cannot be written.
        """
        text = str(url)
        if _there(text):
            raise OutputExistsError(f"{text}: exists already; resume it, remove it, or name another output")
        axis, samples = np.asarray(log_tau, np.float64), np.asarray(wavelength, np.float64)
        attrs = {
            "format": FORMAT,
            "complete": False,
            "reference": str(reference),
            "noise": float(noise),
            "classes": list(classes),
            "block": BLOCK,
            "recipe": json.loads(json.dumps(recipe)),
        }
        try:
            root = zarr.create_group(
                store=open_zarr_store(text, read_only=False), zarr_format=3, attributes=attrs
            )
            for name, values in (("log_tau", axis), ("wavelength", samples)):
                root.create_array(name, data=values)
            rows = min(BLOCK, n)
            shapes: dict[str, tuple[tuple[int, ...], str]] = {
                "stokes": ((4, samples.size), "float32"),
                **dict.fromkeys(STRATIFIED, ((axis.size,), "float32")),
                **dict.fromkeys((*SCALAR, "mu"), ((), "float32")),
                "class": ((), "int8"),
                "region": ((), "int32"),
            }
            for name, (shape, dtype) in shapes.items():
                fill = np.nan if dtype == "float32" else -1
                root.create_array(
                    name, shape=(n, *shape), chunks=(rows, *shape), dtype=dtype, fill_value=fill
                )
            root.create_array("done", shape=(-(-n // BLOCK),), dtype="uint8", fill_value=0)
        except OSError as error:
            raise StoreError(error.errno or 0, f"{text}: {error}") from error
        return cls(text, root)

    @classmethod
    def resume(cls, url: str | Path, recipe: Mapping[str, Any]) -> Self:
        """Go on with a set that was begun with the same recipe.

        Raises
        ------
        NotFoundError
            There is no training set.
        InvalidArgumentError
            Its recipe is another one; the message names what differs.
        """
        root = _open(str(url), read_only=False)
        found = cast(Mapping[str, Any], root.attrs["recipe"])
        wanted = json.loads(json.dumps(recipe))
        differs = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
        if differs:
            key = min(differs)
            raise InvalidArgumentError(
                f"{url}: was begun with another recipe: {key} was {found.get(key)!r}, "
                f"now {wanted.get(key)!r}; give the same options or another output"
            )
        return cls(str(url), root)

    def missing(self) -> Iterator[int]:
        """Blocks that are not written yet."""
        return iter(np.flatnonzero(np.asarray(self._done[...]) == 0).tolist())

    def write(
        self,
        block: int,
        stokes: npt.NDArray[np.float32],
        atmosphere: Atmosphere,
        mu: npt.ArrayLike,
        classes: npt.ArrayLike,
        region: npt.ArrayLike,
    ) -> None:
        """Write the rows of one block, then its mark.

        Parameters
        ----------
        block : int
        stokes : ndarray (k, 4, n_wavelength) float32
        atmosphere : Atmosphere
            k pixels.
        mu, classes, region : array_like (k,)

        Raises
        ------
        InvalidArgumentError
            The number of rows is not the block's, or a profile or a required field is not finite.
        StoreError
            The place is full or gone.
        """
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, self.n))
        if len(stokes) != rows.stop - rows.start:
            raise InvalidArgumentError(
                f"training set: block {block}: expected {rows.stop - rows.start} rows, found {len(stokes)}"
            )
        if not np.isfinite(stokes).all():
            raise InvalidArgumentError(f"training set: block {block}: a profile is not finite")
        arrays: dict[str, npt.NDArray[Any]] = {
            "stokes": np.asarray(stokes, np.float32),
            "mu": np.asarray(mu, np.float32),
            "class": np.asarray(classes, np.int8),
            "region": np.asarray(region, np.int32),
        }
        arrays |= {name: values.astype(np.float32) for name, values in atmosphere.arrays().items()}
        try:
            for name, values in arrays.items():
                cast(zarr.Array[Any], self._root[name])[rows] = values
            self._done[block] = 1
        except OSError as error:
            raise StoreError(error.errno or 0, f"{self.url}: {error}") from error

    def finish(self) -> None:
        """Mark the set complete.

        Raises
        ------
        InvalidArgumentError
            A block is missing.
        """
        left = list(self.missing())
        if left:
            raise InvalidArgumentError(f"{self.url}: {len(left)} blocks are missing, the first is {left[0]}")
        self._root.attrs["complete"] = True


def _there(url: str) -> bool:
    try:
        zarr.open(open_zarr_store(url, read_only=True), mode="r")
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        return "://" not in url and Path(url).exists()
    return True


def _open(url: str, *, read_only: bool) -> zarr.Group:
    try:
        root = zarr.open_group(
            open_zarr_store(url, read_only=read_only), mode="r" if read_only else "r+", zarr_format=3
        )
    except (FileNotFoundError, zarr.errors.GroupNotFoundError) as error:
        raise NotFoundError(f"{url}: there is no training set") from error
    if root.attrs.get("format") != FORMAT:
        raise InvalidArgumentError(
            f"{url}: expected a training set ({FORMAT!r}), found format {root.attrs.get('format')!r}"
        )
    return root
