"""What the control files of SIR and DeSIRe share on their way to a project: cycles, nodes, weights, noise.

`stokeswarm.client.sir_control` and `stokeswarm.client.dtrol` say what is peculiar to each code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stokeswarm.client.control_fields import Field, Layout, parse_fields
from stokeswarm.client.control_inputs import NOTHING, ControlInputs, Elsewhere
from stokeswarm.client.plan_options import option_text
from stokeswarm.client.project import Project
from stokeswarm.client.sources import Source
from stokeswarm.contract.plan import MAX_CYCLES, QUANTITIES, Cycle, Nodes, Plan, Region, node_numbers
from stokeswarm.contract.status import ContinuumReference

#: the codes' own defaults of blank lines
DEFAULT_SN: Final = 1000.0
DEFAULT_SVD_TOLERANCE: Final = 1e-4
DEFAULT_DIAGONAL: Final = 1e-3
#: quantity → how lines of nodes call it
NODE_FIELDS: Final[Mapping[str, str]] = {
    "temperature": "T",
    "electron_pressure": "Pe",
    "microturbulence": "vmic",
    "field_strength": "B",
    "velocity": "vlos",
    "inclination": "gamma",
    "azimuth": "phi",
}
LINEAR: Final = 1


class ControlReading:
    """One control file being read: its lines, the files they name, and the notes so far.

    Parameters
    ----------
    file : Source
    text : str
        Its contents.
    search : sequence of str
        Folders where the named files are looked for after the control file's own.
    elsewhere : Elsewhere
        What it gets otherwise.

    Attributes
    ----------
    family : str
        Engines that the file is written for, whose options it sets.
    layout : Layout
        Their lines.
    """

    family: str
    layout: Layout

    def __init__(
        self,
        file: Source,
        text: str,
        search: Sequence[str],
        elsewhere: Elsewhere = NOTHING,
    ) -> None:
        self.file = file
        self.fields = parse_fields(text, file.display, self.layout)
        cycles = self.cycle_number()
        if not -1 <= cycles <= MAX_CYCLES:
            raise self.fields["cycles"].refuse(f"expected -1 to {MAX_CYCLES}")
        self.n_cycle = max(0, cycles)
        self.inputs = ControlInputs(file, self.fields, tuple(search), self.n_cycle > 0, elsewhere)
        self.notes = self.inputs.notes
        self.options: dict[str, str] = {}

    def project(self) -> Project:
        """The whole file as a project.

        Raises
        ------
        NotFoundError, SirFileError, PlanError
            A named file is missing, a line asks for what has no counterpart, or the plan contradicts itself.
        """
        self.refuse_unknown()
        guess = self.inputs.guess()
        observed = self.inputs.observed()
        regions = self.inputs.regions(observed)
        stray, guess = self.inputs.stray_light(regions, observed, guess)
        axis = self.inputs.depth_axis(guess)
        cycles = self._cycles(len(guess), axis, stray is not None)
        surroundings = self.surroundings(regions)
        plan = self._plan(regions, cycles, axis, max(1, len(guess)))
        return Project(
            plan=plan,
            guess=guess,
            stray_light_profile=stray,
            observation=observed[0].name if observed else None,
            notes=tuple(self.notes),
            source=self.file.display,
            **surroundings,
        )

    def cycle_number(self) -> int:
        """Number of cycles; 0 = synthesis, −1 = response functions."""
        return self.fields["cycles"].integers(1)[0]

    def refuse_unknown(self) -> None:
        """Refuse what has no counterpart, rather than to invert something else; set the options."""
        contrast = self.fields["continuum contrast"]
        if contrast.values and (value := contrast.real(-1.0)) >= 0:
            if self.n_cycle and self.fields["initial guess model 2"].text():
                self.option("contrast", value)
            else:
                self.notes.append(f"continuum contrast {value:g}: left out, it binds two inverted components")
        interpolation = self.fields["interpolation"]
        kind = interpolation.one_integer()
        if kind not in (0, LINEAR):
            raise interpolation.refuse("regularised solutions are not supported: write 0 or 1")
        if kind == LINEAR:
            self.option("interpolation", "linear")

    def surroundings(self, regions: tuple[Region, ...]) -> dict[str, Any]:
        """Further fields of the project."""
        del regions
        return {}

    def more(self) -> dict[str, Any]:
        """Further fields of the plan."""
        return {}

    def option(self, key: str, value: str | float | int) -> None:
        """Set an option of the file's family."""
        self.options[f"{self.family}.{key}"] = option_text(value)

    def positive(self, key: str, default: float) -> float:
        """A positive number that is the same for all cycles."""
        value = self.fields[key].real(default)
        if value <= 0:
            raise self.fields[key].refuse("expected a positive number")
        return value

    def wanted_nodes(self, field: Field, quantity: str, component: int) -> tuple[int, ...]:
        """Nodes of a line, cycle by cycle, as they are written."""
        del quantity, component
        return field.integers(self.n_cycle)

    def _plan(
        self,
        regions: tuple[Region, ...],
        cycles: tuple[Cycle, ...],
        axis: tuple[float, float, float] | None,
        n_component: int,
    ) -> Plan:
        noise = 1.0 / self.positive("S/N", DEFAULT_SN)
        values: dict[str, Any] = {}
        if (table := self.inputs.abundances()) is not None:
            values["abundances"] = table
        if axis is not None:
            values |= dict(zip(("depth_bottom", "depth_top", "depth_step"), axis, strict=True))
        values |= self.more()
        stem = self.file.path.rstrip("/").rsplit("/", 1)[-1]
        return Plan(
            name=stem.rsplit(".", 1)[0] or stem,
            regions=regions,
            cycles=cycles,
            noise=(noise, noise, noise, noise),
            top_gas_pressure=self._top_pressure(n_component),
            svd_tolerance=self.positive("SVD tolerance", DEFAULT_SVD_TOLERANCE),
            initial_damping=self.positive("initial diagonal element", DEFAULT_DIAGONAL),
            reference=ContinuumReference.DISC_CENTRE,
            options=self.options,
            **values,
        )

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
        """Nodes of one component in every cycle, lowered as the codes lower them."""
        counts = {quantity: self._counts(quantity, component, automatic, n_depth) for quantity in NODE_FIELDS}
        macroturbulence = self.fields[f"nodes vmac {component}"].integers(len(automatic))
        if min(macroturbulence) < 0:
            raise self.fields[f"nodes vmac {component}"].refuse(
                "a coupled quantity (negative) is not supported"
            )
        return [
            Nodes(**{q: counts[q][i] for q in QUANTITIES}, macroturbulence=macroturbulence[i] > 0)
            for i in range(len(automatic))
        ]

    def _counts(
        self, quantity: str, component: int, automatic: tuple[int, ...], n_depth: int
    ) -> tuple[int, ...]:
        field = self.fields[f"nodes {NODE_FIELDS[quantity]} {component}"]
        counts = []
        allowed = (0, *node_numbers(n_depth))
        for cycle, (wanted, free) in enumerate(
            zip(self.wanted_nodes(field, quantity, component), automatic, strict=True), 1
        ):
            if wanted < 0:
                raise field.refuse(
                    "a quantity coupled to the other component's (negative nodes) is not supported"
                )
            count = min(wanted, n_depth)
            if not free:
                count = max(n for n in allowed if n <= count)
                if count != wanted and wanted != self.layout.all_nodes:
                    self.notes.append(
                        f"{field.name}, cycle {cycle}: {wanted} nodes do not fit {n_depth} depths; "
                        f"{count} used, as {self.layout.code} does"
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
        for label in (*NODE_FIELDS.values(), "vmac"):
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
