"""A plan that exists is consistent; one that is not says which key, what was expected, what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.abundances import (
    N_ELEMENTS,
    SYMBOLS,
    TABLES,
    abundance_table,
    atomic_number,
    from_mapping,
)
from stokeswarm.contract.errors import NotFoundError, PlanError, SpectraError
from stokeswarm.contract.instrument import FE_6301, FE_6302, gaussian_psf, hinode_sp, instrument
from stokeswarm.contract.plan import (
    DEFAULT_LIMITS,
    MAX_DEPTHS,
    QUANTITIES,
    Cycle,
    Nodes,
    Plan,
    Psf,
    Region,
    node_numbers,
)

REGION = hinode_sp().regions[0]
CYCLE = Cycle((Nodes(temperature=3, velocity=1),))


def plan(**changes: Any) -> Plan:
    return replace(Plan("test", (REGION,), (CYCLE,)), **changes)


def test_the_default_depth_axis() -> None:
    axis = plan().log_tau
    assert axis.size == plan().n_depth == 53
    assert axis[0] == 1.2
    assert axis[-1] == -4.0
    assert np.allclose(np.diff(axis), -0.1, atol=1e-9)


INVALID: tuple[tuple[Callable[[], object], str], ...] = (
    (lambda: plan(name=""), "plan name: expected 1–200 characters, found 0"),
    (lambda: plan(name="x" * 201), "found 201"),
    (lambda: plan(regions=()), "no spectral region"),
    (lambda: plan(regions=(REGION, replace(REGION, name="again"))), "regions 'fe6302' and 'again' overlap"),
    (lambda: plan(cycles=(CYCLE,) * 10), "10 cycles, at most 9"),
    (lambda: plan(cycles=(CYCLE, Cycle((Nodes(1), Nodes(1))))), "the same number of components"),
    (lambda: plan(cycles=(CYCLE, Cycle((Nodes(),)))), "cycle 2: nothing is free"),
    (
        lambda: plan(cycles=(Cycle((Nodes(temperature=4),)),)),
        "cycle 1: 4 nodes of temperature do not fit a grid of 53",
    ),
    (lambda: plan(abundances=(12.0,) * 91), "expected 92 values, found 91"),
    (lambda: plan(abundances=(11.0,) + (5.0,) * 91), r"log ε\(H\) must be 12, found 11"),
    (lambda: plan(abundances=(12.0,) + (np.nan,) * 91), "line 1: the abundance of Fe is missing"),
    (
        lambda: plan(abundances=(12.0,) + (13.0,) * 91),
        r"abundances: expected a number in \[-12, 12\], found 13",
    ),
    (lambda: plan(noise=(1e-3, 1e-3, 1e-3)), r"noise: expected four values \(I Q U V\), found 3"),
    (lambda: plan(noise=(1e-3, 1e-3, 0.0, 1e-3)), "noise of Stokes U: expected a number in"),
    (lambda: plan(noise=(np.nan, 1e-3, 1e-3, 1e-3)), "noise of Stokes I: .* found nan"),
    (lambda: plan(mu=0.0), r"mu: expected a number in \[0.01, 1\], found 0"),
    (lambda: plan(depth_step=0.0), "depth_step"),
    (lambda: plan(depth_step=0.005), f"depth axis: 1041 points, at most {MAX_DEPTHS}"),
    (lambda: plan(depth_bottom=np.inf), "depth_bottom"),
    (lambda: plan(depth_top=0.1), "depth_top"),
    (lambda: plan(top_gas_pressure=(-1.0,)), "top_gas_pressure"),
    (lambda: plan(max_iterations=0), "max_iterations: expected 1–1000, found 0"),
    (lambda: plan(pixel_timeout=0.0), "pixel_timeout"),
    (lambda: plan(svd_tolerance=2.0), "svd_tolerance"),
    (lambda: plan(initial_damping=-1.0), "initial_damping"),
    (lambda: plan(limits={"temprature": (1.0, 2.0)}), "limits: 'temprature' is not one of temperature, "),
    (
        lambda: plan(limits={"velocity": (5.0, -5.0)}),
        r"limits of velocity: expected a number in \[5, inf\], found -5",
    ),
    (lambda: Nodes(velocity=-1), "velocity: expected 0–400 nodes, found -1"),
    (lambda: Cycle(()), "one or two components, found 0"),
    (lambda: Cycle((Nodes(1),) * 3), "one or two components, found 3"),
    (lambda: Cycle((Nodes(1),), weights=(0.0,) * 4), "all four are zero"),
    (lambda: Cycle((Nodes(1),), weights=(1.0, -1.0, 1.0, 1.0)), "weight of Stokes Q"),
    (lambda: Cycle((Nodes(1),), weights=(1.0, 1.0)), r"expected four \(I Q U V\), found 2"),  # type: ignore[arg-type]
    (lambda: replace(REGION, lines=()), "region 'fe6302': no lines"),
    (lambda: replace(REGION, stop=6300.0), r"region 'fe6302' stop \[Å\]"),
    (lambda: replace(REGION, start=630.1, stop=630.3), r"region 'fe6302' start \[Å\]: .* found 630.1"),
    (lambda: replace(REGION, step=1e-5), "more than 5000 wavelengths"),
    (lambda: replace(REGION, step=1e-310), "more than 5000 wavelengths"),
    (lambda: replace(REGION, step=-0.1), "step"),
    (lambda: replace(REGION, step=0.0).grid(), "a step .* is needed where no observation gives the grid"),
    (lambda: replace(FE_6301, element="Xx"), "element 'Xx' is not a chemical symbol"),
    (lambda: replace(FE_6301, ion=0), "line 1: ion must be 1"),
    (lambda: replace(FE_6301, wavelength=630.15), "line 1 wavelength"),
    (lambda: replace(FE_6301, excitation=-1.0), "line 1 excitation"),
    (lambda: replace(FE_6301, abo_sigma=2.35), "line 1 ABO sigma"),
    (lambda: replace(FE_6301, effective_lande=np.nan), "line 1 effective Landé factor"),
    (lambda: Psf((0.0,), (1.0,), "slit"), "psf 'slit': 1 offsets and 1 transmissions"),
    (lambda: Psf((0.0, 0.0), (1.0, 1.0)), "strictly increasing"),
    (lambda: Psf((0.0, 1.0), (1.0, np.nan)), "finite"),
    (lambda: Psf((0.0, 1.0), (0.0, 0.0)), "sums to 0, expected > 0"),
)


@pytest.mark.parametrize(("build", "message"), INVALID)
def test_contradictions_are_named(build: Callable[[], object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        build()


def test_limits_fall_back_on_the_defaults() -> None:
    bounded = plan(limits={"velocity": (-12.0, 12.0)})
    assert bounded.limit("velocity") == (-12.0, 12.0)
    assert bounded.limit("temperature") == DEFAULT_LIMITS["temperature"]


def test_free_parameters_are_counted_once() -> None:
    nodes = Nodes(temperature=5, field_strength=3, azimuth=1, macroturbulence=True)
    cycle = Cycle((nodes, Nodes(velocity=2)), filling_factor=True, stray_light=True)
    assert (nodes.n_free, cycle.n_free) == (10, 14)


# ---- nodes ---------------------------------------------------------------------------------------------


def test_node_numbers_of_common_grids() -> None:
    assert node_numbers(53) == (1, 2, 3, 5, 14, 27, 53)
    assert node_numbers(1) == (1,)
    assert node_numbers(2) == (1, 2)


@given(st.integers(1, MAX_DEPTHS))
def test_nodes_fall_on_grid_points(n_depth: int) -> None:
    numbers = node_numbers(n_depth)
    assert numbers[0] == 1
    assert n_depth in numbers
    assert list(numbers) == sorted(set(numbers))
    brute = [n for n in range(2, n_depth + 1) if ((n_depth - 1) / (n - 1)).is_integer()]
    assert list(numbers[1:]) == brute


@given(st.lists(st.integers(0, 60), min_size=7, max_size=7), st.booleans())
def test_automatic_numbers_are_lowered_to_what_fits(counts: list[int], macroturbulence: bool) -> None:
    numbers = dict(zip(QUANTITIES, counts, strict=True))
    nodes = Nodes(macroturbulence=macroturbulence, **numbers)
    cycle = Cycle((nodes,), automatic=True, stray_light=True)
    carried = plan(cycles=(cycle,)).carried_nodes(cycle)
    allowed = (0, *node_numbers(53))
    for quantity, count in numbers.items():
        chosen = getattr(carried.components[0], quantity)
        assert chosen in allowed
        assert chosen <= count
        assert not any(chosen < n <= count for n in allowed)
    assert carried.components[0].macroturbulence is macroturbulence
    assert replace(carried, components=cycle.components) == cycle


def test_fixed_numbers_are_not_touched() -> None:
    assert plan().carried_nodes(CYCLE) is CYCLE


def test_automatic_cycles_may_name_any_number() -> None:
    cycle = Cycle((Nodes(temperature=4),), automatic=True)
    assert plan(cycles=(cycle,)).carried_nodes(cycle).components[0].temperature == 3


# ---- regions on an observation's axis ------------------------------------------------------------------

INFRARED = Region("ir", (replace(FE_6302, index=3, wavelength=15648.5),), 15646.0, 15651.0, 0.04)


def test_regions_are_found_in_any_order() -> None:
    both = plan(regions=(REGION, INFRARED))
    axis = np.concatenate([INFRARED.grid(), REGION.grid()])
    visible, infrared = both.region_slices(axis)
    assert np.array_equal(axis[visible], REGION.grid())
    assert np.array_equal(axis[infrared], INFRARED.grid())


def test_half_a_sample_off_still_belongs() -> None:
    for shift in (-0.5, 0.5):
        (found,) = plan().region_slices(REGION.grid() + shift * REGION.step)
        assert (found.start, found.stop) == (0, 112)


def test_a_part_of_a_region_is_enough() -> None:
    (found,) = plan().region_slices(REGION.grid()[30:60])
    assert (found.start, found.stop) == (0, 30)


def test_a_neighbours_margin_takes_nothing_from_a_region() -> None:
    blue = replace(REGION, name="blue", start=6301.0, stop=6302.0, step=0.02)
    red = replace(REGION, name="red", start=6302.01, stop=6303.01, step=0.02)
    adjoining = plan(regions=(blue, red))
    slices = adjoining.region_slices(adjoining.wavelength)
    assert [s.stop - s.start for s in slices] == [blue.n_wavelength, red.n_wavelength]


AXIS = REGION.grid()


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (AXIS + 1.74, "lies in none of the plan's regions .*vacuum ones are about 1.7 Å larger"),
        (AXIS / 10, r"found 630\.\d+–63\d\.\d+ \(nanometres\? multiply by 10\)"),
        (AXIS[::-1], "samples of region 'fe6302' are not contiguous and increasing"),
        (np.append(AXIS, 6500.0), "sample 112 at 6500.0000 Å lies in none"),
        (np.append(AXIS, AXIS[0]), "a value occurs twice"),
        (np.append(AXIS, np.nan), "sample 112 is not finite"),
        ([], "non-empty 1-D axis"),
        (AXIS[None], r"found shape \(1, 112\)"),
    ],
)
def test_axes_that_do_not_fit(axis: Any, message: str) -> None:
    with pytest.raises(SpectraError, match=message):
        plan().region_slices(axis)


def test_a_region_without_a_sample_is_named() -> None:
    with pytest.raises(SpectraError, match=r"no sample in region 'ir' \(15646.000–15651.000 Å\)"):
        plan(regions=(REGION, INFRARED)).region_slices(AXIS)


def test_interleaved_regions_are_refused() -> None:
    axis = np.concatenate([AXIS[:50], INFRARED.grid(), AXIS[50:]])
    with pytest.raises(SpectraError, match="'fe6302' are not contiguous"):
        plan(regions=(REGION, INFRARED)).region_slices(axis)


# ---- instruments and abundances ------------------------------------------------------------------------


def test_hinode_sp_is_the_spectrograph_of_the_literature() -> None:
    grid = instrument("hinode-sp").regions[0].grid()
    assert grid.size == 112
    assert np.allclose(np.diff(grid), 0.021549)
    for line in (FE_6301, FE_6302):
        assert grid[0] < line.wavelength < grid[-1]
    with pytest.raises(NotFoundError, match="instrument 'hinode' is unknown; there are hinode-sp"):
        instrument("hinode")


@given(st.floats(5, 200), st.floats(0.5, 5))
def test_a_gaussian_psf_has_the_width_it_says(fwhm: float, step: float) -> None:
    psf = gaussian_psf(fwhm, step)
    offset, value = np.array(psf.offset), np.array(psf.transmission)
    assert np.allclose(offset, -offset[::-1])
    assert np.allclose(value, value[::-1])
    sigma = fwhm / 2.3548200450309493
    assert np.allclose(value, np.exp(-(offset**2) / (2 * sigma**2)))
    assert value[0] < np.exp(-7.9)


def test_abundance_tables() -> None:
    for name in TABLES:
        table = abundance_table(name)
        assert table.shape == (N_ELEMENTS,)
        assert table[0] == 12.0
        assert 7.4 < table[atomic_number("fe") - 1] < 7.6
    with pytest.raises(NotFoundError, match="no table named 'asplund'; there are asplund-2009"):
        abundance_table("asplund")
    with pytest.raises(PlanError, match=r"log ε\(H\) must be 12, found nan"):
        from_mapping({"Fe": 7.5})


def test_symbols_and_atomic_numbers_agree() -> None:
    assert [atomic_number(symbol) for symbol in SYMBOLS] == list(range(1, 93))
    assert (SYMBOLS[25], SYMBOLS[91]) == ("Fe", "U")
    assert atomic_number(" FE ") == 26
