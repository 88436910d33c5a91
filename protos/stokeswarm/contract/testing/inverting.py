"""What an inversion owes: statuses, χ², masks, cycles."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import PlanError, UnsupportedError
from stokeswarm.contract.plan import Cycle, Plan
from stokeswarm.contract.testing.base import Check, Suite
from stokeswarm.contract.testing.examine import check_chi2, check_inversion, expect, expect_same
from stokeswarm.contract.testing.protocols import StubSlot

#: the fit of a result and the synthesis of its atmosphere may differ by this, in continuum units: models and
#: profiles pass through printed digits
RESYNTHESIS: Final = 2e-3
#: a start no atmosphere resembles [K]
ABSURD: Final = 1.0e5
Mask = npt.NDArray[np.bool_]


class Inverting(Suite):
    """Tests of `prepare_inversion`."""

    def test_every_pixel_gets_a_result(self) -> None:
        """The problem is meant to be solvable."""
        self.inverts()
        results = self.baseline()
        bad = [m for s, m in zip(results.status, results.message, strict=True) if not s.has_result]
        expect(not bad, f"{len(bad)} pixels have no result: {'; '.join(bad)}")

    def test_chi2_is_that_of_the_fit(self) -> None:
        """The same definition for every engine."""
        self.inverts()
        check_chi2(self.request(), range(self.problem.n_pixel), self.baseline())

    def test_the_fit_is_better_than_the_start(self) -> None:
        """For every pixel, in our own χ²."""
        self.inverts(Check.IMPROVEMENT)
        self.synthesizes()
        begun = self.synthesis(self.problem.start, hydrostatic=True)
        sigma = np.asarray(self.problem.plan.noise)[:, None]
        for i, (observed, profile) in enumerate(zip(self.observed(), begun, strict=True)):
            before = float(np.mean((observed - profile) ** 2 / sigma**2))
            after = float(self.baseline().chi2[i])
            expect(after < before, f"pixel {i}: the start has χ² {before:.4g}, the result {after:.4g}")

    def test_the_fit_is_the_synthesis_of_the_result(self) -> None:
        """Atmosphere and profile belong together."""
        self.inverts(Check.RESYNTHESIS)
        self.synthesizes()
        results = self.baseline()
        again = self.synthesis(results.atmosphere[0])
        worst = float(np.abs(again - results.fit).max())
        expect(worst <= RESYNTHESIS, f"the synthesis of the result differs from its fit by {worst:.3g}")

    # -- masks -----------------------------------------------------------------------------------------------

    def _mask(self) -> Mask:
        """Some samples of every Stokes parameter, in the line and beside it; never the first of U."""
        mask = np.zeros((4, self.problem.wavelength.size), dtype=bool)
        mask[:, 5::9] = True
        mask[1, 40:60] = True
        return mask

    def test_missing_samples_are_left_out(self) -> None:
        """NaN in some samples: a result all the same, and χ² without them."""
        self.inverts(Check.MISSING_SAMPLES)
        stokes = np.where(self._mask(), np.nan, self.observed()).astype(np.float32)
        request = self.request(stokes)
        results = self.invert(request)
        expect(all(s.has_result for s in results.status), f"missing samples: {results.message}")
        check_chi2(request, range(len(request)), results)

    def test_a_missing_stokes_parameter_is_left_out(self) -> None:
        """No Q at all: the rest is inverted, and Q has no χ²."""
        self.inverts(Check.MISSING_SAMPLES)
        stokes = self.observed().copy()
        stokes[:, 1] = np.nan
        request = self.request(stokes)
        results = self.invert(request, [0, 1])
        expect(all(s.has_result for s in results.status), f"without Stokes Q: {results.message}")
        check_chi2(request, [0, 1], results)

    def test_samples_of_no_weight_do_not_matter(self) -> None:
        """Whatever a sample of weight 0 holds, the result is the same to the last bit."""
        self.inverts(Check.ZERO_WEIGHTS)
        mask = self._mask()
        weights = np.where(mask, 0.0, 1.0).astype(np.float32)
        stokes = self.observed()
        tables = (stokes, np.where(mask, 0.123, stokes), np.where(mask, np.nan, stokes))
        one, *others = (self.invert(self.request(table, weights=weights)) for table in tables)
        for other in others:
            for i in range(len(one)):
                expect_same(one, i, other, i, "with other values in samples of no weight")
        check_chi2(self.request(weights=weights), range(len(one)), one)

    def test_weights_count_in_chi2(self) -> None:
        """Those of a whole Stokes parameter multiply 1/σ² in χ²."""
        self.inverts(Check.WEIGHTS)
        weights = np.ones((4, self.problem.wavelength.size), np.float32)
        weights[0], weights[3] = 0.25, 4.0
        request = self.request(weights=weights)
        check_chi2(request, [0], self.invert(request, [0]))

    def test_uneven_weights_count_or_are_refused(self) -> None:
        """Weights that change with wavelength are used or refused, never passed over."""
        self.inverts()
        weights = np.ones((4, self.problem.wavelength.size), np.float32)
        weights[0, ::2] = 0.25
        request = self.request(weights=weights)
        try:
            self.engine.prepare_inversion(request)
        except (PlanError, UnsupportedError) as error:
            expect("weight" in str(error), f"the refusal does not name the weights: {error}")
            return
        check_chi2(request, [0], self.invert(request, [0]))

    # -- pixels without a result -----------------------------------------------------------------------------

    def test_a_pixel_without_data_has_no_result(self) -> None:
        """All NaN: a reason and NaN, never zeros or a neighbour's result; the neighbours do not notice."""
        self.inverts()
        stokes = self.observed().copy()
        stokes[1] = np.nan
        results = self.invert(self.request(stokes))
        expect(not results.status[1].has_result, f"a pixel without data is {results.status[1].name}")
        for i in (i for i in range(len(results)) if i != 1):
            expect_same(results, i, self.baseline(), i, "beside a pixel without data")

    def test_an_absurd_start_ends_in_the_truth(self) -> None:
        """Whatever the engine makes of it, a result is finite and the lack of one has a reason."""
        self.inverts()
        start = self.problem.start
        hot = replace(start, temperature=np.full_like(start.temperature, ABSURD))
        request = self.request(start=(hot,))
        results = self.invert(request)
        check_chi2(request, range(len(request)), results)
        after = self.invert(self.request())
        for i in range(len(after)):
            expect_same(after, i, self.baseline(), i, "after absurd ones")

    # -- cycles and starts -----------------------------------------------------------------------------------

    def test_only_the_cycles_asked_for_run(self) -> None:
        """The first cycle alone; its bit is set, no other."""
        self.inverts(Check.CYCLES)
        request = self.request(cycles=(0,))
        results = self.invert(request, [0, 2])
        for i, status in enumerate(results.status):
            expect(not status.has_result or results.cycles[i] == 1, f"cycles: {results.cycles[i]:#b}")
        check_chi2(request, [0, 2], results)

    def test_results_of_every_cycle(self) -> None:
        """`all_cycles`: one set of results a cycle; the best one's are the pixel's, all else is as ever."""
        self.inverts(Check.ALL_CYCLES)
        results = self.invert(self.request(all_cycles=True))
        found = [cycle.cycle for cycle in results.by_cycle]
        expected = list(range(len(self.problem.plan.cycles)))
        expect(found == expected, f"by_cycle holds cycles {found}, expected {expected}")
        expect(not self.baseline().by_cycle, "by_cycle is filled although nobody asked for it")
        for i, best in enumerate(results.best_cycle.tolist()):
            expect_same(
                replace(results, by_cycle=()), i, self.baseline(), i, "with the results of every cycle"
            )
            if best >= 0 and results.status[i].has_result:
                kept = results.by_cycle[best]
                expect(np.array_equal(kept.fit[i], results.fit[i]), "the best cycle's fit is another one")
                lowest = float(np.nanmin([cycle.chi2[i] for cycle in results.by_cycle]))
                expect(kept.chi2[i] <= 1.5 * lowest, f"χ² {kept.chi2[i]} was kept, another has {lowest}")

    def test_a_start_on_another_depth_axis(self) -> None:
        """Results are on the plan's axis, whatever the start's."""
        self.inverts()
        start = self.problem.start.resample(np.linspace(1.4, -4.4, 30))
        results = self.invert(self.request(start=(start,)), [0])
        expect(results.status[0].has_result, results.message[0])

    def test_errors_of_a_start(self) -> None:
        """Unknown ones change nothing, to the last bit; known ones are used or not, and the result is one."""
        self.inverts()
        log_tau, n_pixel = self.problem.start.log_tau, self.problem.n_pixel
        unknown = Atmosphere.full(n_pixel, log_tau, pressures=False)
        results = self.invert(self.request(start_error=(unknown,)))
        for i in range(n_pixel):
            expect_same(results, i, self.baseline(), i, "with errors of the start that nobody knows")
        sizes = {"temperature": 100.0, "field_strength": 100.0, "velocity": 0.2, "inclination": 10.0}
        shape = (n_pixel, log_tau.size)
        known = replace(unknown, **{name: np.full(shape, size) for name, size in sizes.items()})
        request = self.request(start_error=(known,))
        results = self.invert(request)
        expect(all(s.has_result for s in results.status), f"with errors of the start: {results.message}")
        check_chi2(request, range(n_pixel), results)

    # -- components ------------------------------------------------------------------------------------------

    def test_two_components(self) -> None:
        """Two atmospheres come back, each with its filling factor, which add up to 1."""
        self.inverts(Check.TWO_COMPONENTS)
        plan = self._two_components()
        start = self.problem.start
        parts = tuple(replace(start, filling_factor=np.full(len(start), f)) for f in (0.6, 0.4))
        request = self.request(plan=plan, start=parts)
        results = self.invert(request, [0])
        check_inversion(request, [0], results)
        expect(results.status[0].has_result, results.message[0])
        total = sum(float(part.filling_factor[0]) for part in results.atmosphere)
        expect(abs(total - 1.0) < 1e-5, f"the filling factors add up to {total}")
        check_chi2(request, [0], results)

    def _two_components(self) -> Plan:
        plan = self.problem.plan
        (nodes,) = plan.cycles[0].components
        return plan.with_cycles((Cycle((nodes, nodes)),))

    def test_stray_light(self) -> None:
        """A stray-light profile is part of the fit, and its fraction of the result."""
        self.inverts(Check.STRAY_LIGHT)
        self.synthesizes()
        stray = self.observed().mean(axis=0)
        stray[1:] = 0.0
        start = replace(self.problem.start, stray_light=np.full(self.problem.n_pixel, 0.2))
        request = self.request(start=(start,), stray_light_profile=stray)
        results = self.invert(request, [0])
        expect(results.status[0].has_result, results.message[0])
        fraction = float(results.atmosphere[0].stray_light[0])
        expect(abs(fraction - 0.2) < 1e-5, f"the fraction, which is not free, became {fraction}")
        check_chi2(request, [0], results)

    def test_pressures_that_a_start_brings_are_no_harm(self) -> None:
        """A start from a former result, pressures included, is taken."""
        self.inverts()
        former: Atmosphere = self.baseline().atmosphere[0]
        results = self.engine.prepare_inversion(self.request(start=(former,))).run([0], StubSlot())
        expect(results.status[0].has_result, results.message[0])
