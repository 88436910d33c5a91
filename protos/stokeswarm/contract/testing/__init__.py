"""A conformance suite that every inversion engine must pass, for whoever writes one.

Needs pytest. Subclass `EngineConformance`, say how the engine is made, and let pytest collect the class:

>>> from stokeswarm.contract.testing import Check, EngineConformance
>>> class TestMyEngine(EngineConformance):
...     opt_outs = {Check.STRAY_LIGHT: "my code knows no stray light"}
...
...     @classmethod
...     def make_engine(cls):
...         return MyEngine("/usr/local/bin/mycode")

Every test of the class is one promise of `stokeswarm.inversion.engine.Engine` and of the contract's results:
pixels in order, statuses that tell the truth, χ² of the fit, the same bits whatever the batch, slot or
neighbour, signs and units, cancellation and deadlines. What does not apply to an engine is named in
`opt_outs`, with a reason that pytest prints. An engine whose `info` says that it does not invert (or not
synthesise, or has no response functions) is held to refusing that, and skips the tests of it.

The problem is `hinode_problem`: four pixels of Fe I 6301.5 and 6302.5. An engine for other lines overrides
`make_problem`; one that cannot synthesise gives the problem its observed `stokes`. `refused_plans` is the
place for plans beyond the engine's own limits.

Nothing of the services is imported: an engine is anything with the methods of `EngineLike`.
"""

from stokeswarm.contract.testing.base import Check, Suite
from stokeswarm.contract.testing.conformance import EngineConformance
from stokeswarm.contract.testing.examine import check_chi2, check_inversion, check_synthesis, expect_same
from stokeswarm.contract.testing.problem import Problem, hinode_problem, uniform
from stokeswarm.contract.testing.protocols import EngineLike, JobLike, StubSlot

__all__ = [
    "Check",
    "EngineConformance",
    "EngineLike",
    "JobLike",
    "Problem",
    "StubSlot",
    "Suite",
    "check_chi2",
    "check_inversion",
    "check_synthesis",
    "expect_same",
    "hinode_problem",
    "uniform",
]
