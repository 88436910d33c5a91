from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.client.sources import load
from stokeswarm.contract.abundances import abundance_table
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.instrument import hinode_sp
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.sir_files import (
    GridRow,
    Profile,
    SirFileError,
    format_abundances,
    format_grid,
    format_lines,
    format_model,
    format_profile,
    format_psf,
    grid_regions,
    parse_abundances,
    parse_grid,
    parse_lines,
    parse_model,
    parse_profile,
    parse_psf,
    profile_from_spectra,
)

LINE = "  1=FE 1 6301.5012    1.0  3.654  -0.75   5P 2.0- 5D 2.0  0.243  2.3520e-14"


def golden_models(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "golden/synthesis").glob("*.mod"))


# ---- models --------------------------------------------------------------------------------------------


def test_model_in_the_contracts_units(data_dir: Path) -> None:
    model = load(data_dir / "golden/synthesis/A03_2comp_stray.mod1.mod", parse_model)
    assert model.log_tau[0] == 1.2
    assert model.temperature[0, 0] == 9220.0
    assert model.electron_pressure is not None
    assert model.electron_pressure[0, 0] == pytest.approx(4199.34)
    assert model.microturbulence[0, 0] == pytest.approx(1.0)
    assert model.velocity[0, 0] == pytest.approx(1.6)
    assert model.inclination[0, 0] == pytest.approx(26.8)
    assert model.filling_factor[0] == 0.35
    assert model.stray_light[0] == pytest.approx(0.12)
    assert model.density is not None
    assert model.density[0, 0] == pytest.approx(3.3791e-7)


def test_every_golden_model_survives_a_round_trip(data_dir: Path) -> None:
    models = golden_models(data_dir)
    assert len(models) >= 13
    for path in models:
        model = load(path, parse_model)
        again = parse_model(format_model(model), "again")
        for name, array in model.arrays().items():
            # temperature is written to 0.01 K, the rest to seven digits
            np.testing.assert_allclose(again.arrays()[name], array, rtol=2e-6, atol=1e-7, err_msg=path.name)
        np.testing.assert_allclose(again.log_tau, model.log_tau, atol=1e-9)


def test_short_model() -> None:
    text = "1.0 1.0\n 0.0 6000. 50. 1e5 0. 0. 0. 0.\n-1.0 5000. 5. 1.d5 0. -2e5 0. 0.\n"
    model = parse_model(text, "m")
    assert model.gas_pressure is None
    assert model.stray_light[0] == 0.0
    assert model.velocity[0].tolist() == [0.0, -2.0]
    assert len(format_model(model).splitlines()[1].split()) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("empty",)),
        ("1.0 1.0 0.0\n", ("no rows",)),
        ("1.0\n", ("line 1", "macroturbulence")),
        ("1.0 1.5 0.0\n0. 6000. 1. 1. 1. 1. 1. 1.\n", ("line 1", "filling factor", "1.5")),
        ("1.0 1.0 0.0\n0. 6000. 1. 1. 1. 1. 1.\n", ("line 2", "8 or 11 columns", "7")),
        ("1. 1. 0.\n\n0. 6000. 1. 1. 1. 1. 1. 1.\n0.1 6000. 1. 1. 1. 1. 1. 1.\n", ("line 4", "decrease")),
        ("1. 1. 0.\n0. 6000. 1. 1. 1. 1. 1. x\n", ("line 2", "column 8", "'x'")),
        ("1. 1. 0.\n0. NaN 1. 1. 1. 1. 1. 1.\n", ("line 2", "column 2", "'NaN'")),
        ("1. 1. 0.\n0. -5. 1. 1. 1. 1. 1. 1.\n", ("line 2", "temperature")),
    ],
)
def test_a_bad_model_names_its_line(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SirFileError) as caught:
        parse_model(text, "bad.mod")
    for word in ("bad.mod", *words):
        assert word in str(caught.value)


def test_a_model_without_electron_pressure_is_not_written(data_dir: Path) -> None:
    model = load(golden_models(data_dir)[0], parse_model)
    with pytest.raises(InvalidArgumentError, match="electron pressure"):
        format_model(replace(model, electron_pressure=None))
    model.temperature[0, 3] = np.nan
    with pytest.raises(InvalidArgumentError, match="temperature"):
        format_model(model)


