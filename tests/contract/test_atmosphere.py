"""Atmospheres: shapes that agree, and an interpolation that invents nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stokeswarm.contract.atmosphere import OPTIONAL, SCALAR, STRATIFIED, Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

Floats = npt.NDArray[np.float64]
AXIS = np.array([1.2, 0.7, 0.3, -0.4, -1.5, -3.0])


def atmosphere(temperature: npt.ArrayLike, log_tau: npt.ArrayLike = AXIS) -> Atmosphere:
    """Atmospheres (n, n_depth) with the given temperature, and velocity the same numbers."""
    values = np.atleast_2d(np.asarray(temperature, float))
    full = Atmosphere.full(len(values), log_tau, 1.0, pressures=False)
    return replace(full, temperature=values, velocity=values)


@st.composite
def columns(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """A decreasing uneven axis and one value at each of its points."""
    steps = draw(st.lists(st.floats(0.01, 2.0), min_size=1, max_size=12))
    axis = 1.5 - np.concatenate([[0.0], np.cumsum(steps)])
    values = draw(st.lists(st.floats(-1e4, 1e4), min_size=axis.size, max_size=axis.size))
    return axis, np.array(values)


@st.composite
def finer(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    axis, values = draw(columns())
    inside = draw(st.lists(st.floats(0, 1), min_size=1, max_size=20, unique=True))
    new = np.unique(axis[-1] + np.array(inside) * (axis[0] - axis[-1]))[::-1]
    assume((np.diff(new) < 0).all())
    return axis, values, new


@given(columns())
def test_exact_at_the_nodes(column: tuple[Floats, Floats]) -> None:
    axis, values = column
    new = np.sort(np.concatenate([axis, 0.5 * (axis[1:] + axis[:-1])]))[::-1]
    back = atmosphere(values, axis).resample(new)
    assert np.array_equal(back.temperature[0, ::2], values)


@given(finer())
def test_no_new_extremum(case: tuple[Floats, Floats, Floats]) -> None:
    axis, values, new = case
    result = atmosphere(values, axis).resample(new).velocity[0]
    upper = np.clip(np.searchsorted(-axis, -new, side="left"), 1, axis.size - 1)
    low, high = (f(values[upper - 1], values[upper]) for f in (np.minimum, np.maximum))
    slack = 1e-9 * (1 + np.abs(values).max())
    assert (result >= low - slack).all()
    assert (result <= high + slack).all()


@given(finer())
def test_monotone_stays_monotone(case: tuple[Floats, Floats, Floats]) -> None:
    axis, values, new = case
    result = atmosphere(np.sort(values), axis).resample(new).temperature[0]
    assert (np.diff(result) >= -1e-9 * (1 + np.abs(values).max())).all()


@given(columns(), st.floats(0.1, 3.0))
def test_temperature_goes_on_linearly_and_the_rest_stays(
    column: tuple[Floats, Floats], beyond: float
) -> None:
    axis, values = column
    new = np.concatenate(
        [[axis[0] + 2 * beyond, axis[0] + beyond], [axis[-1] - beyond, axis[-1] - 2 * beyond]]
    )
    result = atmosphere(values, axis).resample(new)
    deep = (values[0] - values[1]) / (axis[0] - axis[1])
    high = (values[-1] - values[-2]) / (axis[-1] - axis[-2])
    expected = [values[0] + 2 * beyond * deep, values[0] + beyond * deep]
    expected += [values[-1] - beyond * high, values[-1] - 2 * beyond * high]
    scale = np.abs(values).max() + beyond * max(abs(deep), abs(high)) + 1
    assert np.allclose(result.temperature[0], expected, rtol=0, atol=1e-9 * scale)
    assert np.allclose(result.velocity[0], values[[0, 0, -1, -1]], rtol=0, atol=1e-9 * scale)


@given(st.floats(-1e3, 1e3), st.floats(-1e4, 1e4))
def test_a_straight_line_stays_one(slope: float, offset: float) -> None:
    new = np.linspace(2.0, -4.5, 31)
    result = atmosphere(offset + slope * AXIS).resample(new)
    assert np.allclose(result.temperature[0], offset + slope * new, atol=1e-8)


def test_smooth_functions_are_followed_to_third_order() -> None:
    def error(n: int) -> float:
        axis = np.linspace(1.0, -4.0, n)
        new = np.linspace(1.0, -4.0, 401)
        fine = atmosphere(5000 + 900 * np.exp(axis), axis).resample(new)
        return float(np.abs(fine.temperature[0, 80:-80] - (5000 + 900 * np.exp(new[80:-80]))).max())

    assert error(51) < error(26) / 5
    assert error(51) < 1.0


def test_pixels_do_not_mix() -> None:
    values = np.random.default_rng(1).normal(6000, 900, (4, AXIS.size))
    new = np.linspace(1.5, -3.5, 51)
    together = atmosphere(values).resample(new)
    for row in range(4):
        alone = atmosphere(values[row]).resample(new)
        assert np.array_equal(together.temperature[row], alone.temperature[0])


def test_a_pixel_without_result_stays_nan_and_alone() -> None:
    values = np.vstack([np.full(AXIS.size, np.nan), np.full(AXIS.size, 6000.0)])
    result = atmosphere(values).resample(np.linspace(1.5, -3.5, 9))
    assert np.isnan(result.temperature[0]).all()
    assert np.allclose(result.temperature[1], 6000.0)


def test_one_depth_is_the_same_everywhere() -> None:
    assert atmosphere([[5000.0]], [0.0]).resample([1.0, 0.0, -1.0]).temperature.tolist() == [[5000.0] * 3]


def test_what_hydrostatic_equilibrium_gave_is_dropped() -> None:
    full = Atmosphere.full(2, AXIS, 1.0)
    assert full.electron_pressure is not None
    moved = full.resample(AXIS[:-1])
    assert all(getattr(moved, name) is None for name in OPTIONAL)
    assert full.resample(AXIS.copy()) is full
    assert np.array_equal(moved.macroturbulence, full.macroturbulence)


@pytest.mark.parametrize("new", [[-1.0, 0.0], [0.0, 0.0], [], [0.0, np.nan], [[0.0, -1.0]]])
def test_axes_that_are_none(new: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="log_tau"):
        Atmosphere.full(1, AXIS, 1.0).resample(new)


@pytest.mark.parametrize("name", [*STRATIFIED, *SCALAR])
def test_shapes_must_agree(name: str) -> None:
    good = Atmosphere.full(3, AXIS, 1.0)
    wrong = np.ones((3, AXIS.size + 1)) if name in STRATIFIED else np.ones(4)
    with pytest.raises(InvalidArgumentError, match=f"{name}: expected shape .* found"):
        replace(good, **{name: wrong})


def test_a_field_that_is_needed_cannot_be_absent() -> None:
    with pytest.raises(InvalidArgumentError, match="velocity: expected shape"):
        replace(Atmosphere.full(1, AXIS), velocity=None)  # type: ignore[arg-type]


def test_taking_and_joining_are_inverse() -> None:
    rng = np.random.default_rng(3)
    whole = atmosphere(rng.normal(6000, 100, (5, AXIS.size)))
    parts = [whole.take(rows) for rows in ([0, 3], [], [4, 1, 2])]
    order = np.argsort([0, 3, 4, 1, 2])
    joined = Atmosphere.concatenate(parts).take(order)
    assert len(joined) == 5
    assert np.array_equal(joined.temperature, whole.temperature)
    assert np.array_equal(whole.take(whole.temperature[:, 0] > 0).velocity, whole.velocity)


def test_only_what_fits_is_joined() -> None:
    one = Atmosphere.full(1, AXIS, 1.0)
    with pytest.raises(InvalidArgumentError, match="depth axis or fields"):
        Atmosphere.concatenate([one, Atmosphere.full(1, AXIS, 1.0, pressures=False)])
    with pytest.raises(InvalidArgumentError, match="depth axis or fields"):
        Atmosphere.concatenate([one, Atmosphere.full(1, AXIS - 0.1, 1.0)])
    with pytest.raises(InvalidArgumentError, match="nothing to concatenate"):
        Atmosphere.concatenate([])
