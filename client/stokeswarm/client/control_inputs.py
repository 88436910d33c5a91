"""The files a control file names: found, parsed, and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.control_fields import Field
from stokeswarm.client.sources import Source, load, source
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.plan import Line, Psf, Region
from stokeswarm.contract.sir_files import (
    Profile,
    SirFileError,
    grid_regions,
    parse_abundances,
    parse_grid,
    parse_lines,
    parse_model,
    parse_profile,
    parse_psf,
)
from stokeswarm.contract.sir_files.profiles import ANGSTROM_PER_MILLI

#: SIR calls a depth grid even whose steps differ by less than this (routine leemodi22)
EVEN_GRID: Final = 2e-5
#: samples count as evenly spaced whose steps differ by less than this part of a step
EVEN_SAMPLING: Final = 0.01
#: two files mean the same sample where offsets agree this well, mÅ
SAME_SAMPLE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What comes from elsewhere than from the files that a control file names.

    Attributes
    ----------
    models : str
        A folder where model atmospheres are looked for first; empty = none.
    guess : Atmosphere or None
        One pixel, instead of model 1.
    coordinates : tuple of 4 floats or None
        X, Y [solar radii], Vx and Vy [cm/s], instead of DeSIRe's coordinates file.
    observes : bool
        Whether the observation is known otherwise: the observed profiles are then not looked at.
    """

    models: str = ""
    guess: Atmosphere | None = None
    coordinates: tuple[float, float, float, float] | None = None
    observes: bool = False


#: nothing does
NOTHING: Final = Elsewhere()


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
    elsewhere : Elsewhere
    notes : list of str
        Grows while the files are read.
    """

    file: Source
    fields: Mapping[str, Field]
    search: tuple[str, ...]
    inverts: bool
    elsewhere: Elsewhere = NOTHING
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
        where = f"{line.where} ({key})"
        if needed:
            return self.locate(name, where)
        try:
            return self.locate(name, where)
        except NotFoundError:
            self.notes.append(f"{key}: no file {name!r}, none is used")
            return None

    def locate(self, name: str, where: str) -> Source:
        """A file by the name that stands in a file of the user's.

        Parameters
        ----------
        name, where : str
            Its name, and what names it, for messages.

        Raises
        ------
        NotFoundError
            There is no such file.
        """
        candidates = [self.file.sibling(name), *(source(folder).child(name) for folder in self.search)]
        for candidate in candidates:
            if candidate.exists():
                return candidate
        places = "; ".join(candidate.display for candidate in candidates)
        raise NotFoundError(f"{where}: no file {name!r}; looked for {places}")

    def _model(self, key: str) -> Source | None:
        """A model atmosphere, in the folder of models or wherever the others are."""
        name = self.fields[key].text()
        folder = self.elsewhere.models
        if name and folder and (first := source(folder).child(name)).exists():
            return first
        return self.find(key, needed=self.inverts)

    def guess(self) -> tuple[Atmosphere, ...]:
        """The models, one per component, with the fractions SIR would use; none where a synthesis lacks them.

        Raises
        ------
        NotFoundError, SirFileError
            A model is missing or malformed, or the two have different depth grids.
        """
        first = None if self.elsewhere.guess is not None else self._model("initial guess model 1")
        if first is not None:
            one, name = load(first.name, parse_model), first.display
        elif self.elsewhere.guess is not None:
            one, name = self.elsewhere.guess, "the guess"
        elif self.inverts:
            raise self.fields["initial guess model 1"].refuse("a model atmosphere is needed")
        else:
            return ()
        second = self._model("initial guess model 2")
        if second is None:
            if one.filling_factor[0] != 1.0:
                self.notes.append(
                    f"{name}: filling factor {one.filling_factor[0]:g} of a single component set to 1"
                )
            return (replace(one, filling_factor=np.ones(1)),)
        two = load(second.name, parse_model)
        if not np.allclose(one.log_tau, two.log_tau, atol=EVEN_GRID) or one.n_depth != two.n_depth:
            raise SirFileError(f"{second.display}: both models need the same depth grid (that of {name})")
        rest = 1.0 - one.filling_factor
        if abs(float(two.filling_factor[0] - rest[0])) > EVEN_GRID:
            self.notes.append(f"{second.display}: filling factor set to {rest[0]:g}, the rest of model 1's")
        if two.stray_light[0] != one.stray_light[0]:
            self.notes.append(f"{second.display}: stray light of model 1 taken, {one.stray_light[0]:g}")
        return one, replace(two, log_tau=one.log_tau, filling_factor=rest, stray_light=one.stray_light)

    def observed(self) -> tuple[Source, Profile] | None:
        """The observed profiles; in a synthesis the name is that of the result and nothing is read."""
        has_grid = bool(self.fields["wavelength grid"].text())
        if has_grid and (self.elsewhere.observes or not self.inverts):
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
        psf_file = self.find("PSF file")
        psf = load(psf_file.name, parse_psf) if psf_file is not None else None
        grid = self.find("wavelength grid")
        if grid is not None:
            rows = load(grid.name, parse_grid)
            lines = _lines(list_file, {index for row in rows for index in row.lines})
            return grid_regions(rows, lines, grid.display, psf, observed=self.inverts)
        if observed is None:
            raise self.fields["wavelength grid"].refuse("a wavelength grid or observed profiles are needed")
        lines = _lines(list_file, {index for index, _ in observed[1].runs()})
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


def _lines(file: Source, wanted: set[int]) -> dict[int, Line]:
    """The wanted lines of a list: the others need not be understood, as the codes do not read them either."""

    def chosen(row: str) -> bool:
        index = row.partition("=")[0].strip()
        return "=" not in row or not index.isdigit() or int(index) in wanted

    text = file.read_text()
    # blank rows keep the numbers of the others
    few = "\n".join(row if chosen(row) else "" for row in text.splitlines())
    found = parse_lines(few, file.display) if any("=" in row for row in few.splitlines()) else {}
    return found if wanted <= found.keys() else parse_lines(text, file.display)


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
