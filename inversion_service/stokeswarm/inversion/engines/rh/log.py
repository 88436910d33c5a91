"""What RH says of its own run: whether it converged, and what went wrong. Its exit code says neither."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

#: of a text that goes into a pixel's message
MAX_MESSAGE: Final = 300

_NUMBER: Final = r"([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|nan|inf))"
_ITERATION: Final = re.compile(r"^ -- Iteration +([0-9]+)\s*$", re.MULTILINE)
#: " CA, delta = 8.7307E-03", " CO , delta = …"; lines of PRD begin with "  PRD:"
_POPULATIONS: Final = re.compile(rf"^ (\S+) ?, delta = {_NUMBER}", re.MULTILINE)
_PRD: Final = re.compile(
    rf"^  PRD: iter #[0-9]+, atom (\S+) ?, line +([0-9]+), delta = {_NUMBER}", re.MULTILINE
)
_MEAN_INTENSITY: Final = re.compile(rf"^ Spectrum max delta J = {_NUMBER}", re.MULTILINE)
_TERMINATING: Final = re.compile(r"-TERMINATING_ERROR in routine (.*?)(?:\n *\n|Exiting|\Z)", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Did not recognize keyword (\S+)")
_EQUILIBRIUM: Final = re.compile(r"-WARNING in routine (\S+)\s+[^\n]*\bnot converged\b")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Convergence:
    """How a solution ended.

    Attributes
    ----------
    reached : bool
        Every criterion of the plan holds.
    message : str
        Where one does not: which, and the last change; empty otherwise.
    iterations : int
        Of the populations.
    """

    reached: bool
    message: str
    iterations: int


def convergence(log: str, *, active: int, limit: float, prd_limit: float, scattering: int) -> Convergence:
    """Judge a run of ``rhf1d``.

    The last iteration's relative changes of the populations must be below ``ITER_LIMIT``, those of the
    emission profiles of lines in partial redistribution below ``PRD_ITER_LIMIT``, and the mean intensity's in
    the final formal solutions below ``ITER_LIMIT`` again.

    Parameters
    ----------
    log : str
        All that it said.
    active : int
        Number of active atoms and molecules.
    limit : float
        ``ITER_LIMIT``.
    prd_limit : float
        Size of ``PRD_ITER_LIMIT``.
    scattering : int
        ``N_MAX_SCATTER``.

    Returns
    -------
    Convergence
    """
    iterations = list(_ITERATION.finditer(log))
    last = log[iterations[-1].end() :] if iterations else ""
    changes = [
        (f"populations of {species}", float(value), limit) for species, value in _POPULATIONS.findall(last)
    ]
    prd = {(atom, line): float(value) for atom, line, value in _PRD.findall(last)}
    changes += [
        (f"emission profile of {atom} line {line}", value, prd_limit) for (atom, line), value in prd.items()
    ]
    mean = _MEAN_INTENSITY.findall(log)
    if scattering and mean:
        changes.append(("mean intensity", float(mean[-1]), limit))
    number = int(iterations[-1][1]) if iterations else 0
    if not mean or (active and len(_POPULATIONS.findall(last)) != active):
        return Convergence(False, "RH does not say how its last iteration ended", number)
    late = [f"{what} {value:.4g} > {bound:g}" for what, value, bound in changes if not value <= bound]
    equilibrium = _EQUILIBRIUM.search(log)
    if equilibrium:
        late.append(f"equilibrium in {_clean(equilibrium[1])} not reached")
    if not late:
        return Convergence(True, "", number)
    after = f"after {number} iterations: " if active else ""
    return Convergence(False, f"{after}last change of {', '.join(late)}"[:MAX_MESSAGE], number)


def trouble(log: str) -> str:
    """Why a run cannot be trusted, in RH's words; empty where it complained of nothing."""
    fatal = _TERMINATING.search(log)
    if fatal:
        return _clean(f"error in {fatal[1]}")
    unknown = _UNKNOWN.search(log)
    if unknown:
        return f"this RH does not know the keyword {_clean(unknown[1])}"
    for value in _POPULATIONS.findall(log)[-1:]:
        if not math.isfinite(float(value[1])):
            return f"the populations of {value[0]} are not finite"
    return ""


def _clean(text: str) -> str:
    """One printable line."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:MAX_MESSAGE]
