"""What a training run can be told. Imports nothing heavy, so that ``--help`` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: log τ₅₀₀₀ of the output nodes, deepest first: the whole range of the usual depth axis (so that nothing is
#: extrapolated), dense where Fe I 6301/6302 form (log τ = 0 … −2)
DEFAULT_NODES: Final = (1.2, 0.6, 0.2, -0.2, -0.6, -1.0, -1.5, -2.0, -2.8, -4.0)


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Training parameters.

    Attributes
    ----------
    epochs : int
        The learning rate falls to zero over so many (half a cosine).
    minutes : float
        Stop after so much wall time, with what has been learnt; 0 = no limit.
    patience : int
        Epochs without a better validation loss after which training stops.
    seed : int
        Of initial weights, split, order, noise and augmentation.
    noise : float
        Standard deviation added to I, Q, U, V, of the continuum. Each profile gets its own, between half
        and twice this value, anew in every epoch.
    filters : int
        Of each convolution.
    learning_rate : float
        Of AdaMax, at the beginning.
    batch : int
        Profiles a step.
    dropout : float
        Share of the convolutions' output left out at each step.
    validation : float
        Share of the profiles that is not trained on.
    threads : int
        TensorFlow's.
    log_tau : tuple of float
        Output nodes, strictly decreasing.

    Raises
    ------
    ValueError
        On construction, a value is out of range.
    """

    epochs: int = 60
    minutes: float = 0.0
    patience: int = 12
    seed: int = 6302
    noise: float = 1e-3
    filters: int = 64
    learning_rate: float = 2e-3
    batch: int = 64
    dropout: float = 0.15
    validation: float = 0.1
    threads: int = 1
    log_tau: tuple[float, ...] = DEFAULT_NODES

    def __post_init__(self) -> None:
        checks: dict[str, tuple[float, float, float]] = {
            "epochs": (self.epochs, 1, 100_000),
            "minutes": (self.minutes, 0, 1e6),
            "patience": (self.patience, 1, 100_000),
            "seed": (self.seed, 0, 2**31 - 1),
            "noise": (self.noise, 0, 1),
            "filters": (self.filters, 1, 4096),
            "learning rate": (self.learning_rate, 1e-8, 1),
            "batch": (self.batch, 1, 65536),
            "dropout": (self.dropout, 0, 0.95),
            "validation": (self.validation, 0.01, 0.5),
            "threads": (self.threads, 1, 1024),
        }
        for name, (value, low, high) in checks.items():
            if not low <= value <= high:
                raise ValueError(f"{name}: expected {low:g}–{high:g}, found {value}")
        nodes = self.log_tau
        if not nodes or any(high <= low for high, low in pairwise(nodes)):
            raise ValueError(f"nodes: expected strictly decreasing log tau, found {nodes}")
