"""A DeSIRe project written by hand: no file of the code's own is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stokeswarm.client.atmospheres import model_atmosphere
from stokeswarm.client.control_fields import DESIRE
from stokeswarm.contract.abundances import abundance_table
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.sir_files import format_abundances, format_model

LOG_TAU = np.round(1.0 - 0.1 * np.arange(61), 6)
#: line → value; lines that are not named are blank
VALUES = {
    "cycles": "3.02",
    "observed profiles": "obs.per",
    "wavelength grid": "input/wave.grid",
    "atomic parameters file": "input/LINES",
    "abundances file": "input/ABUNDANCES",
    "initial guess model 1": "guess.mod",
    "coordinates file": "input/pos.coor",
    "weight Q": "10",
    "automatic nodes": "0,0,1",
    "nodes T 1": "2,5,*",
    "nodes B 1": "1,1003",
    "nodes vlos 1": "1,2",
    "nodes gamma 1": "1",
    "nodes phi 1": "1",
    "nodes vmac 1": "1",
    "S/N": "1e3",
    "SVD tolerance": "1e-4",
    "NLTE threshold": "0.01",
    "number of rays": "5",
    "integration method": "2",
    "final evaluation": "0,0,2",
    "RH models": "t",
}
LINES = """\
  4=CA 2  8542.091    1.0   1.7000  -0.36199   2D 2.5- 2P 1.5   0.275  8.1486e-15  2.  4.  # infrared triplet
 23=FE 1  6301.5012   1.0   3.654   -0.718     5P 2.0- 5D 2.0   0.242  2.33543e-14
 24=FE 1  6302.4936   1.0   3.686   -1.131     5P 1.0- 5D 0.0   0.239  2.38024e-14  0.  0.
 30=SI 1  8501.544    1.0   5.8709  -1.530     1D 2.0- (2P1.5)f2h 2.0
"""
GRID = """\
Line and blends indices :   Initial lambda     Step       Final lambda
----------------------------------------------------------------------
4                       :      -700.00,        70.0,         700.00
23,24                   :      -500.00,        10.0,        1500.00
"""
KEYWORDS = """\
# what RH is to do
  ATOMS_FILE     = input/atoms.input
  MOLECULES_FILE = input/molecules.input
  N_MAX_ITER = 200
  ITER_LIMIT = 1.0E-4
##I_SUM = -1
  STOKES_MODE = FIELD_FREE   # a remark
  KURUCZ_PF_DATA = ../../var/Kurucz/pf_Kurucz.input
  SPECTRUM_OUTPUT = spectrum.out
  OPACITY_FUDGE = none
"""
ATOMS = """\
# as many as
  3

  ../../var/Atoms/H_6.atom           PASSIVE   ZERO_RADIATION    pops.H.out
  ../../var/Atoms/CaII_CRDbark.atom  ACTIVE    ZERO_RADIATION    pops.CA.out
  ../../var/Atoms/Fe.atom            PASSIVE   LTE_POPULATIONS   pops.FE.out
  never/read.atom                    PASSIVE   LTE_POPULATIONS   x
"""
MOLECULES = (
    "  2\n  ../../var/Molecules/H2.molecule PASSIVE LTE_POPULATIONS\n  H2+.molecule PASSIVE LTE_POPULATIONS\n"
)


def guess() -> Atmosphere:
    """HSRA on 61 depths, with an electron pressure of sorts."""
    model = model_atmosphere("hsra", LOG_TAU)
    pressure = 10.0 ** (2.0 + 0.6 * LOG_TAU)[None, :]
    fields = model.arrays() | {"electron_pressure": pressure}
    return Atmosphere(log_tau=LOG_TAU, **fields)


def control_text(**changes: str) -> str:
    """A control file; changes by line name with ``_`` for blanks, ``…_1`` of the first component."""
    values = VALUES | {key.replace("_", " "): value for key, value in changes.items()}
    values = {("S/N" if key == "SN" else key): value for key, value in values.items()}
    return "".join(f"{name:<30s}: {values.get(name, '')}   ! note\n" for name in DESIRE.fields)


def profile_text() -> str:
    """Observed profiles on the grid's samples."""
    rows = [(4, -700.0 + 70.0 * i) for i in range(21)] + [(23, -500.0 + 10.0 * i) for i in range(201)]
    return "".join(f"{line:5d} {offset:11.4f}  0.9 1e-3 -1e-3 2e-3\n" for line, offset in rows)


def write_project(folder: Path, name: str = "inv.dtrol", **changes: str) -> Path:
    """The whole project in a folder; its control file."""
    (folder / "input").mkdir(parents=True, exist_ok=True)
    abundances = [float(value) for value in abundance_table("asplund-2009")]
    for path, text in (
        ("guess.mod", format_model(guess())),
        ("obs.per", profile_text()),
        ("keyword.input", KEYWORDS),
        ("input/wave.grid", GRID),
        ("input/LINES", LINES),
        ("input/ABUNDANCES", format_abundances(abundances)),
        ("input/atoms.input", ATOMS),
        ("input/molecules.input", MOLECULES),
        ("input/pos.coor", "0.6,0.0,0,1.95e5\n"),
        (name, control_text(**changes)),
    ):
        (folder / path).write_text(text)
    return folder / name
