"""Training sets: random atmospheres synthesised by the inversion service (``stokeswarm sample``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Stream
from stokeswarm.client.random_atmospheres import (
    BLOCK,
    POPULATIONS,
    Drawn,
    Recipe,
    draw_block,
    sample_atmospheres,
)
from stokeswarm.client.synthesis import profiles
from stokeswarm.client.training_set import TrainingSetStore
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import DataLossError, InvalidArgumentError
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference, Status

__all__ = ["Recipe", "Sampled", "Synthesizer", "sample", "sample_atmospheres", "synthesize_all"]

#: blocks on their way at the same time
IN_FLIGHT: Final = 4
#: last part of the seed of the lines' strengths
LINES_STREAM: Final = 6302
#: how often an atmosphere that cannot be synthesised is replaced by another
MAX_ATTEMPTS: Final = 5

Progress = Callable[[int, int, int], None]
"""Called with the number done, the number in all, and the number that failed."""


class Synthesizer(Protocol):
    """What synthesises: a cluster, or a client of the inversion service."""

    def synthesize(self, request: SynthesizeRequest, timeout: float) -> Stream[SynthesizeResults]:
        """Stream the profiles of a request, each pixel once, in any order."""
        ...


@dataclass(frozen=True, slots=True)
class Sampled:
    """What `sample` did.

    Attributes
    ----------
    output : str
    n : int
        Atmospheres in the set.
    replaced : int
        Drawn in this call, but not synthesised; others stand in their place.
    reasons : tuple of (str, int)
        Messages of the failures, most frequent first.
    """

    output: str
    n: int
    replaced: int
    reasons: tuple[tuple[str, int], ...]


def sample(
    synthesizer: Synthesizer,
    plan: Plan,
    recipe: Recipe,
    output: str | Path,
    *,
    engine: str = "lte",
    resume: bool = False,
    progress: Progress | None = None,
) -> Sampled:
    """Draw random atmospheres, have them synthesised and write the training set.

    An atmosphere that cannot be synthesised is replaced by another, drawn from a stream that depends on
    recipe, block and attempt alone: what the set holds does not depend on interruptions or on the number of
    servers.

    Parameters
    ----------
    synthesizer : Synthesizer
    plan : Plan
        Its regions need a grid of their own; its PSFs are applied; its cycles and noise do not matter.
    recipe : Recipe
    output : path or URL
        See `stokeswarm.client.training_set`.
    engine : str
    resume : bool
        Go on with a set that was begun with the same recipe, plan and engine.
    progress : callable, optional

    Returns
    -------
    Sampled

    Raises
    ------
    OutputExistsError
        The output is there already, and it is not to be resumed.
    NotFoundError
        There is nothing to resume.
    InvalidArgumentError
        The set to resume has another recipe, or the plan cannot be synthesised.
    DataLossError
        A block's atmospheres cannot be synthesised, however often they are replaced.
    StokeswarmError
        The service refuses the plan or cannot be reached.
    """
    plan = replace(plan, reference=ContinuumReference.DISC_CENTRE)
    made = _recipe(plan, recipe, engine)
    if resume:
        store = TrainingSetStore.resume(output, made)
    else:
        store = TrainingSetStore.create(
            output,
            n=recipe.n,
            log_tau=plan.log_tau,
            wavelength=plan.wavelength,
            classes=tuple(POPULATIONS),
            recipe=made,
            noise=0.0,
        )
    blocks = list(store.missing())
    done = recipe.n - sum(recipe.rows(block).stop - recipe.rows(block).start for block in blocks)
    reasons: Counter[str] = Counter()
    calls = Calls()

    def make(block: int) -> tuple[int, Drawn, npt.NDArray[np.float32], Atmosphere, Counter[str]]:
        return block, *_synthesized(synthesizer, plan, recipe, block, engine, calls)

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="sample") as pool:
        futures = [pool.submit(make, block) for block in blocks]
        try:
            for future in as_completed(futures):
                block, drawn, stokes, used, failures = future.result()
                region = np.full(len(stokes), block)
                store.write(block, stokes, used, drawn.mu, drawn.classes, region)
                reasons += failures
                done += len(stokes)
                if progress is not None:
                    progress(done, recipe.n, reasons.total())
        finally:
            calls.stop()
            for future in futures:
                future.cancel()
    store.finish()
    return Sampled(str(output), recipe.n, reasons.total(), tuple(reasons.most_common()))


def _recipe(plan: Plan, recipe: Recipe, engine: str) -> dict[str, Any]:
    """Everything the set depends on, for its attributes and for `--resume`."""
    return {
        **asdict(recipe),
        "engine": engine,
        "stokeswarm": metadata.version("stokeswarm"),
        "plan": plan.name,
        "regions": [
            {
                "name": region.name,
                "start": region.start,
                "stop": region.stop,
                "step": region.step,
                "samples": region.samples,
                "psf": region.psf.name if region.psf else None,
                "lines": [[line.wavelength, line.log_gf] for line in region.lines],
            }
            for region in plan.regions
        ],
    }


def _synthesized(
    synthesizer: Synthesizer, plan: Plan, recipe: Recipe, block: int, engine: str, calls: Calls
) -> tuple[Drawn, npt.NDArray[np.float32], Atmosphere, Counter[str]]:
    """One block: what was drawn, its profiles and atmospheres as used, and why others were replaced."""
    drawn = draw_block(recipe, block, plan.log_tau)
    plan = with_other_strengths(plan, recipe, block)
    n, first = len(drawn.mu), recipe.rows(block).start
    atmosphere, mu, classes = drawn.atmosphere, drawn.mu.copy(), drawn.classes.copy()
    stokes = np.full((n, 4, plan.wavelength.size), np.nan, np.float32)
    used = Atmosphere.full(n, plan.log_tau)
    left = np.arange(n)
    reasons: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        if attempt:
            other = draw_block(recipe, block, plan.log_tau, attempt)
            put(atmosphere, left, other.atmosphere.take(left))
            mu[left], classes[left] = other.mu[left], other.classes[left]
        request = SynthesizeRequest(
            engine, plan, (atmosphere.take(left),), first + left, plan.wavelength, mu=mu[left]
        )
        result = profiles(synthesizer.synthesize, request, calls)
        good = np.array([status is Status.OK for status in result.status], np.bool_)
        stokes[left[good]] = result.stokes[good]
        put(used, left[good], result.atmosphere[0].take(np.flatnonzero(good)))
        reasons += Counter(result.message[i] or "no reason given" for i in np.flatnonzero(~good))
        left = left[~good]
        if left.size == 0:
            return Drawn(atmosphere, classes, mu), stokes, used, reasons
    raise DataLossError(
        f"{left.size} of {n} atmospheres of block {block} could not be synthesised in {MAX_ATTEMPTS} "
        f"attempts: {reasons.most_common(1)[0][0]}"
    )


def with_other_strengths(plan: Plan, recipe: Recipe, block: int) -> Plan:
    """The plan with a block's log gf: each line's own, plus a normal deviate of the recipe's spread."""
    if recipe.log_gf_spread == 0.0:
        return plan
    random = np.random.default_rng([recipe.seed, block, LINES_STREAM])
    regions = []
    for region in plan.regions:
        shifts = recipe.log_gf_spread * random.standard_normal(len(region.lines))
        lines = tuple(
            replace(line, log_gf=line.log_gf + float(shift))
            for line, shift in zip(region.lines, shifts, strict=True)
        )
        regions.append(replace(region, lines=lines))
    return replace(plan, regions=tuple(regions))


