"""Fixtures of the RH engine's unit tests: an installation that is a test double."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.inversion import SynthesizeRequest
from stokeswarm.contract.plan import Line, Plan, Region
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engines.rh.engine import RhEngine

#: enough of a model for the engine: a level, an ion, and the H line of Ca II
CALCIUM = """# comment
  CA
3 1 1 0
     0.000   2.00    'CA II 3P6 4S 2SE    '    1         0
 25191.510   2.00    'CA II 3P6 4P 2PO 1  '    1         1
 95785.470   1.00    'CA III 3P6 1SE      '    2         2
# j i f type Nlambda symm qcore qwing vdw
  1   0  3.412E-01     PRD  50     ASYMM   30.0  1500.0  UNSOLD 1.0 0.0 1.0 0.0 1.48E08  1.0
  2   0   2.0363E-23      1        HYDROGENIC        35.0
"""
MODELS = ("H_6", "C", "O", "Si", "Al", "Fe", "He", "Mg", "N", "Na", "S")
MOLECULES = ("H2", "H2+", "C2", "N2", "O2", "CH", "CO", "CN", "NH", "NO", "OH", "H2O")


def empty_model(species: str) -> str:
    """A model without lines."""
    return f"# nothing\n  {species}\n1 0 0 0\n 0.0 1.0 'X' 0 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation whose programs are test doubles."""
    folder = tmp_path / "installation"
    (folder / "rhf1d").mkdir(parents=True)
    (folder / "Atoms").mkdir()
    (folder / "Molecules").mkdir()
    source = Path(__file__).with_name("standin.py").read_text()
    for name in ("rhf1d", "solveray"):
        program = folder / "rhf1d" / name
        program.write_text(f"#!{sys.executable} -S\n{source}")
        program.chmod(0o755)
    for name in MODELS:
        (folder / "Atoms" / f"{name}.atom").write_text(empty_model(name.split("_")[0].upper()))
    for name in ("CaII", "CaII_CRD"):
        (folder / "Atoms" / f"{name}.atom").write_text(CALCIUM)
    for name in ("pf_Kurucz.input", "Barklem_spdata.dat", "Barklem_pddata.dat", "Barklem_dfdata.dat"):
        (folder / "Atoms" / name).write_text("x")
    for name in MOLECULES:
        (folder / "Molecules" / f"{name}.molecule").write_text(f"#\n{name}\n")
    return folder


@pytest.fixture
def engine(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RhEngine]:
    """An engine over the test double."""
    monkeypatch.setenv("STOKESWARM_RH", str(root))
    monkeypatch.setenv("STOKESWARM_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    made = RhEngine()
    yield made
    made.close()


@pytest.fixture
def acts() -> dict[str, float]:
    """What the test double does → the temperature that commands it."""
    spec = importlib.util.spec_from_file_location(
        "stokeswarm_tests_rh_standin", Path(__file__).with_name("standin.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {act: float(temperature) for temperature, act in module.ACTS.items()}


@pytest.fixture
def make_request() -> Callable[..., SynthesizeRequest]:
    """Requests of as many pixels as temperatures are given, without a field unless told."""

    def make(
        *top: float, mu: Any = None, field: float = 0.0, atmospheres: int = 1, **plan: Any
    ) -> SynthesizeRequest:
        line = Line(1, "Fe", 1, 6302.4932, 3.686, -1.235, "5P1.0", "5D0.0")
        defaults = Plan(
            "test",
            (Region("a", (line,), 6302.0, 6303.0, 0.1),),
            depth_step=0.4,
            reference=ContinuumReference.DISC_CENTRE,
        )
        made = replace(defaults, **plan)
        log_tau = made.log_tau
        one = np.ones((len(top), log_tau.size))
        temperature = 6000.0 * one
        temperature[:, -1] = top
        atmosphere = Atmosphere(
            log_tau=log_tau,
            temperature=temperature,
            electron_pressure=10.0 * one,
            microturbulence=one,
            field_strength=field * one,
            velocity=0.5 * one,
            inclination=60.0 * one,
            azimuth=20.0 * one,
            macroturbulence=np.zeros(len(top)),
            filling_factor=np.full(len(top), 0.25),
            stray_light=np.zeros(len(top)),
        )
        return SynthesizeRequest(
            "rh",
            made,
            (atmosphere,) * atmospheres,
            np.arange(len(top)) + 7,
            made.wavelength,
            mu=None if mu is None else np.asarray(mu, float),
        )

    return make
