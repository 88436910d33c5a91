"""Model atmospheres, ``.mod``: SIR's cm/s and per cent against the contract's km/s and fractions."""

from __future__ import annotations

from typing import Final

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.sir_files.text import SirFileError, columns, number, numbered

#: km/s → cm/s
CM_PER_KM: Final = 1.0e5
#: columns after log τ of every file, and those that a full one adds
SHORT_COLUMNS: Final = (
    "temperature",
    "electron_pressure",
    "microturbulence",
    "field_strength",
    "velocity",
    "inclination",
    "azimuth",
)
FULL_COLUMNS: Final = ("height", "gas_pressure", "density")
N_SHORT: Final = 1 + len(SHORT_COLUMNS)
N_FULL: Final = N_SHORT + len(FULL_COLUMNS)


def parse_model(text: str, name: str) -> Atmosphere:
    """A model atmosphere.

    Parameters
    ----------
    text : str
        First line macroturbulence [km/s], filling factor and stray light [%]; then log τ (decreasing), T [K],
        Pe [dyn/cm²], microturbulence [cm/s], B [G], velocity [cm/s, > 0 = receding], γ and φ [degrees], and
        optionally z [km], Pg [dyn/cm²] and ρ [g/cm³].
    name : str
        File name for messages.

    Returns
    -------
    Atmosphere
        One pixel, in the contract's units.

    Raises
    ------
    SirFileError
        With the line number, where the file is not as above.
    """
    lines = list(numbered(text))
    if not lines:
        raise SirFileError(f"{name}: model: the file is empty")
    count, header = lines[0]
    where = f"{name}: line {count}"
    fields = header.replace(",", " ").split()
    # two numbers occur in old files: stray light is then none
    if len(fields) not in (2, 3):
        raise SirFileError(
            f"{where}: model header: expected macroturbulence [km/s], filling factor and stray light [%], "
            f"found {header.strip()!r}"
        )
    labels = ("macroturbulence", "filling factor", "stray light")
    values = [number(field, where, label) for field, label in zip(fields, labels, strict=False)]
    macroturbulence, filling, stray = (*values, 0.0)[:3]
    if not 0.0 <= filling <= 1.0:
        raise SirFileError(f"{where}: filling factor: expected a value in [0, 1], found {filling:g}")
    if not 0.0 <= stray <= 100.0:
        raise SirFileError(f"{where}: stray light: expected per cent in [0, 100], found {stray:g}")

    # blank lines keep the line numbers of the table right
    table = "\n" * count + "\n".join(text.splitlines()[count:])
    numbers, rows = columns(table, name, (N_SHORT, N_FULL), "model")
    steps = np.diff(rows[:, 0])
    if (steps >= 0).any():
        wrong = numbers[int(np.flatnonzero(steps >= 0)[0]) + 1]
        raise SirFileError(f"{name}: line {wrong}: log τ must decrease from row to row (deepest first)")
    if (rows[:, 1] <= 0).any():
        wrong = numbers[int(np.flatnonzero(rows[:, 1] <= 0)[0])]
        raise SirFileError(f"{name}: line {wrong}: temperature: expected a positive value [K]")
    column = rows.T[:, None, :]
    full = rows.shape[1] == N_FULL
    return Atmosphere(
        log_tau=rows[:, 0],
        temperature=column[1],
        electron_pressure=column[2],
        microturbulence=column[3] / CM_PER_KM,
        field_strength=column[4],
        velocity=column[5] / CM_PER_KM,
        inclination=column[6],
        azimuth=column[7],
        macroturbulence=np.array([macroturbulence]),
        filling_factor=np.array([filling]),
        stray_light=np.array([stray / 100.0]),
        height=column[8] if full else None,
        gas_pressure=column[9] if full else None,
        density=column[10] if full else None,
    )


def format_model(atmosphere: Atmosphere, pixel: int = 0) -> str:
    """A model atmosphere as SIR reads it, eleven columns where all are known, else eight.

    Parameters
    ----------
    atmosphere : Atmosphere
    pixel : int
        Which of its pixels.

    Raises
    ------
    InvalidArgumentError
        The electron pressure is missing (SIR takes it as given), or a value is not finite.
    """
    if atmosphere.electron_pressure is None:
        raise InvalidArgumentError(
            "model: SIR's .mod needs the electron pressure, and the atmosphere has none"
        )
    one = atmosphere.take([pixel])
    bad = [name for name, array in one.arrays().items() if not np.isfinite(array).all()]
    if bad:
        raise InvalidArgumentError(
            f"model of pixel {pixel}: {', '.join(bad)} hold values that are not finite"
        )
    lines = [
        f"{one.macroturbulence[0]:14.7E} {one.filling_factor[0]:14.7E} {100.0 * one.stray_light[0]:14.7E}"
    ]
    fields = one.arrays()
    names = SHORT_COLUMNS + (FULL_COLUMNS if all(name in fields for name in FULL_COLUMNS) else ())
    scale = {"microturbulence": CM_PER_KM, "velocity": CM_PER_KM}
    for depth, log_tau in enumerate(one.log_tau):
        values = ((name, float(fields[name][0, depth]) * scale.get(name, 1.0)) for name in names)
        cells = [f"{value:{'9.2f' if name == 'temperature' else '13.6E'}}" for name, value in values]
        lines.append(" ".join([f"{log_tau:9.4f}", *cells]))
    return "\n".join(lines) + "\n"