def synthesize_all(
    synthesizer: Synthesizer,
    plan: Plan,
    atmosphere: Atmosphere,
    *,
    engine: str = "lte",
    progress: Progress | None = None,
) -> tuple[npt.NDArray[np.float32], Atmosphere, tuple[str, ...]]:
    """Synthesise any number of one-component atmospheres with several requests on their way.

    Parameters
    ----------
    synthesizer : Synthesizer
    plan : Plan
        Gives the wavelengths.
    atmosphere : Atmosphere
        n pixels.
    engine : str
    progress : callable, optional

    Returns
    -------
    stokes : ndarray (n, 4, n_wavelength) float32
        NaN where a pixel failed.
    used : Atmosphere
        As the engine used them, with pressures, density and height; NaN where a pixel failed.
    message : tuple of str
        Why a pixel failed; empty where it did not.

    Raises
    ------
    InvalidArgumentError
        There is no atmosphere.
    StokeswarmError
        The service refuses the request for a reason that no repetition cures.
    """
    n, wavelength, calls = len(atmosphere), plan.wavelength, Calls()
    if n == 0:
        raise InvalidArgumentError("synthesis: expected at least one atmosphere")
    stokes = np.full((n, 4, wavelength.size), np.nan, np.float32)
    used = Atmosphere.full(n, atmosphere.log_tau)
    message = [""] * n
    done = failed = 0

    def deliver(rows: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], SynthesizeResults]:
        request = SynthesizeRequest(engine, plan, (atmosphere.take(rows),), rows, wavelength)
        return rows, profiles(synthesizer.synthesize, request, calls)

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="synthesis") as pool:
        batches = [np.arange(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)]
        futures = [pool.submit(deliver, batch) for batch in batches]
        try:
            for future in as_completed(futures):
                rows, result = future.result()
                good = np.array([status is Status.OK for status in result.status], np.bool_)
                stokes[rows[good]] = result.stokes[good]
                put(used, rows[good], result.atmosphere[0].take(np.flatnonzero(good)))
                for i in np.flatnonzero(~good):
                    message[rows[i]] = result.message[i] or "the engine failed without a reason"
                done, failed = done + rows.size, failed + int((~good).sum())
                if progress is not None:
                    progress(done, n, failed)
        finally:
            calls.stop()
            for future in futures:
                future.cancel()
    return stokes, used, tuple(message)


def put(target: Atmosphere, rows: npt.NDArray[np.int64], values: Atmosphere) -> None:
    """Copy the fields that both have into some rows."""
    arrays = target.arrays()
    for name, array in values.arrays().items():
        if name in arrays:
            arrays[name][rows] = array
