"""The door to the services: `connect` to remote ones, or start the same two servers on this machine.

>>> from stokeswarm.client import connect, read, Plan          # doctest: +SKIP
>>> with connect() as cluster:                                 # doctest: +SKIP
...     result = cluster.invert(read("map.fits"), Plan.preset("assisted"))
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from stokeswarm.client.calls import DEFAULT_SILENCE, Calls
from stokeswarm.client.carrying import TileResult
from stokeswarm.client.classify import classify
from stokeswarm.client.clustering import Grouping
from stokeswarm.client.clusters import Clusters
from stokeswarm.client.delivery import RetryPolicy, Stream, ask
from stokeswarm.client.neighbours import Rule
from stokeswarm.client.pipeline import Pipeline, default_in_flight
from stokeswarm.client.plan_files import as_project
from stokeswarm.client.prepare import (
    Prepared,
    Services,
    Wishes,
    prepare,
)
from stokeswarm.client.progress import Reporter, Silent
from stokeswarm.client.project import Project
from stokeswarm.client.provenance import identity, provenance
from stokeswarm.client.readers import Observation
from stokeswarm.client.repair import RepairRun, RepairTiles
from stokeswarm.client.repairing import admit, open_output, repair_attrs
from stokeswarm.client.run import Run, begun, close_iterator
from stokeswarm.client.servers import LocalServers
from stokeswarm.client.services import InferenceClient, InversionClient, wait_until_serving
from stokeswarm.client.store import ResultStore
from stokeswarm.client.tiles import Tile, TileGrid, Window, default_tile, parse_region
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import (
    EngineInfo,
    InvertRequest,
    InvertResults,
    ResponseRequest,
    ResponseResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra

if TYPE_CHECKING:
    import xarray as xr

#: seconds that one prediction of a tile may take
PREDICT_SECONDS: Final = 300.0
#: seconds that a synthesis or a set of response functions may take
SYNTHESIS_SECONDS: Final = 3600.0

PlanLike = Plan | Project | str | Path


def connect(
    inference: str | None = None,
    inversion: str | None = None,
    slots: int | None = None,
    *,
    engines: Sequence[str] = (),
    silence: float = DEFAULT_SILENCE,
    servers: LocalServers | None = None,
) -> Cluster:
    """Connect to the services.

    Parameters
    ----------
    inference, inversion : str, optional
        ``host:port`` or a gRPC target; a name that stands for several pods is balanced over all of them.
        None = start that server here, on loopback, when it is first needed.
    slots : int, optional
        Threads of the local inversion server; None = one a core.
    engines : sequence of str
        Engines that the local inversion server loads and warms up; empty = all that it finds.
    silence : float
        Seconds without a sign of life after which a server is given up.
    servers : LocalServers, optional
        Local servers that somebody may have started already, instead of its own with ``slots`` and
        ``engines``; they end with the cluster.

    Returns
    -------
    Cluster
        Use it in a ``with`` statement: local servers end with it.
    """
    return Cluster(inference, inversion, slots, engines=engines, silence=silence, servers=servers)


class Cluster:
    """The inference and inversion services, remote or local; see `connect`."""

    def __init__(
        self,
        inference: str | None = None,
        inversion: str | None = None,
        slots: int | None = None,
        *,
        engines: Sequence[str] = (),
        silence: float = DEFAULT_SILENCE,
        servers: LocalServers | None = None,
    ) -> None:
        self._targets = {"inference": inference, "inversion": inversion}
        self._local = servers or LocalServers(slots, engines)
        self._silence = silence
        self._inversion: InversionClient | None = None
        self._inference: InferenceClient | None = None
        self._models: tuple[ModelInfo, ...] | None = None
        self._calls: weakref.WeakSet[Calls] = weakref.WeakSet()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep_logs=isinstance(error, Exception))

    def close(self, *, keep_logs: bool = False) -> None:
        """Cancel what is in flight, close the channels and end the local servers."""
        for calls in list(self._calls):
            calls.stop()
        for client in (self._inversion, self._inference):
            if client is not None:
                client.close()
        self._inversion = self._inference = None
        self._local.stop(keep_logs=keep_logs)

    def _new_calls(self) -> Calls:
        """A register of calls that ends with the cluster, even where nobody iterates over a run."""
        calls = Calls(self._silence)
        self._calls.add(calls)
        return calls

    @property
    def inversion(self) -> InversionClient:
        """Client of the inversion service; starts the local server where none was named.

        Raises
        ------
        UnavailableError
            The service does not answer, or the local server does not start.
        """
        with self._lock:
            if self._inversion is None:
                self._inversion = InversionClient(self._target("inversion"))
            return self._inversion

    @property
    def inference(self) -> InferenceClient:
        """Client of the inference service; starts the local server where none was named.

        Raises
        ------
        UnavailableError
            The service does not answer, or the local server does not start.
        """
        with self._lock:
            if self._inference is None:
                self._inference = InferenceClient(self._target("inference"))
            return self._inference

    def _target(self, kind: str) -> str:
        given = self._targets[kind]
        if given is None:
            target = self._local.begin(kind).address()
        else:
            target = given if "://" in given or given.startswith(("dns:", "unix:")) else f"dns:///{given}"
        wait_until_serving(target, kind)
        return target

    def engines(self) -> tuple[EngineInfo, ...]:
        """Engines of the inversion service."""
        return self.inversion.engines()

    def models(self) -> tuple[ModelInfo, ...]:
        """Networks of the inference service."""
        with self._lock:
            if self._models is None:
                self._models = self.inference.models()
            return self._models

    def predict(self, model: str, spectra: Spectra, version: str = "") -> Prediction:
        """Guess atmospheres with a network."""
        return ask(
            lambda: self.inference.predict(model, version, spectra, PREDICT_SECONDS),
            self._new_calls(),
            RetryPolicy(),
            self._local.check,
        )

    def synthesize(
        self, request: SynthesizeRequest, timeout: float = SYNTHESIS_SECONDS
    ) -> Stream[SynthesizeResults]:
        """Stream synthesised profiles; `stokeswarm.client.synthesis.profiles` gathers and repeats them."""
        return self.inversion.synthesize(request, timeout)

    def response_functions(
        self, request: ResponseRequest, timeout: float = SYNTHESIS_SECONDS
    ) -> Stream[ResponseResults]:
        """Stream response functions."""
        return self.inversion.response_functions(request, timeout)

    def invert_request(self, request: InvertRequest, timeout: float) -> Stream[InvertResults]:
        """Stream the results of one bare request, without starts, gate or repetition."""
        return self.inversion.invert(request, timeout)

    def invert(
        self,
        observation: Observation,
        plan: PlanLike,
        output: str | Path | None = None,
        *,
        resume: bool = False,
        region: str | None = None,
        tile: tuple[int, int] | None = None,
        in_flight: int | None = None,
        wishes: Wishes | None = None,
        reporter: Reporter | None = None,
    ) -> xr.DataTree:
        """Invert an observation into a result store.

        Parameters
        ----------
        observation : Observation
        plan : Plan, Project, str or Path
            A name is a preset or a file (TOML, or a control file of SIR or DeSIRe).
        output : str or Path, optional
            Path or fsspec URL of the store; None = in memory.
        resume : bool
            Continue an output begun by the same run.
        region : str, optional
            ``y0:y1,x0:x1``; None = what the project says, else everything.
        tile : (int, int), optional
            Rows and columns of a tile. A resumed store keeps its own.
        in_flight : int, optional
            Tiles on their way at once; None = two a slot.
        wishes : Wishes, optional
            Start, engine, gate, seed, retries.
        reporter : Reporter, optional

        Returns
        -------
        xarray.DataTree
            The store, arrays read when they are used.

        Raises
        ------
        OutputExistsError
            The output is there and is not to be resumed.
        StokeswarmError
            What concerns the run and not a pixel. Tiles that are complete are kept.
        """
        run = self.begin(
            observation, plan, output, resume=resume, region=region, tile=tile, in_flight=in_flight,
            wishes=wishes, reporter=reporter,
        )  # fmt: skip
        for _ in run:
            pass
        return run.store.tree()

    def begin(
        self,
        observation: Observation,
        plan: PlanLike,
        output: str | Path | None = None,
        *,
        resume: bool = False,
        region: str | None = None,
        tile: tuple[int, int] | None = None,
        in_flight: int | None = None,
        wishes: Wishes | None = None,
        reporter: Reporter | None = None,
    ) -> Run:
        """Prepare a run and its store; iterate over it to invert. Parameters as of `invert`."""
        calls = self._new_calls()
        project = as_project(plan)
        window = parse_region(region or project.region or None, observation.shape)
        prepared = self._prepare(observation, project, wishes or Wishes(), calls)
        grid = TileGrid(window, tile or default_tile(window.shape))
        document = identity(prepared, str(window))
        flying = in_flight or default_in_flight(prepared.engine.slots)
        teller = reporter or Silent()
        pipeline = Pipeline(prepared.task, self.inversion, calls, teller)
        if resume:
            if output is None:
                raise InvalidArgumentError("resume: name the output to continue")
            store = ResultStore.resume(output, document)
            results = begun(pipeline, list(store.missing()), window.size, flying, teller)
            return Run(store, results, calls, teller, prepared)
        results = begun(pipeline, list(grid), window.size, flying, teller)
        try:
            store = ResultStore.create(
                output,
                grid=grid,
                n_component=prepared.task.plan.n_component,
                n_cycle=prepared.task.stored_cycles,
                log_tau=prepared.task.plan.log_tau,
                wavelength=observation.wavelength,
                weights=observation.weights,
                attrs={"identity": document, **provenance(prepared)},
            )
        except BaseException:
            calls.stop()
            close_iterator(results)
            teller.close()
            raise
        return Run(store, results, calls, teller, prepared)

    def repair(
        self,
        result: ResultStore | str | Path,
        output: str | Path | None = None,
        *,
        plan: PlanLike | None = None,
        rule: Rule | None = None,
        resume: bool = False,
        in_flight: int | None = None,
        reporter: Reporter | None = None,
    ) -> RepairRun:
        """Prepare a repair of a finished result and its store; iterate over it to do it.

        Parameters
        ----------
        result : ResultStore, str or Path
        output : str or Path, optional
            Path or fsspec URL of the repaired store; None = in memory.
        plan : Plan, Project, str or Path, optional
            Brings what a store does not keep, a profile of stray light or positions. Everything else is the
            store's own.
        rule : Rule, optional
            Which pixels are bad.
        resume : bool
            Continue an output begun by the same repair.
        in_flight : int, optional
        reporter : Reporter, optional

        Raises
        ------
        StokeswarmError
            The result is not complete, its engine is not there, the output exists …
        """
        calls = self._new_calls()
        store = result if isinstance(result, ResultStore) else ResultStore.read(result)
        project = None if plan is None else as_project(plan)
        patient, engine, notes = admit(
            store, self.engines(), rule or Rule(), project, diagnose=self._local.check
        )  # fmt: skip
        fixed = open_output(output, patient, repair_attrs(patient, engine, notes), resume=resume)
        tiles = RepairTiles(patient, self.inversion, calls, reporter)
        flying, teller = in_flight or default_in_flight(engine.slots), reporter or Silent()
        results = begun(tiles, list(fixed.missing()), fixed.grid.region.size, flying, teller)
        return RepairRun(fixed, results, calls, teller, patient, notes)

    def classify(
        self,
        observation: Observation,
        plan: PlanLike,
        grouping: Grouping | None = None,
        *,
        wishes: Wishes | None = None,
    ) -> Clusters:
        """Group the profiles of an observation, and invert the mean of each class for a guess.

        Parameters
        ----------
        observation : Observation
        plan : Plan, Project, str or Path
        grouping : Grouping, optional
        wishes : Wishes, optional
            Engine, seed and retries of the inversions.

        Raises
        ------
        StokeswarmError
            See `stokeswarm.client.classify.classify`.
        """
        calls = self._new_calls()
        asked = wishes or Wishes()

        def invert(prepared: Prepared, tile: Tile) -> TileResult:
            return Pipeline(prepared.task, self.inversion, calls).invert(tile)

        return classify(
            observation, as_project(plan), grouping or Grouping(), asked,
            self._services(calls, asked.policy), invert,
        )  # fmt: skip

    def tiles(
        self,
        observation: Observation,
        plan: PlanLike,
        *,
        region: str | None = None,
        tile: tuple[int, int] | None = None,
        in_flight: int | None = None,
        wishes: Wishes | None = None,
    ) -> Iterator[TileResult]:
        """Invert without a store: yields each tile as it ends. Parameters as of `invert`."""
        _, found = self._tiles(observation, plan, region, tile, in_flight, wishes)
        return found

    async def stream(
        self,
        observation: Observation,
        plan: PlanLike,
        *,
        region: str | None = None,
        tile: tuple[int, int] | None = None,
        in_flight: int | None = None,
        wishes: Wishes | None = None,
    ) -> AsyncIterator[TileResult]:
        """Like `tiles`, for asyncio: ``async for tile in cluster.stream(...)``. Leaving the loop cancels."""
        calls, found = await asyncio.to_thread(
            self._tiles, observation, plan, region, tile, in_flight, wishes
        )
        step: asyncio.Future[TileResult | None] | None = None
        try:
            while True:
                step = asyncio.ensure_future(asyncio.to_thread(next, found, None))
                result = await asyncio.shield(step)
                if result is None:
                    return
                yield result
        finally:
            calls.stop()
            # A generator cannot be closed while a thread is inside it.
            if step is not None and not step.done():
                await asyncio.wait([step])
            await asyncio.to_thread(close_iterator, found)

    def _tiles(
        self,
        observation: Observation,
        plan: PlanLike,
        region: str | None,
        tile: tuple[int, int] | None,
        in_flight: int | None,
        wishes: Wishes | None,
    ) -> tuple[Calls, Iterator[TileResult]]:
        calls = self._new_calls()
        project = as_project(plan)
        window = parse_region(region or project.region or None, observation.shape)
        prepared = self._prepare(observation, project, wishes or Wishes(), calls)
        grid = TileGrid(window, tile or default_tile(window.shape))
        pipeline = Pipeline(prepared.task, self.inversion, calls)
        flying = in_flight or default_in_flight(prepared.engine.slots)
        return calls, pipeline.run(iter(grid), flying)

    def _prepare(self, observation: Observation, project: Project, wishes: Wishes, calls: Calls) -> Prepared:
        return prepare(observation, project, wishes, self._services(calls, wishes.policy))

    def _services(self, calls: Calls, policy: RetryPolicy) -> Services:
        def predict(model: str, version: str, spectra: Spectra, features: bool = False) -> Prediction:
            return ask(
                lambda: self.inference.predict(model, version, spectra, PREDICT_SECONDS, features=features),
                calls, policy, self._local.check,
            )  # fmt: skip

        def featured(model: str, version: str, spectra: Spectra) -> Prediction:
            return predict(model, version, spectra, features=True)

        return Services(self.engines, self.models, predict, featured, self._local.check)


__all__ = ["Cluster", "Run", "Tile", "TileResult", "Window", "connect"]
