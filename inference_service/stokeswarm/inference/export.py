"""From Keras to a model of the repository: ONNX, checked against Keras, with its card, in one step."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import DataLossError, OutputExistsError
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
    Output,
    Session,
    SessionOptions,
)
from stokeswarm.inference.targets import HALF_WEIGHT

Float32s = npt.NDArray[np.float32]

#: newest operator set that tf2onnx 1.17 accepts for Keras 3
OPSET: Final = 18
#: outputs of the served Keras model, in order
OUTPUTS: Final = (ATMOSPHERE, SCALARS, NOVELTY, ERROR, SCALARS_ERROR, FEATURES)
#: allowed difference between Keras and ONNX Runtime, relative to each quantity's spread
PARITY: Final = 1e-5
_BATCH: Final = "batch"
#: values of a constant below which the cast is as large as what it saves
_WORTH_SHRINKING: Final = 256


def to_onnx(served: Any, card: Card, n_feature: int) -> bytes:
    """Convert the served Keras model.

    Parameters
    ----------
    served : keras.Model
        Functional; one input, outputs in the order of `OUTPUTS`.
    card : Card
        Its identity goes into the file's metadata.
    n_feature : int

    Returns
    -------
    bytes
    """
    import tensorflow as tf
    import tf2onnx
    from onnx import checker

    # It reports every optimiser pass at the level INFO of whoever set up logging.
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    signature = (tf.TensorSpec((None, 4, card.wavelength.size), tf.float32, name=INPUT),)
    model, _ = tf2onnx.convert.from_keras(served, input_signature=signature, opset=OPSET)
    _rename(model.graph, dict(zip((node.name for node in model.graph.output), OUTPUTS, strict=True)))
    stratified, scalar = (len(card.quantities), card.log_tau.size), (len(card.scalars),)
    shapes: dict[str, tuple[int, ...]] = {
        INPUT: (4, card.wavelength.size),
        ATMOSPHERE: stratified,
        SCALARS: scalar,
        NOVELTY: (),
        ERROR: stratified,
        SCALARS_ERROR: scalar,
        FEATURES: (n_feature,),
    }
    for node in (*model.graph.input, *model.graph.output):
        _set_shape(node, shapes[node.name])
    _shrink(model.graph)
    model.graph.name = card.instrument
    model.model_version = int(card.version)
    del model.metadata_props[:]
    for key, value in (("instrument", card.instrument), ("version", card.version), ("title", card.title)):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def check_parity(expected: Output, model: bytes, card: Card, stokes: Float32s) -> float:
    """Compare ONNX Runtime with Keras.

    Parameters
    ----------
    expected : Output
        What Keras says.
    model : bytes
    card : Card
    stokes : ndarray (n, 4, n_wavelength) float32

    Returns
    -------
    float
        Largest difference, relative to the spread (largest minus smallest) of the quantity over profiles and
        nodes; of a predicted error, too, to that of its quantity. Azimuths are compared around the circle,
        relative to 180°, and they and their errors with the weight that azimuths have in training: where the
        field has no transverse part, the angle of two vanishing numbers magnifies their rounding.

    Raises
    ------
    DataLossError
        It exceeds `PARITY`; the message names the quantity.
    """
    found = (
        Session(model, card, SessionOptions()).run(stokes, features=expected.features is not None).arrays()
    )
    part = dict(zip(card.quantities, np.moveaxis(expected.atmosphere, 1, 0), strict=True))
    square = part["field_strength"] ** 2
    known = np.sin(np.deg2rad(part["inclination"])) ** 2 * square / (square + HALF_WEIGHT["azimuth"] ** 2)
    spreads = {name: float(np.ptp(values)) for name, values in part.items()}
    worst: dict[str, float] = {}
    for output, values in expected.arrays().items():
        for name, a, b in _columns(output, values, found[output], card):
            difference, spread = np.abs(a - b), float(np.ptp(a))
            if name == f"{ATMOSPHERE} azimuth":
                difference, spread = known * np.minimum(difference, 180.0 - difference), 180.0
            elif name == f"{ERROR} azimuth":
                difference = known * difference
            if name.startswith(f"{ERROR} "):
                spread = max(spread, spreads[name.removeprefix(f"{ERROR} ")])
            worst[name] = float(difference.max()) / max(spread, float(np.finfo(np.float32).tiny))
    name, largest = max(worst.items(), key=lambda item: item[1])
    if not largest <= PARITY:
        raise DataLossError(
            f"{name}: ONNX Runtime differs from Keras by {largest:.2g} of its spread, at most {PARITY:g} is "
            "allowed"
        )
    return largest


def _columns(
    output: str, expected: Float32s, found: Float32s, card: Card
) -> Iterator[tuple[str, Float32s, Float32s]]:
    """What is compared in one piece: a quantity, a scalar, a whole output."""
    names = {ATMOSPHERE: card.quantities, ERROR: card.quantities, SCALARS: card.scalars}.get(output, ())
    if not names:
        yield output, expected, found
    for number, name in enumerate(names):
        yield f"{output} {name}", expected[:, number], found[:, number]


def write_model(root: Path, card: Card, model: bytes, *, replace_existing: bool = False) -> Path:
    """Put a model into a repository: complete, or not at all.

    Parameters
    ----------
    root : Path
        Made if needed.
    card : Card
        Its digest is set to the model's.
    model : bytes
    replace_existing : bool

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    OutputExistsError
        The model is there, and ``replace_existing`` was not given.
    """
    folder = root / card.instrument / card.version
    check_free(root, card.instrument, card.version, replace_existing=replace_existing)
    folder.parent.mkdir(parents=True, exist_ok=True)
    described = replace(card, digest=hashlib.sha256(model).hexdigest())
    # A server scans version folders that are not hidden: it never sees a half-written model.
    staging = Path(tempfile.mkdtemp(prefix=f".{card.version}-", dir=folder.parent))
    try:
        (staging / MODEL_FILE).write_bytes(model)
        (staging / CARD_FILE).write_text(described.to_json(), encoding="utf-8")
        staging.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(staging, folder)  # noqa: PTH105  # Path.replace would not say that it is a folder
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def check_free(root: Path, instrument: str, version: str, *, replace_existing: bool) -> None:
    """Raise OutputExistsError where a model is in the way: before hours of training, not after."""
    folder = root / instrument / version
    if folder.exists() and not replace_existing:
        raise OutputExistsError(f"{folder} exists; give another version, or --replace")


def _rename(graph: Any, names: dict[str, str]) -> None:
    for node in graph.node:
        for values in (node.input, node.output):
            for number, value in enumerate(values):
                values[number] = names.get(value, value)
    for value in (*graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)


def _shrink(graph: Any) -> None:
    """Store double-precision constants in single precision where nothing is lost, and cast them at the start.

    What computes in double precision was measured in single; ONNX Runtime casts once, when it loads the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in graph.initializer:
        if constant.data_type != TensorProto.DOUBLE:
            continue
        values = numpy_helper.to_array(constant)
        single = values.astype(np.float32)
        if values.size >= _WORTH_SHRINKING and np.array_equal(single, values):
            name, constant_name = constant.name, f"{constant.name}_single"
            constant.CopyFrom(numpy_helper.from_array(single, constant_name))
            casts.append(helper.make_node("Cast", [constant_name], [name], to=TensorProto.DOUBLE))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])


def _set_shape(node: Any, shape: tuple[int, ...]) -> None:
    tensor = node.type.tensor_type.shape
    del tensor.dim[:]
    tensor.dim.add().dim_param = _BATCH
    for size in shape:
        tensor.dim.add().dim_value = size
