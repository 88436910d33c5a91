"""Whether a run succeeded: nothing is believed because the code said, or did not say, that it ended well.

SIR exits with 0 after a STOP, after reading NaN, on a full disk; an absurd start comes back with a profile of
zeros and a χ² of 0. A cycle counts only if the run's folder was empty before, every file that the cycle
should have left is there, whole, finite and of the right size, its profile is on the wavelengths asked for
and not zero, and its χ² is neither 0 nor no number. A cycle in which the code broke does not take the good
ones before it along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.sir_files.models import SHORT_COLUMNS
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.dialect import Dialect, Task
from stokeswarm.inversion.engines.sir.fortran import OutputError, numbers
from stokeswarm.inversion.engines.sir.sampling import Sampling
from stokeswarm.inversion.external.run import Ending, Run

#: characters of a code's own words in a message
QUOTED: Final = 160

Floats = npt.NDArray[np.float64]
#: name of an output file → its contents; None = absent or empty
Read = Callable[[str], bytes | None]

#: of a message
MAX_MESSAGE = 300
#: mÅ by which printed single-precision offsets may differ from those asked for
SAME_OFFSET = 0.05
#: fewer characters of the code's output say nothing
SHORTEST_QUOTE = 20
CANCELLED = "cancelled"


class PixelFailedError(Exception):
    """A pixel has no result.

    Parameters
    ----------
    status : Status
    message : str
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class CycleOutput:
    """What one cycle left, in the code's units.

    Attributes
    ----------
    values : tuple of ndarray (10, n_depth) float64
        Columns of the models, one a component.
    headers : tuple of ndarray (3,) float64
        Their first lines.
    profile : ndarray (4, n_wavelength) float64 or None
        In the order of the request's axis. None where no step of this cycle, nor of one before it, improved
        the fit: then SIR gives the start back with a profile of zeros and a χ² of 0, be the start perfect or
        absurd.
    merit : float
        The code's own figure; NaN where it says none.
    """

    values: tuple[Floats, ...]
    headers: tuple[Floats, ...]
    profile: Floats | None
    merit: float


def reason(text: str, run: Run) -> str:
    """A message: what is wrong, and the end of what the code said."""
    # rulers and frames of the code's output say nothing
    said = " ".join(word for word in run.text.split() if any(c.isalnum() for c in word))
    said = "".join(c if c.isprintable() else " " for c in said)
    room = MAX_MESSAGE - len(text) - len("; it said: …")
    if not said or room < SHORTEST_QUOTE:
        return text[:MAX_MESSAGE]
    return f"{text}; it said: {said if len(said) <= room else '…' + said[-room:]}"


