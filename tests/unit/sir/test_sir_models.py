"""Models: units, what SIR cannot start from, and what it writes."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from stokeswarm.contract.plan import Cycle, Nodes
from stokeswarm.contract.sir_files import parse_model
from stokeswarm.inversion.engines.sir import models
from stokeswarm.inversion.engines.sir.fortran import OutputError


def written(cases: ModuleType, **changes: float) -> str:
    atmosphere = cases.atmosphere(**changes)
    return models.ModelWriter(atmosphere.log_tau).text(*models.pixel_values(atmosphere, 0))


def test_a_written_model_is_read_back_in_the_contracts_units(cases: ModuleType) -> None:
    atmosphere = cases.atmosphere(filling_factor=0.25, stray_light=0.125)
    found = parse_model(written(cases, filling_factor=0.25, stray_light=0.125), "g.mod")
    for name, array in atmosphere.arrays().items():
        assert found.arrays()[name] == pytest.approx(array, rel=1e-9), name


def test_numbers_are_written_exactly_in_single_precision(cases: ModuleType) -> None:
    temperature = np.float32(5123.4567)
    atmosphere = replace(cases.atmosphere(), temperature=np.full((1, 9), float(temperature)))
    text = models.ModelWriter(atmosphere.log_tau).text(*models.pixel_values(atmosphere, 0))
    assert np.float32(text.splitlines()[1].split()[1]) == temperature


def test_a_model_without_pressures_has_zeros_there(cases: ModuleType) -> None:
    bare = replace(cases.atmosphere(), gas_pressure=None, density=None, height=None)
    assert not models.pixel_values(bare, 0)[0][7:].any()
    assert models.has_pressure(bare).tolist() == [True]
    assert models.has_pressure(replace(bare, electron_pressure=None)).tolist() == [False]
    zero = replace(bare, electron_pressure=np.zeros((1, 9)))
    assert models.has_pressure(zero).tolist() == [False]


def test_what_is_inverted_does_not_start_from_zero(cases: ModuleType) -> None:
    empty = cases.atmosphere(field_strength=0.0, microturbulence=0.0, macroturbulence=0.0)
    values, header = models.pixel_values(empty, 0)
    models.startable(values, header, [Cycle((cases.NODES,), stray_light=True)], 0)
    assert (values[3] == models.LOWEST_FIELD).all()
    assert (values[2] == 1e5 * models.LOWEST_MICROTURBULENCE).all()
    assert header[0] == models.LOWEST_MACROTURBULENCE
    assert header[2] == pytest.approx(100 * models.LOWEST_FRACTION)


def test_what_is_kept_stays_as_it_is(cases: ModuleType) -> None:
    empty = cases.atmosphere(field_strength=0.0, microturbulence=0.0, macroturbulence=0.0)
    values, header = models.pixel_values(empty, 0)
    models.startable(values, header, [Cycle((Nodes(temperature=1),))], 0)
    assert not values[2:4].any()
    assert header.tolist() == [0.0, 1.0, 0.0]


def test_filling_factors_add_up(cases: ModuleType) -> None:
    single = [np.array([0.5, 0.3, 0.0])]
    models.fractions(single, ())
    assert single[0][1] == 1.0
    agree = [np.array([0.0, 0.35, 12.0]), np.array([0.0, 0.65, 0.0])]
    models.fractions(agree, ())
    assert [h[1] for h in agree] == [0.35, 0.65]
    assert agree[1][2] == 12.0
    differ = [np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0])]
    models.fractions(differ, [Cycle((Nodes(temperature=1),) * 2, filling_factor=True)])
    assert [h[1] for h in differ] == [1 - models.LOWEST_FRACTION, models.LOWEST_FRACTION]


@pytest.mark.parametrize(
    ("gamma", "phi", "expected"),
    [
        (30.0, 20.0, (30.0, 20.0)),
        (-30.0, 20.0, (30.0, 20.0)),
        (200.0, 200.0, (160.0, 20.0)),
        (380.0, -22.7, (20.0, 157.3)),
        (180.0, 180.0, (180.0, 0.0)),
    ],
)
def test_angles_are_folded_to_the_same_field(gamma: float, phi: float, expected: tuple[float, float]) -> None:
    values = np.zeros((len(models.COLUMNS), 1))
    values[5], values[6] = gamma, phi
    folded = models.folded(values.copy())
    assert (folded[5, 0], folded[6, 0]) == pytest.approx(expected)

    def signals(v: np.ndarray) -> list[float]:
        g, p = np.radians(v[5, 0]), np.radians(v[6, 0])
        return [np.cos(g), np.sin(g) ** 2 * np.cos(2 * p), np.sin(g) ** 2 * np.sin(2 * p)]

    assert signals(folded) == pytest.approx(signals(values))


def test_a_model_of_sirs_is_checked(cases: ModuleType) -> None:
    text, depth = written(cases).encode(), cases.plan().log_tau
    values, header = models.parse(text, "g_1.mod", depth)
    assert values.shape == (10, 9)
    assert header.tolist() == [0.5, 1.0, 0.0]
    lines = text.splitlines(keepends=True)
    with pytest.raises(OutputError, match="expected 9 rows of 11 numbers, found 91"):
        models.parse(b"".join(lines[:-1]), "g_1.mod", depth)
    with pytest.raises(OutputError, match="expected 9 rows"):
        models.parse(text + lines[-1], "g_1.mod", depth)
    with pytest.raises(OutputError, match="truncated"):
        models.parse(text[:-3], "g_1.mod", depth)
    with pytest.raises(OutputError, match="depths are not those"):
        models.parse(text, "g_1.mod", depth - 0.1)
    models.parse(text, "g_1.err", depth - 0.1, errors=True)


def test_errors_are_of_what_was_free(cases: ModuleType) -> None:
    values = np.full((10, 9), 2.0)
    values[2] = 2e4
    values[4] = 0.0
    values[0, 3] = 9.999e4
    nodes = Nodes(temperature=1, microturbulence=1, velocity=1, macroturbulence=True)
    found = models.errors_of(values, np.array([0.25, 0.0, 0.0]), [Cycle((nodes,))], 0)
    assert found["microturbulence"] == pytest.approx(0.2)
    assert found["macroturbulence"] == 0.25
    assert found["gas_pressure"] == pytest.approx(2.0)
    assert np.flatnonzero(np.isnan(found["temperature"])).tolist() == [3]
    for name in ("velocity", "field_strength", "azimuth", "filling_factor", "stray_light"):
        assert np.isnan(found[name]).all(), name
