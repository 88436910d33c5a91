"""Accuracy and cost on a synthetic 24 × 40 active region with known truth, beside what SIR2017 made of it.

Reference plan (the control file that SIR ran), model start, LTE engine. Prints the rms error at log τ = 0,
−1, −2, the median reduced χ² of each Stokes parameter and the core-seconds of a pixel, ours and SIR's.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np
from reference import data_folder, gather, invert, write

from stokeswarm.client.starts import ModelStart, Pixels
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference

DEPTHS = (0.0, -1.0, -2.0)
#: quantity → column of a SIR model, factor from SIR's unit to ours
COLUMNS = {
    "temperature": (1, 1.0),
    "field_strength": (4, 1.0),
    "velocity": (5, 1e-5),
    "inclination": (6, 1.0),
}
SIR_CORE_SECONDS = 1.49


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="invert every Nth pixel only (default 1)")
    parser.add_argument("--slots", type=int, default=2)
    options = parser.parse_args()
    data = data_folder()
    if data is None:
        return
    project = load_control_file(data / "map" / "inv_ref1.trol")
    observed = np.load(data / "map" / "map.npz")
    truth = np.load(data / "map" / "map_truth.npz")["atm"].reshape(960, 53, 11)
    stored = np.load(data / "map" / "fit_ref1.npz")
    chosen = np.arange(0, 960, options.every)
    spectra = Spectra(
        observed["wavelength"], observed["stokes"].reshape(960, 4, -1)[chosen], ContinuumReference.DISC_CENTRE
    )
    # the stored guess is that of SIR's last pixel, whose field points away: 135° instead of 45°
    guess = replace(project.guess[0], inclination=np.full_like(project.guess[0].inclination, 45.0))
    starter = ModelStart((guess,), project.plan, by_sign_of_v=True)
    start = starter.start(Pixels(chosen, chosen // 40, chosen % 40, spectra)).atmosphere
    results = invert(InvertRequest("lte", project.plan, spectra, chosen, start), options.slots)

    statuses = Counter(r.status[0].name for r in results)
    table: dict[str, dict[str, list[float]]] = {}
    sir_model = stored["model"].reshape(960, 53, 11)[chosen]
    print(f"{len(chosen)} pixels: " + ", ".join(f"{n} {s}" for s, n in statuses.items()))
    print(f"{'rms error':<18}" + "".join(f"{f'log tau {d:g}':>22}" for d in DEPTHS))
    for quantity, (column, factor) in COLUMNS.items():
        ours, sir = [], []
        found = gather(results, quantity)
        for depth in DEPTHS:
            at = int(np.argmin(np.abs(truth[0, :, 0] - depth)))
            true = truth[chosen, at, column] * factor
            ours.append(float(np.sqrt(np.mean((found[:, at] - true) ** 2))))
            sir.append(float(np.sqrt(np.mean((sir_model[:, at, column] * factor - true) ** 2))))
        table[quantity] = {"ours": ours, "sir": sir}
        cells = "".join(f"{f'{o:.3g} (SIR {s:.3g})':>22}" for o, s in zip(ours, sir, strict=True))
        print(f"{quantity:<18}{cells}")
    chi2 = np.median(np.concatenate([r.chi2_stokes for r in results]), axis=0)
    residual = observed["stokes"].reshape(960, 4, -1)[chosen] - stored["syn"].reshape(960, 4, -1)[chosen]
    sir_chi2 = np.median(np.mean(residual**2, axis=2) / float(observed["noise_sigma"]) ** 2, axis=0)
    pairs = zip("IQUV", chi2, sir_chi2, strict=True)
    print("median chi2       " + "  ".join(f"{s} {o:.2f} (SIR {r:.2f})" for s, o, r in pairs))
    total = np.concatenate([r.chi2_stokes for r in results]).mean(axis=1)
    worse = float(np.mean(total > 1.1 * np.mean(residual**2, axis=(1, 2)) / 1e-6))
    seconds = np.concatenate([r.seconds for r in results])
    print(f"chi2 above 1.1 x SIR's: {100 * worse:.1f} % of the pixels")
    print(
        f"core-seconds a pixel: mean {seconds.mean():.3f}, median {np.median(seconds):.3f} "
        f"(SIR {SIR_CORE_SECONDS}); iterations {np.mean([r.iterations[0] for r in results]):.1f}"
    )
    write(
        "accuracy",
        {
            "pixels": len(chosen),
            "status": dict(statuses),
            "rms_error": table,
            "median_chi2": {"ours": chi2.tolist(), "sir": sir_chi2.tolist()},
            "fraction_worse_than_sir": worse,
            "core_seconds": {"mean": float(seconds.mean()), "median": float(np.median(seconds))},
        },
    )


if __name__ == "__main__":
    main()
