"""A tiny linear model for tests, made without TensorFlow, of which every answer is known in closed form.

For whoever tests a client, a deployment or this service: `write_linear_model` puts a complete model into a
repository, `linear_answer` says what it must return. Needs the `onnx` package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.card import Card
from stokeswarm.inference.repository import CARD_FILE, MODEL_FILE
from stokeswarm.inference.session import (
    ATMOSPHERE,
    ERROR,
    FEATURES,
    INPUT,
    NOVELTY,
    SCALARS,
    SCALARS_ERROR,
)

Float32s = npt.NDArray[np.float32]

WAVELENGTH: Final[npt.NDArray[np.float64]] = 6301.0 + 0.02 * np.arange(24, dtype=np.float64)
LOG_TAU: Final = np.array([0.5, -0.5, -1.5, -3.0])
#: quantity → value for a zero profile, and standard deviation of the matrix times its number of rows
_QUANTITIES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (5000.0, 1000.0),
    "field_strength": (1000.0, 200.0),
    "velocity": (0.0, 2.0),
    "inclination": (90.0, 10.0),
    "azimuth": (45.0, 10.0),
    "microturbulence": (1.0, 0.2),
}
_MACROTURBULENCE: Final = (1.5, 0.3)
#: of an extended model: predicted error over the absolute value, and number of features
_RELATIVE_ERROR: Final = 0.1
N_FEATURE: Final = 3
_OPSET: Final = 18
_IR_VERSION: Final = 9


def linear_weights(n_wavelength: int, n_node: int) -> tuple[Float32s, Float32s]:
    """Matrix (4·n_wavelength, n_output) and bias (n_output,) of the model; the last output is vmac."""
    generator = np.random.default_rng(6302)
    scale = np.array([slope for _, slope in _QUANTITIES.values()]).repeat(n_node)
    bias = np.array([value for value, _ in _QUANTITIES.values()]).repeat(n_node)
    scale, bias = np.append(scale, _MACROTURBULENCE[1]), np.append(bias, _MACROTURBULENCE[0])
    matrix = generator.standard_normal((4 * n_wavelength, scale.size)) * scale / (4 * n_wavelength)
    return matrix.astype(np.float32), bias.astype(np.float32)


def linear_answer(stokes: Float32s, n_node: int) -> tuple[Float32s, Float32s, Float32s]:
    """What the model returns for profiles (n, 4, n_wavelength): atmosphere, scalars, raw novelty.

    The novelty is the mean absolute profile value.
    """
    flat = stokes.reshape(stokes.shape[0], -1)
    matrix, bias = linear_weights(stokes.shape[2], n_node)
    answer = flat @ matrix + bias
    atmosphere = answer[:, :-1].reshape(stokes.shape[0], len(_QUANTITIES), n_node)
    return atmosphere, answer[:, -1:], np.abs(flat).mean(axis=1)


def linear_extras(stokes: Float32s, n_node: int) -> tuple[Float32s, Float32s, Float32s]:
    """What an extended model returns besides: errors of atmosphere and scalars, and features.

    The errors are a tenth of the absolute values, the features the first ones of the profile.
    """
    atmosphere, scalars, _ = linear_answer(stokes, n_node)
    features = stokes.reshape(stokes.shape[0], -1)[:, :N_FEATURE].copy()
    relative = np.float32(_RELATIVE_ERROR)
    return relative * np.abs(atmosphere), relative * np.abs(scalars), features


def linear_onnx(n_wavelength: int, n_node: int, *, extended: bool = False) -> bytes:
    """The model as ONNX.

    Parameters
    ----------
    n_wavelength, n_node : int
    extended : bool
        With errors and features; without, a model as the first ones were.
    """
    from onnx import TensorProto, helper, numpy_helper

    matrix, bias = linear_weights(n_wavelength, n_node)
    n_flat = 4 * n_wavelength
    constants: dict[str, npt.NDArray[Any]] = {
        "flat_shape": np.array([-1, n_flat], np.int64),
        "nodes_shape": np.array([-1, len(_QUANTITIES), n_node], np.int64),
        "matrix": matrix[:, :-1],
        "bias": bias[:-1],
        "scalar_matrix": matrix[:, -1:],
        "scalar_bias": bias[-1:],
        "axis": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", [INPUT, "flat_shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["nodes"]),
        helper.make_node("Reshape", ["nodes", "nodes_shape"], [ATMOSPHERE]),
        helper.make_node("Gemm", ["flat", "scalar_matrix", "scalar_bias"], [SCALARS]),
        helper.make_node("Abs", ["flat"], ["absolute"]),
        helper.make_node("ReduceMean", ["absolute", "axis"], [NOVELTY], keepdims=0),
    ]
    shapes: dict[str, list[str | int | None]] = {
        ATMOSPHERE: ["batch", len(_QUANTITIES), n_node],
        SCALARS: ["batch", 1],
        NOVELTY: ["batch"],
    }
    if extended:
        constants |= {
            "relative": np.array(_RELATIVE_ERROR, np.float32),
            "picked": np.eye(n_flat, N_FEATURE, dtype=np.float32),
        }
        nodes += [
            helper.make_node("Abs", [ATMOSPHERE], ["atmosphere_size"]),
            helper.make_node("Mul", ["atmosphere_size", "relative"], [ERROR]),
            helper.make_node("Abs", [SCALARS], ["scalars_size"]),
            helper.make_node("Mul", ["scalars_size", "relative"], [SCALARS_ERROR]),
            helper.make_node("MatMul", ["flat", "picked"], [FEATURES]),
        ]
        shapes |= {
            ERROR: ["batch", len(_QUANTITIES), n_node],
            SCALARS_ERROR: ["batch", 1],
            FEATURES: ["batch", N_FEATURE],
        }
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 4, n_wavelength])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [numpy_helper.from_array(np.asarray(values, order="C"), name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    data: bytes = model.SerializeToString()
    return data


def linear_card(name: str = "tiny", version: str = "1", digest: str = "0" * 64) -> Card:
    """The card of the model, of 24 samples and 4 nodes; novelty is 1 at a mean absolute value of 0.5."""
    return Card(
        instrument=name,
        version=version,
        digest=digest,
        wavelength=WAVELENGTH,
        reference=ContinuumReference.DISC_CENTRE,
        log_tau=LOG_TAU,
        quantities=tuple(_QUANTITIES),
        scalars=("macroturbulence",),
        novelty_threshold=0.5,
        title="A linear model for tests",
        licence="BSD-3-Clause",
        novelty_method="mean absolute profile value",
    )


def write_linear_model(
    root: Path, name: str = "tiny", version: str = "1", card: Card | None = None, model: bytes | None = None
) -> Path:
    """Put a model into a repository.

    Parameters
    ----------
    root : Path
    name, version : str
    card : Card, optional
        Instead of `linear_card`; its digest is set to the model's.
    model : bytes, optional
        Instead of the ONNX file that fits the card.

    Returns
    -------
    Path
        The model's folder.
    """
    card = linear_card(name, version) if card is None else card
    data = linear_onnx(card.wavelength.size, card.log_tau.size) if model is None else model
    folder = root / name / version
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(data)
    card = replace(card, digest=hashlib.sha256(data).hexdigest())
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")
    return folder
