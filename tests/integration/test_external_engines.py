"""Every engine that can run here passes the conformance suite: ours, and SIR's over the stand-in."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from standin_installing import install

from stokeswarm.contract.plan import Cycle, Plan, Region
from stokeswarm.contract.testing import EngineConformance
from stokeswarm.inversion.engines.lte.engine import LteEngine
from stokeswarm.inversion.engines.sir.engine import SirEngine


class TestLteConformance(EngineConformance):
    """Our own engine."""

    @classmethod
    def make_engine(cls) -> LteEngine:
        return LteEngine()


class TestSirConformance(EngineConformance):
    """SIR's engine, driving the stand-in: what the adapter owes, whatever code there is behind it."""

    @classmethod
    def setup_class(cls) -> None:
        cls.place = Path(tempfile.mkdtemp(prefix="stokeswarm-standin-"))
        cls.standin = install(cls.place)
        super().setup_class()

    @classmethod
    def teardown_class(cls) -> None:
        super().teardown_class()
        alive = cls.standin.alive()
        shutil.rmtree(cls.place)
        assert not alive, f"processes of the stand-in outlived the engine: {alive}"

    @classmethod
    def make_engine(cls) -> SirEngine:
        return SirEngine(environment={"STOKESWARM_SIR": str(cls.standin.executable)})

    @classmethod
    def refused_plans(cls) -> dict[str, Plan]:
        plan = cls.make_problem().plan
        (region,) = plan.regions
        ionised = replace(region, lines=(replace(region.lines[0], ion=3), region.lines[1]))
        nodes = replace(plan.cycles[0].components[0], electron_pressure=1)
        return {
            "SIR knows two stages of ionisation": replace(plan, regions=(ionised,)),
            "more lines than SIR holds": replace(plan, regions=(with_lines(region, 60),)),
            "an option's value": replace(plan, options={"sir.interpolation": "cubic"}),
            "a line's Landé factor, for which its files have no place": replace(
                plan, regions=(replace(region, lines=(replace(region.lines[0], effective_lande=1.5),)),)
            ),
            "a contrast of one component": replace(
                plan, cycles=(Cycle((nodes,)),), options={"sir.contrast": "0.5"}
            ),
        }


def with_lines(region: Region, count: int) -> Region:
    """The region with many lines."""
    line = region.lines[0]
    lines = tuple(replace(line, index=n, wavelength=line.wavelength + 1e-3 * n) for n in range(1, count + 1))
    return replace(region, lines=lines)
