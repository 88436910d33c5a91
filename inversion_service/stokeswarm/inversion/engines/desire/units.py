"""Intensities of ``.spc`` files: SI, W m⁻² sr⁻¹ Hz⁻¹ at each wavelength, where ``.per`` is over a continuum.

DeSIRe divides by a continuum of its own, computed with its opacities for the HSRA, at every wavelength. In
``.per`` files profiles are over that; results are left in it, so that they are the numbers that DeSIRe
prints. ``.spc`` files do not depend on it: they are converted to and from the contract's disc-centre
continuum, one number a region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.contract.plan import Plan

Floats = npt.NDArray[np.float64]

#: m/s
LIGHT_SPEED: Final = 2.99792458e8
_METRE_PER_ANGSTROM: Final = 1e-10
#: erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹ in W m⁻² sr⁻¹ m⁻¹
_SI_PER_CGS: Final = 1e-1


def si_units(plan: Plan, wavelength: Floats, slices: Sequence[slice]) -> tuple[Floats, ...]:
    """SI intensity of the contract's disc-centre continuum, a region at a time.

    Parameters
    ----------
    plan : Plan
    wavelength : ndarray (n_wavelength,) float64
        Å.
    slices : sequence of slice
        Of the regions.

    Returns
    -------
    tuple of ndarray (n_region_wavelength,) float64
        I_ν = I_λ λ²/c [W m⁻² sr⁻¹ Hz⁻¹], with I_λ that of the HSRA at the region's first line.

    Raises
    ------
    PlanError
        The continuum is not known there.
    """
    found = []
    for region, part in zip(plan.regions, slices, strict=True):
        try:
            continuum = hsra_continuum(region.lines[0].wavelength) * _SI_PER_CGS
        except ValueError as error:
            raise PlanError(f"option desire.units: region {region.name!r}: {error}; expected per") from None
        metres = wavelength[part] * _METRE_PER_ANGSTROM
        found.append(continuum * metres**2 / LIGHT_SPEED)
    return tuple(found)
