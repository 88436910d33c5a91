"""The golden SIR2017 files, and forward models of the lines and grids they were made with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.contract.abundances import atomic_number
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.inversion.engines.lte.elements import Mixture, mixture
from stokeswarm.inversion.engines.lte.forward import Column, ForwardModel, LineData, RegionSetup
from stokeswarm.inversion.engines.lte.terms import measured_lande_factors, parse_transition
from stokeswarm.inversion.engines.lte.zeeman import zeeman_pattern

Array = npt.NDArray[np.float64]

GRIDS = {"hinode": ((1, 2), -624.37, 21.549, 112), "ir": ((3, 8), -1600.0, 40.0, 81)}
"""Lines, first offset [mÅ], step [mÅ] and number of samples of the two golden wavelength grids."""

_ROW = re.compile(
    r"\s*(\d+)=([A-Z]+)\s+(\d)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+(-?[\d.]+)\s+"
    r"(\d+\w\s+[\d.]+-\s*\d+\w\s+[\d.]+)\s+(\S+)\s+(\S+)"
)


def read_lines(path: Path) -> dict[int, LineData]:
    """Line list of SIR."""
    lines = {}
    for row in path.read_text().splitlines():
        match = _ROW.match(row)
        if match is None:
            continue
        index, symbol, ion, centre, factor, excitation, log_gf, terms, alpha, sigma = match.groups()
        lower, upper = parse_transition(terms)
        z, stage = atomic_number(symbol), int(ion) - 1
        g = measured_lande_factors(z, stage, float(centre)) or (lower.lande_factor, upper.lande_factor)
        lines[int(index)] = LineData(
            z, stage, float(centre), float(excitation), float(log_gf),
            zeeman_pattern(*g, lower.total, upper.total), float(alpha), float(sigma), float(factor),
        )  # fmt: skip
    return lines


def read_mixture(path: Path) -> Mixture:
    """Abundance file of SIR."""
    abundance = np.full(92, -np.inf)
    for row in path.read_text().splitlines():
        fields = row.split()
        if len(fields) >= 2 and fields[0].isdigit():
            abundance[int(fields[0]) - 1] = float(fields[1])
    return mixture(abundance)


def read_column(path: Path) -> Column:
    """Model atmosphere of SIR."""
    c = np.loadtxt(path, skiprows=1).T
    return Column(c[0], c[1], c[2], c[3], c[4], c[5], np.deg2rad(c[6]), np.deg2rad(c[7]))


def read_profile(path: Path) -> Array:
    """Stokes profiles of SIR, (4, n_wavelength)."""
    return np.loadtxt(path)[:, 2:6].T


def single_precision_blends(lines: tuple[LineData, ...]) -> tuple[LineData, ...]:
    """Lines at the distance from the first one that SIR works with: a difference of 32-bit wavelengths."""
    first = lines[0]
    moved = [first]
    for line in lines[1:]:
        distance = float(np.float32(line.wavelength_A) - np.float32(first.wavelength_A))
        moved.append(
            LineData(
                line.atomic_number,
                line.stage,
                first.wavelength_A + distance,
                line.excitation_eV,
                line.log_gf,
                line.zeeman,
                line.abo_alpha,
                line.abo_sigma_cm2,
                line.damping_factor,
            )
        )
    return tuple(moved)


@dataclass(frozen=True)
class Golden:
    """Golden synthesis cases in their folder."""

    folder: Path

    def column(self, name: str) -> Column:
        """Atmosphere of a case."""
        return read_column(self.folder / f"{name}.mod")

    def profile(self, name: str) -> Array:
        """Stokes profiles of a file, (4, n_wavelength)."""
        return read_profile(self.folder / f"{name}.per")

    def abundances(self, name: str) -> str:
        """Abundance file of a case."""
        cases = json.loads((self.folder / "manifest.json").read_text())
        return str(next(case["abund"] for case in cases if case["name"] == name))

    def model(
        self,
        grid: str,
        abundances: str = "THEVENIN",
        *,
        as_sir: bool = False,
        damping_limit: float | None = None,
    ) -> ForwardModel:
        """Forward model of a grid; `as_sir` places the blends where SIR's single precision does."""
        indices, first, step, n = GRIDS[grid]
        listed = read_lines(self.folder / "LINES")
        lines = tuple(listed[i] for i in indices)
        region = RegionSetup(
            lines[0].wavelength_A + 1e-3 * (first + step * np.arange(n)),
            single_precision_blends(lines) if as_sir else lines,
            hsra_continuum(lines[0].wavelength_A),
        )
        return ForwardModel([region], read_mixture(self.folder / abundances), damping_limit)


@pytest.fixture(scope="session")
def golden(data_dir: Path) -> Golden:
    """Golden synthesis cases; skips without the reference data."""
    return Golden(data_dir / "golden" / "synthesis")
