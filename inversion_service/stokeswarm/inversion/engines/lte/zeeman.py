"""Zeeman patterns: displacements and strengths of the π and σ components of a line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte import constants
from stokeswarm.inversion.engines.lte.terms import Term

PI: Final = 0
"""Index of the π components (Δm = 0)."""
SIGMA_BLUE: Final = 1
"""Index of the σ components that a positive effective Landé factor moves to the blue (Δm = +1)."""
SIGMA_RED: Final = 2
"""Index of the σ components that a positive effective Landé factor moves to the red (Δm = -1)."""

LORENTZ_UNIT: Final = constants.ELECTRON_CHARGE / (
    4.0 * math.pi * constants.ELECTRON_MASS * constants.SPEED_OF_LIGHT**2
)
"""Zeeman splitting of a line of Landé factor 1, divided by λ² B [cm⁻¹ G⁻¹] (e / 4π mₑ c²)."""

_MERGE_DIGITS = 9


@dataclass(frozen=True, slots=True, eq=False)
class ZeemanPattern:
    """Components of a line in a magnetic field, grouped by kind.

    Attributes
    ----------
    kind : np.ndarray
        `PI`, `SIGMA_BLUE` or `SIGMA_RED`, ascending, (n_component,) int64.
    shift : np.ndarray
        Displacement in wavelength in units of `LORENTZ_UNIT` λ² B, red positive, (n_component,) float64.
    strength : np.ndarray
        Relative strength, of sum 1 within each kind, (n_component,) float64.
    """

    kind: npt.NDArray[np.int64]
    shift: npt.NDArray[np.float64]
    strength: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if not (self.kind.shape == self.shift.shape == self.strength.shape) or self.kind.ndim != 1:
            raise ValueError(
                "kind, shift and strength must be one-dimensional and of one length, found shapes "
                f"{self.kind.shape}, {self.shift.shape}, {self.strength.shape}"
            )
        if np.any(np.diff(self.kind) < 0):
            raise ValueError("the components must be ordered by kind")
        for kind in (PI, SIGMA_BLUE, SIGMA_RED):
            total = float(self.strength[self.kind == kind].sum())
            if not math.isclose(total, 1.0, rel_tol=1e-9):
                raise ValueError(f"the strengths of kind {kind} must sum to 1, found {total}")


def _strength(j_lower: float, j_upper: float, m: float, delta_m: int) -> float:
    """Strength of one component up to a constant of its kind.

    Landi Degl'Innocenti & Landolfi (2004), table 3.1.
    `m` belongs to the lower level, and `delta_m` = m_upper - m_lower.
    """
    j = j_lower
    if j_upper > j_lower:
        if delta_m == 0:
            return (j + 1.0) ** 2 - m * m
        return (j + delta_m * m + 1.0) * (j + delta_m * m + 2.0)
    if j_upper == j_lower:
        if delta_m == 0:
            return m * m
        return (j - delta_m * m) * (j + delta_m * m + 1.0)
    if delta_m == 0:
        return j * j - m * m
    return (j - delta_m * m) * (j - delta_m * m - 1.0)


def zeeman_pattern(g_lower: float, g_upper: float, j_lower: float, j_upper: float) -> ZeemanPattern:
    """Build the full pattern of an electric-dipole transition.

    Components that fall together (all of a kind, where the two Landé factors are equal) are merged, and
    those of no strength are left out.

    Parameters
    ----------
    g_lower, g_upper : float
        Landé factors of the levels.
    j_lower, j_upper : float
        Total angular momenta of the levels.

    Returns
    -------
    ZeemanPattern

    Raises
    ------
    ValueError
        Where the momenta are not non-negative multiples of 1/2 that an electric dipole can join.
    """
    for j in (j_lower, j_upper):
        if j < 0.0 or 2.0 * j != round(2.0 * j):
            raise ValueError(f"a total momentum must be a non-negative multiple of 1/2, found {j}")
    if abs(j_upper - j_lower) not in (0.0, 1.0) or j_lower + j_upper == 0.0:
        raise ValueError(f"an electric dipole does not join the momenta {j_lower} and {j_upper}")
    kinds: list[int] = []
    shifts: list[float] = []
    strengths: list[float] = []
    for kind, delta_m in ((PI, 0), (SIGMA_BLUE, 1), (SIGMA_RED, -1)):
        merged: dict[float, float] = {}
        for step in range(round(2.0 * j_lower) + 1):
            m_lower = -j_lower + step
            m_upper = m_lower + delta_m
            strength = _strength(j_lower, j_upper, m_lower, delta_m)
            if abs(m_upper) > j_upper or strength <= 0.0:
                continue
            shift = round(g_lower * m_lower - g_upper * m_upper, _MERGE_DIGITS) + 0.0
            merged[shift] = merged.get(shift, 0.0) + strength
        total = sum(merged.values())
        for shift in sorted(merged):
            kinds.append(kind)
            shifts.append(shift)
            strengths.append(merged[shift] / total)
    return ZeemanPattern(np.array(kinds, dtype=np.int64), np.array(shifts), np.array(strengths))


def triplet(effective_lande: float) -> ZeemanPattern:
    """Build the normal triplet of a line of which only the effective Landé factor is known.

    Parameters
    ----------
    effective_lande : float
        Effective Landé factor.

    Returns
    -------
    ZeemanPattern
    """
    return ZeemanPattern(
        np.array([PI, SIGMA_BLUE, SIGMA_RED], dtype=np.int64),
        np.array([0.0, -effective_lande, effective_lande]),
        np.ones(3),
    )


def pattern_of_terms(lower: Term, upper: Term) -> ZeemanPattern:
    """Build the pattern of a transition in LS coupling.

    Parameters
    ----------
    lower, upper : Term
        The levels.

    Returns
    -------
    ZeemanPattern

    Raises
    ------
    ValueError
        As :func:`zeeman_pattern`.
    """
    return zeeman_pattern(lower.lande_factor, upper.lande_factor, lower.total, upper.total)