# ---- profiles ------------------------------------------------------------------------------------------


def test_every_golden_profile_survives_a_round_trip(data_dir: Path) -> None:
    paths = sorted((data_dir / "golden").rglob("*.per"))
    assert len(paths) > 30
    for path in paths:
        profile = load(path, parse_profile)
        again = parse_profile(format_profile(profile), "again")
        np.testing.assert_array_equal(again.index, profile.index)
        np.testing.assert_allclose(again.offset, profile.offset, atol=5.1e-5)
        np.testing.assert_allclose(again.stokes, profile.stokes, rtol=1e-7, atol=1e-12, err_msg=path.name)


def test_profile_of_several_lines(data_dir: Path) -> None:
    folder = data_dir / "observed/sir_course"
    profile = load(folder / "SPINOR_penumb1565.per", parse_profile)
    assert [index for index, _ in profile.runs()] == [10, 9, 8, 12]
    lines = load(folder / "LINES", parse_lines)
    wavelength = profile.wavelength(lines)
    assert wavelength[0] == pytest.approx(15621.658 - 2.72639)
    with pytest.raises(SirFileError, match="line index 10 is not in the line list"):
        profile.wavelength({})


finite = st.floats(-0.98, 2.0, allow_nan=False)


@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(-90000, 90000), min_size=n, max_size=n, unique=True),
            st.lists(st.one_of(finite, st.just(float("nan"))), min_size=4 * n, max_size=4 * n),
        )
    )
)
def test_any_profile_survives_a_round_trip(content: tuple[list[int], list[float]]) -> None:
    offsets, values = content
    n = len(offsets)
    profile = Profile(
        np.full(n, 3), np.sort(np.array(offsets) / 10.0), np.array(values, np.float64).reshape(4, n)
    )
    again = parse_profile(format_profile(profile), "again")
    np.testing.assert_allclose(again.offset, profile.offset, atol=1e-9)
    np.testing.assert_allclose(again.stokes, profile.stokes, rtol=1e-7, atol=1e-30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("no rows",)),
        ("1 0. 1. 0. 0.\n", ("line 1", "6 columns")),
        ("1.5 0. 1. 0. 0. 0.\n", ("line 1", "line index", "1.5")),
        ("1 0. 1. 0. 0. 0.\n1 0. 1. 0. 0. 0.\n", ("line 2", "increase")),
        ("1 0. 1. 0. 0. 0.\n2 0. 1. 0. 0. 0.\n1 9. 1. 0. 0. 0.\n", ("contiguous",)),
        ("1 0. 1. 0. ***** 0.\n", ("line 1", "column 5")),
    ],
)
def test_a_bad_profile_names_its_line(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SirFileError) as caught:
        parse_profile(text, "bad.per")
    for word in ("bad.per", *words):
        assert word in str(caught.value)


