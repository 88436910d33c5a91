"""What a run did, in numbers: how many pixels ended how and why, what the gate did, how good the fits are."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stokeswarm.client.gate import RESULTS, Reason
from stokeswarm.client.layout import NOT_RUN, Start
from stokeswarm.client.progress import words
from stokeswarm.client.store import ResultStore
from stokeswarm.contract.errors import NotFoundError
from stokeswarm.contract.spectra import STOKES
from stokeswarm.contract.status import Status

_T = TypeVar("_T", bound=np.generic)
PERCENTILES: Final = (5, 50, 95)
#: reasons that the summary quotes
TOP_REASONS: Final = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of a result.

    Attributes
    ----------
    pixels : int
        Of the region.
    not_run : int
        Pixels of tiles that are not complete.
    status, start : dict
        Name → pixels.
    reasons : dict
        "status: message" → pixels, the most frequent ones.
    gate : dict
        Reason → pixels that were inverted again for it (reasons add up).
    gate_total, gate_scouted, gate_improved : int
        Pixels sent back, those among them that the short cycles settled, and those that were fitted better.
    gate_start : dict
        Start of the second run → pixels that it fitted better.
    chi2 : dict
        Percentile → reduced χ² of the pixels with a result.
    chi2_stokes : dict
        Stokes parameter → median.
    seconds : float
        CPU seconds in the engine, all pixels.
    seconds_per_pixel : float
        Mean over the pixels that reached the engine; NaN becomes null in JSON.
    """

    pixels: int
    not_run: int
    status: dict[str, int]
    start: dict[str, int]
    reasons: dict[str, int] = field(default_factory=dict)
    gate: dict[str, int] = field(default_factory=dict)
    gate_total: int = 0
    gate_scouted: int = 0
    gate_improved: int = 0
    gate_start: dict[str, int] = field(default_factory=dict)
    chi2: dict[str, float] = field(default_factory=dict)
    chi2_stokes: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_per_pixel: float = 0.0

    @property
    def with_result(self) -> int:
        """Pixels with numbers."""
        return sum(self.status.get(words(s), 0) for s in Status if s.has_result)

    def as_dict(self) -> dict[str, Any]:
        """For the store's attributes."""
        return asdict(self)


def summarize(store: ResultStore) -> Summary:
    """Read a store's numbers."""
    status = store.map("fit/status")
    chi2 = store.map("fit/chi2")
    start, gate, seconds = store.map("fit/start"), store.map("fit/gate"), store.map("fit/seconds")
    ended = np.isin(status, RESULTS)
    failed = ~ended & (status != NOT_RUN)
    reasons: Counter[str] = Counter()
    if failed.any():
        messages = store.map("fit/message")[failed]
        reasons.update(
            f"{words(Status(code))}: {text or 'no reason given'}"
            for code, text in zip(status[failed].tolist(), messages.tolist(), strict=True)
        )
    # Only results count as improved: what failed twice was not.
    nothing = np.full(gate.shape, np.nan, np.float32)
    won = np.where(ended & (gate != 0), _map(store, "fit/gate_start", np.zeros_like(gate)), 0)
    scouted = np.isfinite(_map(store, "fit/chi2_scout", nothing)) & np.isnan(store.map("fit/chi2_full"))
    numbers: dict[str, float] = {}
    per_stokes: dict[str, float] = {}
    good = ended & np.isfinite(chi2)
    if good.any():
        numbers = {f"p{p:02d}": float(np.percentile(chi2[good], p)) for p in PERCENTILES}
        medians = _median(store.map("fit/chi2_stokes")[good])
        per_stokes = dict(zip(STOKES, medians, strict=True))
    worked = np.isfinite(seconds) & (status != NOT_RUN)
    worked &= ~np.isin(status, (Status.MASKED, Status.INVALID_INPUT))
    total = float(seconds[worked].sum(dtype=np.float64))
    return Summary(
        pixels=int(status.size),
        not_run=int((status == NOT_RUN).sum()),
        status={words(s): n for s in Status if (n := int((status == s).sum()))},
        start={s.name.lower(): n for s in Start if s and (n := int(((start == s) & ended).sum()))},
        reasons=dict(reasons.most_common(TOP_REASONS)),
        gate={str(r.name).lower(): n for r in Reason if r and (n := int(((gate & r.value) != 0).sum()))},
        gate_total=int((gate != 0).sum()),
        gate_scouted=int(scouted.sum()),
        gate_improved=int((won != 0).sum()),
        gate_start=_named(won, store.attrs.get("gate", {}).get("starts", [])),
        chi2=numbers,
        chi2_stokes=per_stokes,
        seconds=total,
        seconds_per_pixel=total / max(int(worked.sum()), 1),
    )


