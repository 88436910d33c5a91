"""What a plan may put into RH's input files: keywords, models, and lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stokeswarm.contract.abundances import abundance_table
from stokeswarm.contract.errors import FailedPreconditionError, PlanError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Line
from stokeswarm.inversion.engines.lte.elements import mixture
from stokeswarm.inversion.engines.rh import atoms, keywords
from stokeswarm.inversion.engines.rh.air import Air, to_air, to_vacuum
from stokeswarm.inversion.engines.rh.lines import RECORD, format_line
from stokeswarm.inversion.engines.rh.models import check_lines, read_lines

GAS = mixture(abundance_table("asplund-2009"))
IRON = Line(1, "Fe", 1, 6302.4932, 3.686, -1.235, "5P1.0", "5D0.0")


# -- keywords --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("NRAYS", "7", 7),
        ("ITER_LIMIT", "1.0E-4", 1e-4),
        ("PRD_ITER_LIMIT", "-0.01", -0.01),
        ("XRD", "true", True),
        ("MAGNETO_OPTICAL", "FALSE", False),
        ("STOKES_MODE", "FULL_STOKES", "FULL_STOKES"),
        ("I_SUM", "-1", -1),
    ],
)
def test_values_are_read(name: str, text: str, value: keywords.Value) -> None:
    assert keywords.check({f"rh.{name}": text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NRAYS", "0"), ("NRAYS", "5.0"), ("NRAYS", "1_0"), ("NRAYS", "٣"), ("ITER_LIMIT", "nan"),
        ("ITER_LIMIT", "inf"), ("ITER_LIMIT", "1e-99"), ("ITER_LIMIT", "0x1"), ("XRD", "yes"),
        ("XRD", "TRUEISH"), ("STOKES_MODE", "full_stokes"), ("STOKES_MODE", "FULL_STOKES\nFOO"),
        ("N_MAX_ITER", "1" * 30),
    ],
)  # fmt: skip
def test_what_rh_would_misread_is_refused(name: str, text: str) -> None:
    with pytest.raises(PlanError, match=f"option rh.{name}: expected "):
        keywords.check({f"rh.{name}": text})


def test_every_keyword_is_either_the_clients_or_the_engines() -> None:
    assert not set(keywords.KEYWORDS) & set(keywords.RESERVED)
    for name in keywords.RESERVED:
        with pytest.raises(PlanError, match=f"rh.{name} cannot be set"):
            keywords.check({f"rh.{name}": "x"})


def test_the_defaults_are_values_of_their_keywords() -> None:
    for name, value in keywords.defaults().items():
        text = keywords.format_keywords({name: value}).split("=")[1].strip()
        assert keywords.check({f"rh.{name}": text}) == {name: value}


def test_a_file_of_keywords() -> None:
    text = keywords.format_keywords({"NRAYS": 5, "ITER_LIMIT": 0.01, "XRD": True, "J_FILE": "J.dat"})
    assert text == "  NRAYS = 5\n  ITER_LIMIT = 0.01\n  XRD = TRUE\n  J_FILE = J.dat\n"


@pytest.mark.parametrize(
    "values",
    [{"FOO": 1}, {"J_FILE": "a b"}, {"J_FILE": ""}, {"J_FILE": "a\nb"}, {"ITER_LIMIT": float("nan")}],
)
def test_nothing_but_single_words_is_written(values: dict[str, keywords.Value]) -> None:
    with pytest.raises(ValueError, match=r"keyword"):
        keywords.format_keywords(values)


@given(st.text(max_size=40))
def test_no_text_of_a_client_is_written_as_it_is(text: str) -> None:
    for name in ("NRAYS", "ITER_LIMIT", "XRD", "STOKES_MODE"):
        try:
            values = keywords.check({f"rh.{name}": text})
        except PlanError:
            continue
        assert len(keywords.format_keywords(values).splitlines()) == 1


# -- atoms and molecules ---------------------------------------------------------------------------


def test_a_folder_is_listed_by_bare_names(root: Path) -> None:
    for name, content in (
        ("A b.atom", "  H\n"),
        (".atom", "  H\n"),
        ("x.atom", "# none\n"),
        ("H.txt", "  H\n"),
    ):
        (root / "Atoms" / name).write_text(content)
    (root / "Atoms" / "folder.atom").mkdir()
    listing = atoms.Listing.read(root / "Atoms", atoms.Kind.ATOM)
    assert listing.species["CaII"] == "CA"
    assert listing.species["H_6"] == "H"
    assert not {"A b", "", "x", "H", "folder"} & set(listing.species)


def test_an_empty_or_absent_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(FailedPreconditionError, match=r"\*.atom"):
        atoms.Listing.read(tmp_path, atoms.Kind.ATOM)
    with pytest.raises(FailedPreconditionError, match="cannot list"):
        atoms.Listing.read(tmp_path / "none", atoms.Kind.ATOM)


LISTING = atoms.Listing(
    atoms.Kind.ATOM, {"H_6": "H", "H_3": "H", "CaII": "CA", "CaII_CRD": "CA", "Fe": "FE", "NiI": "NI"}
)
DEFAULT = (AtomModel("H_6"), AtomModel("CaII"))


def test_a_plans_models_take_the_place_of_the_defaults() -> None:
    models = (AtomModel("NiI"), AtomModel("CaII_CRD", active=True, start="ZERO_RADIATION"))
    chosen = atoms.complete(models, DEFAULT, LISTING)
    text = atoms.format_models(chosen, LISTING, "../../Atoms")
    assert text.splitlines() == [
        "3",
        "../../Atoms/H_6.atom  PASSIVE  LTE_POPULATIONS",
        "../../Atoms/CaII_CRD.atom  ACTIVE  ZERO_RADIATION  pops.CA.out",
        "../../Atoms/NiI.atom  PASSIVE  LTE_POPULATIONS",
    ]


def test_hydrogen_comes_first() -> None:
    chosen = atoms.complete((AtomModel("H_3", active=True),), (AtomModel("CaII"), AtomModel("H_6")), LISTING)
    assert [model.name for model in chosen] == ["H_3", "CaII"]
    with pytest.raises(PlanError, match="a model of H is needed"):
        atoms.complete((), (AtomModel("CaII"),), LISTING)


def test_an_unknown_model_is_refused_with_those_that_are_like_it() -> None:
    with pytest.raises(PlanError, match=r"atom CaII_PRD.*similar: .*CaII"):
        atoms.complete((AtomModel("CaII_PRD"),), DEFAULT, LISTING)


def test_active_molecules_of_a_ray_start_from_the_solution() -> None:
    listing = atoms.Listing(atoms.Kind.MOLECULE, {"H2": "H2", "CO_NLTE": "CO"})
    chosen = atoms.complete((AtomModel("CO_NLTE", active=True),), (AtomModel("H2"),), listing)
    text = atoms.format_models(chosen, listing, "../../Molecules", restart=True)
    assert (
        text.splitlines()[2] == "../../Molecules/CO_NLTE.molecule  ACTIVE  OLD_POPULATIONS  pops_mol.CO.out"
    )
    with pytest.raises(PlanError, match="start: expected LTE_POPULATIONS"):
        atoms.complete((AtomModel("CO_NLTE", start="ZERO_RADIATION"),), (AtomModel("H2"),), listing)


# -- lines -----------------------------------------------------------------------------------------


def test_a_record_is_read_back_by_its_columns() -> None:
    """As RH reads it: four numbers freely, the rest by columns."""
    record = format_line(
        replace(IRON, abo_alpha=0.24, abo_sigma=2.3976e-14), GAS, vacuum=False, air=Air.EDLEN
    )
    assert len(record) == RECORD + 1
    wavelength, log_gf, code, low = record[:35].split()
    assert float(wavelength) == pytest.approx(630.24932, abs=1e-7)
    assert (float(log_gf), code) == (-1.235, "26.00")
    assert float(low) == pytest.approx(3.686 * 8065.544, abs=0.01)
    assert float(record[35:41]) == 1.0
    assert record[41:51] == "s 5P      "
    vacuum_cm = to_vacuum(6302.4932, Air.EDLEN) * 1e-8
    assert float(record[53:63]) == pytest.approx(float(low) + 1.0 / vacuum_cm, abs=0.01)
    assert float(record[63:68]) == 0.0
    assert record[69:79] == "p 5D      "
    natural, stark, waals = record[79:99].split()
    assert float(natural) == pytest.approx(7.748, abs=1e-3)
    assert float(stark) == 0.0
    assert float(waals) == pytest.approx(856.24, abs=1e-4)
    assert record[98] == " "
    assert [record[a:b].strip() for a, b in ((106, 108), (108, 114), (117, 123))] == ["0", "0.000", "0.000"]
    assert record[123:133] == record[143:153] == "    0    0"


@pytest.mark.parametrize("air", list(Air))
def test_rh_arrives_at_the_wanted_wavelength(air: Air) -> None:
    """It takes the listed one for standard air, whichever air the plan's wavelengths are in."""
    listed = float(format_line(IRON, GAS, vacuum=False, air=air)[:35].split()[0]) * 10.0
    assert float(to_vacuum(listed, Air.EDLEN)) == pytest.approx(float(to_vacuum(6302.4932, air)), abs=2e-7)


