"""Numbers in SIR's files, both ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.errors import PlanError
from stokeswarm.inversion.engines.sir.fortran import FIELD, OutputError, integers, numbers, real, reals

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


def read_f13_5(text: str) -> float:
    """What Fortran's f13.5 makes of a field: five decimals where there is no point."""
    mantissa, _, exponent = text.lower().partition("e")
    value = float(mantissa) if "." in mantissa else float(mantissa) * 1e-5
    return value * 10.0 ** int(exponent or 0)


@given(singles)
def test_a_real_fits_its_field_and_has_a_point(value: float) -> None:
    text = real(value)
    assert len(text) <= FIELD
    assert "." in text.partition("e")[0]
    assert read_f13_5(text) == pytest.approx(value, rel=1e-5, abs=1e-44)


@given(st.floats(min_value=2.0**-10, max_value=2.0**20, width=32))
def test_a_real_of_usual_size_is_exact_in_single_precision(value: float) -> None:
    assert np.float32(real(value)) == np.float32(value)


@pytest.mark.parametrize(
    ("value", "text"), [(1e3, "1000."), (1e-4, "0.0001"), (0.0, "0."), (-624.37, "-624.37"), (1e-5, "1.e-05")]
)
def test_how_reals_look(value: float, text: str) -> None:
    assert real(value) == text


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_what_is_no_single_precision_number_is_refused(value: float) -> None:
    with pytest.raises(PlanError, match="S/N: expected a finite single-precision number"):
        real(value, what="S/N")


def test_values_of_cycles_are_repeated_only_where_they_differ() -> None:
    assert reals([1.0, 1.0]) == "1."
    assert reals([1.0, 5.0]) == "1.,5."
    assert integers([2, 2, 2]) == "2"
    assert integers([1, 3, 5]) == "1,3,5"


def test_a_file_is_its_numbers() -> None:
    assert numbers(b" 1.5 -2.E+01\n 3\n", "g_1.mod").tolist() == [1.5, -20.0, 3.0]


def test_exponents_without_a_letter_are_understood() -> None:
    assert numbers(b" 1.234-105 -2.5+100 0.1D+02\n", "x").tolist() == [1.234e-105, -2.5e100, 10.0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1.0 2.0", "truncated"),
        (b"1.0 ******\n", "asterisks"),
        (b"1.0 NaN\n", "not finite"),
        (b"1.0 Infinity\n", "not finite"),
        (b"1.0 STOP\n", "'?STOP'? where a number belongs"),
        (b"1_0 2\n", "something else than numbers"),
    ],
)
def test_garbage_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(OutputError, match=reason):
        numbers(data, "g_1.mod")
