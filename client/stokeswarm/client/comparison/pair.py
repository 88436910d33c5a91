"""Two results laid over each other: their common pixels, and which of them a number is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stokeswarm.client.comparison.archives import open_archive
from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE
from stokeswarm.client.comparison.sides import Bools, Map, Opened, Polarisation, Side, common_window
from stokeswarm.client.comparison.stores import StoreSource
from stokeswarm.client.layout import NOT_RUN
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import Window
from stokeswarm.client.truth import DEPTHS
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

if TYPE_CHECKING:
    import xarray as xr

    Source = str | Path | ResultStore | xr.DataTree
    Truth = Source | Atmosphere

#: times the median of its reduced χ² up to which REF has reached the noise
NOISE_FACTOR: Final = 1.5
#: which polarisation says that a quantity can be known
SIGNAL: Final[Mapping[str, str]] = {"field_strength": "total", "inclination": "total", "azimuth": "linear"}
#: what an archive of atmospheres is named like
_ARCHIVES: Final = (".npz", ".mod")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two results over their common window, and a truth.

    Attributes
    ----------
    reference, other : Side
    truth : Side or None
    log_tau : tuple of float
    common : ndarray (ny, nx) bool
        Pixels with a result on both sides.
    reached_noise : ndarray (ny, nx) bool or None
        Of those, where REF's reduced χ² is at most `noise_limit`; None where REF has no χ².
    noise_limit : float or None
        `NOISE_FACTOR` times the median of REF's reduced χ² over the common pixels.
    polarisation : Polarisation or None
        Of the observation, REF's first.
    notes : tuple of str
    """

    reference: Side
    other: Side
    truth: Side | None
    log_tau: tuple[float, ...]
    common: Bools
    reached_noise: Bools | None
    noise_limit: float | None
    polarisation: Polarisation | None
    notes: tuple[str, ...]

    @property
    def window(self) -> Window:
        """The common pixels' rectangle, in the coordinates of the observation."""
        return self.reference.window

    @property
    def selections(self) -> dict[str, Bools]:
        """Name → pixels (ny, nx)."""
        found = {ALL: self.common}
        return found if self.reached_noise is None else found | {REACHED_NOISE: self.reached_noise}

    def polarised(self, quantity: str, limit: float) -> Bools | None:
        """Where a quantity's signal exceeds a limit [σ]; None where that is not known, or asks nothing."""
        if quantity not in SIGNAL or self.polarisation is None:
            return None
        signal: Map = getattr(self.polarisation, SIGNAL[quantity])
        return signal > limit


def load(
    reference: Source, other: Source, truth: Truth | None = None, log_tau: Sequence[float] = DEPTHS
) -> Pair:
    """Read what is compared of two results.

    Parameters
    ----------
    reference, other : path, URL, ResultStore or xarray.DataTree
        Result stores; or archives of atmospheres (`stokeswarm.client.comparison.archives`), which have no
        observation, and a χ² only where they hold one.
    truth : the same, or Atmosphere, optional
        Of the whole observation, or of REF's pixels.
    log_tau : sequence of float
        Between the points of an axis, linear in log τ.

    Raises
    ------
    NotFoundError
        One of them is not there.
    DataLossError
        A folder is no result store of ours.
    InvalidArgumentError
        They share no pixel, or none with a result on both sides; a depth lies outside; the truth is that of
        another map.
    """
    depths = tuple(dict.fromkeys(float(depth) for depth in log_tau))
    if not depths:
        raise InvalidArgumentError("compare: at least one log tau is needed")
    first, second = _open(reference), _open(other)
    window = common_window(first.window, second.window)
    if window is None:
        raise InvalidArgumentError(
            f"{first.name} covers y,x {first.window}, {second.name} covers {second.window}: expected pixels "
            "that both have, found none"
        )
    a, b = first.read(window, depths), second.read(window, depths)
    common = a.has_result & b.has_result
    if not common.any():
        raise InvalidArgumentError(
            f"{first.name} and {second.name} have no pixel with a result in both: "
            f"{int(a.has_result.sum())} and {int(b.has_result.sum())} of {window.size} have one"
        )
    limit = noise_limit(a.chi2, common)
    return Pair(
        a,
        b,
        None if truth is None else _truth(truth, first, window, depths),
        depths,
        common,
        None if limit is None or a.chi2 is None else common & (a.chi2 <= limit),
        limit,
        first.polarisation(window) or second.polarisation(window),
        tuple(_notes(a, b)),
    )


def noise_limit(chi2: Map | None, common: Bools) -> float | None:
    """Reduced χ² up to which a fit has reached the noise; None without any.

    Parameters
    ----------
    chi2 : ndarray (ny, nx) float32 or None
    common : ndarray (ny, nx) bool
        The pixels whose median counts.
    """
    if chi2 is None:
        return None
    known = chi2[common & np.isfinite(chi2)]
    return NOISE_FACTOR * float(np.median(known)) if known.size else None


def _open(source: Source) -> Opened:
    if isinstance(source, str | Path) and str(source).lower().endswith(_ARCHIVES):
        return open_archive(source)
    return StoreSource.open(source)


def _truth(truth: Truth, reference: Opened, window: Window, depths: tuple[float, ...]) -> Side:
    if isinstance(truth, Atmosphere) or (
        isinstance(truth, str | Path) and str(truth).lower().endswith(_ARCHIVES)
    ):
        # A truth has no coordinates of its own: its shape says whether it is the observation's or REF's.
        places = {reference.window.shape: reference.window}
        shape = dict(reference.attrs.get("observation", {})).get("shape")
        if shape:
            places[int(shape[0]), int(shape[1])] = Window(0, int(shape[0]), 0, int(shape[1]))
        opened: Opened = open_archive(truth, places)
    else:
        opened = StoreSource.open(truth)
    if common_window(opened.window, window) != window:
        raise InvalidArgumentError(
            f"truth {opened.name} covers y,x {opened.window}, the results share {window}: expected all of it"
        )
    return opened.read(window, depths)


def _notes(a: Side, b: Side) -> Iterator[str]:
    """What makes numbers less comparable than they look."""
    for side in (a, b):
        if side.status is not None and (missing := int((side.status == NOT_RUN).sum())):
            yield f"{side.name} is not complete: {missing} of {side.status.size} pixels have not run"
    if a.window != a.origin or b.window != b.origin:
        yield f"the results cover y,x {a.origin} and {b.origin}; compared is {a.window}"
    if a.chi2 is None or b.chi2 is None:
        return
    inputs = [_nested(side.attrs, "identity", "input", "content") for side in (a, b)]
    if all(inputs) and inputs[0] != inputs[1]:
        yield "the two observations differ: chi-square ratios also show that"
    noise = [_nested(side.attrs, "plan", "noise") for side in (a, b)]
    if all(noise) and noise[0] != noise[1]:
        yield f"the plans' noise differs ({noise[0]} and {noise[1]}): chi-square ratios also show that"
    weights = [
        [cycle.get("weights") for cycle in _nested(s.attrs, "plan", "cycles") or []][-1:] for s in (a, b)
    ]
    if all(weights) and weights[0] != weights[1]:
        yield f"the plans' Stokes weights differ ({weights[0][0]} and {weights[1][0]}): so do the chi-squares"


def _nested(attrs: Mapping[str, Any], *keys: str) -> Any:
    """An attribute of attributes, None where it is missing."""
    found: Any = attrs
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found
