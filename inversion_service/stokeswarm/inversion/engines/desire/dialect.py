"""DeSIRe's ways, for SIR's jobs: one dialect a request, because files and units depend on the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError, UnsupportedError
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engines.desire import control, keywords, reports
from stokeswarm.inversion.engines.desire.installation import Installation
from stokeswarm.inversion.engines.desire.levels import TOLERANCE, ModelAtom
from stokeswarm.inversion.engines.desire.lines import format_lines
from stokeswarm.inversion.engines.desire.models import Models
from stokeswarm.inversion.engines.desire.options import (
    DEFAULT_RAYS,
    FAMILY,
    WITH_ERRORS,
    Options,
    check,
    digit,
)
from stokeswarm.inversion.engines.desire.units import si_units
from stokeswarm.inversion.engines.rh.keywords import Value
from stokeswarm.inversion.engines.sir.dialect import CONTROL, LINES, Bounds, Mode, Outputs, Task, Where

Floats = npt.NDArray[np.float64]

#: where a run's folder is: `var` is looked for two levels above
FOLDER: Final = "run/pixel"
#: name of the link to the installation's `var`, in the slot's folder
VAR: Final = "var"
#: of the parameter file that DeSIRe 5.06 is compiled with
BOUNDS: Final = Bounds(
    depths=121, wavelengths=2000, smeared=1024, lines=25, parameters=200, nodes=20, psf=401, depth_decimals=4
)
#: Å for which DeSIRe knows the HSRA's continuum
_CONTINUUM: Final = (500.0, 21000.0)


class DesireDialect:
    """What one request says to DeSIRe.

    Parameters
    ----------
    installation : Installation
    plan : Plan
    wavelength : ndarray (n_wavelength,) float64
        Of the request, Å.
    mode : Mode

    Raises
    ------
    PlanError
        The plan asks for what DeSIRe cannot do; names key, expected and found.
    UnsupportedError
        Response functions.
    """

    family = FAMILY
    folder = FOLDER
    log = "run.log"
    #: its .chi knows the last cycle only
    chi = "run.log"
    bounds = BOUNDS

    def __init__(
        self,
        installation: Installation,
        plan: Plan,
        wavelength: Floats,
        mode: Mode,
    ) -> None:
        if mode is Mode.RESPONSE:
            raise UnsupportedError("DeSIRe's response functions are not served; those of sir and lte are")
        self.settings: Final = Options.of(plan)
        check(plan, self.settings)
        _check_continuum(plan)
        self.keywords: Final = keywords.of(plan)
        self.title: Final = f"DeSIRe {installation.version}".rstrip()
        self.suffix: Final = f".{self.settings.units}"
        self._unit = _unit(plan, self.settings, wavelength)
        self._rays = _rays(plan, self.settings, self.keywords)
        self._links: dict[str, Path] = {}
        self._files: dict[str, str | bytes] = {}
        levels = self.settings.levels
        if self.settings.nlte:
            var, atoms, molecules = installation.data()
            models = Models.of(plan, atoms, molecules)
            levels = _levels(plan, levels, models, var)
            self._links[VAR] = var
            self._write(keywords.KEYWORD_INPUT, keywords.text(self.keywords))
            for name, text in zip(
                (keywords.ATOMS_INPUT, keywords.MOLECULES_INPUT), models.texts(), strict=True
            ):
                self._write(name, text)
        self._write(LINES, format_lines(plan, levels))

    def _write(self, name: str, text: str) -> None:
        self._files[f"{FOLDER}/{name}"] = text

    def options(self, plan: Plan) -> Mapping[str, object]:  # noqa: ARG002
        """What the blocks of the control file that DeSIRe shares with SIR look up."""
        shared: dict[str, object] = {"interpolation": self.settings.interpolation}
        if self.settings.contrast is not None:
            shared["contrast"] = self.settings.contrast
        return shared

    def check(self, plan: Plan, options: Mapping[str, object], mode: Mode) -> None:
        """Nothing more than was checked when this was made."""

    def argv(self, executable: str) -> Sequence[str]:
        """With ``-v``, without which RH does not say whether it converged."""
        return (executable, "-v", CONTROL)

    def stdin(self) -> bytes:
        """Nothing."""
        return b""

    def control(self, task: Task) -> str:
        """The 45 lines."""
        return control.text(task, self.settings, rays=self._rays, keep_pressure=not self.settings.hydrostatic)

    def static_files(self, plan: Plan, options: Mapping[str, object]) -> Mapping[str, str | bytes]:  # noqa: ARG002
        """Line list with levels and, for NLTE, RH's keywords and lists of models."""
        return self._files

    def links(self) -> Mapping[str, Path]:
        """``var`` in the slot's folder, for NLTE."""
        return self._links

    def pixel_files(self, where: Where) -> Mapping[str, str | bytes]:
        """The coordinates."""
        return {control.COORDINATES: control.coordinates(where, self.settings)}

    def unit(self, plan: Plan) -> Sequence[float | Floats]:  # noqa: ARG002
        """Of each region: 1 where profiles are over the HSRA's continuum, else SI intensities."""
        return self._unit

    def outputs(self, cycle: int, n_component: int) -> Outputs:
        """``g_1.mod``, ``g_1.per`` of the first cycle, ``h_1.mod`` of its second component, ``g_1.err``."""
        stems = [f"{stem}_{cycle + 1}" for stem in "gh"[:n_component]]
        has_errors = digit(self.settings.final_evaluation, cycle) >= WITH_ERRORS
        return Outputs(
            models=tuple(f"{stem}.mod" for stem in stems),
            errors=tuple(f"{stem}.err" for stem in stems) if has_errors else (),
            profile=f"{stems[0]}{self.suffix}",
        )

    def merits(self, chi: bytes | None, n_cycle: int) -> Sequence[float]:
        """χ² of each cycle, from the log."""
        return reports.cycle_merits(chi, n_cycle)

    def failure(self, output: str) -> str:
        """What follows TERMINATING ERROR, of SIR's part or RH's."""
        return reports.failure(output)

    def verdict(self, output: str, position: int) -> tuple[Status, str]:
        """What the output means for a pixel that has a result.

        Parameters
        ----------
        output : str
            Of the run.
        position : int
            Which of the run's cycles is kept; 0 in a synthesis.

        Returns
        -------
        Status
            NOT_CONVERGED where RH's iterations ended before the populations stood still.
        str
            Why; empty of a pixel that is OK.
        """
        if self.settings.nlte:
            iterations, limit = self.keywords[keywords.MAX_ITERATIONS], self.keywords[keywords.LIMIT]
            reason = reports.not_converged(output, position, int(iterations), float(limit))
            if reason:
                return Status.NOT_CONVERGED, reason
        return Status.OK, ""

    def may_skip(self, task: Task) -> bool:  # noqa: ARG002
        """Cycles without a final evaluation write nothing."""
        return not all(self.settings.final_evaluation)


