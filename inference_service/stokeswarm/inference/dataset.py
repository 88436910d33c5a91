"""Training sets: spectra and the atmospheres that they come from, in one ``.npz`` file.

``stokeswarm sample`` writes them, others may, too. Entries:

==================  =========================  =================================================
name                shape, dtype               meaning
==================  =========================  =================================================
stokes              (n, 4, n_wavelength) f4    I, Q, U, V over the reference, with the PSF applied
wavelength          (n_wavelength,) f8         Å in air, strictly increasing
reference           () text                    ``disc-centre`` or ``local-quiet-sun``
log_tau             (n_depth,) f8              log10 τ₅₀₀₀, strictly decreasing
temperature …       (n, n_depth) f4            K, G, km/s, degrees: one entry a quantity
macroturbulence     (n,) f4                    km/s
recipe              () text                    JSON: how the set was made (optional)
==================  =========================  =================================================
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES, check_wavelength
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.axes import EXACT

Floats = npt.NDArray[np.float64]
Float32s = npt.NDArray[np.float32]

#: stratified quantities that a network learns, in the order in which it returns them
QUANTITIES: Final = (
    "temperature",
    "field_strength",
    "velocity",
    "inclination",
    "azimuth",
    "microturbulence",
)
#: fewer profiles cannot be split into training and validation with any meaning
MIN_PROFILES: Final = 100


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A validated training set.

    Attributes
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
    wavelength : ndarray (n_wavelength,) float64
        Å in air, strictly increasing.
    reference : ContinuumReference
    log_tau : ndarray (n_depth,) float64
        Strictly decreasing.
    quantities : mapping of ndarray (n, n_depth) float32
        One for each of `QUANTITIES`, in the contract's units.
    macroturbulence : ndarray (n,) float32
        km/s.
    recipe : mapping
        How the set was made.

    Raises
    ------
    InvalidArgumentError
        On construction: shapes disagree, a value is not finite, or an array that must vary does not.
    """

    stokes: Float32s
    wavelength: Floats
    reference: ContinuumReference
    log_tau: Floats
    quantities: Mapping[str, Float32s]
    macroturbulence: Float32s
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wavelength = check_wavelength(self.wavelength)
        if (np.diff(wavelength) <= 0).any():
            raise SpectraError("wavelength: expected strictly increasing values")
        n_profile, n_depth = self.stokes.shape[0], self.log_tau.size
        shapes = {"stokes": (n_profile, 4, wavelength.size), "macroturbulence": (n_profile,)}
        shapes |= dict.fromkeys(QUANTITIES, (n_profile, n_depth))
        arrays = {"stokes": self.stokes, "macroturbulence": self.macroturbulence, **self.quantities}
        for name, shape in shapes.items():
            _check_array(name, arrays[name], shape)
        if n_profile < MIN_PROFILES:
            raise InvalidArgumentError(f"stokes: {n_profile} profiles, expected at least {MIN_PROFILES}")
        if self.log_tau.ndim != 1 or (np.diff(self.log_tau) >= 0).any():
            raise InvalidArgumentError("log_tau: expected strictly decreasing values (deepest first)")
        _check_profiles(self.stokes)

    def __len__(self) -> int:
        return int(self.stokes.shape[0])

    def at_nodes(self, log_tau: npt.ArrayLike) -> dict[str, Float32s]:
        """Every quantity at some depths, linearly interpolated; the azimuth along the shorter arc.

        Parameters
        ----------
        log_tau : array_like (n_node,)

        Returns
        -------
        dict of ndarray (n, n_node) float32

        Raises
        ------
        InvalidArgumentError
            A node lies outside the set's depths.
        """
        nodes = np.asarray(log_tau, dtype=np.float64)
        margin = 1e-9
        if nodes.max() > self.log_tau[0] + margin or nodes.min() < self.log_tau[-1] - margin:
            raise InvalidArgumentError(
                f"nodes: log tau {nodes.max():g} to {nodes.min():g} lies outside the training set's "
                f"{self.log_tau[0]:g} to {self.log_tau[-1]:g}"
            )
        depth = np.interp(nodes, self.log_tau[::-1], np.arange(self.log_tau.size)[::-1])
        left = (
            np.minimum(depth.astype(np.intp), self.log_tau.size - 2)
            if self.log_tau.size > 1
            else np.zeros(nodes.size, np.intp)
        )
        right = np.minimum(left + 1, self.log_tau.size - 1)
        share = (depth - left).astype(np.float32)
        result = {}
        for name in QUANTITIES:
            low, high = self.quantities[name][:, left], self.quantities[name][:, right]
            change = high - low
            if name == "azimuth":
                change = (change + 90.0) % 180.0 - 90.0
            values = low + share * change
            result[name] = (values % 180.0 if name == "azimuth" else values).astype(np.float32)
        return result

    def check_instrument(self, name: str) -> None:
        """Compare the axis with that of an instrument; one that the contract does not know has none.

        Raises
        ------
        SpectraError
            The axes differ.
        """
        try:
            known = instrument(name)
        except NotFoundError:
            return
        grid = np.concatenate([region.grid() for region in known.regions])
        step = float(np.median(np.diff(grid)))
        found = f"{self.wavelength.size} samples of {self.wavelength[0]:.4f}–{self.wavelength[-1]:.4f} Å"
        expected = f"{grid.size} samples of {grid[0]:.4f}–{grid[-1]:.4f} Å"
        if grid.size != self.wavelength.size or np.abs(grid - self.wavelength).max() > EXACT * step:
            raise SpectraError(f"wavelength: instrument {name} has {expected}, the training set {found}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a ``.npz`` training set.

        Raises
        ------
        NotFoundError
            No such file.
        InvalidArgumentError
            Not such a file, an entry is missing, or the set is not valid; the message names file and entry.
        """
        if not path.is_file():
            raise NotFoundError(f"training set: {path} is not a file")
        try:
            with np.load(path, allow_pickle=False) as archive:
                data = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InvalidArgumentError(f"{path}: not a .npz archive of plain arrays: {error}") from None
        try:
            return cls.from_arrays(data)
        except InvalidArgumentError as error:
            raise type(error)(f"{path}: {error}") from None

    @classmethod
    def from_arrays(cls, data: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Build a set from the entries of a file.

        Raises
        ------
        InvalidArgumentError
            An entry is missing or not what it should be.
        """
        needed = ("stokes", "wavelength", "reference", "log_tau", "macroturbulence", *QUANTITIES)
        missing = [name for name in needed if name not in data]
        if missing:
            raise InvalidArgumentError(f"entries missing: {', '.join(missing)}; found: {', '.join(data)}")
        try:
            reference = ContinuumReference(str(data["reference"]))
        except ValueError as error:
            raise InvalidArgumentError(f"reference: {error}") from None
        try:
            recipe = json.loads(str(data["recipe"])) if "recipe" in data else {}
        except ValueError as error:
            raise InvalidArgumentError(f"recipe: not JSON: {error}") from None
        return cls(
            stokes=np.ascontiguousarray(data["stokes"], dtype=np.float32),
            wavelength=np.asarray(data["wavelength"], dtype=np.float64),
            reference=reference,
            log_tau=np.asarray(data["log_tau"], dtype=np.float64),
            quantities={name: np.ascontiguousarray(data[name], dtype=np.float32) for name in QUANTITIES},
            macroturbulence=np.ascontiguousarray(data["macroturbulence"], dtype=np.float32),
            recipe=recipe if isinstance(recipe, dict) else {"recipe": recipe},
        )


def _check_array(name: str, values: Float32s, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise InvalidArgumentError(f"{name}: expected shape {shape}, found {values.shape}")
    bad = ~np.isfinite(values)
    if bad.any():
        raise InvalidArgumentError(
            f"{name}: {int(bad.sum())} values are not finite, "
            f"the first at {tuple(np.argwhere(bad)[0].tolist())}"
        )
    if name != "stokes" and float(np.ptp(values)) == 0.0:
        raise InvalidArgumentError(
            f"{name}: constant ({values.flat[0]:g}); there is nothing to learn from it"
        )


def _check_profiles(stokes: Float32s) -> None:
    for number, name in enumerate(STOKES):
        if not np.ptp(stokes[:, number], axis=0).any():
            raise InvalidArgumentError(f"stokes: Stokes {name} is the same in every profile")
    brightest = float(stokes[:, 0].max())
    if brightest > MAX_INTENSITY or brightest <= 0:
        raise InvalidArgumentError(
            f"stokes: Stokes I reaches {brightest:.4g}, expected continuum-normalised intensity"
        )
    if float(np.abs(stokes[:, 1:]).max()) > brightest:
        raise InvalidArgumentError("stokes: Q, U or V exceed I; is the order I, Q, U, V?")
