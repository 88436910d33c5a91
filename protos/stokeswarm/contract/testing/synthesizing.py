"""Signs, sizes and units of profiles and response functions, as the contract fixes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.testing import measure
from stokeswarm.contract.testing.base import Check, Suite, skip
from stokeswarm.contract.testing.examine import check_answer, expect
from stokeswarm.contract.testing.problem import uniform
from stokeswarm.contract.testing.protocols import StubSlot

#: relative tolerance of a shift: lines saturate, so a centre of gravity does not move with a gradient-free
#: model to the last digit, and samples have a width
SHIFT_TOLERANCE: Final = 0.05
#: of a Zeeman splitting measured by centres of gravity, which the wings' noise-free blends disturb more
SPLITTING_TOLERANCE: Final = 0.15
#: of a response function against a finite difference, relative to the largest change
DERIVATIVE_TOLERANCE: Final = 0.06
#: profiles pass through printed digits
PRINTED: Final = 3e-6
#: quantity → step of a finite difference, in the contract's units
STEPS: Final = {"velocity": 0.05, "field_strength": 20.0, "inclination": 1.0, "azimuth": 1.0}
Float32s = npt.NDArray[np.float32]


class Synthesizing(Suite):
    """Tests of `prepare_synthesis` and `prepare_response`."""

    def _profiles(self, *checks: Check, **values: Any) -> Float32s:
        """Profiles of uniform atmospheres (n, 4, n_wavelength)."""
        self.synthesizes(*checks)
        return self.synthesis(self._uniform(**values))

    def _uniform(self, **values: Any) -> Atmosphere:
        return uniform(self.problem.plan.log_tau, **values)

    def test_hotter_is_brighter(self) -> None:
        """The continuum rises with temperature, about as Planck's function does."""
        cool, normal, hot = self._profiles(Check.TEMPERATURE, temperature_offset=[-400.0, 0.0, 400.0])
        levels = [float(stokes[0].max()) for stokes in (cool, normal, hot)]
        expect(levels[0] < levels[1] < levels[2], f"continua at −400, 0, +400 K: {levels}")
        expect(0.5 < levels[1] < 2.0, f"the quiet Sun's continuum is {levels[1]:.3g} at disc centre")
        ratio = levels[2] / levels[0]
        expect(1.3 < ratio < 4.0, f"800 K change the continuum at 6300 Å by a factor of {ratio:.3g}")

    def test_receding_matter_is_redshifted(self) -> None:
        """Velocities are in km/s and positive away from us."""
        speeds = (-2.0, 0.0, 2.0)
        found = [
            measure.centre_of_gravity(self.problem, stokes)
            for stokes in self._profiles(Check.VELOCITY, velocity=speeds)
        ]
        rest = self.problem.line.wavelength
        for speed, centre in zip(speeds[::2], (found[0] - found[1], found[2] - found[1]), strict=True):
            expected = rest * speed / measure.LIGHT
            good = abs(centre - expected) <= SHIFT_TOLERANCE * abs(expected) + 2e-4
            expect(good, f"{speed:+g} km/s move the line by {centre:+.4f} Å, expected {expected:+.4f} Å")

    def test_stokes_v_is_positive_in_the_blue_for_a_field_towards_us(self) -> None:
        """γ < 90°; the other polarity has the other sign."""
        towards, away = self._profiles(Check.CIRCULAR, field_strength=1500.0, inclination=[30.0, 150.0])
        blue = measure.offsets(self.problem) < 0
        for stokes, sign in ((towards, 1.0), (away, -1.0)):
            v = measure.line_stokes(self.problem, stokes)[3] * sign
            expect(
                v[blue].sum() > 0 > v[~blue].sum(), f"Stokes V of γ = {90 - 60 * sign:g}° has the wrong sign"
            )
        expect(np.abs(towards[3] + away[3]).max() < 1e-3, "opposite polarities are no mirror images in V")

    def test_the_field_is_in_gauss(self) -> None:
        """The centres of gravity of I ± V of a longitudinal field are 2·4.67e-13 g λ² B apart."""
        strength = 1200.0
        (stokes,) = self._profiles(Check.ZEEMAN, field_strength=strength)
        plus, minus = (measure.centre_of_gravity(self.problem, stokes, sign) for sign in (1.0, -1.0))
        expected = 2 * measure.ZEEMAN * self.problem.lande * self.problem.line.wavelength**2 * strength
        # I + V is weakened in the blue by V > 0 there, so its absorption lies in the red.
        found = plus - minus
        good = abs(found - expected) <= SPLITTING_TOLERANCE * expected
        expect(good, f"{strength:g} G split the line by {found:.4f} Å, expected {expected:.4f} Å")

    def test_linear_polarisation(self) -> None:
        """γ = 90°, φ = 0: Q > 0 in the σ components, < 0 between; φ = 45° moves it to U, 90° turns it."""
        profiles = self._profiles(
            Check.LINEAR, field_strength=2000.0, inclination=90.0, azimuth=[0.0, 45.0, 90.0, 135.0]
        )
        zero, diagonal, right, other = (measure.line_stokes(self.problem, stokes) for stokes in profiles)
        offsets = measure.offsets(self.problem)
        split = measure.ZEEMAN * self.problem.lande * self.problem.line.wavelength**2 * 2000.0
        sigma = np.abs(np.abs(offsets) - split) < 0.04
        centre = np.abs(offsets) < 0.03
        expect(zero[1][sigma].mean() > 0.005, "Q is not positive in the σ components")
        expect(zero[1][centre].mean() < -0.005, "Q is not negative in the π component")
        small = 1e-3
        expect(np.abs(zero[2]).max() < small, "φ = 0 shows Stokes U")
        expect(np.abs(diagonal[2] - zero[1]).max() < small, "φ = 45° does not move Q to U")
        expect(np.abs(diagonal[1]).max() < small, "φ = 45° shows Stokes Q")
        expect(np.abs(right[1] + zero[1]).max() < small, "φ = 90° does not turn the sign of Q")
        expect(np.abs(other[2] + diagonal[2]).max() < small, "φ = 135° does not turn the sign of U")

    def test_without_a_field_there_is_no_polarisation(self) -> None:
        """No field, no Q, U, V."""
        (stokes,) = self._profiles(Check.CIRCULAR, field_strength=0.0, inclination=45.0)
        expect(np.abs(stokes[1:]).max() < PRINTED, "polarised without a field")

    def test_microturbulence_strengthens_and_macroturbulence_smears(self) -> None:
        """Both in km/s: the first adds equivalent width, the second keeps it and makes the line shallower."""
        calm, micro, macro = self._profiles(
            Check.BROADENING, microturbulence=[0.5, 2.0, 0.5], macroturbulence=[0.0, 0.0, 2.0]
        )
        areas = [measure.area(self.problem, stokes) for stokes in (calm, micro, macro)]
        depths = [measure.depth(self.problem, stokes) for stokes in (calm, micro, macro)]
        expect(areas[1] > 1.05 * areas[0], f"2 km/s of microturbulence: equivalent widths {areas}")
        expect(
            abs(areas[2] / areas[0] - 1.0) < 0.02, f"macroturbulence changes the equivalent width: {areas}"
        )
        expect(depths[2] < 0.97 * depths[0], f"macroturbulence does not smear: depths {depths}")

    def test_mu_of_a_pixel_is_that_of_the_plan(self) -> None:
        """μ given for every pixel, or once in the plan, is the same; each pixel has its own."""
        self.synthesizes()
        truth, plan = self.problem.truth, self.problem.plan
        n = len(truth)
        in_plan = self.synthesis(plan=replace(plan, mu=0.6), hydrostatic=True)
        in_request = self.synthesis(mu=np.full(n, 0.6), hydrostatic=True)
        expect(np.array_equal(in_plan, in_request), "μ = 0.6 in the plan is not μ = 0.6 in the request")
        mixed = self.synthesis(mu=np.where(np.arange(n) == 1, 0.6, 1.0), hydrostatic=True)
        expect(np.array_equal(mixed[1], in_request[1]), "a pixel's μ is not its own")

    def test_gravity_follows_mu(self) -> None:
        """Depth is counted along the line of sight: g μ gives lower pressures towards the limb."""
        self.synthesizes(Check.MU)
        pressures = []
        for mu in (1.0, 0.4):
            request = self.problem.synthesis(
                self.info.name, mu=np.full(self.problem.n_pixel, mu), hydrostatic=True
            )
            results = self.engine.prepare_synthesis(request).run([0], StubSlot())
            pressure = results.atmosphere[0].electron_pressure
            expect(
                pressure is not None, "a synthesis in hydrostatic equilibrium without an electron pressure"
            )
            pressures.append(float(pressure[0, 0]))
        expect(pressures[1] < pressures[0], f"Pe at the bottom for μ = 1 and 0.4: {pressures}")

    def test_two_components_are_mixed(self) -> None:
        """I = f₁ I₁ + f₂ I₂."""
        self.synthesizes(Check.TWO_COMPONENTS)
        one, other = self._uniform(field_strength=1500.0, inclination=40.0), self._uniform(velocity=1.0)
        alone = [self.synthesis(part) for part in (one, other)]
        parts = tuple(replace(p, filling_factor=np.array([f])) for p, f in ((one, 0.7), (other, 0.3)))
        mixed = self.synthesis(*parts)
        worst = float(np.abs(mixed - (0.7 * alone[0] + 0.3 * alone[1])).max())
        expect(worst < PRINTED, f"the mixture differs from the sum of its parts by {worst:.3g}")

    def test_stray_light_is_mixed(self) -> None:
        """(1 − s) I + s I_stray."""
        self.synthesizes(Check.STRAY_LIGHT)
        one = self._uniform(field_strength=1500.0, inclination=40.0)
        alone = self.synthesis(one)
        (stray,) = self.synthesis(self._uniform(velocity=1.0))
        stray[1:] = 0.0
        mixed = self.synthesis(replace(one, stray_light=np.array([0.25])), stray_light_profile=stray)
        worst = float(np.abs(mixed - (0.75 * alone + 0.25 * stray)).max())
        expect(worst < PRINTED, f"the mixture differs from the sum of its parts by {worst:.3g}")

    def test_response_functions_are_derivatives(self) -> None:
        """Σ over depth of R δ is what a change by δ everywhere does, per km/s, gauss, degree."""
        if not self.info.responds:
            skip(f"{self.info.name} says that it has no response functions")
        self.synthesizes(Check.DERIVATIVES)
        base = {"field_strength": 1500.0, "velocity": 0.3, "inclination": 60.0, "azimuth": 25.0}
        atmosphere = self._uniform(**base)
        # the pressures of the base, so that all share them
        made = self.engine.prepare_synthesis(
            self.problem.synthesis(self.info.name, atmosphere, hydrostatic=True)
        ).run([0], StubSlot())
        known = made.atmosphere[0]
        request = self.problem.response(
            self.info.name, tuple(STEPS), atmosphere=known, pixel=np.array([5], dtype=np.int64)
        )
        results = self.engine.prepare_response(request).run([0], StubSlot())
        check_answer(request, [0], results)
        expect(results.quantities == tuple(STEPS), f"quantities: {results.quantities}")
        expect(np.isfinite(results.response).all(), "a response function is not finite")
        for number, (name, step) in enumerate(STEPS.items()):
            ends = [self.synthesis(replace(known, **{name: getattr(known, name) + s})) for s in (step, -step)]
            right = (ends[0][0].astype(float) - ends[1][0]) / (2 * step)
            found = results.response[0, number].astype(float).sum(axis=0)
            worst = float(np.abs(found - right).max() / np.abs(right).max())
            expect(
                worst < DERIVATIVE_TOLERANCE, f"response to {name}: off by {worst:.1%} of its largest value"
            )
