"""RH through the engine gives what the same executables give by hand: the example that ships with it.

FALC with Ca II, in partial and complete redistribution, with the field's effect on the populations neglected
and included, at two rays, with wavelengths in air and in vacuum. What the contract's atmospheres cannot carry
is hydrogen out of equilibrium: the example is run with ``HYDROGEN_LTE = TRUE``, and one test says what that
changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.contract.inversion import SynthesizeRequest, SynthesizeResults
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference, Status
from stokeswarm.inversion.engine import Slot
from stokeswarm.inversion.engines.rh.air import Air, to_vacuum
from stokeswarm.inversion.engines.rh.engine import RhEngine

from .rh_by_hand import ByHand, abundances, falc, installation, run_example, run_folder

pytestmark = pytest.mark.external

RAYS = (1.0, 0.5)
#: the two stretches of the example's spectrum that hold lines: H and K, and the infrared triplet [Å]
STRETCHES = ((3900.0, 4000.0), (8450.0, 8750.0))
K_LINE, IR_LINE = 3933.663, 8542.091
#: results are single precision
ROUNDING = 2e-7
#: where lines in partial redistribution are iterated on a grid whose wavelengths were converted to air and
#: back, which moves them by 1e-14
AIR_ROUNDING = 5e-7


@pytest.fixture(scope="module")
def root() -> Path:
    return installation()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(folder))
    return folder


@pytest.fixture
def engine(root: Path, scratch: Path) -> Iterator[RhEngine]:
    made = RhEngine()
    yield made
    made.close()


def request_of(root: Path, hand: ByHand, calcium: str, mode: str, *, vacuum: bool) -> SynthesizeRequest:
    """The example as a request, at the wavelengths that the run by hand printed."""
    centres = [float(to_vacuum(c, Air.IUE)) if vacuum else c for c in (K_LINE, IR_LINE)]
    lines = (
        Line(1, "Ca", 2, centres[0], 0.0, 0.135, "2S0.5", "2P1.5"),
        Line(2, "Ca", 2, centres[1], 1.70, -0.36, "2D2.5", "2P1.5"),
    )
    plan = Plan(
        "example",
        tuple(
            Region(f"{low:.0f}", (line,), low, high)
            for line, (low, high) in zip(lines, STRETCHES, strict=True)
        ),
        abundances=abundances(root),
        reference=ContinuumReference.DISC_CENTRE,
        atoms=(AtomModel(calcium, active=True, start="ZERO_RADIATION"),),
        vacuum=vacuum,
        options={
            "rh.frame": "vertical",
            "rh.STOKES_MODE": mode,
            "rh.N_MAX_SCATTER": "2",
            "rh.N_MAX_ITER": "25",
            **({} if vacuum else {"rh.air": "iue"}),
        },
    )
    upright = falc(root, hand.log_tau).take([0] * len(RAYS))
    wavelength = hand.wavelength[chosen(hand)] * 10.0
    return SynthesizeRequest("rh", plan, (upright,), np.arange(len(RAYS)), wavelength, mu=np.array(RAYS))


def chosen(hand: ByHand) -> np.ndarray:
    """Which of the printed wavelengths lie in the stretches."""
    wavelength = hand.wavelength * 10.0
    return np.any([(wavelength > low) & (wavelength < high) for low, high in STRETCHES], axis=0)


def expected(request: SynthesizeRequest, hand: ByHand, mu: float) -> np.ndarray:
    """The run by hand in the contract's units."""
    vacuum = request.wavelength if request.plan.vacuum else to_vacuum(request.wavelength, Air.IUE)
    unit = np.empty(vacuum.size)
    for region, where in zip(
        request.plan.regions, request.plan.region_slices(request.wavelength), strict=True
    ):
        unit[where] = hsra_continuum(region.lines[0].wavelength)
    return hand.rays[mu][:, chosen(hand)] * 1e3 * 2.99792458e10 / (vacuum * 1e-8) ** 2 / unit


def synthesize(engine: RhEngine, request: SynthesizeRequest) -> SynthesizeResults:
    results = engine.prepare_synthesis(request).run(range(len(request)), Slot())
    assert results.status == (Status.OK,) * len(request), results.message
    return results


@pytest.mark.parametrize("air", [True, False], ids=["air", "vacuum"])
@pytest.mark.parametrize("mode", ["FIELD_FREE", "FULL_STOKES"])
@pytest.mark.parametrize("calcium", ["CaII", "CaII_CRD"], ids=["prd", "crd"])
def test_the_example_gives_the_same_numbers(
    engine: RhEngine, root: Path, tmp_path: Path, calcium: str, mode: str, air: bool
) -> None:
    keywords = {
        "N_THREADS": "1",
        "HYDROGEN_LTE": "TRUE",
        "STOKES_MODE": mode,
        "VACUUM_TO_AIR": "TRUE" if air else "FALSE",
    }
    hand = run_example(root, tmp_path / "hand", keywords, RAYS, calcium)
    request = request_of(root, hand, calcium, mode, vacuum=not air)
    results = synthesize(engine, request)
    assert request.wavelength.size > 150
    for i, mu in enumerate(RAYS):
        right = expected(request, hand, mu)
        assert np.abs(right[3] / right[0]).max() > 0.05
        off = np.abs(results.stokes[i] - right) / right[0]
        assert off.max() < (AIR_ROUNDING if air else ROUNDING)


def test_the_same_files_give_the_same_bits(
    engine: RhEngine, scratch: Path, root: Path, tmp_path: Path
) -> None:
    """What the engine wrote, run by hand in another folder."""
    keywords = {"N_THREADS": "1", "HYDROGEN_LTE": "TRUE", "VACUUM_TO_AIR": "FALSE"}
    hand = run_example(root, tmp_path / "hand", keywords, ())
    request = request_of(root, hand, "CaII", "FIELD_FREE", vacuum=True)
    results = synthesize(engine, request)
    (left,) = scratch.rglob("rhf1d/run")
    names = {
        path.name for path in left.iterdir() if path.suffix in (".input", ".kur", ".xdr", ".atmos", ".B")
    }
    assert {"keyword.input", "atoms.input", "model.atmos", "field.B", "wavelengths.xdr"} < names
    (tmp_path / "again" / "rhf1d" / "run").mkdir(parents=True)
    for name in names:
        shutil.copy(left / name, tmp_path / "again" / "rhf1d" / "run" / name)
    again = run_folder(root, tmp_path / "again", RAYS)
    np.testing.assert_allclose(again.wavelength, hand.wavelength, rtol=1e-14)
    for i, mu in enumerate(RAYS):
        np.testing.assert_array_equal(results.stokes[i], expected(request, again, mu).astype(np.float32))


def test_what_hydrogen_out_of_equilibrium_changes(root: Path, tmp_path: Path) -> None:
    """The only thing of the example that an atmosphere of the contract cannot carry."""
    spectra = []
    for lte in ("TRUE", "FALSE"):
        hand = run_example(root, tmp_path / lte, {"N_THREADS": "1", "HYDROGEN_LTE": lte}, (1.0,))
        spectra.append(hand.rays[1.0][0, chosen(hand)])
    change = np.abs(spectra[0] / spectra[1] - 1.0)
    assert 1e-4 < change.max() < 1e-2
    assert np.median(change) < 1e-3


def test_the_installation_is_as_before(engine: RhEngine, root: Path, tmp_path: Path) -> None:
    """RH runs beside links to its data, and only reads there."""

    def state() -> dict[Path, tuple[int, int]]:
        folders = [root / name for name in ("Atoms", "Molecules")]
        paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
        return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}

    before = state()
    engine.warm_up()
    assert state() == before
