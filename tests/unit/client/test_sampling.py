from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from stokeswarm.client import sampling
from stokeswarm.client.random_atmospheres import (
    BLOCK,
    MAX_FIELD,
    POPULATIONS,
    TEMPERATURE_RANGE,
    Drawn,
    Recipe,
    draw_block,
)
from stokeswarm.client.sampling import sample, sample_atmospheres, synthesize_all, with_other_strengths
from stokeswarm.contract.atmosphere import Atmosphere
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


def draw(recipe: Recipe) -> Drawn:
    parts = [draw_block(recipe, block, LOG_TAU) for block in range(recipe.n_block)]
    return Drawn(
        Atmosphere.concatenate([part.atmosphere for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.mu for part in parts]),
    )


def test_atmospheres_are_realistic() -> None:
    drawn = draw(Recipe(3000, 5))
    atmosphere, classes = drawn.atmosphere, drawn.classes
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


def test_some_velocities_and_fields_jump() -> None:
    atmosphere = sample_atmospheres(2000, 4, LOG_TAU)
    steepest = np.abs(np.gradient(atmosphere.velocity, LOG_TAU, axis=1)).max(axis=1)
    assert 0.015 < np.mean(steepest > 4.0) < 0.15
    relative = np.gradient(np.log(atmosphere.field_strength + 1.0), LOG_TAU, axis=1)
    assert 0.015 < np.mean(np.abs(relative).max(axis=1) > 1.0) < 0.15


def test_seed_decides_everything() -> None:
    first, again, other = (sample_atmospheres(50, seed, LOG_TAU) for seed in (1, 1, 2))
    assert np.array_equal(first.temperature, again.temperature)
    assert not np.allclose(first.temperature, other.temperature)
    block = draw_block(Recipe(3 * BLOCK, 1), 2, LOG_TAU)
    whole = sample_atmospheres(3 * BLOCK, 1, LOG_TAU)
    assert np.array_equal(block.atmosphere.velocity, whole.velocity[2 * BLOCK :])


def test_towards_the_limb_one_looks_higher_up() -> None:
    recipe = Recipe(400, 3, classes=("quiet",), mu=(0.2, 1.0))
    drawn = draw_block(recipe, 0, LOG_TAU)
    assert 0.2 <= drawn.mu.min() < 0.3
    assert 0.9 < drawn.mu.max() <= 1.0
    at_zero = drawn.atmosphere.temperature[:, int(np.argmin(np.abs(LOG_TAU)))]
    limb, centre = at_zero[drawn.mu < 0.4].mean(), at_zero[drawn.mu > 0.8].mean()
    assert 300 < centre - limb < 1500, "limb darkening: cooler at the same optical depth along the slant"
    assert np.isfinite(drawn.atmosphere.temperature).all()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n": 0}, "at least one"),
        ({"n": 5, "seed": -1}, "seed >= 0"),
        ({"n": 5, "classes": ("sunspot",)}, "expected some of quiet, network"),
        ({"n": 5, "classes": ()}, "found none"),
        ({"n": 5, "mu": (0.0, 1.0)}, "lowest <= highest <= 1"),
        ({"n": 5, "mu": (0.9, 0.5)}, "lowest <= highest <= 1"),
        ({"n": 5, "log_gf_spread": -0.1}, "0 to 0.5 dex"),
    ],
)
def test_nonsense_is_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidArgumentError, match=reason):
        Recipe(**options)  # type: ignore[arg-type]


def test_training_set_pairs_profiles_with_their_atmospheres(tmp_path: Path) -> None:
    output = tmp_path / "set" / "train.zarr"
    seen: list[tuple[int, int, int]] = []
    recipe = Recipe(600, 3, mu=(0.5, 1.0))
    service = FakeService(obedient)
    done = sample(service, plan(), recipe, output, progress=lambda *state: seen.append(state))
    assert (done.n, done.replaced, done.reasons) == (600, 0, ())
    data = zarr.open_group(str(output), mode="r")
    assert data["stokes"].shape == (600, 4, 112)
    assert data["stokes"].dtype == np.float32
    assert data["stokes"][:, 0, 0] == pytest.approx(data["temperature"][:, 12] / 6000, rel=1e-6)
    assert data["wavelength"][:] == pytest.approx(plan().wavelength)
    expected = draw(recipe)
    for name in ("azimuth", "macroturbulence"):
        assert data[name][:] == pytest.approx(getattr(expected.atmosphere, name).astype(np.float32))
    assert np.array_equal(data["class"][:], expected.classes)
    assert data["mu"][:] == pytest.approx(expected.mu.astype(np.float32))
    assert np.unique(data["region"][:]).tolist() == [0, 1, 2]
    attrs = data.attrs
    assert attrs["complete"] is True
    assert attrs["reference"] == ContinuumReference.DISC_CENTRE
    assert attrs["classes"] == list(POPULATIONS)
    assert attrs["recipe"]["seed"] == 3
    assert attrs["recipe"]["regions"][0]["lines"] == [[6301.5012, -0.75], [6302.4936, -1.236]]
    assert seen[-1] == (600, 600, 0)
    mu = {int(p): float(m) for r in service.requests for p, m in zip(r.pixel, r.mu, strict=True)}
    assert [mu[i] for i in range(600)] == pytest.approx(expected.mu)


