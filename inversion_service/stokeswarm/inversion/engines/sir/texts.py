"""The input files as text, written for speed: what does not change between pixels is formatted once.

Every number carries `DIGITS` significant digits, so that SIR's single-precision value is the one that any
other exact way of writing the number would have given it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import InvalidArgumentError, PlanError
from stokeswarm.contract.plan import Plan, Psf
from stokeswarm.contract.sir_files import format_abundances, format_lines
from stokeswarm.contract.sir_files.profiles import MISSING
from stokeswarm.inversion.engines.sir.dialect import Bounds
from stokeswarm.inversion.engines.sir.sampling import Sampling

Floats = npt.NDArray[np.float64]

#: significant digits; nine identify a single-precision number
DIGITS: Final = 10
_CELL: Final = f"%.{DIGITS}g"
_PROFILE_CELLS: Final = " ".join([_CELL] * 4)


def lines_text(plan: Plan) -> str:
    """The line list; lines are numbered from 1 in the order of the regions.

    Raises
    ------
    PlanError
        A line has what SIR's line lists cannot hold.
    """
    lines = [line for region in plan.regions for line in region.lines]
    try:
        return format_lines(replace(line, index=number) for number, line in enumerate(lines, start=1))
    except InvalidArgumentError as error:
        raise PlanError(f"line list: {error}") from error


def abundances_text(plan: Plan) -> str:
    """All 92 abundances; absent elements as −8."""
    return format_abundances(plan.abundances)


def psf_text(plan: Plan, bounds: Bounds) -> str:
    """The point-spread function, empty where there is none.

    Raises
    ------
    PlanError
        The regions have different ones, or it has too many rows.
    """
    psfs = [region.psf for region in plan.regions]
    if any(_curve(psf) != _curve(psfs[0]) for psf in psfs):
        raise PlanError("psf: the regions have different ones; SIR takes one for all of them")
    psf = psfs[0]
    if psf is None:
        return ""
    if len(psf.offset) > bounds.psf:
        raise PlanError(f"psf {psf.name!r}: {len(psf.offset)} rows, SIR reads {bounds.psf}")
    if not psf.offset[0] <= 0.0 <= psf.offset[-1]:
        raise PlanError(f"psf {psf.name!r}: its offsets do not contain 0")
    cell = f"{_CELL} {_CELL}\n"
    return "".join(cell % pair for pair in zip(psf.offset, psf.transmission, strict=True))


def _curve(psf: Psf | None) -> object:
    return None if psf is None else (psf.offset, psf.transmission)


class ProfileWriter:
    """Writes Stokes profiles of one sampling.

    Parameters
    ----------
    columns : ndarray (2, n_row) float64
        Line number and offset [mÅ] of each row.
    """

    def __init__(self, columns: Floats) -> None:
        self._template = "".join(
            f"{label:.0f} {offset:.{DIGITS}g} {_PROFILE_CELLS}\n" for label, offset in columns.T.tolist()
        )

    def text(self, stokes: Floats) -> str:
        """A file.

        Parameters
        ----------
        stokes : ndarray (4, n_row) float64
            In the order of the rows; NaN = missing, written as −1, which SIR ignores.
        """
        values = np.where(np.isfinite(stokes), stokes, MISSING)
        return self._template % tuple(values.T.ravel().tolist())


def stray_light_text(sampling: Sampling, profile: npt.NDArray[np.float32], unit: Floats) -> str:
    """The stray-light profile on SIR's grid.

    Parameters
    ----------
    sampling : Sampling
    profile : ndarray (4, n_wavelength) float32
        On the request's axis; where the grid is finer it is interpolated linearly.
    unit : ndarray (n_wavelength,) float64
        From the request's continuum reference to SIR's.
    """
    values = profile.astype(np.float64) * unit
    parts = []
    for grid in sampling.grids:
        points = np.arange(grid.count)
        parts.append(np.stack([np.interp(points, grid.index, row) for row in values[:, grid.part]]))
    return ProfileWriter(sampling.computed_columns).text(np.concatenate(parts, axis=1))
