"""An engine that does what a test tells it, pixel by pixel: no physics, no time of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status
from stokeswarm.inversion.core import InversionCore
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.pool import SlotPool
from stokeswarm.inversion.registry import EngineRegistry

#: what a pixel does: raise, wait, or say its status
Act = Callable[[Slot], Status]
#: no wait of a test lasts longer [s]
PATIENCE = 20.0


@dataclass(frozen=True)
class Call:
    """One call of `Job.run`."""

    pixels: tuple[int, ...]
    slot: int
    deadline: float
    thread: str


@dataclass
class ScriptedEngine:
    """Pixels do what `acts` says (by identifier; OK where it says nothing), results pass through `spoil`."""

    acts: Mapping[int, Act] = field(default_factory=dict)
    batch: int = 4
    spoil: Callable[[Any], Any] = lambda results: results
    responds: bool = True
    #: whether its jobs free their slot before they make their results; calls of `defects` spoil the latter
    defers: bool = False
    defects: list[Exception] = field(default_factory=list)
    order: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    prepare: Callable[[Any], None] = lambda request: None
    calls: list[Call] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False

    def info(self) -> EngineInfo:
        return EngineInfo("scripted", "1.0", "ab" * 32, available=True, responds=self.responds)

    def warm_up(self) -> None:
        pass

    def prepare_inversion(self, request: InvertRequest) -> ScriptedJob:
        self.prepare(request)
        kind = DeferringScriptedJob if self.defers else ScriptedJob
        return kind(self, request, invert_results)

    def prepare_synthesis(self, request: SynthesizeRequest) -> ScriptedJob:
        self.prepare(request)
        return ScriptedJob(self, request, synthesize_results)

    def prepare_response(self, request: ResponseRequest) -> ScriptedJob:
        self.prepare(request)
        return ScriptedJob(self, request, response_results)

    def close(self) -> None:
        self.closed = True

    def tries(self, pixel: int) -> list[Call]:
        with self.lock:
            return [call for call in self.calls if pixel in call.pixels]


@dataclass
class ScriptedJob:
    engine: ScriptedEngine
    request: Any
    make: Callable[[Any, Sequence[int], Sequence[Status]], Any]

    @property
    def batch(self) -> int:
        return self.engine.batch

    def run(self, rows: Sequence[int], slot: Slot) -> Any:
        pixels = tuple(int(self.request.pixel[row]) for row in rows)
        with self.engine.lock:
            thread = threading.current_thread().name
            self.engine.calls.append(Call(pixels, slot.number, slot.deadline, thread))
        status = [self.engine.acts.get(pixel, fine)(slot) for pixel in pixels]
        return self.engine.spoil(self.make(self.request, rows, status))


class DeferringScriptedJob(ScriptedJob):
    """Begins, calls ``meanwhile`` as whoever waits for a code does, and makes its results when asked."""

    def deferred(self, rows: Sequence[int], slot: Slot) -> Callable[[], Any]:
        pixels = tuple(int(self.request.pixel[row]) for row in rows)
        self.engine.order.append(("begun", pixels))
        slot.meanwhile()
        slot.meanwhile()
        run = partial(self.run, rows, slot)

        def results() -> Any:
            self.engine.order.append(("made", pixels))
            if self.engine.defects:
                raise self.engine.defects.pop()
            return run()

        return results


def fine(slot: Slot) -> Status:
    return Status.OK


def temperature_of(pixel: int) -> float:
    """What a pixel's result is known by."""
    return 4000.0 + pixel


def _atmosphere(pixel: Sequence[int], log_tau: Any, status: Sequence[Status]) -> Atmosphere:
    values = np.array(
        [temperature_of(p) if s.has_result else np.nan for p, s in zip(pixel, status, strict=True)]
    )
    base = Atmosphere.full(len(pixel), log_tau, 1.0)
    return replace(base, temperature=np.repeat(values[:, None], base.n_depth, axis=1))


def invert_results(request: InvertRequest, rows: Sequence[int], status: Sequence[Status]) -> InvertResults:
    k, pixel = len(rows), request.pixel[list(rows)]
    atmosphere = _atmosphere(pixel, request.plan.log_tau, status)
    return InvertResults(
        pixel=pixel,
        status=tuple(status),
        message=tuple("" if s is Status.OK else s.name for s in status),
        atmosphere=(atmosphere,) * request.plan.n_component,
        uncertainty=(atmosphere,) * request.plan.n_component,
        fit=np.repeat(pixel.astype(np.float32), 4 * request.spectra.wavelength.size).reshape(k, 4, -1),
        chi2=np.ones(k),
        chi2_stokes=np.ones((k, 4)),
        chi2_engine=np.ones(k),
        cycles=np.ones(k, np.int32),
        best_cycle=np.zeros(k, np.int32),
        iterations=np.ones(k, np.int32),
        seconds=np.zeros(k),
    )


