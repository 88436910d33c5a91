"""Servers for tests: in this process, on loopback, quick, and as ill-behaved as the test wants.

The engine is a formula: a pixel's temperature is its start's plus its mean intensity, its χ² is what the
profile says (Q's first sample after the assisted cycle, U's after all cycles), so that every result can be
foretold.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stokeswarm.contract import codec, messages
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import ResourceExhaustedError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.inversion import (
    CycleResults,
    EngineInfo,
    InvertRequest,
    InvertResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.rpc import ErrorInterceptor, server_options
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.v1 import inference_pb2, inference_pb2_grpc, inversion_pb2, inversion_pb2_grpc

#: pixels of one message
CHUNK = 3


class Fault(Enum):
    """How one call goes wrong."""

    NONE = "none"
    #: half of the pixels come, then the connection breaks
    BREAK = "break"
    #: a heartbeat comes, then the connection breaks
    DIE = "die"
    #: half of the pixels come, then the stream ends as if all were well
    SHORT = "short"
    #: every pixel comes twice, the second time with nonsense
    REPEAT = "repeat"
    #: pixels nobody asked for come first
    STRANGERS = "strangers"
    #: nothing comes until the client gives up
    SILENT = "silent"
    #: the queue is full
    FULL = "full"
    #: the answer is on another wavelength axis
    DAMAGED = "damaged"
    #: the server has a bug
    CRASH = "crash"


@dataclass
class Script:
    """What the fake inversion server does, and what it was asked.

    Attributes
    ----------
    faults : deque of Fault
        Taken by one call each; empty = behave.
    poison : set of int
        Pixels whose presence in a request breaks the stream after a heartbeat.
    failing : dict
        Pixel → status that it ends in.
    full : dict
        Pixel → χ² of all cycles, instead of what its profile says.
    asked : list of tuple
        Pixels of every call, in order of arrival.
    cycles : list of tuple
        Their cycles.
    requests : list of InvertRequest or SynthesizeRequest
        The calls as they came off the wire.
    engines : tuple of str
        What the server offers.
    closed : threading.Event
        Set when a silent call was cancelled.
    started, fell_silent : threading.Event
        Set when a call has come, and when a silent one has.
    """

    faults: deque[Fault] = field(default_factory=deque)
    poison: set[int] = field(default_factory=set)
    failing: dict[int, Status] = field(default_factory=dict)
    full: dict[int, float] = field(default_factory=dict)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    cycles: list[tuple[int, ...]] = field(default_factory=list)
    requests: list[InvertRequest | SynthesizeRequest] = field(default_factory=list)
    engines: tuple[str, ...] = ("lte",)
    closed: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    fell_silent: threading.Event = field(default_factory=threading.Event)


def small_plan(cycles: int = 3) -> Plan:
    """A plan on the Hinode grid with few depths."""
    instrument = hinode_sp()
    cycle = Cycle((Nodes(temperature=2, field_strength=1, velocity=1, inclination=1, azimuth=1),))
    return Plan(
        "small",
        instrument.regions,
        (cycle,) * cycles,
        depth_bottom=1.0,
        depth_top=-3.0,
        depth_step=0.5,
        top_gas_pressure=(1000.0,),
    )


def fake_results(request: InvertRequest, script: Script) -> InvertResults:
    """The formula engine; see the module's description."""
    stokes = request.spectra.stokes.astype(np.float64)
    plan, k = request.plan, len(request)
    every = request.cycles or tuple(range(len(plan.cycles)))
    start = tuple(part.resample(plan.log_tau) for part in request.start)
    found = tuple(
        replace(part, temperature=part.temperature + np.nanmean(stokes[:, 0], axis=1)[:, None])
        for part in start
    )
    assisted = len(every) < len(plan.cycles)
    chi2 = stokes[:, 1 if assisted else 2, 0].copy()
    if not assisted:
        chi2 = np.array([script.full.get(p, c) for p, c in zip(request.pixel.tolist(), chi2, strict=True)])
    results = InvertResults(
        pixel=request.pixel,
        status=(Status.OK,) * k,
        message=("",) * k,
        atmosphere=found,
        uncertainty=tuple(Atmosphere.full(k, plan.log_tau, 1.0) for _ in found),
        fit=request.spectra.stokes,
        chi2=chi2,
        chi2_stokes=np.repeat(chi2[:, None], 4, axis=1),
        chi2_engine=chi2,
        cycles=np.full(k, sum(1 << c for c in every), np.int32),
        best_cycle=np.full(k, every[-1], np.int32),
        iterations=np.full(k, 7, np.int32),
        seconds=np.full(k, 0.25),
        by_cycle=tuple(fake_cycle(request, found, c) for c in every) if request.all_cycles else (),
    )
    for row, pixel in enumerate(request.pixel.tolist()):
        if pixel in script.failing:
            failed = InvertResults.failed(
                [pixel],
                script.failing[pixel],
                "as scripted",
                n_component=len(found),
                log_tau=plan.log_tau,
                n_wavelength=results.fit.shape[2],
            )
            results = merge(results, row, failed)
    return results


