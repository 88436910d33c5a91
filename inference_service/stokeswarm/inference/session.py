"""One network in ONNX Runtime: verified against its card, run in batches of one fixed size.

Every call carries exactly `batch` rows, the last one padded. That serves two ends: ONNX Runtime is fastest
at some tens of rows, and matrix kernels round differently for different row counts, so with a varying size
a pixel's start would depend, in the last digits, on which pixels happened to share its tile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from stokeswarm.contract.errors import CancelledByCallerError, FailedPreconditionError
from stokeswarm.inference.card import Card
from stokeswarm.inference.repository import ModelError

Float32s = npt.NDArray[np.float32]

INPUT: Final = "stokes"
ATMOSPHERE: Final = "atmosphere"
SCALARS: Final = "scalars"
NOVELTY: Final = "novelty"
#: predicted 1σ of the atmosphere and of the scalars, in their shapes and units; a model may lack them
ERROR: Final = "error"
SCALARS_ERROR: Final = "scalars_error"
#: (n, n_feature); a model may lack them, and they are computed only where somebody asks
FEATURES: Final = "features"
#: most numbers a pixel that features may be
MAX_FEATURES: Final = 1024

CPU_PROVIDER: Final = "CPUExecutionProvider"
GPU_PROVIDER: Final = "CUDAExecutionProvider"
#: rows of a call; 16–64 are equally fast on a CPU core, and small ones pad single pixels less
CPU_BATCH: Final = 32
#: a GPU needs more rows to be busy
GPU_BATCH: Final = 1024
#: of ONNX Runtime: 3 = errors only; what we need to know we raise
_LOG_SEVERITY: Final = 3

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How networks are run.

    Attributes
    ----------
    threads : int
        ONNX Runtime's threads inside one call. 1 is the most pixels a core second where several requests
        run beside each other.
    require_gpu : bool
        A model that would run on the CPU is an error.
    batch : int
        Rows of every call; 0 = 32 on a CPU, 1024 on a GPU.

    Raises
    ------
    ValueError
        On construction, a number is out of range.
    """

    threads: int = 1
    require_gpu: bool = False
    batch: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= 1024:
            raise ValueError(f"threads: expected 1–1024, found {self.threads}")
        if not 0 <= self.batch <= 65536:
            raise ValueError(f"batch: expected 0–65536, found {self.batch}")


@dataclass(frozen=True, slots=True)
class Output:
    """What a network says of n pixels.

    Attributes
    ----------
    atmosphere : ndarray (n, n_quantity, n_node) float32
        In the card's order, physical units.
    scalars : ndarray (n, n_scalar) float32
    novelty : ndarray (n,) float32
        In the network's own units.
    error : ndarray (n, n_quantity, n_node) float32 or None
        Predicted 1σ of the atmosphere; None where the network predicts none.
    scalars_error : ndarray (n, n_scalar) float32 or None
    features : ndarray (n, n_feature) float32 or None
        None where the network has none, or nobody asked.
    """

    atmosphere: Float32s
    scalars: Float32s
    novelty: Float32s
    error: Float32s | None = None
    scalars_error: Float32s | None = None
    features: Float32s | None = None

    def arrays(self) -> dict[str, Float32s]:
        """What is there, by the name of the network's output."""
        named = {
            ATMOSPHERE: self.atmosphere,
            SCALARS: self.scalars,
            NOVELTY: self.novelty,
            ERROR: self.error,
            SCALARS_ERROR: self.scalars_error,
            FEATURES: self.features,
        }
        return {name: values for name, values in named.items() if values is not None}


def _never() -> bool:
    return False


