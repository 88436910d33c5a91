"""What the parts of the suite share: the engine, the problem, and saying what does not apply."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import EngineInfo, InvertRequest, InvertResults
from stokeswarm.contract.testing.examine import check_inversion, check_synthesis, expect
from stokeswarm.contract.testing.problem import Problem, hinode_problem
from stokeswarm.contract.testing.protocols import EngineLike, StubSlot

T = TypeVar("T")


class Check(StrEnum):
    """Groups of tests that an engine may opt out of, each with its reason."""

    #: NaN samples of a pixel are left out
    MISSING_SAMPLES = "missing samples"
    #: weights of 0 leave samples out
    ZERO_WEIGHTS = "weights of zero"
    #: weights of Stokes parameters
    WEIGHTS = "weights"
    #: some of the plan's cycles only
    CYCLES = "choice of cycles"
    #: results of every cycle on request
    ALL_CYCLES = "results of every cycle"
    TWO_COMPONENTS = "two components"
    STRAY_LIGHT = "stray light"
    #: a passed deadline ends as TIMEOUT
    DEADLINE = "deadline"
    CANCELLATION = "cancellation"
    #: two slots at the same time
    CONCURRENCY = "concurrent slots"
    #: the χ² of the result is below the start's
    IMPROVEMENT = "a fit better than the start"
    #: the fit is the synthesis of the resulting atmosphere
    RESYNTHESIS = "synthesis of the result"
    #: unknown options of the engine's own family are refused
    OPTIONS = "options"
    #: vacuum wavelengths are refused
    VACUUM = "vacuum wavelengths"
    #: hydrostatic equilibrium sees μ
    MU = "heliocentric angle"
    #: signs and sizes, as the conventions of the contract fix them
    TEMPERATURE = "brightness and temperature"
    VELOCITY = "redshift"
    ZEEMAN = "Zeeman splitting"
    CIRCULAR = "sign of Stokes V"
    LINEAR = "signs of Stokes Q and U"
    BROADENING = "micro- and macroturbulence"
    #: response functions are derivatives
    DERIVATIVES = "response functions as derivatives"


class Suite:
    """The engine under test; see `stokeswarm.contract.testing` for how to use it.

    Attributes
    ----------
    opt_outs : mapping
        What does not apply to this engine → why. Every one is printed as a skipped test.
    patience : float
        Seconds that a cancelled or overdue engine may still take to return.
    """

    opt_outs: ClassVar[Mapping[Check, str]] = {}
    patience: ClassVar[float] = 10.0

    #: made by `setup_class`, because pytest makes an instance a test
    made_engine: ClassVar[EngineLike | None] = None
    made_problem: ClassVar[Problem | None] = None
    kept: ClassVar[dict[str, Any]] = {}

    # -- for whoever uses the suite --------------------------------------------------------------------------

    @classmethod
    def make_engine(cls) -> EngineLike:
        """Make the engine under test; to be overridden."""
        raise NotImplementedError(f"{cls.__name__}: override make_engine")

    @classmethod
    def make_problem(cls) -> Problem:
        """The problem; to be overridden where the default one is not for this engine."""
        return hinode_problem()

    # -- pytest's own hooks ----------------------------------------------------------------------------------

    @classmethod
    def setup_class(cls) -> None:
        """Make and warm up the engine once."""
        empty = [check.value for check, reason in cls.opt_outs.items() if not reason.strip()]
        expect(not empty, f"opt_outs: no reason is given for {', '.join(empty)}")
        cls.kept = {}
        cls.made_problem = cls.make_problem()
        cls.made_engine = cls.make_engine()
        cls.made_engine.warm_up()

    @classmethod
    def teardown_class(cls) -> None:
        """End the engine."""
        close: Callable[[], None] | None = getattr(cls.made_engine, "close", None)
        if close is not None:
            close()
        cls.made_engine = None

    # -- for the tests ---------------------------------------------------------------------------------------

    @property
    def engine(self) -> EngineLike:
        """The engine under test."""
        engine = self.made_engine
        if engine is None:
            raise RuntimeError("the suite is run by pytest, which calls setup_class")
        return engine

    @property
    def problem(self) -> Problem:
        """The problem."""
        problem = self.made_problem
        if problem is None:
            raise RuntimeError("the suite is run by pytest, which calls setup_class")
        return problem

    @property
    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        return self.engine.info()

    def needs(self, *checks: Check) -> None:
        """Skip the test where the engine opted out of one of these."""
        for check in checks:
            if check in self.opt_outs:
                skip(f"{self.info.name} opts out of {check.value!r}: {self.opt_outs[check]}")

    def inverts(self, *checks: Check) -> None:
        """Skip the test where the engine does not invert, or opted out."""
        if not self.info.inverts:
            skip(f"{self.info.name} says that it does not invert")
        self.needs(*checks)

    def synthesizes(self, *checks: Check) -> None:
        """Skip the test where the engine does not synthesise, or opted out."""
        if not self.info.synthesizes:
            skip(f"{self.info.name} says that it does not synthesise")
        self.needs(*checks)

    def keep(self, key: str, make: Callable[[], T]) -> T:
        """Make something once for all tests of the class."""
        kept = self.kept
        if key not in kept:
            kept[key] = make()
        found: T = kept[key]
        return found

    def observed(self) -> npt.NDArray[np.float32]:
        """What is inverted (n, 4, n_wavelength)."""
        if self.problem.stokes is not None:
            return self.problem.stokes
        if not self.info.synthesizes:
            skip(f"{self.info.name} does not synthesise: give the problem its `stokes`")
        return self.keep("observed", self._observed)

    def _observed(self) -> npt.NDArray[np.float32]:
        made = self.synthesis()
        return (made + self.problem.noise(made.shape)).astype(np.float32)

    def synthesis(self, *components: Atmosphere, **changes: Any) -> npt.NDArray[np.float32]:
        """Profiles (n, 4, n_wavelength) of the truth, or of other atmospheres; all must be good."""
        request = self.problem.synthesis(self.info.name, *components, **changes)
        rows = range(len(request))
        results = self.engine.prepare_synthesis(request).run(rows, StubSlot())
        check_synthesis(request, rows, results)
        bad = [m for s, m in zip(results.status, results.message, strict=True) if not s.has_result]
        expect(not bad, f"synthesis failed: {'; '.join(bad)}")
        stokes: npt.NDArray[np.float32] = results.stokes
        return stokes

    def request(self, stokes: npt.ArrayLike | None = None, **changes: Any) -> InvertRequest:
        """A request to invert what was observed, or other profiles."""
        values = self.observed() if stokes is None else stokes
        return self.problem.inversion(self.info.name, values, **changes)

    def invert(
        self, request: InvertRequest, rows: Sequence[int] | None = None, slot: StubSlot | None = None
    ) -> InvertResults:
        """Invert, and check what must always hold."""
        asked = range(len(request)) if rows is None else rows
        results: InvertResults = self.engine.prepare_inversion(request).run(asked, slot or StubSlot())
        check_inversion(request, asked, results)
        return results

    def baseline(self) -> InvertResults:
        """The ordinary inversion of what was observed, which other runs are compared with."""
        return self.keep("baseline", lambda: self.invert(self.request()))


def timed(run: Callable[[], T]) -> tuple[T, float]:
    """What a function returns, and the seconds it took."""
    start = time.monotonic()
    found = run()
    return found, time.monotonic() - start


def skip(reason: str) -> NoReturn:
    """Skip the test that runs."""
    # pytest is needed by whoever runs the suite, not by whoever imports the contract
    import pytest

    pytest.skip(reason)
