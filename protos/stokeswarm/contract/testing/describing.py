"""What an engine says of itself, and what it must refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from stokeswarm.contract.errors import PlanError, StokeswarmError, UnsupportedError
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.testing.base import Check, Suite
from stokeswarm.contract.testing.examine import expect, expect_same
from stokeswarm.contract.testing.protocols import StubSlot


class Describing(Suite):
    """Information, refusals, the end."""

    @classmethod
    def refused_plans(cls) -> Mapping[str, Plan]:
        """Plans that this engine must refuse: why → plan. To be overridden with the engine's own limits."""
        return {}

    def test_info_names_the_engine(self) -> None:
        """Name, version and digest, by which a result says what made it."""
        info = self.info
        expect(info.available, f"not available: {info.message}")
        expect(info.name and info.name == info.name.strip().lower(), f"name: {info.name!r}")
        expect(info.version, "no version")
        hexadecimal = len(info.digest) == 64 and set(info.digest) <= set("0123456789abcdef")
        expect(hexadecimal, f"digest: expected a sha256 in hexadecimal, found {info.digest!r}")
        expect(info.inverts or info.synthesizes, "the engine does nothing")
        expect(self.engine.info() == info, "info() says something else the second time")

    def test_warming_up_again_is_harmless(self) -> None:
        """A server may do it twice."""
        self.engine.warm_up()

    def test_what_it_cannot_do_is_refused(self) -> None:
        """A method that `info` denies raises UnsupportedError."""
        info, problem = self.info, self.problem
        name = info.name
        stokes = np.ones((problem.n_pixel, 4, problem.wavelength.size), np.float32)
        if not info.inverts:
            self._refuses(lambda: self.engine.prepare_inversion(problem.inversion(name, stokes)))
        if not info.synthesizes:
            self._refuses(lambda: self.engine.prepare_synthesis(problem.synthesis(name)))
        if not info.responds:
            self._refuses(lambda: self.engine.prepare_response(problem.response(name, ("velocity",))))

    @staticmethod
    def _refuses(prepare: object) -> None:
        try:
            prepare()  # type: ignore[operator]
        except UnsupportedError as error:
            expect(str(error), "UnsupportedError without a message")
            return
        raise AssertionError("expected UnsupportedError, the engine took the request")

    def test_plans_beyond_its_limits_are_refused(self) -> None:
        """Every plan of `refused_plans` raises PlanError (or UnsupportedError) before anything runs."""
        for why, plan in self.refused_plans().items():
            self._refuses_plan(plan, why)

    def test_unknown_options_of_its_own_are_refused(self) -> None:
        """A misspelt option must not be passed over."""
        self.needs(Check.OPTIONS)
        key = f"{self.info.name.partition('-')[0]}.no_such_option"
        message = self._refuses_plan(replace(self.problem.plan, options={key: "1"}), f"option {key}")
        expect(key in message, f"the refusal does not name {key}: {message}")

    def test_options_of_other_engines_change_nothing(self) -> None:
        """One plan serves several engines."""
        self.synthesizes(Check.OPTIONS)
        plan = replace(self.problem.plan, options={"otherengine.option": "1"})
        expect(
            np.array_equal(self.synthesis(), self.synthesis(plan=plan)),
            "an option of another engine changed the profiles",
        )

    def test_vacuum_wavelengths_are_refused(self) -> None:
        """Unless the engine can honour them."""
        self.needs(Check.VACUUM)
        self._refuses_plan(replace(self.problem.plan, vacuum=True), "vacuum wavelengths")

    def _refuses_plan(self, plan: Plan, why: str) -> str:
        name, problem = self.info.name, self.problem
        stokes = np.ones((problem.n_pixel, 4, problem.wavelength.size), np.float32)
        try:
            if self.info.inverts:
                self.engine.prepare_inversion(problem.inversion(name, stokes, plan=plan))
            else:
                self.engine.prepare_synthesis(problem.synthesis(name, plan=plan))
        except (PlanError, UnsupportedError) as error:
            return str(error)
        raise AssertionError(f"expected a refusal: {why}")

    def test_two_depth_axes_in_one_synthesis(self) -> None:
        """Components on different depth axes are refused, or brought onto one."""
        self.synthesizes(Check.TWO_COMPONENTS)
        one = self.problem.truth
        other = one.resample(one.log_tau[1:])
        request = self.problem.synthesis(self.info.name, one, other)
        try:
            job = self.engine.prepare_synthesis(request)
        except StokeswarmError as error:
            expect(str(error), "a refusal without a message")
            return
        results = job.run([0], StubSlot())
        expect(np.isfinite(results.stokes).all(), "the profile is not finite")

    def test_it_can_be_closed_twice(self) -> None:
        """The end comes once from the caller and once from whoever made the engine."""
        engine = type(self).make_engine()
        for _ in range(2):
            close = getattr(engine, "close", None)
            if close is not None:
                close()

    def test_batches_are_of_pixels(self) -> None:
        """At least one a call."""
        if self.info.synthesizes:
            batch = self.engine.prepare_synthesis(self.problem.synthesis(self.info.name)).batch
            expect(isinstance(batch, int) and batch >= 1, f"batch: {batch!r}")
        self.inverts()
        batch = self.engine.prepare_inversion(self.request()).batch
        expect(isinstance(batch, int) and batch >= 1, f"batch: {batch!r}")

    def test_no_rows_no_results(self) -> None:
        """An empty call is answered with nothing, or as its twin is."""
        self.synthesizes()
        job = self.engine.prepare_synthesis(self.problem.synthesis(self.info.name))
        alone, again = job.run([1], StubSlot()), job.run([1], StubSlot())
        expect_same(alone, 0, again, 0, "run twice by one job")
