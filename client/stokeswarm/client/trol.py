"""SIR's control files, ``.trol``, as plans: users bring what they have.

What SIR's 42 lines say is mapped as follows; everything else is refused with the name of its line.

==============================  ======================================================================
line                            becomes
==============================  ======================================================================
cycles                          `Plan.cycles`; 0 = synthesis, −1 = response functions (no cycles either)
observed, stray light, PSF      `Project.observation`, `Project.stray_light_profile`, `Region.psf`
grid, atomic parameters         `Plan.regions`; without a grid the observed samples, without blends
models 1, 2                     `Project.guess`; model 1's depth grid is the plan's
weights                         `Cycle.weights` (both multiply 1/σ²)
nodes, automatic selection      `Cycle.components`, `Cycle.automatic`
mu                              `Plan.mu` (in both only hydrostatic equilibrium sees it)
S/N                             `Plan.noise` = 1 / (S/N), default 1000
SVD tolerance, diagonal         `Plan.svd_tolerance`, `Plan.initial_damping`
gas pressures                   `Plan.top_gas_pressure`; blank = that of the guess's electron pressure
==============================  ======================================================================

SIR weighs every line by its own depth or polarisation amplitude, σ² ∝ amplitude / (S/N)². Here σ is the same
for all samples of a Stokes parameter, so the two merit functions differ by these amplitudes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from stokeswarm.client.control_fields import ALL_NODES, Field, parse_fields
from stokeswarm.client.control_inputs import ControlInputs
from stokeswarm.client.project import Project
from stokeswarm.client.sources import Source, source
from stokeswarm.contract.plan import MAX_CYCLES, QUANTITIES, Cycle, Nodes, Plan, Region, node_numbers
from stokeswarm.contract.status import ContinuumReference

#: SIR's own defaults of blank lines
DEFAULT_SN: Final = 1000.0
DEFAULT_SVD_TOLERANCE: Final = 1e-4
DEFAULT_DIAGONAL: Final = 1e-3
_NODE_FIELDS: Final[Mapping[str, str]] = {
    "temperature": "T",
    "electron_pressure": "Pe",
    "microturbulence": "vmic",
    "field_strength": "B",
    "velocity": "vlos",
    "inclination": "gamma",
    "azimuth": "phi",
}


def load_control_file(path: str | os.PathLike[str], search: Sequence[str | os.PathLike[str]] = ()) -> Project:
    """Read a control file and everything it names.

    Parameters
    ----------
    path : path or fsspec URL
    search : sequence of folders
        Where the named files are looked for after the control file's own folder.

    Returns
    -------
    Project
        Its notes say how the control file was understood.

    Raises
    ------
    NotFoundError
        The control file, or a file it names, does not exist.
    SirFileError
        A line is malformed or asks for what has no counterpart; the message names it.
    PlanError
        The plan that comes out contradicts itself.
    """
    file = source(path)
    return _Reading(file, search).project()


class _Reading:
    """One control file being read: its lines, the files they name, and the notes so far."""

    def __init__(self, file: Source, search: Sequence[str | os.PathLike[str]]) -> None:
        self.file = file
        self.fields = parse_fields(file.read_text(), file.display)
        cycles = self.fields["cycles"].integers(1)[0]
        if not -1 <= cycles <= MAX_CYCLES:
            raise self.fields["cycles"].refuse(f"expected -1 to {MAX_CYCLES}")
        self.n_cycle = max(0, cycles)
        folders = tuple(os.fspath(folder) for folder in search)
        self.inputs = ControlInputs(file, self.fields, folders, inverts=self.n_cycle > 0)
        self.notes = self.inputs.notes

    def project(self) -> Project:
        """The whole file as a project."""
        self._refuse_unknown()
        guess = self.inputs.guess()
        observed = self.inputs.observed()
        regions = self.inputs.regions(observed)
        stray, guess = self.inputs.stray_light(regions, observed, guess)
        axis = self.inputs.depth_axis(guess)
        cycles = self._cycles(len(guess), axis, stray is not None)
        plan = self._plan(regions, cycles, axis, max(1, len(guess)))
        return Project(
            plan=plan,
            guess=guess,
            stray_light_profile=stray,
            observation=observed[0].name if observed else None,
            notes=tuple(self.notes),
            source=self.file.display,
        )

    def _plan(
        self,
        regions: tuple[Region, ...],
        cycles: tuple[Cycle, ...],
        axis: tuple[float, float, float] | None,
        n_component: int,
    ) -> Plan:
        noise = 1.0 / self._positive("S/N", DEFAULT_SN)
        mu = self.fields["mu"].real(1.0)
        if mu < 0:
            self.notes.append(f"mu {mu:g}: the sign (west of the meridian) is left out")
        options: dict[str, Any] = {}
        if (table := self.inputs.abundances()) is not None:
            options["abundances"] = table
        if axis is not None:
            options |= dict(zip(("depth_bottom", "depth_top", "depth_step"), axis, strict=True))
        stem = self.file.path.rstrip("/").rsplit("/", 1)[-1]
        return Plan(
            name=stem.rsplit(".", 1)[0] or stem,
            regions=regions,
            cycles=cycles,
            noise=(noise, noise, noise, noise),
            mu=abs(mu),
            top_gas_pressure=self._top_pressure(n_component),
            svd_tolerance=self._positive("SVD tolerance", DEFAULT_SVD_TOLERANCE),
            initial_damping=self._positive("initial diagonal element", DEFAULT_DIAGONAL),
            reference=ContinuumReference.DISC_CENTRE,
            **options,
        )

    def _positive(self, key: str, default: float) -> float:
        value = self.fields[key].real(default)
        if value <= 0:
            raise self.fields[key].refuse("expected a positive number")
        return value

    def _refuse_unknown(self) -> None:
        """Refuse what has no counterpart, rather than to invert something else."""
        fields = self.fields
        if fields["NLTE departures"].text():
            raise fields["NLTE departures"].refuse(
                "departure coefficients are not supported: leave it blank (LTE)"
            )
        if fields["magnetic pressure"].integers(1)[0] != 0:
            raise fields["magnetic pressure"].refuse("magnetic pressure is not in the equilibrium: write 0")
        contrast = fields["continuum contrast"]
        if contrast.values and contrast.real(-1.0) >= 0:
            raise contrast.refuse("a continuum contrast of two components cannot be imposed: leave it blank")
        kind = fields["interpolation"].integers(1)[0]
        if kind not in (0, 1):
            raise fields["interpolation"].refuse("regularised solutions are not supported: write 0 or 1")
        if kind == 1:
            self.notes.append("linear interpolation between nodes: the engine's own interpolation is used")

    def _cycles(
        self, n_component: int, axis: tuple[float, float, float] | None, has_stray: bool
    ) -> tuple[Cycle, ...]:
        count = self.n_cycle
        if not count or axis is None:
            return ()
        n_depth = round((axis[0] - axis[1]) / axis[2]) + 1
        weights = [self.fields[f"weight {stokes}"].reals(count, 1.0) for stokes in "IQUV"]
        for stokes, values in zip("IQUV", weights, strict=True):
            if min(values) < 0:
                raise self.fields[f"weight {stokes}"].refuse(
                    "a negative weight (fit Q/I instead of Q) is not supported"
                )
        automatic = self.fields["automatic nodes"].integers(count)
        components = [self._nodes(number, automatic, n_depth) for number in range(1, n_component + 1)]
        if n_component == 1:
            self._warn_unused_second()
        filling = self._free("invert filling factor", n_component == 2, "there is a single component")
        stray = self._free("invert stray light", has_stray, "no stray light file is named")
        return tuple(
            Cycle(
                components=tuple(nodes[i] for nodes in components),
                filling_factor=filling[i],
                stray_light=stray[i],
                weights=(weights[0][i], weights[1][i], weights[2][i], weights[3][i]),
                automatic=bool(automatic[i]),
            )
            for i in range(count)
        )

    def _nodes(self, component: int, automatic: tuple[int, ...], n_depth: int) -> list[Nodes]:
        """Nodes of one component in every cycle, lowered as SIR lowers them."""
        counts = {
            quantity: self._counts(self.fields[f"nodes {label} {component}"], automatic, n_depth)
            for quantity, label in _NODE_FIELDS.items()
        }
        macroturbulence = self.fields[f"nodes vmac {component}"].integers(len(automatic))
        if min(macroturbulence) < 0:
            raise self.fields[f"nodes vmac {component}"].refuse(
                "a coupled quantity (negative) is not supported"
            )
        return [
            Nodes(**{q: counts[q][i] for q in QUANTITIES}, macroturbulence=macroturbulence[i] > 0)
            for i in range(len(automatic))
        ]

    def _counts(self, field: Field, automatic: tuple[int, ...], n_depth: int) -> tuple[int, ...]:
        counts = []
        allowed = (0, *node_numbers(n_depth))
        for cycle, (wanted, free) in enumerate(
            zip(field.integers(len(automatic)), automatic, strict=True), 1
        ):
            if wanted < 0:
                raise field.refuse(
                    "a quantity coupled to the other component's (negative nodes) is not supported"
                )
            count = min(wanted, n_depth)
            if not free:
                count = max(n for n in allowed if n <= count)
                if count != wanted and wanted != ALL_NODES:
                    self.notes.append(
                        f"{field.name}, cycle {cycle}: {wanted} nodes do not fit {n_depth} depths; "
                        f"{count} used, as SIR does"
                    )
            counts.append(count)
        return tuple(counts)

    def _free(self, key: str, possible: bool, reason: str) -> tuple[bool, ...]:
        wanted = tuple(bool(value) for value in self.fields[key].integers(self.n_cycle))
        if any(wanted) and not possible:
            self.notes.append(f"{key}: left out, {reason}")
            return (False,) * self.n_cycle
        return wanted

    def _warn_unused_second(self) -> None:
        for label in (*_NODE_FIELDS.values(), "vmac"):
            if any(self.fields[f"nodes {label} 2"].integers(self.n_cycle)):
                self.notes.append(f"nodes {label} 2: left out, there is a single component")

    def _top_pressure(self, n_component: int) -> tuple[float, ...]:
        """Top pressures; where one is given it also holds for the other component, as in SIR."""
        values = [self.fields[f"gas pressure {number}"].real(0.0) for number in (1, 2)]
        for number, value in enumerate(values, start=1):
            if value < 0:
                raise self.fields[f"gas pressure {number}"].refuse(
                    "a boundary condition in density (negative) is not supported: give a pressure [dyn/cm²]"
                )
        if not any(values):
            return ()
        first, second = values[0] or values[1], values[1] or values[0]
        return (first, second)[:n_component]
