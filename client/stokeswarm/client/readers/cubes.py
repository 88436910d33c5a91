"""Observations as one FITS cube a spectral region, numbers alone: the wavelengths are the plan's grid.

That is how parallel wrappers of SIR and DeSIRe are fed: primary arrays (Stokes, wavelength, y, x), or
(wavelength, y, x) where there is only intensity, in SIR's units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.readers.observation import Observation
from stokeswarm.client.sources import Identity, ReadError, Source, source
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.sir_files.profiles import MISSING_BELOW
from stokeswarm.contract.status import ContinuumReference

_FULL: Final = 4
_INTENSITY: Final = 3


def primary_array(file: Source) -> npt.NDArray[Any]:
    """The primary array of a FITS file.

    Raises
    ------
    ReadError
        It is no FITS file, or its primary array is empty.
    """
    from astropy.io import fits

    try:
        with file.open() as stream, fits.open(stream, memmap=False) as units:
            data = units[0].data
    except (OSError, TypeError, ValueError) as error:
        raise ReadError(f"{file.display}: not a readable FITS file: {error}") from error
    if data is None or data.dtype.kind not in "fiu":
        raise ReadError(f"{file.display}: expected numbers in the primary array, found none")
    return np.asarray(data)


def read_cubes(places: Sequence[str], plan: Plan) -> Observation:
    """Read cubes and join them along the wavelengths.

    Parameters
    ----------
    places : sequence of str
        One file a region, in the plan's order.
    plan : Plan
        Its regions have steps.

    Returns
    -------
    Observation
        In units of the disc-centre continuum; values below −0.99 are missing, as for SIR.

    Raises
    ------
    ReadError
        Another number of files than regions, or a cube does not have its region's samples.
    """
    if len(places) != len(plan.regions):
        raise ReadError(
            f"data: expected one cube a region of the grid ({len(plan.regions)}), found {len(places)}"
        )
    parts, notes, files = [], [], [source(place) for place in places]
    for file, region in zip(files, plan.regions, strict=True):
        data = primary_array(file)
        n = region.n_wavelength
        if data.ndim == _INTENSITY and data.shape[0] == n:
            notes.append(f"{file.display}: intensity alone: Q, U and V are zero")
            data = np.concatenate([data[None], np.zeros((3, *data.shape), data.dtype)])
        if data.ndim != _FULL or data.shape[:2] != (_FULL, n):
            raise ReadError(
                f"{file.display}: region {region.name}: expected the shape (4, {n}, y, x) or ({n}, y, x), "
                f"found {data.shape}"
            )
        parts.append(data)
        if data.shape[2:] != parts[0].shape[2:]:
            raise ReadError(
                f"{file.display}: {data.shape[2:]} pixels (y, x), but {files[0].display} has "
                f"{parts[0].shape[2:]}"
            )
    stokes = np.concatenate(parts, axis=1).transpose(2, 3, 0, 1).astype(np.float32)
    stokes[stokes < MISSING_BELOW] = np.nan
    found = Observation(
        stokes=stokes,
        wavelength=plan.wavelength,
        reference=ContinuumReference.DISC_CENTRE,
        identity=_identity(files),
        source=", ".join(file.display for file in files),
        recognised=f"{len(files)} FITS cube(s) (stokes, wavelength, y, x) on the plan's grid; map of "
        f"{stokes.shape[0]} × {stokes.shape[1]} pixels (y × x)",
    )
    return replace(found, notes=tuple(notes))


def _identity(files: Sequence[Source]) -> Identity:
    every = [file.identity() for file in files]
    digest = hashlib.sha256("".join(one.sha256 for one in every).encode()).hexdigest()
    return Identity(
        ", ".join(one.source for one in every),
        sum(one.size for one in every),
        max(one.modified for one in every),
        digest,
    )
