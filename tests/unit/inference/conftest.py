"""Toy training sets: Milne–Eddington profiles of one line, with magneto-optical effects."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import wofz

WAVELENGTH = 6302.4936 + 0.0215 * (np.arange(40) - 19.5)
LOG_TAU = np.array([1.0, 0.0, -1.0, -2.0, -3.0])
_LANDE = 2.5
_LIGHT = 299792.458  # km/s
_DOPPLER = 0.035  # Å
_DAMPING = 0.2


def _milne_eddington(field, velocity, inclination, azimuth, strength, slope, wavelength=WAVELENGTH):
    """Unno–Rachkovsky profiles of a normal triplet, (n, 4, n_wavelength).

    I(0) = (S0 + S1 K⁻¹) e0 with S0 + S1 = 1 (Landi Degl'Innocenti & Landolfi 2004, eq. 9.110). Arguments are
    arrays (n,) in G, km/s and degrees, the line's opacity ratio, and S1.
    """
    centre = 6302.4936
    split = 4.6686e-13 * _LANDE * centre**2 * field / _DOPPLER
    u = (wavelength[None] - centre * (1 + velocity[:, None] / _LIGHT)) / _DOPPLER
    phi, psi = [], []
    for shift in (0, -1, 1):  # pi, blue sigma, red sigma
        w = wofz(u - shift * split[:, None] + 1j * _DAMPING)
        phi.append(w.real * strength[:, None])
        psi.append(w.imag * strength[:, None])
    g, chi = np.deg2rad(inclination)[:, None], np.deg2rad(azimuth)[:, None]

    def elements(p):
        linear = 0.5 * (p[0] - 0.5 * (p[1] + p[2])) * np.sin(g) ** 2
        return -linear * np.cos(2 * chi), -linear * np.sin(2 * chi), 0.5 * (p[1] - p[2]) * np.cos(g)

    eta_i = 1 + 0.5 * (phi[0] * np.sin(g) ** 2 + 0.5 * (phi[1] + phi[2]) * (1 + np.cos(g) ** 2))
    (hq, hu, hv), (rq, ru, rv) = elements(phi), elements(psi)
    rows = [[eta_i, hq, hu, hv], [hq, eta_i, rv, -ru], [hu, -rv, eta_i, rq], [hv, ru, -rq, eta_i]]
    matrix = np.moveaxis(np.array(rows), (0, 1), (2, 3))
    source = np.zeros((*eta_i.shape, 4, 1))
    source[..., 0, 0] = slope[:, None]
    stokes = np.linalg.solve(matrix, source)[..., 0]
    stokes[..., 0] += 1 - slope[:, None]
    return np.moveaxis(stokes, 2, 1)


def toy_arrays(n_profile: int, seed: int = 1, wavelength: np.ndarray = WAVELENGTH) -> dict[str, np.ndarray]:
    """Entries of a toy training set: the atmosphere is what a Milne–Eddington line can tell of it."""
    rng = np.random.default_rng(seed)
    field, velocity = rng.uniform(0, 3000, n_profile), rng.uniform(-4, 4, n_profile)
    inclination = np.rad2deg(np.arccos(rng.uniform(-1, 1, n_profile)))
    azimuth, heat = rng.uniform(0, 180, n_profile), rng.uniform(0, 1, n_profile)
    vmic, vmac = rng.uniform(0.5, 2, n_profile), rng.uniform(0.5, 2, n_profile)
    stokes = _milne_eddington(
        field, velocity, inclination, azimuth, 8 + 12 * vmic, 0.4 + 0.4 * heat, wavelength
    )
    flat = np.ones((1, LOG_TAU.size))
    return {
        "stokes": stokes.astype(np.float32),
        "wavelength": wavelength,
        "reference": np.array("disc-centre"),
        "log_tau": LOG_TAU,
        "temperature": (5000 + 1500 * heat[:, None] + 800 * LOG_TAU).astype(np.float32),
        "field_strength": (field[:, None] * flat).astype(np.float32),
        "velocity": (velocity[:, None] * flat).astype(np.float32),
        "inclination": (inclination[:, None] * flat).astype(np.float32),
        "azimuth": (azimuth[:, None] * flat).astype(np.float32),
        "microturbulence": (vmic[:, None] * flat).astype(np.float32),
        "macroturbulence": vmac.astype(np.float32),
        "recipe": np.array(json.dumps({"made": "Milne-Eddington toy", "seed": seed})),
    }


@pytest.fixture(scope="session")
def milne_eddington() -> Callable[..., np.ndarray]:
    """Synthesises profiles; see `_milne_eddington`."""
    return _milne_eddington


@pytest.fixture(scope="session")
def toy() -> Callable[..., dict[str, np.ndarray]]:
    """Makes the entries of a toy training set of so many profiles (and a seed)."""
    return toy_arrays


@pytest.fixture
def toy_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a toy training set as .npz, with some entries changed (None = left out)."""

    def write(n_profile: int = 400, **changes: object) -> Path:
        arrays = toy_arrays(n_profile) | changes
        path = tmp_path / "toy.npz"
        np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
        return path

    return write


#: attributes of a group that is in order
ATTRIBUTES = {
    "format": "stokeswarm training set 1",
    "complete": True,
    "reference": "disc-centre",
    "noise": 0.0,
    "classes": ["quiet", "umbra"],
    "recipe": {"made": "Milne-Eddington toy", "seed": 1},
}


@pytest.fixture
def toy_group(tmp_path: Path) -> Callable[..., Path]:
    """Writes a toy training set as a Zarr group, with some entries changed (None = left out)."""
    zarr = pytest.importorskip("zarr", reason="zarr is not installed (pip install stokeswarm[train])")

    def write(n_profile: int = 400, attributes: dict[str, object] | None = None, **changes: object) -> Path:
        arrays = toy_arrays(n_profile)
        del arrays["reference"], arrays["recipe"]
        number = np.arange(n_profile)
        arrays |= {
            "mu": np.linspace(0.2, 1, n_profile, dtype=np.float32),
            "class": (number % 2).astype(np.int8),
            "region": (number // 16).astype(np.int32),
        }
        path = tmp_path / "toy.zarr"
        attrs = {k: v for k, v in (ATTRIBUTES | (attributes or {})).items() if v is not None}
        group = zarr.create_group(path, zarr_format=3, attributes=attrs, overwrite=True)
        for name, values in (arrays | changes).items():
            if values is not None:
                rows = min(16, len(values))
                array = group.create_array(
                    name, shape=values.shape, chunks=(rows, *values.shape[1:]), dtype=values.dtype
                )
                array[...] = values
        return path

    return write
