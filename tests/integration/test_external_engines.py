"""Every engine that can run here passes the conformance suite."""

from __future__ import annotations

from stokeswarm.contract.testing import EngineConformance
from stokeswarm.inversion.engines.lte.engine import LteEngine


class TestLteConformance(EngineConformance):
    """Our own engine."""

    @classmethod
    def make_engine(cls) -> LteEngine:
        return LteEngine()
