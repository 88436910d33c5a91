"""What a network's start is worth on the 24 × 40 map that SIR made: assisted against the full inversion.

The shipped network's start and one cycle with the gate, against three cycles from the model, with the LTE
engine, and with SIR on two rows of the map where STOKESWARM_SIR names it; also without the gate's scouts, and
without the gate. All against the map's truth, the assisted one also against what SIR 2017 made of the map.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from reference import data_folder, write

from stokeswarm.client import connect, read
from stokeswarm.client.comparison.measure import compare
from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE, Comparison
from stokeswarm.client.gate import Gate
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.readers import Observation
from stokeswarm.client.trol import load_control_file

#: correlated where the polarisation exceeds 5 σ
ANGLES = ("azimuth", "inclination")
QUANTITIES = ("temperature", "velocity", "field_strength", *ANGLES)
#: rows of the map that SIR inverts: together they hold quiet Sun, plage, penumbra and umbra in the shares of
#: the whole map, within 3 %
SIR_ROWS = (8, 20)
#: the gate, the same without scouts, and one that lets every fit pass
GATES = {
    "": Gate(),
    " without scouts": Gate(scout=False),
    " without the gate": Gate.open(),
}


def figures(found: Comparison) -> dict[str, Any]:
    """Correlations at log τ = 0, shares of worse fits, core-seconds, and the largest ratio of errors."""
    ratios = next((row for row in found.chi2 if row.selection == ALL), None)
    judged = [row for row in found.against_truth if row.selection == ALL and row.ratio == row.ratio]
    worst = max(judged, key=lambda row: row.ratio, default=None)
    selection = REACHED_NOISE if REACHED_NOISE in found.pixels else ALL
    return {
        "pixels": found.pixels[ALL],
        "correlation": {
            name: found.row(name, 0.0, selection=selection, polarised=name in ANGLES).correlation
            for name in QUANTITIES
        },
        "worse_share": None if ratios is None else ratios.worse,
        "better_share": None if ratios is None else ratios.better,
        "gate": found.ends.gate.get("other", {}).get("any", 0),
        "core_seconds": None if found.seconds is None else [found.seconds.reference, found.seconds.other],
        "speedup": None if found.seconds is None else found.seconds.speedup,
        "worst_error_ratio": None if worst is None else [worst.ratio, f"{worst.quantity} at {worst.log_tau}"],
    }


def rows_of(truth: Path, output: Path) -> Path:
    """The truth of the rows that SIR inverts."""
    with np.load(truth) as file:
        arrays = {name: file[name] for name in file.files}
    ny, nx = arrays["vmac_kms"].shape
    chosen = {
        name: array[list(SIR_ROWS)] if array.shape[:2] == (ny, nx) else array
        for name, array in arrays.items()
    }
    np.savez(output, allow_pickle=False, **chosen)
    return output


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
    whole = read(place / "map.npz", plan=project.plan)
    engines = ("lte", "sir") if os.environ.get("STOKESWARM_SIR") else ("lte",)
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, connect(slots=options.slots, engines=engines) as cluster:
        folder = Path(name)

        def invert(observation: Observation, run: str, wishes: Wishes, region: str | None = None) -> Path:
            output = folder / f"{run}.zarr"
            cluster.invert(observation, project, output, region=region, wishes=wishes)
            return output

        truth = place / "map_truth.npz"
        reference = invert(whole, "lte-model", Wishes("model", "lte"), options.region)
        for label, gate in GATES.items():
            wishes = Wishes("cnn:hinode-sp", "lte", gate)
            assisted = invert(whole, f"lte-cnn{label}".replace(" ", "-"), wishes, options.region)
            table[f"lte{label}"] = figures(compare(reference, assisted, truth))
            if not label:
                table["lte against stored SIR"] = figures(compare(place / "fit_ref1.npz", assisted, truth))
        if "sir" in engines:
            part = replace(whole, stokes=whole.stokes[list(SIR_ROWS)])
            truth = rows_of(truth, folder / "truth.npz")
            reference = invert(part, "sir-model", Wishes("model", "sir"))
            for label, gate in GATES.items():
                wishes = Wishes("cnn:hinode-sp", "sir", gate)
                assisted = invert(part, f"sir-cnn{label}".replace(" ", "-"), wishes)
                table[f"sir{label}"] = figures(compare(reference, assisted, truth))
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
