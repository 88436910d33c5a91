"""Classes of profiles: grouping, their file, and the guess that a pixel takes from its class."""

from __future__ import annotations

import builtins
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zarr

from stokeswarm.client.cluster_start import ClusterStart, cluster_start
from stokeswarm.client.clustering import (
    Grouping,
    k_means,
    mean_profiles,
    network_space,
    profile_space,
    valid_pixels,
)
from stokeswarm.client.clusters import Clusters, Space
from stokeswarm.client.digests import input_identity
from stokeswarm.client.layout import Start
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import ModelStart, Pixels, named_guess
from stokeswarm.client.testing import FakeInference, fake_features, small_plan
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import (
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
    UnsupportedError,
)
from stokeswarm.contract.inference import Prediction
from stokeswarm.contract.instrument import FE_6302, hinode_sp
from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status

PLAN = small_plan()
AXIS = hinode_sp().regions[0].grid()


def profile(
    intensity: float, v: float = 0.0, chi: float = 0.0, linear: float = 0.0
) -> npt.NDArray[np.float32]:
    """A line with antisymmetric V and σ components in Q and U at azimuth χ [deg]."""
    offset = AXIS - FE_6302.wavelength

    def bump(centre: float, width: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.exp(-(((offset - centre) / width) ** 2)))

    sigma = linear * (bump(-0.1, 0.05) + bump(0.1, 0.05))
    double = np.deg2rad(2 * chi)
    return np.stack(
        [
            intensity * (1 - 0.6 * bump(0.0, 0.12)),
            sigma * np.cos(double),
            sigma * np.sin(double),
            v * (bump(-0.1, 0.05) - bump(0.1, 0.05)),
        ]
    ).astype(np.float32)


def region(seed: int = 0) -> Observation:
    """Three kinds of profile in 6 × 8 pixels, in all polarities and azimuths; one masked, one invalid."""
    random = np.random.default_rng(seed)
    stokes = np.empty((6, 8, 4, AXIS.size), np.float32)
    for y in range(6):
        for x in range(8):
            sign, chi = random.choice([-1.0, 1.0]), random.uniform(0, 180)
            kind = (profile(1.0), profile(0.7, 0.15 * sign, chi, 0.08), profile(0.2, 0.1 * sign))[(x + y) % 3]
            stokes[y, x] = kind + random.normal(0, 1e-3, kind.shape)
    stokes[1, 1] = np.nan
    mask = np.zeros((6, 8), bool)
    mask[2, 2] = True
    return Observation(stokes, AXIS, mask=mask)


def kinds() -> npt.NDArray[np.int64]:
    y, x = np.mgrid[:6, :8]
    return np.asarray((x + y) % 3)


def predict(spectra: Spectra, features: bool = True) -> Prediction:
    n = len(spectra)
    guess = Atmosphere.full(n, [0.0, -1.0], 1.0, pressures=False)
    known = fake_features(spectra.stokes) if features else None
    return Prediction(
        "net", "3", "d", guess, np.zeros(n, np.float32), (Status.OK,) * n, ("",) * n, features=known
    )


@pytest.mark.parametrize("kind", ["cnn", "pca"])
def test_kinds_of_profiles_become_classes_whatever_their_orientation(kind: str) -> None:
    observation = region()
    pixels = valid_pixels(observation)
    assert set(range(48)) - set(pixels.tolist()) == {9, 18}
    if kind == "cnn":
        space, points = network_space(observation, pixels, PLAN, FakeInference().info, predict)
        assert space.model == "hinode-sp"
    else:
        space, points = profile_space(observation, pixels, PLAN)
    label, centre = k_means(points, 3, seed=5)
    expected = kinds().ravel()[pixels]
    pairs = set(zip(label.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == 3
    assert (np.diff(np.bincount(label)) <= 0).all()  # the largest comes first
    again, _ = k_means(points, 3, seed=5)
    np.testing.assert_array_equal(label, again)
    means = mean_profiles(observation, pixels, label, 3, PLAN)
    of = dict(pairs)
    for number in range(3):
        plain = (profile(1.0), profile(0.7, 0.15, 0.0, 0.08), profile(0.2, 0.1))[of[number]]
        np.testing.assert_allclose(means[number], plain, atol=3e-3)
    assert centre.shape == (3, points.shape[1])


def test_a_network_without_features_says_so() -> None:
    observation = region()
    with pytest.raises(UnsupportedError, match=r"no features.*--features pca"):
        network_space(
            observation, valid_pixels(observation), PLAN, FakeInference().info,
            lambda spectra: predict(spectra, features=False),
        )  # fmt: skip


def test_more_classes_than_pixels_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="3 of 2 usable pixels"):
        k_means(np.zeros((2, 1)), 3, 0)
    with pytest.raises(InvalidArgumentError, match="cnn or pca"):
        Grouping(features="magic")


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FailedPreconditionError, match=r"pip install 'stokeswarm\[cluster\]'"):
        k_means(np.zeros((2, 1)), 1, 0)


