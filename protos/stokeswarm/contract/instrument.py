"""Instruments: sampling, lines and PSF of the spectrographs that presets and pre-trained models know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from stokeswarm.contract.errors import NotFoundError
from stokeswarm.contract.plan import Line, Psf, Region

# Fe I 6301.5, 6302.5: wavelengths of Nave et al. 1994 (ApJS 94, 221) as SIR's line lists carry them in air;
# ABO data of Barklem, Piskunov & O'Mara 2000 (A&AS 142, 467). The log gf are the empirical ones of SIR's
# line list for Hinode spectra: on a real quiet-Sun patch they leave a reduced χ² of 61 in Stokes I, where
# -0.718 (Bard, Kock & Kock 1991, A&A 248, 315) with -0.968 leaves 281, because the two lines then
# contradict each other.
FE_6301: Final = Line(1, "Fe", 1, 6301.5012, 3.654, -0.75, "5P2.0", "5D2.0", 1.0, 0.243, 2.3520e-14)
FE_6302: Final = Line(2, "Fe", 1, 6302.4936, 3.686, -1.236, "5P1.0", "5D0.0", 1.0, 0.240, 2.3976e-14)


def gaussian_psf(fwhm: float, step: float, name: str = "") -> Psf:
    """Gaussian spectral PSF.

    Parameters
    ----------
    fwhm, step : float
        Full width at half maximum and sampling, mÅ.
    """
    sigma = fwhm / np.sqrt(8 * np.log(2))
    half = int(np.ceil(4 * sigma / step))
    offset = step * np.arange(-half, half + 1)
    return Psf(tuple(offset.tolist()), tuple(np.exp(-0.5 * (offset / sigma) ** 2).tolist()), name)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A spectropolarimeter: its regions (grid, lines, PSF) and the noise it typically reaches."""

    name: str
    title: str
    regions: tuple[Region, ...]
    noise: float


def hinode_sp() -> Instrument:
    """Hinode SOT/SP fast and normal maps: 112 samples of 21.549 mÅ around Fe I 6301.5 and 6302.5.

    Sampling and resolution: Lites et al. 2013, Sol. Phys. 283, 579; the 25 mÅ FWHM of the spectral PSF is
    theirs, taken as a Gaussian.
    """
    start, step = 6301.5012 - 0.62437, 0.021549
    region = Region(
        "fe6302", (FE_6301, FE_6302), start, start + 111 * step, step, gaussian_psf(25.0, 5.0, "hinode-sp")
    )
    return Instrument("hinode-sp", "Hinode SOT/SP 6301/6302", (region,), 1e-3)


_INSTRUMENTS: Final = {"hinode-sp": hinode_sp}


def instrument(name: str) -> Instrument:
    """Instrument by name.

    Raises
    ------
    NotFoundError
        Unknown name.
    """
    if name not in _INSTRUMENTS:
        raise NotFoundError(f"instrument {name!r} is unknown; there are {', '.join(_INSTRUMENTS)}")
    return _INSTRUMENTS[name]()
