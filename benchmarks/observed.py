"""Real observed profiles: the fit of SIR2017's stored runs, and a Hinode/SP patch that two codes inverted.

Every control file is used as it is. A ratio below 1 means that our residual is smaller than SIR's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from reference import data_folder, gather, invert, write

from stokeswarm.client.plan_files import load_plan
from stokeswarm.client.readers import read
from stokeswarm.client.starts import ModelStart, Pixels, named_guess
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.spectra import Spectra

CASES = ("ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2", "ex8_FIRS5")
RUNS = ("run_as_course", "run_plain_nodes")


def fit_case(folder: Path, run: str) -> dict[str, Any]:
    """Residuals of one case: ours, and the best of SIR's cycles."""
    project = load_control_file(folder / run / "inv.trol", search=(folder / "input",))
    if project.observation is None:
        raise SystemExit(f"{folder / run / 'inv.trol'} names no observation")
    observation = read(str(project.observation), plan=project.plan)
    stokes = observation.stokes.reshape(1, 4, -1)
    request = InvertRequest(
        "lte",
        project.plan,
        Spectra(observation.wavelength, stokes, project.plan.reference),
        np.array([0]),
        project.guess,
        stray_light_profile=project.stray_light_profile,
    )
    result = invert(request, 1)[0]
    used = np.isfinite(stokes[0])
    ours = float(np.sqrt(np.mean((stokes[0] - result.fit[0])[used] ** 2)))
    lines = (folder / run / "inv.chi").read_text().splitlines()
    sir = min(1.0 / float(line.split()[0]) for line in lines if line.strip())
    return {
        "case": folder.name,
        "run": run,
        "status": result.status[0].name,
        "rms": ours,
        "sir_rms": sir,
        "ratio": ours / sir,
        "core_seconds": float(result.seconds[0]),
    }


def hinode_patch(data: Path) -> dict[str, Any]:
    """Mean temperatures of the 5 × 5 patch: ours, SPINOR's and globin's."""
    folder = data / "observed" / "hinode_sp_5x5"
    plan = load_plan("reference").plan
    observation = read(str(folder / "hinode4d.20130912.sample.fits"), plan=plan)
    stokes = observation.stokes.reshape(25, 4, -1)
    spectra = Spectra(observation.wavelength, stokes, plan.reference)
    pixel = np.arange(25)
    starter = ModelStart(named_guess("hsra", plan), plan, by_sign_of_v=True)
    start = starter.start(Pixels(pixel, pixel // 5, pixel % 5, spectra)).atmosphere
    results = invert(InvertRequest("lte", plan, spectra, pixel, start), 2)
    found = gather(results, "temperature")
    spinor = fits.getdata(folder / "spinor_inv" / "inverted_atmos_maptau.1.fits")
    globin = fits.getdata(folder / "globin_inv" / "inverted_atmos_c1.fits").reshape(25, 14, -1)
    row: dict[str, Any] = {"chi2_median": float(np.median(np.concatenate([r.chi2 for r in results])))}
    for depth in (0.0, -1.0):
        at = int(np.argmin(np.abs(plan.log_tau - depth)))
        by_globin = [np.interp(depth, g[0], g[1]) for g in globin]
        row[f"{depth:g}"] = {
            "ours": float(found[:, at].mean()),
            "spinor": _spinor_temperature(spinor, depth),
            "globin": float(np.mean(by_globin)),
        }
    return row


def _spinor_temperature(cube: Any, depth: float) -> float:
    """Mean temperature in SPINOR's cube (quantity, depth, y, x), whose log τ runs from −6 in steps of 0.1."""
    return float(cube[1, round((depth + 6.0) / 0.1)].mean())


def main() -> None:
    """Run the benchmark."""
    data = data_folder()
    if data is None:
        return
    rows = [fit_case(data / "golden" / "inversion" / case, run) for case in CASES for run in RUNS]
    print(f"{'case':<20}{'plan':<18}{'status':<15}{'1/rms':>8}{'SIR':>8}{'ratio':>8}{'core-s':>8}")
    for r in rows:
        print(
            f"{r['case']:<20}{r['run']:<18}{r['status']:<15}{1 / r['rms']:>8.1f}{1 / r['sir_rms']:>8.1f}"
            f"{r['ratio']:>8.3f}{r['core_seconds']:>8.2f}"
        )
    patch = hinode_patch(data)
    print(f"Hinode/SP patch, mean T [K] (median chi2 {patch['chi2_median']:.2f}):")
    for depth in ("0", "-1"):
        t = patch[depth]
        print(
            f"  log tau {depth:>2}: ours {t['ours']:.0f}, SPINOR {t['spinor']:.0f}, globin {t['globin']:.0f}"
        )
    write("observed", {"profiles": rows, "hinode": patch})


if __name__ == "__main__":
    main()
