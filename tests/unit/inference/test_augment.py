"""The symmetries used for augmentation hold exactly, with magneto-optical effects; noise is what it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stokeswarm.inference.augment import add_noise, mirror, rotate


@pytest.fixture(scope="module")
def profiles(milne_eddington: Callable[..., np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(3)
    n = 50
    parameters = {
        "field": rng.uniform(100, 3000, n),
        "velocity": rng.uniform(-3, 3, n),
        "inclination": rng.uniform(0, 180, n),
        "azimuth": rng.uniform(0, 180, n),
        "strength": rng.uniform(5, 30, n),
        "slope": rng.uniform(0.3, 0.8, n),
    }
    return parameters, milne_eddington(**parameters).astype(np.float32)


def test_rotation(profiles, milne_eddington) -> None:
    parameters, stokes = profiles
    angle = np.random.default_rng(4).uniform(0, 180, 50)
    azimuth = parameters["azimuth"][:, None].astype(np.float32)
    turned, new = rotate(stokes, azimuth, angle)
    expected = milne_eddington(**parameters | {"azimuth": new[:, 0].astype(float)})
    assert np.abs(turned - expected).max() < 1e-6
    assert ((new >= 0) & (new < 180)).all()
    assert np.array_equal(turned[:, [0, 3]], stokes[:, [0, 3]])


def test_mirror(profiles, milne_eddington) -> None:
    parameters, stokes = profiles
    chosen = np.arange(50) % 2 == 0
    inclination, azimuth = (
        parameters[name][:, None].astype(np.float32) for name in ("inclination", "azimuth")
    )
    mirrored, gamma, chi = mirror(stokes, inclination, azimuth, chosen)
    new = {"inclination": gamma[:, 0].astype(float), "azimuth": chi[:, 0].astype(float)}
    assert np.abs(mirrored - milne_eddington(**parameters | new)).max() < 1e-6
    assert np.array_equal(mirrored[~chosen], stokes[~chosen])


def test_changing_the_sign_of_v_alone_is_no_symmetry(profiles, milne_eddington) -> None:
    """Why `mirror` changes U and the azimuth, too: Faraday rotation knows the polarity."""
    parameters, stokes = profiles
    flipped = milne_eddington(**parameters | {"inclination": 180 - parameters["inclination"]})
    assert np.abs(flipped - stokes * np.array([1, 1, 1, -1])[:, None]).max() > 0.01


def test_noise_has_the_level_and_its_spread() -> None:
    clean = np.zeros((4000, 4, 60), np.float32)
    level = add_noise(clean, 1e-3, 0.0, np.random.default_rng(1)).std(axis=(1, 2))
    assert level.min() > 0.4e-3
    assert level.max() < 2.3e-3
    assert np.exp(np.log(level).mean()) == pytest.approx(1e-3, rel=0.03)


def test_noise_that_is_there_already_counts() -> None:
    generator = np.random.default_rng(1)
    old = generator.normal(0, 0.9e-3, (2000, 4, 60)).astype(np.float32)
    level = add_noise(old, 1e-3, 0.9e-3, generator).std(axis=(1, 2))
    assert np.median(level) == pytest.approx(1e-3, rel=0.05)
    assert add_noise(old, 1e-4, 0.9e-3, generator).tobytes() == old.tobytes()
