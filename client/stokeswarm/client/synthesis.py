"""Synthesis through the services: every profile of a request, in its order, whatever happened on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import Delivery, RetryPolicy, Stream
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import DataLossError
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.status import Status

#: seconds that one request may take
REQUEST_SECONDS = 3600.0
#: atmospheres of one request
CHUNK = 1024


def profiles(
    send: Callable[[SynthesizeRequest, float], Stream[SynthesizeResults]],
    request: SynthesizeRequest,
    calls: Calls | None = None,
    policy: RetryPolicy | None = None,
) -> SynthesizeResults:
    """Synthesise a request and gather the answer.

    Parameters
    ----------
    send : callable (request, timeout) -> Stream
        ``cluster.synthesize``.
    request : SynthesizeRequest
    calls : Calls, optional
    policy : RetryPolicy, optional

    Returns
    -------
    SynthesizeResults
        Of all pixels, in the request's order; NaN where one failed, with its status and reason.

    Raises
    ------
    StokeswarmError
        The request is refused, or the service is gone.
    """
    n, n_wavelength = len(request), request.wavelength.size
    stokes = np.full((n, 4, n_wavelength), np.nan, np.float32)
    status, message = [Status.NO_OUTPUT] * n, [""] * n
    used = tuple(Atmosphere.full(n, part.log_tau) for part in request.atmosphere)

    def open_stream(rows: npt.NDArray[np.int64]) -> Stream[SynthesizeResults]:
        part = replace(
            request,
            atmosphere=tuple(a.take(rows) for a in request.atmosphere),
            pixel=request.pixel[rows],
            mu=None if request.mu is None else request.mu[rows],
            position=None if request.position is None else request.position[rows],
        )
        return send(part, REQUEST_SECONDS)

    def accept(rows: npt.NDArray[np.int64], results: SynthesizeResults, taken: npt.NDArray[np.int64]) -> None:
        if results.stokes.shape[1:] != (4, n_wavelength) or len(results.atmosphere) != len(used):
            raise DataLossError(
                f"the answer has profiles of shape {results.stokes.shape[1:]} and {len(results.atmosphere)} "
                f"component(s), expected (4, {n_wavelength}) and {len(used)}"
            )
        stokes[rows] = results.stokes[taken]
        for mine, theirs in zip(used, results.atmosphere, strict=True):
            into = mine.arrays()
            for name, values in theirs.take(taken).arrays().items():
                into[name][rows] = values
        for row, i in zip(rows.tolist(), taken.tolist(), strict=True):
            status[row], message[row] = results.status[i], results.message[i]

    delivery = Delivery(open_stream, request.pixel, accept, calls or Calls(), policy or RetryPolicy())
    for first in range(0, n, CHUNK):
        lost = delivery.run(np.arange(first, min(first + CHUNK, n)))
        for row, (state, reason) in lost.items():
            status[row], message[row] = state, reason
    return SynthesizeResults(request.pixel, tuple(status), tuple(message), stokes, used)
