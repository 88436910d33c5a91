"""What became of the pixels of an inversion, and the contract's results made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import CycleResults, InvertRequest, InvertResults
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engines.sir.models import atmosphere_of

Floats = npt.NDArray[np.float64]
Fields = dict[str, Floats]


@dataclass(slots=True)
class CycleFit:
    """What one cycle made of one pixel, in the contract's units."""

    components: list[Fields]
    fit: npt.NDArray[np.float32]
    chi2: float
    chi2_stokes: Floats
    total: float
    """χ² before it is reduced."""
    misfit: float
    """rms of the residuals of the samples that have a weight, in units of the continuum reference."""
    merit: float
    moved: bool = True
    """Whether it is anything else than the start."""


@dataclass(slots=True)
class Pixel:
    """What became of one pixel."""

    status: Status
    message: str = ""
    cycles: list[CycleFit | None] = field(default_factory=list)
    best: int = -1
    """Position among the cycles that ran."""
    errors: list[Fields] = field(default_factory=list)
    iterations: int = 0
    seconds: float = 0.0


def assembled(
    request: InvertRequest, numbers: Sequence[int], rows: Sequence[int], pixels: Sequence[Pixel]
) -> InvertResults:
    """The results of some pixels.

    Parameters
    ----------
    request : InvertRequest
    numbers : sequence of int
        The plan's cycles that ran, in order.
    rows : sequence of int
        Of the request.
    pixels : sequence of Pixel
        One a row.
    """
    log_tau, n_wavelength = request.plan.log_tau, request.spectra.wavelength.size
    components = range(request.plan.n_component)
    best = [pixel.cycles[pixel.best] if pixel.best >= 0 else None for pixel in pixels]
    unknown = np.full(4, np.nan)
    return InvertResults(
        pixel=request.pixel[list(rows)],
        status=tuple(pixel.status for pixel in pixels),
        message=tuple(pixel.message for pixel in pixels),
        atmosphere=tuple(_atmosphere(log_tau, best, c) for c in components),
        uncertainty=tuple(
            atmosphere_of(log_tau, [p.errors[c] if p.errors else None for p in pixels]) for c in components
        ),
        fit=_fits(best, n_wavelength),
        chi2=_chi2(best),
        chi2_stokes=np.array([unknown if fit is None else fit.chi2_stokes for fit in best]),
        chi2_engine=np.array([np.nan if fit is None else fit.merit for fit in best]),
        cycles=np.array([_bits(numbers, pixel.cycles) for pixel in pixels], np.int32),
        best_cycle=np.array([_best_cycle(numbers, pixel) for pixel in pixels], np.int32),
        iterations=np.array([pixel.iterations for pixel in pixels], np.int32),
        seconds=np.array([pixel.seconds for pixel in pixels]),
        by_cycle=_by_cycle(request, numbers, pixels) if request.all_cycles else (),
    )


def _by_cycle(
    request: InvertRequest, numbers: Sequence[int], pixels: Sequence[Pixel]
) -> tuple[CycleResults, ...]:
    found = []
    for position, number in enumerate(numbers):
        fits = [pixel.cycles[position] if pixel.cycles else None for pixel in pixels]
        found.append(
            CycleResults(
                cycle=number,
                atmosphere=tuple(
                    _atmosphere(request.plan.log_tau, fits, c) for c in range(request.plan.n_component)
                ),
                fit=_fits(fits, request.spectra.wavelength.size),
                chi2=_chi2(fits),
            )
        )
    return tuple(found)


def _atmosphere(log_tau: Floats, fits: Sequence[CycleFit | None], component: int) -> Atmosphere:
    return atmosphere_of(log_tau, [None if fit is None else fit.components[component] for fit in fits])


def _fits(fits: Sequence[CycleFit | None], n_wavelength: int) -> npt.NDArray[np.float32]:
    found = np.full((len(fits), 4, n_wavelength), np.nan, np.float32)
    for i, fit in enumerate(fits):
        if fit is not None:
            found[i] = fit.fit
    return found


def _chi2(fits: Sequence[CycleFit | None]) -> Floats:
    return np.array([np.nan if fit is None else fit.chi2 for fit in fits])


def _best_cycle(numbers: Sequence[int], pixel: Pixel) -> int:
    """The plan's number of the best cycle; −1 = the start, or none."""
    best = pixel.cycles[pixel.best] if pixel.best >= 0 else None
    return numbers[pixel.best] if best is not None and best.moved else -1


def _bits(numbers: Sequence[int], fits: Sequence[CycleFit | None]) -> int:
    """Bit i set where cycle i of the plan left a result."""
    bits = 0
    for number, fit in zip(numbers, fits, strict=False):
        bits |= 0 if fit is None else 1 << number
    return bits
