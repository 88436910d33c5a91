"""The wavelength grid that SIR is given, and where the requested samples are on it."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.instrument import FE_6301, instrument
from stokeswarm.contract.plan import Line, Plan
from stokeswarm.inversion.engines.sir.dialect import Bounds
from stokeswarm.inversion.engines.sir.sampling import Sampling, sampling
from stokeswarm.inversion.engines.sir.variants import SIR_2015, SIR_2017

BOUNDS = SIR_2017.bounds


def on(plan: Plan, wavelength: np.ndarray, bounds: Bounds = BOUNDS, **how: Any) -> Sampling:
    settings = {"inverts": False, "smears": False, "exact": False} | how
    return sampling(plan, wavelength, bounds, **settings)


def rows(found: Sampling) -> list[tuple[str, list[float]]]:
    parts = (line.split(":") for line in found.text.splitlines())
    return [(labels, [float(v) for v in values.split(",")]) for labels, values in parts]


def test_the_plans_own_grid_keeps_its_digits(cases: ModuleType) -> None:
    plan = cases.plan()
    found = on(plan, plan.wavelength)
    assert found.text == "1,2:-40.,20.,40.\n"
    assert found.computed.tolist() == [0, 1, 2, 3, 4]
    assert found.columns.tolist() == [[1] * 5, [-40.0, -20.0, 0.0, 20.0, 40.0]]


def test_a_subset_is_computed_on_the_whole_region(cases: ModuleType) -> None:
    plan = cases.plan()
    found = on(plan, plan.wavelength[[1, 3]])
    assert found.text == "1,2:-40.,20.,40.\n"
    assert found.computed.tolist() == [1, 3]
    assert found.n_computed == 5


def test_stray_light_comes_on_the_samples_so_nothing_else_is_computed(cases: ModuleType) -> None:
    plan = cases.plan()
    assert on(plan, plan.wavelength[1:4], exact=True).text == "1,2:-20.,20.,20.\n"


def test_a_step_that_does_not_divide_the_observed_one_is_not_used(cases: ModuleType) -> None:
    plan = cases.plan(regions=(cases.region(step=0.015),))
    wavelength = FE_6301.wavelength - 0.04 + 0.02 * np.arange(4)
    found = on(plan, wavelength, inverts=True)
    assert rows(found) == [("1,2", [-40.0, 20.0, 20.0])]


def test_uneven_samples_get_a_grid_that_has_them_all(cases: ModuleType) -> None:
    plan = cases.plan(regions=(cases.region(step=0.0, stop=FE_6301.wavelength + 0.1),))
    wavelength = FE_6301.wavelength + 1e-3 * np.array([-40.0, -10.0, 10.0, 25.0, 90.0])
    found = on(plan, wavelength)
    points = found.computed_columns[1][found.computed]
    assert points == pytest.approx([-40.0, -10.0, 10.0, 25.0, 90.0])


def test_samples_on_no_even_grid_are_refused(cases: ModuleType) -> None:
    plan = cases.plan(regions=(cases.region(step=0.0, stop=FE_6301.wavelength + 0.1),))
    wavelength = FE_6301.wavelength + 1e-3 * np.array([-40.0, -10.123, 10.0, 26.7, 90.0])
    with pytest.raises(PlanError, match="on no even grid"):
        on(plan, wavelength)


def two_regions(cases: ModuleType, first: float, second: float) -> Plan:
    """Regions of five samples, 20 mÅ apart, that begin at these offsets [mÅ] from their lines."""
    other = Line(7, "Fe", 1, 6400.0, 3.6, -1.0, "5P2.0", "5D2.0")
    a = cases.region(start=FE_6301.wavelength + 1e-3 * first, stop=FE_6301.wavelength + 1e-3 * (first + 80))
    b = replace(a, name="b", lines=(other,), start=6400.0 + 1e-3 * second, stop=6400.0 + 1e-3 * (second + 80))
    return cases.plan(regions=(a, b))


def test_lines_are_numbered_anew_so_that_a_label_may_occur_twice(cases: ModuleType) -> None:
    plan = two_regions(cases, -40, -40)
    twice = replace(plan.regions[1], lines=(replace(plan.regions[1].lines[0], index=1),))
    found = on(replace(plan, regions=(plan.regions[0], twice)), plan.wavelength)
    assert [labels for labels, _ in rows(found)] == ["1,2", "3"]


def test_regions_may_come_in_another_order_on_the_axis(cases: ModuleType) -> None:
    plan = two_regions(cases, -40, -60)
    axis = np.concatenate([plan.regions[1].grid(), plan.regions[0].grid()])
    found = on(plan, axis, inverts=True)
    assert found.order.tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
    assert found.computed.tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]


def test_regions_are_swapped_where_the_code_would_confuse_them(cases: ModuleType) -> None:
    # the first region ends at +40 mÅ where the second one begins: there SIR would find the first one's sample
    plan = two_regions(cases, -40, 40)
    found = on(plan, plan.wavelength, inverts=True)
    assert [labels for labels, _ in rows(found)] == ["3", "1,2"]
    assert found.order.tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
    assert [labels for labels, _ in rows(on(plan, plan.wavelength))] == ["1,2", "3"]


def test_what_a_grid_has_beyond_its_samples_does_not_take_those_of_another_region(cases: ModuleType) -> None:
    # the first grid goes on to +40 mÅ, and the second region's samples begin at +20
    plan = two_regions(cases, -40, 20)
    axis = np.concatenate([plan.regions[0].grid()[:3], plan.regions[1].grid()[:3]])
    found = on(plan, axis, inverts=True)
    assert rows(found) == [("3", [20.0, 20.0, 100.0]), ("1,2", [-40.0, 20.0, 40.0])]


def test_it_is_cut_where_no_order_helps(cases: ModuleType) -> None:
    plan = two_regions(cases, -40, 20)
    third = replace(
        plan.regions[1],
        name="c",
        lines=(replace(plan.regions[1].lines[0], wavelength=6500.0),),
        start=6499.96,
        stop=6500.04,
    )
    plan = replace(plan, regions=(*plan.regions, third))
    axis = np.concatenate([region.grid()[:3] for region in plan.regions])
    found = on(plan, axis, inverts=True)
    assert sorted(labels for labels, _ in rows(found)) == ["1,2", "3", "4"]


def test_a_filtergraphs_points_are_convolved_on_a_finer_grid(cases: ModuleType) -> None:
    (region,) = instrument("hmi-6173").regions
    plan = cases.plan(regions=(region,))
    axis = np.array(region.samples)
    assert on(plan, axis).n_computed == 6
    found = on(plan, axis, smears=True)
    ((_, (start, step, stop)),) = rows(found)
    assert step == pytest.approx(17.2)
    assert start < -172.0 - 76.0
    assert stop > 172.0 + 76.0
    assert found.computed_columns[1][found.computed] == pytest.approx(found.columns[1], abs=0.05)
    own = cases.plan(regions=(replace(region, samples=(), step=0.0688),))
    assert on(own, axis, smears=True).n_computed == 6


def test_regions_that_cannot_be_told_apart_are_refused(cases: ModuleType) -> None:
    plan = two_regions(cases, -40, -40)
    one = np.array([plan.regions[0].start, plan.regions[1].start])
    with pytest.raises(PlanError, match="samples of one for those of another"):
        on(plan, one, inverts=True)


def test_limits_of_the_code(cases: ModuleType) -> None:
    many = cases.plan(regions=(cases.region(n=1100, step=0.002),))
    on(many, many.wavelength)
    with pytest.raises(PlanError, match="1100 wavelengths, the code convolves at most 1024"):
        on(many, many.wavelength, smears=True)
    crowded = cases.plan(regions=(cases.region(n=5000, step=0.001),))
    with pytest.raises(PlanError, match="5000 wavelengths, the code holds 4999"):
        on(crowded, crowded.wavelength)
    lines = tuple(replace(FE_6301, index=i) for i in range(1, 12))
    eleven = cases.plan(regions=(cases.region(lines=lines),))
    assert on(eleven, eleven.wavelength).text.startswith("1,2,3,4,5,6,7,8,9,10,11:")
    with pytest.raises(PlanError, match="11 lines, this build of the code holds 10"):
        on(eleven, eleven.wavelength, SIR_2015.bounds)


def test_a_row_of_the_grid_that_would_be_cut_off_is_refused(cases: ModuleType) -> None:
    lines = tuple(replace(FE_6301, index=i) for i in range(1, 40))
    plan = cases.plan(regions=(cases.region(lines=lines),))
    with pytest.raises(PlanError, match="39 lines do not fit one row"):
        _ = on(plan, plan.wavelength).text
