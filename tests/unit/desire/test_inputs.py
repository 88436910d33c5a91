"""What a plan becomes for DeSIRe: options, model atoms, levels, line list, keywords and the control file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.errors import FailedPreconditionError, PlanError, UnsupportedError
from stokeswarm.contract.options import ZERO_RADIATION, AtomModel
from stokeswarm.contract.plan import Cycle, Nodes, Plan
from stokeswarm.inversion.engines.desire import options, units
from stokeswarm.inversion.engines.desire.dialect import FOLDER, DesireDialect
from stokeswarm.inversion.engines.desire.installation import Installation
from stokeswarm.inversion.engines.desire.levels import ModelAtom, air
from stokeswarm.inversion.engines.sir.dialect import Mode, Task, Where

from .conftest import CA_8542, CALCIUM, FE_6302, VARIABLE

NLTE = {"desire.nlte_threshold": "0.01"}
NODES = Nodes(temperature=5, field_strength=2, velocity=1)


def with_options(plan: Plan, values: Mapping[str, str]) -> Plan:
    return replace(plan, options=dict(values))


def dialect_of(installation: Installation, plan: Plan, mode: Mode = Mode.SYNTHESIS) -> DesireDialect:
    return DesireDialect(installation, plan, plan.wavelength, mode)


def task_of(plan: Plan, dialect: DesireDialect, mode: Mode) -> Task:
    weights = ((1.0, 1.0, 1.0, 1.0),) * max(1, len(plan.cycles))
    cycles = plan.cycles if mode is Mode.INVERSION else ()
    shared = dialect.options(plan)
    return Task(mode, cycles, plan, 1.0, weights, shared, False, False, "o.per", ("g.mod",))


def control_of(installation: Installation, plan: Plan, mode: Mode = Mode.SYNTHESIS) -> list[str]:
    """The values of the control file's lines."""
    dialect = dialect_of(installation, plan, mode)
    text = dialect.control(task_of(plan, dialect, mode))
    return [line.partition(":")[2] for line in text.splitlines()]


def file_of(dialect: DesireDialect, plan: Plan, name: str) -> str:
    text = dialect.static_files(plan, {})[f"{FOLDER}/{name}"]
    assert isinstance(text, str)
    return text


# -- options -----------------------------------------------------------------------------------------


def test_a_plan_that_says_nothing_is_in_lte(plan: Plan) -> None:
    found = options.Options.of(plan)
    assert not found.nlte
    assert found == options.Options()


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("nlte_treshold", "0.1", "unknown"),
        ("nlte_threshold", "-1.", "a number in"),
        ("skip_threshold", "10.", "a number in"),
        ("rays", "2.5", "whole number"),
        ("integrator", "4", "0 or 1 or 2 or 3"),
        ("final_evaluation", "0,1", "digits"),
        ("final_evaluation", "5", "digits"),
        ("rh_model", "m", "mass or tau"),
        ("units", "si", "per or spc"),
        ("hydrostatic", "yes", "true or false"),
        ("levels_4", "4-2", "lower and the upper"),
        ("levels_7", "2-4", "unknown"),
        ("numerical_temperature", "2", "digits"),
        ("numerical_temperature_2", "1", "unknown"),
        ("contrast", "1.2", "two components"),
    ],
)
def test_bad_options_name_key_and_value(
    plan: Plan, installation: Installation, key: str, value: str, expected: str
) -> None:
    if "," in value:  # not even the contract takes it
        with pytest.raises(PlanError):
            with_options(plan, {f"desire.{key}": value})
        return
    with pytest.raises(PlanError, match=expected) as caught:
        dialect_of(installation, with_options(plan, {f"desire.{key}": value}))
    assert f"desire.{key}" in str(caught.value)


def test_options_of_other_families_are_passed_over(plan: Plan) -> None:
    assert options.Options.of(with_options(plan, {"sir.interpolation": "linear"})) == options.Options()


def test_finite_differences_need_nlte(plan: Plan, installation: Installation) -> None:
    with pytest.raises(PlanError, match="NLTE"):
        dialect_of(installation, with_options(plan, {"desire.numerical_temperature": "1"}))


def test_vacuum_is_refused(plan: Plan, installation: Installation) -> None:
    with pytest.raises(PlanError, match="vacuum"):
        dialect_of(installation, replace(plan, vacuum=True))


def test_response_functions_are_refused(plan: Plan, installation: Installation) -> None:
    with pytest.raises(UnsupportedError):
        dialect_of(installation, plan, Mode.RESPONSE)


