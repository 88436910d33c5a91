"""The gate's second run, and the polarity of guesses, against an engine whose every number is known.

The χ² that all cycles reach is what the start's temperature says, so that a test decides which start is good;
a start's synthetic intensity is its temperature over 1e4, its V follows its inclination.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.client.calls import Calls
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate, Reason
from stokeswarm.client.layout import Start
from stokeswarm.client.pipeline import Pipeline, Task, TileResult
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Pixels, Starts, named_guess
from stokeswarm.client.testing import Script, fake_results, small_plan, take
from stokeswarm.client.tiles import Tile, TileGrid, Window
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import FE_6302, hinode_sp
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.status import Status

PLAN = small_plan()
AXIS = hinode_sp().regions[0].grid()
#: V of a field towards the observer
V_SHAPE = -0.1 * np.sign(AXIS - FE_6302.wavelength) * (np.abs(AXIS - FE_6302.wavelength) < 0.2)
#: temperature of a start → χ² that all cycles reach from it
GUESS, MODEL, COOL, HOT = 5000.0, 6000.0, 4000.0, 8000.0


@dataclass
class Engine:
    """Inverts and synthesises by the tables of a test."""

    full: dict[float, float]
    assisted: float = 9.0
    scouts: dict[float, float] = field(default_factory=dict)
    failing: tuple[float, ...] = ()
    inverted: list[tuple[tuple[int, ...], list[float]]] = field(default_factory=list)
    synthesized: list[list[float]] = field(default_factory=list)

    def invert(self, request: InvertRequest, timeout: float) -> Answer:
        start = request.start[0].temperature[:, 0]
        self.inverted.append((request.cycles, start.tolist()))
        table = dict.fromkeys(self.full, self.assisted) | self.scouts if request.cycles else self.full
        chi2 = np.array([table[t] for t in start.tolist()])
        results = replace(fake_results(request, Script()), chi2=chi2, seconds=np.ones(len(request)))
        if not request.cycles:
            status = tuple(Status.TIMEOUT if t in self.failing else Status.OK for t in start.tolist())
            results = replace(results, status=status, message=tuple(str(s.value) for s in status))
        return Answer(results)

    def synthesize(self, request: SynthesizeRequest, timeout: float) -> Answer:
        (start,) = request.atmosphere
        self.synthesized.append(start.temperature[:, 0].tolist())
        stokes = np.zeros((len(request), 4, AXIS.size), np.float32)
        stokes[:, 0] = start.temperature[:, :1] / 1e4
        stokes[:, 3] = np.cos(np.deg2rad(start.inclination[:, :1])) * V_SHAPE
        n = len(request)
        return Answer(SynthesizeResults(request.pixel, (Status.OK,) * n, ("",) * n, stokes, (start,)))


@dataclass
class Answer:
    results: Any

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.results, InvertResults):
            for row in reversed(range(len(self.results))):
                yield take(self.results, [row])
        else:
            yield self.results

    def cancel(self) -> None:
        """Nothing is running."""


def atmosphere(temperature: float, inclination: float = 60.0) -> Atmosphere:
    (model,) = named_guess("hsra", PLAN)
    ones = np.ones((1, PLAN.n_depth))
    return replace(model, temperature=temperature * ones, inclination=inclination * ones)


@dataclass(frozen=True)
class Guess:
    """A network's guess: the same everywhere, absent where I's first sample is above 1.5."""

    inclination: float = 60.0
    novelty: float = 0.1

    @property
    def label(self) -> Start:
        return Start.CNN

    @property
    def assisted(self) -> bool:
        return True

    def start(self, pixels: Pixels) -> Starts:
        n = len(pixels)
        known = pixels.spectra.stokes[:, 0, 0] <= 1.5
        part = atmosphere(GUESS, self.inclination).take(np.zeros(n, int))
        return Starts((part,), known, np.full(n, self.novelty))


def profile(intensity: float, gamma: float = 60.0) -> npt.NDArray[np.float32]:
    stokes = np.zeros((4, AXIS.size), np.float32)
    stokes[0] = intensity
    stokes[3] = np.cos(np.deg2rad(gamma)) * V_SHAPE
    return stokes


def run(
    engine: Engine,
    profiles: list[npt.NDArray[np.float32]],
    guess: Guess | None = None,
    tile: tuple[int, int] = (1, 99),
    *,
    synthesizes: bool = True,
    assisted: int = 1,
    **gate: Any,
) -> TileResult:
    """One row of pixels, without scouts where nothing else is said; its tiles joined."""
    observation = Observation(np.stack(profiles)[None], AXIS)
    models = {name: ModelStart((atmosphere(t),), PLAN, False) for name, t in (("cool", COOL), ("hot", HOT))}
    gate.setdefault("starts", ("model", "mirrored", "model:cool", "model:hot"))
    gate.setdefault("scout", False)
    task = Task(
        observation, PLAN, (guess or Guess(),), ModelStart((atmosphere(MODEL),), PLAN, False),
        gate=Gate(**gate), gate_models=tuple((f"model:{name}", start) for name, start in models.items()),
        synthesizes=synthesizes, assisted=assisted, policy=RetryPolicy(attempts=2, first_pause=1e-4),
    )  # fmt: skip
    window = Window(0, 1, 0, len(profiles))
    parts = list(Pipeline(task, engine, Calls()).run(iter(TileGrid(window, tile)), 1))
    arrays = {path: np.concatenate([part.arrays[path] for part in parts]) for path in parts[0].arrays}
    return TileResult(Tile(0, 0, window), arrays, observation.stokes[0])


TABLE = {GUESS: 8.0, MODEL: 2.0, COOL: 1.0, HOT: 2.5}


def test_the_start_that_looks_most_like_the_pixel_is_inverted() -> None:
    engine = Engine(TABLE)
    found = run(engine, [profile(0.4), profile(0.82), profile(0.62)])
    assert found["fit/chi2"].tolist() == [[1.0, 2.5, 2.0]]
    assert found["fit/gate"].tolist() == [[Reason.CHI2] * 3]
    assert found["fit/gate_start"].tolist() == [[3, 4, 1]]
    assert found["fit/start"].tolist() == [[Start.MODEL] * 3]
    assert found["fit/chi2_assisted"].tolist() == [[9.0] * 3]
    assert found["fit/chi2_full"].tolist() == [[1.0, 2.5, 2.0]]
    assert found["initial/temperature"][0, :, 0].tolist() == [COOL, HOT, MODEL]
    # One request for three starts, and one synthesis for each of the four candidates.
    assert [cycles for cycles, _ in engine.inverted] == [(2,), ()]
    assert len(engine.synthesized) == 4
    assert found["fit/seconds"].tolist() == [[2.0] * 3]


def test_the_plans_model_follows_where_the_nearest_start_leaves_doubt() -> None:
    engine = Engine(TABLE | {COOL: 5.0})
    found = run(engine, [profile(0.4), profile(0.62)])
    assert found["fit/chi2"].tolist() == [[2.0, 2.0]]
    assert found["fit/gate_start"].tolist() == [[1, 1]]
    assert found["fit/chi2_full"].tolist() == [[2.0, 2.0]]
    assert engine.inverted[1:] == [((), [COOL, MODEL]), ((), [MODEL])]
    assert found["fit/seconds"].tolist() == [[3.0, 2.0]]


def test_two_starts_that_agree_end_the_search() -> None:
    engine = Engine(TABLE | {COOL: 8.8})
    found = run(engine, [profile(0.4)])
    assert found["fit/chi2"].tolist() == [[np.float32(8.8)]]
    assert len(engine.inverted) == 2
    # A little worse than the assisted fit: that one stays.
    worse = run(Engine(TABLE | {COOL: 9.2}), [profile(0.4)])
    assert worse["fit/chi2"].tolist() == [[9.0]]
    assert worse["fit/gate_start"].tolist() == [[0]]
    assert worse["fit/start"].tolist() == [[Start.CNN]]


def test_never_worse_than_the_model_start_where_nothing_passes() -> None:
    table = {GUESS: 8.0, MODEL: 6.0, COOL: 7.0, HOT: 30.0}
    found = run(Engine(table), [profile(v) for v in (0.4, 0.45, 0.82, 0.62)])
    assert (found["fit/chi2"] <= 6.0).all()


def test_more_tries() -> None:
    engine = Engine(TABLE | {COOL: 5.0, MODEL: 6.0})
    found = run(engine, [profile(0.4)], starts=("model", "model:cool", "model:hot"), tries=3)
    assert [start for _, start in engine.inverted[1:]] == [[COOL], [MODEL], [HOT]]
    assert found["fit/chi2"].tolist() == [[2.5]]


def test_a_short_run_from_elsewhere_that_ends_at_the_same_chi2_spares_the_full_cycles() -> None:
    engine = Engine(TABLE, scouts={COOL: 8.8, MODEL: 9.3, HOT: 20.0})
    found = run(engine, [profile(v) for v in (0.4, 0.62, 0.82)], scout=True)
    assert engine.inverted[1:] == [((2,), [COOL, MODEL, HOT]), ((), [MODEL])]
    # The better of the two that agree is kept; a scout that ends elsewhere says nothing.
    np.testing.assert_allclose(found["fit/chi2"], [[8.8, 9.0, 2.0]])
    np.testing.assert_allclose(found["fit/chi2_scout"], [[8.8, 9.3, 20.0]])
    np.testing.assert_allclose(found["fit/chi2_full"], [[np.nan, np.nan, 2.0]])
    assert found["fit/gate_start"].tolist() == [[3, 0, 1]]
    assert found["fit/start"].tolist() == [[Start.MODEL, Start.CNN, Start.MODEL]]
    assert found["fit/seconds"].tolist() == [[2.0, 2.0, 3.0]]


def test_a_scout_that_finds_something_better_is_followed_by_the_full_cycles() -> None:
    engine = Engine(TABLE, scouts={COOL: 2.9})
    found = run(engine, [profile(0.4)], scout=True)
    assert [cycles for cycles, _ in engine.inverted] == [(2,), (2,), ()]
    assert found["fit/chi2"].tolist() == [[2.0]]
    # Even where they do worse: the best of all fits stays.
    found = run(Engine(TABLE | {COOL: 8.0, MODEL: 8.0}, scouts={COOL: 4.0}), [profile(0.4)], scout=True)
    assert found["fit/chi2"].tolist() == [[4.0]]
    assert found["fit/chi2_full"].tolist() == [[8.0]]


def test_only_pixels_whose_chi2_is_their_only_fault_are_scouted() -> None:
    agree = {COOL: 9.0}
    novel = Engine(TABLE, scouts=agree)
    run(novel, [profile(0.4)], Guess(novelty=2.0), scout=True)
    turned = Engine(TABLE, scouts=agree)
    run(turned, [profile(0.4, 120.0)], scout=True)
    lost = Engine(TABLE, scouts=agree)
    without = profile(0.4)
    without[0, 0] = 1.6
    run(lost, [without], scout=True)
    assert [[cycles for cycles, _ in engine.inverted] for engine in (novel, turned, lost)] == [
        [(2,), ()],
        [(2,), ()],
        [()],
    ]


def test_the_guess_is_no_scout_nor_is_what_runs_every_cycle() -> None:
    engine = Engine(TABLE)
    run(engine, [profile(0.5)], starts=("guess", "model"), scout=True)
    assert [cycles for cycles, _ in engine.inverted] == [(2,), (), ()]
    engine = Engine(TABLE | {GUESS: 9.0})
    run(engine, [profile(0.4)], assisted=3, scout=True)
    assert [start for _, start in engine.inverted] == [[GUESS], [COOL]]


def test_failed_novel_and_missing_guesses_are_tried_again() -> None:
    found = run(Engine(TABLE, assisted=1.5), [profile(0.4)], Guess(novelty=2.0))
    assert found["fit/gate"].tolist() == [[Reason.NOVEL]]
    assert found["fit/chi2"].tolist() == [[1.0]]
    lost = profile(0.4)
    lost[0, 0] = 1.6
    found = run(Engine(TABLE), [lost, profile(0.4)])
    assert found["fit/gate"].tolist() == [[Reason.NO_GUESS, Reason.CHI2]]
    assert found["fit/gate_start"].tolist() == [[3, 3]]


def test_a_full_run_without_a_result_is_followed_by_the_model() -> None:
    found = run(Engine(TABLE, failing=(COOL,)), [profile(0.4)])
    assert found["fit/status"].tolist() == [[Status.OK]]
    assert found["fit/chi2"].tolist() == [[2.0]]
    # Without any result the assisted fit stands.
    found = run(Engine(TABLE, failing=(COOL, MODEL)), [profile(0.4)])
    assert found["fit/chi2"].tolist() == [[9.0]]


def test_without_synthesis_the_plans_model_comes_first() -> None:
    engine = Engine(TABLE | {MODEL: 5.0})
    run(engine, [profile(0.4)], synthesizes=False, tries=2)
    assert not engine.synthesized
    assert [start for _, start in engine.inverted[1:]] == [[MODEL], [GUESS]]


@pytest.mark.parametrize(("assisted", "cycles"), [(1, (2,)), (2, (1, 2)), (9, (0, 1, 2))])
def test_a_warm_start_may_run_more_cycles(assisted: int, cycles: tuple[int, ...]) -> None:
    engine = Engine(TABLE, assisted=1.0)
    run(engine, [profile(0.5)], assisted=assisted)
    assert [ran for ran, _ in engine.inverted] == [cycles]


@pytest.mark.parametrize("tile", [(1, 1), (1, 3)])
def test_a_pixels_starts_do_not_depend_on_its_tile(tile: tuple[int, int]) -> None:
    profiles = [profile(v, g) for v in (0.4, 0.52, 0.62, 0.82) for g in (60.0, 120.0)]
    table = TABLE | {COOL: 5.0, MODEL: 3.5}
    engine = Engine(table, scouts={COOL: 9.8, MODEL: 9.1})
    whole, parts = (run(replace(engine), profiles, tile=t, scout=True) for t in ((1, 99), tile))
    for path, values in whole.arrays.items():
        np.testing.assert_array_equal(values, parts.arrays[path], err_msg=path)


def test_a_guess_of_the_wrong_polarity_is_turned_before_the_assisted_run() -> None:
    engine = Engine(TABLE, assisted=1.0)
    found = run(engine, [profile(0.5, 60.0), profile(0.5, 120.0), profile(0.5, 90.0)], starts=("model",))
    # Who errs there may err elsewhere: full cycles, too.
    assert found["fit/gate"].tolist() == [[0, Reason.POLARITY, 0]]
    assert engine.inverted[1:] == [((), [MODEL])]
    assert found["fit/start"].tolist() == [[Start.CNN, Start.MIRRORED, Start.CNN]]
    assert found["initial/inclination"][0, :, 0].tolist() == [60.0, 120.0, 60.0]
    # Only the doubtful one is looked at, as it is and turned.
    assert engine.synthesized == [[GUESS], [GUESS]]


def test_an_open_gate_trusts_a_guess_of_the_wrong_polarity() -> None:
    engine = Engine(TABLE, assisted=20.0)
    settings = {name: getattr(Gate.open(), name) for name in ("chi2", "novelty", "polarity")}
    found = run(engine, [profile(0.5, 120.0)], Guess(novelty=5.0), **settings)
    assert found["fit/gate"].tolist() == [[0]]
    assert found["fit/chi2"].tolist() == [[20.0]]
    assert found["initial/inclination"][0, 0, 0] == 60.0
    assert not engine.synthesized


def test_the_synthesis_has_the_last_word_on_the_polarity() -> None:
    mixed = profile(0.5, 60.0)
    # A second line, far from the first, with a stronger V of the other sign: the lobes say one thing, the
    # squared residuals (of a guess that knows one line) another.
    far = np.abs(AXIS - FE_6302.wavelength) > 0.5
    mixed[3, far] = np.where(np.abs(AXIS[far] - 6301.5) < 0.2, 0.3 * np.sign(AXIS[far] - 6301.5), 0.0)
    found = run(Engine(TABLE, assisted=1.0), [mixed])
    assert found["fit/gate"].tolist() == [[0]]
    # An engine that cannot synthesise has V alone.
    found = run(Engine(TABLE, assisted=1.0), [mixed], synthesizes=False)
    assert found["fit/gate"].tolist() == [[Reason.POLARITY]]
