"""The whole suite as one class."""

from __future__ import annotations

from stokeswarm.contract.testing.describing import Describing
from stokeswarm.contract.testing.inverting import Inverting
from stokeswarm.contract.testing.isolating import Isolating
from stokeswarm.contract.testing.synthesizing import Synthesizing


class EngineConformance(Describing, Inverting, Isolating, Synthesizing):
    """What every engine must do; see `stokeswarm.contract.testing`."""
