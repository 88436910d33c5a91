"""Terms, Landé factors and Zeeman patterns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.inversion.engines.lte.terms import (
    effective_lande_factor,
    measured_lande_factors,
    parse_term,
    parse_transition,
)
from stokeswarm.inversion.engines.lte.zeeman import (
    LORENTZ_UNIT,
    PI,
    SIGMA_BLUE,
    SIGMA_RED,
    ZeemanPattern,
    pattern_of_terms,
    triplet,
    zeeman_pattern,
)


@pytest.mark.parametrize(
    ("transition", "effective"),
    [
        ("5P 2.0- 5D 2.0", 5.0 / 3.0),  # Fe I 6301.5
        ("5P 1.0- 5D 0.0", 2.5),  # Fe I 6302.5, 6173.3
        ("7D 1.0- 7D 1.0", 3.0),  # Fe I 15648.5
        ("3P 1.0- 3S 1.0", 1.75),
        ("2S 0.5- 2P 1.5", 7.0 / 6.0),  # Na I D2
        ("2S 0.5- 2P 0.5", 4.0 / 3.0),  # Na I D1
    ],
)
def test_effective_lande_factors_of_known_lines(transition: str, effective: float) -> None:
    lower, upper = parse_transition(transition)
    found = effective_lande_factor(lower.lande_factor, upper.lande_factor, lower.total, upper.total)
    assert found == pytest.approx(effective, rel=1e-12)
    pattern = pattern_of_terms(lower, upper)
    red = pattern.kind == SIGMA_RED
    assert np.sum(pattern.shift[red] * pattern.strength[red]) == pytest.approx(effective, abs=1e-8)


def test_half_integer_orbital_momentum() -> None:
    assert parse_term("7k 4.0").orbital == 3.5
    assert parse_term("7[7/2] 4.0") == parse_term("7k4.0")
    assert parse_term("7k 4.0").lande_factor == pytest.approx(1.40625)
    assert measured_lande_factors(26, 0, 15652.857) == (1.45, 1.45)
    assert measured_lande_factors(26, 0, 15648.5) is None


@pytest.mark.parametrize("text", ["", "P 2.0", "5X 1.0", "5P", "5P 2.3", "5[7/3] 1.0"])
def test_bad_terms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"level|orbital|multiple"):
        parse_term(text)


@pytest.mark.parametrize("text", ["5P 2.0", "5P 2.0- 5D 4.0", "1S 0.0- 1S 0.0", "5P 2.0- 5D 2.0- 5D 1.0"])
def test_bad_transitions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="transition"):
        parse_transition(text)


def test_pattern_of_6301_is_that_of_the_table() -> None:
    """Fe I 6301.5: J = 2 - 2, g = 11/6 and 3/2; strengths of Landi & Landolfi (2004), table 3.1."""
    pattern = zeeman_pattern(11.0 / 6.0, 1.5, 2.0, 2.0)
    pi = pattern.kind == PI
    np.testing.assert_allclose(pattern.shift[pi], [-2 / 3, -1 / 3, 1 / 3, 2 / 3], atol=1e-8)
    np.testing.assert_allclose(pattern.strength[pi], [0.4, 0.1, 0.1, 0.4])
    red = pattern.kind == SIGMA_RED
    np.testing.assert_allclose(pattern.shift[red], [7 / 6, 1.5, 11 / 6, 13 / 6], atol=1e-8)
    np.testing.assert_allclose(pattern.strength[red], [0.2, 0.3, 0.3, 0.2])


def test_equal_lande_factors_give_a_triplet() -> None:
    pattern = zeeman_pattern(3.0, 3.0, 1.0, 1.0)
    np.testing.assert_allclose(pattern.shift, triplet(3.0).shift)


momenta = st.integers(0, 12).map(lambda n: n / 2)
factors = st.floats(-3.0, 4.0, allow_nan=False)


@given(factors, factors, momenta, st.sampled_from([-1.0, 0.0, 1.0]))
def test_patterns_are_symmetric_and_normalised(
    g_lower: float, g_upper: float, j: float, change: float
) -> None:
    other = j + change
    if other < 0.0 or j + other == 0.0:
        return
    pattern = zeeman_pattern(g_lower, g_upper, j, other)
    for kind in (PI, SIGMA_BLUE, SIGMA_RED):
        assert pattern.strength[pattern.kind == kind].sum() == pytest.approx(1.0)
    blue, red, pi = (pattern.kind == kind for kind in (SIGMA_BLUE, SIGMA_RED, PI))
    np.testing.assert_allclose(pattern.shift[blue], -pattern.shift[red][::-1], atol=2e-9)
    np.testing.assert_allclose(pattern.strength[blue], pattern.strength[red][::-1], atol=1e-9)
    assert np.sum(pattern.shift[pi] * pattern.strength[pi]) == pytest.approx(0.0, abs=1e-8)
    effective = effective_lande_factor(g_lower, g_upper, j, other)
    assert np.sum(pattern.shift[red] * pattern.strength[red]) == pytest.approx(effective, abs=1e-7)


def test_lorentz_unit() -> None:
    assert pytest.approx(4.6686e-5, rel=1e-4) == LORENTZ_UNIT


def test_a_pattern_must_be_consistent() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        ZeemanPattern(np.array([0, 1, 2]), np.zeros(3), np.array([1.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match="one length"):
        ZeemanPattern(np.array([0, 1, 2]), np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match="electric dipole"):
        zeeman_pattern(1.0, 1.0, 1.0, 3.0)