def fake_cycle(request: InvertRequest, found: tuple[Atmosphere, ...], cycle: int) -> CycleResults:
    """What one cycle made: the result, warmer by 100 K for every cycle still to come."""
    warmer = 100.0 * (len(request.plan.cycles) - 1 - cycle)
    atmosphere = tuple(replace(part, temperature=part.temperature + warmer) for part in found)
    return CycleResults(cycle, atmosphere, request.spectra.stokes, np.full(len(request), 10.0 + cycle))


def take(results: InvertResults, rows: npt.ArrayLike) -> InvertResults:
    """Some pixels of a message."""
    chosen = np.asarray(rows, dtype=np.int64)
    arrays = ("pixel", "fit", "chi2", "chi2_stokes", "chi2_engine", "cycles", "best_cycle", "iterations")
    return InvertResults(
        status=tuple(results.status[i] for i in chosen),
        message=tuple(results.message[i] for i in chosen),
        atmosphere=tuple(part.take(chosen) for part in results.atmosphere),
        uncertainty=tuple(part.take(chosen) for part in results.uncertainty),
        seconds=results.seconds[chosen],
        by_cycle=tuple(
            CycleResults(c.cycle, tuple(a.take(chosen) for a in c.atmosphere), c.fit[chosen], c.chi2[chosen])
            for c in results.by_cycle
        ),
        **{name: getattr(results, name)[chosen] for name in arrays},
    )


