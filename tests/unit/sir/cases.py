"""Plans and atmospheres that the tests of the SIR engine share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import FE_6301, FE_6302
from stokeswarm.contract.plan import Cycle, Nodes, Plan, Region
from stokeswarm.contract.status import ContinuumReference

NODES = Nodes(
    temperature=3,
    microturbulence=1,
    field_strength=2,
    velocity=1,
    inclination=1,
    azimuth=1,
    macroturbulence=True,
)


def region(n: int = 5, step: float = 0.02, **changes: Any) -> Region:
    start = FE_6301.wavelength - 0.04
    given = Region("fe", (FE_6301, FE_6302), start, start + (n - 1) * step, step)
    return replace(given, **changes)


def plan(cycles: tuple[Cycle, ...] = (Cycle((NODES,)),), **changes: Any) -> Plan:
    given: dict[str, Any] = {
        "name": "test",
        "regions": (region(),),
        "cycles": cycles,
        "depth_bottom": 1.0,
        "depth_top": -3.0,
        "depth_step": 0.5,
        "reference": ContinuumReference.DISC_CENTRE,
    }
    return Plan(**(given | changes))


def atmosphere(n: int = 1, log_tau: np.ndarray | None = None, **changes: float) -> Atmosphere:
    """Numbers that are different in every field, constant with depth but for the temperature."""
    depth = plan().log_tau if log_tau is None else log_tau
    one = np.ones((n, depth.size))
    values = {
        "electron_pressure": 10.0,
        "microturbulence": 1.25,
        "field_strength": 1500.0,
        "velocity": -0.75,
        "inclination": 60.0,
        "azimuth": 25.0,
        "height": 100.0,
        "gas_pressure": 1e5,
        "density": 1e-7,
    }
    fields = {name: changes.get(name, value) * one for name, value in values.items()}
    scalars = {"macroturbulence": 0.5, "filling_factor": 1.0, "stray_light": 0.0}
    return Atmosphere(
        log_tau=depth,
        temperature=(5000.0 + 1000.0 * depth) * one,
        **fields,
        **{name: np.full(n, changes.get(name, value)) for name, value in scalars.items()},
    )
