"""Profiles turned into one orientation: field towards the observer, transverse field along azimuth 0.

Two pixels of the same structure differ in polarity and azimuth, which say nothing about the atmosphere.
Turned into one orientation they look alike, so that they can be compared, grouped and averaged without
cancelling.

Turning the frame by χ multiplies Q + iU by exp(−2iχ). Mirroring the field in a plane that holds the line of
sight and the transverse field, and reversing it (γ → 180° − γ, χ → −χ), changes the signs of U and V and of
nothing else: η_U, η_V, ρ_U and ρ_V change theirs, and every product of them in the transfer equation keeps
its own (Landi Degl'Innocenti & Landolfi 2004, *Polarization in Spectral Lines*, chapter 9). U must turn with
V: magneto-optical effects make it at χ = 0, with the sign of the polarity. Profiles of which V alone is
turned belong to no atmosphere: the mean of a class of them was fitted 50 times worse than one of its pixels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from stokeswarm.client.polarity import LOBE_HALF_WIDTH, SURE, Bools, line_offset, points_away
from stokeswarm.contract.atmosphere import Floats
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra

#: sum of line depths below which a profile has no line, and its centre is that of the table
SHALLOWEST: Final = 1e-12


def azimuth(spectra: Spectra, plan: Plan) -> tuple[Floats, Bools]:
    """Azimuth of the transverse field, straight from Q and U.

    2χ is the direction in the (Q, U) plane of their second moment about the line, within the line: the σ
    components, which lie further out, have Q > 0 at χ = 0 in absorption lines. The π component in the middle,
    where magneto-optical effects turn the plane of polarisation, hardly counts.

    Parameters
    ----------
    spectra : Spectra
        n pixels; missing samples count as zero.
    plan : Plan

    Returns
    -------
    azimuth : ndarray (n,) float64
        Degrees, 0–180; 0 where Q and U vanish.
    sure : ndarray (n,) bool
        Whether the moment is above `SURE` standard deviations of the plan's noise.
    """
    velocity = line_offset(spectra.wavelength, plan)
    near = np.abs(velocity) <= LOBE_HALF_WIDTH
    # Rows in one piece: sums over them must not depend on how many there are.
    stokes = np.ascontiguousarray(np.nan_to_num(spectra.stokes[:, :, near].astype(np.float64), nan=0.0))
    depth = np.maximum(stokes[:, 0].max(axis=1, keepdims=True) - stokes[:, 0], 0.0)
    # About the line's own centre: a Doppler shift would weigh one σ component more than the other.
    offset = velocity[near]
    centre = (depth * offset).sum(axis=1) / np.maximum(depth.sum(axis=1), SHALLOWEST)
    weight = depth * (offset - centre[:, None]) ** 2
    q, u = (stokes[:, 1] * weight).sum(axis=1), (stokes[:, 2] * weight).sum(axis=1)
    sigma = max(plan.noise[1:3]) * np.sqrt(np.square(weight).sum(axis=1))
    chi = np.rad2deg(np.arctan2(u, q)) / 2.0 % 180.0
    return np.asarray(chi), np.asarray(np.hypot(q, u) > SURE * sigma)


def oriented(spectra: Spectra, plan: Plan) -> Spectra:
    """The same profiles with azimuth 0 and the field towards the observer.

    Noise is not turned: a mean over profiles that each point along their own noise would show a transverse
    field that is none. Where the azimuth is not sure, Q and U stay as they are.

    Parameters
    ----------
    spectra : Spectra
    plan : Plan
    """
    chi, sure = azimuth(spectra, plan)
    double = np.where(sure, np.deg2rad(2.0 * chi), 0.0)[:, None]
    cosine, sine = np.cos(double), np.sin(double)
    stokes = spectra.stokes.astype(np.float64)
    q, u = stokes[:, 1].copy(), stokes[:, 2].copy()
    stokes[:, 1] = cosine * q + sine * u
    stokes[:, 2] = cosine * u - sine * q
    away = points_away(spectra, plan)
    stokes[away, 2:] *= -1.0
    return replace(spectra, stokes=stokes.astype(np.float32))
