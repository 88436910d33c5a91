"""When an axis is too coarse to convolve on, and what finer one then serves it: one rule for all engines."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Region

Floats = npt.NDArray[np.float64]

#: mÅ → Å
MILLIANGSTROM: Final = 1e-3
#: λ/step below which an axis is too coarse to convolve on: 31 mÅ at 6300 Å, the Doppler width of iron there
COARSE: Final = 2.0e5
#: λ/step of the finer axis: 18 mÅ at 6300 Å
FINE: Final = 3.5e5
#: the finer axis ends where the transmission has fallen to this part of its peak
NEGLIGIBLE: Final = 1e-3
#: points of a finer axis of one region
MAX_POINTS: Final = 4000
#: without a PSF, macroturbulence alone reaches beyond the outermost points: this many km/s
MARGIN_KMS: Final = 8.0
SPEED_OF_LIGHT_KMS: Final = 299792.458


def is_fine(axis: Floats) -> bool:
    """Whether a region sampled at these wavelengths [Å] is computed and convolved there."""
    return axis.size > 2 and bool(axis.mean() / np.diff(axis).max() >= COARSE)


def reach(region: Region, axis: Floats) -> tuple[float, float]:
    """How far [Å] the finer axis goes beyond the first and the last sample."""
    margin = float(axis.mean()) * MARGIN_KMS / SPEED_OF_LIGHT_KMS
    if region.psf is None:
        return margin, margin
    offset, value = np.asarray(region.psf.offset), np.abs(np.asarray(region.psf.transmission))
    seen = offset[value > NEGLIGIBLE * value.max()] * MILLIANGSTROM
    return margin + max(float(seen[-1]), 0.0), margin + max(float(-seen[0]), 0.0)
