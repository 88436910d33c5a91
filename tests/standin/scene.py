"""Profiles that tell the stand-in what to do, and what is to become of their pixels."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.inversion import InvertRequest
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.contract.testing import uniform


def _commands() -> Any:
    spec = importlib.util.spec_from_file_location("standin_commands", Path(__file__).with_name("commands.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMANDS = _commands()
OK, FAILED = (Status.OK,), (Status.ENGINE_FAILED,)
#: the output is whole, but the run did not end well: kept with a reason, or not kept
DOUBTFUL = (Status.ENGINE_FAILED, Status.NOT_CONVERGED)
LATE, NOTHING = (Status.TIMEOUT,), (Status.NO_OUTPUT,)
#: command → statuses that its pixel may end in (of one cycle), and words of the message
ENDINGS: dict[str, tuple[tuple[Status, ...], str]] = {
    "hang": (LATE, "out of time"),
    "hang_ignoring_signals": (LATE, "out of time"),
    "hang_with_children": (LATE, "out of time"),
    "stop_itself": (LATE, "out of time"),
    "burn_cpu": (LATE, "out of time"),
    "nothing": (NOTHING, "left no output"),
    "stale": ((*NOTHING, *FAILED), ""),
    "empty_files": (NOTHING, "left no output"),
    "fill_disk": (NOTHING, "File too large"),
    "symlink_output": (FAILED, "no g_1.mod"),
    "directory_output": (FAILED, "no g_1.mod"),
    "fifo_output": (FAILED, "no g_1.mod"),
    "delete_folder": (NOTHING, "left no output"),
    "zero_chi2": (FAILED, "zero|χ² is 0"),
    "nan_model": (FAILED, "g_1.mod.*not finite"),
    "nan_profile": (FAILED, "g_1.per.*not finite"),
    "partial": (FAILED, "g_1.mod.*truncated"),
    "asterisks": (FAILED, "g_1.mod.*asterisks"),
    "few_depths": (FAILED, "g_1.mod"),
    "few_wavelengths": (FAILED, "g_1.per"),
    "huge_output": (FAILED, "g_1.mod"),
    "binary_output": (FAILED, "g_1.mod"),
    "absurd_values": (FAILED, "temperature is not positive"),
    "other_depths": (FAILED, "g_1.mod"),
    "other_wavelengths": (FAILED, "g_1.per"),
    "segfault": (FAILED, "SIGSEGV"),
    "exit_code": (DOUBTFUL, "exit code 3"),
    "stop_message": (DOUBTFUL, "told to stop"),
    "escape_message": (DOUBTFUL, "red"),
    "no_uncertainties": (DOUBTFUL, "g_1.err|uncertaint"),
    "kill_warden": (FAILED, "warden"),
    "hog_memory": ((*FAILED, *NOTHING), "MemoryError"),
    "segfault_once": (OK, ""),
    "kill_warden_once": (OK, ""),
    "leave_children": (OK, ""),
    "late_writer": (OK, ""),
    "litter": (OK, ""),
    "flood": (OK, ""),
}
#: commands of which a run takes the pixel's whole time
SLOW = tuple(name for name, (status, _) in ENDINGS.items() if status is LATE)


def plan(cycles: int = 1, timeout: float = 2.0) -> Plan:
    """Fe I 6301.5 and 6302.5, 27 depths."""
    region = replace(hinode_sp().regions[0], psf=None)
    nodes = Nodes(temperature=2, field_strength=1, velocity=1, inclination=1, azimuth=1)
    return Plan(
        name="stand-in",
        regions=(region,),
        cycles=(Cycle((nodes,)),) * cycles,
        depth_step=0.2,
        top_gas_pressure=(870.0,),
        pixel_timeout=timeout,
        reference=ContinuumReference.DISC_CENTRE,
    )


def stokes(n: int, seed: int = 5) -> np.ndarray:
    """Different profiles (n, 4, n_wavelength) float32: a weak line pair with a field."""
    random = np.random.default_rng(seed)
    axis = plan().wavelength
    level, depth = random.uniform(0.8, 1.1, (n, 1)), random.uniform(0.4, 0.7, (n, 1))
    speed, strength = random.uniform(-2.0, 2.0, (n, 1)), random.uniform(0.01, 0.05, (n, 1))
    made = 1e-3 * random.standard_normal((n, 4, axis.size))
    made[:, 0] += level
    for line in plan().regions[0].lines:
        x = (axis - line.wavelength * (1.0 + speed / 2.998e5)) / 0.05
        bell = np.exp(-0.5 * x**2)
        made[:, 0] -= level * depth * bell
        made[:, 1] += strength * (x**2 - 1.0) * bell
        made[:, 2] += 0.5 * strength * (x**2 - 1.0) * bell
        made[:, 3] -= 2.0 * strength * x * bell
    return made.astype(np.float32)


def tell(profiles: np.ndarray, told: dict[int, str]) -> np.ndarray:
    """A copy of profiles (n, 4, n_wavelength) whose pixels carry commands: row → name."""
    changed = profiles.copy()
    for row, name in told.items():
        changed[row, 2, 0] = COMMANDS.encode(name)
    return changed


def request(profiles: np.ndarray, made: Plan | None = None, engine: str = "sir") -> InvertRequest:
    """A request to invert profiles, from one start for all."""
    made = plan() if made is None else made
    n = len(profiles)
    start = uniform(made.log_tau, temperature_offset=np.full(n, 50.0), field_strength=500.0, inclination=60.0)
    return InvertRequest(
        engine=engine,
        plan=made,
        spectra=Spectra(made.wavelength, profiles, made.reference),
        pixel=10 + 3 * np.arange(n),
        start=(start,),
    )
