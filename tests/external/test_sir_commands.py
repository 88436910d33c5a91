"""The whole way, command line to store: what `stokeswarm … --engine sir` gives is what SIR gives by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stokeswarm.client.results import Result
from stokeswarm.client.sources import load
from stokeswarm.contract.sir_files import parse_model, parse_profile
from stokeswarm.contract.status import Status

from . import sir_by_hand as by_hand

pytestmark = pytest.mark.external

SYNTHESES = (
    "A01_hsra_nofield.hinode",
    "A06_penumbra_evershed.hinode",
    "A07_cool_umbra.ir",
    "A10_plage.hinode",
)
INVERSIONS = (
    "ex2_penumbra_psf",
    "ex5_straylight",
    "ex6_onecomp",
    "ex8_FIRS2",
    "ex8_FIRS3",
    "ex8_FIRS5",
)


def stokeswarm(*arguments: str | Path) -> None:
    """Run the command line, with servers of its own that inherit STOKESWARM_SIR."""
    program = "import sys; from stokeswarm.client.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", SYNTHESES)
def test_a_synthesis(sir_program: Path, data_dir: Path, tmp_path: Path, case: str) -> None:
    golden = data_dir / "golden" / "synthesis"
    stem, _, grid = case.rpartition(".")
    changes = {
        by_hand.PROFILE: "o.per",
        by_hand.STRAY: "",
        by_hand.PSF: "",
        by_hand.GRID: "malla.grid",
        by_hand.ABUNDANCES: "THEVENIN",
        by_hand.MODEL_1: "c1.mod",
        by_hand.MODEL_2: "",
    }
    files = {
        "LINES": golden / "LINES",
        "THEVENIN": golden / "THEVENIN",
        "malla.grid": golden / f"{grid}.grid",
        "c1.mod": golden / f"{stem}.mod",
        "syn.trol": by_hand.control(golden / "example_syn.trol", changes),
    }
    hand = tmp_path / "hand"
    by_hand.run(sir_program, hand, files)
    (hand / "o.per").rename(tmp_path / "by-hand.per")
    out = tmp_path / "out.per"
    stokeswarm("synthesize", "--plan", hand / "syn.trol", "--engine", "sir", "--slots", "1", "-o", out)
    found, expected = (load(place, parse_profile) for place in (out, tmp_path / "by-hand.per"))
    assert np.array_equal(found.index, expected.index)
    np.testing.assert_allclose(found.offset, expected.offset, atol=1e-3)
    assert np.array_equal(found.stokes.astype(np.float32), expected.stokes.astype(np.float32))


@pytest.mark.parametrize("case", INVERSIONS)
def test_an_inversion(sir_program: Path, data_dir: Path, tmp_path: Path, case: str) -> None:
    folder = data_dir / "golden" / "inversion" / case
    trol = folder / "run_as_course" / "inv.trol"
    store = tmp_path / "result.zarr"
    stokeswarm(
        *("invert", "--plan", trol, "--search", folder / "input", "--engine", "sir", "--init", "model"),
        *("--slots", "1", "-o", store),
    )
    result = Result.open(store)
    assert result.status.tolist() == [[int(Status.OK)]]

    hand = tmp_path / "hand"
    files = {place.name: place for place in (folder / "input").iterdir()} | {"inv.trol": trol}
    by_hand.run(sir_program, hand, files)
    best = int(result.array("fit/best_cycle")[0, 0]) + 1
    (profile,), (model,) = hand.glob(f"*_{best}.per"), hand.glob(f"*_{best}.mod")
    stokes = load(profile, parse_profile).stokes.astype(np.float32)
    assert np.array_equal(result.array("fit/stokes")[0, 0], stokes)
    expected = load(model, parse_model)
    for name in ("temperature", "velocity", "field_strength", "electron_pressure", "microturbulence"):
        found = result.array(f"atmosphere/{name}")[0, 0]
        np.testing.assert_array_equal(found, getattr(expected, name)[0].astype(np.float32), err_msg=name)
