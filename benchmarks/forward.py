"""Cost of one evaluation of the LTE forward model: synthesis alone, and with all response functions.

The case is a quiet-Sun atmosphere with field and velocity gradients on 53 depths, Fe I 6301.5 and 6302.5
on the 112 wavelengths of Hinode/SP. Prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from reference import write

from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.inversion.engines.lte.elements import mixture
from stokeswarm.inversion.engines.lte.forward import Column, ForwardModel, LineData, RegionSetup
from stokeswarm.inversion.engines.lte.terms import parse_transition
from stokeswarm.inversion.engines.lte.zeeman import pattern_of_terms

N_DEPTH, N_WAVELENGTH = 53, 112
ABUNDANCES = {
    1: 12.0, 2: 11.0, 6: 8.69, 7: 7.99, 8: 8.91, 10: 8.0, 11: 6.28, 12: 7.53, 13: 6.43, 14: 7.5, 16: 7.2,
    20: 6.36, 24: 5.88, 26: 7.5, 28: 6.28,
}  # fmt: skip
"""Logarithmic abundances (Grevesse 1984, Physica Scripta T8, 49), rounded: timing does not depend on them."""


def build() -> tuple[ForwardModel, Column]:
    """Model and atmosphere of the benchmark."""
    lines = tuple(
        LineData(26, 0, centre, excitation, log_gf, pattern_of_terms(*parse_transition(terms)), alpha, sigma)
        for centre, excitation, log_gf, terms, alpha, sigma in (
            (6301.5012, 3.64, -0.59, "5P 2.0- 5D 2.0", 0.242846, 2.3437e-14),
            (6302.4936, 3.69, -0.97, "5P 1.0- 5D 0.0", 0.240599, 2.9727e-14),
        )
    )
    wavelengths = 6301.5012 + 1e-3 * (-624.37 + 21.549 * np.arange(N_WAVELENGTH))
    abundance = np.full(92, -np.inf)
    for z, value in ABUNDANCES.items():
        abundance[z - 1] = value
    model = ForwardModel([RegionSetup(wavelengths, lines, hsra_continuum(6301.5012))], mixture(abundance))
    log_tau = np.linspace(1.2, -4.0, N_DEPTH)
    temperature = 6390.0 + 1500.0 * log_tau + 270.0 * log_tau**2
    temperature[log_tau < -2.5] = temperature[log_tau >= -2.5].min()
    column = Column(
        log_tau=log_tau,
        temperature=temperature,
        electron_pressure=10.0 ** (1.2 + 0.7 * log_tau),
        microturbulence=np.full(N_DEPTH, 1.0e5),
        field_strength=1500.0 + 150.0 * (log_tau + 1.0),
        velocity=5.0e4 * (2.0 + log_tau),
        inclination=np.deg2rad(40.0 - 6.0 * (log_tau + 1.0)),
        azimuth=np.deg2rad(30.0 + 5.0 * (log_tau + 1.0)),
    )
    return model, column


def measure(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and least CPU seconds of this thread over repeated calls, compilation excluded."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        seconds.append(time.thread_time() - start)
    return {"median_s": statistics.median(seconds), "least_s": min(seconds)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100, help="evaluations of each kind")
    repeats = parser.parse_args().repeats
    model, column = build()
    workspace = model.workspace(N_DEPTH)
    results = {
        "synthesis": measure(lambda: model.synthesize(column, workspace), repeats),
        "synthesis_with_response": measure(
            lambda: model.synthesize_with_response(column, workspace), repeats
        ),
    }
    print(
        f"LTE forward model, {N_DEPTH} depths x {N_WAVELENGTH} wavelengths x 2 lines, CPU time per evaluation"
    )
    print(f"{'':28s}{'median':>12s}{'least':>12s}")
    for name, seconds in results.items():
        print(f"{name:28s}{1e3 * seconds['median_s']:9.2f} ms{1e3 * seconds['least_s']:9.2f} ms")
    write("forward", {"repeats": repeats, **results})


if __name__ == "__main__":
    main()
