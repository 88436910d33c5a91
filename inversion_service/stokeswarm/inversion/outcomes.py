"""What a request's pixels end with: making, checking, cutting and joining results of the three methods.

An engine is not trusted to count: its answer must hold exactly the rows that were asked, in their order, and
a pixel that it calls good must hold finite numbers only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import OPTIONAL, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import StokeswarmError
from stokeswarm.contract.inversion import (
    CycleResults,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.spectra import invalid_reason
from stokeswarm.contract.status import Status

R = TypeVar("R", InvertResults, SynthesizeResults, ResponseResults)
#: one set of results, or what a single cycle made
Part = TypeVar("Part", InvertResults, SynthesizeResults, ResponseResults, CycleResults)
AnyResults = InvertResults | SynthesizeResults | ResponseResults
Bools = npt.NDArray[np.bool_]

#: what must be finite in the atmosphere of a pixel that goes in or comes out good
REQUIRED = (*(name for name in STRATIFIED if name not in OPTIONAL), "macroturbulence")


class EngineFaultError(StokeswarmError):
    """An engine's answer is not what was asked: a bug of the engine."""


class Outcomes(Protocol[R]):
    """The results of one request, whatever its method."""

    @property
    def pixel(self) -> npt.NDArray[np.int64]:
        """The caller's identifiers."""
        ...

    def invalid(self) -> dict[int, str]:
        """Row → why it cannot be given to an engine."""
        ...

    def failed(self, rows: Sequence[int], status: Status, messages: Sequence[str]) -> R:
        """Results without numbers: NaN everywhere."""
        ...

    def faults(self, results: R) -> dict[str, Bools]:
        """What is wrong → which of the results' pixels hold numbers that are not finite there.

        Raises
        ------
        EngineFaultError
            An array's shape is not what the request implies.
        """
        ...


@dataclass(frozen=True, slots=True)
class InvertOutcomes:
    """Of an inversion."""

    request: InvertRequest

    @property
    def pixel(self) -> npt.NDArray[np.int64]:
        """The caller's identifiers."""
        return self.request.pixel

    def invalid(self) -> dict[int, str]:
        """Pixels whose profile or start cannot be inverted, with the reason."""
        reasons = _not_finite_inputs(self.request.start, "start")
        for row, stokes in enumerate(self.request.spectra.stokes):
            reason = invalid_reason(stokes)
            if reason:
                reasons[row] = reason
        return dict(sorted(reasons.items()))

    def failed(self, rows: Sequence[int], status: Status, messages: Sequence[str]) -> InvertResults:
        """NaN, on the plan's depth axis."""
        request = self.request
        results = InvertResults.failed(
            request.pixel[list(rows)],
            status,
            "",
            n_component=request.plan.n_component,
            log_tau=request.plan.log_tau,
            n_wavelength=request.spectra.wavelength.size,
        )
        return replace(results, message=tuple(messages))

    def faults(self, results: InvertResults) -> dict[str, Bools]:
        """Non-finite atmosphere, fit or χ²; uncertainties may be NaN (a parameter that is not free)."""
        n_component, n_wavelength = self.request.plan.n_component, self.request.spectra.wavelength.size
        _expect("components", len(results.atmosphere), n_component)
        _expect("components of the uncertainty", len(results.uncertainty), n_component)
        k = len(results)
        _expect("shape of the fit", results.fit.shape, (k, 4, n_wavelength))
        _expect("shape of chi2_stokes", results.chi2_stokes.shape, (k, 4))
        return {
            **_not_finite_atmospheres(results.atmosphere),
            "the fit": _not_finite(results.fit),
            "chi2": _not_finite(results.chi2),
        }


