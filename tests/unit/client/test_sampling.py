from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client import sampling
from stokeswarm.client.random_atmospheres import MAX_FIELD, POPULATIONS, TEMPERATURE_RANGE, sample_classes
from stokeswarm.client.sampling import sample, sample_atmospheres, synthesize_all
from stokeswarm.contract.errors import (
    DataLossError,
    InvalidArgumentError,
    OutputExistsError,
    PlanError,
    UnavailableError,
)
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.inversion import Heartbeat, SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.status import ContinuumReference, Status

LOG_TAU = np.round(1.2 - 0.1 * np.arange(53), 6)
Events = Iterator[SynthesizeResults | Heartbeat]


def plan() -> Plan:
    return Plan("sampling", instrument("hinode-sp").regions)


def answer(request: SynthesizeRequest, rows: list[int], bad: set[int] = frozenset()) -> SynthesizeResults:  # type: ignore[assignment]
    """Profiles that tell which atmosphere they came from; the pixels in ``bad`` fail."""
    pixel = request.pixel[rows]
    failed = np.isin(pixel, list(bad))
    stokes = np.zeros((len(rows), 4, request.wavelength.size), np.float32)
    stokes[:, 0] = request.atmosphere[0].temperature[rows, 12, None] / 6000
    stokes[failed] = np.nan
    return SynthesizeResults(
        pixel=pixel,
        status=tuple(Status.ENGINE_FAILED if f else Status.OK for f in failed),
        message=tuple("no hydrostatic equilibrium" if f else "" for f in failed),
        stokes=stokes,
        atmosphere=(request.atmosphere[0].take(rows),),
    )


class FakeCall:
    def __init__(self, events: Events) -> None:
        self.events = events

    def __iter__(self) -> Events:
        return self.events

    def cancel(self) -> None:
        pass


class FakeService:
    """Answers as a script says."""

    def __init__(self, script: Callable[[SynthesizeRequest, int], Events]) -> None:
        self.script = script
        self.requests: list[SynthesizeRequest] = []

    def synthesize(self, request: SynthesizeRequest, timeout: float) -> FakeCall:
        assert timeout > 0
        self.requests.append(request)
        return FakeCall(self.script(request, len(self.requests)))


def obedient(request: SynthesizeRequest, _: int) -> Events:
    yield Heartbeat(0, len(request))
    rows = list(range(len(request)))[::-1]
    yield answer(request, rows[:100])
    if rows[100:]:
        yield answer(request, rows[100:])


def test_atmospheres_are_realistic() -> None:
    atmosphere, classes = sample_atmospheres(3000, 5, LOG_TAU), sample_classes(3000, 5)
    at_one = int(np.argmin(np.abs(LOG_TAU + 1)))
    names = list(POPULATIONS)
    field, temperature = atmosphere.field_strength[:, at_one], atmosphere.temperature
    assert np.isfinite(temperature).all()
    assert (temperature >= TEMPERATURE_RANGE[0]).all()
    assert (temperature <= TEMPERATURE_RANGE[1]).all()
    deep = LOG_TAU > 0
    assert (np.diff(temperature[:, deep], axis=1) < 0).all(), "hotter with depth"
    assert (atmosphere.field_strength <= MAX_FIELD).all()
    assert np.median(field[classes == names.index("umbra")]) > 2000
    assert np.median(field[classes == names.index("quiet")]) < 200
    tau_one = int(np.argmin(np.abs(LOG_TAU)))
    umbra = temperature[classes == names.index("umbra"), tau_one]
    assert 3600 < np.percentile(umbra, 1) < np.percentile(umbra, 99) < 5500
    assert (np.abs(np.diff(temperature, 2, axis=1)) < 150).all(), "smooth"
    for name in ("inclination", "azimuth"):
        angle = atmosphere.arrays()[name][:, at_one]
        assert angle.min() >= 0
        assert angle.max() <= 180
    for share, name in ((POPULATIONS[name].share, name) for name in names):
        assert np.mean(classes == names.index(name)) == pytest.approx(share, abs=0.03)
    assert sum(population.share for population in POPULATIONS.values()) == pytest.approx(1.0)


def test_polarities_and_azimuths_are_even() -> None:
    atmosphere = sample_atmospheres(4000, 11, LOG_TAU)
    inclination, azimuth = atmosphere.inclination[:, 22], atmosphere.azimuth[:, 22]
    assert np.mean(inclination < 90) == pytest.approx(0.5, abs=0.03)
    histogram, _ = np.histogram(azimuth, bins=6, range=(0, 180))
    assert histogram / 4000 == pytest.approx(np.full(6, 1 / 6), abs=0.03)
    assert np.abs(atmosphere.velocity.mean()) < 0.1


def test_seed_decides_everything() -> None:
    first, again, other = (sample_atmospheres(50, seed, LOG_TAU) for seed in (1, 1, 2))
    assert np.array_equal(first.temperature, again.temperature)
    assert not np.allclose(first.temperature, other.temperature)


