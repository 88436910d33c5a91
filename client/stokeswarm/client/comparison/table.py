"""A comparison as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE, Comparison, Row, TruthRow, Worst
from stokeswarm.client.comparison.statistics import Ellipse
from stokeswarm.client.plots.style import LOOKS

_NAMES: Final = {"microturbulence": "vmic", "macroturbulence": "vmac", "filling_factor": "filling"}
_UNITS: Final = {"km s-1": "km/s", "deg": "°", "1": ""}
_NOTHING: Final = "–"
#: worst pixels that are printed by χ² ratio; of each quantity the first
_PRINTED: Final = 5
_LEGEND: Final = (
    "r: Pearson, for χ circular; MAD: median absolute deviation; ellipse: semi-axes and tilt of that which "
    "holds 99 %; >{limit}σ: where the polarisation exceeds {limit} σ"
)


def render(found: Comparison, selection: str = ALL) -> Group:
    """Tables of a comparison.

    Parameters
    ----------
    found : Comparison
    selection : {"all", "reached_noise"}
        The pixels of the tables; the other selection's correlation stands beside.
    """
    beside = ALL if selection == REACHED_NOISE else REACHED_NOISE
    parts: list[RenderableType] = [
        Text(f"REF    {found.reference}"),
        Text(f"OTHER  {found.other}"),
        *([] if found.truth is None else [Text(f"truth  {found.truth}")]),
        Text(_counts(found), style="bold"),
        *(Text(f"note: {note}", style="yellow") for note in found.notes),
        Text(),
        Text(f"OTHER − REF over {_words(selection)}", style="bold"),
        _quantities(found, selection, beside),
        Text(_LEGEND.format(limit=f"{found.min_polarisation:g}"), style="dim"),
    ]
    if found.against_truth:
        parts += [Text(), Text(f"result − truth over {_words(selection)}", style="bold")]
        parts.append(_truth(found, selection))
    parts += [Text(), *_fits(found), Text(), Text("how the pixels ended", style="bold"), _status(found)]
    parts += _origins(found)
    if found.worst:
        parts += [Text(), Text("where they differ most (y, x of the observation)", style="bold")]
        parts.append(_worst(found))
    return Group(*parts)


def _counts(found: Comparison) -> str:
    text = f"{found.pixels[ALL]} pixels with a result in both, region {found.region}"
    if REACHED_NOISE in found.pixels and found.noise_limit is not None:
        text += f"; REF reached the noise (χ² ≤ {found.noise_limit:.3g}) in {found.pixels[REACHED_NOISE]}"
    return text


def _words(selection: str) -> str:
    return "the pixels where REF reached the noise" if selection == REACHED_NOISE else "all common pixels"


def _quantities(found: Comparison, selection: str, beside: str) -> Table:
    table = _table("", "log τ", "pixels", "r", "bias", "rms", "MAD", "99 % ellipse")
    other = REACHED_NOISE in found.pixels
    if other:
        table.add_column("r noise" if beside == REACHED_NOISE else "r all", justify="right", no_wrap=True)
    before = ""
    for row in found.rows:
        if row.selection != selection:
            continue
        label = _label(row, found.min_polarisation)
        numbers = row.agreement
        cells = [
            "" if label == before else label,
            _depth(row.log_tau),
            str(row.pixels),
            correlation(row.correlation),
            significant(numbers.bias),
            significant(numbers.rms),
            significant(numbers.deviation),
            _ellipse(numbers.ellipse),
        ]
        if other:
            match = found.row(
                row.quantity,
                row.log_tau,
                selection=beside,
                polarised=row.polarised,
                component=row.component,
            )
            cells.append(correlation(match.correlation))
        _add(table, cells)
        before = label
    return table


def _ellipse(shape: Ellipse | None) -> str:
    if shape is None:
        return _NOTHING
    tilt = f"{shape.tilt:.0f}°".replace("-", "−")
    return f"{significant(shape.major)} × {significant(shape.minor)} {tilt:>4}"


def _truth(found: Comparison, selection: str) -> Table:
    table = _table("", "log τ", "pixels", "rms REF", "rms OTHER", "ratio", "bias REF", "bias OTHER")
    before = ""
    for row in found.against_truth:
        if row.selection != selection:
            continue
        label = _label(row, found.min_polarisation)
        cells = [
            "" if label == before else label,
            _depth(row.log_tau),
            str(row.reference.pixels),
            significant(row.reference.rms),
            significant(row.other.rms),
            _ratio(row.ratio),
            significant(row.reference.bias),
            significant(row.other.bias),
        ]
        _add(table, cells)
        before = label
    return table


def _fits(found: Comparison) -> list[RenderableType]:
    parts: list[RenderableType] = [Text("χ² and cost", style="bold")]
    table = _table("χ² OTHER / REF", "pixels", "REF", "OTHER", "ratio", "99 %", "> 1.1", "< 0.9")
    for chi2 in found.chi2:
        cells = [
            "reached noise" if chi2.selection == REACHED_NOISE else "all",
            str(chi2.pixels),
            significant(chi2.reference, 3),
            significant(chi2.other, 3),
            _ratio(chi2.median),
            _ratio(chi2.p99),
            f"{100 * chi2.worse:.1f} %",
            f"{100 * chi2.better:.1f} %",
        ]
        _add(table, cells)
    parts.append(table if found.chi2 else Text("no χ² on both sides"))
    seconds = found.seconds
    if seconds is None:
        return [*parts, Text("no times on both sides")]
    text = f"core-seconds a pixel: REF {seconds.reference:.3g}, OTHER {seconds.other:.3g}"
    if math.isfinite(seconds.speedup):
        text += f"; OTHER takes {seconds.ratio:.2g} × REF's ({seconds.speedup:.3g} times fewer)"
    return [*parts, Text(f"{text}; all attempts counted")]


def _status(found: Comparison) -> Table | Text:
    if not found.ends.status:
        return Text("no statuses on both sides")
    columns = sorted({name for counts in found.ends.status.values() for name in counts})
    table = _table("REF \\ OTHER", *columns)
    for name, counts in sorted(found.ends.status.items()):
        _add(table, [name, *(str(counts.get(column, 0)) for column in columns)])
    return table


def _origins(found: Comparison) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if found.ends.lost or found.ends.gained:
        parts.append(Text(f"result in REF alone: {found.ends.lost}; in OTHER alone: {found.ends.gained}"))
    for name, side in (("REF", "reference"), ("OTHER", "other")):
        starts = ", ".join(f"{start} {count}" for start, count in found.ends.starts.get(side, {}).items())
        gate = dict(found.ends.gate.get(side, {}))
        sent = gate.pop("any", 0)
        text = f"{name:<6} starts: {starts or 'unknown'}"
        if sent:
            why = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in gate.items())
            text += f"; the gate sent back {sent} ({why})"
        parts.append(Text(text))
    return parts


def _worst(found: Comparison) -> Table:
    table = _table("", "log τ", "y", "x", "REF", "OTHER", "difference")
    shown: dict[tuple[str, int], int] = {}
    for pixel in found.worst:
        key = (pixel.quantity, pixel.component)
        shown[key] = shown.get(key, 0) + 1
        if shown[key] > (_PRINTED if pixel.quantity == "chi2" else 1):
            continue
        of_fit = pixel.quantity == "chi2"
        cells = [
            ("χ²" if shown[key] == 1 else "") if of_fit else _symbol(pixel),
            _depth(pixel.log_tau),
            str(pixel.y),
            str(pixel.x),
            significant(pixel.reference, 3),
            significant(pixel.other, 3),
            f"× {significant(pixel.difference, 3)}" if of_fit else significant(pixel.difference),
        ]
        _add(table, cells)
    return table


def _symbol(item: Row | TruthRow | Worst) -> str:
    look = LOOKS.get(item.quantity)
    name = _NAMES.get(item.quantity) or (look.label if look else item.quantity.replace("_", " "))
    return f"{name}₂" if getattr(item, "component", 1) == 2 else name


def _label(row: Row | TruthRow, limit: float) -> str:
    unit = _UNITS.get(row.unit, row.unit)
    name = f"{_symbol(row)} [{unit}]" if unit else _symbol(row)
    return f"{name} >{limit:g}σ" if row.polarised else name


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(Text(column), justify="right" if index else "left", no_wrap=True)
    return table


def _add(table: Table, cells: Sequence[str]) -> None:
    # As texts: in a plain str rich would take a unit in brackets for markup.
    table.add_row(*(Text(cell) for cell in cells))


def _depth(value: float | None) -> str:
    return "" if value is None else f"{value + 0.0:g}".replace("-", "−")


def correlation(value: float) -> str:
    """A correlation, with one digit more where it is close to 1."""
    if not math.isfinite(value):
        return _NOTHING
    digits = 4 if abs(value) > 0.99 else 3
    return f"{value:.{digits}f}".replace("-", "−")


def significant(value: float, digits: int = 2) -> str:
    """A number with some digits, never in powers of ten where a reader would stumble."""
    if not math.isfinite(value):
        return _NOTHING
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}" if places <= 5 else f"{value:.{digits - 1}e}"
    return text.replace("-", "−")


def _ratio(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) and value < 100 else significant(value)
