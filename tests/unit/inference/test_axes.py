"""Reading a request's wavelength axis for a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.errors import SpectraError
from stokeswarm.contract.instrument import instrument
from stokeswarm.inference.axes import match, split_regions

MODEL = instrument("hinode-sp").regions[0].grid()
STEP = 0.021549


def _line(wavelength: np.ndarray) -> np.ndarray:
    """A line pair of Hinode's width, as (1, 4, n) profiles."""
    core = sum(np.exp(-(((wavelength - centre) / 0.055) ** 2)) for centre in (6301.5012, 6302.4936))
    slope = np.gradient(core, wavelength)
    return np.stack([1 - 0.7 * core, 0.1 * core, -0.05 * core, 0.002 * slope])[None].astype(np.float32)


@given(st.floats(-4e-4, 4e-4))
def test_an_axis_within_the_tolerance_is_taken_as_it_is(shift: float) -> None:
    found = match(MODEL + shift * STEP, MODEL, "m")
    assert found.exact
    profile = _line(MODEL)
    assert np.array_equal(found.apply(profile), profile)


def test_other_regions_and_any_order_do_not_matter() -> None:
    axis = np.concatenate([5250.0 + 0.02 * np.arange(30), MODEL[::-1], 15648.0 + 0.04 * np.arange(10)])
    profile = np.full((1, 4, axis.size), np.nan, np.float32)
    profile[..., 30:142] = _line(MODEL[::-1])
    assert np.array_equal(match(axis, MODEL, "m").apply(profile), profile[..., 30:142][..., ::-1])


@given(offset=st.floats(-0.9, 0.9), stretch=st.floats(0.6, 1.01))
def test_a_similar_axis_is_interpolated_to_better_than_the_noise(offset: float, stretch: float) -> None:
    n_sample = int(np.ceil(112 / stretch)) + 4
    axis = MODEL[0] + STEP * (offset - 1 + stretch * np.arange(n_sample))
    found = match(axis, MODEL, "m").apply(_line(axis))
    assert np.abs(found - _line(MODEL)).max() < 5e-3
    assert np.sqrt(np.mean((found - _line(MODEL)) ** 2)) < 1e-3


def test_weights_add_up_to_one_and_the_edge_is_repeated() -> None:
    axis = MODEL[:-3] + 0.3 * STEP
    found = match(axis, MODEL, "m")
    assert np.allclose(found.weight.sum(axis=1), 1, atol=1e-6)
    profile = _line(axis)
    assert np.allclose(found.apply(profile)[..., -3:], profile[..., -1:], atol=1e-6)


def test_a_missing_sample_spoils_only_what_is_made_of_it() -> None:
    axis = MODEL + 0.5 * STEP
    profile = _line(axis)
    profile[0, 1, 40] = np.nan
    missing = np.isnan(match(axis, MODEL, "m").apply(profile))
    assert np.flatnonzero(missing[0, 1]).tolist() == [39, 40, 41, 42]
    assert missing.sum() == 4


def test_a_missing_sample_with_weight_zero_spoils_nothing() -> None:
    axis = np.append(MODEL[:-1], MODEL[-1] + 0.1 * STEP)  # all but one sample coincide
    profile = _line(axis)
    profile[0, 0, 50] = np.nan
    assert np.flatnonzero(np.isnan(match(axis, MODEL, "m").apply(profile))[0, 0]).tolist() == [50]


@pytest.mark.parametrize(
    ("axis", "reason"),
    [
        (MODEL + 1.74, "covers only"),  # vacuum wavelengths
        (MODEL[4:], "covers only"),
        (MODEL[:-4], "covers only"),
        (MODEL[::2], "steps"),
        (MODEL[0] + 0.23 * STEP * np.arange(490), "steps"),
        (np.delete(MODEL, slice(40, 43)) + 0.1 * STEP, "steps"),
        (15648.0 + 0.04 * np.arange(100), "0 samples there"),
        (MODEL[:3], "samples there"),
    ],
)
def test_an_axis_that_does_not_fit_is_refused_with_both_axes(axis: np.ndarray, reason: str) -> None:
    with pytest.raises(SpectraError, match=reason) as caught:
        match(axis, MODEL, "hinode-sp/1")
    assert "hinode-sp/1 reads 112 samples" in str(caught.value)


def test_a_model_of_two_regions_is_read_region_by_region() -> None:
    model = np.concatenate([6301.0 + 0.02 * np.arange(40), 6310.0 + 0.02 * np.arange(40)])
    axis = model + 0.006
    profile = np.sin(axis * 8)[None, None].repeat(4, 1).astype(np.float32)
    expected = np.sin(model * 8)[None, None].repeat(4, 1)
    found = match(axis, model, "m").apply(profile)
    assert np.abs(found - expected).max() < 0.06  # the first sample of each region is repeated
    inner = np.r_[1:40, 41:80]
    assert np.abs(found - expected)[..., inner].max() < 1e-3


def test_regions_may_be_sampled_differently() -> None:
    axis = np.concatenate([6301 + 0.01 * np.arange(30), 15648 + 0.06 * np.arange(20), [15660.0]])
    assert split_regions(axis) == [slice(0, 30), slice(30, 50), slice(50, 51)]
    assert split_regions(axis[:30]) == [slice(0, 30)]
    assert split_regions(np.array([6173.0, 6173.16, 6173.23, 6173.3, 6173.37])) == [slice(0, 5)]


FILTERGRAPH = 6173.3 + 0.0688 * (np.arange(6) - 2.5)


def test_a_filtergraphs_samples_are_picked_not_interpolated() -> None:
    profile = np.arange(24, dtype=np.float32).reshape(1, 4, 6)
    found = match(FILTERGRAPH + 0.001, FILTERGRAPH, "m")
    assert found.exact
    assert np.array_equal(found.apply(profile), profile)
    with pytest.raises(SpectraError, match=r"6 samples .* so few are not interpolated"):
        match(FILTERGRAPH + 0.005, FILTERGRAPH, "m")


def test_a_filtergraph_beside_a_spectrograph() -> None:
    model = np.concatenate([FILTERGRAPH, MODEL])
    axis = np.concatenate([FILTERGRAPH + 0.001, MODEL + 0.3 * STEP])
    profile = np.concatenate([np.full((1, 4, 6), 7, np.float32), _line(axis[6:])], axis=2)
    found = match(axis, model, "m").apply(profile)
    assert np.array_equal(found[..., :6], profile[..., :6])
    assert np.abs(found[..., 6:] - _line(MODEL)).max() < 5e-3
