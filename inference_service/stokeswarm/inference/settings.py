"""What a training run can be told. Imports nothing heavy, so that ``--help`` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: log τ₅₀₀₀ of the output nodes, deepest first: the whole range of the usual depth axis (so that nothing is
#: extrapolated), dense where Fe I 6301/6302 form (log τ = 0 … −2)
DEFAULT_NODES: Final = (1.2, 0.6, 0.2, -0.2, -0.6, -1.0, -1.5, -2.0, -2.8, -4.0)


#: architecture → what a setting of 0 stands for
ARCHITECTURES: Final[Mapping[str, Mapping[str, float]]] = {
    "stokeswarm": {"filters": 32, "learning_rate": 3e-3, "batch": 128, "dropout": 0.0, "beta": 0.5},
    "paper": {"filters": 64, "learning_rate": 2e-3, "batch": 64, "dropout": 0.15, "beta": 1.0},
}


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Training parameters.

    Attributes
    ----------
    architecture : str
        One of `ARCHITECTURES`; see `architectures`.
    epochs : int
        The learning rate falls to zero over so many (half a cosine).
    minutes : float
        Stop after so much wall time, with what has been learnt; 0 = no limit. The learning rate then falls
        with the clock where that is ahead of the epochs, so that only a limit that is not reached leaves
        training reproducible.
    patience : int
        Epochs without a better validation loss after which training stops.
    seed : int
        Of initial weights, split, order, noise and augmentation.
    noise : float
        Standard deviation added to I, Q, U, V, of the continuum. Each profile gets its own, between half
        and twice this value, anew in every epoch.
    symmetries : bool
        Let the network know that the observer's frame may be turned and mirrored.
    width, blocks : int
        Neurons of a dense layer and number of residual blocks, of the architecture ``stokeswarm``.
    filters : int
        Of each convolution; 0 = the architecture's own.
    learning_rate : float
        At the beginning; 0 = the architecture's own.
    batch : int
        Profiles a step; 0 = the architecture's own.
    dropout : float
        Share of a layer's output left out at each step; −1 = the architecture's own.
    beta : float
        Of the `likelihood`, 0 to 1; −1 = the architecture's own.
    validation : float
        Share of the profiles for validation, and again as much for the test.
    threads : int
        TensorFlow's.
    log_tau : tuple of float
        Output nodes, strictly decreasing.

    Raises
    ------
    ValueError
        On construction, a value is out of range.
    """

    architecture: str = "stokeswarm"
    epochs: int = 60
    minutes: float = 0.0
    patience: int = 12
    seed: int = 6302
    noise: float = 1e-3
    symmetries: bool = True
    width: int = 256
    blocks: int = 3
    filters: int = 0
    learning_rate: float = 0.0
    batch: int = 0
    dropout: float = -1.0
    beta: float = -1.0
    validation: float = 0.1
    threads: int = 2
    log_tau: tuple[float, ...] = DEFAULT_NODES

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"architecture: expected {' or '.join(ARCHITECTURES)}, found {self.architecture!r}"
            )
        for name, value in ARCHITECTURES[self.architecture].items():
            given = getattr(self, name)
            if given == (-1.0 if name in ("dropout", "beta") else 0):
                object.__setattr__(self, name, type(given)(value))
        checks: dict[str, tuple[float, float, float]] = {
            "epochs": (self.epochs, 1, 100_000),
            "minutes": (self.minutes, 0, 1e6),
            "patience": (self.patience, 1, 100_000),
            "seed": (self.seed, 0, 2**31 - 1),
            "noise": (self.noise, 0, 1),
            "width": (self.width, 1, 65536),
            "blocks": (self.blocks, 0, 100),
            "filters": (self.filters, 1, 4096),
            "learning rate": (self.learning_rate, 1e-8, 1),
            "batch": (self.batch, 1, 65536),
            "dropout": (self.dropout, 0, 0.95),
            "beta": (self.beta, 0, 1),
            "validation": (self.validation, 0.01, 0.4),
            "threads": (self.threads, 1, 1024),
        }
        for name, (value, low, high) in checks.items():
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low:g}–{high:g}, found {value}")
        nodes = self.log_tau
        if not nodes or any(high <= low for high, low in pairwise(nodes)):
            raise ValueError(f"nodes: expected strictly decreasing log tau, found {nodes}")

    @property
    def oriented(self) -> bool:
        """Whether the network sees every profile in the profile's own frame (see `frame`)."""
        return self.symmetries and self.architecture != "paper"
