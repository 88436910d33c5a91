"""What tells one observation from another: digests of its content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from stokeswarm.client.readers import Observation


def input_identity(observation: Observation) -> dict[str, Any]:
    """The observation's content; its name and date may change between two runs. JSON-able."""
    known = observation.identity.sha256 if observation.identity is not None else ""
    parts = [observation.stokes, observation.wavelength]
    parts += [part for part in (observation.mask, observation.weights) if part is not None]
    return {
        "sha256": known or digest(*parts),
        "shape": list(observation.stokes.shape),
        "reference": str(observation.reference),
        # The reader's options change what is made of the same file.
        "content": digest(observation.stokes[0], *parts[1:]),
    }


def digest(*arrays: Any) -> str:
    """sha256 of arrays' values, types and shapes, hexadecimal."""
    found = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        found.update(f"{values.dtype.str}{values.shape}".encode())
        found.update(values.data)
    return found.hexdigest()
