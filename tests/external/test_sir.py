"""SIR through the engine gives what the same executable gives by hand, to the last printed digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from stokeswarm.client.project import Project
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    ResponseRequest,
    SynthesizeRequest,
)
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.sir_files import (
    grid_regions,
    parse_abundances,
    parse_grid,
    parse_lines,
    parse_model,
    parse_profile,
    parse_psf,
)
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.sir.engine import SirEngine

from . import sir_by_hand as by_hand

pytestmark = pytest.mark.external

T = TypeVar("T")

#: of a golden profile, in units of the continuum: another compiler, or the release of 2015
GOLDEN = 1e-5
#: of a golden response function, relative to its largest value: they are stored with four digits
GOLDEN_RESPONSE = 3e-4
SYNTHESES = (
    *(f"{stem}.{tag}" for stem in (
        "A01_hsra_nofield", "A02_hsra_B1000_const", "A03_hsra_B1500_gradients", "A04_falc_B500_dynamic",
        "A05_valc_nofield_vgrad", "A06_penumbra_evershed", "A07_cool_umbra", "A08_hot_umbra_negpol",
        "A09_granule_weakfield", "A10_plage", "A11_intergranule_novmic", "A12_mmaltby_M", "A13_hsra_asplund",
    ) for tag in ("hinode", "ir")),
    "A03_vmac.hinode", "A03_psf.hinode", "A03_vmac_psf.hinode", "A03_2comp_stray.hinode",
)  # fmt: skip
INVERSIONS = (
    "ex2_penumbra_psf", "ex5_straylight", "ex6_onecomp", "ex8_FIRS2", "ex8_FIRS3", "ex8_FIRS5",
)  # fmt: skip
RESPONSES = ("A03_hsra_B1500_gradients", "A06_penumbra_evershed", "A10_plage")
#: quantity → ending of SIR's file, control line of its nodes, file's unit → contract's
RESPONSE_FILES = {
    "temperature": ("rt", 14, 1.0),
    "electron_pressure": ("rpe", 15, 1.0),
    "microturbulence": ("rmic", 16, 1e5),
    "field_strength": ("rh", 17, 1.0),
    "velocity": ("rvz", 18, 1e5),
    "inclination": ("rinc", 19, np.pi / 180),
    "azimuth": ("raz", 20, np.pi / 180),
}


def load(place: Path | str, parse: Callable[[str, str], T]) -> T:
    """A file, parsed."""
    return parse(Path(place).read_text(encoding="utf-8"), str(place))


def is_2015(sir: SirEngine) -> bool:
    return "2015" in sir.info().version


class Golden:
    """The golden syntheses' files, for the engine and for a run by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    def plan(self, case: str) -> Plan:
        stem, _, tag = case.rpartition(".")
        grid, lines = f"{tag}.grid", load(self.folder / "LINES", parse_lines)
        psf = load(self.folder / "HINODE_SP_ins_prof.psf", parse_psf) if "psf" in stem else None
        return Plan(
            name=case,
            regions=grid_regions(load(self.folder / grid, parse_grid), lines, grid, psf),
            abundances=load(self.folder / self.abundances(stem), parse_abundances),
            reference=ContinuumReference.DISC_CENTRE,
        )

    def abundances(self, stem: str) -> str:
        return "ASPLUND" if stem.endswith("asplund") else "THEVENIN"

    def models(self, stem: str) -> list[Path]:
        two = [self.folder / f"{stem}.mod{n}.mod" for n in (1, 2)]
        return two if two[0].exists() else [self.folder / f"{stem}.mod"]

    def stray_light(self, stem: str) -> Path | None:
        place = self.folder / f"{stem}.stray.per"
        return place if place.exists() else None

    def profile(self, case: str) -> np.ndarray:
        return load(self.folder / f"{case}.per", parse_profile).stokes.astype(np.float32)

    def files(self, case: str, example: str = "example_syn.trol") -> dict[str, Path | str]:
        stem, _, tag = case.rpartition(".")
        models, stray = self.models(stem), self.stray_light(stem)
        files: dict[str, Path | str] = {
            "LINES": self.folder / "LINES",
            "ABUNDANCES": self.folder / self.abundances(stem),
            "malla.grid": self.folder / f"{tag}.grid",
            "c1.mod": models[0],
        }
        if len(models) == 2:
            files["c2.mod"] = models[1]
        if stray is not None:
            files["stray.per"] = stray
        if "psf" in stem:
            files["slit.psf"] = self.folder / "HINODE_SP_ins_prof.psf"
        changes = {
            by_hand.PROFILE: "o.per",
            by_hand.STRAY: "stray.per" if stray is not None else "",
            by_hand.PSF: "slit.psf" if "psf" in stem else "",
            by_hand.GRID: "malla.grid",
            by_hand.ABUNDANCES: "ABUNDANCES",
            by_hand.MODEL_1: "c1.mod",
            by_hand.MODEL_2: "c2.mod" if len(models) == 2 else "",
        }
        files["syn.trol"] = by_hand.control(self.folder / example, changes)
        return files


