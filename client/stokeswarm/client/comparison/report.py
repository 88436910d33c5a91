"""A comparison's folder: the numbers as JSON, and the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from stokeswarm.client.comparison.outcome import ALL, Comparison
from stokeswarm.client.comparison.pair import Pair

#: the numbers of the folder
NUMBERS: Final = "comparison.json"


def write_report(pair: Pair, found: Comparison, folder: str | Path, selection: str = ALL) -> tuple[Path, ...]:
    """Write ``comparison.json`` and the figures.

    Parameters
    ----------
    pair : Pair
    found : Comparison
        Of that pair.
    folder : path
        Made if need be; files of the same names are replaced, others left alone.
    selection : {"all", "reached_noise"}
        Pixels of the histograms.

    Returns
    -------
    tuple of Path
        What was written, the numbers first.
    """
    from stokeswarm.client.comparison.histograms import draw_chi2, draw_correlations
    from stokeswarm.client.comparison.maps import draw_maps

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    numbers = place / NUMBERS
    numbers.write_text(as_json(found) + "\n", encoding="utf-8")
    written = [numbers, *draw_maps(pair, found, place)]
    written.append(draw_correlations(pair, found, place / "correlations.png", selection))
    chi2 = draw_chi2(pair, found, place / "chi2.png")
    return (*written, chi2) if chi2 is not None else tuple(written)


def as_json(found: Comparison) -> str:
    """The numbers as a JSON document."""
    return json.dumps(found.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
