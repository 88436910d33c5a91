"""What the result store holds: one table of variables, and a tile's results as arrays of that table.

==================  ===================================================================================
group               variables
==================  ===================================================================================
``/``               coordinates y, x, log_tau, wavelength, stokes
``/atmosphere``     temperature … density (y, x, log_tau); macroturbulence … stray_light (y, x)
``/uncertainty``    the same names, 1 σ
``/initial``        the same names, the start that won
``/fit``            stokes, chi2 …, status, start, cycles, gate, novelty, seconds, message
``/observation``    stokes (y, x, stokes, wavelength), weights (stokes, wavelength)
==================  ===================================================================================

A second atmospheric component has its own groups, ``/atmosphere_2``, ``/uncertainty_2`` and ``/initial_2``.
Where every cycle is stored, the n-th has groups ``/cycle_<n>/atmosphere`` (``…_2``) and ``/cycle_<n>/fit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.gate import Reason
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.inversion import InvertResults
from stokeswarm.contract.status import Status

#: path in the store → values, first axis the tile's pixels row by row
Arrays = dict[str, npt.NDArray[Any]]

LONG_NAMES: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "electron_pressure": "electron pressure",
    "microturbulence": "microturbulent velocity",
    "field_strength": "magnetic field strength",
    "velocity": "line-of-sight velocity, positive = receding",
    "inclination": "magnetic field inclination from the line of sight",
    "azimuth": "magnetic field azimuth, ambiguous by 180 degrees",
    "height": "geometrical height, 0 at log tau = 0",
    "gas_pressure": "gas pressure",
    "density": "mass density",
    "macroturbulence": "macroturbulent velocity",
    "filling_factor": "filling factor of the component",
    "stray_light": "fraction of stray light",
}


class Start(IntEnum):
    """Which start a pixel's result came from, as the store numbers them."""

    NONE = 0
    #: the guess of a control file, or a named model
    MODEL = 1
    CNN = 2
    PREVIOUS = 3
    #: the mean of good neighbours, in a repair
    NEIGHBOUR = 4
    #: the inverted mean profile of the pixel's class
    CLUSTER = 5
    #: a guess whose polarity was turned
    MIRRORED = 6


#: what a fill value of 0 means: the pixel's tile is not written yet
NOT_RUN: Final = 0


@dataclass(frozen=True, slots=True)
class Variable:
    """One array of the store.

    Attributes
    ----------
    path : str
        Group and name, ``fit/chi2``.
    dims : tuple of str
        Dimensions after (y, x).
    dtype : str
        Of numpy, or ``"str"`` (variable length).
    fill : float, int or str
    attrs : mapping
        units, long_name, and for codes the CF attributes flag_values and flag_meanings.
    """

    path: str
    dims: tuple[str, ...] = ()
    dtype: str = "float32"
    fill: float | int | str = np.nan
    attrs: Mapping[str, Any] = field(default_factory=dict)


def _flags(kind: type[IntEnum], zero: str | None) -> dict[str, Any]:
    pairs = [(0, zero)] if zero else []
    pairs += [(int(member), member.name.lower()) for member in kind]
    return {"flag_values": [v for v, _ in pairs], "flag_meanings": " ".join(str(n) for _, n in pairs)}


def _masks(kind: type[Reason]) -> dict[str, Any]:
    members = [member for member in kind if member]
    return {
        "flag_masks": [int(m) for m in members],
        "flag_meanings": " ".join(str(m.name).lower() for m in members),
    }


def _of_atmosphere(group: str, what: str) -> list[Variable]:
    stratified = [
        Variable(
            f"{group}/{name}", ("log_tau",), attrs={"units": unit, "long_name": f"{what}{LONG_NAMES[name]}"}
        )
        for name, unit in STRATIFIED.items()
    ]
    scalars = [
        Variable(f"{group}/{name}", attrs={"units": unit or "1", "long_name": f"{what}{LONG_NAMES[name]}"})
        for name, unit in SCALAR.items()
    ]
    return stratified + scalars


