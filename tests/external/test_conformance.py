"""The conformance suite over the real codes, where the environment names them."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, ClassVar

import pytest

from stokeswarm.contract.testing import Check, EngineConformance

pytestmark = pytest.mark.external


class External(EngineConformance):
    """An engine over an installed code; skipped where there is none."""

    module: ClassVar[str]
    engine_class: ClassVar[str]
    variable: ClassVar[str]
    #: a real code may be in the midst of a long step
    patience = 30.0

    @classmethod
    def make_engine(cls) -> Any:
        if not os.environ.get(cls.variable, "").strip():
            pytest.skip(f"{cls.variable} is not set: it names the executable, or its folder")
        return getattr(import_module(cls.module), cls.engine_class)()


class TestSirConformance(External):
    """SIR."""

    module, engine_class = "stokeswarm.inversion.engines.sir.engine", "SirEngine"
    variable = "STOKESWARM_SIR"


class TestDesireConformance(External):
    """DeSIRe, in LTE."""

    module, engine_class = "stokeswarm.inversion.engines.desire.engine", "DesireEngine"
    variable = "STOKESWARM_DESIRE"


class TestRhConformance(External):
    """RH: synthesis."""

    module, engine_class = "stokeswarm.inversion.engines.rh.engine", "RhEngine"
    variable = "STOKESWARM_RH"
    opt_outs = {  # noqa: RUF012
        Check.VACUUM: "RH takes vacuum wavelengths as well",
    }


del External