def _map(store: ResultStore, path: str, lacking: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """A map that stores of earlier versions lack, and what it is there."""
    try:
        found: npt.NDArray[_T] = store.map(path)
    except NotFoundError:
        return lacking
    return found


def _named(numbers: npt.NDArray[np.uint8], names: list[str]) -> dict[str, int]:
    """Pixels of each number, from 1, by name."""
    return {
        name: count for i, name in enumerate(names, start=1) if (count := int((numbers == i).sum()))
    }  # fmt: skip


def _median(values: npt.NDArray[np.float32]) -> list[float]:
    """Column medians without NaN; 0 where a column has none (JSON knows no NaN)."""
    columns = [column[np.isfinite(column)] for column in values.T]
    return [float(np.median(column)) if column.size else 0.0 for column in columns]


_GATE_WORDS: Final = {
    "chi2": "fit above the gate",
    "novel": "profile novel to the network",
    "failed": "assisted run failed",
    "no_guess": "no guess",
    "polarity": "polarity against V",
}


def render(summary: Summary, title: str, lines: tuple[str, ...] = ()) -> Group:
    """The closing table of a run.

    Parameters
    ----------
    summary : Summary
    title : str
    lines : tuple of str
        What follows the table: where the files are, what to do next.
    """
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, count in summary.status.items():
        table.add_row(name, str(count), f"{100 * count / summary.pixels:.1f} %")
    if summary.not_run:
        table.add_row("not run yet", str(summary.not_run), f"{100 * summary.not_run / summary.pixels:.1f} %")
    for name, count in summary.start.items():
        table.add_row(f"start {name}", str(count), "of the results")
    if summary.gate_total:
        why = ", ".join(f"{count} {_GATE_WORDS[name]}" for name, count in summary.gate.items())
        better = f"{summary.gate_improved} fitted better"
        table.add_row("inverted again", str(summary.gate_total), f"{why}; {better}")
        if summary.gate_scouted:
            table.add_row("", "", f"{summary.gate_scouted} in short: another start ended at the same chi2")
        if summary.gate_start:
            table.add_row("", "", "better from " + _listed(summary.gate_start))
    if summary.chi2:
        low, median, high = (summary.chi2[f"p{p:02d}"] for p in PERCENTILES)
        table.add_row("reduced chi2", f"{median:.3g}", f"median; 5 to 95 %: {low:.3g} to {high:.3g}")
        per_stokes = ", ".join(f"{name} {value:.3g}" for name, value in summary.chi2_stokes.items())
        table.add_row("", "", f"medians {per_stokes}")
    table.add_row("core-seconds", f"{summary.seconds_per_pixel:.3g}", "per pixel")
    # Not the table's own title: that would be wrapped to the table's width.
    parts: list[Any] = [Text(title, style="bold"), table]
    if summary.reasons:
        parts.append(Text("reasons:"))
        parts += [Text(f"  {count} x {_short(reason)}") for reason, count in summary.reasons.items()]
    return Group(*parts, *(Text(line) for line in lines))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _short(text: str, limit: int = 160) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else f"{one_line[: limit - 1]}…"
