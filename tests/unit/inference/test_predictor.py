"""The transport-free core: every pixel gets its answer or its reason, whatever is beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stokeswarm.contract.errors import CancelledByCallerError, NotFoundError, SpectraError
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inference.predictor import Predictor
from stokeswarm.inference.repository import ModelError, Repository
from stokeswarm.inference.session import SessionOptions
from stokeswarm.inference.testing import (
    LOG_TAU,
    WAVELENGTH,
    linear_answer,
    linear_extras,
    linear_onnx,
    write_linear_model,
)

DISC = ContinuumReference.DISC_CENTRE


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    root = tmp_path_factory.mktemp("models")
    write_linear_model(root)
    write_linear_model(root, "broken", model=b"")
    write_linear_model(root, "full", model=linear_onnx(WAVELENGTH.size, LOG_TAU.size, extended=True))
    return Predictor(Repository([root]))


def _stokes(n_pixel: int, seed: int = 0) -> np.ndarray:
    stokes = np.random.default_rng(seed).normal(0, 0.05, (n_pixel, 4, WAVELENGTH.size))
    stokes[:, 0] += 0.9
    return stokes.astype(np.float32)


def test_answers_are_the_networks_in_physical_units(predictor: Predictor) -> None:
    stokes = _stokes(75)
    found = predictor.predict("tiny", "", Spectra(WAVELENGTH, stokes, DISC))
    atmosphere, scalars, novelty = linear_answer(stokes, LOG_TAU.size)
    assert found.status == (Status.OK,) * 75
    assert np.allclose(found.atmosphere.temperature, atmosphere[:, 0], rtol=1e-6)
    assert np.allclose(found.atmosphere.microturbulence, atmosphere[:, 5], rtol=1e-5)
    assert np.allclose(found.atmosphere.macroturbulence, scalars[:, 0], rtol=1e-5)
    assert (found.atmosphere.filling_factor == 1).all()
    assert (found.atmosphere.stray_light == 0).all()
    assert found.atmosphere.electron_pressure is None
    assert np.allclose(found.novelty, novelty / 0.5, rtol=1e-5)


def test_a_bad_pixel_gets_its_reason_and_touches_nobody(predictor: Predictor) -> None:
    stokes = _stokes(8)
    clean = predictor.predict("tiny", "1", Spectra(WAVELENGTH, stokes.copy(), DISC))
    stokes[1] = np.nan
    stokes[2] = 0
    stokes[3, 2, 7] = np.nan
    stokes[4, 0] *= 30_000
    stokes[5, 3, 0] = np.inf
    stokes[6] = 1e30 * np.sign(stokes[6])
    found = predictor.predict("tiny", "1", Spectra(WAVELENGTH, stokes, DISC))
    assert [status is Status.OK for status in found.status] == [True] + [False] * 6 + [True]
    for pixel, words in {1: "NaN", 2: "zero", 3: "Stokes U at 6301.1400", 4: "counts", 5: "infinite"}.items():
        assert words in found.message[pixel]
        assert found.status[pixel] is Status.INVALID_INPUT
    bad = slice(1, 7)
    assert all(np.isnan(values[bad]).all() for values in found.atmosphere.arrays().values())
    assert np.isnan(found.novelty[bad]).all()
    for name, values in found.atmosphere.arrays().items():
        assert np.array_equal(values[[0, 7]], clean.atmosphere.arrays()[name][[0, 7]])


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=99))
def test_a_pixels_answer_does_not_depend_on_the_tile(predictor: Predictor, pixels: list[int]) -> None:
    stokes = _stokes(100)
    whole = predictor.predict("tiny", "", Spectra(WAVELENGTH, stokes, DISC))
    part = predictor.predict("tiny", "", Spectra(WAVELENGTH, stokes[pixels], DISC))
    assert np.array_equal(part.novelty, whole.novelty[pixels])
    for name, values in whole.atmosphere.take(pixels).arrays().items():
        assert np.array_equal(part.atmosphere.arrays()[name], values)


def test_no_pixels_no_answer(predictor: Predictor) -> None:
    empty = np.empty((0, 4, WAVELENGTH.size), np.float32)
    found = predictor.predict("tiny", "", Spectra(WAVELENGTH, empty, DISC))
    assert len(found) == 0
    assert found.status == ()


def test_an_all_bad_tile_is_answered(predictor: Predictor) -> None:
    stokes = np.full((3, 4, WAVELENGTH.size), np.nan, np.float32)
    found = predictor.predict("tiny", "", Spectra(WAVELENGTH, stokes, DISC))
    assert found.status == (Status.INVALID_INPUT,) * 3


def test_the_reference_must_be_the_models(predictor: Predictor) -> None:
    with pytest.raises(SpectraError, match=r"divided by disc-centre, found local-quiet-sun"):
        predictor.predict("tiny", "", Spectra(WAVELENGTH, _stokes(1), ContinuumReference.LOCAL_QUIET_SUN))


def test_a_similar_axis_is_interpolated(predictor: Predictor) -> None:
    axis = WAVELENGTH[0] - 0.01 + 0.019 * np.arange(27)
    stokes = np.broadcast_to(0.5 + 0.3 * np.sin(6 * (axis - 6301)), (2, 4, axis.size)).astype(np.float32)
    wanted = np.broadcast_to(0.5 + 0.3 * np.sin(6 * (WAVELENGTH - 6301)), (2, 4, 24)).astype(np.float32)
    found = predictor.predict("tiny", "", Spectra(axis, stokes, DISC))
    assert np.allclose(found.atmosphere.temperature, linear_answer(wanted, 4)[0][:, 0], atol=0.5)


@pytest.mark.parametrize(
    ("name", "version", "kind", "words"),
    [
        ("nobody", "", NotFoundError, "there are: broken, full, tiny"),
        ("tiny", "7", NotFoundError, "there are: 1"),
        ("broken", "", ModelError, "not ready"),
    ],
)
def test_models_that_cannot_be_used(
    predictor: Predictor, name: str, version: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        predictor.predict(name, version, Spectra(WAVELENGTH, _stokes(1), DISC))


def test_a_cancelled_request_stops_between_batches(tmp_path: Path) -> None:
    write_linear_model(tmp_path)
    predictor = Predictor(Repository([tmp_path]), SessionOptions(batch=4))
    looks = iter([False, False, True])
    with pytest.raises(CancelledByCallerError):
        predictor.predict("tiny", "", Spectra(WAVELENGTH, _stokes(100), DISC), lambda: next(looks))


def test_errors_and_features_are_delivered_where_there_are_any(predictor: Predictor) -> None:
    stokes = _stokes(40)
    stokes[7] = np.nan
    spectra = Spectra(WAVELENGTH, stokes, DISC)
    found = predictor.predict("full", "", spectra, features=True)
    error, scalars_error, features = linear_extras(stokes, 4)
    good = np.arange(40) != 7
    assert found.error is not None
    assert found.features is not None
    assert np.allclose(found.error.velocity[good], error[good, 2], rtol=1e-5, atol=1e-7)
    assert np.allclose(found.error.macroturbulence[good], scalars_error[good, 0], rtol=1e-5)
    assert np.allclose(found.features[good], features[good], rtol=1e-5)
    assert all(np.isnan(values[7]).all() for values in found.error.arrays().values())
    assert np.isnan(found.features[7]).all()
    assert np.isnan(found.error.filling_factor).all()  # not predicted, so its error is not known
    assert (found.atmosphere.filling_factor[good] == 1).all()


def test_features_are_only_for_those_who_ask(predictor: Predictor) -> None:
    spectra = Spectra(WAVELENGTH, _stokes(3), DISC)
    assert predictor.predict("full", "", spectra).features is None
    assert predictor.predict("full", "", spectra).error is not None


def test_a_model_of_the_first_kind_still_answers(predictor: Predictor) -> None:
    found = predictor.predict("tiny", "", Spectra(WAVELENGTH, _stokes(3), DISC), features=True)
    assert found.error is None
    assert found.features is None


def test_no_pixels_no_features(predictor: Predictor) -> None:
    empty = np.empty((0, 4, WAVELENGTH.size), np.float32)
    found = predictor.predict("full", "", Spectra(WAVELENGTH, empty, DISC), features=True)
    assert found.features is not None
    assert found.features.shape == (0, 3)
