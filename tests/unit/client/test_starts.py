"""Starts: what --init means, the sign of V, and a network's nodes on the plan's axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.client.starts import (
    CnnStart,
    ModelStart,
    Pixels,
    named_guess,
    on_axis,
    parse_start,
)
from stokeswarm.client.testing import FakeInference, small_plan
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, PlanError
from stokeswarm.contract.inference import Prediction
from stokeswarm.contract.instrument import FE_6301, FE_6302, hinode_sp
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status

AXIS = hinode_sp().regions[0].grid()
PLAN = small_plan()


def v_profile(sign: float, shift: float = 0.0) -> npt.NDArray[np.float32]:
    """V of both lines, positive in the blue lobe for a positive sign, shifted by km/s."""
    stokes = np.zeros((4, AXIS.size), np.float32)
    stokes[0] = 1.0
    for line in (FE_6301, FE_6302):
        centre = line.wavelength * (1 + shift / 299792.458)
        for side in (-1, 1):
            lobe = np.exp(-(((AXIS - centre - side * 0.08) / 0.05) ** 2))
            stokes[3] -= (0.1 * sign * side * lobe).astype(np.float32)
    return stokes


def pixels(*profiles: npt.NDArray[np.float32]) -> Pixels:
    n = np.arange(len(profiles))
    return Pixels(n, n, n, Spectra(AXIS, np.stack(profiles)))


def test_init_is_read_as_written() -> None:
    assert str(parse_start("model:hsra")) == "model:hsra"
    assert str(parse_start("cnn")) == "cnn"
    assert parse_start("clusters:s3://bucket/c.zarr").argument == "s3://bucket/c.zarr"
    assert parse_start("previous:s3://bucket/a.zarr").argument == "s3://bucket/a.zarr"
    best = parse_start("best-of:cnn:hinode-sp,model:hsra")
    assert [str(part) for part in best.parts] == ["cnn:hinode-sp", "model:hsra"]
    assert best.needs_inference
    assert not parse_start("model").needs_inference


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("magic", InvalidArgumentError, "expected model:NAME"),
        ("previous", InvalidArgumentError, "previous:URL"),
        ("best-of:cnn", InvalidArgumentError, "two or more"),
        ("best-of:cnn,best-of:cnn,model", InvalidArgumentError, "two or more"),
        ("clusters", InvalidArgumentError, "clusters:FILE"),
    ],
)
def test_wrong_inits_are_refused(text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        parse_start(text)


def test_a_named_model_follows_the_polarity_and_a_files_guess_does_not() -> None:
    guess = named_guess("hsra", PLAN)
    chosen = pixels(v_profile(1), v_profile(-1))
    followed = ModelStart(guess, PLAN, by_sign_of_v=True).start(chosen).atmosphere[0]
    assert followed.inclination[:, 0].tolist() == [45.0, 135.0]
    kept = ModelStart(guess, PLAN, by_sign_of_v=False).start(chosen).atmosphere[0]
    assert kept.inclination[:, 0].tolist() == [45.0, 45.0]
    np.testing.assert_array_equal(followed.temperature[0], guess[0].temperature[0])


def test_named_models_have_one_component() -> None:
    two = PLAN.with_cycles((Cycle((Nodes(temperature=1), Nodes(temperature=1))),))
    with pytest.raises(PlanError, match="2 components"):
        named_guess("hsra", two)
    with pytest.raises(NotFoundError):
        named_guess("nobody", PLAN)


def nodes(**changes: object) -> Atmosphere:
    base = Atmosphere.full(1, [0.0, -1.0, -2.0], 1.0, pressures=False)
    values = {"temperature": np.array([[6300.0, 5300.0, 4800.0]]), "inclination": np.full((1, 3), 30.0)}
    return replace(base, **(values | changes))  # type: ignore[arg-type]


def base() -> Atmosphere:
    return named_guess("hsra", PLAN)[0]


def test_nodes_meet_the_axis_where_they_stand() -> None:
    found = on_axis(nodes(), base(), PLAN)
    assert found.log_tau.tolist() == PLAN.log_tau.tolist()
    at = {round(float(t), 6): i for i, t in enumerate(found.log_tau)}
    for tau, temperature in ((0.0, 6300.0), (-1.0, 5300.0), (-2.0, 4800.0)):
        assert found.temperature[0, at[tau]] == pytest.approx(temperature)
    # Outside the nodes the temperature runs parallel to the model's.
    model = base().temperature[0]
    assert np.diff(found.temperature[0, :3]) == pytest.approx(np.diff(model[:3]))
    assert np.diff(found.temperature[0, -3:]) == pytest.approx(np.diff(model[-3:]))
    assert found.electron_pressure is None


def test_azimuths_meet_across_zero() -> None:
    found = on_axis(nodes(azimuth=np.array([[178.0, 2.0, 6.0]])), base(), PLAN)
    half = found.azimuth[0, np.abs(found.log_tau + 0.5).argmin()]
    assert min(half, 180.0 - half) < 1.0
    assert ((found.azimuth >= 0) & (found.azimuth < 180)).all()


def test_guesses_stay_inside_the_limits_and_off_dead_ends() -> None:
    wild = nodes(
        temperature=np.full((1, 3), 90000.0),
        field_strength=np.zeros((1, 3)),
        inclination=np.full((1, 3), 181.0),
        velocity=np.full((1, 3), -99.0),
    )
    found = on_axis(wild, base(), PLAN)
    assert found.temperature.max() <= PLAN.limit("temperature")[1]
    assert found.velocity.min() == PLAN.limit("velocity")[0]
    assert found.field_strength.min() > 0
    assert 0 < found.inclination.max() < 180


def test_what_the_network_never_learnt_comes_from_the_model() -> None:
    found = on_axis(nodes(), base(), PLAN, ("temperature", "velocity"))
    np.testing.assert_array_equal(found.field_strength, base().field_strength)
    assert (found.velocity == 1.0).all()


def cnn(prediction: Prediction) -> CnnStart:
    model = ModelStart(named_guess("hsra", PLAN), PLAN, by_sign_of_v=True)
    return CnnStart(lambda spectra: prediction, FakeInference().info, model, PLAN)


def test_a_pixel_without_a_guess_is_marked() -> None:
    broken = nodes(temperature=np.array([[6300.0, np.nan, 4800.0]]))
    guess = Atmosphere.concatenate([nodes(), broken, nodes()])
    prediction = Prediction(
        "m", "1", "d", guess, np.array([0.1, 0.2, 0.3], np.float32),
        (Status.OK, Status.OK, Status.NO_OUTPUT), ("", "", "no guess"),
    )  # fmt: skip
    starts = cnn(prediction).start(pixels(v_profile(1), v_profile(1), v_profile(1)))
    assert starts.available.tolist() == [True, False, False]
    assert starts.novelty == pytest.approx([0.1, 0.2, 0.3])


def test_a_network_that_answers_for_other_pixels_is_refused() -> None:
    prediction = Prediction("m", "1", "d", nodes(), np.zeros(1, np.float32), (Status.OK,), ("",))
    with pytest.raises(InvalidArgumentError, match="1 pixels, asked for 2"):
        cnn(prediction).start(pixels(v_profile(1), v_profile(1)))


def test_a_networks_errors_come_with_its_guess() -> None:
    error = Atmosphere.full(1, [0.0, -1.0, -2.0], 0.2, pressures=False)
    prediction = Prediction("m", "1", "d", nodes(), np.zeros(1, np.float32), (Status.OK,), ("",), error)
    starts = cnn(prediction).start(pixels(v_profile(1)))
    assert starts.error[0].log_tau.tolist() == PLAN.log_tau.tolist()
    assert (starts.error[0].velocity >= 0.2).all()
    assert starts.error[0].macroturbulence == pytest.approx([0.2])
    assert len(starts.take([0]).error[0]) == 1
    without = replace(prediction, error=None)
    assert cnn(without).start(pixels(v_profile(1))).error == ()