def test_spectra_become_a_profile_and_back() -> None:
    plan = Plan("p", hinode_sp().regions)
    wavelength = plan.wavelength
    stokes = np.linspace(0, 1, 4 * wavelength.size).reshape(4, -1)
    profile = profile_from_spectra(plan, wavelength, stokes)
    assert set(profile.index.tolist()) == {1}
    assert profile.offset[0] == pytest.approx(-624.37, abs=1e-6)
    lines = {line.index: line for line in plan.regions[0].lines}
    np.testing.assert_allclose(profile.wavelength(lines), wavelength, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(profile.stokes, stokes)


# ---- line lists ----------------------------------------------------------------------------------------


def test_golden_line_list(data_dir: Path) -> None:
    lines = load(data_dir / "golden/synthesis/LINES", parse_lines)
    assert sorted(lines) == [1, 2, 3, 4, 7, 8]
    assert lines[1].wavelength == 6301.5012
    assert (lines[1].lower_term, lines[1].upper_term) == ("5P2.0", "5D2.0")
    assert (lines[1].excitation, lines[1].log_gf) == (3.64, -0.59)
    assert (lines[1].abo_alpha, lines[1].abo_sigma) == (0.242846, 2.3437e-14)
    assert lines[4].upper_term == "7k4.0"
    assert (lines[8].damping_factor, lines[8].abo_alpha, lines[8].abo_sigma) == (2.0, 0.0, 0.0)


def test_every_line_list_survives_a_round_trip(data_dir: Path) -> None:
    paths = [data_dir / "golden/synthesis/LINES", *sorted((data_dir / "observed/sir_course").glob("LINES*"))]
    for path in paths:
        lines = load(path, parse_lines)
        text = format_lines(lines.values())
        assert parse_lines(text, "again") == lines
        assert max(map(len, text.splitlines())) < 100
    firs = load(data_dir / "observed/sir_course/LINES2_FIRS", parse_lines)
    assert firs[6].element == "Sr"
    assert firs[6].log_gf == -0.4


def test_bracket_terms() -> None:
    line = parse_lines(LINE.replace(" 5D 2.0", " 7[7/2] 4.0"), "L")[1]
    assert line.upper_term == "7[7/2]4.0"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (LINE.replace("=", " "), ("line 1", "index=element")),
        (LINE.replace("FE", "Xx"), ("Xx",)),
        (LINE.replace("6301.5012", "63e2"), ("wavelength", "decimal point", "'63.e2'")),
        (LINE.replace("5P 2.0-", ""), ("two terms",)),
        (LINE.replace("FE 1", "FE 9"), ("line 1", "ion")),
        (LINE.replace("2.3520e-14", ""), ("ABO",)),
        (LINE.replace("1=FE 1", "1=FE\t1"), ("tabs",)),
        (LINE + "\n" + LINE, ("line 2", "twice")),
        (LINE.replace("-0.75", "big"), ("log gf", "'big'")),
    ],
)
def test_a_bad_line_names_itself(row: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SirFileError) as caught:
        parse_lines(row, "bad LINES")
    for word in ("bad LINES", *words):
        assert word in str(caught.value)


def test_a_line_list_cannot_hold_an_effective_lande_factor() -> None:
    line = parse_lines(LINE, "L")[1]
    with pytest.raises(InvalidArgumentError, match="Landé"):
        format_lines([replace(line, effective_lande=2.5)])


def test_numbers_of_a_line_fit_sirs_fields() -> None:
    line = replace(parse_lines(LINE, "L")[1], abo_sigma=2.39761234567e-14, log_gf=-1.23456789012345)
    text = format_lines([line])
    numbers = text.replace("=FE", " ").split()
    assert max(len(number) for number in numbers) <= 13
    assert parse_lines(text, "L")[1].abo_sigma == pytest.approx(2.39761234567e-14, rel=1e-6)
    fine = replace(line, wavelength=6301.50123)
    assert parse_lines(format_lines([fine]), "L")[1].wavelength == 6301.50123


# ---- grids ---------------------------------------------------------------------------------------------


def test_where_a_grid_ends_depends_on_what_it_is_for() -> None:
    # 114.1 steps: a synthesis goes on to the 115th, an inversion's grid ends at the nearest
    row, lines = GridRow((1,), -3081.21, 39.13974, 1385.0), parse_lines(LINE, "L")
    (made,) = grid_regions((row,), lines, "g")
    (observed,) = grid_regions((row,), lines, "g", observed=True)
    assert made.n_wavelength == 116
    assert observed.n_wavelength == 115
    assert observed.start == made.start


def test_golden_grids(data_dir: Path) -> None:
    folder = data_dir / "golden/synthesis"
    (row,) = load(folder / "ir.grid", parse_grid)
    assert row == GridRow((3, 8), -1600.0, 40.0, 1600.0)
    assert row.n_wavelength == 81
    (region,) = grid_regions((row,), load(folder / "LINES", parse_lines), "ir.grid")
    assert [line.wavelength for line in region.lines] == [15648.492, 15647.410]
    assert region.start == pytest.approx(15646.892)
    assert region.n_wavelength == 81
    (hinode,) = load(folder / "hinode.grid", parse_grid)
    assert hinode.n_wavelength == 112


def test_grids_count_samples_as_sir_does(data_dir: Path) -> None:
    # 115 observed samples lie inside; SIR's grid goes on to the end that the file names
    (row,) = load(data_dir / "golden/inversion/ex8_FIRS2/input/malla.grid", parse_grid)
    assert row.n_wavelength == 116
    assert GridRow((1,), 0.0, 10.0, 100.0).n_wavelength == 11
    assert GridRow((1,), 0.0, 10.0, 100.4).n_wavelength == 11
    assert GridRow((1,), 0.0, 10.0, 101.0).n_wavelength == 12
    assert GridRow((1,), 0.0, 10.0, 99.9999).n_wavelength == 11


