"""What a user's configuration says in all: the plan, and what else a control file or a TOML file names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import Plan

#: engine where nothing says otherwise
DEFAULT_ENGINE: Final = "lte"


@dataclass(frozen=True, slots=True)
class AtmosphereMap:
    """Atmospheres of a map's pixels.

    Attributes
    ----------
    atmosphere : Atmosphere
        One component, ny × nx pixels, row by row.
    shape : (int, int)
        ny and nx.
    available : ndarray (ny * nx,) bool
        Which pixels have one.
    """

    atmosphere: Atmosphere
    shape: tuple[int, int]
    available: npt.NDArray[np.bool_]


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
    position : ndarray (2,) or (y, x, 2) float64, or None
        X (west) and Y (north) on the disc in solar radii, of all pixels or of each; for DeSIRe.
    region : str
        Part of the map to invert, ``y0:y1,x0:x1``; empty = all of it.
    pixels : ndarray (n, 2) int64 or None
        The only (y, x) to invert; None = all.
    cubes : tuple of str
        FITS cubes of the observation, one a region, instead of `observation` (see
        `stokeswarm.client.readers.cubes`).
    atmospheres : AtmosphereMap or None
        An atmosphere for every pixel: its start, or what is to be synthesised.
    guesses : tuple of Atmosphere
        Further guesses of one component; every one is tried and the best fit kept.
    engine : str
        Engine that the configuration is written for; empty = it leaves that open.
    init : str
        Start that it asks for (see `stokeswarm.client.starts`); empty = its guess, or the default.
    all_cycles : bool
        Whether it asks for what every cycle made.
    hints : mapping
        What it says of the observation, as keywords of `stokeswarm.client.readers.read`.
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
    position: npt.NDArray[np.float64] | None = None
    region: str = ""
    pixels: npt.NDArray[np.int64] | None = None
    cubes: tuple[str, ...] = ()
    atmospheres: AtmosphereMap | None = None
    guesses: tuple[Atmosphere, ...] = ()
    engine: str = ""
    init: str = ""
    all_cycles: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)
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


def engine_name(wanted: str, project: Project) -> str:
    """The engine that the user names, else the one that the project is written for, else the embedded one."""
    return wanted or project.engine or DEFAULT_ENGINE
