"""A training set from an inverted map, as Gafeira et al. (2021, A&A 651, A31) made theirs.

The profiles are the observed ones (or the fits to them), the atmospheres those that the inversion found. What
a network learns from it are the inversion's answers, its mistakes included, for this map and its like.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.random_atmospheres import BLOCK
from stokeswarm.client.results import Result
from stokeswarm.client.sampling import Progress, Sampled
from stokeswarm.client.training_set import TrainingSetStore
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import ContinuumReference

if TYPE_CHECKING:
    import xarray as xr

#: pixels along the side of the squares that stay together when a set is split for validation
REGION_SIDE: Final = 16
#: where the profiles come from
PROFILES: Final = ("observed", "fit")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which pixels of a result are learnt from.

    Attributes
    ----------
    profiles : str
        ``observed``, or ``fit``: what the atmospheres emit, without noise.
    max_chi2 : float
        Reduced χ² above which a pixel is left out.
    region : tuple of int or None
        y0, y1, x0, x1 within the result; None = all.

    Raises
    ------
    InvalidArgumentError
        On construction, where a value is out of range.
    """

    profiles: str = "observed"
    max_chi2: float = 10.0
    region: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.profiles not in PROFILES:
            raise InvalidArgumentError(f"profiles: expected {' or '.join(PROFILES)}, found {self.profiles!r}")
        if not self.max_chi2 > 0:
            raise InvalidArgumentError(f"largest χ²: expected a positive number, found {self.max_chi2:g}")

    def mask(self, result: Result) -> npt.NDArray[np.bool_]:
        """The chosen pixels (ny, nx)."""
        chosen = result.has_result & (result.array("fit/chi2") <= self.max_chi2)
        if self.region is not None:
            y0, y1, x0, x1 = self.region
            inside = np.zeros_like(chosen)
            inside[y0:y1, x0:x1] = True
            chosen &= inside
        return np.asarray(chosen)


def from_result(
    source: str | Path | xr.DataTree,
    output: str | Path,
    selection: Selection | None = None,
    *,
    progress: Progress | None = None,
) -> Sampled:
    """Write the pixels of a result as a training set.

    Parameters
    ----------
    source : path, URL or DataTree
        A result store.
    output : path or URL
        See `stokeswarm.client.training_set`.
    selection : Selection, optional
    progress : callable, optional

    Returns
    -------
    Sampled
        `replaced` counts the pixels of the map that are left out.

    Raises
    ------
    NotFoundError
        There is no result, or it does not hold the observed profiles.
    OutputExistsError
        The output is there already.
    InvalidArgumentError
        No pixel passes the selection, or the result has two components.
    """
    selection = selection or Selection()
    result = Result.open(source)
    if "atmosphere_2" in result.tree.children:
        raise InvalidArgumentError(
            f"{source}: two atmospheric components; a network learns one atmosphere a pixel"
        )
    group = "observation" if selection.profiles == "observed" else "fit"
    stokes = result.array(f"{group}/stokes")
    chosen = selection.mask(result) & np.isfinite(stokes).all(axis=(2, 3))
    y, x = np.nonzero(chosen)
    if y.size == 0:
        raise InvalidArgumentError(
            f"{source}: no pixel with a result, complete profiles and χ² <= {selection.max_chi2:g}"
        )
    attrs = result.tree.attrs
    plan, identity = attrs.get("plan", {}), attrs.get("identity", {})
    store = TrainingSetStore.create(
        output,
        n=int(y.size),
        log_tau=result.log_tau,
        wavelength=result.wavelength,
        classes=(),
        recipe={
            "from": str(source) if isinstance(source, str | Path) else "a result in memory",
            "profiles": selection.profiles,
            "max_chi2": selection.max_chi2,
            "region": selection.region,
            "engine": identity.get("engine"),
            "input": identity.get("input"),
        },
        noise=float(min(plan.get("noise", [0.0]))) if group == "observation" else 0.0,
        reference=ContinuumReference(identity.get("input", {}).get("reference") or plan["reference"]),
    )
    fields = {
        name: result.array(f"atmosphere/{name}")[y, x].astype(np.float64)
        for name in (*STRATIFIED, *SCALAR)
        if f"atmosphere/{name}" in result
    }
    atmosphere = Atmosphere(log_tau=result.log_tau, **fields)
    across = -(-chosen.shape[1] // REGION_SIDE)
    region = (y // REGION_SIDE) * across + x // REGION_SIDE
    own = "observation/mu" in result
    mu = result.array("observation/mu")[y, x] if own else np.full(y.size, plan.get("mu", 1.0))
    for block in list(store.missing()):
        rows = np.arange(block * BLOCK, min((block + 1) * BLOCK, y.size))
        store.write(
            block,
            stokes[y[rows], x[rows]],
            atmosphere.take(rows),
            mu[rows],
            np.full(rows.size, -1),
            region[rows],
        )
        if progress is not None:
            progress(int(rows[-1]) + 1, int(y.size), 0)
    store.finish()
    return Sampled(str(output), int(y.size), int(chosen.size - y.size), ())
