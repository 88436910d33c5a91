"""An observed Stokes cube in memory, whatever the file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.client.sources import Identity
from stokeswarm.contract.errors import InvalidArgumentError, SpectraError
from stokeswarm.contract.spectra import MAX_INTENSITY, STOKES, Spectra, check_wavelength, invalid_reason
from stokeswarm.contract.status import ContinuumReference

#: samples of Stokes I that a pixel needs, as in `invalid_reason`
_MIN_SAMPLES: Final = 3
#: rows of pixels looked at together
_ROWS: Final = 64


@dataclass(frozen=True, slots=True)
class Observation:
    """An observed map of Stokes profiles.

    Attributes
    ----------
    stokes : ndarray (y, x, 4, n_wavelength) float32
        I, Q, U, V over the continuum reference; NaN = missing sample.
    wavelength : ndarray (n_wavelength,) float64
        Å in air.
    reference : ContinuumReference
        What the Stokes parameters are divided by.
    mask : ndarray (y, x) bool or None
        True = leave this pixel out. None = nothing is masked.
    noise : tuple of 4 floats or None
        Standard deviation of I, Q, U, V in units of the reference, where the file says so.
    weights : ndarray (4, n_wavelength) float32 or None
        Non-negative factors on 1/σ²; None = 1.
    position : ndarray (y, x, 2) float64 or None
        X (west) and Y (north) on the disc in solar radii, where the file says so; NaN or off the disc = that
        pixel cannot be inverted.
    header : mapping
        The file's keywords (WCS among them), JSON-able values.
    identity : Identity or None
        None for data that came from no file.
    source : str
        Where it was read.
    recognised : str
        What the reader took the file for: format, axes, units, normalisation.
    notes : tuple of str
        What the reader changed or could not decide; worth showing to the user.

    Raises
    ------
    SpectraError
        On construction, where an array is not as above.
    """

    stokes: npt.NDArray[np.float32]
    wavelength: npt.NDArray[np.float64]
    reference: ContinuumReference = ContinuumReference.LOCAL_QUIET_SUN
    mask: npt.NDArray[np.bool_] | None = None
    noise: tuple[float, float, float, float] | None = None
    weights: npt.NDArray[np.float32] | None = None
    position: npt.NDArray[np.float64] | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    identity: Identity | None = None
    source: str = ""
    recognised: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "wavelength", check_wavelength(self.wavelength))
        stokes = np.asarray(self.stokes)
        wanted = f"(y, x, 4, {self.wavelength.size})"
        if stokes.ndim != 4 or stokes.shape[2:] != (4, self.wavelength.size):
            raise SpectraError(f"stokes: expected shape {wanted}, found {stokes.shape}")
        if 0 in stokes.shape:
            raise SpectraError(f"stokes: expected at least one pixel, found shape {stokes.shape}")
        if stokes.dtype.kind not in "fiu":
            raise SpectraError(f"stokes: expected real numbers, found dtype {stokes.dtype}")
        object.__setattr__(self, "stokes", np.ascontiguousarray(stokes, dtype=np.float32))
        if self.mask is not None:
            mask = np.ascontiguousarray(self.mask, dtype=bool)
            if mask.shape != self.shape:
                raise SpectraError(f"mask: expected shape {self.shape}, found {mask.shape}")
            object.__setattr__(self, "mask", mask)
        if self.weights is not None:
            # the same rules as on the wire, checked once here instead of at the first tile
            one = Spectra(self.wavelength, self.stokes[0, :1], self.reference, self.weights)
            object.__setattr__(self, "weights", one.weights)
        if self.position is not None:
            position = np.ascontiguousarray(self.position, dtype=np.float64)
            if position.shape != (*self.shape, 2):
                wanted = f"{(*self.shape, 2)}"
                raise SpectraError(
                    f"position: expected X and Y of every pixel, shape {wanted}, found {position.shape}"
                )
            object.__setattr__(self, "position", position)
        if self.noise is not None:
            noise = tuple(float(sigma) for sigma in self.noise)
            if len(noise) != len(STOKES) or not all(np.isfinite(s) and s > 0 for s in noise):
                raise SpectraError(f"noise: expected four positive numbers (I Q U V), found {noise}")

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels along y and x."""
        return int(self.stokes.shape[0]), int(self.stokes.shape[1])

    @property
    def n_pixel(self) -> int:
        """Number of pixels, masked ones included."""
        return self.shape[0] * self.shape[1]

    def crop(self, y: slice, x: slice) -> Self:
        """A rectangle of the map.

        Parameters
        ----------
        y, x : slice
            Half-open ranges of rows and columns, steps of 1.

        Raises
        ------
        InvalidArgumentError
            The rectangle holds no pixel of the map.
        """
        stokes = self.stokes[y, x]
        if 0 in stokes.shape:
            raise InvalidArgumentError(
                f"region: y {y.start}:{y.stop}, x {x.start}:{x.stop} holds no pixel of a map of "
                f"{self.shape[0]} × {self.shape[1]} (y × x)"
            )
        return replace(
            self,
            stokes=stokes,
            mask=None if self.mask is None else self.mask[y, x],
            position=None if self.position is None else self.position[y, x],
        )

    def spectra(self, y: slice = slice(None), x: slice = slice(None)) -> Spectra:
        """The profiles of a rectangle as one batch, row by row.

        Returns
        -------
        Spectra
            rows × columns pixels, x running fastest.
        """
        part = self.stokes[y, x]
        return Spectra(
            self.wavelength,
            part.reshape(-1, len(STOKES), self.wavelength.size),
            self.reference,
            self.weights,
        )

    def mean_profile(self) -> npt.NDArray[np.float64]:
        """Mean Stokes vector (4, n_wavelength) of the valid pixels; NaN where no pixel has the sample."""
        total = np.zeros((4, self.wavelength.size))
        count = np.zeros((4, self.wavelength.size))
        for start in range(0, self.shape[0], _ROWS):
            rows = self.stokes[start : start + _ROWS]
            good = np.isfinite(rows) & (rows[..., :1, :] != 0)
            if self.mask is not None:
                good &= ~self.mask[start : start + _ROWS, :, None, None]
            total += np.where(good, rows, 0).sum(axis=(0, 1), dtype=np.float64)
            count += good.sum(axis=(0, 1))
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)

    def invalid_pixels(self) -> dict[tuple[int, int], str]:
        """Pixels that no engine can invert, with the reason; masked ones are not looked at.

        Returns
        -------
        dict
            (y, x) → reason, in the order of the map. These pixels end as INVALID_INPUT; they stop nothing.
        """
        # the rules of `invalid_reason` for the whole map at once; the words only for those that break one
        finite = np.isfinite(self.stokes[:, :, 0])
        peak = np.where(finite, self.stokes[:, :, 0], -np.inf).max(axis=2)
        fine = (finite.sum(axis=2) >= _MIN_SAMPLES) & (peak > 0) & (peak <= MAX_INTENSITY)
        fine &= ~np.isinf(self.stokes).any(axis=(2, 3))
        if self.mask is not None:
            fine |= self.mask
        reasons = {}
        for y, x in np.argwhere(~fine).tolist():
            reason = invalid_reason(self.stokes[y, x])
            if reason:
                reasons[y, x] = reason
        return reasons