def test_strengths_of_lines_vary_from_block_to_block(tmp_path: Path) -> None:
    recipe = Recipe(20 * BLOCK, 3, log_gf_spread=0.1)

    def strengths(plan: Plan) -> tuple[float, ...]:
        return tuple(line.log_gf for line in plan.regions[0].lines)

    shifted = [strengths(with_other_strengths(plan(), recipe, block)) for block in range(20)]
    shift = np.array(shifted) - strengths(plan())
    assert len(np.unique(shift)) == shift.size, "every line, in every block, a strength of its own"
    assert 0.06 < shift.std() < 0.14
    assert strengths(with_other_strengths(plan(), recipe, 7)) == shifted[7]
    assert strengths(with_other_strengths(plan(), Recipe(5), 0)) == strengths(plan())
    service = FakeService(obedient)
    sample(service, plan(), Recipe(2 * BLOCK, 3, log_gf_spread=0.1), tmp_path / "t.zarr")
    assert {strengths(request.plan) for request in service.requests} == set(shifted[:2])


def test_what_cannot_be_synthesised_is_replaced(tmp_path: Path) -> None:
    def script(request: SynthesizeRequest, _: int) -> Events:
        bad = {3, 299} if len(request) > 10 else set()
        yield answer(request, list(range(len(request))), bad)

    done = sample(FakeService(script), plan(), Recipe(300, 1), tmp_path / "t.zarr")
    assert (done.n, done.replaced) == (300, 2)
    assert done.reasons == (("no hydrostatic equilibrium", 2),)
    data = zarr.open_group(str(tmp_path / "t.zarr"), mode="r")
    assert np.isfinite(data["stokes"][:]).all()
    substitute = draw_block(Recipe(300, 1), 0, LOG_TAU, attempt=1)
    assert data["velocity"][3] == pytest.approx(substitute.atmosphere.velocity[3], rel=1e-6)
    assert data["class"][3] == substitute.classes[3]


def test_an_interrupted_set_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    recipe = Recipe(4 * BLOCK, 2)
    whole = tmp_path / "whole.zarr"
    sample(FakeService(obedient), plan(), recipe, whole)

    def broken(request: SynthesizeRequest, _: int) -> Events:
        if int(request.pixel[0]) >= 2 * BLOCK:
            raise PlanError("the power went out")
        yield answer(request, list(range(len(request))))

    part = tmp_path / "part.zarr"
    with pytest.raises(PlanError, match="power"):
        sample(FakeService(broken), plan(), recipe, part)
    assert zarr.open_group(str(part), mode="r").attrs["complete"] is False
    with pytest.raises(InvalidArgumentError, match="another recipe: seed was 2, now 5"):
        sample(FakeService(obedient), plan(), Recipe(4 * BLOCK, 5), part, resume=True)
    service = FakeService(obedient)
    already = int(zarr.open_group(str(part), mode="r")["done"][:].sum())
    sample(service, plan(), recipe, part, resume=True)
    assert len(service.requests) == 4 - already
    one, two = (zarr.open_group(str(path), mode="r") for path in (whole, part))
    assert two.attrs["complete"] is True
    for name in ("stokes", "temperature", "mu", "class", "region"):
        assert np.array_equal(one[name][:], two[name][:])


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


def test_a_refusal_ends_the_sampling(tmp_path: Path) -> None:
    def script(request: SynthesizeRequest, _: int) -> Events:
        raise PlanError("the engine knows no such line")
        yield answer(request, [])

    with pytest.raises(PlanError, match="no such line"):
        sample(FakeService(script), plan(), Recipe(20, 1), tmp_path / "t.zarr")


def test_nothing_synthesised_is_an_error(tmp_path: Path) -> None:
    def script(request: SynthesizeRequest, _: int) -> Events:
        yield answer(request, list(range(len(request))), set(range(20)))

    with pytest.raises(DataLossError, match=r"20 of 20.*block 0.*hydrostatic"):
        sample(FakeService(script), plan(), Recipe(20, 1), tmp_path / "t.zarr")


def test_outputs_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "t.zarr").write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=r"t\.zarr"):
        sample(FakeService(obedient), plan(), Recipe(5, 1), tmp_path / "t.zarr")
    assert (tmp_path / "t.zarr").read_bytes() == b"precious"
    sample(FakeService(obedient), plan(), Recipe(5, 1), tmp_path / "u.zarr")
    with pytest.raises(OutputExistsError, match="resume it, remove it"):
        sample(FakeService(obedient), plan(), Recipe(5, 1), tmp_path / "u.zarr")


def test_the_result_does_not_depend_on_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    atmosphere = sample_atmospheres(40, 2, LOG_TAU)
    whole, _, _ = synthesize_all(FakeService(obedient), plan(), atmosphere)
    monkeypatch.setattr(sampling, "BLOCK", 7)
    service = FakeService(obedient)
    parts, _, _ = synthesize_all(service, plan(), atmosphere)
    assert len(service.requests) == 6
    assert np.array_equal(whole, parts)
