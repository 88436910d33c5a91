"""Requests and results of the inversion service, as both ends hold them in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere, Floats
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.plan import QUANTITIES, Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status

Ints = npt.NDArray[np.int64]
#: pixels that one request may carry
MAX_PIXELS = 65536


def _check_pixels(pixel: npt.ArrayLike, n_pixel: int) -> Ints:
    ids = np.ascontiguousarray(pixel, dtype=np.int64)
    if ids.shape != (n_pixel,):
        raise InvalidArgumentError(f"pixel: expected shape ({n_pixel},), found {ids.shape}")
    if n_pixel > MAX_PIXELS:
        raise InvalidArgumentError(f"pixel: {n_pixel} pixels in one request, at most {MAX_PIXELS}")
    if np.unique(ids).size != n_pixel:
        raise InvalidArgumentError("pixel: an identifier occurs twice")
    return ids


def _check_mu(mu: npt.ArrayLike | None, n_pixel: int) -> Floats | None:
    if mu is None:
        return None
    values = np.ascontiguousarray(mu, dtype=np.float64)
    if values.shape != (n_pixel,) or not ((values > 0) & (values <= 1)).all():
        raise InvalidArgumentError(f"mu: expected {n_pixel} values in (0, 1], found shape {values.shape}")
    return values


def _check_position(position: npt.ArrayLike | None, n_pixel: int) -> Floats | None:
    if position is None:
        return None
    values = np.ascontiguousarray(position, dtype=np.float64)
    if values.shape != (n_pixel, 2):
        raise InvalidArgumentError(f"position: expected shape ({n_pixel}, 2), found {values.shape}")
    if not (np.square(values).sum(axis=1) < 1.0).all():
        raise InvalidArgumentError("position: expected X, Y in solar radii on the disc (X² + Y² < 1)")
    return values


def _check_profile(profile: npt.ArrayLike | None, n_wavelength: int) -> npt.NDArray[np.float32] | None:
    if profile is None:
        return None
    values = np.ascontiguousarray(profile, dtype=np.float32)
    if values.shape != (4, n_wavelength) or not np.isfinite(values).all():
        raise InvalidArgumentError(
            f"stray_light_profile: expected finite values of shape (4, {n_wavelength}), found {values.shape}"
        )
    return values


def _check_components(parts: tuple[Atmosphere, ...], n_pixel: int, name: str) -> None:
    for number, atmosphere in enumerate(parts, start=1):
        if len(atmosphere) != n_pixel:
            raise InvalidArgumentError(
                f"{name} of component {number}: expected {n_pixel} pixels, found {len(atmosphere)}"
            )


def _check_entries(results: object, names: tuple[str, ...], count: int) -> None:
    for name in names:
        found = len(getattr(results, name))
        if found != count:
            raise InvalidArgumentError(f"{name}: expected {count} entries, found {found}")


@dataclass(frozen=True, slots=True)
class InvertRequest:
    """One tile to invert.

    Attributes
    ----------
    engine : str
    plan : Plan
    spectra : Spectra
        n pixels.
    pixel : ndarray (n,) int64
        The caller's identifiers, unique.
    start : tuple of Atmosphere
        One per component of the plan, each of n pixels, on any depth axis.
    mu : ndarray (n,) float64 or None
        None = the plan's.
    stray_light_profile : ndarray (4, n_wavelength) float32 or None
    cycles : tuple of int
        Which of the plan's cycles to run, 0-based, in order; empty = all.
    seed : int
    position : ndarray (n, 2) float64 or None
        X (west) and Y (north) on the disc in solar radii, for engines that use more than μ; None = from μ.
    all_cycles : bool
        Return what every cycle made, besides the best.
    start_error : tuple of Atmosphere
        1σ of the start, one per component of it, on any depth axis; NaN where it is not known. An engine that
        can holds the fit to the start within them. Empty = nothing is known.

    Raises
    ------
    InvalidArgumentError
        On construction, where counts or shapes disagree, or an error is negative.
    """

    engine: str
    plan: Plan
    spectra: Spectra
    pixel: Ints
    start: tuple[Atmosphere, ...]
    mu: Floats | None = None
    stray_light_profile: npt.NDArray[np.float32] | None = None
    cycles: tuple[int, ...] = ()
    seed: int = 0
    position: Floats | None = None
    all_cycles: bool = False
    start_error: tuple[Atmosphere, ...] = ()

    def __post_init__(self) -> None:
        n_pixel = len(self.spectra)
        object.__setattr__(self, "pixel", _check_pixels(self.pixel, n_pixel))
        object.__setattr__(self, "mu", _check_mu(self.mu, n_pixel))
        object.__setattr__(self, "position", _check_position(self.position, n_pixel))
        profile = _check_profile(self.stray_light_profile, self.spectra.wavelength.size)
        object.__setattr__(self, "stray_light_profile", profile)
        if not self.plan.cycles:
            raise InvalidArgumentError("plan: an inversion needs at least one cycle")
        if len(self.start) != self.plan.n_component:
            raise InvalidArgumentError(
                f"start: the plan has {self.plan.n_component} component(s), found {len(self.start)} start(s)"
            )
        _check_components(self.start, n_pixel, "start")
        if self.start_error:
            if len(self.start_error) != len(self.start):
                raise InvalidArgumentError(
                    f"start_error: expected one for each of {len(self.start)} start(s), or none, found "
                    f"{len(self.start_error)}"
                )
            _check_components(self.start_error, n_pixel, "start_error")
            for part in self.start_error:
                for name, values in part.arrays().items():
                    if (values < 0.0).any():
                        raise InvalidArgumentError(f"start_error: {name}: an error is negative")
        for cycle in self.cycles:
            if not 0 <= cycle < len(self.plan.cycles):
                raise InvalidArgumentError(
                    f"cycles: the plan has {len(self.plan.cycles)} cycles, asked for {cycle}"
                )
        self.plan.region_slices(self.spectra.wavelength)

    def __len__(self) -> int:
        return int(self.pixel.size)


@dataclass(frozen=True, slots=True)
class CycleResults:
    """What one cycle made of k pixels, NaN where it did not run or failed.

    Attributes
    ----------
    cycle : int
        0-based, of the plan.
    atmosphere : tuple of Atmosphere
        One per component.
    fit : ndarray (k, 4, n_wavelength) float32
    chi2 : ndarray (k,) float64
        Reduced, as in `InvertResults`.
    """

    cycle: int
    atmosphere: tuple[Atmosphere, ...]
    fit: npt.NDArray[np.float32]
    chi2: Floats

    def __post_init__(self) -> None:
        k = len(self.chi2)
        _check_entries(self, ("fit",), k)
        _check_components(self.atmosphere, k, f"atmosphere of cycle {self.cycle}")

    def __len__(self) -> int:
        return len(self.chi2)


@dataclass(frozen=True, slots=True)
class InvertResults:
    """Results of k pixels.

    Attributes
    ----------
    pixel : ndarray (k,) int64
    status : tuple of Status
    message : tuple of str
        Reason, empty where OK.
    atmosphere, uncertainty : tuple of Atmosphere
        One per component; 1σ in the same units; NaN where there is no result.
    fit : ndarray (k, 4, n_wavelength) float32
    chi2 : ndarray (k,) float64
        Reduced: 1/(N−p) Σ (obs−fit)² w/σ².
    chi2_stokes : ndarray (k, 4) float64
        The mean of (obs−fit)² w/σ² over each Stokes parameter's samples.
    chi2_engine : ndarray (k,) float64
        The engine's own merit figure.
    cycles : ndarray (k,) int32
        Bit i set = cycle i of the plan ran.
    best_cycle : ndarray (k,) int32
        The cycle whose result is kept, −1 = the start.
    iterations : ndarray (k,) int32
    seconds : ndarray (k,) float64
        CPU seconds.
    by_cycle : tuple of CycleResults
        Where the request asked for all cycles, in the order they ran.
    """

    pixel: Ints
    status: tuple[Status, ...]
    message: tuple[str, ...]
    atmosphere: tuple[Atmosphere, ...]
    uncertainty: tuple[Atmosphere, ...]
    fit: npt.NDArray[np.float32]
    chi2: Floats
    chi2_stokes: Floats
    chi2_engine: Floats
    cycles: npt.NDArray[np.int32]
    best_cycle: npt.NDArray[np.int32]
    iterations: npt.NDArray[np.int32]
    seconds: Floats
    by_cycle: tuple[CycleResults, ...] = ()

    def __post_init__(self) -> None:
        k = len(self.status)
        _check_entries(self, ("pixel", "message", "fit", "chi2", "chi2_stokes", "chi2_engine"), k)
        _check_entries(self, ("cycles", "best_cycle", "iterations", "seconds"), k)
        _check_components(self.atmosphere, k, "atmosphere")
        _check_components(self.uncertainty, k, "uncertainty")
        for one in self.by_cycle:
            if len(one) != k:
                raise InvalidArgumentError(f"cycle {one.cycle}: expected {k} pixels, found {len(one)}")

    def __len__(self) -> int:
        return len(self.status)

    @classmethod
    def failed(
        cls,
        pixel: npt.ArrayLike,
        status: Status,
        message: str,
        *,
        n_component: int,
        log_tau: npt.ArrayLike,
        n_wavelength: int,
        seconds: float = 0.0,
    ) -> InvertResults:
        """Results that say why these pixels have none: NaN everywhere, never zero."""
        ids = np.atleast_1d(np.asarray(pixel, dtype=np.int64))
        k = ids.size
        empty = Atmosphere.full(k, log_tau)
        return cls(
            pixel=ids,
            status=(status,) * k,
            message=(message,) * k,
            atmosphere=(empty,) * n_component,
            uncertainty=(empty,) * n_component,
            fit=np.full((k, 4, n_wavelength), np.nan, np.float32),
            chi2=np.full(k, np.nan),
            chi2_stokes=np.full((k, 4), np.nan),
            chi2_engine=np.full(k, np.nan),
            cycles=np.zeros(k, np.int32),
            best_cycle=np.full(k, -1, np.int32),
            iterations=np.zeros(k, np.int32),
            seconds=np.full(k, seconds),
        )


@dataclass(frozen=True, slots=True)
class SynthesizeRequest:
    """Atmospheres to synthesise.

    Attributes
    ----------
    engine : str
    plan : Plan
    atmosphere : tuple of Atmosphere
        One per component, each of n pixels.
    pixel : ndarray (n,) int64
    wavelength : ndarray (n_wavelength,) float64
        Å; the plan's own grid or an observation's.
    mu : ndarray (n,) float64 or None
    stray_light_profile : ndarray (4, n_wavelength) float32 or None
    hydrostatic : bool
        Recompute the electron pressure from the top gas pressure, even where it is given.
    position : ndarray (n, 2) float64 or None
        As in `InvertRequest`.
    """

    engine: str
    plan: Plan
    atmosphere: tuple[Atmosphere, ...]
    pixel: Ints
    wavelength: Floats
    mu: Floats | None = None
    stray_light_profile: npt.NDArray[np.float32] | None = None
    hydrostatic: bool = False
    position: Floats | None = None

    def __post_init__(self) -> None:
        if len(self.atmosphere) not in (1, 2):
            raise InvalidArgumentError(
                f"atmosphere: expected one or two components, found {len(self.atmosphere)}"
            )
        n_pixel = len(self.atmosphere[0])
        _check_components(self.atmosphere, n_pixel, "atmosphere")
        object.__setattr__(self, "pixel", _check_pixels(self.pixel, n_pixel))
        object.__setattr__(self, "mu", _check_mu(self.mu, n_pixel))
        object.__setattr__(self, "position", _check_position(self.position, n_pixel))
        object.__setattr__(self, "wavelength", np.ascontiguousarray(self.wavelength, dtype=np.float64))
        self.plan.region_slices(self.wavelength)
        profile = _check_profile(self.stray_light_profile, self.wavelength.size)
        object.__setattr__(self, "stray_light_profile", profile)

    def __len__(self) -> int:
        return int(self.pixel.size)


@dataclass(frozen=True, slots=True)
class SynthesizeResults:
    """Synthesised profiles of k pixels: stokes (k, 4, n_wavelength) float32 and the atmospheres as used."""

    pixel: Ints
    status: tuple[Status, ...]
    message: tuple[str, ...]
    stokes: npt.NDArray[np.float32]
    atmosphere: tuple[Atmosphere, ...]

    def __post_init__(self) -> None:
        k = len(self.status)
        _check_entries(self, ("pixel", "message", "stokes"), k)
        _check_components(self.atmosphere, k, "atmosphere")

    def __len__(self) -> int:
        return len(self.status)


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """Atmospheres whose response functions are wanted.

    Attributes
    ----------
    quantities : tuple of str
        Of `stokeswarm.contract.plan.QUANTITIES`; empty = all.
    """

    engine: str
    plan: Plan
    atmosphere: Atmosphere
    pixel: Ints
    wavelength: Floats
    mu: Floats | None = None
    quantities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixel", _check_pixels(self.pixel, len(self.atmosphere)))
        object.__setattr__(self, "mu", _check_mu(self.mu, len(self.atmosphere)))
        object.__setattr__(self, "wavelength", np.ascontiguousarray(self.wavelength, dtype=np.float64))
        self.plan.region_slices(self.wavelength)
        for name in self.quantities:
            if name not in QUANTITIES:
                raise InvalidArgumentError(f"quantities: {name!r} is not one of {', '.join(QUANTITIES)}")
        if not self.quantities:
            object.__setattr__(self, "quantities", QUANTITIES)

    def __len__(self) -> int:
        return int(self.pixel.size)


@dataclass(frozen=True, slots=True)
class ResponseResults:
    """Response functions of k pixels.

    Attributes
    ----------
    quantities : tuple of str
    response : ndarray (k, n_quantity, n_depth, 4, n_wavelength) float32
        ∂(I, Q, U, V)/∂x at one grid point, per K, dyn cm⁻², km/s, G, km/s, degree, degree; temperature with
        the hydrostatic response of the electron pressure.
    stokes : ndarray (k, 4, n_wavelength) float32
    """

    pixel: Ints
    status: tuple[Status, ...]
    message: tuple[str, ...]
    quantities: tuple[str, ...]
    response: npt.NDArray[np.float32]
    stokes: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        _check_entries(self, ("pixel", "message", "response", "stokes"), len(self.status))

    def __len__(self) -> int:
        return len(self.status)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Progress of a running request: pixels done, in all, and requests waiting before it."""

    done: int
    total: int
    queued: int = 0


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a server says of one engine; ``digest`` is the sha256 of the executable or of our sources."""

    name: str
    version: str
    digest: str
    available: bool
    message: str = ""
    inverts: bool = True
    synthesizes: bool = True
    responds: bool = False
    slots: int = 1
