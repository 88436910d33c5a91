"""RH run by hand: its shipped example in a folder of the test's own, with nothing of ours between."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stokeswarm.contract.abundances import SYMBOLS
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.inversion.engines.lte.constants import BOLTZMANN
from stokeswarm.inversion.engines.lte.elements import mixture

Floats = npt.NDArray[np.float64]

VARIABLE = "STOKESWARM_RH"
DATA = ("Atoms", "Molecules", "Atmos")
#: RH's atomic mass unit [g]
_ATOMIC_MASS_UNIT = 1.6605402e-24


def installation() -> Path:
    """Folder of the installation that the environment names; skips where it names none."""
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        pytest.skip(f"{VARIABLE} is not set: it names RH's folder, or its rhf1d")
    path = Path(value).absolute()
    root = next((folder for folder in (path, *path.parents) if (folder / "Atoms").is_dir()), None)
    if root is None or not (root / "rhf1d" / "run" / "keyword.input").is_file():
        pytest.skip(f"{VARIABLE}={value}: the example that ships with RH is not there")
    return root


@dataclass(frozen=True)
class ByHand:
    """What a run by hand printed.

    Attributes
    ----------
    wavelength : ndarray (n,)
        As printed, nm.
    rays : mapping of float to ndarray (4, n)
        μ → I, Q, U, V [J m⁻² s⁻¹ Hz⁻¹ sr⁻¹].
    log_tau : ndarray (n_depth,)
        At 500 nm, of RH's own scale, from the highest point down.
    """

    wavelength: Floats
    rays: Mapping[float, Floats]
    log_tau: Floats


def run_example(
    root: Path, folder: Path, changes: Mapping[str, str], mus: Sequence[float], calcium: str = "CaII"
) -> ByHand:
    """Run the example that ships with RH.

    Parameters
    ----------
    root : Path
        Of the installation.
    folder : Path
        Empty; the run's.
    changes : mapping
        Keyword → value in the example's ``keyword.input``.
    mus : sequence of float
    calcium : str
        Model of the active atom.
    """
    place = folder / "rhf1d" / "run"
    place.mkdir(parents=True)
    for source in (root / "rhf1d" / "run").iterdir():
        if source.suffix in (".input", ".B"):
            shutil.copy(source, place)
    text = (place / "keyword.input").read_text()
    for keyword, value in changes.items():
        text = re.sub(rf"(?m)^[# ]*{keyword} *=.*$", "", text) + f"\n  {keyword} = {value}\n"
    (place / "keyword.input").write_text(text)
    atoms = (place / "atoms.input").read_text()
    (place / "atoms.input").write_text(atoms.replace("CaII.atom", f"{calcium}.atom"))
    return run_folder(root, folder, mus)


def run_folder(root: Path, folder: Path, mus: Sequence[float]) -> ByHand:
    """Run what is in a folder's ``rhf1d/run``."""
    place = folder / "rhf1d" / "run"
    for name in DATA:
        (folder / name).symlink_to(root / name)
    _start(root / "rhf1d" / "rhf1d", place)
    wavelength = _spectrum(place / "spectrum.out")
    rays = {}
    for mu in mus:
        (place / "ray.input").write_text(f"{mu!r}\n0\n")
        _start(root / "rhf1d" / "solveray", place)
        rays[mu] = _ray(place / f"spectrum_{mu:4.2f}", wavelength.size)
    return ByHand(wavelength, rays, np.log10(_tau(place / "geometry.out")))


def _start(program: Path, place: Path) -> None:
    subprocess.run([program], cwd=place, check=True, stderr=subprocess.DEVNULL, timeout=120)


def _spectrum(path: Path) -> Floats:
    data = path.read_bytes()
    return np.frombuffer(data, ">f8", int(np.frombuffer(data, ">i4", 1)[0]), 4).astype(float)


def _ray(path: Path, n: int) -> Floats:
    data = path.read_bytes()
    stokes = np.zeros((4, n))
    stokes[0] = np.frombuffer(data, ">f8", n, 8)
    rest = np.frombuffer(data[8 + 8 * n + 4 :], ">f8")
    if rest.size:
        stokes[1:] = rest.reshape(3, n)
    return stokes


def _tau(path: Path) -> Floats:
    data = path.read_bytes()
    _, n_ray, n_depth = np.frombuffer(data, ">i4", 3).tolist()
    return np.frombuffer(data[12:], ">f8")[2 * n_ray + 2 * n_depth :][:n_depth].astype(float)


def abundances(root: Path) -> tuple[float, ...]:
    """The installation's own table, Z = 1 … 92."""
    found = {}
    for line in (root / "Atoms" / "abundance.input").read_text().splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2:
            found[words[0].capitalize()] = float(words[1])
    return tuple(found[symbol] for symbol in SYMBOLS)


def falc(root: Path, log_tau: Floats) -> Atmosphere:
    """The example's atmosphere and field, in the contract's units and upright.

    Parameters
    ----------
    root : Path
    log_tau : ndarray (n_depth,)
        From the highest point down.
    """
    text = (root / "Atmos" / "FALC_82.atmos").read_text()
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("*")]
    rows = [[float(word) for word in line] for line in lines[4:]]
    n = log_tau.size
    model, hydrogen = np.array(rows[:n]), np.array(rows[n : 2 * n])
    _, temperature, electrons, velocity, microturbulence = model.T
    per_hydrogen = mixture(np.array(abundances(root))).weight_per_hydrogen
    data = (root / "rhf1d" / "run" / "FALC_82_500G_45.B").read_bytes()
    strength, inclination, azimuth = np.frombuffer(data, ">f8").reshape(3, -1)
    columns = {
        "temperature": temperature,
        "electron_pressure": electrons * BOLTZMANN * temperature,
        "microturbulence": microturbulence,
        "field_strength": strength * 1e4,
        "velocity": -velocity,
        "inclination": np.degrees(inclination),
        "azimuth": np.degrees(azimuth),
        "density": hydrogen.sum(axis=1) * _ATOMIC_MASS_UNIT * per_hydrogen,
    }
    return Atmosphere(
        log_tau=log_tau[::-1],
        **{name: values[None, ::-1] for name, values in columns.items()},
        macroturbulence=np.zeros(1),
        filling_factor=np.ones(1),
        stray_light=np.zeros(1),
    )
