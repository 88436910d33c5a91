"""What a user may tell a reader that a file does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import Line, Plan
from stokeswarm.contract.spectra import STOKES
from stokeswarm.contract.status import ContinuumReference

#: `Hints.continuum`: estimate the level from the map itself
FROM_MAP: Final = "map"
AXES: Final = ("y", "x", "stokes", "wavelength")
_AXIS_ALIASES: Final[Mapping[str, str]] = {
    "y": "y",
    "x": "x",
    "s": "stokes",
    "stokes": "stokes",
    "w": "wavelength",
    "l": "wavelength",
    "lambda": "wavelength",
    "wavelength": "wavelength",
}
_MEDIA: Final = ("", "air", "vacuum")


@dataclass(frozen=True, slots=True)
class Hints:
    """Answers to what a file leaves open; every one is optional.

    Attributes
    ----------
    format : str
        ``"fits"``, ``"npz"``, ``"per"`` or ``"zarr"``, instead of recognising it.
    axes : tuple of str
        Order of the cube's axes, slowest first, of ``y``, ``x``, ``stokes``, ``wavelength``.
    stokes_order : str
        Order of the Stokes parameters in the file, such as ``"IVQU"``.
    wavelength : ndarray (n,) or None
        The axis, where the file has none.
    unit, medium : str
        Of the wavelengths; ``"air"`` or ``"vacuum"``.
    reference : ContinuumReference or None
        What the file's Stokes parameters are divided by.
    continuum : float, "map" or None
        Level to divide by; ``"map"`` = the median continuum of the map, which becomes the local quiet Sun.
    sentinel : float or None
        A value that means "missing" in every Stokes parameter.
    plan : Plan or None
        Names lines (for offsets) and the reference that an unlabelled file has.
    lines : mapping
        Index → line, for files that give offsets.

    Raises
    ------
    InvalidArgumentError
        On construction, where a hint is not one of the above.
    """

    format: str = ""
    axes: tuple[str, ...] = ()
    stokes_order: str = ""
    wavelength: npt.NDArray[np.float64] | None = None
    unit: str = ""
    medium: str = ""
    reference: ContinuumReference | None = None
    continuum: float | str | None = None
    sentinel: float | None = None
    plan: Plan | None = None
    lines: Mapping[int, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.axes and (len(set(self.axes)) != len(self.axes) or set(self.axes) - set(AXES)):
            raise InvalidArgumentError(
                f"axes: expected an order of {', '.join(AXES)}, each once, found {', '.join(self.axes)}"
            )
        if self.stokes_order and sorted(self.stokes_order) != sorted(STOKES):
            raise InvalidArgumentError(
                f"stokes_order: expected an order of I, Q, U, V such as 'IVQU', found {self.stokes_order!r}"
            )
        if self.medium not in _MEDIA:
            raise InvalidArgumentError(f"medium: expected 'air' or 'vacuum', found {self.medium!r}")
        if isinstance(self.continuum, str):
            if self.continuum != FROM_MAP:
                raise InvalidArgumentError(
                    f"continuum: expected a positive number or {FROM_MAP!r}, found {self.continuum!r}"
                )
        elif self.continuum is not None and not (np.isfinite(self.continuum) and self.continuum > 0):
            raise InvalidArgumentError(f"continuum: expected a positive number, found {self.continuum}")

    def line(self, index: int) -> Line | None:
        """A line by SIR's index, from `lines` or else from the plan."""
        if index in self.lines:
            return self.lines[index]
        regions = self.plan.regions if self.plan is not None else ()
        return next((line for region in regions for line in region.lines if line.index == index), None)


def parse_axes(text: str) -> tuple[str, ...]:
    """Axes as a user writes them: ``"y,x,stokes,wavelength"`` or short ``"yxsw"``.

    Raises
    ------
    InvalidArgumentError
        An axis is unknown.
    """
    compact = text.replace(" ", "").lower()
    names = (
        compact.split(",") if "," in compact else ([compact] if compact in _AXIS_ALIASES else list(compact))
    )
    unknown = [name for name in names if name not in _AXIS_ALIASES]
    if unknown:
        raise InvalidArgumentError(
            f"axes: {unknown[0]!r} is not one of {', '.join(AXES)} (short: y x s w), found in {text!r}"
        )
    return tuple(_AXIS_ALIASES[name] for name in names)
