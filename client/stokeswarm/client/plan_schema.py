"""The schema of plan files: TOML tables to the contract's plan (described in docs/reference/plans.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from stokeswarm.client.plan_options import ATOM, MOLECULE, models_of, options_of
from stokeswarm.client.plan_table import Table
from stokeswarm.client.sources import load
from stokeswarm.contract.abundances import SYMBOLS, abundance_table
from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.instrument import gaussian_psf, instrument
from stokeswarm.contract.plan import QUANTITIES, Cycle, Line, Nodes, Plan, Psf, Region
from stokeswarm.contract.sir_files import parse_abundances, parse_lines, parse_psf
from stokeswarm.contract.status import ContinuumReference

#: samples per full width of a Gaussian PSF
PSF_SAMPLES: Final = 5.0
DEFAULT_ABUNDANCES: Final = "asplund-2009"
#: what the plan's wavelengths are measured in
MEDIA: Final = ("air", "vacuum")
#: a table without elements, to give every abundance oneself
NO_TABLE: Final = "none"
#: a file that the plan names → its path or URL
Locate = Callable[[str, Table, str], str]


def plan_from_table(table: Table, locate: Locate) -> Plan:
    """The plan of a file's top table; keys that belong to the project are left in it.

    Parameters
    ----------
    table : Table
    locate : callable
        (name, table, key) → path of a file that the plan names.

    Raises
    ------
    PlanError
        A value is missing, of the wrong kind or out of its range.
    NotFoundError
        A named file, table, instrument or preset does not exist.
    """
    regions, instrument_noise = _regions(table, locate)
    depth = table.table("depth") or Table({}, f"{table.where} [depth]")
    values: dict[str, Any] = {
        "name": table.text("name"),
        "regions": regions,
        "cycles": tuple(_cycle(cycle) for cycle in table.tables("cycle")),
        "abundances": _abundances(table, locate),
        "noise": _four(table, "noise", instrument_noise),
        "top_gas_pressure": _one_or_more(table, "top_gas_pressure"),
        "limits": _limits(table.table("limits")),
        "reference": _reference(table),
        "options": options_of(table),
        "atoms": models_of(table, ATOM),
        "molecules": models_of(table, MOLECULE),
        "vacuum": _vacuum(table),
    }
    for key in ("mu", "svd_tolerance", "initial_damping", "pixel_timeout"):
        if key in table:
            values[key] = table.number(key)
        else:
            table.take(key)
    for key in ("bottom", "top", "step"):
        if key in depth:
            values[f"depth_{key}"] = depth.number(key)
        else:
            depth.take(key)
    if "max_iterations" in table:
        values["max_iterations"] = table.whole("max_iterations")
    table.take("max_iterations")
    depth.finish()
    try:
        return Plan(**values)
    except PlanError as error:
        raise PlanError(f"{table.where}: {error}") from error


def _regions(table: Table, locate: Locate) -> tuple[tuple[Region, ...], float | None]:
    """Regions, and the noise of the instrument where one is named."""
    name = table.text("instrument", "")
    default = _psf(table, locate)
    rows = table.tables("region")
    lines = _lines(table, locate)
    if name:
        if rows or lines:
            raise table.error(
                "instrument", "brings its own regions and lines: leave out [[region]] and [[line]]"
            )
        try:
            known = instrument(name)
        except NotFoundError as error:
            raise NotFoundError(f"{table.where}: {error}") from error
        if default is _UNSET:
            return known.regions, known.noise
        return tuple(replace(region, psf=default) for region in known.regions), known.noise
    if not rows:
        raise table.missing("instrument", "region", hint="give [[region]] tables, or an instrument's name")
    default = None if default is _UNSET else default
    return tuple(_region(row, lines, default, locate) for row in rows), None


def _region(row: Table, lines: Mapping[int, Line], default: Psf | None, locate: Locate) -> Region:
    indices = row.wholes("lines")
    if not indices:
        raise row.missing("lines", hint="name the lines by their index, the reference line first")
    missing = [index for index in indices if index not in lines]
    if missing:
        known = ", ".join(map(str, sorted(lines))) or "none"
        raise row.error("lines", f"no line has index {missing[0]} (there are {known})")
    psf = _psf(row, locate)
    samples = row.numbers("samples")
    ends = (samples[0], samples[-1]) if samples else (None, None)
    values = (row.number("start", ends[0]), row.number("stop", ends[1]), row.number("step", 0.0))
    psf = default if psf is _UNSET else psf
    name = row.text("name", f"region {row.where.rsplit(' ', 1)[-1]}")
    row.finish()
    try:
        return Region(name, tuple(lines[i] for i in indices), *values, psf=psf, samples=samples)
    except PlanError as error:
        raise PlanError(f"{row.where}: {error}") from error


def _lines(table: Table, locate: Locate) -> dict[int, Line]:
    lines: dict[int, Line] = {}
    name = table.text("line_list", "")
    if name:
        lines |= load(locate(name, table, "line_list"), parse_lines)
    for row in table.tables("line"):
        line = _line(row)
        if line.index in lines:
            raise row.error("index", f"{line.index} occurs twice")
        lines[line.index] = line
    return lines


def _line(row: Table) -> Line:
    lande = row.number("effective_lande") if "effective_lande" in row else row.take("effective_lande")
    values: dict[str, Any] = {
        "index": row.whole("index"),
        "element": row.text("element"),
        "ion": row.whole("ion"),
        "wavelength": row.number("wavelength"),
        "excitation": row.number("excitation"),
        "log_gf": row.number("log_gf"),
        "lower_term": "".join(row.text("lower_term").split()),
        "upper_term": "".join(row.text("upper_term").split()),
        "damping_factor": row.number("damping_factor", 1.0),
        "abo_alpha": row.number("abo_alpha", 0.0),
        "abo_sigma": row.number("abo_sigma", 0.0),
        "effective_lande": lande,
    }
    row.finish()
    try:
        return Line(**values)
    except PlanError as error:
        raise PlanError(f"{row.where}: {error}") from error


class _Unset:
    """No PSF is said, which differs from none."""


_UNSET: Final = _Unset()


def _psf(table: Table, locate: Locate) -> Any:
    """The PSF of a table: a `Psf`, None where it says ``psf = false``, `_UNSET` where it says nothing."""
    if "psf" not in table:
        table.take("psf")
        return _UNSET
    value = table.take("psf")
    if value is False:
        return None
    if not isinstance(value, Mapping):
        raise table.error("psf", f"expected a table or false, found {value!r}")
    psf = Table(value, f"{table.where} [psf]")
    kinds = [key for key in ("file", "gaussian_fwhm", "offset") if key in psf]
    if len(kinds) != 1:
        raise psf.error("psf", "expected one of file, gaussian_fwhm [mÅ], or offset [mÅ] with transmission")
    file, name = psf.text("file", ""), psf.text("name", "")
    offset, transmission = psf.numbers("offset"), psf.numbers("transmission")
    width = psf.number("gaussian_fwhm", 0.0)
    psf.finish()
    if file:
        return load(locate(file, psf, "file"), parse_psf)
    if offset:
        return Psf(offset, transmission, name)
    if width <= 0:
        raise psf.error("gaussian_fwhm", f"expected a positive width [mÅ], found {width:g}")
    return gaussian_psf(width, width / PSF_SAMPLES, name)


def _cycle(table: Table) -> Cycle:
    first = _nodes(table)
    second = table.table("second")
    components: tuple[Nodes, ...] = (first,)
    if second is not None:
        components = (first, _nodes(second))
        second.finish()
    weights = table.numbers("weights", count=4) or (1.0, 1.0, 1.0, 1.0)
    values = {key: table.flag(key) for key in ("filling_factor", "stray_light", "automatic")}
    table.finish()
    try:
        return Cycle(components, weights=(weights[0], weights[1], weights[2], weights[3]), **values)
    except PlanError as error:
        raise PlanError(f"{table.where}: {error}") from error


def _nodes(table: Table) -> Nodes:
    try:
        counts = {quantity: table.whole(quantity, 0) for quantity in QUANTITIES}
        return Nodes(**counts, macroturbulence=table.flag("macroturbulence"))
    except PlanError as error:
        message = str(error)
        raise PlanError(
            message if message.startswith(table.where) else f"{table.where}: {message}"
        ) from error


def _abundances(table: Table, locate: Locate) -> tuple[float, ...]:
    chosen = table.table("abundances") or Table({}, f"{table.where} [abundances]")
    file, name = chosen.text("file", ""), chosen.text("table", "")
    if file and name:
        raise chosen.error("file", "give a file or a table, not both")
    if file:
        values = list(load(locate(file, chosen, "file"), parse_abundances))
    else:
        values = _named_abundances(name or DEFAULT_ABUNDANCES, chosen)
    for symbol, value in chosen.rest().items():
        if symbol not in SYMBOLS or isinstance(value, bool) or not isinstance(value, int | float):
            raise chosen.error(symbol, f"expected element = log10 ε (H = 12), found {value!r}")
        values[SYMBOLS.index(symbol)] = float(value)
    return tuple(values)


def _named_abundances(name: str, table: Table) -> list[float]:
    if name == NO_TABLE:
        return [float("nan")] * len(SYMBOLS)
    try:
        return [float(value) for value in abundance_table(name)]
    except NotFoundError as error:
        raise NotFoundError(f"{table.where}: {error}") from error


def _limits(table: Table | None) -> dict[str, tuple[float, float]]:
    limits: dict[str, tuple[float, float]] = {}
    if table is None:
        return limits
    for quantity, pair in table.rest().items():
        if not isinstance(pair, list) or len(pair) != 2 or any(not isinstance(v, int | float) for v in pair):
            raise table.error(quantity, f"expected [lower, upper], found {pair!r}")
        limits[quantity] = (float(pair[0]), float(pair[1]))
    return limits


def _reference(table: Table) -> ContinuumReference:
    names = [kind.value for kind in ContinuumReference]
    value = table.text("reference", ContinuumReference.LOCAL_QUIET_SUN.value)
    if value not in names:
        raise table.error("reference", f"expected {' or '.join(names)}, found {value!r}")
    return ContinuumReference(value)


def _vacuum(table: Table) -> bool:
    medium = table.text("wavelengths", MEDIA[0])
    if medium not in MEDIA:
        raise table.error("wavelengths", f"expected {' or '.join(MEDIA)}, found {medium!r}")
    return medium == MEDIA[1]


def _four(table: Table, key: str, default: float | None) -> tuple[float, ...]:
    """One number for all Stokes parameters, or four."""
    if key not in table:
        table.take(key)
        return (1e-3 if default is None else default,) * 4
    value = table.take(key)
    inner = Table({key: value if isinstance(value, list) else [value]}, table.where)
    numbers = inner.numbers(key)
    if len(numbers) not in (1, 4):
        raise table.error(key, f"expected one number or four (I Q U V), found {value!r}")
    return numbers * 4 if len(numbers) == 1 else numbers


def _one_or_more(table: Table, key: str) -> tuple[float, ...]:
    value = table.take(key, [])
    return Table({key: value if isinstance(value, list) else [value]}, table.where).numbers(key)
