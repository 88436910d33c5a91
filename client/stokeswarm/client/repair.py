"""A second run over a finished result: isolated bad pixels are inverted again from their neighbours.

It reads the finished store only, and writes another: good pixels are copied bit by bit; a bad one starts from
the mean of its good neighbours, as they are in the first store, with the last cycle and, where that does not
pass, with all of them. It is replaced only by a fit with a lower χ². So no pixel depends on the order in
which others are repaired, on tiles, or on restarts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stokeswarm.client.asking import Asking, Inverter
from stokeswarm.client.calls import Calls
from stokeswarm.client.carrying import TileResult, carried
from stokeswarm.client.delivery import Rows
from stokeswarm.client.gate import RESULTS, better
from stokeswarm.client.layout import (
    NOT_RUN,
    STOKES_AXIS,
    Arrays,
    Start,
    Variable,
    adopt,
    attempt_variables,
    blank,
    component_group,
    result_variables,
)
from stokeswarm.client.neighbours import Rule, bad_pixels, suggestion
from stokeswarm.client.polarity import contradicted, mirrored
from stokeswarm.client.progress import Reporter, Silent
from stokeswarm.client.run import StoreRun
from stokeswarm.client.starts import Pixels
from stokeswarm.client.store import ResultStore
from stokeswarm.client.summary import summarize
from stokeswarm.client.task import Setup
from stokeswarm.client.tiles import Tile, Window
from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.spectra import Spectra


def fingerprint(store: ResultStore) -> str:
    """sha256 of what a repair of a store depends on: what it is a result of, and how every pixel ended."""
    found = hashlib.sha256(json.dumps(store.attrs.get("identity", {}), sort_keys=True).encode())
    for path in ("fit/status", "fit/chi2", "fit/cycles"):
        found.update(np.ascontiguousarray(store.map(path)).tobytes())
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Patient:
    """A finished result and the pixels in it to repair.

    Attributes
    ----------
    store : ResultStore
    setup : Setup
        The requests of the run that made it; its observation is that of the store's region.
    width : int
        Columns of the whole observation: pixels are numbered over it.
    rule : Rule
    bad : mapping
        (y, x) within the region → its good neighbours, see `bad_pixels`.
    """

    store: ResultStore
    setup: Setup
    width: int
    rule: Rule
    bad: Mapping[tuple[int, int], npt.NDArray[np.int64]]

    @classmethod
    def of(cls, store: ResultStore, setup: Setup, width: int, rule: Rule) -> Patient:
        """Find the bad pixels.

        Raises
        ------
        InvalidArgumentError
            The store is not complete.
        """
        if not store.complete:
            raise InvalidArgumentError(
                f"{store.url} is not complete; finish it with --resume before it is repaired"
            )
        return cls(
            store, setup, width, rule, bad_pixels(store.map("fit/status"), store.map("fit/chi2"), rule)
        )


class RepairTiles:
    """Copies a result tile by tile, inverting its bad pixels on the way.

    Parameters
    ----------
    patient : Patient
    inverter : Inverter
    calls : Calls
    reporter : Reporter, optional
    """

    def __init__(
        self, patient: Patient, inverter: Inverter, calls: Calls, reporter: Reporter | None = None
    ) -> None:
        self._patient = patient
        self._calls = calls
        self._reporter = reporter or Silent()
        self._asking = Asking(patient.setup, inverter, calls)
        setup, plan = patient.setup, patient.setup.plan
        attempt = attempt_variables(plan.n_component, setup.stored_cycles)
        self._paths = tuple(variable.path for variable in attempt)
        self._everything = result_variables(plan.n_component, setup.stored_cycles)
        n_wavelength = setup.observation.wavelength.size
        self._sizes = {"log_tau": plan.n_depth, STOKES_AXIS: 4, "wavelength": n_wavelength}

    def run(self, tiles: Iterator[Tile], in_flight: int) -> Iterator[TileResult]:
        """Repair tiles, several at a time, and yield each as it ends; see `Pipeline.run`."""
        return carried(self.repair, tiles, in_flight, self._calls)

    def repair(self, tile: Tile) -> TileResult:
        """Copy one tile and repair its bad pixels."""
        store, window = self._patient.store, tile.window
        arrays = {variable.path: self._copied(variable, window) for variable in self._everything}
        stokes = store.part("observation/stokes", window)
        stokes = stokes.reshape(window.size, *stokes.shape[2:])
        region = store.grid.region
        y, x = window.positions()
        bad = [
            (j - region.y0, i - region.x0) in self._patient.bad
            for j, i in zip(y.tolist(), x.tolist(), strict=True)
        ]
        rows = np.flatnonzero(bad)
        if rows.size:
            observation = self._patient.setup.observation
            spectra = Spectra(observation.wavelength, stokes, observation.reference, observation.weights)
            self._treat(arrays, rows, Pixels(y * self._patient.width + x, y, x, spectra))
        else:
            self._calls.check()
        self._reporter.pixels(arrays["fit/status"][arrays["fit/status"] != NOT_RUN])
        return TileResult(tile, arrays, stokes)

    def _copied(self, variable: Variable, window: Window) -> npt.NDArray[Any]:
        """A variable's values in a window, row by row; its fill value where the store is older than it."""
        try:
            values = self._patient.store.part(variable.path, window)
        except NotFoundError:
            return blank((variable,), window.size, self._sizes)[variable.path]
        flat = values.reshape(window.size, *values.shape[2:])
        return flat.astype(object) if variable.dtype == "str" else flat.copy()

    def _treat(self, arrays: Arrays, rows: Rows, pixels: Pixels) -> None:
        """Invert bad pixels from their neighbours: the last cycle, then all where that does not pass."""
        setup, rule = self._patient.setup, self._patient.rule
        start = self._starts(pixels.take(rows))
        label = np.full(rows.size, int(Start.NEIGHBOUR), np.uint8)
        open_rows = np.ones(rows.size, np.bool_)
        cycles = [setup.last_cycle] if len(setup.plan.cycles) > 1 else []
        for chosen in (*cycles, ()):
            mine = np.flatnonzero(open_rows)
            if not mine.size:
                break
            other = blank(self._everything, arrays["fit/status"].size, self._sizes)
            part = tuple(one.take(mine) for one in start)
            self._asking.invert(other, rows[mine], pixels, part, label[mine], chosen, lambda _: None)
            self._keep(arrays, other, rows[mine])
            ended = np.isin(arrays["fit/status"][rows], RESULTS)
            open_rows &= ~(ended & (arrays["fit/chi2"][rows] <= rule.chi2))

    def _keep(self, arrays: Arrays, other: Arrays, rows: Rows) -> None:
        """Replace fits that are beaten; a pixel that stays without a result keeps its reason."""
        chosen = np.zeros(arrays["fit/status"].size, np.bool_)
        chosen[rows] = True
        won = chosen & better(
            arrays["fit/status"], arrays["fit/chi2"], other["fit/status"], other["fit/chi2"]
        )  # fmt: skip
        seconds = np.nan_to_num(arrays["fit/seconds"][rows]) + np.nan_to_num(other["fit/seconds"][rows])
        adopt(arrays, other, won, self._paths)
        arrays["fit/seconds"][rows] = seconds

    def _starts(self, pixels: Pixels) -> tuple[Atmosphere, ...]:
        """What the neighbours of bad pixels suggest, in the polarity that V says."""
        store, plan = self._patient.store, self._patient.setup.plan
        region = store.grid.region
        y, x = pixels.y - region.y0, pixels.x - region.x0
        around = [self._patient.bad[j, i] for j, i in zip(y.tolist(), x.tolist(), strict=True)]
        every = np.concatenate(around)
        (y0, x0), (y1, x1) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
        window = Window(region.y0 + y0, region.y0 + y1 + 1, region.x0 + x0, region.x0 + x1 + 1)
        # Without a top pressure in the plan the start has to bring one.
        names = [name for name in STRATIFIED if name not in OPTIONAL]
        names += [*SCALAR, *(() if plan.top_gas_pressure else ("electron_pressure",))]
        starts = []
        for component in range(plan.n_component):
            group = component_group("atmosphere", component)
            parts = {name: store.part(f"{group}/{name}", window).astype(np.float64) for name in names}
            made = [
                suggestion(
                    Atmosphere(
                        plan.log_tau, **{n: v[near[:, 0] - y0, near[:, 1] - x0] for n, v in parts.items()}
                    )
                )
                for near in around
            ]
            start = Atmosphere.concatenate(made)
            if plan.n_component == 1:
                start = mirrored(start, contradicted(pixels.spectra, start, plan))
            starts.append(start)
        return tuple(starts)


class RepairRun(StoreRun):
    """A repair on its way into its store.

    Attributes
    ----------
    store : ResultStore
    patient : Patient
    notes : tuple of str
    """

    def __init__(
        self,
        store: ResultStore,
        results: Iterator[TileResult],
        calls: Calls,
        reporter: Reporter,
        patient: Patient,
        notes: tuple[str, ...],
    ) -> None:
        super().__init__(store, results, calls, reporter)
        self.patient = patient
        self.notes = notes

    def closing(self) -> dict[str, Any]:
        """The summary of the repaired store, and what the repair did."""
        return {**summarize(self.store).as_dict(), "repair": self.counts()}

    def counts(self) -> dict[str, int]:
        """Pixels that were bad, and those of them that have a better fit now."""
        before, after = self.patient.store, self.store
        chi2, status = after.map("fit/chi2"), after.map("fit/status")
        first, ended = before.map("fit/chi2"), np.isin(before.map("fit/status"), RESULTS)
        gained = np.isin(status, RESULTS) & (~ended | (chi2 < first) | (np.isnan(first) & np.isfinite(chi2)))
        return {"bad": len(self.patient.bad), "improved": int(gained.sum())}