@pytest.fixture(scope="module")
def golden(data_dir: Path) -> Golden:
    return Golden(data_dir / "golden" / "synthesis")


@pytest.mark.parametrize("case", SYNTHESES)
def test_a_synthesis_is_the_one_by_hand(
    sir: SirEngine, sir_program: Path, golden: Golden, tmp_path: Path, case: str
) -> None:
    stem = case.rpartition(".")[0]
    plan, stray = golden.plan(case), golden.stray_light(stem)
    request = SynthesizeRequest(
        "sir",
        plan,
        tuple(load(place, parse_model) for place in golden.models(stem)),
        np.array([7]),
        plan.wavelength,
        stray_light_profile=None if stray is None else load(stray, parse_profile).stokes,
    )
    found = sir.prepare_synthesis(request).run([0], Slot())
    assert found.status == (Status.OK,), found.message
    by_hand.run(sir_program, tmp_path / "hand", golden.files(case))
    expected = load(tmp_path / "hand" / "o.per", parse_profile).stokes.astype(np.float32)
    assert np.array_equal(found.stokes[0], expected)
    if not (is_2015(sir) and case.endswith(".ir")):  # its continuum in the infrared is another
        assert np.abs(found.stokes[0] - golden.profile(case)).max() < GOLDEN


@pytest.mark.parametrize("stem", RESPONSES)
def test_response_functions_are_those_by_hand(
    sir: SirEngine, sir_program: Path, golden: Golden, data_dir: Path, tmp_path: Path, stem: str
) -> None:
    case = f"{stem}.hinode"
    plan, model = golden.plan(case), load(golden.models(stem)[0], parse_model)
    request = ResponseRequest("sir", plan, model, np.array([7]), plan.wavelength)
    found = sir.prepare_response(request).run([0], Slot())
    assert found.status == (Status.OK,), found.message
    with np.load(data_dir / "golden" / "rf" / f"{stem}.rf.npz") as stored:
        for number, (quantity, (ending, line, unit)) in enumerate(RESPONSE_FILES.items()):
            files = golden.files(case, "example_rf.trol")
            assert isinstance(files["syn.trol"], str)
            place = tmp_path / ending
            example = tmp_path / f"{ending}.trol"
            example.write_text(files["syn.trol"], encoding="utf-8")
            nodes = {n: "1" if n == line else "" for n in range(by_hand.FIRST_NODES, 22)}
            files["syn.trol"] = by_hand.control(example, nodes | {by_hand.CYCLES: "-1"})
            by_hand.run(sir_program, place, files)
            rows = np.array((place / f"c1.{ending}").read_text(encoding="utf-8").split()[2:], float)
            ours = found.response[0, number]
            factor = np.full((model.n_depth, 1, 1), unit)
            if quantity == "electron_pressure" and is_2015(sir):
                # there it belongs to a change by a fraction of the highest point's pressure
                assert model.electron_pressure is not None
                factor[:, 0, 0] *= model.electron_pressure[0] / model.electron_pressure[0, -1]
            assert np.array_equal(ours, (factor * rows.reshape(ours.shape)).astype(np.float32)), quantity
            if ending in stored:
                expected = unit * stored[ending]
                assert np.abs(ours - expected).max() < GOLDEN_RESPONSE * np.abs(expected).max(), quantity


def observed_by(project: Project) -> Spectra:
    assert project.observation is not None
    profile = load(project.observation, parse_profile)
    lines = {line.index: line for region in project.plan.regions for line in region.lines}
    return Spectra(profile.wavelength(lines), profile.stokes[None], project.plan.reference)


def invert(sir: SirEngine, project: Project) -> InvertResults:
    spectra = observed_by(project)
    request = InvertRequest(
        "sir",
        project.plan,
        spectra,
        np.array([7]),
        project.guess,
        stray_light_profile=project.stray_light_profile,
        all_cycles=True,
    )
    return sir.prepare_inversion(request).run([0], Slot())


def same_model(found: Atmosphere, expected: Atmosphere) -> None:
    """Digit by digit; angles folded to 0–180 degrees."""
    for name, values in expected.arrays().items():
        if name == "azimuth":
            values = np.mod(values, 180.0)
        if name == "inclination":
            values = np.where(np.mod(values, 360.0) > 180.0, 360.0 - np.mod(values, 360.0), values)
            values = np.where(values < 0.0, -values, values)
        assert np.array_equal(found.arrays()[name].astype(np.float32), values.astype(np.float32)), name


