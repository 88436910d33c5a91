"""Every instrument is a plan that can be synthesised: its lines lie in its regions, its samples increase."""

from __future__ import annotations

import numpy as np
import pytest

from stokeswarm.contract.errors import NotFoundError, PlanError
from stokeswarm.contract.instrument import FE_6173, instrument, instruments
from stokeswarm.contract.plan import Plan, Region


@pytest.mark.parametrize("name", instruments())
def test_an_instrument_has_lines_where_it_looks(name: str) -> None:
    found = instrument(name)
    assert found.name == name
    plan = Plan(name, found.regions, noise=(found.noise,) * 4)
    axis = plan.wavelength
    assert plan.region_slices(axis)
    for region in found.regions:
        assert region.psf is not None
        for line in region.lines:
            assert region.start < line.wavelength < region.stop
        centre = region.lines[0].wavelength
        assert np.abs(region.grid() - centre).min() < 0.05


def test_filtergraphs_have_six_points() -> None:
    hmi, phi = (instrument(name).regions[0].grid() for name in ("hmi-6173", "phi-6173"))
    assert hmi.size == phi.size == 6
    np.testing.assert_allclose(np.diff(hmi), 0.0688, atol=2e-5)
    np.testing.assert_allclose(hmi.mean(), FE_6173.wavelength, atol=1e-5)
    np.testing.assert_allclose(phi[0] - FE_6173.wavelength, -0.3, atol=1e-5)


def test_an_unknown_instrument_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="hinode-sp, gris-1564"):
        instrument("hinode")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"samples": (6173.1, 6173.3), "step": 0.1}, "together with a step"),
        ({"samples": (6173.3, 6173.1)}, "increasing"),
        ({"samples": (6173.1, float("nan"))}, "finite"),
        ({"samples": (6170.0, 6173.3)}, "within 6173"),
    ],
)
def test_samples_are_checked(options: dict[str, object], reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        Region("points", (FE_6173,), 6173.0, 6173.7, **options)  # type: ignore[arg-type]
