"""Training sets: spectra and the atmospheres that they come from, validated and in memory.

`reading` gets them from files; ``docs/reference/training-sets.md`` describes these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import SCALAR
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, SpectraError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.plan import MAX_WAVELENGTHS
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES, check_wavelength
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.axes import EXACT
from stokeswarm.inference.card import DEFAULT_SCALARS

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
#: fewer profiles cannot be split into training, validation and test with any meaning
MIN_PROFILES: Final = 100
#: fewer samples cannot tell a Doppler shift from a Zeeman splitting
MIN_WAVELENGTHS: Final = 5
#: the class of a profile of which nobody knows it
UNKNOWN_CLASS: Final = -1
#: profiles that are looked at together, so that a check needs little memory
_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A validated training set.

    Attributes
    ----------
    stokes : ndarray (n, 4, n_wavelength) float32
        I, Q, U, V over the reference.
    wavelength : ndarray (n_wavelength,) float64
        Å in air, strictly increasing; several spectral regions are one axis with gaps.
    reference : ContinuumReference
    log_tau : ndarray (n_depth,) float64
        Strictly decreasing.
    quantities : mapping of ndarray (n, n_depth) float32
        One for each of `QUANTITIES`, in the contract's units.
    scalars : mapping of ndarray (n,) float32
        Macroturbulence [km/s], and whatever else has one number a profile and varies.
    recipe : mapping
        How the set was made.
    noise : float
        Standard deviation of the noise that the profiles already hold, of the continuum.
    mu : ndarray (n,) float32 or None
        Cosine of the heliocentric angle.
    classes : ndarray (n,) int8 or None
        What kind of atmosphere each is; `UNKNOWN_CLASS` where nobody knows.
    class_names : tuple of str
    region : ndarray (n,) int32 or None
        Part of a map, or block of a draw: what belongs together is never on both sides of a split.
    one_class : bool
        The set is meant to hold one class only.

    Raises
    ------
    InvalidArgumentError
        On construction: shapes disagree, a value is not finite or impossible, an array that must vary does
        not, or there is only one class.
    """

    stokes: Float32s
    wavelength: Floats
    reference: ContinuumReference
    log_tau: Floats
    quantities: Mapping[str, Float32s]
    scalars: Mapping[str, Float32s]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    noise: float = 0.0
    mu: Float32s | None = None
    classes: npt.NDArray[np.int8] | None = None
    class_names: tuple[str, ...] = ()
    region: npt.NDArray[np.int32] | None = None
    one_class: bool = False

    def __post_init__(self) -> None:
        check_axes(self.wavelength, self.log_tau)
        n_profile, n_depth = len(self), self.log_tau.size
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(QUANTITIES, (n_profile, n_depth))
        shapes |= dict.fromkeys(self.scalars, (n_profile,))
        arrays = {**self.quantities, **self.scalars}
        if self.stokes.shape != (n_profile, 4, self.wavelength.size):
            raise InvalidArgumentError(
                f"stokes: expected shape {(n_profile, 4, self.wavelength.size)}, found {self.stokes.shape}"
            )
        if n_profile < MIN_PROFILES:
            raise InvalidArgumentError(f"stokes: {n_profile} profiles, expected at least {MIN_PROFILES}")
        check_finite("stokes", self.stokes)
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise InvalidArgumentError(f"{name}: expected shape {shape}, found {arrays[name].shape}")
            check_finite(name, arrays[name])
            if float(np.ptp(arrays[name])) == 0.0:
                raise InvalidArgumentError(
                    f"{name}: constant ({arrays[name].flat[0]:g}); there is nothing to learn from it"
                )
        if not 0 <= self.noise < 1:
            raise InvalidArgumentError(f"noise: expected a number in [0, 1), found {self.noise!r}")
        _check_profiles(self.stokes)
        self._check_labels()

    def _check_labels(self) -> None:
        for name, labels in (("mu", self.mu), ("class", self.classes), ("region", self.region)):
            if labels is not None and labels.shape != (len(self),):
                raise InvalidArgumentError(f"{name}: expected shape {(len(self),)}, found {labels.shape}")
        if self.mu is not None:
            check_finite("mu", self.mu)
            if self.mu.min() <= 0 or self.mu.max() > 1:
                raise InvalidArgumentError(
                    f"mu: expected 0 < mu <= 1, found {self.mu.min():g} to {self.mu.max():g}"
                )
        if self.classes is None or self.one_class:
            return
        found = np.unique(self.classes)
        if found.size == 1 and found[0] != UNKNOWN_CLASS:
            number = int(found[0])
            name = self.class_names[number] if 0 <= number < len(self.class_names) else str(number)
            raise InvalidArgumentError(
                f"class: every profile is of one class ({name}); a network of it is lost everywhere else. "
                "If that is meant, say --one-class"
            )

    def __len__(self) -> int:
        return int(self.stokes.shape[0])

    @property
    def digest(self) -> str:
        """sha256 of profiles, axes and atmospheres: what a resumed training must find again."""
        found = hashlib.sha256()
        for values in (self.wavelength, self.log_tau, *(self.quantities[name] for name in QUANTITIES)):
            found.update(np.ascontiguousarray(values).data)
        for name in sorted(self.scalars):
            found.update(np.ascontiguousarray(self.scalars[name]).data)
        for first in range(0, len(self), _BLOCK):
            found.update(np.ascontiguousarray(self.stokes[first : first + _BLOCK]).data)
        return found.hexdigest()

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


