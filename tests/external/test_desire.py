"""DeSIRe through the engine gives what the same executable gives by hand, on its own examples, to the digit.

The plans come from the examples' own control files; the files that the engine's run left in its slot are
compared with those of the run by hand, text by text, and the results with their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.dtrol import parse_levels
from stokeswarm.client.trol import load_control_file
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import (
    InvertRequest,
    InvertResults,
    SynthesizeRequest,
    SynthesizeResults,
)
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.sir_files import parse_model, parse_profile
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.desire.engine import DesireEngine
from stokeswarm.inversion.engines.desire.units import si_units

from .desire_by_hand import Example, Shipped

pytestmark = pytest.mark.external

LTE = {"NLTE thresh.": "11."}


@pytest.fixture(scope="module")
def shipped() -> Shipped:
    return Shipped.find()


@dataclass(frozen=True)
class Served:
    """The engine, and the folder of its only slot."""

    engine: DesireEngine
    scratch: Path

    def left(self, name: str) -> str:
        """A file that the last run left in its folder."""
        (path,) = self.scratch.rglob(f"run/pixel/{name}")
        return path.read_text()

    def synthesize(self, plan: Plan, model: Atmosphere, **more: object) -> SynthesizeResults:
        request = SynthesizeRequest("desire", plan, (model,), np.array([3]), plan.wavelength, **more)
        return self.engine.prepare_synthesis(request).run([0], Slot())

    def invert(self, plan: Plan, guess: Atmosphere, stokes: np.ndarray, **more: object) -> InvertResults:
        spectra = Spectra(plan.wavelength, stokes[None], plan.reference)
        request = InvertRequest("desire", plan, spectra, np.array([3]), (guess,), **more)
        return self.engine.prepare_inversion(request).run([0], Slot())


@pytest.fixture(scope="module")
def served(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOKESWARM_SCRATCH", str(scratch))
        engine = DesireEngine()
    yield Served(engine, scratch)
    engine.close()


def plan_of(control: Path) -> Plan:
    """The plan of a control file, with the levels of its lines: to DeSIRe they matter in LTE too."""
    plan = load_control_file(control).plan
    indices = {line.index for region in plan.regions for line in region.lines}
    found = parse_levels((control.parent / "input/LINES_NLTE").read_text(), "LINES_NLTE")
    levels = {f"desire.levels_{i}": f"{low}-{up}" for i, (low, up) in found.items() if i in indices}
    return replace(plan, options={**levels, **plan.options})


def model_of(example: Example, name: str) -> Atmosphere:
    return parse_model(example.read(name), name)


def rows(text: str) -> list[str]:
    """Profiles without the line's number, which is its place in the plan and not in a line list."""
    return [line.split(maxsplit=1)[1] for line in text.splitlines()]


def stokes_of(example: Example, name: str) -> np.ndarray:
    return parse_profile(example.read(name), name).stokes.astype(np.float32)


def same_atmosphere(found: Atmosphere, example: Example, name: str) -> None:
    """The numbers of a model file; angles folded into their ranges."""
    expected = model_of(example, name)
    np.testing.assert_allclose(found.log_tau, expected.log_tau, atol=1e-4)
    for field in ("temperature", "electron_pressure", "gas_pressure", "density", "height", "field_strength"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
    for field in ("velocity", "microturbulence", "inclination"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), rtol=1e-12, err_msg=field)
    difference = found.azimuth - expected.azimuth
    np.testing.assert_allclose(difference, 180.0 * np.round(difference / 180.0), atol=1e-9)
    np.testing.assert_allclose(found.macroturbulence, expected.macroturbulence, rtol=1e-12)


# -- syntheses ---------------------------------------------------------------------------------------


def synthesis(
    shipped: Shipped,
    served: Served,
    folder: Path,
    name: str,
    *,
    suffix: str = "per",
    values: dict[str, str] | None = None,
    atom: tuple[str, str] | None = None,
) -> SynthesizeResults:
    """Synthesise an example by hand and through the engine, and compare."""
    example = shipped.example(name, folder)
    if atom is not None:
        example.replace("input/atoms.input", *atom)
    edits = {"Observed profiles": f"hand.{suffix}", **(values or {})}
    control = example.control("synthesis.dtrol", edits)
    example.run("synthesis.dtrol")
    plan = plan_of(control)
    plan = replace(plan, options={**plan.options, "desire.units": suffix})
    made = served.synthesize(plan, model_of(example, "observed.mod"))
    assert rows(served.left(f"s.{suffix}")) == rows(example.read(f"hand.{suffix}"))
    assert made.status[0].has_result, made.message
    if suffix == "per":
        np.testing.assert_array_equal(made.stokes[0], stokes_of(example, "hand.per"))
    return made


@pytest.mark.parametrize("suffix", ["per", "spc"])
def test_lte_synthesis(shipped: Shipped, served: Served, tmp_path: Path, suffix: str) -> None:
    made = synthesis(shipped, served, tmp_path, "example", suffix=suffix, values=LTE)
    assert made.status == (Status.OK,)


@pytest.mark.parametrize("suffix", ["per", "spc"])
def test_nlte_synthesis(shipped: Shipped, served: Served, tmp_path: Path, suffix: str) -> None:
    made = synthesis(shipped, served, tmp_path, "example", suffix=suffix)
    assert made.status == (Status.OK,)