class Session:
    """A loaded, verified and warm network; `run` may be called from several threads at once.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    card : Card
    options : SessionOptions

    Raises
    ------
    ModelError
        ONNX Runtime refuses the file, its inputs or outputs are not the card's, or its answer to the
        warm-up profile is not finite.
    FailedPreconditionError
        A GPU is required and the session does not run on one.
    """

    def __init__(self, model: bytes, card: Card, options: SessionOptions) -> None:
        self._card = card
        self._session = _create(model, options)
        self.provider: str = self._session.get_providers()[0]
        if options.require_gpu and self.provider != GPU_PROVIDER:
            raise FailedPreconditionError(
                f"a GPU is required, but ONNX Runtime {onnxruntime.__version__} runs this model on "
                f"{self.provider} (available: {', '.join(onnxruntime.get_available_providers())})"
            )
        self.batch = options.batch or (GPU_BATCH if self.provider == GPU_PROVIDER else CPU_BATCH)
        self._shapes = _check_interface(self._session, card)
        self._warm_up()

    @property
    def n_feature(self) -> int:
        """Numbers a pixel that features are; 0 where the network has none."""
        return self._shapes[FEATURES][0] if FEATURES in self._shapes else 0

    def run(
        self, stokes: Float32s, cancelled: Callable[[], bool] = _never, *, features: bool = False
    ) -> Output:
        """Feed profiles through the network.

        Parameters
        ----------
        stokes : ndarray (n, 4, n_wavelength) float32
            Finite, on the card's axis. Not-a-number in gives not-a-number out, without a word.
        cancelled : callable () -> bool
            Looked at before every batch.
        features : bool
            Also return the features, where the network has any.

        Raises
        ------
        CancelledByCallerError
            ``cancelled`` became true.
        """
        n_pixel = stokes.shape[0]
        wanted = [name for name in self._shapes if features or name != FEATURES]
        parts = {name: np.empty((n_pixel, *self._shapes[name]), np.float32) for name in wanted}
        block = np.zeros((self.batch, 4, self._card.wavelength.size), np.float32)
        for first in range(0, n_pixel, self.batch):
            if cancelled():
                raise CancelledByCallerError("the caller went away")
            n_row = min(self.batch, n_pixel - first)
            block[:n_row] = stokes[first : first + n_row]
            block[n_row:] = block[0]
            for name, values in zip(wanted, self._call(block, wanted), strict=True):
                parts[name][first : first + n_row] = values[:n_row]
        # a card without scalars has a graph without that output
        parts.setdefault(SCALARS, np.empty((n_pixel, 0), np.float32))
        return Output(**parts)

    def _call(self, block: Float32s, names: list[str]) -> list[Any]:
        values: list[Any] = self._session.run(names, {INPUT: block})
        return values

    def _warm_up(self) -> None:
        # An unpolarised continuum: every network must stand it, and the first tile finds memory allocated.
        block = np.zeros((self.batch, 4, self._card.wavelength.size), np.float32)
        block[:, 0] = 1.0
        names = list(self._shapes)
        try:
            values = self._call(block, names)
        except Exception as error:  # ONNX Runtime's exceptions have no common base but this
            raise ModelError(f"the network fails on a flat profile: {_first_line(error)}") from error
        for name, value in zip(names, values, strict=True):
            shape = (self.batch, *self._shapes[name])
            if value.shape != shape:
                raise ModelError(f"output {name!r}: expected shape {shape}, found {value.shape}")
            if not np.isfinite(value).all():
                raise ModelError(f"output {name!r}: not finite for a flat, unpolarised profile")


def _create(model: bytes, options: SessionOptions) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = _LOG_SEVERITY
    # Spinning threads would take the cores from the inversion slots beside them.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # CUDA is listed as available even where no device answers; the caller asserts what came of it.
    wanted = [p for p in (GPU_PROVIDER, CPU_PROVIDER) if p in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(model, settings, providers=wanted)
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        raise ModelError(f"ONNX Runtime refuses the model: {_first_line(error)}") from error


def _check_interface(session: Any, card: Card) -> dict[str, tuple[int, ...]]:
    """The outputs to ask for and their shapes; ModelError where the graph is not the card's."""
    inputs = session.get_inputs()
    if [node.name for node in inputs] != [INPUT]:
        raise ModelError(f"inputs: expected one named {INPUT!r}, found {[node.name for node in inputs]}")
    _check_node("input", inputs[0], (4, card.wavelength.size))
    stratified, scalar = (len(card.quantities), card.log_tau.size), (len(card.scalars),)
    wanted: dict[str, tuple[int, ...]] = {ATMOSPHERE: stratified, NOVELTY: ()}
    optional: dict[str, tuple[int, ...]] = {ERROR: stratified}
    if card.scalars:
        wanted[SCALARS], optional[SCALARS_ERROR] = scalar, scalar
    outputs = {node.name: node for node in session.get_outputs()}
    if FEATURES in outputs:
        optional[FEATURES] = (_n_feature(outputs[FEATURES]),)
    if not set(wanted) <= set(outputs) <= {*wanted, *optional}:
        raise ModelError(
            f"outputs: expected {sorted(wanted)} and perhaps {sorted({*optional, FEATURES})}, "
            f"found {sorted(outputs)}"
        )
    if card.scalars and (ERROR in outputs) != (SCALARS_ERROR in outputs):
        raise ModelError(f"outputs: {ERROR!r} and {SCALARS_ERROR!r} belong together, found only one of them")
    wanted |= {name: shape for name, shape in optional.items() if name in outputs}
    for name, shape in wanted.items():
        _check_node("output", outputs[name], shape)
    return wanted


def _n_feature(node: Any) -> int:
    size = node.shape[1] if len(node.shape) > 1 else None
    if not isinstance(size, int) or not 1 <= size <= MAX_FEATURES:
        raise ModelError(
            f"output {FEATURES!r}: expected (batch, n) with n from 1 to {MAX_FEATURES}, found {node.shape}"
        )
    return size


def _check_node(kind: str, node: Any, shape: tuple[int, ...]) -> None:
    if node.type != "tensor(float)":
        raise ModelError(f"{kind} {node.name!r}: expected float32, found {node.type}")
    if isinstance(node.shape[0] if node.shape else 0, int):
        raise ModelError(f"{kind} {node.name!r}: the first dimension must be free, found {node.shape}")
    # A dimension that the graph leaves open is checked by the warm-up.
    fixed = all(not isinstance(f, int) or f == s for f, s in zip(node.shape[1:], shape, strict=False))
    if len(node.shape) != len(shape) + 1 or not fixed:
        raise ModelError(f"{kind} {node.name!r}: expected (batch, {shape}), found {node.shape}")


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300]