def check_axes(wavelength: Floats, log_tau: Floats) -> None:
    """Validate the axes of a training set; `reading` does it before it reads gigabytes.

    Raises
    ------
    InvalidArgumentError
        Not ångström in air, not strictly increasing, too few or too many samples, or log τ not strictly
        decreasing.
    """
    axis = check_wavelength(wavelength)
    if (np.diff(axis) <= 0).any():
        raise SpectraError("wavelength: expected strictly increasing values")
    if not MIN_WAVELENGTHS <= axis.size <= MAX_WAVELENGTHS:
        raise SpectraError(
            f"wavelength: expected {MIN_WAVELENGTHS} to {MAX_WAVELENGTHS} samples, found {axis.size}"
        )
    if log_tau.ndim != 1 or not np.isfinite(log_tau).all() or (np.diff(log_tau) >= 0).any():
        raise InvalidArgumentError("log_tau: expected strictly decreasing values (deepest first)")


def learnt_scalars(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Float32s]:
    """Those scalars of a file that a network learns.

    The macroturbulence, and each further one that varies or is constant at another value than the one that
    stands for a missing scalar (which is then refused as constant).
    """
    found: dict[str, Float32s] = {}
    for name in SCALAR:
        if name in arrays:
            values = np.ascontiguousarray(arrays[name], dtype=np.float32)
            if name == "macroturbulence" or not (values == np.float32(DEFAULT_SCALARS[name])).all():
                found[name] = values
    return found


def check_finite(name: str, values: Float32s, first_row: int = 0) -> None:
    """Refuse values that are not finite.

    Parameters
    ----------
    name : str
    values : ndarray (n, ...)
    first_row : int
        Of ``values`` in the whole array, for the message.

    Raises
    ------
    InvalidArgumentError
        It says how many and where the first one is.
    """
    count = 0
    first: tuple[int, ...] | None = None
    for row in range(0, len(values), _BLOCK):
        wrong = ~np.isfinite(values[row : row + _BLOCK])
        bad = int(wrong.sum())
        if bad and first is None:
            place = np.argwhere(wrong)[0].tolist()
            first = (first_row + row + place[0], *place[1:])
        count += bad
    if first is not None:
        raise InvalidArgumentError(f"{name}: {count} values are not finite, the first at {first}")


def _check_profiles(stokes: Float32s) -> None:
    for number, name in enumerate(STOKES):
        if not np.ptp(stokes[:, number], axis=0).any():
            raise InvalidArgumentError(f"stokes: Stokes {name} is the same in every profile")
    brightest = float(stokes[:, 0].max())
    if brightest > MAX_INTENSITY or brightest <= 0:
        raise InvalidArgumentError(
            f"stokes: Stokes I reaches {brightest:.4g}, expected continuum-normalised intensity"
        )
    if max(float(stokes[:, 1:].max()), -float(stokes[:, 1:].min())) > brightest:
        raise InvalidArgumentError("stokes: Q, U or V exceed I; is the order I, Q, U, V?")
    flat = np.flatnonzero(np.ptp(stokes, axis=2).max(axis=1) == 0)
    if flat.size:
        raise InvalidArgumentError(
            f"stokes: {flat.size} profiles are constant over wavelength, the first is number {flat[0]}"
        )
