"""Bringing profiles to order one: the same in numpy, in Keras and in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from stokeswarm.inference import novelty
from stokeswarm.inference.fitting import prepare_tensorflow
from stokeswarm.inference.normalisation import Normalisation
from stokeswarm.inference.settings import TrainSettings

WAVELENGTH = 6302.4936 + 0.0215 * (np.arange(190) - 94.5)
LINE_SHAPE = 4


@pytest.fixture(scope="module")
def shallow(milne_eddington: Callable[..., np.ndarray]) -> np.ndarray:
    """Lines a tenth of the continuum deep on a long axis, of many brightnesses, (1200, 4, 190) float32."""
    rng = np.random.default_rng(3)
    field, velocity = rng.uniform(0, 2000, 1200), rng.uniform(-4, 4, 1200)
    inclination, azimuth = rng.uniform(0, 180, (2, 1200))
    strength, slope = rng.uniform(1, 3, 1200), rng.uniform(0.05, 0.15, 1200)
    stokes = milne_eddington(field, velocity, inclination, azimuth, strength, slope, WAVELENGTH)
    stokes = (stokes + rng.normal(0, 5e-4, stokes.shape)) * rng.uniform(0.6, 1.2, (1200, 1, 1))
    return stokes.astype(np.float32)


def _rows(views: np.ndarray) -> np.ndarray:
    return views.reshape(len(views), -1)


def test_rounding_moves_no_line_shape_as_a_whole(shallow: np.ndarray) -> None:
    normalisation = Normalisation.fit(shallow, (slice(0, 100), slice(100, 190)))
    single = normalisation.views(shallow)
    double = normalisation.views(shallow.astype(np.float64))
    assert single.dtype == np.float32
    # A mean in single precision is off by up to 4e-5 here.
    assert np.abs((single - double)[:, LINE_SHAPE].mean(axis=1)).max() < 1e-6


def test_components_of_shallow_lines_are_the_same_in_every_library(shallow: np.ndarray) -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow (pip install stokeswarm[train])")
    tf2onnx = pytest.importorskip("tf2onnx", reason="needs tf2onnx (pip install stokeswarm[train])")
    # All that use TensorFlow in one process need the same number of threads.
    prepare_tensorflow(TrainSettings(threads=1))
    import keras
    import onnxruntime
    import tensorflow as tf
    from keras import layers, ops

    normalisation = Normalisation.fit(shallow, (slice(0, WAVELENGTH.size),))
    known, new = shallow[:1000], shallow[1000:]
    rows = [_rows(normalisation.views(part)) for part in (known, new)]
    basis = novelty.fit(*rows, 4 * WAVELENGTH.size, normalisation.line)
    profile = keras.Input((4, WAVELENGTH.size), dtype="float32", name="stokes")
    views = ops.reshape(normalisation.views(profile, ops), (-1, rows[0].shape[1]))
    names = ("coefficients", "residuals")
    projected = zip(names, basis.project(views, ops), strict=True)
    model = keras.Model(profile, [layers.Identity(name=name)(values) for name, values in projected])
    signature = (tf.TensorSpec((None, 4, WAVELENGTH.size), tf.float32, name="stokes"),)
    proto, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=18)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])

    in_keras = [np.asarray(values) for values in tf.function(model)(new)]
    in_onnx, in_numpy = session.run(None, {"stokes": new}), basis.project(rows[1])
    # With the line shape in single precision all of these differ by 2e-5 and 7e-4.
    for number, (onnx_limit, numpy_limit) in enumerate(((1e-6, 5e-6), (1e-5, 1e-4))):
        assert np.abs(in_keras[number] - in_onnx[number]).max() < onnx_limit, names[number]
        assert np.abs(in_keras[number] - in_numpy[number]).max() < numpy_limit, names[number]