def test_an_unsold_multiplier_becomes_a_cross_section() -> None:
    """Twice the width is twice the cross-section, with the temperature dependence of Unsöld's."""
    words = [
        format_line(replace(IRON, damping_factor=f), GAS, vacuum=False, air=Air.IUE)[79:99].split()[2]
        for f in (1.0, 2.0, 4.0)
    ]
    assert float(words[0]) == 0.0
    assert float(words[1]) % 1 == pytest.approx(0.4, abs=1e-9)
    assert float(words[2]) // 1 / (float(words[1]) // 1) == pytest.approx(2.0, rel=2e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"effective_lande": 2.5}, "effective_lande"),
        ({"upper_term": "7k4.0", "lower_term": "7D5.0"}, "LS coupling"),
        ({"lower_term": "5P3.0"}, "electric dipole"),
        ({"lower_term": "nonsense"}, "not a level"),
        ({"abo_alpha": 1.2, "abo_sigma": 1e-14}, "cross-sections"),
        ({"damping_factor": 1e-4}, "cross-sections"),
        ({"excitation": 3.625, "wavelength": 15652.8, "element": "Fe"}, "LS coupling"),
    ],
)
def test_lines_that_rh_cannot_express_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        format_line(replace(IRON, **change), GAS, vacuum=False, air=Air.IUE)  # type: ignore[arg-type]


