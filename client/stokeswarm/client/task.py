"""What an inversion is asked to do, resolved: nothing left to look up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

import numpy as np
import numpy.typing as npt

from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Starter
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import Plan


@dataclass(frozen=True, slots=True)
class Setup:
    """What every request about an observation's pixels says.

    Attributes
    ----------
    observation : Observation
    plan : Plan
    engine : str
    stray_light_profile : ndarray (4, n_wavelength) float32 or None
    position : ndarray (y, x, 2) float64 or None
        X (west) and Y (north) of every pixel in solar radii; None = only the plan's μ is known.
    own_mu : bool
        Whether a pixel's μ is that of its position; else it is the plan's.
    all_cycles : bool
        Whether every cycle's results are asked for and kept.
    seed : int
    policy : RetryPolicy
    diagnose : callable
        See `Delivery`.
    """

    observation: Observation
    plan: Plan
    _: KW_ONLY
    engine: str = "lte"
    stray_light_profile: npt.NDArray[np.float32] | None = None
    position: npt.NDArray[np.float64] | None = None
    own_mu: bool = False
    all_cycles: bool = False
    seed: int = 0
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    diagnose: Callable[[], None] = lambda: None

    @property
    def last_cycle(self) -> tuple[int, ...]:
        """The last cycle."""
        return (len(self.plan.cycles) - 1,)

    @property
    def stored_cycles(self) -> int:
        """Cycles whose results are kept one by one."""
        return len(self.plan.cycles) if self.all_cycles else 0


@dataclass(frozen=True, slots=True)
class Task(Setup):
    """What to do with an observation.

    Attributes
    ----------
    starters : tuple of Starter
        More than one = best of.
    fallback : ModelStart
        Where a starter has nothing, and one of those that the gate sends pixels back to.
    gate : Gate
    gate_models : tuple of (str, ModelStart)
        The named models among the gate's starts, by their names there.
    synthesizes : bool
        Whether the engine can tell what a start looks like.
    assisted : int
        Cycles that run after a warm start, the last ones; at least 1.
    prior : bool
        Whether a start's own errors go with it.
    """

    starters: tuple[Starter, ...]
    fallback: ModelStart
    _: KW_ONLY
    gate: Gate = field(default_factory=Gate)
    gate_models: tuple[tuple[str, ModelStart], ...] = ()
    synthesizes: bool = True
    assisted: int = 1
    prior: bool = True

    def __post_init__(self) -> None:
        if self.assisted < 1:
            raise InvalidArgumentError(f"assisted cycles: expected at least 1, found {self.assisted}")

    @property
    def assisted_cycles(self) -> tuple[int, ...]:
        """What runs after a warm start."""
        number = len(self.plan.cycles)
        return tuple(range(max(0, number - self.assisted), number))
