"""Model atmospheres of one pixel: the contract's arrays as ``.mod`` files and back.

A file's line 1 is macroturbulence [km/s], filling factor and stray light [%]; its rows are log τ, T [K], Pe
[dyn cm⁻²], microturbulence [cm/s], B [G], velocity [cm/s], γ, φ [degrees], z [km], Pg [dyn cm⁻²], ρ [g cm⁻³].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.plan import Cycle
from stokeswarm.contract.sir_files.models import CM_PER_KM, FULL_COLUMNS, SHORT_COLUMNS
from stokeswarm.inversion.engines.sir.fortran import OutputError, numbers
from stokeswarm.inversion.engines.sir.texts import DIGITS

Floats = npt.NDArray[np.float64]

#: fields in the order of a file's columns, after log τ
COLUMNS: Final = SHORT_COLUMNS + FULL_COLUMNS
#: those of line 1
HEADER: Final = ("macroturbulence", "filling_factor", "stray_light")
#: columns in cm/s
_SPEEDS: Final = (COLUMNS.index("microturbulence"), COLUMNS.index("velocity"))
_INCLINATION: Final = COLUMNS.index("inclination")
_AZIMUTH: Final = COLUMNS.index("azimuth")
#: SIR perturbs these by factors, so that it STOPs at 0 and never leaves values near 0; and without a field
#: above 1 G anywhere it computes no polarisation. Where one is inverted, its start is raised to that: G, km/s
LOWEST_FIELD: Final = 10.0
LOWEST_MICROTURBULENCE: Final = 0.1
LOWEST_MACROTURBULENCE: Final = 0.1
#: a free fraction starts at least that far from 0 and 1
LOWEST_FRACTION: Final = 1e-3
#: temperatures [K] that SIR writes where its own are higher: as an error it means "no idea"
_CEILING: Final = 9.999e4
#: what the printed log τ may differ by
_SAME_DEPTH: Final = 2e-3


class ModelWriter:
    """Writes models on one depth axis.

    Parameters
    ----------
    log_tau : ndarray (n_depth,) float64
    """

    def __init__(self, log_tau: Floats) -> None:
        cell = f"%.{DIGITS}g"
        row = " ".join([cell] * len(COLUMNS))
        self._template = f"{cell} {cell} {cell}\n" + "".join(
            f"{depth:.{DIGITS}g} {row}\n" for depth in log_tau.tolist()
        )

    def text(self, values: Floats, header: Floats) -> str:
        """A file; see `pixel_values`."""
        return self._template % (*header.tolist(), *values.T.ravel().tolist())


def pixel_values(atmosphere: Atmosphere, row: int) -> tuple[Floats, Floats]:
    """One pixel in SIR's units.

    Returns
    -------
    ndarray (10, n_depth) float64
        Columns; pressures, height and density are 0 where the atmosphere has none.
    ndarray (3,) float64
        Line 1.
    """
    values = np.zeros((len(COLUMNS), atmosphere.n_depth))
    for column, name in enumerate(COLUMNS):
        array = getattr(atmosphere, name)
        if array is not None:
            values[column] = array[row]
    values[_SPEEDS, :] *= CM_PER_KM
    values[~np.isfinite(values)] = 0.0
    header = np.array([getattr(atmosphere, name)[row] for name in HEADER])
    header[2] *= 100.0
    return values, header


def has_pressure(atmosphere: Atmosphere) -> npt.NDArray[np.bool_]:
    """Pixels (n,) whose electron pressure is there and positive at every depth."""
    pressure = atmosphere.electron_pressure
    if pressure is None:
        return np.zeros(len(atmosphere), dtype=np.bool_)
    return np.asarray((np.isfinite(pressure) & (pressure > 0)).all(axis=1))


def startable(values: Floats, header: Floats, cycles: Sequence[Cycle], component: int) -> None:
    """Raise what is inverted, and is too small for a factor to change it; in place.

    That is a quantity that is exactly 0 somewhere (the codes stop there) or below its limit everywhere. One
    that is small at some depths only is a legal start, and left as it is.

    Parameters
    ----------
    values, header : ndarray
        Of `pixel_values`.
    cycles : sequence of Cycle
        Those that run.
    component : int
    """
    nodes = [cycle.components[component] for cycle in cycles]
    field, micro = COLUMNS.index("field_strength"), COLUMNS.index("microturbulence")
    if any(n.field_strength for n in nodes):
        _raise(values[field], LOWEST_FIELD)
    if any(n.microturbulence for n in nodes):
        _raise(values[micro], LOWEST_MICROTURBULENCE * CM_PER_KM)
    if any(n.macroturbulence for n in nodes) and header[0] == 0.0:
        header[0] = LOWEST_MACROTURBULENCE
    if any(cycle.stray_light for cycle in cycles):
        header[2] = min(max(header[2], 100.0 * LOWEST_FRACTION), 100.0 * (1.0 - LOWEST_FRACTION))


def _raise(row: Floats, lowest: float) -> None:
    if bool((row == 0.0).any()) or float(row.max()) < lowest:
        np.maximum(row, lowest, out=row)


def fractions(headers: Sequence[Floats], cycles: Sequence[Cycle]) -> None:
    """Make filling factors add up to 1, and leave room where they are free; in place.

    The second component's counts, as everywhere; SIR takes the stray light of the first.
    """
    if len(headers) == 1:
        headers[0][1] = 1.0
        return
    first, second = headers
    second[2] = first[2]
    wanted = float(second[1])
    if any(cycle.filling_factor for cycle in cycles):
        wanted = min(max(wanted, LOWEST_FRACTION), 1.0 - LOWEST_FRACTION)
    if wanted != second[1] or abs(first[1] + wanted - 1.0) > 1e-6:
        first[1], second[1] = 1.0 - wanted, wanted


def parse(data: bytes, name: str, log_tau: Floats, *, errors: bool = False) -> tuple[Floats, Floats]:
    """A file that SIR wrote, in SIR's units.

    Parameters
    ----------
    data : bytes
    name : str
        For messages.
    log_tau : ndarray (n_depth,) float64
    errors : bool
        Whether it is an ``.err`` file, where the depths of a second component are differences, too: 0.

    Returns
    -------
    ndarray (10, n_depth), ndarray (3,) float64

    Raises
    ------
    OutputError
        It is not a whole model on this depth axis.
    """
    table = numbers(data, name)
    n_column = 1 + len(COLUMNS)
    if table.size != len(HEADER) + log_tau.size * n_column:
        raise OutputError(
            f"{name}: expected {log_tau.size} rows of {n_column} numbers, found {table.size} numbers in all"
        )
    rows = table[len(HEADER) :].reshape(-1, n_column).T
    if not errors and np.abs(rows[0] - log_tau).max() > _SAME_DEPTH:
        raise OutputError(f"{name}: its depths are not those of the start")
    return rows[1:].copy(), table[: len(HEADER)].copy()


def folded(values: Floats) -> Floats:
    """The same field with γ in 0–180 and φ in 0–180 degrees; in place.

    (−γ, φ) and (360° − γ, φ) are (γ, φ + 180°), and φ is ambiguous by 180° anyway.
    """
    gamma = np.mod(values[_INCLINATION], 360.0)
    values[_INCLINATION] = np.where(gamma > 180.0, 360.0 - gamma, gamma)
    values[_AZIMUTH] = np.mod(values[_AZIMUTH], 180.0)
    return values


def to_fields(values: Floats, header: Floats) -> dict[str, Floats]:
    """Name → row (n_depth,) or number (), in the contract's units."""
    units = np.ones(len(COLUMNS))
    units[list(_SPEEDS)] = CM_PER_KM
    scaled = values / units[:, None]
    fields = {name: scaled[column] for column, name in enumerate(COLUMNS)}
    return fields | {
        name: np.asarray(header[i] * (0.01 if name == "stray_light" else 1.0))
        for i, name in enumerate(HEADER)
    }


