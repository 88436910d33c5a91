"""From RH's emergent spectra to what the contract calls a profile.

observable = (1 − α) Σ_c f_c · P · M_c · S_c + α · stray light, as for every other engine: macroturbulence
M_c, instrumental profile P, filling factors f_c, and the fraction α of stray light (Ruiz Cobo & del Toro
Iniesta 1992, ApJ 398, 375).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engines.lte.constants import SPEED_OF_LIGHT
from stokeswarm.inversion.engines.lte.degrade import convolution_matrix, macroturbulence_matrix

Floats = npt.NDArray[np.float64]

#: [erg cm⁻² s⁻¹ Hz⁻¹ sr⁻¹] of one J m⁻² s⁻¹ Hz⁻¹ sr⁻¹
_CGS: Final = 1e3
_CM_PER_ANGSTROM: Final = 1e-8


class Observable:
    """Units and convolutions of one plan and wavelength axis; immutable.

    Parameters
    ----------
    plan : Plan
    wavelength : ndarray (n,) float64
        The request's, Å.
    vacuum : ndarray (n,) float64
        The same in vacuum, Å.

    Raises
    ------
    SpectraError
        The axis does not fit the plan's regions.
    PlanError
        A region lies where the continuum reference is not known, or a PSF does not fit its sampling.
    """

    def __init__(self, plan: Plan, wavelength: Floats, vacuum: Floats) -> None:
        self._plan = plan
        self._wavelength = np.array(wavelength, dtype=np.float64)
        self._slices = plan.region_slices(wavelength)
        # I_λ = I_ν c / λ²
        self._scale = _CGS * SPEED_OF_LIGHT / (vacuum * _CM_PER_ANGSTROM) ** 2
        self._psf: list[Floats | None] = []
        for region, where in zip(plan.regions, self._slices, strict=True):
            psf = region.psf
            try:
                self._scale[where] /= hsra_continuum(region.lines[0].wavelength)
                self._psf.append(
                    None
                    if psf is None
                    else convolution_matrix(self._wavelength[where], psf.offset, psf.transmission)
                )
            except ValueError as error:
                raise PlanError(f"region {region.name!r}: {error}") from None

    def emergent(self, stokes: Floats, mu: float, macroturbulence: float) -> Floats:
        """Spectrum of one component, convolved, over the plan's continuum reference.

        Parameters
        ----------
        stokes : ndarray (4, n) float64
            RH's [J m⁻² s⁻¹ Hz⁻¹ sr⁻¹].
        mu : float
            Cosine of the heliocentric angle.
        macroturbulence : float
            km/s.

        Returns
        -------
        ndarray (4, n) float64
        """
        scaled = stokes * self._scale
        out = np.empty_like(scaled)
        for region, where, psf in zip(self._plan.regions, self._slices, self._psf, strict=True):
            part = scaled[:, where]
            if self._plan.reference is ContinuumReference.LOCAL_QUIET_SUN:
                part = part / limb_darkening(region.lines[0].wavelength, mu)
            if macroturbulence > 0.0:
                part = part @ macroturbulence_matrix(self._wavelength[where], macroturbulence).T
            out[:, where] = part if psf is None else part @ psf.T
        return out


def mixed(
    components: Sequence[Floats], filling: float, stray_fraction: float, stray_light: Floats | None
) -> Floats:
    """Profile of a pixel.

    Parameters
    ----------
    components : sequence of one or two ndarray (4, n) float64
        From `Observable.emergent`.
    filling : float
        Of the second component.
    stray_fraction : float
    stray_light : ndarray (4, n) float64 or None

    Returns
    -------
    ndarray (4, n) float64
    """
    total = components[0]
    if len(components) == 2:
        total = (1.0 - filling) * total + filling * components[1]
    if stray_light is not None and stray_fraction != 0.0:
        total = (1.0 - stray_fraction) * total + stray_fraction * stray_light
    return total
