"""The one pixel by which an installation of RH proves itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference

#: what the quiet Sun's continuum may be, over the HSRA's
CONTINUUM: Final = (0.7, 1.3)
_LINE: Final = Line(1, "Fe", 1, 6302.4932, 3.686, -1.235, "5P1.0", "5D0.0")
_EFFECTIVE_TEMPERATURE: Final = 5777.0


def one_pixel(engine: str) -> SynthesizeRequest:
    """Fe I 6302.5 Å in a grey atmosphere with a field, on a few wavelengths: about a second.

    The temperature is Eddington's, T⁴ = 3/4 T_eff⁴ (τ + 2/3).

    Parameters
    ----------
    engine : str
        Name that the request carries.
    """
    step = 0.03
    region = Region("self-test", (_LINE,), _LINE.wavelength - 10 * step, _LINE.wavelength + 10 * step, step)
    plan = Plan("self-test", (region,), depth_step=0.2, reference=ContinuumReference.DISC_CENTRE)
    log_tau = plan.log_tau
    one = np.ones((1, log_tau.size))
    atmosphere = Atmosphere(
        log_tau=log_tau,
        temperature=_EFFECTIVE_TEMPERATURE * (0.75 * (10.0**log_tau + 2.0 / 3.0)) ** 0.25 * one,
        microturbulence=one,
        field_strength=1000.0 * one,
        velocity=0.0 * one,
        inclination=45.0 * one,
        azimuth=30.0 * one,
        macroturbulence=np.zeros(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
    return SynthesizeRequest(engine, plan, (atmosphere,), np.array([0]), plan.wavelength)
