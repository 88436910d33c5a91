"""Response functions: one run a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.inversion import ResponseRequest, ResponseResults
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.sir_files.models import CM_PER_KM
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.bench import Installation
from stokeswarm.inversion.engines.sir.dialect import GUESS, MADE, Mode, Where
from stokeswarm.inversion.engines.sir.examine import PixelFailedError, ended, reason, synthesised
from stokeswarm.inversion.engines.sir.fortran import OutputError, numbers
from stokeswarm.inversion.engines.sir.problem import Problem, make_ready, place_of, with_pressure
from stokeswarm.inversion.engines.sir.variants import SirDialect

Floats = npt.NDArray[np.float64]

#: quantity → ending of the file, factor from the file's unit to the contract's (per km/s, per degree)
FILES: Final[Mapping[str, tuple[str, float]]] = {
    "temperature": (".rt", 1.0),
    "electron_pressure": (".rpe", 1.0),
    "microturbulence": (".rmic", CM_PER_KM),
    "field_strength": (".rh", 1.0),
    "velocity": (".rvz", CM_PER_KM),
    "inclination": (".rinc", np.pi / 180.0),
    "azimuth": (".raz", np.pi / 180.0),
}
#: SIR computes responses to relative changes and divides by the value: what replaces a 0, in cm/s and G
_NOT_ZERO: Final = {"microturbulence": 1.0, "field_strength": 1e-3}
#: the highest field [G] that SIR takes for none, and what replaces it where the response to a field is wanted
_NO_FIELD: Final = 1.0
_SOME_FIELD: Final = 2.0


class SirResponse:
    """Prepared response functions of a single component.

    Parameters
    ----------
    request : ResponseRequest
    installation : Installation

    Raises
    ------
    PlanError
        The code cannot do what is asked.
    """

    batch: int = 1

    def __init__(self, request: ResponseRequest, installation: Installation) -> None:
        self._request = request
        make_ready((request.atmosphere,), request.plan)
        atmosphere = request.atmosphere
        self._problem = Problem(
            installation,
            request.plan,
            Mode.RESPONSE,
            request.wavelength,
            atmosphere.log_tau,
            1,
            request.plan.reference,
            smears=bool((atmosphere.macroturbulence > 0).any()),
        )
        most = self._problem.dialect.bounds.parameters
        if atmosphere.n_depth > most:
            raise PlanError(f"response functions: {atmosphere.n_depth} depths, the code holds {most}")

    def run(self, rows: Sequence[int], slot: Slot) -> ResponseResults:
        """Response functions of the request's pixels at some positions, convolved like the profiles."""
        request, n_depth = self._request, self._request.atmosphere.n_depth
        n_wavelength = request.wavelength.size
        shape = (len(rows), len(request.quantities), n_depth, 4, n_wavelength)
        response = np.full(shape, np.nan, np.float32)
        stokes = np.full((len(rows), 4, n_wavelength), np.nan, np.float32)
        status, message = [Status.OK] * len(rows), [""] * len(rows)
        for i, row in enumerate(rows):
            try:
                stokes[i], response[i] = self._pixel(row, slot)
            except PixelFailedError as failure:
                status[i], message[i] = failure.status, failure.message
        return ResponseResults(
            pixel=request.pixel[list(rows)],
            status=tuple(status),
            message=tuple(message),
            quantities=request.quantities,
            response=response,
            stokes=stokes,
        )

    def _pixel(self, row: int, slot: Slot) -> tuple[Floats, Floats]:
        request, problem = self._request, self._problem
        slot = problem.bench.begin(slot)
        where = place_of(request.plan, request.mu, None, row)
        one = with_pressure(request.atmosphere, request.plan, row, where.mu, 0, always=False)
        values, header = models.pixel_values(one, 0)
        header[1:] = 1.0, 0.0
        stokes = self._profile(values, header, where, slot)
        parts = [self._response(quantity, values, header, where, slot) for quantity in request.quantities]
        factor = problem.units.factor(where.mu)
        return stokes / factor, np.stack(parts) / factor

    def _profile(self, values: Floats, header: Floats, where: Where, slot: Slot) -> Floats:
        problem = self._problem
        run = problem.bench.run(
            slot,
            problem.task(Mode.SYNTHESIS, where.mu),
            problem.guess_files([values], [header]),
            where,
        )
        name = problem.name(MADE)
        data = problem.bench.read(slot, name)
        return synthesised(run, problem.dialect, data, name, problem.sampling, problem.bench.limit)

    def _response(self, quantity: str, values: Floats, header: Floats, where: Where, slot: Slot) -> Floats:
        """One quantity's, (n_depth, 4, n_wavelength) in the code's unit of profiles."""
        problem = self._problem
        n_depth, n_wavelength = problem.log_tau.size, problem.sampling.computed.size
        field = models.COLUMNS.index("field_strength")
        unmagnetic = bool((np.abs(values[field]) <= _NO_FIELD).all())
        if unmagnetic and quantity in ("inclination", "azimuth"):
            return np.zeros((n_depth, 4, n_wavelength))
        column = models.COLUMNS.index(quantity)
        safe = values.copy()
        if quantity in _NOT_ZERO:
            safe[column, safe[column] == 0.0] = _NOT_ZERO[quantity]
        if unmagnetic and quantity == "field_strength":
            safe[field] = _SOME_FIELD
        counts: dict[str, Any] = {quantity: n_depth}
        cycle = Cycle((Nodes(**counts),))
        task = replace(problem.task(Mode.RESPONSE, where.mu), cycles=(cycle,))
        run = problem.bench.run(slot, task, problem.guess_files([safe], [header]), where)
        ended(run, problem.dialect, problem.bench.limit)
        ending, factor = FILES[quantity]
        unit = np.full((n_depth, 1, 1), factor)
        dialect = problem.dialect
        if quantity == "electron_pressure" and isinstance(dialect, SirDialect) and dialect.pressure_at_top:
            unit[:, 0, 0] *= safe[column] / safe[column, -1]
        name = GUESS[0].partition(".")[0] + ending
        stopped = problem.dialect.failure(run.text)
        data = problem.bench.read(slot, name)
        if stopped or data is None:
            status = Status.ENGINE_FAILED if stopped else Status.NO_OUTPUT
            raise PixelFailedError(status, reason(stopped or f"{problem.dialect.title} wrote no {name}", run))
        try:
            return unit * self._parse(data, name, unmagnetic=unmagnetic and quantity != "field_strength")
        except OutputError as error:
            raise PixelFailedError(
                Status.ENGINE_FAILED, reason(f"{problem.dialect.title}: {error}", run)
            ) from None

    def _parse(self, data: bytes, name: str, *, unmagnetic: bool) -> Floats:
        """A file: its number of depths and of samples, then the samples, wavelength fastest.

        Without a field the file holds Stokes I only.
        """
        sampling, n_depth = self._problem.sampling, self._problem.log_tau.size
        table = numbers(data, name)
        n_stokes = 1 if unmagnetic else 4
        expected = (n_depth, n_stokes * sampling.n_computed)
        if table.size != 2 + expected[0] * expected[1] or tuple(table[:2]) != expected:
            raise OutputError(
                f"{name}: expected {expected[0]} × {expected[1]} numbers, found {table.size - 2}"
            )
        found = np.zeros((n_depth, 4, sampling.n_computed))
        found[:, :n_stokes] = table[2:].reshape(n_depth, n_stokes, sampling.n_computed)
        return found[:, :, sampling.computed]