def component_group(name: str, component: int) -> str:
    """Group of a component, counted from 0: ``atmosphere``, ``atmosphere_2``."""
    return name if component == 0 else f"{name}_{component + 1}"


#: dimension of I, Q, U, V. Not "stokes": an array that bears the name of one of its dimensions is taken by
#: xarray for a coordinate, and its pixels cannot be selected
STOKES_AXIS: Final = "stokes_parameter"

#: what belongs to the attempt that won and is replaced as a whole by a better one
FIT: Final = (
    Variable(
        "fit/stokes",
        (STOKES_AXIS, "wavelength"),
        attrs={"units": "1", "long_name": "fitted Stokes profiles over the continuum reference"},
    ),
    Variable("fit/chi2", attrs={"units": "1", "long_name": "reduced chi-square of the fit"}),
    Variable(
        "fit/chi2_stokes",
        (STOKES_AXIS,),
        attrs={"units": "1", "long_name": "mean squared residual over variance, per Stokes parameter"},
    ),
    Variable("fit/chi2_engine", attrs={"units": "1", "long_name": "the engine's own merit figure"}),
    Variable(
        "fit/status", dtype="uint8", fill=0, attrs={"long_name": "how it ended", **_flags(Status, "not_run")}
    ),
    Variable(
        "fit/start", dtype="uint8", fill=0, attrs={"long_name": "the start that won", **_flags(Start, None)}
    ),
    Variable(
        "fit/cycles",
        dtype="int32",
        fill=0,
        attrs={"long_name": "cycles that ran: bit i set = cycle i of the plan, from 0"},
    ),
    Variable(
        "fit/best_cycle",
        dtype="int32",
        fill=-1,
        attrs={"long_name": "cycle whose result is kept, from 0; -1 = the start"},
    ),
    Variable("fit/iterations", dtype="int32", fill=0, attrs={"long_name": "iterations"}),
    Variable("fit/message", dtype="str", fill="", attrs={"long_name": "reason; empty where the pixel is ok"}),
)
#: what is known of a pixel whichever attempt won
BOOK: Final = (
    Variable("fit/novelty", attrs={"units": "1", "long_name": "novelty of the profile to the network"}),
    Variable(
        "fit/gate",
        dtype="uint8",
        fill=0,
        attrs={"long_name": "why the pixel was inverted again", **_masks(Reason)},
    ),
    Variable(
        "fit/chi2_assisted", attrs={"units": "1", "long_name": "reduced chi-square of the assisted run"}
    ),
    Variable(
        "fit/chi2_scout",
        attrs={"units": "1", "long_name": "reduced chi-square of the assisted cycles from another start"},
    ),
    Variable("fit/chi2_full", attrs={"units": "1", "long_name": "reduced chi-square of the full cycles"}),
    Variable(
        "fit/gate_start",
        dtype="uint8",
        fill=0,
        attrs={"long_name": "start of the second run that won: n = the n-th of /gate.starts, 0 = none"},
    ),
    Variable("fit/seconds", attrs={"units": "s", "long_name": "CPU time in the engine, all attempts"}),
)


def cycle_group(cycle: int) -> str:
    """Group of a cycle, counted from 0: ``cycle_1`` is the first, as the codes number their files."""
    return f"cycle_{cycle + 1}"


def _of_cycle(cycle: int, n_component: int) -> list[Variable]:
    group, what = cycle_group(cycle), f"after cycle {cycle + 1}: "
    found: list[Variable] = []
    for component in range(n_component):
        of = "" if n_component == 1 else f"component {component + 1}: "
        found += _of_atmosphere(f"{group}/{component_group('atmosphere', component)}", what + of)
    stokes, chi2 = (replace(variable, path=f"{group}/{variable.path}") for variable in FIT[:2])
    return [*found, stokes, chi2]


