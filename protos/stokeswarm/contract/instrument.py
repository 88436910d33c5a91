"""Instruments: sampling, lines and PSF of the spectrographs that presets and pre-trained models know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

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


# Fe I 1.56 µm: wavelengths, log gf and ABO data (Barklem, Piskunov & O'Mara 2000) as SIR's line lists carry
# them (log gf after Borrero et al. 2003, A&A 404, 749); 15647.4 has no ABO data and blends with 15648.5.
FE_15648: Final = Line(3, "Fe", 1, 15648.492, 5.426, -0.67, "7D1.0", "7D1.0", 1.0, 0.229, 2.7359e-14)
FE_15652: Final = Line(4, "Fe", 1, 15652.857, 6.246, -0.04, "7D5.0", "7K4.0", 1.0, 0.330, 4.0436e-14)
FE_15647: Final = Line(8, "Fe", 1, 15647.410, 6.329, -0.95, "7D1.0", "5P2.0", 2.0, 0.0, 0.0)
# Fe I 6173.3, likewise
FE_6173: Final = Line(7, "Fe", 1, 6173.3356, 2.223, -2.88, "5P1.0", "5D0.0", 1.0, 0.266, 7.8635e-15)


def gris_1564() -> Instrument:
    """GREGOR/GRIS around Fe I 15648.5 and 15652.9 with 15647.4: 190 samples of 40 mÅ.

    Sampling and resolving power (1.1e5, a FWHM of 142 mÅ): Collados et al. 2012, AN 333, 872.
    """
    start, step = 15646.40, 0.040
    psf = gaussian_psf(142.0, 20.0, "gris-1564")
    region = Region("fe15650", (FE_15648, FE_15647, FE_15652), start, start + 189 * step, step, psf)
    return Instrument("gris-1564", "GREGOR/GRIS 1.56 µm", (region,), 5e-4)


def crisp_6302() -> Instrument:
    """SST/CRISP scans of Fe I 6301.5 and 6302.5: 13 points of 40 mÅ each.

    FWHM of 64 mÅ at 6300 Å: Scharmer et al. 2008, ApJ 689, L69; the scan is a common one, no standard.
    """
    psf = gaussian_psf(64.0, 5.0, "crisp-6302")
    offsets = 0.040 * np.arange(-6, 7)
    regions = tuple(
        _scan(name, line, offsets, psf) for name, line in (("fe6301", FE_6301), ("fe6302", FE_6302))
    )
    return Instrument("crisp-6302", "SST/CRISP 6301/6302", regions, 2e-3)


def hmi_6173() -> Instrument:
    """SDO/HMI: six points 68.8 mÅ apart around Fe I 6173.3, filters of 76 mÅ FWHM.

    Schou et al. 2012, Sol. Phys. 275, 229; the filters are taken as Gaussians.
    """
    offsets = 0.0688 * (np.arange(6) - 2.5)
    region = _scan("fe6173", FE_6173, offsets, gaussian_psf(76.0, 5.0, "hmi-6173"))
    return Instrument("hmi-6173", "SDO/HMI 6173", (region,), 1e-3)


def phi_6173() -> Instrument:
    """Solar Orbiter/SO-PHI: the continuum at −300 mÅ and five points 70 mÅ apart around Fe I 6173.3.

    Filters of 106 mÅ FWHM: Solanki et al. 2020, A&A 642, A11; taken as Gaussians.
    """
    offsets = 1e-3 * np.array([-300.0, -140.0, -70.0, 0.0, 70.0, 140.0])
    region = _scan("fe6173", FE_6173, offsets, gaussian_psf(106.0, 5.0, "phi-6173"))
    return Instrument("phi-6173", "SO/PHI 6173", (region,), 1e-3)


def visp_6302() -> Instrument:
    """DKIST/ViSP around Fe I 6301.5 and 6302.5: 180 samples of 12.85 mÅ.

    Resolving power of about 1.8e5 (a FWHM of 35 mÅ): de Wijn et al. 2022, Sol. Phys. 297, 22.
    """
    start, step = 6300.90, 0.01285
    psf = gaussian_psf(35.0, 5.0, "visp-6302")
    region = Region("fe6302", (FE_6301, FE_6302), start, start + 179 * step, step, psf)
    return Instrument("visp-6302", "DKIST/ViSP 6301/6302", (region,), 1e-3)


def _scan(name: str, line: Line, offset: npt.ArrayLike, psf: Psf) -> Region:
    """Region of a filtergraph: offsets [Å] from one line."""
    samples = tuple(np.round(line.wavelength + np.asarray(offset), 5).tolist())
    return Region(name, (line,), samples[0], samples[-1], psf=psf, samples=samples)


_INSTRUMENTS: Final = {
    "hinode-sp": hinode_sp,
    "gris-1564": gris_1564,
    "crisp-6302": crisp_6302,
    "hmi-6173": hmi_6173,
    "phi-6173": phi_6173,
    "visp-6302": visp_6302,
}


def instruments() -> tuple[str, ...]:
    """Names of the instruments that are known."""
    return tuple(_INSTRUMENTS)


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
