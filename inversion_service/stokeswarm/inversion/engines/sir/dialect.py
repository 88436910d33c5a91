"""What differs between the codes that speak SIR's file protocol: SIR 2015, SIR 2017, DeSIRe.

A job turns a request into one `Task` a pixel and asks its dialect for everything that is not the same in all
codes: limits, the control file's lines, further files, how to call the executable, where the results are and
what counts as a failure in the code's own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.plan import Cycle, Plan
from stokeswarm.contract.status import Status

#: names of the files in a run's folder: no blanks (SIR deletes them), no ``_``, one ``.`` (SIR cuts there)
CONTROL = "run.trol"
LINES = "lines.lin"
ABUNDANCES = "abundance.abu"
GRID = "wave.grid"
PSF = "slit.psf"
STRAY_LIGHT = "stray.per"
GUESS = ("g.mod", "h.mod")
#: stems of profiles: the observed ones, and those that a synthesis makes
OBSERVED = "o"
MADE = "s"


class Mode(Enum):
    """What a run does; the values are SIR's numbers of cycles that mean it (an inversion's is positive)."""

    SYNTHESIS = 0
    INVERSION = 1
    RESPONSE = -1


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the compiled code can hold.

    Attributes
    ----------
    depths : int
        Points of the optical-depth axis.
    wavelengths : int
        Samples of all regions, also of the observation.
    smeared : int
        Samples of one region where it is convolved with a PSF or a macroturbulence.
    lines : int
        Spectral lines, blends included.
    parameters : int
        Free parameters of a cycle.
    nodes : int
        Nodes of one quantity.
    psf : int
        Rows of the point-spread function.
    depth_decimals : int
        Decimals of log τ in the models that the code writes and reads again for its next cycle.
    """

    depths: int
    wavelengths: int
    smeared: int
    lines: int
    parameters: int
    nodes: int
    psf: int
    depth_decimals: int


@dataclass(frozen=True, slots=True)
class Task:
    """One run, as far as a control file says it.

    Attributes
    ----------
    mode : Mode
    cycles : tuple of Cycle
        Those to run, in order; of a response function the one cycle whose nodes name the quantity.
    plan : Plan
    mu : float
    weights : tuple of tuple of 4 floats
        Of I, Q, U, V, one tuple a cycle, with the plan's noise and constant factors worked in.
    options : mapping
        The plan's options of the engine's family, parsed: key → value.
    stray_light, psf : bool
        Whether those files are there.
    profile : str
        Name of the observed profiles, or of those to write in a synthesis.
    models : tuple of str
        Names of the models, one a component.
    """

    mode: Mode
    cycles: tuple[Cycle, ...]
    plan: Plan
    mu: float
    weights: tuple[tuple[float, float, float, float], ...]
    options: Mapping[str, object]
    stray_light: bool
    psf: bool
    profile: str
    models: tuple[str, ...] = GUESS[:1]

    @property
    def n_component(self) -> int:
        """Number of atmospheric components."""
        return len(self.models)


@dataclass(frozen=True, slots=True)
class Where:
    """Where a pixel lies: μ, and X (west) and Y (north) in solar radii where the request says."""

    mu: float
    position: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names of the files that one cycle leaves: a model and its errors a component, and the profile."""

    models: tuple[str, ...]
    errors: tuple[str, ...]
    profile: str


class Dialect(Protocol):
    """One code's ways."""

    @property
    def family(self) -> str:
        """Of the plan's options: ``"sir"``, ``"desire"``."""
        ...

    @property
    def title(self) -> str:
        """Name and version for people."""
        ...

    @property
    def bounds(self) -> Bounds:
        """What the compiled code can hold."""
        ...

    @property
    def folder(self) -> str:
        """Folder below the slot's own in which the code runs; empty = the slot's own."""
        ...

    @property
    def suffix(self) -> str:
        """Of files with profiles, with its dot: it tells some codes the unit."""
        ...

    @property
    def chi(self) -> str:
        """Name of the file with the code's own χ²; empty where it has none."""
        ...

    @property
    def log(self) -> str:
        """Name of the file with a line an iteration; empty where it has none."""
        ...

    def options(self, plan: Plan) -> Mapping[str, object]:
        """The plan's options of this family, parsed.

        Raises
        ------
        PlanError
            A key is not allowed, or its value is not; names key, expected and found.
        """
        ...

    def check(self, plan: Plan, options: Mapping[str, object], mode: Mode) -> None:
        """Refuse what only this code cannot do; the common limits are checked by the job.

        Raises
        ------
        PlanError
        """
        ...

    def argv(self, executable: str) -> Sequence[str]:
        """The command."""
        ...

    def stdin(self) -> bytes:
        """What the code reads from its standard input."""
        ...

    def control(self, task: Task) -> str:
        """The control file."""
        ...

    def static_files(self, plan: Plan, options: Mapping[str, object]) -> Mapping[str, str | bytes]:
        """Further files that are the same for all pixels; names are relative to the slot's folder.

        One with the name of a file of the job's (`LINES`, `GRID` …) replaces it.
        """
        ...

    def links(self) -> Mapping[str, Path]:
        """Symbolic links to the installation: name relative to the slot's folder → absolute path."""
        ...

    def pixel_files(self, where: Where) -> Mapping[str, str | bytes]:
        """Further files of one pixel; names are relative to the folder of the run."""
        ...

    def unit(self, plan: Plan) -> Sequence[float | npt.NDArray[np.float64]]:
        """Of the code's profiles: divided by it they are over the HSRA's continuum at disc centre.

        One factor a region, or one a sample of the region.
        """
        ...

    def outputs(self, cycle: int, n_component: int) -> Outputs:
        """What the cycle at this position (0 = the first one run) leaves."""
        ...

    def merits(self, chi: bytes | None, n_cycle: int) -> Sequence[float]:
        """The code's own merit figure of each cycle in turn.

        NaN where the code says none of a cycle, infinite where what it says is no finite number. Shorter than
        ``n_cycle`` where the code has not come that far: what a later cycle left is then not complete.
        """
        ...

    def failure(self, output: str) -> str:
        """Why the code says, on its standard output, that it failed; empty where it does not."""
        ...

    def verdict(self, output: str, position: int) -> tuple[Status, str]:
        """What the code says of a result that is there: OK, or NOT_CONVERGED and why.

        Parameters
        ----------
        output : str
            What the code wrote to its standard output.
        position : int
            Of the cycle whose result is kept, among those that ran; 0 in a synthesis.
        """
        ...

    def may_skip(self, task: Task) -> bool:
        """Whether a cycle that leaves nothing behind is no failure, as long as another one left something."""
        ...
