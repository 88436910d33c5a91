"""What a synthesis is asked for: rays of one model atmosphere, or the pixels of a map of atmospheres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stokeswarm.client.positions import mu_of
from stokeswarm.client.project import Project
from stokeswarm.client.tiles import parse_region
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Atmospheres of a synthesis, with where and how they are seen.

    Attributes
    ----------
    atmosphere : tuple of Atmosphere
        One per component, n of them.
    rays : ndarray (n,) float64 or None
        Cosines of the heliocentric angle of rays of one atmosphere.
    mu : ndarray (n,) float64 or None
        That of each; None = the plan's.
    position : ndarray (n, 2) float64 or None
        X and Y in solar radii.
    shape : (int, int)
        Rows and columns that the profiles are arranged in.
    cell : ndarray (n,) int64
        Where each one's profiles go among them.
    """

    atmosphere: tuple[Atmosphere, ...]
    rays: Floats | None
    mu: Floats | None
    position: Floats | None
    shape: tuple[int, int]
    cell: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.cell.size)

    def labels(self, i: int) -> str:
        """What tells the i-th from the others, for a message; empty where it is the only one."""
        if self.rays is not None:
            return f"mu {self.rays[i]:g}: "
        y, x = divmod(int(self.cell[i]), self.shape[1])
        return f"pixel ({y}, {x}): " if self.shape != (1, 1) else ""

    def arranged(self, stokes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Profiles (n, 4, n_wavelength) as (rows, columns, 4, n_wavelength), NaN where there are none."""
        rows, columns = self.shape
        full = np.full((rows * columns, *stokes.shape[1:]), np.nan, np.float32)
        full[self.cell] = stokes
        return full.reshape(rows, columns, *stokes.shape[1:])


def of_models(atmosphere: tuple[Atmosphere, ...], project: Project, rays: Floats | None) -> Chosen:
    """Rays of one model atmosphere, side by side: an engine that knows its populations goes on with them.

    Raises
    ------
    InvalidArgumentError
        There is no atmosphere, or the project places the pixels of a map.
    """
    if not atmosphere:
        raise InvalidArgumentError("no model atmosphere given, and the plan names none")
    count = 1 if rays is None else rays.size
    same = np.zeros(count, np.int64)
    # What the command line says of the ray comes before where the project lies on the disc.
    place = project.position if rays is None else None
    return Chosen(
        atmosphere=tuple(part.take(same) for part in atmosphere),
        rays=rays,
        mu=rays,
        position=None if place is None else everywhere(place, count),
        shape=(1, count),
        cell=np.arange(count),
    )


def of_map(project: Project, rays: Floats | None, output: Path) -> Chosen:
    """The project's atmospheres, those of its region and pixels.

    Raises
    ------
    InvalidArgumentError
        Rays are asked for, the output holds one pixel alone, or no pixel is left.
    """
    atmospheres = project.atmospheres
    if atmospheres is None:
        raise InvalidArgumentError("the plan brings no map of atmospheres")
    if output.suffix == ".per":
        raise InvalidArgumentError(f"output {output}: a .per holds one pixel; name an .npz for a map")
    if rays is not None:
        raise InvalidArgumentError("--mu: rays are those of one model atmosphere, the plan brings a map")
    ny, nx = atmospheres.shape
    wanted = np.zeros((ny, nx), np.bool_)
    window = parse_region(project.region or None, atmospheres.shape)
    wanted[window.y0 : window.y1, window.x0 : window.x1] = True
    if project.pixels is not None:
        listed = np.zeros((ny, nx), np.bool_)
        listed[project.pixels[:, 0], project.pixels[:, 1]] = True
        wanted &= listed
    place = project.position
    own = place is not None and place.ndim > 1
    if own and place is not None:
        wanted &= np.square(place).sum(axis=-1) < 1.0
    cell = np.flatnonzero(wanted.ravel() & atmospheres.available)
    if not cell.size:
        raise InvalidArgumentError("the plan's region and pixels hold no atmosphere on the disc")
    if place is not None:
        place = place.reshape(-1, 2)[cell] if own else everywhere(place, cell.size)
    return Chosen(
        atmosphere=(atmospheres.atmosphere.take(cell),),
        rays=None,
        mu=mu_of(place) if own and place is not None else None,
        position=place,
        shape=atmospheres.shape,
        cell=cell,
    )


def everywhere(place: Floats, count: int) -> Floats:
    """One place for each of them.

    Raises
    ------
    InvalidArgumentError
        There is a place for each pixel of a map.
    """
    if place.ndim != 1:
        raise InvalidArgumentError("position: one X,Y is needed here, not a map of them")
    return np.broadcast_to(place, (count, 2))
