"""Starting every pixel from an atmosphere of its own, which the user's project brings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stokeswarm.client.layout import Start
from stokeswarm.client.project import AtmosphereMap
from stokeswarm.client.starts import ModelStart, Pixels, Starts
from stokeswarm.contract.atmosphere import Atmosphere


@dataclass(frozen=True, slots=True)
class MapStart:
    """An atmosphere of its own for every pixel, from files.

    Attributes
    ----------
    map : AtmosphereMap
    base : ModelStart
        For pixels that it has none for.
    """

    map: AtmosphereMap
    base: ModelStart

    @property
    def label(self) -> Start:
        """`Start.MODEL`."""
        return Start.MODEL

    @property
    def assisted(self) -> bool:
        """Never: whoever gives the atmospheres wants the plan's cycles."""
        return False

    def start(self, pixels: Pixels) -> Starts:
        """The pixels' own atmospheres, as they are."""
        rows = pixels.y * self.map.shape[1] + pixels.x
        available = self.map.available[rows]
        own, unknown = self.map.atmosphere, np.full(len(pixels), np.nan)
        if available.all():
            return Starts((own.take(rows),), available, unknown)
        base = self.base.start(pixels).atmosphere[0].resample(own.log_tau).arrays()
        fields = {
            name: np.where(available.reshape(-1, *[1] * (values.ndim - 1)), values[rows], base[name])
            for name, values in own.arrays().items()
            if name in base
        }
        return Starts((Atmosphere(log_tau=own.log_tau, **fields),), np.ones(len(pixels), np.bool_), unknown)
