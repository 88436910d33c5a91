"""A profile's own frame: neither a turn nor a mirror of the observer's frame changes what is seen in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stokeswarm.inference.augment import mirror, rotate
from stokeswarm.inference.frame import Frame


@pytest.fixture(scope="module")
def stokes(toy: Callable[..., dict[str, np.ndarray]]) -> np.ndarray:
    return toy(400)["stokes"]


def test_turned_and_mirrored_profiles_look_the_same(stokes: np.ndarray) -> None:
    frame = Frame.fit(stokes)
    seen = frame.turn(stokes)
    rng = np.random.default_rng(2)
    azimuth = np.zeros((400, 1), np.float32)
    other, _ = rotate(stokes, azimuth, rng.uniform(0, 180, 400))
    other, _, _ = mirror(other, azimuth, azimuth, np.less(rng.random(400), 0.5))
    clear = (
        (np.abs(other[:, 1:3]).max(axis=(1, 2)) > 1e-3)
        & (np.abs(seen.stokes[:, 1] @ frame.linear) > 1e-3)
        & (np.abs(seen.circular[:, 0]) > 1e-3)
    )
    assert clear.mean() > 0.9
    again = frame.turn(other)
    assert np.abs(again.stokes - seen.stokes)[clear].max() < 2e-5
    assert np.array_equal(again.stokes[:, 0], stokes[:, 0])


def test_the_way_back_is_what_turned_it(stokes: np.ndarray) -> None:
    found = Frame.fit(stokes).turn(stokes)
    q, u, v = found.stokes[:, 1], found.sign * found.stokes[:, 2], found.sign * found.stokes[:, 3]
    assert np.allclose(found.cosine * q - found.sine * u, stokes[:, 1], atol=1e-6)
    assert np.allclose(found.sine * q + found.cosine * u, stokes[:, 2], atol=1e-6)
    assert np.allclose(v, stokes[:, 3], atol=1e-7)


def test_an_unpolarised_profile_is_left_alone(stokes: np.ndarray) -> None:
    flat = np.zeros((2, 4, stokes.shape[2]), np.float32)
    flat[:, 0] = 1
    found = Frame.fit(stokes).turn(flat)
    assert np.array_equal(found.stokes, flat)
    assert np.array_equal(found.cosine, np.ones((2, 1)))


def test_the_polarity_is_the_projections_sign(stokes: np.ndarray) -> None:
    frame = Frame.fit(stokes)
    flipped = stokes * np.array([1, 1, -1, -1], np.float32)[:, None]
    assert np.allclose(frame.turn(flipped).circular, -frame.turn(stokes).circular, atol=1e-6)
    assert np.sqrt(np.mean(frame.turn(stokes).circular ** 2)) == pytest.approx(frame.scale, rel=1e-5)