def test_doubly_ionised_lines_are_refused(plan: Plan, installation: Installation) -> None:
    region = replace(plan.regions[0], lines=(replace(CA_8542, ion=3),))
    with pytest.raises(PlanError, match="ion 3"):
        dialect_of(installation, replace(plan, regions=(region,)))


def test_nlte_off_centre_has_to_be_said(plan: Plan) -> None:
    mu = np.array([1.0, 0.5])
    position = np.array([[0.0, 0.0], [0.6, 0.0]])
    at_centre = options.Options.of(with_options(plan, NLTE))
    options.check_position(plan, at_centre, None, None)
    for cosines, place in ((mu, None), (None, position)):
        with pytest.raises(PlanError, match="line_of_sight"):
            options.check_position(plan, at_centre, cosines, place)
    meant = options.Options.of(with_options(plan, {**NLTE, "desire.line_of_sight": "true"}))
    options.check_position(plan, meant, mu, position)


# -- levels and lines --------------------------------------------------------------------------------


def test_a_model_atoms_lines(tmp_path: Path) -> None:
    path = tmp_path / "Ca.atom"
    path.write_text(CALCIUM)
    atom = ModelAtom.read(path)
    assert atom.n_level == 6
    assert atom.find(CA_8542) == (2, 4)
    assert atom.find(replace(CA_8542, wavelength=8498.023)) == (1, 4)
    assert atom.find(replace(CA_8542, ion=1)) is None
    assert atom.find(FE_6302) is None


@pytest.mark.parametrize("text", ["", "CA\n", "CA\n 2 1 0 0\n nothing\n", "CA\n x y\n"])
def test_what_is_no_model_atom(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Ca.atom"
    path.write_text(text)
    with pytest.raises(FailedPreconditionError, match="model atom"):
        ModelAtom.read(path)


def test_air_wavelengths() -> None:
    # NIST: Na I D2 5891.583 in vacuum, 5889.951 in air
    assert air(5891.583) == pytest.approx(5889.951, abs=2e-3)
    assert air(1215.67) == 1215.67


def test_levels_are_found_in_the_active_atoms(plan: Plan, installation: Installation) -> None:
    found = dialect_of(installation, with_options(plan, NLTE))
    assert file_of(found, plan, "lines.lin").splitlines() == [
        "  1=CA 2  8542.091  1.  1.7  -0.36199   2D 2.5- 2P 1.5  0.275  8.1486e-15  2.  4.",
        "  2=FE 1  6301.5012  1.  3.654  -0.718   5P 2.0- 5D 2.0  0.243  2.353e-14  0.  0.",
        "  3=FE 1  6302.4936  1.  3.686  -1.165   5P 1.0- 5D 0.0  0.241  2.397e-14  0.  0.",
    ]


def test_given_levels_are_taken_also_in_lte(plan: Plan, installation: Installation) -> None:
    """DeSIRe integrates a line with levels in another way, even where it is in LTE."""
    text = file_of(dialect_of(installation, plan), plan, "lines.lin")
    assert text.splitlines()[0].endswith("0.  0.")
    given = with_options(plan, {"desire.levels_4": "2-4"})
    assert file_of(dialect_of(installation, given), plan, "lines.lin").splitlines()[0].endswith("2.  4.")


def test_levels_beyond_the_model(plan: Plan, installation: Installation) -> None:
    with pytest.raises(PlanError, match="levels 0 to 5"):
        dialect_of(installation, with_options(plan, {**NLTE, "desire.levels_4": "2-6"}))


def test_levels_of_a_line_without_an_active_atom(plan: Plan, installation: Installation) -> None:
    with pytest.raises(PlanError, match="no active atom of Fe"):
        dialect_of(installation, with_options(plan, {**NLTE, "desire.levels_24": "0-1"}))


def test_nlte_without_a_line_for_it(plan: Plan, installation: Installation) -> None:
    iron = replace(plan, regions=plan.regions[1:])
    with pytest.raises(PlanError, match="no line of the plan"):
        dialect_of(installation, with_options(iron, NLTE))


def test_a_wavelength_keeps_its_decimals(plan: Plan, installation: Installation) -> None:
    line = replace(CA_8542, element="Na", ion=1, wavelength=5889.95095)
    region = replace(plan.regions[0], lines=(line,), start=5889.0, stop=5891.0)
    made = dialect_of(installation, replace(plan, regions=(region,)))
    assert "=NA 1  5889.95095  " in file_of(made, plan, "lines.lin")


@pytest.mark.parametrize("change", [{"effective_lande": 1.5}, {"upper_term": "7k4.0"}])
def test_lines_that_the_list_cannot_hold(
    plan: Plan, installation: Installation, change: dict[str, object]
) -> None:
    region = replace(plan.regions[0], lines=(replace(CA_8542, **change),))
    with pytest.raises(PlanError, match="line 4"):
        dialect_of(installation, replace(plan, regions=(region,)))


# -- models and keywords -----------------------------------------------------------------------------


def test_without_models_the_list_of_the_example(plan: Plan, installation: Installation) -> None:
    made = dialect_of(installation, with_options(plan, NLTE))
    atoms = file_of(made, plan, "atoms.input").splitlines()
    assert atoms[0] == "12"
    assert atoms[1].split() == ["../../var/Atoms/H_6.atom", "PASSIVE", ZERO_RADIATION]
    active = "../../var/Atoms/CaII_CRDbark.atom ACTIVE ZERO_RADIATION pops.CA.out"
    assert atoms[3].split() == active.split()
    molecules = file_of(made, plan, "molecules.input").splitlines()
    assert molecules[1].split()[0] == "../../var/Molecules/H2.molecule"
    assert made.links()["var"].is_dir()


def test_a_list_that_begins_with_hydrogen_is_complete(plan: Plan, installation: Installation) -> None:
    chosen = (AtomModel("H_6"), AtomModel("Si"), AtomModel("CaII_CRDbark", active=True))
    made = dialect_of(installation, replace(with_options(plan, NLTE), atoms=chosen))
    names = [line.split()[0] for line in file_of(made, plan, "atoms.input").splitlines()]
    assert names == ["3", *(f"../../var/Atoms/{name}.atom" for name in ("H_6", "Si", "CaII_CRDbark"))]


def test_any_other_list_lies_on_top_of_the_default(plan: Plan, installation: Installation) -> None:
    made = dialect_of(
        installation, replace(with_options(plan, NLTE), atoms=(AtomModel("CaII_CRDbark", active=True),))
    )
    assert file_of(made, plan, "atoms.input").splitlines()[0] == "12"


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        ((AtomModel("CaII_PRD", active=True),), "no such model"),
        ((AtomModel("H_6"), AtomModel("Fe")), "at least one active atom"),
        ((AtomModel("Fe"),), "at least one active atom"),
    ],
)
def test_lists_that_cannot_be(
    plan: Plan, installation: Installation, atoms: tuple[AtomModel, ...], expected: str
) -> None:
    with pytest.raises(PlanError, match=expected):
        dialect_of(installation, replace(with_options(plan, NLTE), atoms=atoms))


