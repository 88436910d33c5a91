"""A plan as a TOML file, complete and exact: reading it back gives the same plan."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from stokeswarm.client.plan_options import ATOM, MOLECULE, format_models, format_options
from stokeswarm.client.plan_schema import MEDIA, NO_TABLE
from stokeswarm.contract.abundances import SYMBOLS, TABLES, abundance_table
from stokeswarm.contract.plan import QUANTITIES, Cycle, Line, Nodes, Plan, Psf


def format_plan(plan: Plan, start: str = "") -> str:
    """A plan as the text of a TOML file.

    Parameters
    ----------
    plan : Plan
    start : str
        Name of a model atmosphere for ``[start]``.

    Returns
    -------
    str
        Every value is written out, so the file does not depend on defaults or other files.

    Raises
    ------
    PlanError
        The plan holds options of an engine that plan files do not know.
    """
    head = [
        ("name", plan.name),
        ("reference", plan.reference.value),
        ("wavelengths", MEDIA[plan.vacuum]),
        ("mu", plan.mu),
        ("noise", list(plan.noise)),
        ("top_gas_pressure", list(plan.top_gas_pressure)),
        ("svd_tolerance", plan.svd_tolerance),
        ("initial_damping", plan.initial_damping),
        ("max_iterations", plan.max_iterations),
        ("pixel_timeout", plan.pixel_timeout),
    ]
    text = [_rows(head)]
    text.append(
        "[depth]\n"
        + _rows([("bottom", plan.depth_bottom), ("top", plan.depth_top), ("step", plan.depth_step)])
    )
    text.append("[abundances]\n" + _abundances(plan.abundances))
    lines: dict[int, Line] = {}
    for region in plan.regions:
        for line in region.lines:
            lines.setdefault(line.index, line)
    text += ["[[line]]\n" + _line(line) for line in lines.values()]
    for region in plan.regions:
        values: list[tuple[str, Any]] = [
            ("name", region.name),
            ("lines", [line.index for line in region.lines]),
            ("start", region.start),
            ("stop", region.stop),
            ("samples", region.samples) if region.samples else ("step", region.step),
        ]
        if region.psf is None:
            values.append(("psf", False))
        text.append("[[region]]\n" + _rows(values) + ("" if region.psf is None else _psf(region.psf)))
    text += ["[[cycle]]\n" + _cycle(cycle) for cycle in plan.cycles]
    if plan.limits:
        text.append("[limits]\n" + _rows((name, list(pair)) for name, pair in plan.limits.items()))
    text += format_models(plan.atoms, ATOM) + format_models(plan.molecules, MOLECULE)
    text += format_options(plan.options)
    if start:
        text.append("[start]\n" + _rows([("model", start)]))
    return "\n".join(text)


def _value(value: Any) -> str:
    """A TOML value; TOML's basic strings escape as JSON's do."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON leaves DEL as it is, TOML does not allow it
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        # repr keeps every bit; TOML wants a point or an exponent, which repr of a float always has
        return repr(float(value))
    return f"[{', '.join(_value(item) for item in value)}]"


def _rows(pairs: Iterable[tuple[str, Any]]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in pairs)


def _line(line: Line) -> str:
    names = (
        "index",
        "element",
        "ion",
        "wavelength",
        "excitation",
        "log_gf",
        "lower_term",
        "upper_term",
        "damping_factor",
        "abo_alpha",
        "abo_sigma",
    )
    rows = _rows((name, getattr(line, name)) for name in names)
    return rows + ("" if line.effective_lande is None else _rows([("effective_lande", line.effective_lande)]))


def _psf(psf: Psf) -> str:
    return "[region.psf]\n" + _rows(
        [("name", psf.name), ("offset", psf.offset), ("transmission", psf.transmission)]
    )


def _cycle(cycle: Cycle) -> str:
    rows = _rows(_node_rows(cycle.components[0]))
    rows += _rows(
        [
            ("weights", cycle.weights),
            ("filling_factor", cycle.filling_factor),
            ("stray_light", cycle.stray_light),
            ("automatic", cycle.automatic),
        ]
    )
    if len(cycle.components) > 1:
        rows += "[cycle.second]\n" + _rows(_node_rows(cycle.components[1]))
    return rows


def _node_rows(nodes: Nodes) -> list[tuple[str, Any]]:
    return [
        *((name, getattr(nodes, name)) for name in QUANTITIES),
        ("macroturbulence", nodes.macroturbulence),
    ]


def _abundances(values: tuple[float, ...]) -> str:
    """A table's name with what differs from it; elements that are absent need a table without them."""
    for name in TABLES:
        table = [float(value) for value in abundance_table(name)]
        absent = [math.isnan(value) for value in table]
        if absent == [math.isnan(value) for value in values]:
            changed = [
                (symbol, value)
                for symbol, value, known in zip(SYMBOLS, values, table, strict=True)
                if not math.isnan(value) and value != known
            ]
            return _rows([("table", name), *changed])
    present = [
        (symbol, value) for symbol, value in zip(SYMBOLS, values, strict=True) if not math.isnan(value)
    ]
    return _rows([("table", NO_TABLE), *present])