def test_every_grid_survives_a_round_trip(data_dir: Path) -> None:
    for path in sorted((data_dir / "golden").rglob("*.grid")):
        rows = load(path, parse_grid)
        for row, again in zip(rows, parse_grid(format_grid(rows), "again"), strict=True):
            assert again.lines == row.lines
            assert (again.start, again.step, again.stop) == pytest.approx(
                (row.start, row.step, row.stop), abs=1e-4
            )


def test_a_grid_without_header_and_with_several_regions() -> None:
    rows = parse_grid("1,2 : -100., 20., 100.\n3: -50, 10, 50\n", "g")
    assert [row.lines for row in rows] == [(1, 2), (3,)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("no rows",)),
        ("1,2 -100, 20, 100", ("line 1", "index[,blend]")),
        ("1.5 : -100, 20, 100", ("line 1", "whole number")),
        ("1 : -100, 20", ("line 1", "first, step and last")),
        ("1 : -1e2, 20, 100", ("first", "decimal point", "0.001")),
        ("1 : -100, -20, 100", ("positive step",)),
        ("1,1 : -100, 20, 100", ("twice",)),
    ],
)
def test_a_bad_grid_names_its_line(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SirFileError) as caught:
        parse_grid(text, "bad.grid")
    for word in ("bad.grid", *words):
        assert word in str(caught.value)


def test_a_grid_asks_for_lines_that_exist() -> None:
    with pytest.raises(SirFileError, match="line 9 is not in the line list"):
        grid_regions((GridRow((9,), 0.0, 1.0, 2.0),), parse_lines(LINE, "L"), "g")


# ---- abundances and PSF --------------------------------------------------------------------------------


def test_golden_abundances(data_dir: Path) -> None:
    thevenin = load(data_dir / "golden/synthesis/THEVENIN", parse_abundances)
    ours = abundance_table("thevenin-1989")
    assert thevenin[0] == 12.0
    assert thevenin[25] == 7.46
    known = ~np.isnan(ours) & ~np.isnan(thevenin)
    assert known.sum() > 40
    np.testing.assert_allclose(np.array(thevenin)[known], ours[known], atol=1e-6)
    asplund = load(data_dir / "golden/synthesis/ASPLUND", parse_abundances)
    assert asplund[25] == 7.50
    assert np.isnan(asplund[83])


def test_abundances_survive_a_round_trip() -> None:
    table = tuple(abundance_table("asplund-2009").tolist())
    np.testing.assert_allclose(parse_abundances(format_abundances(table), "a"), table, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "word"),
    [("title\n", "atomic number"), ("1 11.0\n", "hydrogen"), ("1 12.\n95 1.0\n", "line 2"), ("", "no table")],
)
def test_bad_abundances(text: str, word: str) -> None:
    with pytest.raises(SirFileError, match=word):
        parse_abundances(text, "A")


def test_psf(data_dir: Path) -> None:
    psf = load(data_dir / "golden/synthesis/HINODE_SP_ins_prof.psf", parse_psf)
    assert psf.name == "HINODE_SP_ins_prof.psf"
    assert psf.offset[0] == -69.9725
    assert max(psf.transmission) == 0.198799
    again = parse_psf(format_psf(psf), psf.name)
    np.testing.assert_allclose(again.offset, psf.offset, atol=1e-5)
    np.testing.assert_allclose(again.transmission, psf.transmission, rtol=1e-7)
    with pytest.raises(SirFileError, match="increasing"):
        parse_psf("0. 1.\n-1. 1.\n", "p")
    with pytest.raises(SirFileError, match=r"line 2.*2 columns"):
        parse_psf("0. 1.\n1. 1. 1.\n", "p")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.mod"):
        load(tmp_path / "nothing.mod", parse_model)
    (tmp_path / "binary.mod").write_bytes(b"\0\1\2")
    with pytest.raises(InvalidArgumentError, match="text file"):
        load(tmp_path / "binary.mod", parse_model)
