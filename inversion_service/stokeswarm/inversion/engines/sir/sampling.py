"""The wavelength grid: SIR computes on evenly spaced offsets from a line, whatever the observation's samples.

In an inversion SIR looks every observed sample up on that grid and takes what lies within half a step,
without a word where nothing does. So the grid is made here such that every sample is on it, and the look-up
is checked.

A region with a step of its own is computed on that, as SIR does with a grid that a user gives it. Where there
is none, a few samples with filters as broad as a line (`stokeswarm.inversion.engines.lte.sampling`) get a
finer grid that reaches beyond them: SIR convolves on its grid, and knows nothing of what lies between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Plan, Region
from stokeswarm.contract.sir_files.profiles import ANGSTROM_PER_MILLI
from stokeswarm.inversion.coarse import (
    FINE,
    MARGIN_KMS,
    NEGLIGIBLE,
    SPEED_OF_LIGHT_KMS,
    is_fine,
)
from stokeswarm.inversion.engines.sir.dialect import Bounds
from stokeswarm.inversion.engines.sir.fortran import real

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: a sample counts as being on a grid that passes it at this part of a step (Hinode: 0.4 mÅ, 20 m/s)
NEAR: Final = 0.02
#: how much finer than the closest samples a grid may be
FINEST: Final = 20
#: decimals of an offset [mÅ]: beyond is the rounding of wavelengths in Å
DECIMALS: Final = 6
#: SIR reads that many characters of a row of the grid
ROW: Final = 80
#: orders of the regions that are tried
_ORDERS: Final = 720


@dataclass(frozen=True, slots=True)
class RegionGrid:
    """One region on SIR's grid.

    Attributes
    ----------
    region : Region
    labels : tuple of int
        Numbers of its lines in the files, the reference line first.
    part : slice
        Of the request's wavelength axis.
    start, step : float
        mÅ from the first line.
    count : int
        Points of the grid.
    offset : ndarray (n,) float64
        The requested samples, mÅ from the first line.
    index : ndarray (n,) int64
        Where on the grid they are.
    """

    region: Region
    labels: tuple[int, ...]
    part: slice
    start: float
    step: float
    count: int
    offset: Floats
    index: Ints

    def points(self) -> Floats:
        """Offsets (count,) of the grid, mÅ from the first line."""
        return self.start + self.step * np.arange(self.count, dtype=np.float64)

    def row(self) -> str:
        """The row of the grid file."""
        name = f"region {self.region.name!r}"
        values = (self.start, self.step, self.start + (self.count - 1) * self.step)
        numbers = ",".join(real(value, what=f"{name}: offset [mÅ]") for value in values)
        text = f"{','.join(map(str, self.labels))}:{numbers}"
        if len(text) >= ROW:
            raise PlanError(
                f"{name}: {len(self.labels)} lines do not fit one row of the grid, of which SIR reads "
                f"{ROW - 1} characters"
            )
        return text


@dataclass(frozen=True, slots=True)
class Sampling:
    """All regions on SIR's grid, in the order of the files.

    Attributes
    ----------
    grids : tuple of RegionGrid
    order : ndarray (n_wavelength,) int64
        Positions on the request's axis in the order in which the files hold the samples.
    computed : ndarray (n_wavelength,) int64
        Rows of a synthesised profile that are the requested samples, in the order of the request's axis.
    columns : ndarray (2, n_wavelength) float64
        Line number and offset [mÅ] of every requested sample, in the order of the files.
    computed_columns : ndarray (2, n_computed) float64
        The same of every point of the grid.
    """

    grids: tuple[RegionGrid, ...]
    order: Ints
    computed: Ints
    columns: Floats
    computed_columns: Floats

    @property
    def text(self) -> str:
        """The grid file."""
        return "".join(grid.row() + "\n" for grid in self.grids)

    @property
    def n_computed(self) -> int:
        """Rows of a synthesised profile."""
        return int(self.computed_columns.shape[1])


def sampling(
    plan: Plan, wavelength: Floats, bounds: Bounds, *, inverts: bool, smears: bool, exact: bool
) -> Sampling:
    """Put the requested samples on grids.

    Parameters
    ----------
    plan : Plan
        A region whose step passes every sample is computed on the region's own grid, as far as that
        reaches beyond the samples; else on the samples' own spacing, or an even part of it.
    wavelength : ndarray (n_wavelength,) float64
        Å.
    bounds : Bounds
        Of the code.
    inverts : bool
        Whether SIR will look observed samples up.
    smears : bool
        Whether profiles are convolved.
    exact : bool
        Whether the grid must be the samples and no more (stray light comes on the samples).

    Raises
    ------
    PlanError
        The samples of a region are on no even grid, or the code's limits are exceeded.
    """
    slices = plan.region_slices(wavelength)
    grids, first = [], 1
    for region, part in zip(plan.regions, slices, strict=True):
        labels = tuple(range(first, first + len(region.lines)))
        first += len(labels)
        grids.append(_grid(region, labels, part, wavelength[part], smears=smears, exact=exact))
    if first - 1 > bounds.lines:
        raise PlanError(f"{first - 1} lines, this build of the code holds {bounds.lines}")
    ordered = _ordered(grids) if inverts else grids
    _check_counts(ordered, wavelength.size, bounds, smears=smears)
    begins = np.cumsum([0, *[grid.count for grid in ordered]])
    computed = np.empty(wavelength.size, dtype=np.int64)
    for begin, grid in zip(begins[:-1], ordered, strict=True):
        computed[grid.part] = begin + grid.index
    return Sampling(
        grids=tuple(ordered),
        order=np.concatenate([np.arange(grid.part.start, grid.part.stop) for grid in ordered]),
        computed=computed,
        columns=_columns(ordered, [grid.offset for grid in ordered]),
        computed_columns=_columns(ordered, [grid.points() for grid in ordered]),
    )


def _columns(grids: Sequence[RegionGrid], offsets: Sequence[Floats]) -> Floats:
    labels = [np.full(part.size, grid.labels[0]) for grid, part in zip(grids, offsets, strict=True)]
    return np.stack([np.concatenate(labels).astype(np.float64), np.concatenate(offsets)])


def _grid(
    region: Region, labels: tuple[int, ...], part: slice, axis: Floats, *, smears: bool, exact: bool
) -> RegionGrid:
    zero = region.lines[0].wavelength
    offset = np.round((axis - zero) / ANGSTROM_PER_MILLI, DECIMALS)
    own = round(region.step / ANGSTROM_PER_MILLI, DECIMALS)
    if own and _passes(offset, own):
        step = own
    else:
        step, own = _common_step(region, offset), 0.0
    low, high = start, stop = float(offset[0]), float(offset[-1])
    if own:
        low = round((region.start - zero) / ANGSTROM_PER_MILLI, DECIMALS)
        high = round((region.stop - zero) / ANGSTROM_PER_MILLI, DECIMALS)
    elif smears and _is_coarse(axis):
        wanted = float(axis.mean()) / FINE / ANGSTROM_PER_MILLI
        step /= np.ceil(step / wanted)
        before, after = _reach(region, axis)
        low, high = start - before, stop + after
    index = np.rint((offset - start) / step).astype(np.int64)
    count = int(index[-1]) + 1
    if not exact:
        before, after = max(0, round((start - low) / step)), max(0, round((high - stop) / step))
        if before:
            start = low if abs(start - low - before * step) < NEAR * step else start - before * step
        index, count = index + before, count + before + after
    return RegionGrid(region, labels, part, start, step, count, offset, index)


def _is_coarse(axis: Floats) -> bool:
    return not is_fine(axis)


def _reach(region: Region, axis: Floats) -> tuple[float, float]:
    """How far [mÅ] a finer grid goes beyond the first and the last sample."""
    margin = float(axis.mean()) * MARGIN_KMS / SPEED_OF_LIGHT_KMS / ANGSTROM_PER_MILLI
    if region.psf is None:
        return margin, margin
    offset, value = np.asarray(region.psf.offset), np.abs(np.asarray(region.psf.transmission))
    seen = offset[value > NEGLIGIBLE * value.max()]
    return margin + max(float(seen[-1]), 0.0), margin + max(float(-seen[0]), 0.0)


def _passes(offset: Floats, step: float) -> bool:
    """Whether every sample is a whole number of steps from the first."""
    steps = (offset - offset[0]) / step
    return bool(np.abs(steps - np.rint(steps)).max() <= NEAR) and (
        offset.size < 2 or bool(np.diff(np.rint(steps)).min() >= 1)
    )


def _common_step(region: Region, offset: Floats) -> float:
    """The widest even step on which all samples are."""
    if offset.size == 1:
        return 1.0
    closest = float(np.diff(offset).min())
    for parts in range(1, FINEST + 1):
        guess = closest / parts
        steps = np.rint((offset - offset[0]) / guess)
        step = round(float((offset[-1] - offset[0]) / steps[-1]), DECIMALS)
        if _passes(offset, step):
            return step
    raise PlanError(
        f"region {region.name!r}: its samples, {closest:.3f} mÅ apart at the closest, are on no even grid; "
        f"expected spacings that are multiples of one step (to {NEAR:g} of it)"
    )


def _check_counts(grids: Sequence[RegionGrid], n_sample: int, bounds: Bounds, *, smears: bool) -> None:
    total = max(n_sample, sum(grid.count for grid in grids))
    if total > bounds.wavelengths:
        raise PlanError(f"{total} wavelengths, the code holds {bounds.wavelengths}")
    for grid in grids:
        if smears and grid.count > bounds.smeared:
            raise PlanError(
                f"region {grid.region.name!r}: {grid.count} wavelengths, the code convolves at most "
                f"{bounds.smeared} with a PSF or a macroturbulence"
            )


def _ordered(grids: list[RegionGrid]) -> list[RegionGrid]:
    """The regions in an order in which SIR finds the samples.

    Its look-up goes on from the last sample's place on the grid, blind to where a region ends. What the grid
    of a region holds beyond its last sample may therefore be taken for a sample of the next one; it is cut
    where no order helps.
    """
    orders = [list(order) for order in islice(permutations(grids), _ORDERS)]
    cut = [[*map(_without_tail, order[:-1]), order[-1]] for order in orders]
    for candidate in (*orders, *cut):
        if _found(candidate):
            return candidate
    raise PlanError(
        "regions: the code would take samples of one for those of another, because their offsets from the "
        "first line coincide; move an edge of a region by a few samples"
    )


def _without_tail(grid: RegionGrid) -> RegionGrid:
    return replace(grid, count=int(grid.index[-1]) + 1)


def _found(grids: Sequence[RegionGrid]) -> bool:
    """Whether a scan up the grid, with half the last region's step as reach, hits every sample."""
    points = np.concatenate([grid.points() for grid in grids]).tolist()
    begins = np.cumsum([0, *[grid.count for grid in grids]])
    reach, at, last = 0.5 * grids[-1].step, 0, len(points) - 1
    for begin, grid in zip(begins[:-1], grids, strict=True):
        for offset, index in zip(grid.offset.tolist(), grid.index.tolist(), strict=True):
            while at < last and offset > points[at] + reach:
                at += 1
            while at < last and offset < points[at] - reach:
                at += 1
            while at < last and offset > points[at] + reach:
                at += 1
            if at != int(begin) + index:
                return False
    return True
