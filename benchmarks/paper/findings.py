"""What an experiment found: its numbers and figures, in a folder of its own, and one figure for the page."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from stokeswarm.client.comparison.histograms import draw_correlations
from stokeswarm.client.comparison.measure import measure
from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE
from stokeswarm.client.comparison.pair import load
from stokeswarm.client.comparison.report import NUMBERS, write_report

#: depths that are compared; the page shows the first
DEPTHS: Final = (0.0, -1.0, -2.0)
#: figure of the page in an experiment's folder
FIGURE: Final = "page.png"


@dataclass(frozen=True, slots=True)
class Case:
    """Two inversions of a map, and what the map really is."""

    reference: Path
    other: Path
    truth: Path


def record(case: Case, folder: Path) -> None:
    """Measure and draw a case; files of an earlier time are replaced."""
    pair = load(case.reference, case.other, case.truth, DEPTHS)
    found = measure(pair)
    selection = REACHED_NOISE if REACHED_NOISE in found.pixels else ALL
    write_report(pair, found, folder, selection)
    draw_correlations(replace(pair, log_tau=DEPTHS[:1]), found, folder / FIGURE, selection)


def recorded(folder: Path) -> dict[str, Any] | None:
    """The numbers of a case, where there are any."""
    file = folder / NUMBERS
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