def attempt_variables(n_component: int, n_cycle: int = 0) -> tuple[Variable, ...]:
    """Variables that one attempt fills; those of every cycle where ``n_cycle`` of them are to be stored."""
    found: list[Variable] = []
    for component in range(n_component):
        of = "" if n_component == 1 else f"component {component + 1}: "
        found += _of_atmosphere(component_group("atmosphere", component), of)
        found += _of_atmosphere(component_group("uncertainty", component), f"{of}1 sigma of the ")
        found += _of_atmosphere(component_group("initial", component), f"{of}start of the ")
    for cycle in range(n_cycle):
        found += _of_cycle(cycle, n_component)
    return (*found, *FIT)


def result_variables(n_component: int, n_cycle: int = 0) -> tuple[Variable, ...]:
    """Everything that a tile's results fill; ``n_cycle`` as of `attempt_variables`."""
    return (*attempt_variables(n_component, n_cycle), *BOOK)


def blank(variables: tuple[Variable, ...], n_pixel: int, sizes: Mapping[str, int]) -> Arrays:
    """Arrays of n pixels filled with each variable's fill value.

    Parameters
    ----------
    variables : tuple of Variable
    n_pixel : int
    sizes : mapping
        Length of the dimensions log_tau, stokes and wavelength.
    """
    arrays: Arrays = {}
    for variable in variables:
        shape = (n_pixel, *(sizes[d] for d in variable.dims))
        dtype: Any = object if variable.dtype == "str" else variable.dtype
        arrays[variable.path] = np.full(shape, variable.fill, dtype=dtype)
    return arrays


def put_atmosphere(arrays: Arrays, group: str, rows: npt.ArrayLike, atmosphere: Atmosphere) -> None:
    """Write atmospheres into the rows of a group; absent fields stay as they are."""
    where = np.asarray(rows)
    for name, values in atmosphere.arrays().items():
        arrays[f"{group}/{name}"][where] = values


def put_results(
    arrays: Arrays, rows: npt.NDArray[np.int64], results: InvertResults, taken: npt.NDArray[np.int64]
) -> None:
    """Write some of the results of a message.

    Parameters
    ----------
    arrays : Arrays
    rows : ndarray (k,) int
        Where they go.
    results : InvertResults
    taken : ndarray (k,) int
        Which of the message's pixels, in the order of ``rows``.
    """
    for component, (atmosphere, uncertainty) in enumerate(
        zip(results.atmosphere, results.uncertainty, strict=True)
    ):
        put_atmosphere(arrays, component_group("atmosphere", component), rows, atmosphere.take(taken))
        put_atmosphere(arrays, component_group("uncertainty", component), rows, uncertainty.take(taken))
    arrays["fit/stokes"][rows] = results.fit[taken]
    arrays["fit/status"][rows] = np.array([int(s) for s in results.status], np.uint8)[taken]
    arrays["fit/message"][rows] = np.array(results.message, dtype=object)[taken]
    for name in ("chi2", "chi2_stokes", "chi2_engine", "cycles", "best_cycle", "iterations"):
        arrays[f"fit/{name}"][rows] = getattr(results, name)[taken]
    for one in results.by_cycle:
        group = cycle_group(one.cycle)
        for component, atmosphere in enumerate(one.atmosphere):
            put_atmosphere(
                arrays, f"{group}/{component_group('atmosphere', component)}", rows, atmosphere.take(taken)
            )
        arrays[f"{group}/fit/stokes"][rows] = one.fit[taken]
        arrays[f"{group}/fit/chi2"][rows] = one.chi2[taken]


def adopt(kept: Arrays, other: Arrays, where: npt.NDArray[np.bool_], paths: tuple[str, ...]) -> None:
    """Replace the chosen pixels of one attempt by those of another."""
    for path in paths:
        kept[path][where] = other[path][where]