def atmosphere_of(log_tau: Floats, pixels: Sequence[dict[str, Floats] | None]) -> Atmosphere:
    """Pixels as an atmosphere, NaN where there is none."""
    k = len(pixels)
    arrays: dict[str, Floats] = {
        name: np.full((k, log_tau.size) if name in STRATIFIED else k, np.nan)
        for name in (*STRATIFIED, *SCALAR)
    }
    for i, pixel in enumerate(pixels):
        if pixel is not None:
            for name, value in pixel.items():
                arrays[name][i] = value
    return Atmosphere(log_tau=log_tau, **arrays)


def errors_of(values: Floats, header: Floats, cycles: Sequence[Cycle], component: int) -> dict[str, Floats]:
    """Errors (1σ) of what was free, in the contract's units; NaN elsewhere.

    Parameters
    ----------
    values, header : ndarray
        Of an ``.err`` file: the difference that one σ of every node makes, 0 where there is none. Pressures,
        heights and densities follow from the temperature.
    cycles : sequence of Cycle
        Those that ran, up to the one the file is of.
    component : int
    """
    values = np.where(values <= 0.0, np.nan, values)
    values[0, values[0] >= _CEILING] = np.nan
    fields = to_fields(values, np.where(header <= 0.0, np.nan, header))
    nodes = [cycle.components[component] for cycle in cycles]
    free = {name: any(getattr(n, name) for n in nodes) for name in SHORT_COLUMNS}
    follow = free["temperature"] or free["electron_pressure"]
    free |= dict.fromkeys(("electron_pressure", *FULL_COLUMNS), follow)
    free["macroturbulence"] = any(n.macroturbulence for n in nodes)
    free["filling_factor"] = any(cycle.filling_factor for cycle in cycles)
    free["stray_light"] = any(cycle.stray_light for cycle in cycles)
    return {name: value if free[name] else np.full_like(value, np.nan) for name, value in fields.items()}