def printable(text: str, limit: int = QUOTED) -> str:
    """What a code said, fit for a message: no control characters, one line, bounded."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split())[:limit]


def ended(run: Run, dialect: Dialect, limit: float) -> None:
    """Refuse a run that did not end by itself.

    Parameters
    ----------
    run : Run
    dialect : Dialect
    limit : float
        Wall seconds that a pixel had.

    Raises
    ------
    PixelFailedError
    """
    # 0 proves nothing, anything else is a failure: Fortran's run-time errors end with 2, RH's with 3
    if run.ending is Ending.EXITED and run.code == 0:
        return
    if run.ending is Ending.CANCELLED:
        raise PixelFailedError(Status.NO_OUTPUT, CANCELLED)
    if run.ending is Ending.TIMED_OUT:
        text = f"{dialect.title}: {run.describe()}, of {limit:g} s for a pixel"
        raise PixelFailedError(Status.TIMEOUT, reason(text, run))
    raise PixelFailedError(Status.ENGINE_FAILED, reason(f"{dialect.title}: {run.describe()}", run))


def profile(data: bytes | None, name: str, columns: Floats) -> Floats:
    """A profile as the code wrote it.

    Parameters
    ----------
    data : bytes or None
        None = the file is absent or empty.
    name : str
    columns : ndarray (2, n_row) float64
        Number of the line and offset [mÅ] that each row should begin with.

    Returns
    -------
    ndarray (4, n_row) float64

    Raises
    ------
    OutputError
        It is absent, not whole, or on other wavelengths.
    """
    if data is None:
        raise OutputError(f"no {name}")
    table, n_row = numbers(data, name), columns.shape[1]
    if table.size != 6 * n_row:
        raise OutputError(f"{name}: expected {n_row} rows of 6 numbers, found {table.size} numbers in all")
    rows = table.reshape(n_row, 6).T
    wrong = (rows[0] != columns[0]) | (np.abs(rows[1] - columns[1]) > SAME_OFFSET)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise OutputError(
            f"{name}: row {row + 1}: expected line {columns[0, row]:.0f} at {columns[1, row]:.3f} mÅ, found "
            f"line {rows[0, row]:.0f} at {rows[1, row]:.3f} mÅ"
        )
    return rows[2:]


def ends_in_zeros(data: bytes | None) -> bool:
    """Whether the last row of a profile is zero, or absent: no intensity that was computed is."""
    cells = (data or b"").rstrip().rpartition(b"\n")[2].split()[2:]
    try:
        return not any(map(float, cells))
    except ValueError:  # such a cycle does not count
        return False


def synthesised(
    run: Run, dialect: Dialect, data: bytes | None, name: str, sampling: Sampling, limit: float
) -> Floats:
    """The profile of a synthesis, (4, n_wavelength) float64 in the order of the request's axis.

    Raises
    ------
    PixelFailedError
    """
    ended(run, dialect, limit)
    stopped = dialect.failure(run.text)
    if stopped:
        raise PixelFailedError(Status.ENGINE_FAILED, reason(stopped, run))
    if data is None:
        raise PixelFailedError(Status.NO_OUTPUT, reason(f"{dialect.title} wrote no profile", run))
    try:
        made = profile(data, name, sampling.computed_columns)
        if not made.any():
            raise OutputError(f"{name} is zero everywhere")
        return made[:, sampling.computed]
    except OutputError as error:
        raise PixelFailedError(Status.ENGINE_FAILED, reason(f"{dialect.title}: {error}", run)) from None


def inverted(
    run: Run,
    dialect: Dialect,
    task: Task,
    read: Read,
    start: Sequence[Floats],
    log_tau: Floats,
    sampling: Sampling,
    limit: float,
    names: Sequence[str],
) -> tuple[list[CycleOutput | None], str]:
    """What the cycles of an inversion left.

    Parameters
    ----------
    run : Run
    dialect : Dialect
    task : Task
        As it was asked.
    read : callable
        Of the run's folder, which was empty before.
    start : sequence of ndarray (10, n_depth) float64
        The models that were written, one a component, in the code's units.
    log_tau : ndarray (n_depth,) float64
    sampling : Sampling
    limit : float
        Wall seconds that the pixel had.
    names : sequence of str
        Of the cycles, for messages.

    Returns
    -------
    list of CycleOutput or None
        One a cycle; None where it left nothing that counts.
    str
        Why a cycle is missing; empty where none is.

    Raises
    ------
    PixelFailedError
        No cycle counts.
    """
    broken: PixelFailedError | None = None
    stopped = ""
    try:
        ended(run, dialect, limit)
        stopped = dialect.failure(run.text)
    except PixelFailedError as failure:
        broken = failure
        if failure.message == CANCELLED:
            raise
    merits = dialect.merits(read(dialect.chi) if dialect.chi else None, len(task.cycles))
    cycles: list[CycleOutput | None] = []
    missing, silent = "", True
    for number in range(len(task.cycles)):
        unmoved = all(cycle is not None and cycle.profile is None for cycle in cycles)
        try:
            if number >= len(merits):
                raise OutputError("did not end")
            at = start if unmoved else ()
            cycles.append(_cycle(dialect, task, number, read, at, log_tau, sampling, merits[number]))
        except OutputError as error:
            cycles.append(None)
            absent = read(dialect.outputs(number, task.n_component).profile) is None
            silent &= absent
            if not (absent and dialect.may_skip(task)):
                missing = missing or f"{names[number]}: {error}"
    good = any(cycle is not None for cycle in cycles)
    if broken is not None and not good:
        raise broken
    if good:
        if broken is not None:
            return cycles, broken.message
        if stopped:
            return cycles, reason(stopped, run)
        return cycles, missing
    if stopped:
        raise PixelFailedError(Status.ENGINE_FAILED, reason(stopped, run))
    if silent:
        raise PixelFailedError(Status.NO_OUTPUT, reason(f"{dialect.title} left no output", run))
    raise PixelFailedError(Status.ENGINE_FAILED, reason(f"{dialect.title}: {missing}", run))


def _cycle(
    dialect: Dialect,
    task: Task,
    number: int,
    read: Read,
    start: Sequence[Floats],
    log_tau: Floats,
    sampling: Sampling,
    merit: float,
) -> CycleOutput:
    """One cycle's output, or an `OutputError` that says why it does not count.

    ``start`` is empty where an earlier cycle has moved away from it.
    """
    outputs = dialect.outputs(number, task.n_component)
    parts = []
    for name in outputs.models:
        data = read(name)
        if data is None:
            raise OutputError(f"no {name}")
        parts.append(models.parse(data, name, log_tau))
    rows = sampling.columns
    if "contrast" in task.options:  # is fitted as one more sample, of a line 0
        rows = np.concatenate([rows, np.zeros((2, 1))], axis=1)
    stokes = profile(read(outputs.profile), outputs.profile, rows)[:, : sampling.order.size]
    values = tuple(columns for columns, _ in parts)
    headers = tuple(header for _, header in parts)
    if not stokes.any():
        if merit == 0.0 and start and all(map(_same, values, start)):
            return CycleOutput(values, headers, None, np.nan)
        raise OutputError(f"{outputs.profile} is zero everywhere")
    if merit == 0.0 or np.isinf(merit):
        raise OutputError(f"its χ² is {'0' if merit == 0.0 else 'no finite number'}")
    if any((columns[0] <= 0.0).any() for columns in values):
        raise OutputError("its temperature is not positive")
    ordered = np.empty_like(stokes)
    ordered[:, sampling.order] = stokes
    return CycleOutput(values, headers, ordered, merit)


def _same(found: Floats, start: Floats) -> bool:
    """Whether a model is the start, as far as four printed digits tell; pressures and heights aside."""
    n_column = len(SHORT_COLUMNS)
    return bool(np.allclose(found[:n_column], start[:n_column], rtol=1e-3, atol=0.1))


def start_merit(log: bytes | None) -> float:
    """The code's own figure for the start, which is row 0 of its log; NaN where there is none."""
    for line in (log or b"").splitlines():
        cells = line.split()
        if len(cells) == 3 and cells[0] == b"0":
            try:
                return float(numbers(line + b"\n", "log")[2])
            except OutputError:
                break
    return float("nan")


def iterations(log: bytes | None) -> int:
    """Steps that improved the fit, of all cycles: the log has a line each, which begins with its number."""
    count = 0
    for line in (log or b"").splitlines():
        first = line.split(maxsplit=1)[:1]
        count += bool(first and first[0].isdigit() and int(first[0]) > 0)
    return count
