"""RH's files: small texts and XDR (RFC 4506: big-endian, doubles of 8 and integers of 4 bytes).

Every decoder checks that the file has exactly the size that its own counts imply, so that a truncated, longer
or foreign file is never taken for a spectrum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.abundances import SYMBOLS

Floats = npt.NDArray[np.float64]

_INT: Final = np.dtype(">i4")
_REAL: Final = np.dtype(">f8")
#: of wavelengths in one spectrum: far beyond any model atom's, and a bound for what a file may claim
MAX_WAVELENGTHS: Final = 1_000_000


class OutputError(ValueError):
    """A file of RH's is not what it must be."""


@dataclass(frozen=True, slots=True)
class Field:
    """A magnetic field, from the highest point down.

    Attributes
    ----------
    strength : ndarray (n_depth,) float64
        T.
    inclination : ndarray (n_depth,) float64
        From the outward vertical, radians.
    azimuth : ndarray (n_depth,) float64
        From the x axis, anticlockwise, radians.
    """

    strength: Floats
    inclination: Floats
    azimuth: Floats


def encode_field(field: Field) -> bytes:
    """Bytes of a ``STOKES_INPUT`` file."""
    return np.concatenate([field.strength, field.inclination, field.azimuth]).astype(_REAL).tobytes()


def encode_wavetable(wavelength_nm: Floats) -> bytes:
    """Bytes of a ``WAVETABLE`` file.

    Parameters
    ----------
    wavelength_nm : ndarray (n,) float64
        In vacuum, nm.
    """
    return np.array(wavelength_nm.size, _INT).tobytes() + wavelength_nm.astype(_REAL).tobytes()


def format_abundances(abundances: Sequence[float]) -> str:
    """Text of an ``ABUND_FILE``.

    Parameters
    ----------
    abundances : sequence of float
        log10 ε (H = 12) from Z = 1 on; NaN = left out.
    """
    rows = zip(SYMBOLS, abundances, strict=True)
    return "".join(f"{symbol}  {value!r}\n" for symbol, value in rows if not np.isnan(value))


def format_ray(mu: float) -> str:
    """Text of ``ray.input``: the ray, and no wavelengths whose opacities are to be written."""
    return f"{mu!r}\n0\n"


def ray_name(mu: float) -> str:
    """Name of the file that the spectrum of a ray is written to: rays that are close share it."""
    return f"spectrum_{mu:4.2f}"


def decode_wavelengths(data: bytes) -> Floats:
    """Wavelengths of a run, from ``spectrum.out``.

    Parameters
    ----------
    data : bytes
        The file: number of wavelengths, wavelengths, and the intensities of every ray.

    Returns
    -------
    ndarray (n,) float64
        nm, ascending; in vacuum where ``VACUUM_TO_AIR`` was not asked for.

    Raises
    ------
    OutputError
        The file is cut, or its wavelengths do not ascend.
    """
    n = _count(data, 0)
    wavelengths = _reals(data, _INT.itemsize, n)
    if n == 0 or not np.isfinite(wavelengths).all() or (np.diff(wavelengths) <= 0).any():
        raise OutputError("spectrum.out: the wavelengths do not ascend")
    # at least one ray's intensities, and the two words on air that follow them
    if len(data) < 2 * _INT.itemsize + _REAL.itemsize * (2 * n + 1):
        raise OutputError(f"spectrum.out: {len(data)} bytes are too few for {n} wavelengths")
    return wavelengths


def decode_ray(data: bytes, n_wavelength: int, mu: float, *, polarized: bool) -> Floats:
    """Spectrum of a ray, from ``spectrum_<mu>``.

    Parameters
    ----------
    data : bytes
        The file: μ, intensities, the number of wavelengths whose opacities follow (none was asked for), and,
        in polarized runs, Q, U and V.
    n_wavelength : int
        From `decode_wavelengths`.
    mu : float
        Of the ray.
    polarized : bool
        Whether RH was given a field.

    Returns
    -------
    ndarray (4, n_wavelength) float64
        I, Q, U, V [J m⁻² s⁻¹ Hz⁻¹ sr⁻¹]; Q, U and V are 0 where the run was not polarized.

    Raises
    ------
    OutputError
        The file is of another ray or run, or holds a number that is not finite, or no light at all.
    """
    expected = _REAL.itemsize * (1 + (4 if polarized else 1) * n_wavelength) + _INT.itemsize
    if len(data) != expected:
        raise OutputError(f"spectrum of the ray: expected {expected} bytes, found {len(data)}")
    written = float(_reals(data, 0, 1)[0])
    if written != mu:
        raise OutputError(f"spectrum of the ray: expected μ = {mu!r}, found {written!r}")
    stokes = np.zeros((4, n_wavelength))
    stokes[0] = _reals(data, _REAL.itemsize, n_wavelength)
    after = _REAL.itemsize * (1 + n_wavelength)
    if _count(data, after) != 0:
        raise OutputError("spectrum of the ray: it holds opacities that were not asked for")
    if polarized:
        stokes[1:] = _reals(data, after + _INT.itemsize, 3 * n_wavelength).reshape(3, n_wavelength)
    if not np.isfinite(stokes).all():
        raise OutputError("the spectrum is not finite")
    if not (stokes[0] > 0.0).all():
        raise OutputError("the intensity is not positive everywhere")
    return stokes


def _count(data: bytes, offset: int) -> int:
    if len(data) < offset + _INT.itemsize:
        raise OutputError(f"the file ends after {len(data)} bytes")
    value = int(np.frombuffer(data, _INT, 1, offset)[0])
    if not 0 <= value <= MAX_WAVELENGTHS:
        raise OutputError(f"the file claims {value} wavelengths")
    return value


def _reals(data: bytes, offset: int, count: int) -> Floats:
    if len(data) < offset + _REAL.itemsize * count:
        raise OutputError(f"the file ends after {len(data)} bytes")
    return np.frombuffer(data, _REAL, count, offset).astype(np.float64)
