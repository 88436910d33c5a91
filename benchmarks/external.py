"""How busy an external code is kept: SIR on two slots, inversions of the 24 × 40 map and short syntheses.

Occupancy is Σ wall time of the code's runs ÷ (slots × wall time), the wall time of an inversion being that of
the whole ``stokeswarm invert`` command, start and end of the servers included. A gap is the time between the
end of one run and the start of the next on the same slot. Needs STOKESWARM_SIR.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from reference import data_folder, write

from stokeswarm.client import connect
from stokeswarm.client.sources import load
from stokeswarm.client.synthesis import profiles
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.sir_files import parse_model

TRACE = "STOKESWARM_RUN_TRACE"


def runs_of(trace: Path) -> list[dict[str, Any]]:
    """The runs that a server recorded, less its self-test, in order of their start."""
    runs = [json.loads(line) for line in trace.read_text().splitlines()]
    return sorted(runs[1:], key=lambda run: float(run["started"]))


def figures(runs: list[dict[str, Any]], slots: int, began: float, wall: float) -> dict[str, float]:
    """Occupancy, gaps [ms], the median run, and the time before the first and after the last [s]."""
    gaps = []
    for slot in {run["slot"] for run in runs}:
        own = [run for run in runs if run["slot"] == slot]
        gaps += [1e3 * (b["started"] - a["ended"]) for a, b in pairwise(own)]
    busy = sum(run["ended"] - run["started"] for run in runs)
    return {
        "runs": len(runs),
        "wall_s": wall,
        "occupancy": busy / (slots * wall),
        "gap_median_ms": statistics.median(gaps),
        "gap_90_ms": float(np.percentile(gaps, 90)),
        "before_s": min(run["started"] for run in runs) - began,
        "uneven_s": float(
            np.ptp([max(run["ended"] for run in runs if run["slot"] == slot) for slot in range(slots)])
        ),
        "after_s": began + wall - max(run["ended"] for run in runs),
        "run_median_s": statistics.median(run["ended"] - run["started"] for run in runs),
    }


def inversions(data: Path, slots: int, columns: int, folder: Path) -> dict[str, float]:
    """Invert 10 rows of the map with the command line."""
    trace = folder / "invert.jsonl"
    command = [
        *(sys.executable, "-c", "from stokeswarm.client.cli import main; main()"),
        *("invert", str(data / "map" / "map.npz"), "--plan", str(data / "map" / "inv_ref1.trol")),
        *("--engine", "sir", "--slots", str(slots), "--region", f"0:10,0:{columns}"),
        *("-o", str(folder / "result.zarr")),
    ]
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603  # our own interpreter and our own command
        command, env=os.environ | {TRACE: str(trace)}, capture_output=True, text=True, check=False
    )
    wall = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"stokeswarm invert ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return figures(runs_of(trace), slots, began, wall)


def syntheses(data: Path, slots: int, count: int, folder: Path) -> dict[str, float]:
    """Synthesise one model again and again, from the first request to the last answer."""
    trace = folder / "synthesize.jsonl"
    os.environ[TRACE] = str(trace)
    project = load_control_file(data / "map" / "inv_ref1.trol")
    model = load(data / "map" / "g.mod", parse_model).take(np.zeros(count, dtype=np.intp))
    wavelength = np.load(data / "map" / "map.npz")["wavelength"]
    request = SynthesizeRequest("sir", project.plan, (model,), np.arange(count), wavelength)
    with connect(slots=slots) as cluster:
        cluster.engines()
        began = time.monotonic()
        made = profiles(cluster.synthesize, request)
        wall = time.monotonic() - began
    if not np.isfinite(made.stokes).all():
        raise SystemExit(f"a synthesis failed: {next(filter(None, made.message))}")
    return figures(runs_of(trace), slots, began, wall)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--columns", type=int, default=20, help="of 10 rows of the map (default 20)")
    parser.add_argument("--syntheses", type=int, default=1000)
    options, _ = parser.parse_known_args()
    if not os.environ.get("STOKESWARM_SIR"):
        print("skipped: STOKESWARM_SIR is not set (the executable of SIR, or its folder)")
        return
    data = data_folder()
    if data is None:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = {
            "inversion": inversions(data, options.slots, options.columns, folder),
            "synthesis": syntheses(data, options.slots, options.syntheses, folder),
        }
    print(
        f"{'':<12}{'runs':>7}{'run [s]':>9}{'wall [s]':>10}{'occupancy':>11}{'gap [ms]':>10}{'90 %':>8}"
        f"{'before [s]':>12}{'uneven':>8}{'after':>7}"
    )
    for name, row in table.items():
        print(
            f"{name:<12}{row['runs']:>7.0f}{row['run_median_s']:>9.3f}{row['wall_s']:>10.1f}"
            f"{row['occupancy']:>11.3f}{row['gap_median_ms']:>10.2f}{row['gap_90_ms']:>8.2f}"
            f"{row['before_s']:>12.2f}{row['uneven_s']:>8.2f}{row['after_s']:>7.2f}"
        )
    write("external", table)


if __name__ == "__main__":
    main()
