"""What DeSIRe says of itself: its log, a block a cycle, and on its standard output RH's convergence.

RH's part is silent unless DeSIRe is called with ``-v``, and a solution that has not converged is used without
a word. With ``-v`` each solution prints its iterations, and after each the largest relative change of every
active atom's populations:

    -- Iteration   1
    CA, delta = 1.0000E+00
    K, delta = 3.1345E-02 (accelerated)

An iteration ends the solution when the largest of these is below ``ITER_LIMIT`` or ``N_MAX_ITER`` are done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from stokeswarm.inversion.engines.sir.examine import printable

_ITERATION: Final = re.compile(r"^\s*-- Iteration\s+(\d+)\s*$")
_CHANGE: Final = re.compile(r"^\s*([A-Z][A-Z ]?), delta = (\S+)")
_CALL: Final = "@CALLING rhf1d"
_END_OF_CYCLE: Final = "= End of cycle"
#: DeSIRe's own word for it, should a release say it
_FALLBACK: Final = "non RH convergence"
_HEADER: Final = re.compile(rb"^\s*ite?\s+DE\b")
_FAILURES: Final = ("-TERMINATING ERROR", "-TERMINATING_ERROR", "Fortran runtime error", "STOP ")
#: lines of a reason: the routine, and what is wrong
_REASON_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Solution:
    """One of RH's solutions: iterations done, and the last relative change of the populations (NaN: none)."""

    iterations: int
    change: float


def solutions(output: str) -> list[Solution]:
    """Every solution that the output tells of, in order; the first may lack its beginning."""
    found: list[Solution] = []
    iteration, changes = 0, [0.0]
    for line in output.splitlines():
        started = _ITERATION.match(line)
        if started:
            number = int(started[1])
            if number <= iteration:
                found.append(Solution(iteration, max(changes)))
            iteration, changes = number, []
            continue
        change = _CHANGE.match(line)
        if change and iteration:
            changes.append(_number(change[2]))
    return [*found, Solution(iteration, max(changes, default=np.nan))] if iteration else found


def _number(text: str) -> float:
    """A change; infinite where it is no finite number."""
    try:
        value = float(text)
    except ValueError:
        return float("inf")
    return value if np.isfinite(value) else float("inf")


def not_converged(output: str, position: int, max_iterations: int, limit: float) -> str:
    """Why the solution that a result rests on is none; empty where it converged or nothing is known.

    Parameters
    ----------
    output : str
        DeSIRe's standard output under ``-v``.
    position : int
        Cycle of the run whose result it is; the solution is the last one before the cycle ended. RH's and
        SIR's messages come through different buffers, so their order among each other means nothing, but the
        n-th call of RH is the n-th solution. Where the output is incomplete the last solution counts.
    max_iterations : int
        ``N_MAX_ITER``.
    limit : float
        ``ITER_LIMIT``.
    """
    if _FALLBACK in output:
        return "DeSIRe went back to an older atmosphere because RH did not converge"
    found = solutions(output)
    if not found:
        return ""
    calls = _calls_by_cycle(output)
    last = found[-1]
    if sum(calls) == len(found) and position < len(calls):
        last = found[max(sum(calls[: position + 1]) - 1, 0)]
    # the printed change has five digits; a solution that stopped before the last iteration has converged
    if last.iterations < max_iterations or last.change < limit:
        return ""
    return (
        f"RH did not converge: after {last.iterations} iterations the populations still changed by "
        f"{last.change:.1e} (limit {limit:.0e})"
    )


def _calls_by_cycle(output: str) -> list[int]:
    """Calls of RH in each cycle."""
    calls = [0]
    for line in output.splitlines():
        if _CALL in line:
            calls[-1] += 1
        elif _END_OF_CYCLE in line:
            calls.append(0)
    return calls[:-1] if len(calls) > 1 else calls


def failure(output: str) -> str:
    """The code's own words for why it failed, printable and short; empty where it says no such thing."""
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if any(word in line for word in _FAILURES):
            told = " ".join(lines[number : number + _REASON_LINES]).replace("Exiting.....", "")
            return printable(told).strip("- ")
    return ""


def cycle_merits(log: bytes | None, n_cycle: int) -> Sequence[float]:
    """χ² of each cycle's last successful step, or of its start where none succeeded, as DeSIRe counts it.

    Parameters
    ----------
    log : bytes or None
        The ``.log``, written when the run ends: a block a cycle, each with a header, a row of the start
        (iteration 0, s/n, χ²), and a row an accepted step (iteration, logarithm of the diagonal factor, s/n,
        χ², …). A cycle without such a step shares the block of the next, or is left out at the end.
    n_cycle : int

    Returns
    -------
    sequence of n_cycle floats
        NaN without a log, infinite where it is garbled or χ² no finite number, 0 for a profile without a
        signal, of which no χ² can be made.
    """
    if log is None:
        return (np.nan,) * n_cycle
    merits: list[float] = []
    for line in log.splitlines():
        words = line.split()
        if _HEADER.match(line):
            merits.append(np.inf)
        elif words and merits:
            merits[-1] = _merit(words)
        elif words:
            return (np.inf,) * n_cycle
    if not 1 <= len(merits) <= n_cycle:
        return (np.inf,) * n_cycle
    return (*merits, *[merits[-1]] * (n_cycle - len(merits)))


def _merit(words: Sequence[bytes]) -> float:
    """χ² of a row; NaN where it did not fit its column."""
    column = 2 if words[0] == b"0" else 3
    try:
        value = float(words[column])
    except (IndexError, ValueError):
        return float("nan")
    return value if np.isfinite(value) else float("inf")