def _unit(plan: Plan, settings: Options, wavelength: Floats) -> Sequence[float | Floats]:
    if settings.units == "per":
        return (1.0,) * len(plan.regions)
    return si_units(plan, wavelength, plan.region_slices(wavelength))


def _check_continuum(plan: Plan) -> None:
    low, high = _CONTINUUM
    for region in plan.regions:
        if not (low <= region.start and region.stop <= high):
            raise PlanError(
                f"region {region.name!r}: DeSIRe knows the continuum from {low:g} to {high:g} Å, "
                f"found {region.start:g} to {region.stop:g} Å"
            )


def _rays(plan: Plan, settings: Options, chosen: Mapping[str, Value]) -> int:
    """Rays of the quadrature: DeSIRe's option, or RH's keyword for the same."""
    if f"{FAMILY}.rays" in plan.options or keywords.RAYS not in chosen:
        return settings.rays
    return int(chosen.get(keywords.RAYS, DEFAULT_RAYS))


def _levels(
    plan: Plan, given: Mapping[int, tuple[int, int]], models: Models, var: Path
) -> dict[int, tuple[int, int]]:
    """Levels of every line in NLTE.

    Those that the plan gives; where it gives none at all, those of the active atoms' lines at the same
    wavelengths.
    """
    active = models.active()
    found: dict[int, tuple[int, int]] = {}
    for line in (line for region in plan.regions for line in region.lines):
        name = active.get(line.element.upper())
        if name is None:
            if line.index in given:
                raise PlanError(
                    f"option {FAMILY}.levels_{line.index}: no active atom of {line.element}; "
                    f"active are {', '.join(active.values())}"
                )
            continue
        atom = ModelAtom.read(var / "Atoms" / f"{name}.atom")
        if not given:
            levels = atom.find(line)
            if levels is not None:
                found[line.index] = levels
        elif line.index in given:
            lower, upper = given[line.index]
            if upper >= atom.n_level:
                raise PlanError(
                    f"option {FAMILY}.levels_{line.index}: atom {name} has levels 0 to {atom.n_level - 1}, "
                    f"found {lower}-{upper}"
                )
            found[line.index] = (lower, upper)
    if not found:
        raise PlanError(
            f"{FAMILY}.nlte_threshold: NLTE was asked for, but no line of the plan is one of the active "
            f"atoms {', '.join(active.values())} (within {TOLERANCE:g} Å); expected another atom, "
            f"{FAMILY}.levels_<line> = lower-upper, or LTE (10.)"
        )
    return found