def test_si_units_are_the_contracts_continuum(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    """.per is over DeSIRe's own HSRA continuum, which differs from SIR's by some 1e-3."""
    over = synthesis(shipped, served, tmp_path / "a", "example")
    absolute = synthesis(shipped, served, tmp_path / "b", "example", suffix="spc")
    ratio = absolute.stokes[0, 0] / over.stokes[0, 0]
    assert np.abs(ratio - 1.0).max() < 5e-3


def test_nlte_synthesis_of_two_active_atoms(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    assert synthesis(shipped, served, tmp_path, "example2").status == (Status.OK,)


def test_crd_synthesis(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    assert synthesis(shipped, served, tmp_path, "example_MgII").status == (Status.OK,)


def test_prd_synthesis(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    crd = synthesis(shipped, served, tmp_path / "crd", "example_MgII")
    prd = synthesis(shipped, served, tmp_path / "prd", "example_MgII", atom=("MgII_CRD.atom", "MgII.atom"))
    assert np.abs(prd.stokes[0, 0] - crd.stokes[0, 0]).max() > 0.01


@pytest.mark.slow
def test_synthesis_of_many_blends(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    assert synthesis(shipped, served, tmp_path, "example_num").status == (Status.OK,)


# -- inversions --------------------------------------------------------------------------------------


def inversion(
    shipped: Shipped, served: Served, folder: Path, name: str, cycles: int, values: dict[str, str]
) -> InvertResults:
    """Invert an example by hand and through the engine, and compare the last cycle."""
    example = shipped.example(name, folder)
    if not (example.folder / "observed.per").exists():
        threshold = {k: v for k, v in values.items() if k in LTE}
        example.control("synthesis.dtrol", {"Observed profiles": "observed.per", **threshold})
        example.run("synthesis.dtrol")
    edits = {"Observed profiles": "observed.per", **values}
    control = example.control("desire.dtrol", edits)
    example.run("desire.dtrol")
    plan = plan_of(control)
    assert len(plan.cycles) == cycles
    observed = stokes_of(example, "observed.per")
    done = served.invert(plan, model_of(example, "guess.mod"), observed)
    assert done.status[0].has_result, done.message
    assert done.best_cycle[0] == cycles - 1
    assert served.left(f"g_{cycles}.mod") == example.read(f"guess_{cycles}.mod")
    assert rows(served.left(f"g_{cycles}.per")) == rows(example.read(f"guess_{cycles}.per"))
    assert served.left("run.chi") == example.read("desire.chi")
    same_atmosphere(done.atmosphere[0], example, f"guess_{cycles}.mod")
    return done


def test_lte_inversion(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    done = inversion(shipped, served, tmp_path, "example", 5, LTE)
    assert np.isfinite(done.chi2_engine[0])
    assert done.iterations[0] > 5


def test_nlte_inversion_of_one_cycle(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    one = {"Number of cycles": "1", "Final evaluation": "1"}
    done = inversion(shipped, served, tmp_path, "example", 1, one)
    assert done.status == (Status.OK,)


@pytest.mark.slow
def test_nlte_inversion_with_a_threshold(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    """The whole example: 5.001 cycles, of which the last writes its result."""
    inversion(shipped, served, tmp_path, "example", 5, {})


@pytest.mark.slow
def test_crd_inversion(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    """Mg II h and k, Stokes I alone: the other Stokes parameters of the fit come from a synthesis."""
    done = inversion(shipped, served, tmp_path, "example_MgII", 4, {})
    assert done.fit[0, 3].any()


def test_skipped_cycles(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    """A fraction of .999 skips what follows a cycle with χ² < 9.99; the models are those by hand."""
    threshold = {**LTE, "Number of cycles": "5.999"}
    done = inversion(shipped, served, tmp_path, "example", 5, threshold)
    assert done.cycles[0] == 0b10000


def test_uncertainties_and_all_cycles(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    example = shipped.example("example", tmp_path)
    example.control("synthesis.dtrol", {"Observed profiles": "observed.per", **LTE})
    example.run("synthesis.dtrol")
    edits = {"Observed profiles": "observed.per", "Number of cycles": "2", "Final evaluation": "2", **LTE}
    control = example.control("desire.dtrol", edits)
    example.run("desire.dtrol")
    done = served.invert(
        plan_of(control),
        model_of(example, "guess.mod"),
        stokes_of(example, "observed.per"),
        all_cycles=True,
    )
    assert served.left("g_2.err") == example.read("guess_2.err")
    # the first column is |log τ|, so that it is no model file
    columns = np.loadtxt(example.folder / "guess_2.err", skiprows=1).T
    found = done.uncertainty[0].temperature[0]
    finite = np.isfinite(found)
    assert finite.any()
    np.testing.assert_array_equal(found[finite], columns[1][finite])
    assert len(done.by_cycle) == 2
    for number, cycle in enumerate(done.by_cycle, start=1):
        same_atmosphere(cycle.atmosphere[0], example, f"guess_{number}.mod")
        np.testing.assert_array_equal(cycle.fit[0], stokes_of(example, f"guess_{number}.per"))


def test_an_inversion_of_si_intensities(shipped: Shipped, served: Served, tmp_path: Path) -> None:
    """In SI units the observed numbers go through a float32 of the contract's unit: close, not identical."""
    example = shipped.example("example", tmp_path)
    control = example.control("desire.dtrol", {"Number of cycles": "2", "Final evaluation": "1", **LTE})
    example.run("desire.dtrol")
    plan = plan_of(control)
    plan = replace(plan, options={**plan.options, "desire.units": "spc"})
    slices = plan.region_slices(plan.wavelength)
    unit = np.concatenate(si_units(plan, plan.wavelength, slices))
    observed = parse_profile(example.read("observed.spc"), "observed.spc").stokes / unit
    done = served.invert(plan, model_of(example, "guess.mod"), observed.astype(np.float32))
    expected = parse_profile(example.read("guess_2.spc"), "guess_2.spc").stokes / unit
    assert np.abs(done.fit[0] - expected).max() < 1e-3
