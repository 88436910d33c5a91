"""Classes of profiles with a guess each: what ``stokeswarm cluster`` writes and ``--init clusters:`` reads.

A file of classes is one Zarr v3 group (a path or an fsspec URL):

==================  ==========  =========================================================================
array               dtype       content
==================  ==========  =========================================================================
classes             int16       (y, x) class of every pixel of the observation; −1 = masked or invalid
count               int64       (k,) pixels of each class
centre              float64     (k, n_feature) where the classes lie
profile             float32     (k, 4, n_wavelength) mean profile, in the orientation of `orientation`
wavelength          float64     (n_wavelength,) Å in air
log_tau             float64     (n_depth,) deepest first
temperature …       float64     (k, n_depth): the guess, every stratified field of `Atmosphere` but pressures
macroturbulence …   float64     (k,): its scalar fields
chi2                float64     (k,) reduced χ² of the guess for the mean profile; NaN = there is no guess
mean, scale         float64     (n_in,) features are (value − mean) / scale
components          float64     (n_in, n_feature) principal components; only of features "pca"
==================  ==========  =========================================================================

Attributes: ``format``, ``features`` (``cnn`` or ``pca``), ``model`` (name, version and digest of the
network), ``reference``, ``input`` (identity of the observation), ``seed``, ``start`` (of each class's
inversion), ``plan``, ``engine`` and ``software``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, cast

import numpy as np
import numpy.typing as npt

from stokeswarm.client.digests import digest
from stokeswarm.client.store import StoreError, occupied, open_zarr_store
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere, Floats
from stokeswarm.contract.errors import DataLossError, InvalidArgumentError, NotFoundError, OutputExistsError

FORMAT: Final = "stokeswarm-clusters/1"
_STRATIFIED: Final = tuple(name for name in STRATIFIED if name not in OPTIONAL)
_ARRAYS: Final = ("classes", "count", "centre", "profile", "wavelength", "chi2", "mean", "scale")


@dataclass(frozen=True, slots=True)
class Space:
    """How profiles become points that can be told apart.

    Attributes
    ----------
    kind : str
        ``cnn``: the features of a network; ``pca``: principal components of the profiles.
    mean, scale : ndarray (n_in,) float64
        Of the network's features, or of the profile's samples.
    components : ndarray (n_in, n_feature) float64 or None
        Of ``pca``.
    model, version, digest : str
        The network.
    """

    kind: str
    mean: Floats
    scale: Floats
    components: Floats | None = None
    model: str = ""
    version: str = ""
    digest: str = ""

    def points(self, values: npt.NDArray[np.floating]) -> Floats:
        """Points of raw values.

        Parameters
        ----------
        values : ndarray (n, n_in)
            A network's features, or oriented profiles as rows; what is not finite counts as the mean.

        Returns
        -------
        ndarray (n, n_feature) float64
        """
        if values.shape[1] != self.mean.size:
            raise InvalidArgumentError(
                f"clusters: the profiles have {values.shape[1]} features, the classes were made with "
                f"{self.mean.size}"
            )
        scaled = (values.astype(np.float64) - self.mean) / self.scale
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
        if self.components is None:
            return scaled
        # Summed in one order, value by value: no pixel's point depends on which others are asked about.
        total = np.zeros((len(values), self.components.shape[1]))
        for i in range(self.mean.size):
            total += scaled[:, i, None] * self.components[i]
        return total


@dataclass(frozen=True, slots=True)
class Clusters:
    """Classes of profiles.

    Attributes
    ----------
    classes : ndarray (y, x) int16
        −1 = in none.
    count : ndarray (k,) int64
    centre : ndarray (k, n_feature) float64
    profile : ndarray (k, 4, n_wavelength) float32
        Mean profiles, see `stokeswarm.client.orientation`.
    wavelength : ndarray (n_wavelength,) float64
        Å in air.
    guess : Atmosphere
        k pixels; NaN where a class has none.
    chi2 : ndarray (k,) float64
    space : Space
    attrs : mapping
        ``input``, ``seed``, ``start``, ``plan``, ``engine``, ``software``; JSON-able.
    source : str
        Where they were read.
    """

    classes: npt.NDArray[np.int16]
    count: npt.NDArray[np.int64]
    centre: Floats
    profile: npt.NDArray[np.float32]
    wavelength: npt.NDArray[np.float64]
    guess: Atmosphere
    chi2: Floats
    space: Space
    attrs: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def __len__(self) -> int:
        return int(self.count.size)

    @property
    def available(self) -> npt.NDArray[np.bool_]:
        """Which classes have a guess, (k,)."""
        return np.isfinite(self.chi2) & np.isfinite(self.guess.temperature).all(axis=1)

    @property
    def digest(self) -> str:
        """sha256 of everything that a start made of these classes depends on."""
        space = self.space
        parts = [space.mean, space.scale, *([] if space.components is None else [space.components])]
        return digest(self.classes, self.centre, self.chi2, *self.guess.arrays().values(), *parts)

    def nearest(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """The class of each profile, by the nearest centre; of equally near ones the first.

        Parameters
        ----------
        values : ndarray (n, n_in)
            See `Space.points`.
        """
        points = self.space.points(values)
        distance = np.zeros((len(points), len(self)))
        for i in range(points.shape[1]):
            distance += (points[:, i, None] - self.centre[:, i]) ** 2
        return np.asarray(distance.argmin(axis=1), np.int64)

    def write(self, url: str | Path) -> None:
        """Write a new file of classes.

        Raises
        ------
        OutputExistsError
            Something is there.
        StoreError
            It cannot be written.
        """
        import zarr

        refuse_existing(url)
        place = open_zarr_store(url, read_only=False)
        try:
            root = zarr.create_group(store=place, zarr_format=3)
            arrays = {name: getattr(self, name) for name in _ARRAYS if name not in ("mean", "scale")}
            arrays |= {"mean": self.space.mean, "scale": self.space.scale, "log_tau": self.guess.log_tau}
            arrays |= {name: getattr(self.guess, name) for name in (*_STRATIFIED, *SCALAR)}
            if self.space.components is not None:
                arrays["components"] = self.space.components
            for name, values in arrays.items():
                # zarr knows no chunk of length 0
                chunks = tuple(max(1, size) for size in values.shape)
                root.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)[...] = values
            space = self.space
            model = {"name": space.model, "version": space.version, "digest": space.digest}
            # Last: a file without it was never finished.
            root.update_attributes({**self.attrs, "features": space.kind, "model": model, "format": FORMAT})
        except OSError as error:
            raise StoreError(error.errno or 0, f"{url}: {error}") from error

    @classmethod
    def read(cls, url: str | Path) -> Self:
        """Read a file of classes.

        Raises
        ------
        NotFoundError
            Nothing is there.
        DataLossError
            It is no complete file of classes.
        """
        import zarr
        import zarr.errors

        try:
            root = zarr.open_group(open_zarr_store(url, read_only=True), mode="r", zarr_format=3)
        except (zarr.errors.GroupNotFoundError, zarr.errors.ContainsArrayError, FileNotFoundError) as error:
            raise NotFoundError(f"clusters: {url}: no such file of classes") from error
        attrs = dict(root.attrs)
        if attrs.get("format") != FORMAT:
            raise DataLossError(f"clusters: {url}: expected a {FORMAT} file, as stokeswarm cluster writes it")

        def array(name: str) -> npt.NDArray[Any]:
            found = root.get(name)
            if not isinstance(found, zarr.Array):
                raise DataLossError(f"clusters: {url}: the array {name} is missing")
            return np.asarray(found[...])

        values = {name: array(name) for name in _ARRAYS}
        guess = Atmosphere(array("log_tau"), **{name: array(name) for name in (*_STRATIFIED, *SCALAR)})
        components = array("components") if "components" in root else None
        model = cast(Mapping[str, str], attrs["model"])
        space = Space(
            str(attrs["features"]), values.pop("mean"), values.pop("scale"), components,
            model["name"], model["version"], model["digest"],
        )  # fmt: skip
        return cls(**values, guess=guess, space=space, attrs=attrs, source=str(url))


def refuse_existing(url: str | Path) -> None:
    """Make sure that a new file may be written.

    Raises
    ------
    OutputExistsError
        Something is there already.
    """
    if occupied(open_zarr_store(url, read_only=False), str(url)):
        raise OutputExistsError(f"output {url} exists already; remove it, or name another")
