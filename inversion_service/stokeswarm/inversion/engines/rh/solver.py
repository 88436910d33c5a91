"""Running RH: ``rhf1d`` once for an atmosphere, then ``solveray`` once for each of its rays.

Both run in ``rhf1d/run`` of the slot's folder, two levels below links to the installation's data, as RH wants
it. The folder is empty before every solution, and the files that a ray leaves are empty before the next: what
is read was written by the run that it is of.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.rh import log
from stokeswarm.inversion.engines.rh.column import Column
from stokeswarm.inversion.engines.rh.files import (
    OutputError,
    decode_ray,
    decode_wavelengths,
    encode_field,
    format_ray,
    ray_name,
)
from stokeswarm.inversion.engines.rh.installation import ATOMS, MOLECULES, Installation
from stokeswarm.inversion.engines.rh.settings import (
    ATMOSPHERE,
    BACKGROUND_RAY,
    FIELD,
    SPECTRUM,
    Settings,
)
from stokeswarm.inversion.external.executable import Executable
from stokeswarm.inversion.external.runner import Ending, Place, Run

Floats = npt.NDArray[np.float64]

#: where RH runs
FOLDER: Final = "rhf1d/run"
#: message of a pixel that nobody waits for any more
CANCELLED: Final = "cancelled"
#: [nm] RH merges wavelengths that are closer than a tenth of it
SAME_WAVELENGTH: Final = 1e-9
#: [s] of processor time below which a run may end by SIGFPE for having been too short
BRIEF: Final = 0.1
_MAX_SPECTRUM: Final = 512 * 2**20
_MAX_LOG: Final = 64 * 2**20


class Failure(Exception):  # noqa: N818  it is a result, not an error of the program
    """A pixel has no spectrum.

    Parameters
    ----------
    status : Status
    message : str
    retriable : bool
        Another try may succeed.
    """

    def __init__(self, status: Status, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.message = message[: log.MAX_MESSAGE]
        self.retriable = retriable


@dataclass(frozen=True, slots=True)
class Solution:
    """What ``rhf1d`` left in the folder.

    Attributes
    ----------
    n_wavelength : int
        Of RH's own grid.
    index : ndarray (n,) intp
        Where the request's wavelengths are in it.
    polarized : bool
        Whether spectra hold Q, U and V.
    convergence : Convergence
    """

    n_wavelength: int
    index: npt.NDArray[np.intp]
    polarized: bool
    convergence: log.Convergence


class Solver:
    """RH in one slot.

    Parameters
    ----------
    installation : Installation
    settings : Settings
    place : Place
        The slot's.
    slot : Slot
    """

    def __init__(self, installation: Installation, settings: Settings, place: Place, slot: Slot) -> None:
        self._installation = installation
        self._settings = settings
        self._place = place
        self._slot = slot
        if place.tenant != installation.root:
            place.reset()
            place.link(ATOMS, installation.root / ATOMS)
            place.link(MOLECULES, installation.root / MOLECULES)
            place.tenant = installation.root

    def solve(self, column: Column) -> Solution:
        """Solve for the populations of an atmosphere.

        Raises
        ------
        Failure
        """
        place, settings = self._place, self._settings
        field = column.field is not None
        place.clean()
        for name, data in settings.files.items():
            place.write(f"{FOLDER}/{name}", data)
        place.write(f"{FOLDER}/keyword.input", settings.keyword_input(field=field))
        place.write(f"{FOLDER}/{ATMOSPHERE}", column.text())
        if column.field is not None and settings.polarized(field=True):
            place.write(f"{FOLDER}/{FIELD}", encode_field(column.field))
        said, run = self._run(self._installation.rhf1d)
        values = settings.values
        try:
            own = decode_wavelengths(self._output(SPECTRUM, self._installation.rhf1d, run))
            index = _positions(settings.vacuum / 10.0, own)
        except OutputError as error:
            raise Failure(Status.ENGINE_FAILED, str(error)) from None
        return Solution(
            n_wavelength=own.size,
            index=index,
            polarized=settings.writes_polarization(field=field),
            convergence=log.convergence(
                said,
                active=settings.active,
                limit=float(values["ITER_LIMIT"]),
                prd_limit=abs(float(values["PRD_ITER_LIMIT"])),
                scattering=int(values["N_MAX_SCATTER"]),
            ),
        )

    def ray(self, solution: Solution, mu: float) -> Floats:
        """Spectrum of a ray through the atmosphere that was solved for last.

        Parameters
        ----------
        solution : Solution
        mu : float
            Cosine of its inclination.

        Returns
        -------
        ndarray (4, n) float64
            I, Q, U, V at the request's wavelengths [J m⁻² s⁻¹ Hz⁻¹ sr⁻¹].

        Raises
        ------
        Failure
        """
        name = ray_name(mu)
        anew = {name: "", BACKGROUND_RAY: "", "ray.input": format_ray(mu)}
        for other, data in (*self._settings.restart_files.items(), *anew.items()):
            self._place.write(f"{FOLDER}/{other}", data)
        _, run = self._run(self._installation.solveray)
        try:
            stokes = decode_ray(
                self._output(name, self._installation.solveray, run),
                solution.n_wavelength,
                mu,
                polarized=solution.polarized,
            )
            return stokes[:, solution.index]
        except OutputError as error:
            raise Failure(Status.ENGINE_FAILED, str(error)) from None

    def _run(self, program: Executable) -> tuple[str, Run]:
        """Run a program to its end; what it said, and how it ended."""
        name = program.path.name
        journal = f"{name}.log"
        self._place.write(f"{FOLDER}/{journal}", "")
        run = self._start(program, "-logfile", journal)
        said = (self._place.read(f"{FOLDER}/{journal}", _MAX_LOG) or b"").decode("ascii", errors="replace")
        if _brief(run):
            # what it wrote to its journal is lost, but not what it writes to its standard error
            run = self._start(program)
            said = run.text
        if run.ending is not Ending.EXITED and not _brief(run):
            raise _unfinished(name, run)
        trouble = log.trouble(said) or log.trouble(run.text)
        if trouble or (run.ending is Ending.EXITED and run.code != 0):
            raise Failure(
                Status.ENGINE_FAILED, f"{name} ended with {run.describe()}: {trouble or run.tail()}"
            )
        return said, run

    def _start(self, program: Executable, *arguments: str) -> Run:
        return self._place.run([str(program.path), *arguments], slot=self._slot, cwd=FOLDER)

    def _output(self, name: str, program: Executable, run: Run) -> bytes:
        data = self._place.read(f"{FOLDER}/{name}", _MAX_SPECTRUM)
        if data is None and run.ending is not Ending.EXITED:
            raise _unfinished(program.path.name, run)
        if data is None:
            why = self._place.explain(f"{FOLDER}/{name}", _MAX_SPECTRUM)
            raise Failure(
                Status.NO_OUTPUT, f"{program.path.name} ended without its spectrum: {name} is {why}"
            )
        return data


def _brief(run: Run) -> bool:
    """Whether a program may have died of its last statement only.

    Having written everything, RH divides the processor time that it used by itself, which traps where that is
    less than one tick of the clock: a run as short as that may end by SIGFPE, and be good.
    """
    return run.ending is Ending.SIGNALLED and run.code == signal.SIGFPE and run.cpu_seconds < BRIEF


def _unfinished(name: str, run: Run) -> Failure:
    """What to make of a run that did not end by itself."""
    if run.ending is Ending.CANCELLED:
        return Failure(Status.NO_OUTPUT, CANCELLED)
    if run.ending is Ending.TIMED_OUT:
        return Failure(Status.TIMEOUT, f"{name}: {run.describe()}")
    if run.ending is Ending.SIGNALLED and run.code == signal.SIGFPE:
        # RH traps what is not a number: its own verdict on the atmosphere, the same at every try
        hint = "a result is not a number: check T, Pe and density"
        return Failure(Status.ENGINE_FAILED, f"{name} was {run.describe()} ({hint}): {run.tail()}")
    said = run.tail()
    message = f"{name} was {run.describe()}" + (f": {said}" if said else "")
    return Failure(Status.ENGINE_FAILED, message, retriable=run.retriable)


def _positions(wanted: Floats, own: Floats) -> npt.NDArray[np.intp]:
    """Positions of wavelengths in RH's grid, into which they were put [nm].

    Raises
    ------
    OutputError
        One is not there: the grid is of another run.
    """
    above = (
        np.clip(np.searchsorted(own, wanted), 1, own.size - 1) if own.size > 1 else np.zeros(wanted.size, int)
    )
    below = np.maximum(above - 1, 0)
    nearer = np.where(np.abs(own[below] - wanted) <= np.abs(own[above] - wanted), below, above)
    off = np.abs(own[nearer] - wanted)
    if (off > SAME_WAVELENGTH).any():
        worst = int(off.argmax())
        raise OutputError(
            f"{SPECTRUM}: no wavelength {wanted[worst]:.6f} nm, the nearest is {off[worst]:.3g} nm away"
        )
    return np.asarray(nearer, dtype=np.intp)
