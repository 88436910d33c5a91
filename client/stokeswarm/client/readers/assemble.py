"""From a file's raw cube to an `Observation`: units, medium, order, missing values, normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.readers.axes import arrange, find_axes
from stokeswarm.client.readers.hints import FROM_MAP, Hints
from stokeswarm.client.readers.observation import Observation
from stokeswarm.client.sources import Identity, ReadError
from stokeswarm.client.wavelengths import air_to_vacuum, unit_factor, vacuum_to_air
from stokeswarm.contract.errors import SpectraError
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES, WAVELENGTH_RANGE
from stokeswarm.contract.status import ContinuumReference

#: the continuum of a profile: this quantile of Stokes I, above the lines and below the noise's peaks
CONTINUUM_QUANTILE: Final = 0.9
#: at most this many pixels are looked at to judge a map as a whole
SAMPLE: Final = 4096


@dataclass(frozen=True, slots=True)
class Raw:
    """What a format's reader found, as the file has it.

    Attributes
    ----------
    stokes : ndarray
        The cube, any axis order.
    wavelength : ndarray (n,)
    kind : str
        Format in words.
    labels : tuple of str
        Axis names the file gives, numpy's order.
    unit, medium : str
        Of the wavelengths; empty = the file does not say.
    reference : ContinuumReference or None
    continuum : float or None
        Level in the file's units that makes the reference 1.
    continuum_name : str
        Where that level stands.
    mask, noise, weights, position, header
        As in `Observation`.
    notes : tuple of str
    """

    stokes: npt.NDArray[Any]
    wavelength: npt.NDArray[Any]
    kind: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    medium: str = ""
    reference: ContinuumReference | None = None
    continuum: float | None = None
    continuum_name: str = ""
    mask: npt.NDArray[np.bool_] | None = None
    noise: tuple[float, float, float, float] | None = None
    weights: npt.NDArray[np.float32] | None = None
    position: npt.NDArray[np.float64] | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def assemble(raw: Raw, hints: Hints, name: str, identity: Identity | None) -> Observation:
    """Make an `Observation` of what a reader found.

    Parameters
    ----------
    raw : Raw
    hints : Hints
        Override what the file says.
    name : str
        Path or URL for messages.
    identity : Identity or None

    Raises
    ------
    ReadError
        The cube cannot be understood; the message says what was expected and found.
    """
    said: list[str] = [raw.kind]
    notes = list(raw.notes)
    wavelength, order = _wavelength(raw, hints, name, said, notes)
    stokes, moved = _cube(raw, hints, name, wavelength.size, said, notes)
    weights = raw.weights
    if order is not None:
        stokes = stokes[..., order]
        weights = None if weights is None else np.asarray(weights)[:, order]
    stokes = _missing(stokes, hints, notes)
    reference, level = _normalise(stokes, raw, hints, name, said, notes)
    mask = raw.mask
    if mask is not None and moved and mask.shape == stokes.shape[1::-1] != stokes.shape[:2]:
        mask = mask.T
    position = raw.position
    if position is not None and moved and position.shape[:2] == stokes.shape[1::-1] != stokes.shape[:2]:
        position = position.transpose(1, 0, 2)
    noise = raw.noise
    if noise is not None and level != 1.0:
        i, q, u, v = (sigma / level for sigma in noise)
        noise = (i, q, u, v)
    try:
        observation = Observation(
            stokes=stokes,
            wavelength=wavelength,
            reference=reference,
            mask=mask,
            noise=noise,
            weights=weights,
            position=position,
            header=raw.header,
            identity=identity,
            source=name,
            recognised="; ".join(said),
            notes=tuple(notes),
        )
    except SpectraError as error:
        raise ReadError(f"{name}: {error}") from error
    _check_stokes_order(observation, hints, name)
    return observation


def _wavelength(
    raw: Raw, hints: Hints, name: str, said: list[str], notes: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64] | None]:
    """Å in air (or the plan's vacuum), and the permutation that puts a falling axis in order (None: none)."""
    given = raw.wavelength if hints.wavelength is None else hints.wavelength
    axis = np.asarray(given, dtype=np.float64)
    if axis.ndim != 1 or axis.size == 0 or not np.isfinite(axis).all():
        raise ReadError(f"{name}: wavelength: expected a finite 1-D axis, found shape {axis.shape}")
    unit = hints.unit or raw.unit
    try:
        axis = axis * (unit_factor(unit) if unit else 1.0)
    except SpectraError as error:
        raise ReadError(f"{name}: {error}") from error
    low, high = float(axis.min()), float(axis.max())
    if (
        not unit
        and WAVELENGTH_RANGE[0] <= 10.0 * low
        and 10.0 * high <= WAVELENGTH_RANGE[1]
        and high < 2500.0
    ):
        raise ReadError(
            f"{name}: wavelength: expected ångström, found {low:g}–{high:g} without a unit: this looks like "
            "nanometres. Say unit='nm'"
        )
    if low < WAVELENGTH_RANGE[0] or high > WAVELENGTH_RANGE[1]:
        raise ReadError(
            f"{name}: wavelength: expected {WAVELENGTH_RANGE[0]:g}–{WAVELENGTH_RANGE[1]:g} Å, "
            f"found {low:g}–{high:g} {'Å' if unit else 'without a unit (offsets from a line centre?)'}"
        )
    medium = hints.medium or raw.medium
    wanted = "vacuum" if hints.plan is not None and hints.plan.vacuum else "air"
    if medium == "air" and wanted == "vacuum":
        shift = float(np.mean(air_to_vacuum(axis) - axis))
        axis = air_to_vacuum(axis)
        notes.append(f"wavelengths converted from air to the plan's vacuum (+{shift:.3f} Å; Morton 2000)")
    elif medium == "vacuum" and wanted == "air":
        shift = float(np.mean(axis - vacuum_to_air(axis)))
        axis = vacuum_to_air(axis)
        notes.append(f"wavelengths converted from vacuum to air (−{shift:.3f} Å; Morton 2000)")
    order = None
    if axis.size > 1 and (np.diff(axis) < 0).all():
        order = np.arange(axis.size)[::-1].astype(np.int64)
        axis = np.ascontiguousarray(axis[::-1])
        notes.append("the wavelength axis was falling and has been reversed")
    said.append(
        f"{axis.size} wavelengths {axis[0]:.3f}–{axis[-1]:.3f} Å"
        + (f" (from {unit})" if unit and unit_factor(unit) != 1.0 else "")
    )
    return axis, order


def _cube(
    raw: Raw, hints: Hints, name: str, n_wavelength: int, said: list[str], notes: list[str]
) -> tuple[npt.NDArray[np.float32], bool]:
    """The cube as (y, x, I Q U V, wavelength) float32, and whether y and x changed places."""
    cube = raw.stokes
    if cube.dtype.kind not in "fiu":
        raise ReadError(f"{name}: stokes: expected real numbers, found dtype {cube.dtype}")
    if cube.size == 0:
        raise ReadError(f"{name}: stokes: expected at least one pixel, found shape {cube.shape}")
    axes, evidence = find_axes(cube.shape, n_wavelength, name, raw.labels, hints.axes)
    said.append(f"axes ({', '.join(axes)}) {evidence}")
    arranged = arrange(cube, axes)
    if hints.stokes_order and hints.stokes_order != "".join(STOKES):
        arranged = arranged[:, :, [hints.stokes_order.index(stokes) for stokes in STOKES]]
        notes.append(f"Stokes parameters reordered from {hints.stokes_order} to IQUV")
    said.append(f"map of {arranged.shape[0]} × {arranged.shape[1]} pixels (y × x)")
    moved = "y" in axes and "x" in axes and axes.index("x") < axes.index("y")
    # always a copy: the next steps write into it, the file's own memory stays as it is
    return np.array(arranged, dtype=np.float32, order="C"), moved


def _missing(stokes: npt.NDArray[np.float32], hints: Hints, notes: list[str]) -> npt.NDArray[np.float32]:
    """Samples that hold the sentinel become NaN."""
    if hints.sentinel is not None:
        missing = np.isclose(stokes, np.float32(hints.sentinel), rtol=1e-6, atol=0.0)
        if missing.any():
            stokes[missing] = np.nan
            notes.append(f"{int(missing.sum())} samples equal to {hints.sentinel:g} taken as missing")
    infinite = np.isinf(stokes)
    if infinite.any():
        stokes[infinite] = np.nan
        notes.append(f"{int(infinite.sum())} infinite samples taken as missing")
    return stokes


def _normalise(
    stokes: npt.NDArray[np.float32], raw: Raw, hints: Hints, name: str, said: list[str], notes: list[str]
) -> tuple[ContinuumReference, float]:
    """Divide by the continuum, in place; the reference's name and the level divided by."""
    found = map_continuum(stokes)
    reference = hints.reference or raw.reference
    if hints.continuum == FROM_MAP:
        if not found > 0:
            raise ReadError(f"{name}: continuum='{FROM_MAP}': the map has no positive continuum")
        level, origin = found, "the map's own median continuum"
        reference = hints.reference or ContinuumReference.LOCAL_QUIET_SUN
    elif hints.continuum is not None:
        level, origin = float(hints.continuum), "the continuum level given"
    elif raw.continuum is not None:
        level, origin = raw.continuum, raw.continuum_name
    elif found > MAX_INTENSITY:
        raise ReadError(
            f"{name}: stokes: expected intensities over a continuum reference (about 1), found a median "
            f"continuum of {found:.5g}: these look like counts. Give the level of the reference with "
            f"continuum=…, or continuum='{FROM_MAP}' for the map's own"
        )
    else:
        level, origin = 1.0, ""
    if level != 1.0:
        stokes /= np.float32(level)
    if reference is None and hints.plan is not None:
        reference = hints.plan.reference
        notes.append(f"the file does not name its continuum reference: the plan's taken, {reference.value}")
    elif reference is None:
        reference = ContinuumReference.LOCAL_QUIET_SUN
        notes.append(f"the file does not name its continuum reference: taken as {reference.value}")
    text = f"Stokes parameters over the {reference.value} continuum"
    said.append(text + (f" (divided by {origin}, {level:.6g})" if origin else " (as in the file)"))
    return reference, level


def map_continuum(stokes: npt.NDArray[np.float32]) -> float:
    """Median over the map of each pixel's continuum, NaN where there is none.

    Parameters
    ----------
    stokes : ndarray (y, x, 4, n_wavelength)
    """
    intensity = stokes[:, :, 0].reshape(-1, stokes.shape[-1])
    step = max(1, intensity.shape[0] // SAMPLE)
    some = np.asarray(intensity[::step], dtype=np.float64)
    good = np.isfinite(some).any(axis=1) & (np.nan_to_num(some) != 0).any(axis=1)
    if not good.any():
        return float("nan")
    some = some[good]
    # Without NaN all pixels go at once; nanquantile takes them one by one.
    gaps = np.isnan(some).any(axis=1)
    levels = np.concatenate(
        [
            np.quantile(some[~gaps], CONTINUUM_QUANTILE, axis=1),
            np.nanquantile(some[gaps], CONTINUUM_QUANTILE, axis=1) if gaps.any() else [],
        ]
    )
    return float(np.median(levels))


def _check_stokes_order(observation: Observation, hints: Hints, name: str) -> None:
    """Refuse a cube whose brightest plane is not the first: I is larger than |Q|, |U| and |V| by physics."""
    mean = np.abs(observation.mean_profile())
    if not np.isfinite(mean).any():
        return
    levels: Sequence[float] = [float(np.nanmedian(row)) if np.isfinite(row).any() else 0.0 for row in mean]
    brightest = int(np.argmax(levels))
    if brightest != 0 and levels[brightest] > 2.0 * levels[0]:
        raise ReadError(
            f"{name}: stokes: expected the order I, Q, U, V, but plane {brightest + 1} "
            f"({levels[brightest]:.3g}) is brighter than the first ({levels[0]:.3g}): wrong axis order or "
            f"Stokes order. Say axes=… or stokes_order=… (now {hints.stokes_order or ''.join(STOKES)})"
        )
