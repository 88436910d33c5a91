"""Syntheses: one run a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import UnsupportedError
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.bench import Installation
from stokeswarm.inversion.engines.sir.dialect import MADE, Mode
from stokeswarm.inversion.engines.sir.examine import PixelFailedError, synthesised
from stokeswarm.inversion.engines.sir.problem import Problem, make_ready, place_of, with_pressure

#: pixels a call: some tenths of a second
BATCH: Final = 16


class SirSynthesis:
    """A prepared synthesis.

    Parameters
    ----------
    request : SynthesizeRequest
    installation : Installation

    Raises
    ------
    PlanError
        The code cannot do what is asked.
    UnsupportedError
        The components have different depth axes.
    """

    batch: int = BATCH

    def __init__(self, request: SynthesizeRequest, installation: Installation) -> None:
        self._request = request
        make_ready(request.atmosphere, request.plan, always=request.hydrostatic)
        log_tau = request.atmosphere[0].log_tau
        if any(not np.array_equal(a.log_tau, log_tau) for a in request.atmosphere):
            raise UnsupportedError("both components of a synthesis need the same depth axis")
        self._problem = Problem(
            installation,
            request.plan,
            Mode.SYNTHESIS,
            request.wavelength,
            log_tau,
            len(request.atmosphere),
            request.plan.reference,
            stray_light=request.stray_light_profile,
            smears=any(bool((a.macroturbulence > 0).any()) for a in request.atmosphere),
        )

    def run(self, rows: Sequence[int], slot: Slot) -> SynthesizeResults:
        """Synthesise the request's pixels at some positions."""
        request = self._request
        stokes = np.full((len(rows), 4, request.wavelength.size), np.nan, np.float32)
        status, message = [Status.OK] * len(rows), [""] * len(rows)
        used: list[list[Atmosphere]] = [[] for _ in request.atmosphere]
        for i, row in enumerate(rows):
            try:
                stokes[i], parts, (status[i], message[i]) = self._pixel(row, slot)
            except PixelFailedError as failure:
                status[i], message[i] = failure.status, failure.message
                parts = [Atmosphere.full(1, a.log_tau) for a in request.atmosphere]
            for component, part in enumerate(parts):
                used[component].append(_all_fields(part))
        return SynthesizeResults(
            pixel=request.pixel[list(rows)],
            status=tuple(status),
            message=tuple(message),
            stokes=stokes,
            atmosphere=tuple(Atmosphere.concatenate(parts) for parts in used),
        )

    def _pixel(
        self, row: int, slot: Slot
    ) -> tuple[npt.NDArray[np.float32], list[Atmosphere], tuple[Status, str]]:
        """Profile, atmospheres as used, status and message."""
        request, problem = self._request, self._problem
        slot = problem.bench.begin(slot)
        where = place_of(request.plan, request.mu, request.position, row)
        factor = problem.units.factor(where.mu)
        parts = [
            with_pressure(a, request.plan, row, where.mu, component, always=request.hydrostatic)
            for component, a in enumerate(request.atmosphere)
        ]
        pairs = [models.pixel_values(part, 0) for part in parts]
        headers = [header for _, header in pairs]
        for header in headers:
            header[2] = header[2] if problem.has_stray_light else 0.0
        models.fractions(headers, ())
        files = {
            **problem.guess_files([values for values, _ in pairs], headers),
            **problem.stray_light_files(factor),
        }
        run = problem.bench.run(slot, problem.task(Mode.SYNTHESIS, where.mu), files, where)
        name = problem.name(MADE)
        data = problem.bench.read(slot, name)
        made = synthesised(run, problem.dialect, data, name, problem.sampling, problem.bench.limit)
        return (made / factor).astype(np.float32), parts, problem.dialect.verdict(run.text, 0)


def _all_fields(atmosphere: Atmosphere) -> Atmosphere:
    """The same with every optional field, NaN where there was none, so that pixels can be joined."""
    empty = Atmosphere.full(len(atmosphere), atmosphere.log_tau)
    return replace(empty, **atmosphere.arrays())
