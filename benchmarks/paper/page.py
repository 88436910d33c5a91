"""``docs/paper.md``: the experiment's tables, beside the paper's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from findings import FIGURE, recorded
from PIL import Image

#: what each experiment is, in the order of the page
TITLES: Final[dict[str, str]] = {
    "unseen": "An unseen map: the shipped network, one cycle, the gate",
    "unseen-open": "The same without the gate",
    "second-reference": "A second reference: one cycle from the model atmosphere",
    "narrow": "A network of the quiet Sun and one polarity on a spot of the other, with the gate",
    "narrow-open": "The same without the gate",
    "infrared": "The lines at 1.56 µm",
    "case-2": "Case 2: the paper's network, trained on the whole map that it then starts",
    "case-1": "Case 1: the paper's network, trained on a third of the map",
    "sir": "SIR 2017 on a part of the unseen map",
}
#: Pearson correlations that the paper gives, own map and unseen map: T, v, B, χ, γ at log τ = 0
PAPER: Final = {
    "temperature": (0.99, 0.999),
    "velocity": (0.84, 0.999),
    "field_strength": (0.91, 0.999),
    "azimuth": (0.79, 0.998),
    "inclination": (0.85, 0.996),
}
NAMES: Final = {
    "temperature": ("T [K]", False),
    "velocity": ("v [km/s]", False),
    "field_strength": ("B [G]", False),
    "azimuth": ("χ [°], polarised above 5 σ", True),
    "inclination": ("γ [°], polarised above 5 σ", True),
}
#: of a figure
COLOURS: Final = 128
#: what a faint polarisation says nothing of
ANGLES: Final = ("inclination", "azimuth")
HEAD: Final = """# The paper's experiment

Gafeira, Orozco Suárez, Milić, Quintero Noda, Ruiz Cobo & Uitenbroek (2021, A&A 651, A31) start SIR from a
network's guess: one short cycle does the work of three, 2–4 times faster, but outside its training range the
network is badly wrong. `make paper` does the experiment on maps that the project makes itself (synthetic
active regions with a known truth, seen through the instrument, with its noise), and writes this page. It
continues where it was interrupted.

"Reference" is the full inversion of three cycles from the HSRA, "assisted" one cycle from the network (held
by the network's errors where the profile says nothing) and the full cycles where the gate asks for them, both
with the embedded LTE engine unless another is named.
Correlations are over the pixels where the reference reached the noise (reduced χ² at most 1.5 times its
median), at log τ = 0; errors are rms differences from the truth over all pixels, of angles where the
polarisation exceeds 5 σ. Core-seconds are CPU seconds of the engine, the gate's included. The figures count
pixels, on a logarithmic scale; those at other depths, and maps of the differences, are in
`paper-output/findings`.
"""


def write_page(folder: Path, page: Path) -> None:
    """Write the page from what has been found, with its figures in ``images`` beside it."""
    parts = [HEAD]
    for name, title in TITLES.items():
        place = folder / "findings" / name
        found = recorded(place)
        parts.append(f"## {title}\n")
        if found is None:
            parts.append("Not run yet.\n")
            continue
        image = Path("images") / f"paper-{name}.png"
        (page.parent / image.parent).mkdir(parents=True, exist_ok=True)
        # A third of the bytes, and no colour that anyone misses.
        with Image.open(place / FIGURE) as figure:
            figure.convert("RGB").quantize(COLOURS).save(page.parent / image, optimize=True)
        parts += [*_section(found), f"![{title}]({image.as_posix()})\n"]
    page.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _section(found: dict[str, Any]) -> list[str]:
    ends, seconds = found["ends"], found["seconds"]
    ratios = {row["selection"]: row for row in found["chi2"]}["all"]
    total = found["pixels"]["all"]
    gate = ends["gate"].get("other", {})
    lines = [
        f"{total} pixels; the reference reached the noise in {found['pixels'].get('reached_noise', 0)}. "
        f"Median reduced χ²: {ratios['reference']:.3f} and {ratios['other']:.3f}. "
        f"χ² above 1.1 times the reference's: {100 * ratios['worse']:.2f} %, below 0.9 times: "
        f"{100 * ratios['better']:.2f} %. Pixels that the gate sent back: {gate.get('any', 0)}.",
    ]
    if ends["lost"] or ends["gained"]:
        lines.append(f"Results only in the reference: {ends['lost']}, only in the other: {ends['gained']}.")
    if seconds:
        lines.append(
            f"Core-seconds a pixel: {seconds['reference']:.3f} and {seconds['other']:.3f}, "
            f"{seconds['speedup']:.2f} times fewer."
        )
    lines += ["", "| | r | paper: own map, unseen | rms | error of the reference | of the other |"]
    lines.append("|---|---|---|---|---|---|")
    for quantity, (label, polarised) in NAMES.items():
        row = _row(found["rows"], quantity, polarised, "reached_noise")
        truth = _row(found["against_truth"], quantity, polarised, "all")
        if row is None:
            continue
        own, other = PAPER[quantity]
        errors = ("", "")
        if truth is not None:
            errors = (_number(truth["reference"]["rms"]), _number(truth["other"]["rms"]))
        lines.append(
            f"| {label} | {row['correlation']:.5f} | {own:g}, {other:g} | {_number(row['rms'])} | "
            f"{errors[0]} | {errors[1]} |"
        )
    return [*lines, "", *_worst(found["against_truth"]), ""]


def _worst(rows: list[dict[str, Any]]) -> list[str]:
    """The largest ratio of errors, over all pixels and with the angles where there is polarisation."""
    whole = [row for row in rows if row["ratio"] and row["selection"] == "all"]
    everywhere = [row for row in whole if not row["polarised"]]
    if not everywhere:
        return []
    seen = [row for row in everywhere if row["quantity"] not in ANGLES]
    seen += [row for row in whole if row["polarised"] and row["quantity"] in ANGLES]
    first, second = (_largest(chosen) for chosen in (everywhere, seen))
    more = "" if first == second else f"; with the angles where the polarisation exceeds 5 σ, {second}"
    return [f"Largest ratio of the errors over all pixels and depths: {first}{more}."]


def _largest(rows: list[dict[str, Any]]) -> str:
    worst = max(rows, key=lambda row: row["ratio"])
    depth = "" if worst["log_tau"] is None else f" at log τ = {worst['log_tau']:g}"
    return f"{worst['ratio']:.2f} ({worst['quantity'].replace('_', ' ')}{depth})"


def _row(rows: list[dict[str, Any]], quantity: str, polarised: bool, selection: str) -> dict[str, Any] | None:
    for row in rows:
        key = (row["quantity"], row["log_tau"], row["polarised"], row["selection"], row["component"])
        if key == (quantity, 0.0, polarised, selection, 1):
            return row
    return None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