def test_the_widest_numbers_still_fit() -> None:
    line = Line(9, "U", 3, 119999.123, 49.999999, -14.999, "9I8.0", "9I8.0")
    record = format_line(line, GAS, vacuum=True, air=Air.IUE)
    assert len(record) == RECORD + 1
    assert len(record[:35].split()) == 4


# -- lines that a model takes away -----------------------------------------------------------------


def test_a_models_lines_are_read(root: Path) -> None:
    (line,) = read_lines(root / "Atoms" / "CaII.atom")
    assert (line.stage, line.wing) == (1, 1500.0)
    assert float(to_air(line.wavelength, Air.EDLEN)) == pytest.approx(3968.47, abs=0.02)


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    for text in ("", "H\n", "H\n2 1 0 0\n0.0 1.0 'x' 0\n"):
        (tmp_path / "x.atom").write_text(text)
        with pytest.raises(ValueError, match="not a model atom"):
            read_lines(tmp_path / "x.atom")


def test_lines_that_a_model_would_take_away_are_refused(root: Path) -> None:
    listing = atoms.Listing.read(root / "Atoms", atoms.Kind.ATOM)
    h_line = float(to_vacuum(3968.469, Air.EDLEN))

    def check(element: str, ion: int, wavelength: float, *, active: bool) -> None:
        line = Line(1, element, ion, wavelength, 0.0, 0.0, "2S0.5", "2P0.5")
        check_lines(
            [(line, wavelength)], [AtomModel("CaII", active), AtomModel("Fe")], listing, root / "Atoms", 3.0
        )

    check("Ca", 2, h_line, active=True)
    check("Fe", 1, h_line, active=False)
    check("Ca", 1, h_line, active=False)
    check("Ca", 2, h_line + 100.0, active=False)
    with pytest.raises(PlanError, match="passive"):
        check("Ca", 2, h_line, active=False)
    with pytest.raises(PlanError, match="leave it out"):
        check("Ca", 2, h_line + 1.0, active=True)


# -- air -------------------------------------------------------------------------------------------


@given(st.floats(2001.0, 120000.0), st.sampled_from(list(Air)))
def test_air_and_vacuum_are_inverses(wavelength: float, formula: Air) -> None:
    there = float(to_vacuum(to_air(wavelength, formula), formula))
    assert there == pytest.approx(wavelength, rel=1e-14)
    assert float(to_air(to_vacuum(wavelength, formula), formula)) == pytest.approx(wavelength, rel=1e-14)


@pytest.mark.parametrize(
    ("air", "vacuum"),
    # Edlén 1966 agrees with Ciddor 1996 (Appl. Opt. 35, 1566) to 1e-8
    [(3933.663, 3934.777), (6302.4932, 6304.2362), (8542.091, 8544.438), (15648.515, 15652.790)],
)
def test_standard_air(air: float, vacuum: float) -> None:
    assert float(to_vacuum(air, Air.EDLEN)) == pytest.approx(vacuum, abs=1.5e-3)


def test_the_two_airs_differ_by_what_is_said() -> None:
    wavelength = np.array([6302.5, 8542.1])
    difference = to_vacuum(wavelength, Air.IUE) - to_vacuum(wavelength, Air.EDLEN)
    np.testing.assert_allclose(difference, [2.8e-3, 5.5e-3], atol=1e-4)