@dataclass(frozen=True, slots=True)
class SynthesisOutcomes:
    """Of a synthesis."""

    request: SynthesizeRequest

    @property
    def pixel(self) -> npt.NDArray[np.int64]:
        """The caller's identifiers."""
        return self.request.pixel

    def invalid(self) -> dict[int, str]:
        """Pixels whose atmosphere holds NaN or infinities."""
        return _not_finite_inputs(self.request.atmosphere, "atmosphere")

    def failed(self, rows: Sequence[int], status: Status, messages: Sequence[str]) -> SynthesizeResults:
        """NaN, on the request's depth axes."""
        request, k = self.request, len(rows)
        return SynthesizeResults(
            pixel=request.pixel[list(rows)],
            status=(status,) * k,
            message=tuple(messages),
            stokes=np.full((k, 4, request.wavelength.size), np.nan, np.float32),
            atmosphere=tuple(Atmosphere.full(k, a.log_tau) for a in request.atmosphere),
        )

    def faults(self, results: SynthesizeResults) -> dict[str, Bools]:
        """Non-finite profiles or atmospheres."""
        _expect("components", len(results.atmosphere), len(self.request.atmosphere))
        for atmosphere in results.atmosphere:
            _expect("pixels of an atmosphere", len(atmosphere), len(results))
        _expect("shape of stokes", results.stokes.shape, (len(results), 4, self.request.wavelength.size))
        return {
            **_not_finite_atmospheres(results.atmosphere),
            "the profile": _not_finite(results.stokes),
        }


@dataclass(frozen=True, slots=True)
class ResponseOutcomes:
    """Of response functions."""

    request: ResponseRequest

    @property
    def pixel(self) -> npt.NDArray[np.int64]:
        """The caller's identifiers."""
        return self.request.pixel

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of one pixel's response: n_quantity, n_depth, 4, n_wavelength."""
        request = self.request
        return len(request.quantities), request.atmosphere.n_depth, 4, request.wavelength.size

    def invalid(self) -> dict[int, str]:
        """Pixels whose atmosphere holds NaN or infinities."""
        return _not_finite_inputs((self.request.atmosphere,), "atmosphere")

    def failed(self, rows: Sequence[int], status: Status, messages: Sequence[str]) -> ResponseResults:
        """NaN."""
        request, k = self.request, len(rows)
        return ResponseResults(
            pixel=request.pixel[list(rows)],
            status=(status,) * k,
            message=tuple(messages),
            quantities=request.quantities,
            response=np.full((k, *self.shape), np.nan, np.float32),
            stokes=np.full((k, 4, request.wavelength.size), np.nan, np.float32),
        )

    def faults(self, results: ResponseResults) -> dict[str, Bools]:
        """Non-finite responses or profiles."""
        _expect("quantities", results.quantities, self.request.quantities)
        _expect("shape of the response", results.response.shape, (len(results), *self.shape))
        _expect("shape of stokes", results.stokes.shape, (len(results), 4, self.request.wavelength.size))
        return {
            "the response": _not_finite(results.response),
            "the profile": _not_finite(results.stokes),
        }


def accept(outcomes: Outcomes[R], rows: Sequence[int], results: R) -> list[R]:
    """Check an engine's answer to ``rows``.

    Returns
    -------
    list of results
        The pixels as the engine gave them, less those called good although a number is not finite: these
        end as ENGINE_FAILED, with NaN, and say what was not finite.

    Raises
    ------
    EngineFaultError
        The answer holds other pixels than asked, or arrays of another shape.
    """
    asked = outcomes.pixel[list(rows)]
    found = np.asarray(results.pixel)
    _expect("statuses", len(results.status), len(rows))
    _expect("messages", len(results.message), len(rows))
    if found.shape != asked.shape or (found != asked).any():
        raise EngineFaultError(f"asked for pixels {_some(asked)}, the engine answered {_some(found)}")
    good = np.array([status.has_result for status in results.status], dtype=bool)
    reasons: dict[int, str] = {}
    for what, broken in outcomes.faults(results).items():
        for index in np.flatnonzero(broken & good):
            status = results.status[index].name
            reasons.setdefault(int(index), f"the engine called the pixel {status}, but {what} is not finite")
    if not reasons:
        return [results]
    keep = [index for index in range(len(rows)) if index not in reasons]
    failed = outcomes.failed([rows[i] for i in reasons], Status.ENGINE_FAILED, list(reasons.values()))
    return [take(results, keep), failed] if keep else [failed]


def take(results: R, indices: Sequence[int]) -> R:
    """Some of the results' pixels, in that order."""
    return _rebuild(results, lambda name, value: _take(name, value, list(indices)))


