"""SIR's ``.per`` and DeSIRe's ``.spc``: one pixel; a line list turns offsets into wavelengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.readers.assemble import Raw
from stokeswarm.client.readers.hints import Hints
from stokeswarm.client.sources import ReadError, Source
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.contract.plan import Line
from stokeswarm.contract.sir_files import Profile, parse_lines, parse_profile
from stokeswarm.contract.status import ContinuumReference

#: DeSIRe's profiles in SI units
SI_SUFFIX: Final = ".spc"
#: m/s
LIGHT_SPEED: Final = 2.99792458e8
_METRE_PER_ANGSTROM: Final = 1e-10
#: erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹ in W m⁻² sr⁻¹ m⁻¹
_SI_PER_CGS: Final = 0.1
#: line list that SIR's users keep beside their profiles
_BESIDE: Final = "LINES"


def read_per(file: Source, hints: Hints) -> Raw:
    """Read one pixel's profiles.

    The rest wavelengths come from the hints (plan or line list), or else from a file ``LINES`` beside it.

    Raises
    ------
    ReadError
        Not such a file, or a line index that no list explains.
    """
    profile = parse_profile(file.read_text(), file.display)
    indices = [index for index, _ in profile.runs()]
    lines: dict[int, Line] = {}
    notes: list[str] = []
    for index in indices:
        line = hints.line(index)
        if line is not None:
            lines[index] = line
    beside = file.sibling(_BESIDE)
    if len(lines) < len(set(indices)) and hints.wavelength is None and beside.exists():
        found = parse_lines(beside.read_text(), beside.display)
        lines = {**{index: found[index] for index in indices if index in found}, **lines}
        notes.append(f"rest wavelengths from {beside.display}")
    stokes = profile.stokes
    if hints.wavelength is None:
        unknown = [index for index in indices if index not in lines]
        if unknown:
            raise ReadError(
                f"{file.display}: SIR profile: its offsets count from line {unknown[0]}, whose wavelength is "
                "not known. Give the plan or control file that names it (--plan), or its line list"
            )
        wavelength = profile.wavelength(lines)
    else:
        wavelength = np.asarray(hints.wavelength, dtype=np.float64)
    if file.suffix == SI_SUFFIX:
        stokes = _over_continuum(profile, wavelength, lines)
        notes.append("SI intensities (.spc) divided by the HSRA's continuum at each region's line")
    missing = int(np.isnan(stokes).sum())
    if missing:
        notes.append(f"{missing} samples below −0.99 taken as missing, as SIR does")
    return Raw(
        stokes=stokes[None, None],
        wavelength=wavelength,
        kind=f"SIR profile, line{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices))}",
        labels=("y", "x", "stokes", "wavelength"),
        unit="Angstrom",
        reference=ContinuumReference.DISC_CENTRE,
        notes=tuple(notes),
    )


def _over_continuum(
    profile: Profile, wavelength: npt.NDArray[np.float64], lines: Mapping[int, Line]
) -> npt.NDArray[np.float64]:
    """Intensities I_ν [W m⁻² Hz⁻¹ sr⁻¹] over the HSRA's disc-centre continuum, I_ν = I_λ λ²/c.

    The continuum is that at the first line of each stretch of spectrum, as in ``.per`` files.

    Raises
    ------
    ReadError
        The line is not known, or the continuum is not known there.
    """
    stokes = profile.stokes.copy()
    for index, run in profile.runs():
        if index not in lines:
            raise ReadError(f"{profile.name}: SI profile: the wavelength of line {index} is not known")
        try:
            continuum = hsra_continuum(lines[index].wavelength) * _SI_PER_CGS
        except ValueError as error:
            raise ReadError(f"{profile.name}: line {index}: {error}; give a .per") from error
        stokes[:, run] /= continuum * (wavelength[run] * _METRE_PER_ANGSTROM) ** 2 / LIGHT_SPEED
    return stokes