def test_keywords(plan: Plan, installation: Installation) -> None:
    chosen = {**NLTE, "rh.ITER_LIMIT": "1e-2", "rh.PRD_ANGLE_DEP": "PRD_ANGLE_APPROX"}
    text = file_of(dialect_of(installation, with_options(plan, chosen)), plan, "keyword.input")
    found = dict(line.split(" = ") for line in text.replace("  ", "").splitlines())
    assert found["ATOMS_FILE"] == "atoms.input"
    assert float(found["ITER_LIMIT"]) == 1e-2
    assert found["N_MAX_ITER"] == "200"
    assert found["STOKES_MODE"] == "FIELD_FREE"
    assert found["PRD_ANGLE_DEP"] == "PRD_ANGLE_APPROX"
    assert "NRAYS" not in found


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rh.MAGNETO_OPTICAL", "FALSE", "TRUE only"),
        ("rh.COLL_RELAX_NSTEP", "3", "does not have"),
        ("rh.ATOMS_FILE", "x", "file"),
        ("rh.BOGUS", "1", "no keyword"),
        ("rh.ITER_LIMIT", "small", "a number"),
    ],
)
def test_keywords_that_desire_would_misread(
    plan: Plan, installation: Installation, key: str, value: str, expected: str
) -> None:
    with pytest.raises(PlanError, match=expected):
        dialect_of(installation, with_options(plan, {**NLTE, key: value}))


# -- the control file --------------------------------------------------------------------------------


def test_a_synthesis_keeps_the_electron_pressure(plan: Plan, installation: Installation) -> None:
    """DeSIRe imposes hydrostatic equilibrium on a synthesis unless the pressure has nodes."""
    values = control_of(installation, plan)
    assert len(values) == 45
    assert values[0] == "0"
    assert values[9] == "pixel.coor"
    assert values[16] == "1"
    assert values[40:] == ["10.", "3", "0", "2", "m"]
    assert control_of(installation, with_options(plan, {"desire.hydrostatic": "true"}))[16] == ""


