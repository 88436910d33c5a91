"""Numbers read off a profile, by which signs and units are told: no fit, no model."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.testing.problem import Problem

Floats = npt.NDArray[np.float64]

#: km/s
LIGHT: Final = 2.99792458e5
#: Δλ [Å] = ZEEMAN g λ² [Å²] B [G]: e/(4π mₑ c²) in these units, e.g. del Toro Iniesta 2003, *Introduction to
#: Spectropolarimetry*, eq. 8.14
ZEEMAN: Final = 4.6686e-13


def window(problem: Problem) -> npt.NDArray[np.bool_]:
    """The samples (n_wavelength,) that belong to the problem's line."""
    near: npt.NDArray[np.bool_] = np.abs(problem.wavelength - problem.line.wavelength) <= problem.window
    return near


def offsets(problem: Problem) -> Floats:
    """Å from the line's centre, inside its window."""
    return problem.wavelength[window(problem)] - problem.line.wavelength


def line_stokes(problem: Problem, stokes: npt.ArrayLike) -> Floats:
    """Stokes profiles (4, n) inside the window."""
    return np.asarray(stokes, dtype=np.float64)[:, window(problem)]


def centre_of_gravity(problem: Problem, stokes: npt.ArrayLike, polarity: float = 0.0) -> float:
    """Centre of gravity [Å from rest] of the absorption in I, or in I + V and I − V.

    Parameters
    ----------
    problem : Problem
    stokes : array_like (4, n_wavelength)
    polarity : float
        0 for I, ±1 for I ± V.
    """
    everywhere = np.asarray(stokes, dtype=np.float64)
    level = float(everywhere[0].max())
    part = line_stokes(problem, stokes)
    depression = level - (part[0] + polarity * part[3])
    return float((depression * offsets(problem)).sum() / depression.sum())


def area(problem: Problem, stokes: npt.ArrayLike) -> float:
    """Σ (continuum − I) / continuum inside the window: the equivalent width in samples."""
    level = float(np.asarray(stokes, dtype=np.float64)[0].max())
    return float((1.0 - line_stokes(problem, stokes)[0] / level).sum())


def depth(problem: Problem, stokes: npt.ArrayLike) -> float:
    """(continuum − I) / continuum at the deepest sample."""
    level = float(np.asarray(stokes, dtype=np.float64)[0].max())
    return float((1.0 - line_stokes(problem, stokes)[0] / level).max())
