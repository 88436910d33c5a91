"""The pipeline without a network: screening, requests, progress, and answers that cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import StringIO

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.layout import Start
from stokeswarm.client.pipeline import Pipeline, Task
from stokeswarm.client.progress import Lines, duration
from stokeswarm.client.provenance import identity, plan_document
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Pixels, Starts, named_guess
from stokeswarm.client.testing import Script, fake_results, small_plan, take
from stokeswarm.client.tiles import TileGrid, Window
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.inversion import Heartbeat, InvertRequest, InvertResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import Status

AXIS = hinode_sp().regions[0].grid()


@dataclass
class Direct:
    """An inverter in the same thread; ``spoil`` may change an answer."""

    spoil: list[str] = field(default_factory=list)
    asked: list[InvertRequest] = field(default_factory=list)
    timeout: float = 0.0

    def invert(self, request: InvertRequest, timeout: float) -> Answer:
        self.asked.append(request)
        self.timeout = timeout
        results = fake_results(request, Script())
        how = self.spoil.pop(0) if self.spoil else ""
        if how == "axis":
            other = Atmosphere.full(len(request), request.plan.log_tau + 0.25, 1.0)
            results = replace(results, atmosphere=(other,))
        if how == "components":
            results = replace(results, atmosphere=results.atmosphere * 2, uncertainty=results.uncertainty * 2)
        return Answer(results)


@dataclass
class Answer:
    results: InvertResults

    def __iter__(self) -> Iterator[InvertResults | Heartbeat]:
        for row in reversed(range(len(self.results))):
            yield take(self.results, [row])

    def cancel(self) -> None:
        """Nothing is running."""


def observation(ny: int = 3, nx: int = 4) -> Observation:
    stokes = np.random.default_rng(0).normal(0, 0.01, (ny, nx, 4, AXIS.size)).astype(np.float32)
    stokes[:, :, 0] += 1.0
    return Observation(stokes, AXIS)


def task(obs: Observation) -> Task:
    plan = small_plan()
    start = ModelStart(named_guess("hsra", plan), plan, by_sign_of_v=True)
    return Task(obs, plan, (start,), start, policy=RetryPolicy(attempts=2, first_pause=1e-4), seed=9)


@dataclass
class Counting:
    ended: list[int] = field(default_factory=list)

    def begin(self, total: int, done: int) -> None:
        """Ignore it."""

    def pixels(self, status: npt.NDArray[np.uint8]) -> None:
        self.ended += status.tolist()

    def note(self, text: str) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Ignore it."""


def test_requests_carry_what_the_pixel_needs_to_be_reproducible() -> None:
    obs, inverter = observation(), Direct()
    grid = TileGrid(Window(1, 3, 1, 4), (2, 2))
    list(Pipeline(task(obs), inverter, Calls()).run(iter(grid), 1))
    pixels = [request.pixel.tolist() for request in inverter.asked]
    assert pixels == [[5, 6, 9, 10], [7, 11]]
    request = inverter.asked[1]
    assert request.seed == 9
    np.testing.assert_array_equal(request.spectra.stokes[1], obs.stokes[2, 3])
    # The deadline leaves every pixel its own limit.
    assert inverter.timeout > 2 * request.plan.pixel_timeout


@dataclass(frozen=True)
class Sure:
    """A warm start that knows its errors; V and novelty send nobody back."""

    plan: Plan
    label: Start = Start.CNN
    assisted: bool = True

    def start(self, pixels: Pixels) -> Starts:
        n = len(pixels)
        guess = named_guess("hsra", self.plan)[0].take(np.zeros(n, np.int64))
        error = Atmosphere.full(n, self.plan.log_tau, 0.5, pressures=False)
        error.velocity[:] = pixels.x[:, None] + 1.0
        return Starts((guess,), np.arange(n) % 2 == 0, np.zeros(n), (error,))


