"""What the accuracy benchmarks share: where the reference data lie, and an inversion in process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from stokeswarm.contract.inversion import InvertRequest, InvertResults
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.lte.engine import LteEngine

OUTPUT = Path("bench-output")


def data_folder() -> Path | None:
    """Folder of the reference data, or None with a line that says so."""
    place = Path(os.environ.get("STOKESWARM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (place / "golden").is_dir():
        print(f"skipped: no reference data at {place} (set STOKESWARM_DATA)")
        return None
    return place


def invert(request: InvertRequest, slots: int) -> list[InvertResults]:
    """Results of every pixel of a request, in order, computed on some threads."""
    engine = LteEngine()
    engine.warm_up()
    job = engine.prepare_inversion(request)
    with ThreadPoolExecutor(slots) as pool:
        return list(pool.map(lambda row: job.run([row], Slot()), range(len(request))))


def gather(results: list[InvertResults], quantity: str) -> Any:
    """One quantity of the first component of single-pixel results, (n, n_depth) or (n,)."""
    return np.concatenate([r.atmosphere[0].arrays()[quantity] for r in results])


def write(name: str, figures: Mapping[str, Any]) -> None:
    """Write a benchmark's figures as JSON under bench-output."""
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / f"{name}.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"figures: {path}")