@pytest.mark.parametrize(("n", "seed"), [(0, 1), (5, -1)])
def test_nonsense_is_refused(n: int, seed: int) -> None:
    with pytest.raises(InvalidArgumentError):
        sample_atmospheres(n, seed, LOG_TAU)


def test_training_set_pairs_profiles_with_their_atmospheres(tmp_path: Path) -> None:
    output = tmp_path / "set" / "train.npz"
    seen: list[tuple[int, int, int]] = []
    done = sample(FakeService(obedient), plan(), 600, 3, output, progress=lambda *state: seen.append(state))
    assert (done.kept, done.failed, done.reasons) == (600, 0, ())
    with np.load(output) as data:
        assert data["stokes"].shape == (600, 4, 112)
        assert data["stokes"].dtype == np.float32
        assert data["stokes"][:, 0, 0] == pytest.approx(data["temperature"][:, 12] / 6000, rel=1e-6)
        assert data["wavelength"] == pytest.approx(plan().wavelength)
        assert str(data["reference"]) == ContinuumReference.DISC_CENTRE
        expected = sample_atmospheres(600, 3, data["log_tau"])
        assert data["azimuth"] == pytest.approx(expected.azimuth.astype(np.float32))
        assert data["macroturbulence"] == pytest.approx(expected.macroturbulence.astype(np.float32))
        assert np.array_equal(data["class"], sample_classes(600, 3))
        recipe = json.loads(str(data["recipe"]))
    assert recipe["seed"] == 3
    assert recipe["regions"][0]["lines"] == [[6301.5012, -0.75], [6302.4936, -1.236]]
    assert seen[-1] == (600, 600, 0)
    assert [entry.name for entry in output.parent.iterdir()] == ["train.npz"], "no temporary file stays"


def test_failures_are_counted_and_left_out(tmp_path: Path) -> None:
    bad = {3, 299}

    def script(request: SynthesizeRequest, _: int) -> Events:
        yield answer(request, list(range(len(request))), bad)

    done = sample(FakeService(script), plan(), 300, 1, tmp_path / "t.npz")
    assert (done.kept, done.failed) == (298, 2)
    assert done.reasons == (("no hydrostatic equilibrium", 2),)
    with np.load(tmp_path / "t.npz") as data:
        assert len(data["stokes"]) == len(data["class"]) == 298
        kept = np.delete(np.arange(300), sorted(bad))
        assert np.array_equal(data["class"], sample_classes(300, 1)[kept])
        assert json.loads(str(data["recipe"]))["left_out"] == 2


def test_a_broken_stream_costs_only_what_had_not_come() -> None:
    def script(request: SynthesizeRequest, number: int) -> Events:
        if number == 1:
            yield answer(request, [0, 2, 4])
            yield answer(request, [4, 0])
            raise UnavailableError("the pod is gone")
        yield answer(request, list(range(len(request))))

    service = FakeService(script)
    atmosphere = sample_atmospheres(10, 9, LOG_TAU)
    stokes, used, message = synthesize_all(service, plan(), atmosphere)
    assert [request.pixel.tolist() for request in service.requests] == [
        list(range(10)),
        [1, 3, 5, 6, 7, 8, 9],
    ]
    assert stokes[:, 0, 0] == pytest.approx(atmosphere.temperature[:, 12] / 6000, rel=1e-6)
    assert np.array_equal(used.temperature, atmosphere.temperature)
    assert set(message) == {""}


def test_a_refusal_ends_the_sampling_and_leaves_no_file(tmp_path: Path) -> None:
    def script(request: SynthesizeRequest, _: int) -> Events:
        raise PlanError("the engine knows no such line")
        yield answer(request, [])

    with pytest.raises(PlanError, match="no such line"):
        sample(FakeService(script), plan(), 20, 1, tmp_path / "t.npz")
    assert list(tmp_path.iterdir()) == []


def test_nothing_synthesised_is_an_error(tmp_path: Path) -> None:
    def script(request: SynthesizeRequest, _: int) -> Events:
        yield answer(request, list(range(len(request))), set(range(20)))

    with pytest.raises(DataLossError, match=r"none of 20.*hydrostatic"):
        sample(FakeService(script), plan(), 20, 1, tmp_path / "t.npz")


def test_outputs_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=r"t\.npz"):
        sample(FakeService(obedient), plan(), 5, 1, tmp_path / "t.npz")
    assert (tmp_path / "t.npz").read_bytes() == b"precious"
    with pytest.raises(InvalidArgumentError, match=r"\.npz"):
        sample(FakeService(obedient), plan(), 5, 1, tmp_path / "t.h5")


def test_the_result_does_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    atmosphere = sample_atmospheres(40, 2, LOG_TAU)
    whole, _, _ = synthesize_all(FakeService(obedient), plan(), atmosphere)
    monkeypatch.setattr(sampling, "BATCH", 7)
    service = FakeService(obedient)
    parts, _, _ = synthesize_all(service, plan(), atmosphere)
    assert len(service.requests) == 6
    assert np.array_equal(whole, parts)