def test_a_starts_errors_go_with_the_pixels_they_belong_to() -> None:
    """With the assisted run alone: a second run is there because the first may have been misled."""
    obs, inverter = observation(), Direct()
    asked = replace(task(obs), starters=(Sure(small_plan()),), synthesizes=False)
    list(Pipeline(asked, inverter, Calls()).run(iter(TileGrid(Window(1, 2, 0, 4), (1, 4))), 1))
    assisted, full = inverter.asked[0], inverter.asked[1:]
    assert assisted.cycles
    assert assisted.pixel.tolist() == [4, 6]
    assert assisted.start_error[0].velocity[:, 0].tolist() == [1.0, 3.0]
    assert full
    assert all(request.start_error == () for request in full)


def test_errors_stay_at_home_where_the_user_says_so() -> None:
    obs, inverter = observation(), Direct()
    asked = replace(task(obs), starters=(Sure(small_plan()),), synthesizes=False, prior=False)
    list(Pipeline(asked, inverter, Calls()).run(iter(TileGrid(Window(1, 2, 0, 4), (1, 4))), 1))
    assert all(request.start_error == () for request in inverter.asked)


def test_every_pixel_is_reported_once() -> None:
    obs = observation()
    obs.stokes[0, 0] = np.nan
    counting = Counting()
    masked = replace(obs, mask=np.arange(12).reshape(3, 4) == 5)
    pipeline = Pipeline(task(masked), Direct(), Calls(), counting)
    list(pipeline.run(iter(TileGrid(Window(0, 3, 0, 4), (2, 2))), 2))
    assert sorted(counting.ended) == [int(Status.OK)] * 10 + [int(Status.INVALID_INPUT), int(Status.MASKED)]


@pytest.mark.parametrize(("spoil", "reason"), [("axis", "depths"), ("components", r"2 component\(s\)")])
def test_answers_about_something_else_are_not_believed(spoil: str, reason: str) -> None:
    import re

    tiles = TileGrid(Window(0, 1, 0, 2), (1, 2))
    (once,) = Pipeline(task(observation()), Direct([spoil]), Calls()).run(iter(tiles), 1)
    assert (once["fit/status"] == Status.OK).all()
    (always,) = Pipeline(task(observation()), Direct([spoil] * 2), Calls()).run(iter(tiles), 1)
    assert (always["fit/status"] == Status.NO_OUTPUT).all()
    assert re.search(reason, str(always["fit/message"][0, 0]))
    assert np.isnan(always["atmosphere/temperature"]).all()


def test_plans_become_json_without_nan() -> None:
    import json

    document = plan_document(small_plan())
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert document["regions"][0]["lines"][0]["element"] == "Fe"


def test_identity_sees_a_changed_pixel_and_no_changed_name() -> None:
    from stokeswarm.client.prepare import Prepared
    from stokeswarm.client.starts import StartSpec
    from stokeswarm.contract.inversion import EngineInfo

    def of(obs: Observation) -> object:
        info = EngineInfo("lte", "1", "d", available=True)
        return identity(Prepared(task(obs), info, (), StartSpec("model"), ()), "0:3,0:4")

    obs = observation()
    assert of(obs) == of(replace(obs, source="elsewhere.npz"))
    changed = obs.stokes.copy()
    changed[2, 3, 1, 7] += 1e-4
    assert of(obs) != of(replace(obs, stokes=changed))


def test_a_log_says_little_and_counts_failures() -> None:
    stream = StringIO()
    lines = Lines(stream)
    lines.begin(100, 0)
    for _ in range(100):
        lines.pixels(np.array([int(Status.TIMEOUT)], np.uint8))
    said = stream.getvalue().splitlines()
    assert said[0] == "inverting 100 pixels"
    assert len(said) == 21
    assert said[-1].startswith("100/100 pixels (100 %)")
    assert said[-1].endswith("100 timeout")


def test_durations() -> None:
    assert [duration(s) for s in (3.4, 80, 7500, float("inf"))] == ["3 s", "1 min 20 s", "2 h 05 min", "?"]
