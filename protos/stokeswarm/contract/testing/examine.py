"""Whether results are what the contract promises, whatever the engine and the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.status import Status

#: what may differ between two runs of the same pixel
CLOCK: Final = ("seconds",)
#: characters of the longest reason that is still a reason
MAX_MESSAGE: Final = 1000
#: the fit travels in single precision, so its χ² is known no better than this
CHI2_TOLERANCE: Final = 1e-4
_REQUIRED: Final = (*(name for name in STRATIFIED if name not in OPTIONAL), *SCALAR)


def expect(condition: object, message: str) -> None:
    """Fail with a message.

    Raises
    ------
    AssertionError
        The condition is not true.
    """
    if not condition:
        raise AssertionError(message)


def pixel_bytes(results: Any, index: int) -> dict[str, bytes]:
    """Everything that a result says of one pixel, but the time it took, as bytes to compare."""
    found: dict[str, bytes] = {}
    for field in fields(results):
        value = getattr(results, field.name)
        if field.name in CLOCK:
            continue
        if isinstance(value, np.ndarray):
            found[field.name] = value[index].tobytes()
        elif field.name == "status":
            found[field.name] = value[index].name.encode()
        elif field.name in ("atmosphere", "uncertainty"):
            found |= _atmosphere_bytes(field.name, value, index)
        elif field.name == "by_cycle":
            for cycle in value:
                found |= _atmosphere_bytes(f"cycle {cycle.cycle}", cycle.atmosphere, index)
                found[f"cycle {cycle.cycle} fit"] = cycle.fit[index].tobytes()
                found[f"cycle {cycle.cycle} chi2"] = cycle.chi2[index].tobytes()
    return found


def _atmosphere_bytes(label: str, parts: Sequence[Atmosphere], index: int) -> dict[str, bytes]:
    return {
        f"{label} {number} {name}": array[index].tobytes()
        for number, atmosphere in enumerate(parts, start=1)
        for name, array in atmosphere.arrays().items()
    }


def expect_same(one: Any, i: int, other: Any, j: int, what: str) -> None:
    """Two results say the same of a pixel, to the last bit.

    Raises
    ------
    AssertionError
        They do not; names what differs.
    """
    a, b = pixel_bytes(one, i), pixel_bytes(other, j)
    differing = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    expect(not differing, f"pixel {int(one.pixel[i])} {what}: {', '.join(differing)} differ")


def check_answer(request: Any, rows: Sequence[int], results: Any) -> None:
    """Pixels in order, and a reason for each that has no result.

    Raises
    ------
    AssertionError
    """
    expect(
        np.array_equal(results.pixel, request.pixel[list(rows)]),
        f"asked for pixels {request.pixel[list(rows)].tolist()} in this order, got {results.pixel.tolist()}",
    )
    for pixel, status, message in zip(results.pixel, results.status, results.message, strict=True):
        where = f"pixel {int(pixel)}, {status.name}"
        expect(isinstance(status, Status), f"{where}: its status is no Status")
        expect(status is not Status.MASKED, f"{where}: only a caller masks")
        expect(bool(message) or status is Status.OK, f"{where}: gives no reason")
        expect(not message or status is not Status.OK, f"{where}: gives a reason all the same: {message!r}")
        expect(len(message) <= MAX_MESSAGE, f"{where}: a reason of {len(message)} characters")
        printable = all(c.isprintable() or c == "\n" for c in message)
        expect(printable, f"{where}: its reason holds control characters: {message!r}")


def check_inversion(request: InvertRequest, rows: Sequence[int], results: InvertResults) -> None:
    """What must hold for every inversion.

    Raises
    ------
    AssertionError
    """
    check_answer(request, rows, results)
    plan = request.plan
    expect(len(results.atmosphere) == plan.n_component, "one atmosphere per component is expected")
    expect(len(results.uncertainty) == plan.n_component, "one set of uncertainties per component is expected")
    shape = (len(rows), 4, request.spectra.wavelength.size)
    expect(results.fit.shape == shape, f"fit: expected shape {shape}, found {results.fit.shape}")
    for part in (*results.atmosphere, *results.uncertainty):
        expect(np.array_equal(part.log_tau, plan.log_tau), "an atmosphere is not on the plan's depth axis")
    asked = request.cycles or tuple(range(len(plan.cycles)))
    for i, status in enumerate(results.status):
        where = f"pixel {int(results.pixel[i])}, {status.name}"
        for name, numbers in _numbers(results, i).items():
            if status.has_result:
                expect(np.isfinite(numbers).all(), f"{where}: {name} is not finite")
            else:
                expect(np.isnan(numbers).all(), f"{where}: {name} holds numbers, expected NaN")
        if not status.has_result:
            expect(results.best_cycle[i] == -1, f"{where}: best_cycle is {results.best_cycle[i]}")
        _check_scalars(where, results, i, asked)
        for part in results.uncertainty:
            for name, array in part.arrays().items():
                negative = np.nan_to_num(array[i]) < 0
                expect(not negative.any(), f"{where}: the uncertainty of {name} is negative")


def _numbers(results: InvertResults, i: int) -> dict[str, npt.NDArray[Any]]:
    """What is finite where there is a result, and NaN where there is none."""
    found = {"fit": results.fit[i], "chi2": np.atleast_1d(results.chi2[i])}
    for number, part in enumerate(results.atmosphere, start=1):
        for name in _REQUIRED:
            found[f"{name} of component {number}"] = np.atleast_1d(getattr(part, name)[i])
    if not results.status[i].has_result:
        found["chi2_stokes"] = results.chi2_stokes[i]
        for number, part in enumerate(results.uncertainty, start=1):
            found |= {f"σ of {name} {number}": np.atleast_1d(a[i]) for name, a in part.arrays().items()}
        for number, part in enumerate(results.atmosphere, start=1):
            found |= {f"{name} {number}": np.atleast_1d(a[i]) for name, a in part.arrays().items()}
    return found


def _check_scalars(where: str, results: InvertResults, i: int, asked: tuple[int, ...]) -> None:
    bits, best = int(results.cycles[i]), int(results.best_cycle[i])
    may = sum(1 << cycle for cycle in asked)
    expect(bits >= 0 and bits & ~may == 0, f"{where}: cycles {bits:#b} ran, asked for {may:#b}")
    expect(best == -1 or bits >> best & 1, f"{where}: the best cycle, {best}, is none of those that ran")
    expect(results.iterations[i] >= 0, f"{where}: {results.iterations[i]} iterations")
    seconds = results.seconds[i]
    expect(np.isfinite(seconds) and seconds >= 0, f"{where}: took {seconds} CPU seconds")


def check_chi2(request: InvertRequest, rows: Sequence[int], results: InvertResults) -> None:
    """χ² is that of the fit which comes with it: 1/(N−p) Σ (obs − fit)² w/σ².

    Raises
    ------
    AssertionError
    """
    sigma = np.asarray(request.plan.noise)[:, None]
    for i, row in enumerate(rows):
        if not results.status[i].has_result:
            continue
        observed = request.spectra.stokes[row].astype(np.float64)
        weight = np.where(np.isfinite(observed), 1.0 / sigma**2, 0.0)
        if request.spectra.weights is not None:
            weight = weight * request.spectra.weights
        squares = weight * (np.nan_to_num(observed) - results.fit[i]) ** 2
        count = np.count_nonzero(weight, axis=1)
        where = f"pixel {int(results.pixel[i])}"
        for s, stokes in enumerate("IQUV"):
            found = float(results.chi2_stokes[i, s])
            if count[s] == 0:
                expect(np.isnan(found), f"{where}: Stokes {stokes} has no sample, but a χ² of {found}")
                continue
            right = float(squares[s].sum()) / float(count[s])
            expect(_close(found, right), f"{where}: χ² of Stokes {stokes} is {found}, its fit gives {right}")
        n_free = _n_free(request, int(results.best_cycle[i]))
        right = float(squares.sum()) / max(int(count.sum()) - n_free, 1)
        found = float(results.chi2[i])
        expect(
            _close(found, right), f"{where}: χ² is {found}, its fit with {n_free} parameters gives {right}"
        )


def _close(found: float, right: float) -> bool:
    return bool(np.isclose(found, right, rtol=CHI2_TOLERANCE, atol=1e-9))


def _n_free(request: InvertRequest, best: int) -> int:
    """Free parameters of a cycle; stray light is free only where there is some."""
    if best < 0:
        return 0
    cycle = request.plan.carried_nodes(request.plan.cycles[best])
    unused = int(cycle.stray_light and request.stray_light_profile is None)
    unused += int(cycle.filling_factor and request.plan.n_component == 1)
    return cycle.n_free - unused


def check_synthesis(request: SynthesizeRequest, rows: Sequence[int], results: SynthesizeResults) -> None:
    """What must hold for every synthesis.

    Raises
    ------
    AssertionError
    """
    check_answer(request, rows, results)
    shape = (len(rows), 4, request.wavelength.size)
    expect(results.stokes.shape == shape, f"stokes: expected shape {shape}, found {results.stokes.shape}")
    expect(len(results.atmosphere) == len(request.atmosphere), "one atmosphere per component is expected")
    for i, status in enumerate(results.status):
        where = f"pixel {int(results.pixel[i])}, {status.name}"
        expect(status is not Status.NOT_CONVERGED or results.message[i], f"{where}: gives no reason")
        if status.has_result:
            expect(np.isfinite(results.stokes[i]).all(), f"{where}: the profile is not finite")
        else:
            expect(np.isnan(results.stokes[i]).all(), f"{where}: the profile holds numbers, expected NaN")
