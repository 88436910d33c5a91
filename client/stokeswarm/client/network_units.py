"""Observed profiles in the units that a network reads.

Networks are trained on intensities over the quiet Sun's continuum at disc centre. An observation over the
quiet Sun around it differs by the limb darkening, which is well known: it is multiplied back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.inference import ModelInfo
from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference

Floats = npt.NDArray[np.float64]


def for_network(spectra: Spectra, model: ModelInfo, mu: float | Floats) -> Spectra:
    """The same profiles over the continuum that a network knows.

    Parameters
    ----------
    spectra : Spectra
        n pixels.
    model : ModelInfo
    mu : float or ndarray (n,)
        Cosine of the heliocentric angle.

    Returns
    -------
    Spectra
        Over the quiet Sun at disc centre where they were over the local one and the network wants that; else
        as they are: what does not fit the network is for the server to refuse.
    """
    local, centre = ContinuumReference.LOCAL_QUIET_SUN, ContinuumReference.DISC_CENTRE
    if spectra.reference is not local or model.reference is not centre:
        return spectra
    found, which = np.unique(np.broadcast_to(mu, (len(spectra),)), return_inverse=True)
    factor = np.array(
        [[limb_darkening(float(wavelength), float(m)) for wavelength in spectra.wavelength] for m in found]
    )
    stokes = (spectra.stokes * factor[which][:, None, :]).astype(np.float32)
    return replace(spectra, stokes=stokes, reference=centre)
