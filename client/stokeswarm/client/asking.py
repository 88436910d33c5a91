"""Pixels on their way to the inversion service: inverted from their starts, or looked at as they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.answers import check_answer
from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Delivery, Rows, Stream
from stokeswarm.client.layout import Arrays, component_group, put_atmosphere, put_results
from stokeswarm.client.positions import mu_of
from stokeswarm.client.starts import Pixels
from stokeswarm.client.synthesis import profiles
from stokeswarm.client.task import Setup
from stokeswarm.contract.atmosphere import Atmosphere, Floats
from stokeswarm.contract.inversion import InvertRequest, InvertResults, SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra

#: seconds of a request's deadline besides its pixels' own limits: queueing, transfer
DEADLINE_SLACK: Final = 600.0
#: no deadline is longer [s]; servers that live send heartbeats, and those that do not are cancelled sooner
LONGEST_DEADLINE: Final = 7 * 86400.0


class Inverter(Protocol):
    """What inverts and synthesises: a client of the inversion service."""

    def invert(self, request: InvertRequest, timeout: float) -> Stream[InvertResults]:
        """Stream the results of a request."""
        ...

    def synthesize(self, request: SynthesizeRequest, timeout: float) -> Stream[SynthesizeResults]:
        """Stream synthesised profiles."""
        ...


class Asking:
    """Asks the inversion service about an observation's pixels.

    Parameters
    ----------
    task : Setup
    inverter : Inverter
    calls : Calls
    """

    def __init__(self, task: Setup, inverter: Inverter, calls: Calls) -> None:
        self._task = task
        self._inverter = inverter
        self._calls = calls

    def invert(
        self,
        arrays: Arrays,
        rows: Rows,
        pixels: Pixels,
        start: tuple[Atmosphere, ...],
        label: npt.NDArray[np.uint8],
        cycles: tuple[int, ...],
        ended: Callable[[Rows], None],
        error: tuple[Atmosphere, ...] = (),
    ) -> None:
        """Invert some pixels from their starts and write the outcome into their rows.

        Parameters
        ----------
        arrays : Arrays
        rows : ndarray (k,) int
            Of the pixels, in the order of ``start`` and ``label``.
        pixels : Pixels
        start : tuple of Atmosphere
            One per component, k pixels each.
        label : ndarray (k,) uint8
            How the store names the starts.
        cycles : tuple of int
            Empty = all.
        ended : callable (rows)
            Told of rows whose outcome is there.
        error : tuple of Atmosphere
            1σ of ``start``; empty = not known.
        """
        task, plan = self._task, self._task.plan
        chosen = pixels.take(rows)
        for component, part in enumerate(start):
            put_atmosphere(arrays, component_group("initial", component), rows, part.resample(plan.log_tau))
        arrays["fit/start"][rows] = label
        position, mu = self._place(chosen)

        def send(part: Rows) -> Stream[InvertResults]:
            request = InvertRequest(
                engine=task.engine,
                plan=plan,
                spectra=replace(chosen.spectra, stokes=chosen.spectra.stokes[part]),
                pixel=chosen.identifier[part],
                start=tuple(one.take(part) for one in start),
                start_error=tuple(one.take(part) for one in error),
                mu=None if mu is None else mu[part],
                position=None if position is None else position[part],
                all_cycles=task.all_cycles,
                stray_light_profile=task.stray_light_profile,
                cycles=cycles,
                seed=task.seed,
            )
            limit = DEADLINE_SLACK + len(request) * plan.pixel_timeout * max(1, len(plan.cycles))
            return self._inverter.invert(request, timeout=min(limit, LONGEST_DEADLINE))

        def accept(part: Rows, results: InvertResults, taken: Rows) -> None:
            check_answer(results, plan, task.observation.wavelength.size, task.stored_cycles)
            where = rows[part]
            put_results(arrays, where, results, taken)
            arrays["fit/seconds"][where] = results.seconds[taken]
            ended(where)

        delivery = Delivery(send, chosen.identifier, accept, self._calls, task.policy, task.diagnose)
        lost = delivery.run(np.arange(rows.size))
        for order, (status, reason) in lost.items():
            row = rows[order]
            arrays["fit/status"][row] = int(status)
            arrays["fit/message"][row] = reason
            arrays["fit/seconds"][row] = 0.0
        if lost:
            ended(rows[np.fromiter(lost, np.int64)])

    def misfit(self, pixels: Pixels, start: tuple[Atmosphere, ...]) -> Floats:
        """χ² of the profiles that starts would have, before any inversion.

        Parameters
        ----------
        pixels : Pixels
            n of them.
        start : tuple of Atmosphere
            One per component, n pixels each.

        Returns
        -------
        ndarray (n,) float64
            See `misfit`; infinite where a start has no profile.
        """
        task = self._task
        position, mu = self._place(pixels)
        request = SynthesizeRequest(
            engine=task.engine,
            plan=task.plan,
            atmosphere=start,
            pixel=pixels.identifier,
            wavelength=pixels.spectra.wavelength,
            mu=mu,
            stray_light_profile=task.stray_light_profile,
            hydrostatic=any(part.electron_pressure is None for part in start),
            position=position,
        )
        made = profiles(self._inverter.synthesize, request, self._calls, task.policy)
        return misfit(pixels.spectra, made.stokes, task.plan)

    def _place(self, pixels: Pixels) -> tuple[Floats | None, Floats | None]:
        """Positions and μ of pixels, where the task knows them."""
        task = self._task
        position = None if task.position is None else task.position[pixels.y, pixels.x]
        return position, None if position is None or not task.own_mu else mu_of(position)


def misfit(spectra: Spectra, fit: npt.NDArray[np.float32], plan: Plan) -> Floats:
    """Mean squared residual over the noise, with the spectra's weights.

    Parameters
    ----------
    spectra : Spectra
        n pixels; missing samples count for nothing.
    fit : ndarray (n, 4, n_wavelength) float32
    plan : Plan
        Its noise σ.

    Returns
    -------
    ndarray (n,) float64
        Σ w (obs − fit)²/σ² / N over the N samples that are there, summed in float64 pixel by pixel; infinite
        where a profile has a gap that the observation has not.
    """
    observed = spectra.stokes.astype(np.float64)
    weight = np.where(np.isfinite(observed), 1.0 / np.square(np.asarray(plan.noise))[:, None], 0.0)
    if spectra.weights is not None:
        weight = weight * spectra.weights
    squares = np.where(weight > 0, weight * (observed - fit) ** 2, 0.0)
    count = np.count_nonzero(weight, axis=(1, 2))
    mean = squares.reshape(len(spectra), -1).sum(axis=1) / np.maximum(count, 1)
    return np.where(np.isfinite(mean), mean, np.inf)


__all__ = ["Asking", "Inverter", "misfit"]