def test_an_inversion(plan: Plan, installation: Installation) -> None:
    cycles = (Cycle((NODES,)), Cycle((replace(NODES, temperature=2),)))
    chosen = {
        **NLTE,
        "desire.skip_threshold": "0.01",
        "desire.rays": "5",
        "desire.integrator": "2",
        "desire.final_evaluation": "01",
        "desire.rh_model": "tau",
        "desire.interpolation": "linear",
        "desire.numerical_temperature": "01",
    }
    values = control_of(installation, with_options(plan.with_cycles(cycles), chosen), Mode.INVERSION)
    assert values[0] == "2.001"
    assert values[15] == "5,1002"
    assert values[16] == ""
    assert values[18] == "2"
    assert values[37] == "1"
    assert values[40:] == ["0.01", "5", "2", "0,1", "t"]


def test_rays_may_be_said_in_rhs_words(plan: Plan, installation: Installation) -> None:
    assert control_of(installation, with_options(plan, {"rh.NRAYS": "7"}))[41] == "7"
    both = {"rh.NRAYS": "7", "desire.rays": "4"}
    assert control_of(installation, with_options(plan, both))[41] == "4"


def test_coordinates(plan: Plan, installation: Installation) -> None:
    dialect = dialect_of(installation, with_options(plan, {"desire.velocity_x": "1.95"}))
    assert dialect.pixel_files(Where(1.0)) == {"pixel.coor": "0.,0.,195000.,0.\n"}
    assert dialect.pixel_files(Where(0.8)) == {"pixel.coor": "0.6,0.,195000.,0.\n"}
    assert dialect.pixel_files(Where(0.8, (-0.5, 0.25))) == {"pixel.coor": "-0.5,0.25,195000.,0.\n"}


def test_what_cycles_leave_depends_on_the_final_evaluation(plan: Plan, installation: Installation) -> None:
    some = with_options(plan, {"desire.final_evaluation": "012", "desire.units": "spc"})
    dialect = dialect_of(installation, some)
    assert dialect.outputs(1, 2).models == ("g_2.mod", "h_2.mod")
    assert dialect.outputs(1, 2).profile == "g_2.spc"
    assert dialect.outputs(1, 2).errors == ()
    assert dialect.outputs(4, 1).errors == ("g_5.err",)
    assert dialect.may_skip(task_of(plan, dialect, Mode.SYNTHESIS))
    always = dialect_of(installation, plan)
    assert always.outputs(0, 1).errors == ("g_1.err",)
    assert not always.may_skip(task_of(plan, always, Mode.SYNTHESIS))


def test_si_intensities(plan: Plan) -> None:
    """The HSRA's continuum at 6301.5 Å is 2.954e14 erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹ = 3.91e-8 W m⁻² sr⁻¹ Hz⁻¹."""
    calcium, iron = units.si_units(plan, plan.wavelength, plan.region_slices(plan.wavelength))
    assert iron[0] == pytest.approx(2.95417e13 * 6301.0012e-10**2 / 2.99792458e8, rel=1e-4)
    assert calcium[0] == pytest.approx(4.13e-8, rel=0.02)
    assert iron.size == plan.regions[1].n_wavelength


# -- the installation --------------------------------------------------------------------------------


def test_an_installation_is_found_by_folder_or_executable(root: Path) -> None:
    by_folder = Installation.find(VARIABLE, {VARIABLE: str(root)})
    by_program = Installation.find(VARIABLE, {VARIABLE: str(root / "bin" / "desire")})
    assert by_folder.version == by_program.version == "9.87"
    assert by_folder.var == by_program.var == root / "var"
    assert by_folder.data_digest == by_program.data_digest
    assert by_folder.label.startswith("9.87, var ")


def test_the_digest_is_of_the_model_atoms_too(root: Path, installation: Installation) -> None:
    (root / "var" / "Atoms" / "Fe.atom").write_text("  FE\n  2 0 0 0\n")
    changed = Installation.find(VARIABLE, {VARIABLE: str(root)})
    assert changed.data_digest != installation.data_digest


def test_without_var_there_is_lte_only(root: Path, plan: Plan) -> None:
    (root / "var").rename(root / "elsewhere")
    bare = Installation.find(VARIABLE, {VARIABLE: str(root)})
    assert "LTE only" in bare.missing
    assert "without var" in bare.label
    dialect_of(bare, plan)
    with pytest.raises(PlanError, match="var"):
        dialect_of(bare, with_options(plan, NLTE))


def test_no_installation() -> None:
    with pytest.raises(FailedPreconditionError, match=VARIABLE):
        Installation.find(VARIABLE, {})
