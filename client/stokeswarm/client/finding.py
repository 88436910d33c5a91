"""Which engine and which network a run takes, of those that the services offer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.network_units import for_network
from stokeswarm.client.readers import Observation
from stokeswarm.contract.errors import FailedPreconditionError, NotFoundError, UnsupportedError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.spectra import Spectra, invalid_reason


class Networks(Protocol):
    """What finding a network needs of the inference service."""

    @property
    def models(self) -> Callable[[], tuple[ModelInfo, ...]]:
        """The networks."""
        ...

    @property
    def predict(self) -> Callable[[str, str, Spectra], Prediction]:
        """Guess atmospheres, by name and version."""
        ...


def _probe(observation: Observation) -> Spectra | None:
    """The first valid pixel, to ask a network whether it takes this observation at all."""
    width = observation.shape[1]
    for flat in range(observation.n_pixel):
        profile = observation.stokes[flat // width, flat % width]
        if not invalid_reason(profile):
            return Spectra(observation.wavelength, profile[None], observation.reference, observation.weights)
    return None


def find_engine(engines: tuple[EngineInfo, ...], name: str) -> EngineInfo:
    """The engine of that name.

    Raises
    ------
    NotFoundError
        The server does not know it.
    FailedPreconditionError
        It cannot be used there.
    UnsupportedError
        It does not invert.
    """
    found = {engine.name: engine for engine in engines}
    if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NotFoundError(f"engine {name!r} is unknown to the inversion server; it has {there}")
    engine = found[name]
    if not engine.available:
        raise FailedPreconditionError(f"engine {name!r} is not available: {engine.message}")
    if not engine.inverts:
        raise UnsupportedError(f"engine {name!r} does not invert")
    return engine


def find_network(observation: Observation, name: str, services: Networks) -> ModelInfo:
    """The network of that name, or the one that reads the observation's wavelengths, tried on one pixel.

    The server decides what a network can read (it may interpolate): what it refuses here it would refuse
    for every tile.

    Raises
    ------
    NotFoundError
        There is none.
    FailedPreconditionError
        It is not ready.
    InvalidArgumentError
        It does not read this observation: other wavelengths, another continuum reference.
    """
    model = find_model(services.models(), name, observation)
    probe = _probe(observation)
    if probe is not None:
        services.predict(model.name, model.version, for_network(probe, model, 1.0))
    return model


def find_model(models: tuple[ModelInfo, ...], name: str, observation: Observation) -> ModelInfo:
    """The network of that name, or the one closest to the observation's wavelengths; the newest that works.

    Raises
    ------
    NotFoundError
        There is none of that name, or none whose wavelengths overlap the observation's.
    FailedPreconditionError
        It is not ready.
    """
    there = ", ".join(sorted({m.name for m in models})) or "none"
    if name:
        named = [m for m in models if m.name == name]
        if not named:
            raise NotFoundError(f"network {name!r} is unknown to the inference server; there are: {there}")
        model = max(named, key=lambda m: (m.ready, _version(m)))
        if not model.ready:
            raise FailedPreconditionError(f"network {name!r} is not ready: {model.message}")
        return model
    axis = observation.wavelength
    near = [m for m in models if m.ready and _overlap(m, axis) > 0.0]
    if not near:
        raise NotFoundError(f"no network reads these wavelengths; there are: {there}")
    return max(near, key=lambda m: (_overlap(m, axis), m.name, _version(m)))


def _overlap(model: ModelInfo, axis: npt.NDArray[np.float64]) -> float:
    """Share of the model's samples in the observation's range, times the reverse; 0 = apart."""
    low, high = float(axis.min()), float(axis.max())
    wavelength = model.wavelength
    if wavelength.size == 0:
        return 0.0
    seen = (axis >= wavelength.min()) & (axis <= wavelength.max())
    return float(((wavelength >= low) & (wavelength <= high)).mean() * seen.mean())


def _version(model: ModelInfo) -> tuple[tuple[int, str], ...]:
    """Version as numbers where it has them: 10 comes after 9."""
    parts = re.findall(r"\d+|\D+", model.version)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