def _take(name: str, value: Any, indices: list[int]) -> Any:
    if isinstance(value, np.ndarray):
        return value[indices]
    if name in ("atmosphere", "uncertainty"):
        return tuple(atmosphere.take(indices) for atmosphere in value)
    if name == "by_cycle":
        return tuple(_rebuild(one, lambda inner, v: _take(inner, v, indices)) for one in value)
    if name in ("status", "message"):
        return tuple(value[i] for i in indices)
    return value


def join(parts: Sequence[R]) -> list[R]:
    """Join results; those whose depth axes or fields differ from their predecessor's start another one."""
    groups: list[list[R]] = []
    for part in parts:
        if groups and _like(groups[-1][0]) == _like(part):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [_join(group) for group in groups]


def _join(parts: list[R]) -> R:
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: Sequence[Part]) -> Part:
    def joined(name: str, value: Any) -> Any:
        values = [getattr(part, name) for part in parts]
        if isinstance(value, np.ndarray):
            return np.concatenate(values)
        if name in ("atmosphere", "uncertainty"):
            return tuple(Atmosphere.concatenate(list(same)) for same in zip(*values, strict=True))
        if name == "by_cycle":
            return tuple(_joined(same) for same in zip(*values, strict=True))
        if name in ("status", "message"):
            return tuple(entry for entries in values for entry in entries)
        return value

    return _rebuild(parts[0], joined)


def _like(results: AnyResults) -> list[object]:
    """Depth axes, fields and cycles, equal where two results can be joined."""
    cycles = [one.cycle for one in getattr(results, "by_cycle", ())]
    return [cycles, *((a.log_tau.tobytes(), tuple(a.arrays())) for a in _atmospheres(results))]


def _atmospheres(results: AnyResults | CycleResults) -> list[Atmosphere]:
    found = [*getattr(results, "atmosphere", ()), *getattr(results, "uncertainty", ())]
    for one in getattr(results, "by_cycle", ()):
        found += _atmospheres(one)
    return found


def nbytes(results: AnyResults) -> int:
    """Bytes of the arrays, about those of the message."""
    arrays = [array for a in _atmospheres(results) for array in a.arrays().values()]
    for part in (results, *getattr(results, "by_cycle", ())):
        arrays += [v for v in (getattr(part, f.name) for f in fields(part)) if isinstance(v, np.ndarray)]
    return sum(int(array.nbytes) for array in arrays)


def split(results: R, max_bytes: int) -> list[R]:
    """Cut results into parts of at most ``max_bytes``, or of one pixel where that is larger."""
    k = len(results)
    size = max(1, int(k * max_bytes / max(1, nbytes(results))))
    if size >= k:
        return [results]
    return [take(results, range(start, min(start + size, k))) for start in range(0, k, size)]


def _rebuild(results: Part, change: Callable[[str, Any], Any]) -> Part:
    values = {field.name: change(field.name, getattr(results, field.name)) for field in fields(results)}
    return replace(results, **values)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise EngineFaultError(f"{what}: expected {expected}, the engine answered {found}")


def _some(pixels: npt.NDArray[np.int64]) -> str:
    shown = ", ".join(str(pixel) for pixel in pixels.ravel()[:5])
    return f"({pixels.size}) {shown}{' …' if pixels.size > 5 else ''}"


def _not_finite(values: npt.NDArray[Any]) -> Bools:
    broken: Bools = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return broken


def _not_finite_atmospheres(atmospheres: Sequence[Atmosphere]) -> dict[str, Bools]:
    # Pressures and heights may be NaN: a synthesis that takes the electron pressure as given has none.
    return {
        f"{name} of component {number}": _not_finite(getattr(atmosphere, name))
        for number, atmosphere in enumerate(atmospheres, start=1)
        for name in REQUIRED
    }


def _not_finite_inputs(atmospheres: Sequence[Atmosphere], what: str) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for number, atmosphere in enumerate(atmospheres, start=1):
        for name in REQUIRED:
            for row in np.flatnonzero(_not_finite(getattr(atmosphere, name))):
                reasons.setdefault(int(row), f"{what} of component {number}: {name} is not finite")
    return reasons
