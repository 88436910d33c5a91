"""How two results of one map differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.gate import RESULTS
from stokeswarm.client.store import ResultStore
from stokeswarm.contract.atmosphere import STRATIFIED
from stokeswarm.contract.errors import InvalidArgumentError

#: quantities that are compared
QUANTITIES: Final = (
    "temperature",
    "velocity",
    "field_strength",
    "inclination",
    "azimuth",
    "microturbulence",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity at one depth: mean and rms of the differences."""

    quantity: str
    unit: str
    log_tau: float
    mean: float
    rms: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences over the pixels that both results have."""

    pixels: int
    rows: tuple[Row, ...]


def compare_stores(first: str | Path, second: str | Path, log_tau: tuple[float, ...]) -> Comparison:
    """Compare two stores, second minus first, at each store's nearest depth.

    Azimuths differ by at most 90°, since they are known up to 180°.

    Raises
    ------
    InvalidArgumentError
        The stores cover different pixels, or share none with a result.
    """
    a, b = ResultStore.read(first), ResultStore.read(second)
    if a.grid.region != b.grid.region:
        raise InvalidArgumentError(
            f"{first} covers y,x {a.grid.region}, {second} covers {b.grid.region}: expected the same pixels"
        )
    both = np.isin(a.map("fit/status"), RESULTS) & np.isin(b.map("fit/status"), RESULTS)
    if not both.any():
        raise InvalidArgumentError(f"{first} and {second} have no pixel with a result in both")
    rows = []
    for quantity in QUANTITIES:
        one, two = a.map(f"atmosphere/{quantity}"), b.map(f"atmosphere/{quantity}")
        for depth in log_tau:
            difference = _at(two, b, depth)[both] - _at(one, a, depth)[both]
            if quantity == "azimuth":
                difference = (difference + 90.0) % 180.0 - 90.0
            mean, rms = float(difference.mean()), float(np.sqrt((difference**2).mean()))
            rows.append(Row(quantity, STRATIFIED[quantity], depth, mean, rms))
    return Comparison(int(both.sum()), tuple(rows))


def _at(values: npt.NDArray[np.float32], store: ResultStore, depth: float) -> npt.NDArray[np.float64]:
    nearest = int(np.abs(store.map("log_tau") - depth).argmin())
    return values[..., nearest].astype(np.float64)
