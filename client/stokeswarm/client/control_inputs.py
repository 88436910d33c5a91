"""The files a SIR control file names: found, parsed, and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.control_fields import Field
from stokeswarm.client.sir_files import (
    Profile,
    SirFileError,
    grid_regions,
    load,
    parse_abundances,
    parse_grid,
    parse_lines,
    parse_model,
    parse_profile,
    parse_psf,
)
from stokeswarm.client.sir_files.profiles import ANGSTROM_PER_MILLI
from stokeswarm.client.sources import Source, source
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.plan import Line, Psf, Region

#: SIR calls a depth grid even whose steps differ by less than this (routine leemodi22)
EVEN_GRID: Final = 2e-5
#: samples count as evenly spaced whose steps differ by less than this part of a step
EVEN_SAMPLING: Final = 0.01
#: two files mean the same sample where offsets agree this well, mÅ
SAME_SAMPLE: Final = 1.0


@dataclass(frozen=True, slots=True)
class ControlInputs:
    """The named files of one control file.

    Attributes
    ----------
    file : Source
        The control file.
    fields : mapping
        Its lines, by name.
    search : tuple of str
        Folders looked through after the control file's own.
    inverts : bool
        Whether there are inversion cycles: a synthesis does without observation and guess.
    notes : list of str
        Grows while the files are read.
    """

    file: Source
    fields: Mapping[str, Field]
    search: tuple[str, ...]
    inverts: bool
    notes: list[str] = field(default_factory=list)

    def find(self, key: str, *, needed: bool = True) -> Source | None:
        """The file that a line names, beside the control file or in the search folders.

        Parameters
        ----------
        key : str
            Name of the line.
        needed : bool
            Whether a name without a file is an error; else it is noted.

        Returns
        -------
        Source or None
            None where the line is blank, or its file is missing and not needed.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        line = self.fields[key]
        name = line.text()
        if not name:
            return None
        candidates = [self.file.sibling(name), *(source(folder).child(name) for folder in self.search)]
        for candidate in candidates:
            if candidate.exists():
                return candidate
        places = "; ".join(candidate.display for candidate in candidates)
        if needed:
            raise NotFoundError(f"{line.where} ({key}): no file {name!r}; looked for {places}")
        self.notes.append(f"{key}: no file {name!r}, none is used")
        return None

    def guess(self) -> tuple[Atmosphere, ...]:
        """The models, one per component, with the fractions SIR would use; none where a synthesis lacks them.

        Raises
        ------
        NotFoundError, SirFileError
            A model is missing or malformed, or the two have different depth grids.
        """
        first = self.find("initial guess model 1", needed=self.inverts)
        if first is None:
            if self.inverts:
                raise self.fields["initial guess model 1"].refuse("a model atmosphere is needed")
            return ()
        second = self.find("initial guess model 2", needed=self.inverts)
        one = load(first.name, parse_model)
        if second is None:
            if one.filling_factor[0] != 1.0:
                self.notes.append(
                    f"{first.display}: filling factor {one.filling_factor[0]:g} of a single component "
                    "set to 1"
                )
            return (replace(one, filling_factor=np.ones(1)),)
        two = load(second.name, parse_model)
        if not np.allclose(one.log_tau, two.log_tau, atol=EVEN_GRID) or one.n_depth != two.n_depth:
            raise SirFileError(
                f"{second.display}: both models need the same depth grid (that of {first.display})"
            )
        rest = 1.0 - one.filling_factor
        if abs(float(two.filling_factor[0] - rest[0])) > EVEN_GRID:
            self.notes.append(f"{second.display}: filling factor set to {rest[0]:g}, the rest of model 1's")
        if two.stray_light[0] != one.stray_light[0]:
            self.notes.append(f"{second.display}: stray light of model 1 taken, {one.stray_light[0]:g}")
        return one, replace(two, log_tau=one.log_tau, filling_factor=rest, stray_light=one.stray_light)

    def observed(self) -> tuple[Source, Profile] | None:
        """The observed profiles; in a synthesis the name is that of the result and nothing is read."""
        has_grid = bool(self.fields["wavelength grid"].text())
        if has_grid and not self.inverts:
            return None
        found = self.find("observed profiles", needed=not has_grid)
        if found is None:
            if not has_grid:
                raise self.fields["observed profiles"].refuse("observed profiles (.per) are needed")
            return None
        return found, load(found.name, parse_profile)

    def regions(self, observed: tuple[Source, Profile] | None) -> tuple[Region, ...]:
        """The grid's regions with their lines and PSF; without a grid the observed samples'.

        Raises
        ------
        NotFoundError, SirFileError
            The line list is not named, or a file is missing or malformed.
        """
        list_file = self.find("atomic parameters file")
        if list_file is None:
            raise self.fields["atomic parameters file"].refuse(
                "the line list is missing: SIR would read the one of its own installation. Name it"
            )
        lines = load(list_file.name, parse_lines)
        psf_file = self.find("PSF file")
        psf = load(psf_file.name, parse_psf) if psf_file is not None else None
        grid = self.find("wavelength grid")
        if grid is not None:
            return grid_regions(load(grid.name, parse_grid), lines, grid.display, psf)
        if observed is None:
            raise self.fields["wavelength grid"].refuse("a wavelength grid or observed profiles are needed")
        self.notes.append("no wavelength grid: the observed samples are used, without blends, as SIR does")
        return _observed_regions(observed[1], lines, psf)

    def stray_light(
        self,
        regions: tuple[Region, ...],
        observed: tuple[Source, Profile] | None,
        guess: tuple[Atmosphere, ...],
    ) -> tuple[npt.NDArray[np.float32] | None, tuple[Atmosphere, ...]]:
        """The stray light profile on the observed axis; without one the guess's fraction has no meaning."""
        found = self.find("stray light file", needed=self.inverts)
        if found is None:
            fraction = float(guess[0].stray_light[0]) if guess else 0.0
            if fraction:
                self.notes.append(
                    f"the guess has {100 * fraction:g} % of stray light, but no profile of it: set to 0"
                )
            return None, tuple(replace(g, stray_light=np.zeros(1)) for g in guess)
        stray = load(found.name, parse_profile)
        if not np.isfinite(stray.stokes).all():
            raise SirFileError(f"{found.display}: the stray light profile has missing samples")
        if observed is not None:
            index, offset, wanted = observed[1].index, observed[1].offset, observed[0].display
        else:
            rows = [(r.lines[0], r.grid()) for r in regions]
            index = np.concatenate([np.full(axis.size, line.index) for line, axis in rows])
            offset = np.concatenate([(axis - line.wavelength) / ANGSTROM_PER_MILLI for line, axis in rows])
            wanted = "the wavelength grid"
        same = index.size == stray.index.size and np.array_equal(index, stray.index)
        if not same or np.abs(offset - stray.offset).max() > SAME_SAMPLE:
            raise SirFileError(
                f"{found.display}: stray light: expected the {index.size} samples of {wanted}, found "
                f"{stray.index.size} from {stray.offset[0]:g} to {stray.offset[-1]:g} mÅ"
            )
        return stray.stokes.astype(np.float32), guess

    def depth_axis(self, guess: tuple[Atmosphere, ...]) -> tuple[float, float, float] | None:
        """Bottom, top and step of the guess's depth grid; None where a synthesis needs no even one.

        Raises
        ------
        SirFileError
            An inversion's grid is not even, or does not contain log τ = 0.
        """
        if not guess:
            return None
        log_tau = guess[0].log_tau
        steps = -np.diff(log_tau)
        even = steps.size > 0 and float(np.ptp(steps)) <= 2 * EVEN_GRID
        spans = log_tau[0] >= 0 >= log_tau[-1]
        if even and spans:
            return (
                round(float(log_tau[0]), 6),
                round(float(log_tau[-1]), 6),
                round(float(np.mean(steps)), 6),
            )
        if self.inverts:
            found = f"{log_tau.size} depths from {log_tau[0]:g} to {log_tau[-1]:g}"
            raise self.fields["initial guess model 1"].refuse(
                f"an inversion needs a model on an evenly spaced log τ grid that contains 0, found {found}"
                + (f" in steps of {steps.min():g} to {steps.max():g}" if steps.size else "")
            )
        return None

    def abundances(self) -> tuple[float, ...] | None:
        """The abundance table, None where the control file names none."""
        found = self.find("abundances file")
        if found is None:
            self.notes.append("no abundances file: the default of plans is used (Asplund et al. 2009)")
            return None
        return load(found.name, parse_abundances)


def _observed_regions(profile: Profile, lines: Mapping[int, Line], psf: Psf | None) -> tuple[Region, ...]:
    """Regions of a profile that comes without a grid: one per line, its own samples."""
    wavelength = profile.wavelength(lines)
    regions = []
    for index, run in profile.runs():
        axis = wavelength[run]
        steps = np.diff(axis)
        mean = float(steps.mean()) if steps.size else 0.0
        even = steps.size > 0 and float(np.ptp(steps)) <= EVEN_SAMPLING * mean
        line = lines[index]
        try:
            regions.append(
                Region(
                    name=f"{line.element}{line.ion}-{line.wavelength:.1f}".lower(),
                    lines=(line,),
                    start=float(axis[0]),
                    stop=float(axis[-1]),
                    step=round(mean, 9) if even else 0.0,
                    psf=psf,
                )
            )
        except PlanError as error:
            raise SirFileError(f"{profile.name}: {error}") from error
    return tuple(regions)
