"""How good a network is, quantity by quantity and node by node, in the contract's units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: where the field is weaker [G], or its transverse part is, its direction is not judged
MIN_FIELD: Final = 500.0
MIN_TRANSVERSE: Final = 300.0
#: digits that a figure of a card has
_DIGITS: Final = 4
#: pairs that a circular correlation needs
_FEWEST: Final = 3


def difference(name: str, found: Float32s, truth: Float32s) -> Floats:
    """Found minus true; azimuths around the circle of 180°, in −90 … 90."""
    error = found.astype(np.float64) - truth
    return (error + 90.0) % 180.0 - 90.0 if name == "azimuth" else error


def score(found: Mapping[str, Float32s], truth: Mapping[str, Float32s]) -> dict[str, dict[str, Any]]:
    """Errors of predictions.

    Parameters
    ----------
    found, truth : mapping of ndarray (n, n_node) or (n,) float32
        In the contract's units. ``truth`` decides where the field is strong enough for its direction to
        count.

    Returns
    -------
    dict
        Quantity → ``rms``, ``bias`` (found minus true, mean) and ``pearson`` (for the azimuth the circular
        correlation of the double angle: Fisher & Lee 1983, Biometrika 70, 327), a list over the nodes each;
        for the angles also ``where``.
    """
    field = truth["field_strength"]
    transverse = field * np.sin(np.deg2rad(truth["inclination"]))
    masks: dict[str, tuple[Bools, str]] = {
        "inclination": (field >= MIN_FIELD, f"B >= {MIN_FIELD:g} G"),
        "azimuth": (transverse >= MIN_TRANSVERSE, f"B sin(inclination) >= {MIN_TRANSVERSE:g} G"),
    }
    result: dict[str, dict[str, Any]] = {}
    for name, true in truth.items():
        columns = true.reshape(len(true), -1)
        error = difference(name, found[name].reshape(columns.shape), columns)
        mask, where = masks.get(name, (np.ones(columns.shape, dtype=bool), ""))
        count = np.maximum(mask.sum(axis=0), 1)
        correlate = _circular if name == "azimuth" else _pearson
        pairs = zip(found[name].reshape(columns.shape).T, columns.T, mask.T, strict=True)
        result[name] = {
            "rms": rounded(np.sqrt((error**2 * mask).sum(axis=0) / count)),
            "bias": rounded((error * mask).sum(axis=0) / count),
            "pearson": rounded(
                [correlate(a[chosen].astype(float), b[chosen].astype(float)) for a, b, chosen in pairs]
            ),
        }
        if where:
            result[name]["where"] = where
    return result


def rounded(values: npt.ArrayLike) -> list[float]:
    """Numbers (n,) as a card shows them."""
    return [float(f"{value:.{_DIGITS}g}") for value in np.asarray(values, dtype=np.float64)]


def _pearson(a: Floats, b: Floats) -> float:
    """Correlation; 0 where one side does not vary."""
    a, b = a - a.mean() if a.size else a, b - b.mean() if b.size else b
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 0 else 0.0


def _circular(a: Floats, b: Floats) -> float:
    """Circular correlation of angles with a period of 180°; no mean is needed, for even angles have none."""
    if a.size < _FEWEST:
        return 0.0
    a, b = np.deg2rad(2.0 * a), np.deg2rad(2.0 * b)
    same = (np.cos(a) * np.cos(b)).sum() * (np.sin(a) * np.sin(b)).sum()
    cross = (np.cos(a) * np.sin(b)).sum() * (np.sin(a) * np.cos(b)).sum()
    norms = [a.size**2 - np.cos(2 * x).sum() ** 2 - np.sin(2 * x).sum() ** 2 for x in (a, b)]
    norm = float(np.sqrt(max(norms[0] * norms[1], 0.0)))
    return float(4.0 * (same - cross)) / norm if norm > 0 else 0.0
