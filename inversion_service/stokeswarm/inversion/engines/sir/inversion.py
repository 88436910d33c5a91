"""Inversions: one run a pixel for all cycles, the best one kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.inversion import InvertRequest, InvertResults
from stokeswarm.contract.plan import MAX_CYCLES, QUANTITIES, Cycle, Nodes
from stokeswarm.contract.sir_files.profiles import MISSING_BELOW
from stokeswarm.contract.spectra import STOKES
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.ahead import Ahead, Ready
from stokeswarm.inversion.engines.sir.bench import Installation
from stokeswarm.inversion.engines.sir.dialect import MADE, Mode, Where
from stokeswarm.inversion.engines.sir.examine import (
    CycleOutput,
    PixelFailedError,
    ends_in_zeros,
    inverted,
    iterations,
    reason,
    start_merit,
    synthesised,
)
from stokeswarm.inversion.engines.sir.fortran import OutputError
from stokeswarm.inversion.engines.sir.problem import Problem, make_ready, place_of, with_pressure
from stokeswarm.inversion.engines.sir.reach import outside
from stokeswarm.inversion.engines.sir.results import CycleFit as CycleFit
from stokeswarm.inversion.engines.sir.results import Fields, assembled
from stokeswarm.inversion.engines.sir.results import Pixel as Pixel
from stokeswarm.inversion.engines.sir.texts import ProfileWriter
from stokeswarm.inversion.engines.sir.weighting import weighting
from stokeswarm.inversion.external.run import Run
from stokeswarm.inversion.merit import merit, observed_and_weight

Floats = npt.NDArray[np.float64]

#: rms of the residuals, in units of the continuum, to which a start fits that no step improves
GOOD_START: Final = 0.05


class SirInversion:
    """A prepared inversion.

    Parameters
    ----------
    request : InvertRequest
    installation : Installation

    Raises
    ------
    PlanError
        The code cannot do what is asked.
    """

    #: pixels a call: a run takes seconds
    batch: int = 1

    def __init__(self, request: InvertRequest, installation: Installation) -> None:
        plan, spectra = request.plan, request.spectra
        self._request, self._plan = request, plan
        self._numbers = request.cycles or tuple(range(len(plan.cycles)))
        cycles = tuple(plan.cycles[number] for number in self._numbers)
        has_stray = request.stray_light_profile is not None
        n_wavelength = spectra.wavelength.size
        self._weighting = weighting(plan, cycles, spectra.weights, n_wavelength)
        self._problem = Problem(
            installation,
            plan,
            Mode.INVERSION,
            spectra.wavelength,
            plan.log_tau,
            plan.n_component,
            spectra.reference,
            cycles=cycles,
            stray_light=request.stray_light_profile,
            smears=any(n.macroturbulence for cycle in cycles for n in cycle.components)
            or any(bool((start.macroturbulence > 0).any()) for start in request.start),
        )
        self._check(cycles)
        self._n_free = [_n_free(plan.carried_nodes(cycle), has_stray) for cycle in cycles]
        self._starts = tuple(start.resample(plan.log_tau) for start in request.start)
        make_ready(self._starts, plan)
        self._writer = ProfileWriter(self._problem.sampling.columns)
        self._ahead = Ahead(self._ready, len(request))

    def _check(self, cycles: Sequence[Cycle]) -> None:
        plan, bounds = self._plan, self._problem.dialect.bounds
        if len(cycles) > MAX_CYCLES:
            raise PlanError(f"cycles: asked for {len(cycles)} in one run, the code has at most {MAX_CYCLES}")
        for number, cycle in zip(self._numbers, cycles, strict=True):
            carried = plan.carried_nodes(cycle)
            most = max(max(_node_counts(nodes)) for nodes in carried.components)
            if most > bounds.nodes:
                raise PlanError(f"cycle {number + 1}: {most} nodes, the code holds {bounds.nodes}")
            if not cycle.automatic and carried.n_free > bounds.parameters:
                raise PlanError(
                    f"cycle {number + 1}: {carried.n_free} free parameters, the code fits {bounds.parameters}"
                )
        scale = 10.0**bounds.depth_decimals
        for name in ("depth_bottom", "depth_step"):
            value = getattr(plan, name) * scale
            if len(cycles) > 1 and abs(value - round(value)) > 1e-3:
                raise PlanError(
                    f"{name}: expected at most {bounds.depth_decimals} decimals, found "
                    f"{getattr(plan, name)}: the code hands models from cycle to cycle with no more"
                )

    def run(self, rows: Sequence[int], slot: Slot) -> InvertResults:
        """Invert the request's pixels at some positions."""
        return self.deferred(rows, slot)()

    def deferred(self, rows: Sequence[int], slot: Slot) -> Callable[[], InvertResults]:
        """Run the code; what it wrote is read, but not yet understood."""
        steps = [self._pixel(row, slot) for row in rows]
        for step in steps:
            next(step)
        return lambda: assembled(self._request, self._numbers, rows, [next(step) for step in steps])

    # -- one pixel ---------------------------------------------------------------------------------

    def _pixel(self, row: int, slot: Slot) -> Iterator[Pixel]:
        """The pixel twice: unfinished, once it does not need the slot any more, and as it ended."""
        pixel = Pixel(Status.OK)
        steps, freed = self._invert(row, slot, pixel), False
        try:
            for _ in steps:
                freed = True
                yield pixel
        except PixelFailedError as failure:
            pixel = Pixel(failure.status, failure.message, seconds=pixel.seconds)
        if not freed:
            yield pixel
        yield pixel

    def _invert(self, row: int, slot: Slot, pixel: Pixel) -> Iterator[None]:
        """Fill a pixel; stops in between where it does not need the slot any more."""
        problem = self._problem
        slot = problem.bench.begin(slot)
        ready = self._ahead.take(row)
        observed, weight, factor, where = ready.observed, ready.weight, ready.factor, ready.where
        # While this pixel's code runs, the inputs of a later one are made.
        slot = replace(slot, meanwhile=partial(_both, slot.meanwhile, self._ahead.make_one))
        run = problem.bench.run(slot, ready.task, ready.files, where)
        pixel.seconds = run.cpu_seconds
        wrote = problem.bench.read_all(slot, ready.task)
        place = slot if self._needs_synthesis(wrote) else None
        if place is None:
            yield
        outputs, missing = inverted(
            run,
            problem.dialect,
            ready.task,
            wrote.get,
            ready.start,
            problem.log_tau,
            problem.sampling,
            problem.bench.limit,
            [f"cycle {number + 1}" for number in self._numbers],
        )
        log = wrote.get(problem.dialect.log)
        pixel.iterations = iterations(log)
        for position, output in enumerate(outputs):
            if output is None:
                pixel.cycles.append(None)
                continue
            fit = self._fit(position, output, place, where, factor, observed, weight, pixel)
            if not fit.moved:
                fit.merit = start_merit(log)
            pixel.cycles.append(fit)
        self._drop_bad_start(pixel, run)
        totals = [np.inf if fit is None else fit.total for fit in pixel.cycles]
        pixel.best = max(i for i, total in enumerate(totals) if total == min(totals))
        pixel.errors, unknown = self._errors(pixel.best, wrote, optional=problem.dialect.may_skip(ready.task))
        self._judge(pixel, run, missing or unknown)

    def _ready(self, row: int) -> Ready:
        """All that a pixel's run needs.

        Raises
        ------
        PixelFailedError
            The code would misunderstand the pixel.
        """
        problem, request = self._problem, self._request
        observed, weight = observed_and_weight(request, row)
        where = place_of(self._plan, request.mu, request.position, row)
        factor = problem.units.factor(where.mu)
        self._check_pixel(request.spectra.stokes[row], weight, factor)
        task = problem.task(Mode.INVERSION, where.mu, self._weighting.cycles)
        start, headers = self._start(row, where)
        files = {
            task.profile: self._observed(row, factor),
            **problem.guess_files(start, headers),
            **problem.stray_light_files(factor),
        }
        return Ready(observed, weight, where, factor, task, start, files)

    def _needs_synthesis(self, wrote: Mapping[str, bytes | None]) -> bool:
        """Whether a cycle's profile may have to be completed (`_completed`), on the files of this run."""
        for position in range(len(self._numbers)):
            name = self._problem.dialect.outputs(position, self._plan.n_component).profile
            if self._weighting.left_out(position) or ends_in_zeros(wrote.get(name)):
                return True
        return False

    def _check_pixel(self, stokes: npt.NDArray[np.float32], weight: Floats, factor: Floats) -> None:
        """Refuse what SIR would misunderstand in silence."""
        used = weight > 0.0
        for weights in self._weighting.cycles:
            if not used[np.asarray(weights) > 0.0].any():
                raise PixelFailedError(Status.INVALID_INPUT, "no sample has a weight above 0")
        low = used & (stokes * factor <= MISSING_BELOW)
        if low.any():
            i, sample = (int(index[0]) for index in np.nonzero(low))
            raise PixelFailedError(
                Status.INVALID_INPUT,
                f"Stokes {STOKES[i]} is {stokes[i, sample]:.4g} at "
                f"{self._request.spectra.wavelength[sample]:.4f} Å: a value of {MISSING_BELOW} or less means "
                "a missing sample to the code",
            )

    def _observed(self, row: int, factor: Floats) -> str:
        stokes = self._request.spectra.stokes[row] * factor
        stokes[self._weighting.ignored] = np.nan
        return self._writer.text(stokes[:, self._problem.sampling.order])

    def _start(self, row: int, where: Where) -> tuple[list[Floats], list[Floats]]:
        """Models in the code's units, and their first lines."""
        problem = self._problem
        values, headers = [], []
        for component, start in enumerate(self._starts):
            one = with_pressure(start, self._plan, row, where.mu, component, always=False)
            columns, header = models.pixel_values(one, 0)
            header[2] = header[2] if problem.has_stray_light else 0.0
            models.startable(columns, header, problem.cycles, component)
            values.append(columns)
            headers.append(header)
        models.fractions(headers, problem.cycles)
        return values, headers

    def _drop_bad_start(self, pixel: Pixel, run: Run) -> None:
        """Leave out a start that no step improved, unless it fits already.

        Raises
        ------
        PixelFailedError
            Nothing else is left.
        """
        starts = [fit for fit in pixel.cycles if fit is not None and not fit.moved]
        for fit in starts:
            if fit.misfit > GOOD_START:
                pixel.cycles = [None if known is fit else known for known in pixel.cycles]
        if not any(pixel.cycles):
            misfit = f"misses the observation by {starts[0].misfit:.2g} (rms)"
            text = f"a profile of zeros and a χ² of 0: no step improved the start, which {misfit}"
            raise PixelFailedError(Status.ENGINE_FAILED, reason(text, run))

    def _fit(
        self,
        position: int,
        output: CycleOutput,
        slot: Slot | None,
        where: Where,
        factor: Floats,
        observed: Floats,
        weight: Floats,
        pixel: Pixel,
    ) -> CycleFit:
        profile = self._completed(position, output, slot, where, pixel)
        fit = (profile / factor).astype(np.float32)
        moved = output.profile is not None
        chi2, chi2_stokes = merit(observed, fit, weight, self._n_free[position] if moved else 0)
        squares = (observed - fit) ** 2
        return CycleFit(
            components=[
                models.to_fields(models.folded(values.copy()), header)
                for values, header in zip(output.values, output.headers, strict=True)
            ],
            fit=fit,
            chi2=chi2,
            chi2_stokes=chi2_stokes,
            total=float(np.sum(weight * squares)),
            misfit=float(np.sqrt(squares[weight > 0.0].mean())),
            merit=output.merit,
            moved=moved,
        )

    def _completed(
        self, position: int, output: CycleOutput, slot: Slot | None, where: Where, pixel: Pixel
    ) -> Floats:
        """The cycle's profile; by a synthesis what SIR leaves zero.

        That is the profile of a start that no step improved, and Stokes parameters without weight.
        """
        left_out = self._weighting.left_out(position)
        if output.profile is not None and not left_out:
            return output.profile
        if slot is None:
            raise AssertionError("a profile was to be completed whose end was not zero")
        problem = self._problem
        names = problem.dialect.outputs(position, self._plan.n_component).models
        task = replace(problem.task(Mode.SYNTHESIS, where.mu), models=names)
        run = problem.bench.again(slot, task)
        pixel.seconds += run.cpu_seconds
        name = problem.name(MADE)
        made = synthesised(
            run,
            problem.dialect,
            problem.bench.read(slot, name),
            name,
            problem.sampling,
            problem.bench.limit,
        )
        if output.profile is None:
            return made
        profile = output.profile.copy()
        profile[list(left_out)] = made[list(left_out)]
        return profile

    def _errors(
        self, position: int, wrote: Mapping[str, bytes | None], *, optional: bool
    ) -> tuple[list[Fields], str]:
        """Uncertainties of a cycle; where they cannot be read none, and why."""
        problem = self._problem
        found = []
        names = problem.dialect.outputs(position, self._plan.n_component).errors
        for component, name in enumerate(names):
            data = wrote.get(name)
            if data is None:
                return [], "" if optional else f"no uncertainties: no {name}"
            try:
                values, header = models.parse(data, name, problem.log_tau, errors=True)
            except OutputError as error:
                return [], f"no uncertainties: {error}"
            ran = problem.cycles[: position + 1]
            found.append(models.errors_of(values, header, ran, component))
        return found, ""

    def _judge(self, pixel: Pixel, run: Run, missing: str) -> None:
        """The status of a pixel that has a result."""
        best = pixel.cycles[pixel.best]
        if best is None:
            raise AssertionError("the best cycle is one that has a result")
        beyond = outside(self._plan, best.components, has_stray_light=self._problem.has_stray_light)
        if missing:
            kept = f"kept cycle {self._numbers[pixel.best] + 1}"
            pixel.status, pixel.message = Status.NOT_CONVERGED, f"{kept}; {missing}"
        elif beyond:
            pixel.status, pixel.message = Status.NOT_CONVERGED, beyond
        else:
            pixel.status, pixel.message = self._problem.dialect.verdict(run.text, pixel.best)


def _node_counts(nodes: Nodes) -> list[int]:
    return [int(getattr(nodes, quantity)) for quantity in QUANTITIES]


def _n_free(cycle: Cycle, has_stray_light: bool) -> int:
    """Free parameters as the code has them: fractions only where there is something to mix."""
    nodes = sum(component.n_free for component in cycle.components)
    filling = cycle.filling_factor and len(cycle.components) == 2
    return nodes + int(filling) + int(cycle.stray_light and has_stray_light)


def _both(first: Callable[[], None], second: Callable[[], None]) -> None:
    first()
    second()
