"""The blocks of lines of which control files are made.

A control file is read by position: the text before the colon is for people. A dialect puts these blocks
together in its own order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from stokeswarm.contract.plan import QUANTITIES, Cycle
from stokeswarm.inversion.engines.sir.dialect import (
    ABUNDANCES,
    GRID,
    LINES,
    PSF,
    STRAY_LIGHT,
    Mode,
    Task,
)
from stokeswarm.inversion.engines.sir.fortran import integers, real, reals

#: label and value
Line = tuple[str, str]

_NODE_LABELS: Final = (
    "Nodes for temperature",
    "Nodes for electr. press.",
    "Nodes for microturb.",
    "Nodes for magnetic field",
    "Nodes for LOS velocity",
    "Nodes for gamma",
    "Nodes for phi",
)
#: as many nodes as the code's automatic selection admits
_ALL_NODES: Final = "*"


def join(lines: Iterable[Line]) -> str:
    """The text of a control file."""
    return "".join(f"{label:<29s}:{value}\n" for label, value in lines)


def cycles(task: Task) -> list[Line]:
    """Number of cycles; 0 and −1 mean synthesis and response functions."""
    count = len(task.cycles) if task.mode is Mode.INVERSION else task.mode.value
    return [("Number of cycles", str(count))]


def files(task: Task) -> list[Line]:
    """The eight files: profiles, stray light, PSF, grid, lines, abundances and models."""
    return [
        ("Observed profiles", task.profile),
        ("Stray light file", STRAY_LIGHT if task.stray_light else ""),
        ("PSF file", PSF if task.psf else ""),
        ("Wavelength grid file", GRID),
        ("Atomic parameters file", LINES),
        ("Abundances file", ABUNDANCES),
        ("Initial guess model 1", task.models[0]),
        ("Initial guess model 2", task.models[1] if task.n_component == 2 else ""),
    ]


def weights(task: Task) -> list[Line]:
    """Weights of I, Q, U and V, always written: what a blank means depends on the code's version."""
    return [
        (
            f"Weight for Stokes {stokes}",
            reals([w[i] for w in task.weights], what=f"weight of Stokes {stokes}"),
        )
        for i, stokes in enumerate("IQUV")
    ]


def nodes(task: Task) -> list[Line]:
    """Automatic selection, nodes of every quantity of two components, filling factor and stray light."""
    lines = [("Automatic select. of nodes?", integers([int(c.automatic) for c in task.cycles] or [0]))]
    for component in range(2):
        used = component < task.n_component
        for quantity, label in zip(QUANTITIES, _NODE_LABELS, strict=True):
            value = _counts(task, component, quantity) if used else ""
            lines.append((f"{label} {component + 1}", value))
        free = [int(c.components[component].macroturbulence) for c in task.cycles] if used else []
        lines.append((f"Invert macroturbulence {component + 1}?", _unless_zero(free)))
    two = task.n_component == 2
    filling = [int(c.filling_factor and two) for c in task.cycles]
    stray = [int(c.stray_light and task.stray_light) for c in task.cycles]
    lines.append(("Invert filling factor?", _unless_zero(filling)))
    lines.append(("Invert stray light factor?", _unless_zero(stray)))
    return lines


def _counts(task: Task, component: int, quantity: str) -> str:
    counts = [_count(task, cycle, component, quantity) for cycle in task.cycles]
    if not any(count != "0" for count in counts):
        return ""
    return counts[0] if len(set(counts)) == 1 else ",".join(counts)


def _count(task: Task, cycle: Cycle, component: int, quantity: str) -> str:
    """Nodes of one cycle; under automatic selection as many as the grid has points means: all you can."""
    count: int = getattr(cycle.components[component], quantity)
    return _ALL_NODES if cycle.automatic and count >= task.plan.n_depth else str(count)


def _unless_zero(values: list[int]) -> str:
    return integers(values) if any(values) else ""


def angle(task: Task) -> list[Line]:
    """Cosine of the heliocentric angle, positive: only hydrostatic equilibrium sees it, never its sign."""
    return [("mu=cos (theta)", real(task.mu, what="mu"))]


def numerics(task: Task) -> list[Line]:
    """Signal-to-noise, contrast, SVD tolerance, first diagonal element and interpolation between nodes.

    S/N is 1/σ of Stokes I: the code's σ² of a sample is (s / c) / (S/N)² / weight, with the line's largest
    depression (or polarisation) s and its continuum c in the observation; see `weighting`.
    """
    plan = task.plan
    contrast = task.options.get("contrast") if task.mode is Mode.INVERSION else None
    return [
        ("Estimated S/N for I", real(1.0 / plan.noise[0], what="S/N")),
        ("Continuum contrast", "" if contrast is None else real(float(str(contrast)), what="contrast")),
        ("Tolerance for SVD", real(plan.svd_tolerance, what="svd_tolerance")),
        ("Initial diagonal element", real(plan.initial_damping, what="initial_damping")),
        ("Splines/Linear interpolation", str(task.options.get("interpolation", 0))),
    ]


def boundary(task: Task) -> list[Line]:
    """Gas pressures at the top; blank = that which the guess's electron pressure implies."""
    given = task.plan.top_gas_pressure
    values = [given[min(c, len(given) - 1)] if given and c < task.n_component else None for c in range(2)]
    return [
        (f"Gas pressure at surface {c + 1}", "" if value is None else real(value, what="top_gas_pressure"))
        for c, value in enumerate(values)
    ]
