"""Stokes profiles of one pixel, ``.per``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError, SpectraError
from stokeswarm.contract.plan import Line, Plan
from stokeswarm.contract.sir_files.text import SirFileError, columns

#: SIR ignores a sample of a Stokes parameter below this
MISSING_BELOW: Final = -0.99
#: what stands for a missing sample in a file
MISSING: Final = -1.0
#: mÅ → Å
ANGSTROM_PER_MILLI: Final = 1.0e-3


@dataclass(frozen=True, slots=True)
class Profile:
    """One pixel's profiles as a ``.per`` file holds them.

    Attributes
    ----------
    index : ndarray (n,) int64
        The line each sample belongs to.
    offset : ndarray (n,) float64
        mÅ from that line's rest wavelength.
    stokes : ndarray (4, n) float64
        I, Q, U, V over the HSRA's disc-centre continuum; NaN = missing.
    name : str
        File name for messages.
    """

    index: npt.NDArray[np.int64]
    offset: npt.NDArray[np.float64]
    stokes: npt.NDArray[np.float64]
    name: str = ""

    def runs(self) -> list[tuple[int, slice]]:
        """Line index and extent of each stretch of spectrum, in the file's order."""
        edges = np.flatnonzero(np.diff(self.index)) + 1
        bounds = [0, *edges.tolist(), self.index.size]
        return [(int(self.index[a]), slice(a, b)) for a, b in pairwise(bounds)]

    def wavelength(self, lines: Mapping[int, Line]) -> npt.NDArray[np.float64]:
        """Absolute wavelengths.

        Parameters
        ----------
        lines : mapping
            Line index → line.

        Returns
        -------
        ndarray (n,) float64
            Å in air.

        Raises
        ------
        SirFileError
            A line of the file is not among `lines`.
        """
        wavelength = np.empty(self.offset.size)
        for index, run in self.runs():
            if index not in lines:
                known = ", ".join(map(str, sorted(lines))) or "none"
                raise SirFileError(
                    f"{self.name}: line index {index} is not in the line list (it holds {known}); its rest "
                    "wavelength is needed to turn offsets into wavelengths"
                )
            wavelength[run] = lines[index].wavelength + ANGSTROM_PER_MILLI * self.offset[run]
        return wavelength


def parse_profile(text: str, name: str) -> Profile:
    """Profiles of one pixel.

    Parameters
    ----------
    text : str
        Line index, Δλ [mÅ], I, Q, U, V a row. A value below −0.99 is a missing sample.
    name : str
        File name for messages.

    Raises
    ------
    SirFileError
        With the line number, where the file is not as above, or a line's samples are not contiguous with
        increasing offsets.
    """
    numbers, rows = columns(text, name, (6,), "profile (index, mÅ, I, Q, U, V)")
    index = np.rint(rows[:, 0]).astype(np.int64)
    wrong = np.flatnonzero((index < 1) | (np.abs(rows[:, 0] - index) > 1e-3))
    if wrong.size:
        found = rows[wrong[0], 0]
        raise SirFileError(f"{name}: line {numbers[wrong[0]]}: expected a line index >= 1, found {found:g}")
    offset = np.ascontiguousarray(rows[:, 1])
    for i in range(1, offset.size):
        if index[i] == index[i - 1] and offset[i] <= offset[i - 1]:
            raise SirFileError(
                f"{name}: line {numbers[i]}: offsets must increase, "
                f"found {offset[i]:g} after {offset[i - 1]:g} mÅ"
            )
    stokes = np.ascontiguousarray(rows[:, 2:].T)
    stokes[stokes < MISSING_BELOW] = np.nan
    profile = Profile(index, offset, stokes, name)
    seen = [run_index for run_index, _ in profile.runs()]
    if len(set(seen)) != len(seen):
        raise SirFileError(f"{name}: the samples of a line are not contiguous (order of lines: {seen})")
    return profile


def format_profile(profile: Profile) -> str:
    """Profiles as SIR reads them; missing samples as −1."""
    rows = []
    stokes = np.where(np.isfinite(profile.stokes), profile.stokes, MISSING)
    for i, (index, offset) in enumerate(zip(profile.index.tolist(), profile.offset.tolist(), strict=True)):
        values = " ".join(f"{value:14.7E}" for value in stokes[:, i])
        rows.append(f" {index:5d} {offset:11.4f} {values}")
    return "\n".join(rows) + "\n"


def profile_from_spectra(plan: Plan, wavelength: npt.NDArray[np.float64], stokes: npt.ArrayLike) -> Profile:
    """One pixel's spectra as a profile: every region counts from its first line.

    Parameters
    ----------
    plan : Plan
    wavelength : ndarray (n,) float64
        Å in air.
    stokes : array_like (4, n)
        In units of the HSRA's disc-centre continuum.

    Raises
    ------
    InvalidArgumentError
        The shape is wrong, or two regions have the same first line.
    SpectraError
        The wavelengths are not the plan's.
    """
    values = np.asarray(stokes, dtype=np.float64)
    if values.shape != (4, np.size(wavelength)):
        raise SpectraError(f"stokes: expected shape (4, {np.size(wavelength)}), found {values.shape}")
    heads = [region.lines[0] for region in plan.regions]
    if len({line.index for line in heads}) != len(heads):
        raise InvalidArgumentError("profile: two regions of the plan have the same first line")
    order, index, offset = [], [], []
    for line, part in zip(heads, plan.region_slices(wavelength), strict=True):
        axis = np.asarray(wavelength[part], dtype=np.float64)
        order.append(np.arange(part.start, part.stop))
        index.append(np.full(axis.size, line.index, dtype=np.int64))
        offset.append((axis - line.wavelength) / ANGSTROM_PER_MILLI)
    return Profile(
        np.concatenate(index), np.concatenate(offset), np.ascontiguousarray(values[:, np.concatenate(order)])
    )
