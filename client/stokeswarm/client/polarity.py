"""The polarity of the field along the line of sight: what Stokes V says, and what a guess says.

A network may take one polarity for the other where it was never shown the second (Gafeira et al. 2021, A&A
651, A31, saw that happen), and a short inversion does not find its way back: between γ and 180° − γ lies a
profile without any V. The sign of V knows better, and costs nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere, Floats
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra

Bools = npt.NDArray[np.bool_]

#: half width of the interval around a line in which the areas of V's lobes are compared [km/s]: wide enough
#: for the σ components of 6302.5 at 3 kG (18 km/s with 5 km/s of Doppler shift)
LOBE_HALF_WIDTH: Final = 24.0
SPEED_OF_LIGHT: Final = 299792.458
#: standard deviations by which the lobes must differ for V to speak against a guess
SURE: Final = 5.0
#: log τ₅₀₀₀ between which photospheric lines feel the field; a guess's polarity is that of its mean there
FORMATION: Final = (0.0, -2.0)


def line_offset(wavelength: npt.NDArray[np.float64], plan: Plan) -> Floats:
    """Distance of every sample from the nearest of the plan's lines.

    Parameters
    ----------
    wavelength : ndarray (n_wavelength,) float64
        Å.
    plan : Plan

    Returns
    -------
    ndarray (n_wavelength,) float64
        km/s, positive to the red.
    """
    centres = np.array([line.wavelength for region in plan.regions for line in region.lines])
    offset = wavelength[:, None] - centres
    nearest = np.abs(offset).argmin(axis=1)
    velocity: Floats = SPEED_OF_LIGHT * offset[np.arange(offset.shape[0]), nearest] / centres[nearest]
    return velocity


def blue_minus_red(spectra: Spectra, plan: Plan) -> tuple[Floats, Floats]:
    """Area of V on the blue side of each line minus that on the red side, and its noise.

    Samples belong to the nearest line; those further away than `LOBE_HALF_WIDTH` count for none. Missing
    samples count as zero.

    Parameters
    ----------
    spectra : Spectra
        n pixels.
    plan : Plan

    Returns
    -------
    difference, sigma : ndarray (n,) float64
        In units of the continuum reference, summed over samples.
    """
    velocity = line_offset(spectra.wavelength, plan)
    side = np.where(np.abs(velocity) <= LOBE_HALF_WIDTH, -np.sign(velocity), 0.0)
    # Summed in float64, sample by sample in one order, so that a pixel's sign does not depend on its tile.
    v = spectra.stokes[:, 3, :].astype(np.float64)
    present = np.isfinite(v)
    difference = (np.where(present, v, 0.0) * side).sum(axis=1)
    sigma = plan.noise[3] * np.sqrt((present * np.square(side)).sum(axis=1))
    return difference, sigma


def points_away(spectra: Spectra, plan: Plan) -> Bools:
    """Whether the field points away from the observer (γ > 90°), by the sign of V.

    `blue_minus_red` is positive for γ < 90°, for lines of positive effective Landé factor, as nearly all are.
    A tie is γ < 90°.

    Returns
    -------
    ndarray (n,) bool
    """
    difference, _ = blue_minus_red(spectra, plan)
    return np.asarray(difference < 0.0)


def contradicted(spectra: Spectra, atmosphere: Atmosphere, plan: Plan) -> Bools:
    """Where V says, with `SURE` standard deviations, the opposite of an atmosphere's polarity.

    Parameters
    ----------
    spectra : Spectra
        n pixels.
    atmosphere : Atmosphere
        n pixels; its polarity is the sign of the mean of B cos γ where the lines form (`FORMATION`).
    plan : Plan

    Returns
    -------
    ndarray (n,) bool
        False where the atmosphere is not finite.
    """
    difference, sigma = blue_minus_red(spectra, plan)
    bottom, top = FORMATION
    depth = (atmosphere.log_tau <= bottom + 1e-6) & (atmosphere.log_tau >= top - 1e-6)
    if not depth.any():
        depth[np.abs(atmosphere.log_tau - (bottom + top) / 2).argmin()] = True
    field = atmosphere.field_strength[:, depth] * np.cos(np.deg2rad(atmosphere.inclination[:, depth]))
    along = field.mean(axis=1)
    return np.asarray((np.abs(difference) > SURE * sigma) & (along * difference < 0.0))


def mirrored(atmosphere: Atmosphere, where: Bools | None = None) -> Atmosphere:
    """The same atmosphere in the other polarity: γ → 180° − γ.

    Parameters
    ----------
    atmosphere : Atmosphere
    where : ndarray (n,) bool, optional
        Which pixels; None = all.
    """
    turned = 180.0 - atmosphere.inclination
    if where is not None:
        turned = np.where(where[:, None], turned, atmosphere.inclination)
    return replace(atmosphere, inclination=turned)