@pytest.mark.parametrize("run", ["run_as_course", "run_plain_nodes"])
@pytest.mark.parametrize("case", INVERSIONS)
def test_an_inversion_is_the_one_by_hand(
    sir: SirEngine, sir_program: Path, data_dir: Path, tmp_path: Path, case: str, run: str
) -> None:
    folder = data_dir / "golden" / "inversion" / case
    trol = folder / run / "inv.trol"
    found = invert(sir, load_control_file(trol, search=(folder / "input",)))
    assert found.status == (Status.OK,), found.message

    hand = tmp_path / "hand"
    files = {place.name: place for place in (folder / "input").iterdir()} | {"inv.trol": trol}
    by_hand.run(sir_program, hand, files)
    chi2 = [float(line.split()[1]) for line in (hand / "inv.chi").read_text(encoding="utf-8").splitlines()]
    assert len(found.by_cycle) == len(chi2)
    for number, cycle in enumerate(found.by_cycle, start=1):
        (model,) = hand.glob(f"*_{number}.mod")
        (profile,) = hand.glob(f"*_{number}.per")
        same_model(cycle.atmosphere[0], load(model, parse_model))
        stokes = load(profile, parse_profile).stokes.astype(np.float32)
        assert np.array_equal(cycle.fit[0], stokes)
    best = int(found.best_cycle[0])
    assert found.chi2_engine[0] == chi2[best]
    assert best == int(np.argmin([cycle.chi2[0] for cycle in found.by_cycle]))
    errors = np.genfromtxt(next(hand.glob(f"*_{best + 1}.err")), skip_header=1)
    free = np.isfinite(found.uncertainty[0].velocity[0])
    assert free.any()
    assert np.array_equal(found.uncertainty[0].velocity[0][free], (errors[:, 5] / 1e5)[free])


def test_two_components_with_everything_free_are_those_by_hand(
    sir: SirEngine, sir_program: Path, golden: Golden, tmp_path: Path
) -> None:
    case = "A03_2comp_stray.hinode"
    files = golden.files(case)
    # an inversion needs an even grid with log τ = 0 on it, which these models have
    nodes = {
        14: "3",
        16: "1",
        17: "2",
        18: "1",
        19: "1",
        20: "1",
        21: "1",
        22: "1",
        26: "1",
        30: "1",
        31: "1",
    }
    example = tmp_path / "example.trol"
    assert isinstance(files["syn.trol"], str)
    example.write_text(files["syn.trol"], encoding="utf-8")
    start = {9: "1,1", 10: "4", 11: "4", 12: "4,10", by_hand.CYCLES: "2", by_hand.PROFILE: "obs.per"}
    files["syn.trol"] = by_hand.control(example, nodes | start)
    files["obs.per"] = golden.folder / f"{case}.per"
    first = load(golden.models("A03_2comp_stray")[0], parse_model)
    lines = Path(golden.models("A03_2comp_stray")[0]).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[1:], start=1):
        cells = line.split()
        cells[1], cells[4], cells[5] = f"{float(cells[1]) + 150:.1f}", "900.", "5.e4"
        lines[number] = " ".join(cells)
    lines[0] = f"1. {first.filling_factor[0]:g} {100 * first.stray_light[0]:g}"
    files["c1.mod"] = "\n".join(lines) + "\n"
    files["c2.mod"] = Path(str(files["c2.mod"])).read_text(encoding="utf-8").replace("0.0000000", "0.5", 1)
    by_hand.run(sir_program, tmp_path / "hand", files)
    project = load_control_file(tmp_path / "hand" / "syn.trol")
    found = invert(sir, project)
    assert found.status == (Status.OK,), found.message
    for number, cycle in enumerate(found.by_cycle, start=1):
        for component, stem in enumerate(("c1", "c2")):
            expected = load(tmp_path / "hand" / f"{stem}_{number}.mod", parse_model)
            same_model(cycle.atmosphere[component], expected)
        stokes = load(tmp_path / "hand" / f"c1_{number}.per", parse_profile).stokes.astype(np.float32)
        assert np.array_equal(cycle.fit[0], stokes)
    assert np.isfinite(found.uncertainty[1].filling_factor[0])


def test_the_same_pixel_is_the_same_whatever_ran_before(
    sir: SirEngine, golden: Golden, data_dir: Path
) -> None:
    folder = data_dir / "golden" / "inversion" / "ex6_onecomp"
    project = load_control_file(folder / "run_as_course" / "inv.trol", search=(folder / "input",))
    first = invert(sir, project)
    plan = golden.plan("A07_cool_umbra.ir")
    model = load(golden.models("A07_cool_umbra")[0], parse_model)
    sir.prepare_synthesis(SynthesizeRequest("sir", plan, (model,), np.array([0]), plan.wavelength)).run(
        [0], Slot()
    )
    again = invert(sir, project)
    assert np.array_equal(first.fit, again.fit)
    assert np.array_equal(first.atmosphere[0].temperature, again.atmosphere[0].temperature)
    assert first.iterations.tolist() == again.iterations.tolist()
