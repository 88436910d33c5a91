"""DeSIRe's control file: 45 lines, SIR's but for the coordinates and RH's five at the end."""

from __future__ import annotations

from typing import Final

from stokeswarm.contract.plan import QUANTITIES
from stokeswarm.inversion.engines.desire.options import Options, digit
from stokeswarm.inversion.engines.sir import control
from stokeswarm.inversion.engines.sir.control import Line
from stokeswarm.inversion.engines.sir.dialect import Mode, Task, Where
from stokeswarm.inversion.engines.sir.fortran import integers, real

COORDINATES: Final = "pixel.coor"
#: added to a number of nodes: response functions of this quantity by finite differences
_NUMERICAL: Final = 1000
#: parts of a χ² threshold in the fraction of the number of cycles
_THRESHOLD_SCALE: Final = 10.0
_CM_PER_KM: Final = 1e5
_PRESSURE: Final = QUANTITIES.index("electron_pressure")


def text(task: Task, options: Options, *, rays: int, keep_pressure: bool) -> str:
    """The control file.

    Parameters
    ----------
    task : Task
    options : Options
    rays : int
        Of the angular quadrature.
    keep_pressure : bool
        In a synthesis: take the electron pressure as given. DeSIRe imposes hydrostatic equilibrium on what it
        synthesises unless the pressure has nodes.
    """
    return control.join(
        [
            _cycles(task, options),
            *control.files(task),
            ("Coordinates file", COORDINATES),
            *control.weights(task),
            *_nodes(task, options, keep_pressure=keep_pressure),
            *control.numerics(task),
            *control.boundary(task),
            ("NLTE threshold", real(options.nlte_threshold, what="desire.nlte_threshold")),
            ("Number of rays", str(rays)),
            ("Integration method", str(options.integrator)),
            ("Final evaluation of profile", _evaluations(task, options)),
            ("RH models mass or tau", options.rh_model),
        ]
    )


def _cycles(task: Task, options: Options) -> Line:
    """The number of cycles, whose fraction is a tenth of the χ² below which a cycle is skipped."""
    if task.mode is not Mode.INVERSION:
        return control.cycles(task)[0]
    count = len(task.cycles)
    if not options.skip_threshold:
        return ("Number of cycles", str(count))
    return ("Number of cycles", real(count + options.skip_threshold / _THRESHOLD_SCALE, what="cycles"))


def _nodes(task: Task, options: Options, *, keep_pressure: bool) -> list[Line]:
    """SIR's lines, with what DeSIRe computes numerically, and with the pressure's node of a synthesis."""
    lines = control.nodes(task)
    # one line says whether nodes are automatic; then seven quantities and the macroturbulence a component
    place = {(q, c): 1 + c * (len(QUANTITIES) + 1) + i for c in range(2) for i, q in enumerate(QUANTITIES)}
    for (quantity, component), digits in options.numerical.items():
        counts = [getattr(cycle.components[component], quantity) for cycle in task.cycles]
        marked = [
            count + _NUMERICAL if count and digit(digits, number) else count
            for number, count in enumerate(counts)
        ]
        if any(marked):
            label, _ = lines[place[quantity, component]]
            lines[place[quantity, component]] = (label, integers(marked))
    if task.mode is Mode.SYNTHESIS and keep_pressure:
        for component in range(task.n_component):
            label, _ = lines[place[QUANTITIES[_PRESSURE], component]]
            lines[place[QUANTITIES[_PRESSURE], component]] = (label, "1")
    return lines


def _evaluations(task: Task, options: Options) -> str:
    count = max(1, len(task.cycles))
    return integers([digit(options.final_evaluation, number) for number in range(count)])


def coordinates(where: Where, options: Options) -> str:
    """The coordinates file: X, Y in solar radii, and the solar rotation's velocity [cm/s]."""
    x, y = where.position or (max(0.0, 1.0 - where.mu**2) ** 0.5, 0.0)
    velocity = [real(v * _CM_PER_KM, what="velocity") for v in options.velocity]
    return ",".join([real(x, what="X"), real(y, what="Y"), *velocity]) + "\n"
