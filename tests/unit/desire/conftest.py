"""An installation of DeSIRe that is none: its folders, and a script in the place of the executable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engines.desire.installation import Installation
from stokeswarm.inversion.engines.desire.models import DEFAULT_ATOMS, DEFAULT_MOLECULES

VARIABLE = "STOKESWARM_DESIRE_UNDER_TEST"

#: levels and lines of the Ca II infrared triplet as model atoms hold them
CALCIUM = """\
# Ca II
  CA
# levels, lines, continua, fixed
    6       5       5        0
#  E        g       label                   stage    number
     0.000   2.00    'CA II 3P6 4S 2SE    '    1         0
 13650.190   4.00    'CA II 3P6 3D 2DE 3  '    1         1
 13710.880   6.00    'CA II 3P6 3D 2DE 5  '    1         2
 25191.510   2.00    'CA II 3P6 4P 2PO 1  '    1         3
 25414.400   4.00    'CA II 3P6 4P 2PO 3  '    1         4
 95785.470   1.00    'CA III 3P6 1SE      '    2         5

  3   0  3.412E-01   VOIGT  80     ASYMM
  4   0  6.807E-01   VOIGT  80     ASYMM
  3   1  5.956E-02   VOIGT  50     ASYMM
  4   1  1.219E-02   VOIGT  50     ASYMM
  4   2  7.242E-02   VOIGT 150     ASYMM
"""

CA_8542 = Line(4, "Ca", 2, 8542.091, 1.7, -0.36199, "2D2.5", "2P1.5", 1.0, 0.275, 8.1486e-15)
FE_6301 = Line(23, "Fe", 1, 6301.5012, 3.654, -0.718, "5P2.0", "5D2.0", 1.0, 0.243, 2.353e-14)
FE_6302 = Line(24, "Fe", 1, 6302.4936, 3.686, -1.165, "5P1.0", "5D0.0", 1.0, 0.241, 2.397e-14)

#: answers a synthesis with a flat profile; its "RH" always does two iterations, the last change being 1e-3
SCRIPT = f"""#!{sys.executable}
# |            DeSIRe version 9.87  (06/Jun/2023)            |
import pathlib
import sys

control = pathlib.Path(sys.argv[-1]).read_text().splitlines()
values = [line.partition(":")[2].strip() for line in control]
assert len(control) == 45 and sys.argv[1] == "-v"
if float(values[40]) < 10.0:
    assert pathlib.Path("../../var/Atoms").is_dir()
    assert "../../var/Atoms/H_6.atom" in pathlib.Path("atoms.input").read_text()
    print(" -- Iteration   1\\n CA, delta = 1.0E+00\\n -- Iteration   2\\n CA, delta = 1.0E-03")
    print(" @CALLING rhf1d")
with open(values[1], "w") as profile:
    for row in pathlib.Path(values[4]).read_text().splitlines():
        label, _, numbers = row.partition(":")
        first, step, last = map(float, numbers.split(","))
        for i in range(round((last - first) / step) + 1):
            profile.write(f"{{label.split(',')[0]}} {{first + i * step:.4f}} 0.9 0.0 0.0 0.001\\n")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation's folder."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "desire"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    for folder in ("Atoms", "Molecules", "Kurucz", "Barklem"):
        (tmp_path / "var" / folder).mkdir(parents=True)
    for model in DEFAULT_ATOMS:
        element = model.name.partition("_")[0].removesuffix("II").removesuffix("I").upper()
        text = CALCIUM if element == "CA" else f"  {element}\n    1 0 0 0\n"
        (tmp_path / "var" / "Atoms" / f"{model.name}.atom").write_text(text)
    for model in DEFAULT_MOLECULES:
        (tmp_path / "var" / "Molecules" / f"{model.name}.molecule").write_text(f"# x\n  {model.name}\n")
    return tmp_path


@pytest.fixture
def environment(root: Path) -> dict[str, str]:
    return {VARIABLE: str(root)}


@pytest.fixture
def installation(environment: dict[str, str]) -> Installation:
    return Installation.find(VARIABLE, environment)


@pytest.fixture
def plan() -> Plan:
    """Ca II 8542 and the iron lines at 6302."""
    return Plan(
        name="test",
        regions=(
            Region("calcium", (CA_8542,), 8541.591, 8542.591, 0.1),
            Region("iron", (FE_6301, FE_6302), 6301.0012, 6303.0012, 0.02),
        ),
        reference=ContinuumReference.DISC_CENTRE,
    )
