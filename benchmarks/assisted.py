"""What a network's start is worth on the 24 × 40 map that SIR made: assisted against the full inversion.

The shipped network's start and one cycle with the gate, against three cycles from the model, with the LTE
engine, and with SIR on a part of the map where STOKESWARM_SIR names it. Both against the map's truth, the
assisted one also against what SIR 2017 made of the map.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from reference import data_folder, write

from stokeswarm.client import connect, read
from stokeswarm.client.comparison.measure import compare
from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE, Comparison
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.trol import load_control_file

QUANTITIES = ("temperature", "velocity", "field_strength", "azimuth", "inclination")
#: part of the map that SIR inverts: quiet Sun, plage and the edge of the spot
SIR_REGION = "10:14,0:12"


def figures(found: Comparison) -> dict[str, Any]:
    """Correlations at log τ = 0, shares of worse fits, core-seconds, and the largest ratio of errors."""
    ratios = next((row for row in found.chi2 if row.selection == ALL), None)
    judged = [row for row in found.against_truth if not row.polarised and row.ratio == row.ratio]
    worst = max(judged, key=lambda row: row.ratio, default=None)
    selection = REACHED_NOISE if REACHED_NOISE in found.pixels else ALL
    return {
        "pixels": found.pixels[ALL],
        "correlation": {
            name: found.row(
                name, 0.0, selection=selection, polarised=name in ("azimuth", "inclination")
            ).correlation
            for name in QUANTITIES
        },
        "worse_share": None if ratios is None else ratios.worse,
        "better_share": None if ratios is None else ratios.better,
        "gate": found.ends.gate.get("other", {}).get("any", 0),
        "core_seconds": None if found.seconds is None else [found.seconds.reference, found.seconds.other],
        "speedup": None if found.seconds is None else found.seconds.speedup,
        "worst_error_ratio": None if worst is None else [worst.ratio, f"{worst.quantity} at {worst.log_tau}"],
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="0:24,0:40", help="of the map, with the LTE engine")
    parser.add_argument("--slots", type=int, default=2)
    options, _ = parser.parse_known_args()
    data = data_folder()
    if data is None:
        return
    place = data / "map"
    project = load_control_file(place / "inv_ref1.trol")
    observation = read(place / "map.npz", plan=project.plan)
    engines = {"lte": options.region} | ({"sir": SIR_REGION} if os.environ.get("STOKESWARM_SIR") else {})
    table: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        connect(slots=options.slots, engines=tuple(engines)) as cluster,
    ):
        for engine, region in engines.items():
            stores = {}
            for init in ("model", "cnn:hinode-sp"):
                stores[init] = Path(name) / f"{engine}-{init.partition(':')[0]}.zarr"
                wishes = Wishes(init, engine)
                cluster.invert(observation, project, stores[init], region=region, wishes=wishes)
            found = compare(stores["model"], stores["cnn:hinode-sp"], place / "map_truth.npz")
            table[engine] = figures(found)
        stored = compare(place / "fit_ref1.npz", Path(name) / "lte-cnn.zarr", place / "map_truth.npz")
        table["lte against stored SIR"] = figures(stored)
    for name, row in table.items():
        correlations = "  ".join(f"{key} {value:.5f}" for key, value in row["correlation"].items())
        print(f"{name}: {row['pixels']} pixels, r at log tau 0: {correlations}")
        if row["speedup"] is not None:
            print(
                f"   chi2 > 1.1 x reference {100 * row['worse_share']:.2f} %, gate {row['gate']} pixels, "
                f"core-seconds {row['core_seconds'][0]:.3f} -> {row['core_seconds'][1]:.3f} "
                f"({row['speedup']:.2f} x)"
            )
        if row["worst_error_ratio"] is not None:
            print("   largest ratio of errors {:.2f} ({})".format(*row["worst_error_ratio"]))
    write("assisted", table)


if __name__ == "__main__":
    main()