def classes(observation: Observation | None = None, kind: str = "cnn", **changes: Any) -> Clusters:
    """Three classes with constant guesses; the third has none."""
    observation = observation or region()
    guess = named_guess("hsra", PLAN)[0].take([0, 0, 0])
    ones = np.ones((3, PLAN.n_depth))
    guess = replace(
        guess, temperature=guess.temperature + np.array([[0.0], [100.0], [200.0]]), azimuth=5.0 * ones,
        inclination=np.array([[30.0], [70.0], [50.0]]) * ones,
    )  # fmt: skip
    if kind == "cnn":
        space = Space("cnn", np.zeros(2), np.full(2, 20.0), None, "hinode-sp", "1", "net")
        centre = np.array([[1.0, 0.0], [0.7, 0.15], [0.2, 0.1]])
    else:
        space, points = profile_space(observation, valid_pixels(observation), PLAN)
        _, centre = k_means(points, 3, 0)
    number = (
        np.where(observation.mask, -1, kinds()).astype(np.int16) if observation.mask is not None else kinds()
    )
    number[1, 1] = -1
    attrs = {"input": input_identity(observation), "reference": str(observation.reference), "seed": 0}
    made = Clusters(
        number, np.bincount(number[number >= 0], minlength=3).astype(np.int64), centre,
        np.zeros((3, 4, AXIS.size), np.float32), AXIS, guess, np.array([1.0, 2.0, np.nan]), space, attrs,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize("kind", ["cnn", "pca"])
def test_the_file_holds_everything(tmp_path: Path, kind: str) -> None:
    before = classes(kind=kind)
    before.write(tmp_path / "c.zarr")
    after = Clusters.read(tmp_path / "c.zarr")
    assert after.digest == before.digest
    assert after.available.tolist() == [True, True, False]
    assert after.attrs["input"] == before.attrs["input"]
    assert after.space.kind == kind
    np.testing.assert_array_equal(after.profile, before.profile)
    np.testing.assert_array_equal(after.count, before.count)
    with pytest.raises(OutputExistsError):
        before.write(tmp_path / "c.zarr")


def test_what_is_no_file_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Clusters.read(tmp_path / "nothing.zarr")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(DataLossError, match="expected a stokeswarm-clusters/1 file"):
        Clusters.read(tmp_path / "other.zarr")
    classes().write(tmp_path / "c.zarr")
    del zarr.open_group(tmp_path / "c.zarr")["centre"]
    with pytest.raises(DataLossError, match="centre is missing"):
        Clusters.read(tmp_path / "c.zarr")


def start_of(clusters: Clusters, observation: Observation) -> ClusterStart:
    base = ModelStart(named_guess("hsra", PLAN), PLAN, by_sign_of_v=True)
    return cluster_start(clusters, observation, base, PLAN, lambda model, version, spectra: predict(spectra))


def all_pixels(observation: Observation) -> Pixels:
    y, x = np.mgrid[:6, :8].reshape(2, -1)
    return Pixels(y * 8 + x, y, x, observation.spectra())


def test_every_pixel_takes_its_class_in_its_own_orientation() -> None:
    observation = region()
    start = start_of(classes(observation), observation)
    assert start.mapped
    assert start.label == Start.CLUSTER
    found = start.start(all_pixels(observation))
    kind = kinds().ravel()
    assert found.available.tolist() == [
        bool(k != 2 and number not in (9, 18)) for number, k in enumerate(kind.tolist())
    ]
    (guess,) = found.atmosphere
    magnetic = np.flatnonzero(found.available & (kind == 1))
    random = np.random.default_rng(0)
    signs, angles = [], []
    for _ in range(48):
        signs.append(random.choice([-1.0, 1.0]))
        angles.append(random.uniform(0, 180))
        random.normal(0, 1e-3, (4, AXIS.size))
    for number in magnetic.tolist():
        assert guess.inclination[number, 0] == (70.0 if signs[number] > 0 else 110.0)
        difference = guess.azimuth[number, 0] - (angles[number] + signs[number] * 5.0)
        assert abs((difference + 90.0) % 180.0 - 90.0) < 1.0
    hotter = guess.temperature[magnetic[0], 3] - guess.temperature[np.flatnonzero(kind == 0)[0], 3]
    assert hotter == pytest.approx(100.0)


@pytest.mark.parametrize("kind", ["cnn", "pca"])
def test_another_observation_takes_the_nearest_class(kind: str) -> None:
    clusters, other = classes(kind=kind), region(seed=7)
    start = start_of(clusters, other)
    assert not start.mapped
    pixels = all_pixels(other).take(np.delete(np.arange(48), [9, 18]))
    number = clusters.nearest(start.values(pixels.spectra)) if kind == "cnn" else None
    found = start.start(pixels)
    if number is not None:
        assert number.tolist() == kinds().ravel()[pixels.identifier].tolist()
        np.testing.assert_array_equal(found.available, number != 2)
    # A pixel's class is its own affair.
    parts = [start.start(pixels.take([row])) for row in range(len(pixels))]
    alone = np.concatenate([part.atmosphere[0].azimuth for part in parts])
    np.testing.assert_array_equal(found.atmosphere[0].azimuth, alone)


def test_classes_that_do_not_fit_are_refused() -> None:
    observation = region()
    shorter = Observation(observation.stokes[..., :-1], AXIS[:-1])
    with pytest.raises(InvalidArgumentError, match="not the observation's"):
        start_of(classes(kind="pca"), shorter)
    with pytest.raises(InvalidArgumentError, match="no class has a guess"):
        start_of(classes(chi2=np.full(3, np.nan)), observation)
    with pytest.raises(InvalidArgumentError, match="profiles over disc-centre"):
        start_of(classes(attrs={"reference": "disc-centre"}), observation)
    two = PLAN.with_cycles((Cycle((Nodes(temperature=1), Nodes(temperature=1))),))
    base = ModelStart(named_guess("hsra", PLAN), PLAN, by_sign_of_v=True)
    with pytest.raises(InvalidArgumentError, match="the plan has 2"):
        cluster_start(classes(), observation, base, two, lambda *_: predict(observation.spectra()))
    with pytest.raises(InvalidArgumentError, match="4 features"):
        classes().nearest(np.zeros((1, 4)))
