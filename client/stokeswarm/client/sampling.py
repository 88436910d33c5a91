"""Training sets: random atmospheres, synthesised by the inversion service.

The file is one ``.npz`` of plain arrays:

==================  ==========  =========================================================================
name                dtype       content
==================  ==========  =========================================================================
stokes              float32     (n, 4, n_wavelength), without noise; PSF and macroturbulence applied
wavelength          float64     (n_wavelength,) Å in air
reference           str         continuum reference of the profiles: always ``disc-centre``
log_tau             float64     (n_depth,) deepest first
temperature …       float32     (n, n_depth): every stratified field of `Atmosphere`, in its units
macroturbulence …   float32     (n,): every scalar field
class               int8        (n,) index into the recipe's ``classes``
recipe              str         JSON: seed, number drawn and left out, plan, engine, version
==================  ==========  =========================================================================
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Delivery, RetryPolicy, Stream
from stokeswarm.client.random_atmospheres import POPULATIONS, sample_atmospheres, sample_classes
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import (
    DataLossError,
    InvalidArgumentError,
    OutputExistsError,
)
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference, Status

__all__ = ["Sampled", "Synthesizer", "sample", "sample_atmospheres", "synthesize_all"]

#: atmospheres of one request
BATCH: Final = 256
#: requests on their way at the same time
IN_FLIGHT: Final = 4
#: longest time that one request may take, s
REQUEST_SECONDS: Final = 600.0

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
    output : Path
    kept, failed : int
    reasons : tuple of (str, int)
        Messages of the failures, most frequent first.
    """

    output: Path
    kept: int
    failed: int
    reasons: tuple[tuple[str, int], ...]


def sample(
    synthesizer: Synthesizer,
    plan: Plan,
    n: int,
    seed: int,
    output: str | Path,
    *,
    engine: str = "lte",
    progress: Progress | None = None,
) -> Sampled:
    """Draw random atmospheres, have them synthesised and write the training set.

    Parameters
    ----------
    synthesizer : Synthesizer
    plan : Plan
        Its regions need a step; its PSFs are applied; its cycles and noise do not matter.
    n, seed : int
        See `sample_atmospheres`.
    output : path
        ``.npz``; must not exist. It appears when it is complete.
    engine : str
    progress : callable, optional

    Returns
    -------
    Sampled

    Raises
    ------
    OutputExistsError
        The output is there already.
    InvalidArgumentError
        Another suffix, n < 1, or the plan cannot be synthesised.
    DataLossError
        Not one atmosphere could be synthesised.
    StokeswarmError
        The service refuses the plan or cannot be reached.
    """
    path = Path(output)
    if path.suffix != ".npz":
        raise InvalidArgumentError(f"{path}: a training set is one .npz file, found suffix {path.suffix!r}")
    if path.exists():
        raise OutputExistsError(f"{path}: exists already; remove it or name another output")
    path.parent.mkdir(parents=True, exist_ok=True)
    plan = replace(plan, reference=ContinuumReference.DISC_CENTRE)
    atmosphere = sample_atmospheres(n, seed, plan.log_tau)
    stokes, used, message = synthesize_all(synthesizer, plan, atmosphere, engine=engine, progress=progress)
    good: npt.NDArray[np.bool_] = np.asarray(np.isfinite(stokes).all(axis=(1, 2)))
    reasons = Counter(text or "no reason given" for text, ok in zip(message, good, strict=True) if not ok)
    if not good.any():
        raise DataLossError(f"none of {n} atmospheres could be synthesised: {reasons.most_common(1)[0][0]}")
    recipe = {
        "seed": seed,
        "drawn": n,
        "left_out": int((~good).sum()),
        "classes": list(POPULATIONS),
        "engine": engine,
        "stokeswarm": metadata.version("stokeswarm"),
        "plan": plan.name,
        "regions": [
            {
                "name": region.name,
                "start": region.start,
                "stop": region.stop,
                "step": region.step,
                "psf": region.psf.name if region.psf else None,
                "lines": [[line.wavelength, line.log_gf] for line in region.lines],
            }
            for region in plan.regions
        ],
        "mu": plan.mu,
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "stokes": stokes[good],
        "wavelength": plan.wavelength,
        "reference": np.array(str(ContinuumReference.DISC_CENTRE)),
        "log_tau": atmosphere.log_tau,
        "class": sample_classes(n, seed)[good],
        "recipe": np.array(json.dumps(recipe)),
    }
    arrays |= {name: values[good].astype(np.float32) for name, values in used.arrays().items()}
    _write(path, arrays)
    return Sampled(path, int(good.sum()), int((~good).sum()), tuple(reasons.most_common()))


def synthesize_all(
    synthesizer: Synthesizer,
    plan: Plan,
    atmosphere: Atmosphere,
    *,
    engine: str = "lte",
    progress: Progress | None = None,
) -> tuple[npt.NDArray[np.float32], Atmosphere, tuple[str, ...]]:
    """Synthesise any number of one-component atmospheres with several requests on their way.

    Pixels that a broken stream left out are sent again, as `stokeswarm.client.delivery` describes.

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
    StokeswarmError
        The service refuses the request for a reason that no repetition cures.
    """
    n, wavelength = len(atmosphere), plan.wavelength
    stokes = np.full((n, 4, wavelength.size), np.nan, np.float32)
    used = Atmosphere.full(n, atmosphere.log_tau)
    message = [""] * n
    done = failed = 0
    lock, calls = Lock(), Calls()

    def count(pixels: int, bad: int) -> None:
        nonlocal done, failed
        with lock:
            done, failed = done + pixels, failed + bad
            if progress is not None:
                progress(done, n, failed)

    def deliver(pixel: npt.NDArray[np.int64]) -> None:
        def send(rows: npt.NDArray[np.int64]) -> Stream[SynthesizeResults]:
            chosen = pixel[rows]
            request = SynthesizeRequest(engine, plan, (atmosphere.take(chosen),), chosen, wavelength)
            return synthesizer.synthesize(request, REQUEST_SECONDS)

        def accept(
            rows: npt.NDArray[np.int64], results: SynthesizeResults, taken: npt.NDArray[np.int64]
        ) -> None:
            good = np.array([results.status[i] is Status.OK for i in taken])
            where = pixel[rows][good]
            stokes[where] = results.stokes[taken[good]]
            _put(used, where, results.atmosphere[0].take(taken[good]))
            for row, i in zip(rows[~good], taken[~good], strict=True):
                message[pixel[row]] = results.message[i] or "the engine failed without a reason"
            count(rows.size, int((~good).sum()))

        lost = Delivery(send, pixel, accept, calls, RetryPolicy()).run(np.arange(pixel.size))
        for row, (_, reason) in lost.items():
            message[pixel[row]] = reason
        count(len(lost), len(lost))

    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="synthesis") as pool:
        batches = [np.arange(i, min(i + BATCH, n)) for i in range(0, n, BATCH)]
        futures = [pool.submit(deliver, batch) for batch in batches]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            calls.stop()
            for future in futures:
                future.cancel()
    return stokes, used, tuple(message)


def _put(target: Atmosphere, rows: npt.NDArray[np.int64], values: Atmosphere) -> None:
    """Copy the fields that are there into some rows."""
    arrays = target.arrays()
    for name, array in values.arrays().items():
        arrays[name][rows] = array


def _write(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write a complete file or none."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    part.replace(path)