def merge(results: InvertResults, row: int, one: InvertResults) -> InvertResults:
    """Replace one pixel of a message."""

    def put(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        copy = old.copy()
        copy[row] = new[0]
        return copy

    def put_part(old: Atmosphere, new: Atmosphere) -> Atmosphere:
        fresh = new.arrays()
        values: dict[str, Any] = {name: put(a, fresh[name]) for name, a in old.arrays().items()}
        return replace(old, **values)

    arrays = ("fit", "chi2", "chi2_stokes", "chi2_engine", "cycles", "best_cycle", "iterations", "seconds")
    return InvertResults(
        pixel=results.pixel,
        status=(*results.status[:row], one.status[0], *results.status[row + 1 :]),
        message=(*results.message[:row], one.message[0], *results.message[row + 1 :]),
        atmosphere=tuple(map(put_part, results.atmosphere, one.atmosphere)),
        uncertainty=tuple(map(put_part, results.uncertainty, one.uncertainty)),
        by_cycle=tuple(without(cycle, row) for cycle in results.by_cycle),
        **{name: put(getattr(results, name), getattr(one, name)) for name in arrays},
    )


def without(results: CycleResults, row: int) -> CycleResults:
    """A cycle in which one pixel has no result."""

    def blank(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        copy = values.copy()
        copy[row] = np.nan
        return copy

    atmosphere = tuple(
        replace(part, **{name: blank(values) for name, values in part.arrays().items()})
        for part in results.atmosphere
    )
    return CycleResults(results.cycle, atmosphere, blank(results.fit), blank(results.chi2))


class FakeInversion(inversion_pb2_grpc.InversionServiceServicer):  # type: ignore[misc, unused-ignore]
    """The inversion service with a formula for an engine."""

    def __init__(self, script: Script, digest: str = "fake") -> None:
        self._script = script
        self._digest = digest
        self._lock = threading.Lock()

    def ListEngines(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        """The script's engines, of two slots."""
        del request, context
        infos = [EngineInfo(n, "1", self._digest, available=True, slots=2) for n in self._script.engines]
        return inversion_pb2.ListEnginesResponse(engines=[messages.engine_to_proto(info) for info in infos])

    def Invert(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  # gRPC's name
        """Answer as the script says."""
        script = self._script
        asked = messages.invert_request_from_proto(request)
        with self._lock:
            script.asked.append(tuple(asked.pixel.tolist()))
            script.cycles.append(asked.cycles)
            script.requests.append(asked)
            fault = script.faults.popleft() if script.faults else Fault.NONE
        script.started.set()
        if script.poison & set(asked.pixel.tolist()):
            fault = Fault.DIE
        results = fake_results(asked, script)
        # Backwards, since the contract promises no order.
        order = np.arange(len(asked))[::-1]
        yield from _answer(fault, results, order, context, script)

    def Synthesize(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  # gRPC's name
        """Profiles whose intensity is the temperature at the bottom over 1e4 K, times a ray's own μ."""
        del context
        asked = messages.synthesize_request_from_proto(request)
        with self._lock:
            self._script.requests.append(asked)
        k = len(asked)
        stokes = np.zeros((k, 4, asked.wavelength.size), np.float32)
        mu = 1.0 if asked.mu is None else asked.mu[:, None]
        stokes[:, 0] = mu * asked.atmosphere[0].temperature[:, :1] / 1e4
        results = SynthesizeResults(asked.pixel, (Status.OK,) * k, ("",) * k, stokes, asked.atmosphere)
        yield inversion_pb2.SynthesizeEvent(results=messages.synthesize_results_to_proto(results))


def _answer(
    fault: Fault, results: InvertResults, order: npt.NDArray[np.int64], context: Any, script: Script
) -> Iterator[Any]:
    def event(part: InvertResults) -> Any:
        return inversion_pb2.InvertEvent(results=messages.invert_results_to_proto(part))

    beat = inversion_pb2.InvertEvent(heartbeat=inversion_pb2.Heartbeat(done=0, total=len(results)))
    if fault is Fault.FULL:
        raise ResourceExhaustedError("the queue is full", retry_after=0.05)
    if fault is Fault.CRASH:
        raise RuntimeError("a bug")
    if fault is Fault.SILENT:
        script.fell_silent.set()
        # A call that was cancelled before this line takes no callback any more.
        if not context.add_callback(script.closed.set):
            script.closed.set()
        script.closed.wait(60.0)
        return
    yield beat
    if fault is Fault.DIE:
        context.abort(grpc.StatusCode.UNAVAILABLE, "the pod is gone")
    if fault is Fault.DAMAGED:
        yield event(replace(results, fit=results.fit[:, :, :-1]))
        return
    if fault is Fault.STRANGERS:
        yield event(replace(results, pixel=results.pixel + 1_000_000))
    if fault in (Fault.BREAK, Fault.SHORT):
        half = order[: max(1, order.size // 2)]
        yield event(take(results, half))
        if fault is Fault.BREAK:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the pod is gone")
        return
    for i in range(0, order.size, CHUNK):
        part = take(results, order[i : i + CHUNK])
        yield event(part)
        if fault is Fault.REPEAT:
            yield event(replace(part, chi2=np.full(len(part), 1e9)))


def fake_features(stokes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean intensity and strength of V, coarse: (n, 2) of profiles (n, 4, n_wavelength)."""
    strength = np.abs(stokes[:, 3, 1:]).max(axis=1)
    return np.round(np.column_stack([stokes[:, 0].mean(axis=1), strength]) / 0.05).astype(np.float32)


class FakeInference(inference_pb2_grpc.InferenceServiceServicer):  # type: ignore[misc, unused-ignore]
    """The inference service with one network: T = 5000 K, or no guess where I's first sample is above 1.5.

    Its novelty is the first sample of V, its features those of `fake_features`, where it has any.
    """

    def __init__(self, features: bool = True, card: str = "{}") -> None:
        self.features = features
        self.info = ModelInfo(
            name="hinode-sp",
            version="1",
            digest="net",
            provider="CPUExecutionProvider",
            ready=True,
            message="",
            wavelength=hinode_sp().regions[0].grid(),
            log_tau=np.array([0.0, -1.0, -2.0]),
            quantities=(
                "temperature",
                "field_strength",
                "velocity",
                "inclination",
                "azimuth",
                "microturbulence",
            ),
            reference=ContinuumReference.DISC_CENTRE,
            novelty_threshold=1.0,
            card=card,
        )

    def ListModels(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        """The one."""
        del request, context
        return inference_pb2.ListModelsResponse(models=[messages.model_to_proto(self.info)])

    def GetModel(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        """The one."""
        del request, context
        return messages.model_to_proto(self.info)

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  # gRPC's name
        """The constant guess."""
        del context
        spectra = codec.spectra_from_proto(request.spectra)
        n = len(spectra)
        known = spectra.stokes[:, 0, 0] <= 1.5
        guess = Atmosphere.full(n, self.info.log_tau, 20.0, pressures=False)
        temperature = np.where(known[:, None], 5000.0, np.nan) * np.ones(3)
        guess = replace(guess, temperature=temperature, field_strength=np.full((n, 3), 1500.0))
        prediction = Prediction(
            self.info.name,
            self.info.version,
            self.info.digest,
            guess,
            spectra.stokes[:, 3, 0].copy(),
            tuple(Status.OK if ok else Status.NO_OUTPUT for ok in known),
            tuple("" if ok else "no guess" for ok in known),
            features=fake_features(spectra.stokes) if request.features and self.features else None,
        )
        return messages.prediction_to_proto(prediction)


def _serve(register: Callable[[Any], None], name: str) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(16), options=server_options(), interceptors=[ErrorInterceptor()])
    register(server)
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for service in ("", name):
        checks.set(service, health_pb2.HealthCheckResponse.SERVING)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def fake_inversion(script: Script | None = None, digest: str = "fake") -> Iterator[str]:
    """Run the fake inversion server; its address."""
    servicer = FakeInversion(script or Script(), digest)
    yield from _serve(
        lambda server: inversion_pb2_grpc.add_InversionServiceServicer_to_server(servicer, server),
        "stokeswarm.v1.InversionService",
    )


@contextmanager
def fake_inference(features: bool = True, card: str = "{}") -> Iterator[str]:
    """Run the fake inference server; its address."""
    servicer = FakeInference(features, card)
    yield from _serve(
        lambda server: inference_pb2_grpc.add_InferenceServiceServicer_to_server(servicer, server),
        "stokeswarm.v1.InferenceService",
    )
