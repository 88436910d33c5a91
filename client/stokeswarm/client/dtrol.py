"""DeSIRe's control files, ``.dtrol``, as projects: 45 lines, and RH's inputs that lie beside them.

What DeSIRe shares with SIR becomes the same (see `stokeswarm.client.sir_control`); the rest as follows.

==============================  ======================================================================
line                            becomes
==============================  ======================================================================
cycles, e.g. 5.001              five cycles; ten times the fraction is ``desire.skip_threshold``: a cycle is
                                skipped once DeSIRe's χ is below it
coordinates file (.coor)        `Project.position` and `Plan.mu`; ``desire.velocity_x``, ``…_y`` [km/s]
nodes of Pe 1, in a synthesis   none = in hydrostatic equilibrium, ``desire.hydrostatic``
nodes of 1000 + n               n nodes, their response function computed numerically:
                                ``desire.numerical_QUANTITY``, one digit a cycle
contrast, interpolation         ``desire.contrast``, ``desire.interpolation``
NLTE threshold, rays            ``desire.nlte_threshold``, ``desire.rays``
integration method              ``desire.integrator``, 0–3
final evaluation                ``desire.final_evaluation``, one digit a cycle
RH models                       ``desire.rh_model``, mass or tau
profiles in SI units (.spc)     ``desire.units``; they are read over the HSRA's continuum
levels after a line's ABO data  ``desire.levels_INDEX``, lower-upper: the line is not in LTE
``keyword.input`` beside it     options ``rh.KEYWORD``; the models of its lists `Plan.atoms`, `Plan.molecules`
==============================  ======================================================================
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import numpy as np

from stokeswarm.client.control_fields import DESIRE, Field
from stokeswarm.client.control_reading import ControlReading
from stokeswarm.client.positions import parse_coordinates
from stokeswarm.client.readers.per import SI_SUFFIX
from stokeswarm.client.rh_inputs import parse_keywords, parse_models
from stokeswarm.client.sources import Source, load
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Region
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.sir_files.models import CM_PER_KM
from stokeswarm.contract.sir_files.text import integer, number

FAMILY: Final = "desire"
#: χ per unit of the fraction of the number of cycles
THRESHOLD_OF_FRACTION: Final = 10.0
#: decimals of the number of cycles that mean something: it is read in single precision
CYCLE_DECIMALS: Final = 5
#: at and above this threshold everything is in LTE, which is also what a blank line means
LTE_THRESHOLD: Final = 10.0
#: what is added to a number of nodes to have its response function computed numerically
NUMERICAL: Final = 1000
KEYWORD_FILE: Final = "keyword.input"
#: keywords that name lists of models, their extension and what becomes of them
_LISTS: Final = {"ATOMS_FILE": (".atom", "atoms"), "MOLECULES_FILE": (".molecule", "molecules")}
#: keywords that name files of an installation: the engine takes those of its own
_INSTALLED: Final = ("KURUCZ_PF_DATA", "KURUCZ_DATA", "BARKLEM_DIR")
#: keywords that the engine sets by itself, since they say where results go or where the atmosphere is
_OWN: Final = re.compile(r".*_OUTPUT|ATMOS_FILE|STOKES_INPUT|RAY_INPUT")
_NOTHING: Final = "none"
_INTEGRATORS: Final = (0, 1, 2, 3)
#: 0 = none … 4 = everything in RH's format
_EVALUATIONS: Final = (0, 1, 2, 3, 4)
_RH_MODELS: Final = {"m": "mass", "t": "tau"}
_LEAST_MU: Final = 0.01
#: columns after the terms: ABO α and σ, then lower and upper level
_LEVELS: Final = re.compile(
    r"-\s*\d{1,2}\s*(?:[A-Za-z]|\[\s*\d+\s*/\s*2\s*\])\s*\d+\.?\d*\s+\S+\s+\S+\s+(\S+)\s+(\S+)"
)


class DesireReading(ControlReading):
    """A DeSIRe control file being read."""

    family = FAMILY
    layout = DESIRE

    def cycle_number(self) -> int:
        """The whole part; what follows the point is a threshold."""
        return math.trunc(self.fields["cycles"].real(1.0))

    def refuse_unknown(self) -> None:
        """Read what only DeSIRe has, as options."""
        super().refuse_unknown()
        fields = self.fields
        observed = fields["observed profiles"]
        if observed.text().endswith(SI_SUFFIX):
            if self.n_cycle and self.inputs.elsewhere.observes:
                raise observed.refuse("cubes in SI units are not read: divide them by the HSRA's continuum")
            self.option("units", "spc")
        if fields["stray light file"].text().endswith(SI_SUFFIX):
            raise fields["stray light file"].refuse("stray light in SI units is not read: give a .per")
        cycles = fields["cycles"].real(1.0)
        if cycles > 1.0 and (fraction := round(cycles - math.trunc(cycles), CYCLE_DECIMALS)):
            self.option("skip_threshold", round(THRESHOLD_OF_FRACTION * fraction, CYCLE_DECIMALS))
        self.option("nlte_threshold", max(0.0, fields["NLTE threshold"].real(LTE_THRESHOLD)))
        wants_equilibrium = not self.n_cycle and fields["nodes Pe 1"].integers(1)[0] <= 0
        if wants_equilibrium:
            self.option("hydrostatic", "true")
        if rays := max(0, fields["number of rays"].one_integer()):
            self.option("rays", rays)
        integrator = fields["integration method"]
        if integrator.values:
            self.option("integrator", _one_of(integrator, integrator.one_integer(), _INTEGRATORS))
        self._final_evaluation()
        models = fields["RH models"]
        if kind := models.text().lower()[:1]:
            if kind not in _RH_MODELS:
                raise models.refuse("expected m (column mass) or t (optical depth)")
            self.option("rh_model", _RH_MODELS[kind])

    def _final_evaluation(self) -> None:
        field = self.fields["final evaluation"]
        if not field.values:
            return
        flags = field.integers(max(1, self.n_cycle), 1)
        for flag in flags:
            _one_of(field, flag, _EVALUATIONS)
        self.option("final_evaluation", "".join(map(str, flags)))

    def wanted_nodes(self, field: Field, quantity: str, component: int) -> tuple[int, ...]:
        """Nodes without the thousand that asks for a numerical response function, which becomes an option."""
        written = field.integers(self.n_cycle)
        numerical = [count >= NUMERICAL for count in written]
        if any(numerical):
            tail = "" if component == 1 else f"_{component}"
            self.option(f"numerical_{quantity}{tail}", "".join("01"[flag] for flag in numerical))
        return tuple(
            count - NUMERICAL if flag else count for count, flag in zip(written, numerical, strict=True)
        )

    def surroundings(self, regions: tuple[Region, ...]) -> dict[str, Any]:
        """The position on the disc, and what is not in LTE."""
        x, y = self._coordinates()
        self._mu = max(_LEAST_MU, math.sqrt(1.0 - x * x - y * y))
        self._models: dict[str, tuple[AtomModel, ...]] = {}
        if float(self.options[f"{FAMILY}.nlte_threshold"]) < LTE_THRESHOLD:
            self._levels(regions)
            self._keywords()
        return {"position": np.array([x, y]), "engine": FAMILY}

    def more(self) -> dict[str, Any]:
        """The angle and the models."""
        return {"mu": self._mu, **self._models}

    def _coordinates(self) -> tuple[float, float]:
        """X and Y [R☉]; velocities become options.

        Raises
        ------
        SirFileError
            The line is blank, the file is none of DeSIRe's, or the position lies off the disc.
        """
        if self.inputs.elsewhere.coordinates is not None:
            return self._place(*self.inputs.elsewhere.coordinates)
        line = self.fields["coordinates file"]
        file = self.inputs.find("coordinates file")
        if file is None:
            raise line.refuse("a coordinates file (.coor) is needed")
        if file.suffix != ".coor":
            raise line.refuse(
                "a .coor file is needed (X/Rsun, Y/Rsun, Vx, Vy); position angles (.coorP) are not supported"
            )
        return self._place(*load(file.name, parse_coordinates))

    def _place(self, x: float, y: float, vx: float, vy: float) -> tuple[float, float]:
        """X and Y; velocities [cm/s] become options."""
        line = self.fields["coordinates file"]
        if x * x + y * y >= 1.0:
            raise line.refuse(f"X = {x:g}, Y = {y:g} [solar radii] lies off the disc")
        for key, velocity in (("velocity_x", vx), ("velocity_y", vy)):
            if velocity:
                self.option(key, velocity / CM_PER_KM)
        return x, y

    def _levels(self, regions: tuple[Region, ...]) -> None:
        """Levels that the lines connect in their model atoms; without them a line is in LTE."""
        file = self.inputs.find("atomic parameters file")
        levels = {} if file is None else load(file.name, parse_levels)
        known = {line.index for region in regions for line in region.lines} & levels.keys()
        for index in sorted(known):
            lower, upper = levels[index]
            self.option(f"levels_{index}", f"{lower}-{upper}")
        if not known:
            self.notes.append("NLTE threshold: no line has levels of a model atom, so every line is in LTE")

    def _keywords(self) -> None:
        """``keyword.input`` beside the control file, as options and models."""
        file = self.file.sibling(KEYWORD_FILE)
        if not file.exists():
            self.notes.append(
                f"NLTE threshold: no {KEYWORD_FILE} beside the control file; the engine's own is used"
            )
            return
        for key, value in load(file.name, parse_keywords).items():
            if key in _LISTS:
                extension, name = _LISTS[key]
                self._models[name] = self._list(file, key, value, extension)
            elif key in _INSTALLED:
                self.notes.append(f"{KEYWORD_FILE}: {key}: the installation's own is used")
            elif _OWN.fullmatch(key):
                self.notes.append(f"{KEYWORD_FILE}: {key}: left out, the engine knows where its files are")
            elif "/" in value or (key == "OPACITY_FUDGE" and value.lower() != _NOTHING):
                raise SirFileError(
                    f"{file.display}: {key}: {value}: a file cannot be sent with a plan; leave the keyword "
                    "out (the engine then uses the code's default)"
                )
            else:
                self.options[f"rh.{key}"] = value

    def _list(self, file: Source, key: str, value: str, extension: str) -> tuple[AtomModel, ...]:
        found = self.inputs.locate(value, f"{file.display}: {key}")
        models = load(found.name, lambda text, name: parse_models(text, name, extension))
        self.notes.append(
            f"{KEYWORD_FILE}: {key}: the installation's own models of these names are used: "
            + ", ".join(model.name for model in models)
        )
        return models


def _one_of(field: Field, value: int, allowed: tuple[int, ...]) -> int:
    if value not in allowed:
        raise field.refuse(f"expected {', '.join(map(str, allowed))}")
    return value


def parse_levels(text: str, name: str) -> dict[int, tuple[int, int]]:
    """Lower and upper level of each line that a line list gives them for.

    Parameters
    ----------
    text : str
        Rows of a line list; the levels, counted from 0 in the model atom, follow ABO α and σ. Both 0 = none.
    name : str
        File name for messages.

    Returns
    -------
    dict
        Line index → (lower, upper).
    """
    levels = {}
    for count, row in enumerate(text.splitlines(), start=1):
        head, equals, tail = row.split("#", 1)[0].partition("=")
        found = _LEVELS.search(tail) if equals else None
        if found is None:
            continue
        where = f"{name}: line {count}"
        lower, upper = (round(number(value, where, "level")) for value in found.groups())
        if lower or upper:
            levels[integer(head.strip(), where, "line index")] = lower, upper
    return levels
