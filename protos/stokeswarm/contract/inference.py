"""Models and predictions of the inference service, as both ends hold them in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError
from stokeswarm.contract.status import ContinuumReference, Status


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a server says of one model.

    Attributes
    ----------
    name, version : str
    digest : str
        sha256 of the ONNX file, hexadecimal.
    provider : str
        The ONNX Runtime execution provider in use.
    ready : bool
    message : str
        Why it is not ready.
    wavelength : ndarray (n_wavelength,) float64
        Å that the network reads.
    log_tau : ndarray (n_node,) float64
        Depths that it returns, strictly decreasing.
    quantities : tuple of str
    reference : ContinuumReference
    novelty_threshold : float
        In the network's own units; predictions carry novelty divided by it.
    card : str
        The model card, JSON.
    """

    name: str
    version: str
    digest: str
    provider: str
    ready: bool
    message: str
    wavelength: npt.NDArray[np.float64]
    log_tau: npt.NDArray[np.float64]
    quantities: tuple[str, ...]
    reference: ContinuumReference
    novelty_threshold: float
    card: str = "{}"


@dataclass(frozen=True, slots=True)
class Prediction:
    """Guessed atmospheres of n pixels.

    Attributes
    ----------
    model, version, digest : str
    atmosphere : Atmosphere
        On the model's nodes; NaN where a pixel has no guess.
    novelty : ndarray (n,) float32
        1 = at the threshold above which a profile is unlike the training set.
    status : tuple of Status
    message : tuple of str
    error : Atmosphere or None
        Predicted 1σ.
    features : ndarray (n, n_feature) float32 or None
        What the network's last hidden layer says of each profile: profiles alike lie close together. Only
        where asked for.
    """

    model: str
    version: str
    digest: str
    atmosphere: Atmosphere
    novelty: npt.NDArray[np.float32]
    status: tuple[Status, ...]
    message: tuple[str, ...]
    error: Atmosphere | None = None
    features: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n_pixel = len(self.atmosphere)
        if self.novelty.shape != (n_pixel,) or len(self.status) != n_pixel or len(self.message) != n_pixel:
            raise InvalidArgumentError(f"prediction: novelty, status and message must have {n_pixel} entries")
        if self.error is not None and len(self.error) != n_pixel:
            raise InvalidArgumentError(
                f"prediction: error: expected {n_pixel} pixels, found {len(self.error)}"
            )
        if self.features is not None and (self.features.ndim != 2 or len(self.features) != n_pixel):
            raise InvalidArgumentError(
                f"prediction: features: expected shape ({n_pixel}, n), found {self.features.shape}"
            )

    def __len__(self) -> int:
        return len(self.atmosphere)
