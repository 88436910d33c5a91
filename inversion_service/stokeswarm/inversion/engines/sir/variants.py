"""SIR itself: the releases of November 2015 and of May 2017, which differ in limits and defaults only.

Both banners, line limits and defaults are those of the sources that were run: cdiazbas/SIRcode (2015) and
BasilioRuiz/SIR-code (2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engines.sir import control
from stokeswarm.inversion.engines.sir.dialect import CONTROL, Bounds, Mode, Outputs, Task, Where
from stokeswarm.inversion.engines.sir.examine import printable
from stokeswarm.inversion.engines.sir.fortran import OutputError, numbers
from stokeswarm.inversion.engines.sir.options import Choice, Kind, Number, parse

#: SIR counts rows until the array is full, and takes the last one for the end of the file
_DEPTHS: Final = 399
_WAVELENGTHS: Final = 4999
#: what its output holds where it gave up; a line begins with the first
_STOPPED: Final = ("STOP", "Fortran runtime error", "is not allowed in non automatic mode")
_OPTIONS: Final[Mapping[str, Kind]] = {
    "interpolation": Choice({"splines": 0, "linear": 1}),
    "contrast": Number(0.0, 1e3),
    "magnetic_pressure": Choice({"off": 0, "on": 1}),
}


@dataclass(frozen=True, slots=True)
class SirDialect:
    """One release of SIR.

    Attributes
    ----------
    title : str
    lines : int
        Spectral lines it was compiled for.
    pressure_at_top : bool
        Whether its response to the electron pressure is to a change by a fraction of the highest point's
        pressure, divided by the pressure of the point itself.
    """

    title: str
    lines: int
    pressure_at_top: bool = False

    family = "sir"
    folder = ""
    suffix = ".per"
    chi = "run.chi"
    log = "run.log"

    @property
    def bounds(self) -> Bounds:
        """The limits of its PARAMETER file, and those of the convolution and PSF routines."""
        return Bounds(
            depths=_DEPTHS,
            wavelengths=_WAVELENGTHS,
            smeared=1024,
            lines=self.lines,
            parameters=200,
            nodes=_DEPTHS,
            psf=401,
            depth_decimals=4,
        )

    def options(self, plan: Plan) -> Mapping[str, object]:
        """``sir.interpolation``, ``sir.contrast`` and ``sir.magnetic_pressure``."""
        return parse(plan, self.family, _OPTIONS)

    def check(self, plan: Plan, options: Mapping[str, object], mode: Mode) -> None:
        """A contrast needs two components; wavelengths are in air."""
        if plan.vacuum:
            raise PlanError("vacuum: SIR takes air wavelengths only")
        if "contrast" in options and (plan.n_component != 2 or mode is not Mode.INVERSION):
            raise PlanError("option sir.contrast: expected an inversion with two components")
        for line in (line for region in plan.regions for line in region.lines):
            if line.ion > 2:
                raise PlanError(
                    f"line {line.index}: SIR treats neutral and singly ionised species (ion 1 or 2), "
                    f"found ion {line.ion}"
                )
            if "[" in line.lower_term + line.upper_term:
                raise PlanError(
                    f"line {line.index}: SIR stops at terms in jK coupling, found {line.lower_term}-"
                    f"{line.upper_term}; expected LS terms such as 5P2.0"
                )

    def argv(self, executable: str) -> Sequence[str]:
        """The executable alone."""
        return (executable,)

    def stdin(self) -> bytes:
        """The name of the control file."""
        return CONTROL.encode() + b"\n"

    def control(self, task: Task) -> str:
        """The 42 lines."""
        return control.join(
            [
                *control.cycles(task),
                *control.files(task),
                *control.weights(task),
                *control.nodes(task),
                *control.angle(task),
                *control.numerics(task),
                *control.boundary(task),
                ("Magnetic pressure term?", str(task.options.get("magnetic_pressure", 0))),
                ("NLTE departures filename", ""),
            ]
        )

    def static_files(
        self,
        plan: Plan,  # noqa: ARG002
        options: Mapping[str, object],  # noqa: ARG002
    ) -> Mapping[str, str | bytes]:
        """None."""
        return {}

    def links(self) -> Mapping[str, Path]:
        """None."""
        return {}

    def pixel_files(self, where: Where) -> Mapping[str, str | bytes]:  # noqa: ARG002
        """None."""
        return {}

    def unit(self, plan: Plan) -> Sequence[float]:
        """Profiles are over the HSRA's continuum."""
        return (1.0,) * len(plan.regions)

    def outputs(self, cycle: int, n_component: int) -> Outputs:
        """``g_1.mod``, ``g_1.err``, ``g_1.per`` of the first cycle, ``h_1.mod`` of its second component."""
        stems = [f"{stem}_{cycle + 1}" for stem in "gh"[:n_component]]
        return Outputs(
            models=tuple(f"{stem}.mod" for stem in stems),
            errors=tuple(f"{stem}.err" for stem in stems),
            profile=f"{stems[0]}.per",
        )

    def merits(self, chi: bytes | None, n_cycle: int) -> Sequence[float]:
        """Of the file's lines, one a cycle: 1/rms of the residuals, χ²."""
        found = []
        for line in (chi or b"").splitlines(keepends=True)[:n_cycle]:
            try:
                values = numbers(line, self.chi)
            except OutputError:
                values = np.empty(0)
            found.append(float(values[1]) if values.size == 2 else float("inf"))
        return found

    def failure(self, output: str) -> str:
        """The line that begins with STOP."""
        if not any(sign in output for sign in _STOPPED):
            return ""
        for line in output.splitlines():
            text = line.strip()
            if text.startswith("STOP") or any(sign in text for sign in _STOPPED[1:]):
                return printable(text)
        return ""

    def verdict(self, output: str, position: int) -> tuple[Status, str]:  # noqa: ARG002
        """OK: SIR says nothing of its convergence, it ends where improvements become small."""
        return Status.OK, ""

    def may_skip(self, task: Task) -> bool:  # noqa: ARG002
        """Every cycle writes its files."""
        return False


SIR_2015: Final = SirDialect("SIR 2015", 10, pressure_at_top=True)
SIR_2017: Final = SirDialect("SIR 2017", 50)
#: what the environment calls them
LAYOUTS: Final[Mapping[str, SirDialect]] = {"2015": SIR_2015, "2017": SIR_2017}