def synthesize_results(
    request: SynthesizeRequest, rows: Sequence[int], status: Sequence[Status]
) -> SynthesizeResults:
    pixel = request.pixel[list(rows)]
    return SynthesizeResults(
        pixel=pixel,
        status=tuple(status),
        message=("",) * len(rows),
        stokes=np.ones((len(rows), 4, request.wavelength.size), np.float32),
        atmosphere=tuple(_atmosphere(pixel, a.log_tau, status) for a in request.atmosphere),
    )


def response_results(
    request: ResponseRequest, rows: Sequence[int], status: Sequence[Status]
) -> ResponseResults:
    k, n_wavelength = len(rows), request.wavelength.size
    shape = (k, len(request.quantities), request.atmosphere.n_depth, 4, n_wavelength)
    return ResponseResults(
        pixel=request.pixel[list(rows)],
        status=tuple(status),
        message=("",) * k,
        quantities=request.quantities,
        response=np.ones(shape, np.float32),
        stokes=np.ones((k, 4, n_wavelength), np.float32),
    )


def plan(**changes: Any) -> Plan:
    """Eight wavelengths, six depths, one cycle."""
    region = instrument("hinode-sp").regions[0]
    region = replace(region, stop=region.start + 7 * region.step)
    values = {
        "name": "test",
        "regions": (region,),
        "cycles": (Cycle((Nodes(temperature=2),)),),
        "depth_bottom": 1.0,
        "depth_top": -4.0,
        "depth_step": 1.0,
    }
    return Plan(**(values | changes))


def invert_request(n: int, first: int = 0, **plan_changes: Any) -> InvertRequest:
    """Pixels first, first + 3, first + 6 … (so that rows and identifiers differ)."""
    made = plan(**plan_changes)
    stokes = np.full((n, 4, made.wavelength.size), 0.5, np.float32)
    return InvertRequest(
        engine="scripted",
        plan=made,
        spectra=Spectra(made.wavelength, stokes),
        pixel=first + 3 * np.arange(n),
        start=(Atmosphere.full(n, made.log_tau, 1.0, pressures=False),),
    )


def synthesize_request(n: int) -> SynthesizeRequest:
    made = plan()
    atmosphere = Atmosphere.full(n, made.log_tau, 1.0, pressures=False)
    return SynthesizeRequest("scripted", made, (atmosphere,), np.arange(n), made.wavelength)


def response_request(n: int, n_depth: int = 6, **changes: Any) -> ResponseRequest:
    made = plan()
    atmosphere = Atmosphere.full(n, np.linspace(1, -4, n_depth), 1.0, pressures=False)
    return ResponseRequest("scripted", made, atmosphere, np.arange(n), made.wavelength, **changes)


def core(engine: ScriptedEngine, slots: int = 2, **pool: Any) -> InversionCore:
    registry = EngineRegistry({"scripted": lambda: engine}, slots)
    return InversionCore(registry, SlotPool(slots, **pool))


def drain(task: Any) -> dict[int, tuple[Status, str]]:
    """Every pixel's status and message; fails where one ends twice or the task does not end."""
    found: dict[int, tuple[Status, str]] = {}
    while True:
        parts = task.collect(max_bytes=1, linger=0.0, timeout=PATIENCE)
        if parts is None:
            return found
        assert parts, f"nothing ended in {PATIENCE} s"
        for part in parts:
            for pixel, status, message in zip(part.pixel.tolist(), part.status, part.message, strict=True):
                assert pixel not in found, f"pixel {pixel} ended twice"
                found[pixel] = (status, message)


class Gate:
    """An act that waits until a test opens it, and tells when it is reached."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, slot: Slot) -> Status:
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        return Status.OK


class UntilCancelled:
    """An act that runs until nobody waits for it any more, as an engine does between iterations."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.cancelled = threading.Event()
        self._pause = threading.Event()

    def __call__(self, slot: Slot) -> Status:
        self.reached.set()
        while not slot.cancelled():
            self._pause.wait(0.005)
        self.cancelled.set()
        return Status.NO_OUTPUT
