"""Whether an inversion server's answer can be about what was asked."""

from __future__ import annotations

import numpy as np

from stokeswarm.contract.errors import DataLossError
from stokeswarm.contract.inversion import InvertResults
from stokeswarm.contract.plan import Plan


def check_answer(results: InvertResults, plan: Plan, n_wavelength: int, n_cycle: int) -> None:
    """Reject a message that cannot be about this plan.

    Parameters
    ----------
    results : InvertResults
    plan : Plan
    n_wavelength : int
        Samples sent.
    n_cycle : int
        Cycles asked for one by one; 0 = the best alone.

    Raises
    ------
    DataLossError
        Its depth axis, components, cycles or wavelengths are not the plan's.
    """
    if results.fit.shape[2] != n_wavelength:
        raise DataLossError(f"the answer has {results.fit.shape[2]} wavelengths, sent {n_wavelength}")
    if len(results.atmosphere) != plan.n_component or len(results.uncertainty) != plan.n_component:
        raise DataLossError(
            f"the answer has {len(results.atmosphere)} component(s), the plan {plan.n_component}"
        )
    every = [*results.atmosphere, *results.uncertainty]
    for one in results.by_cycle:
        if not 0 <= one.cycle < n_cycle or len(one.atmosphere) != plan.n_component:
            raise DataLossError(
                f"the answer has cycle {one.cycle} with {len(one.atmosphere)} component(s), asked for "
                f"{n_cycle} cycle(s) of {plan.n_component}"
            )
        if one.fit.shape[2] != n_wavelength:
            raise DataLossError(f"cycle {one.cycle} has {one.fit.shape[2]} wavelengths, sent {n_wavelength}")
        every += one.atmosphere
    for part in every:
        if part.n_depth != plan.n_depth or not np.allclose(part.log_tau, plan.log_tau, atol=1e-4):
            raise DataLossError(
                f"the answer has {part.n_depth} depths from log tau {part.log_tau[0]:g} to "
                f"{part.log_tau[-1]:g}, the plan {plan.n_depth} from "
                f"{plan.log_tau[0]:g} to {plan.log_tau[-1]:g}"
            )
