"""What a user's configuration says in all: the plan, and what else a control file or a TOML file names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import Plan


@dataclass(frozen=True, slots=True)
class Project:
    """A plan with its surroundings.

    Attributes
    ----------
    plan : Plan
    guess : tuple of Atmosphere
        One per component, one pixel each, the start of every pixel; empty = the configuration names none.
    start : str
        Name of a model atmosphere to start from (``"hsra"``), where the configuration gives a name
        instead of files; empty = none. Resolved by the pipeline.
    stray_light_profile : ndarray (4, n_wavelength) float32 or None
        I, Q, U, V of the stray light on the observation's axis.
    observation : str or None
        The observed profiles that the configuration names (path or URL).
    notes : tuple of str
        How the configuration was understood, where that is worth saying.
    source : str
        File or preset it came from.

    Raises
    ------
    InvalidArgumentError
        On construction: the guesses do not go with the plan's components.
    """

    plan: Plan
    guess: tuple[Atmosphere, ...] = ()
    start: str = ""
    stray_light_profile: npt.NDArray[np.float32] | None = None
    observation: str | None = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.guess and self.plan.cycles and len(self.guess) != self.plan.n_component:
            raise InvalidArgumentError(
                f"guess: the plan has {self.plan.n_component} component(s), found {len(self.guess)} guess(es)"
            )
        for number, guess in enumerate(self.guess, start=1):
            if len(guess) != 1:
                raise InvalidArgumentError(
                    f"guess of component {number}: expected one pixel, found {len(guess)}"
                )
