"""SIR's ``.per``: one pixel, offsets from line centres that a line list turns into wavelengths."""

from __future__ import annotations

from typing import Final

import numpy as np

from stokeswarm.client.readers.assemble import Raw
from stokeswarm.client.readers.hints import Hints
from stokeswarm.client.sir_files import parse_lines, parse_profile
from stokeswarm.client.sources import ReadError, Source
from stokeswarm.contract.plan import Line
from stokeswarm.contract.status import ContinuumReference

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
    missing = int(np.isnan(profile.stokes).sum())
    if missing:
        notes.append(f"{missing} samples below −0.99 taken as missing, as SIR does")
    return Raw(
        stokes=profile.stokes[None, None],
        wavelength=wavelength,
        kind=f"SIR profile, line{'s' if len(indices) > 1 else ''} {', '.join(map(str, indices))}",
        labels=("y", "x", "stokes", "wavelength"),
        unit="Angstrom",
        reference=ContinuumReference.DISC_CENTRE,
        notes=tuple(notes),
    )
