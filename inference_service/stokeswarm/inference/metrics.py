"""How good a network is, quantity by quantity and node by node, in the contract's units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: where the field is weaker [G], or its transverse part is, its direction is not judged
MIN_FIELD: Final = 500.0
MIN_TRANSVERSE: Final = 300.0


def score(found: Mapping[str, Float32s], truth: Mapping[str, Float32s]) -> dict[str, dict[str, Any]]:
    """Errors of predictions.

    Parameters
    ----------
    found, truth : mapping of ndarray (n, n_node) float32
        In the contract's units. ``truth`` decides where the field is strong enough for its direction to
        count.

    Returns
    -------
    dict
        Quantity → ``rms`` and ``bias`` (found minus true, mean), a list over the nodes each; for the angles
        also ``where``. Azimuth differences are taken around the circle of 180°.
    """
    field = truth["field_strength"]
    transverse = field * np.sin(np.deg2rad(truth["inclination"]))
    masks: dict[str, tuple[Bools, str]] = {
        "inclination": (field >= MIN_FIELD, f"B >= {MIN_FIELD:g} G"),
        "azimuth": (transverse >= MIN_TRANSVERSE, f"B sin(inclination) >= {MIN_TRANSVERSE:g} G"),
    }
    result: dict[str, dict[str, Any]] = {}
    for name, true in truth.items():
        error = found[name].astype(np.float64) - true
        if name == "azimuth":
            error = (error + 90.0) % 180.0 - 90.0
        mask, where = masks.get(name, (np.ones(true.shape, dtype=bool), ""))
        count = np.maximum(mask.sum(axis=0), 1)
        result[name] = {
            "rms": _rounded(np.sqrt((error**2 * mask).sum(axis=0) / count)),
            "bias": _rounded((error * mask).sum(axis=0) / count),
        }
        if where:
            result[name]["where"] = where
    return result


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
