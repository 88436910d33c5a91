"""One pixel's atmosphere as RH takes it: a plane-parallel column, from the highest point down.

RH's atmosphere stands upright, and its rays are inclined. The contract's lies along the line of sight, as
SIR's does: depth, velocity and the angles of the field are measured along the ray. For the two to mean the
same, optical depths are multiplied by μ, velocities divided by it (the flow is vertical), and the field is
turned. At disc centre nothing changes. A plan may also say that its atmospheres stand upright (`Frame`), as
RH's own do; then several rays share one solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.inversion.engines.lte.constants import (
    BOLTZMANN,
    ELECTRON_VOLT_KELVIN,
    LOG_SOLAR_GRAVITY,
    SAHA_PRESSURE,
)
from stokeswarm.inversion.engines.lte.elements import Mixture
from stokeswarm.inversion.engines.lte.eos import N_STATE, NH, PG, gas_state
from stokeswarm.inversion.engines.rh.files import Field, encode_field

Floats = npt.NDArray[np.float64]

#: RH's atomic mass unit [g] (CODATA 1986), by which it turns densities into numbers and back
_ATOMIC_MASS_UNIT: Final = 1.6605402e-24
_TESLA_PER_GAUSS: Final = 1e-4
#: bound levels of hydrogen in an atmosphere file; the protons follow them
_LEVELS: Final = np.arange(1, 6)
_HYDROGEN_EV: Final = 13.598434


class Frame(Enum):
    """What depth, velocity and the field's angles of an atmosphere are measured along."""

    LINE_OF_SIGHT = "line-of-sight"
    VERTICAL = "vertical"


@dataclass(frozen=True, slots=True)
class Column:
    """An atmosphere, from the highest point down; every array (n_depth,) float64.

    Attributes
    ----------
    log_tau : ndarray
        log10 of the continuum optical depth at 500 nm along the vertical, increasing.
    temperature : ndarray
        K.
    electrons : ndarray
        cm⁻³.
    velocity : ndarray
        Vertical, positive outwards, km/s.
    microturbulence : ndarray
        km/s.
    hydrogen : ndarray (6, n_depth)
        Populations of the levels n = 1 … 5 and of the protons, cm⁻³.
    field : Field or None
        None where there is no field.
    """

    log_tau: Floats
    temperature: Floats
    electrons: Floats
    velocity: Floats
    microturbulence: Floats
    hydrogen: Floats
    field: Field | None

    def identity(self) -> tuple[str, bytes]:
        """All that RH is told of the column: equal for columns that have their solution in common."""
        return self.text(), b"" if self.field is None else encode_field(self.field)

    def text(self) -> str:
        """Text of an ``ATMOS_FILE`` on the optical-depth scale, numbers in full precision."""
        head = f"stokeswarm\nTau scale\n{LOG_SOLAR_GRAVITY!r}\n{self.log_tau.size}\n"
        rows = np.stack([self.log_tau, self.temperature, self.electrons, self.velocity, self.microturbulence])
        return head + _table(rows) + _table(self.hydrogen)


def _table(rows: Floats) -> str:
    return "".join(" ".join(map(repr, values)) + "\n" for values in rows.T.tolist())


def column(atmosphere: Atmosphere, row: int, slant: float, gas: Mixture) -> Column:
    """Translate one pixel.

    Parameters
    ----------
    atmosphere : Atmosphere
        With electron pressures.
    row : int
    slant : float
        Cosine of the angle between the vertical and what the atmosphere is measured along: μ in
        `Frame.LINE_OF_SIGHT`, 1 in `Frame.VERTICAL`.
    gas : Mixture
        Chemical composition.

    Returns
    -------
    Column
    """
    temperature = atmosphere.temperature[row, ::-1]
    pressure = _present(atmosphere.electron_pressure, row)[::-1]
    nuclei = _hydrogen_nuclei(atmosphere, row, gas)[::-1]
    electrons = pressure / (BOLTZMANN * temperature)
    # the sum, where it is nothing: -0.0 is one more spelling of the same atmosphere
    return Column(
        log_tau=atmosphere.log_tau[::-1] + np.log10(slant),
        temperature=temperature,
        electrons=electrons,
        velocity=0.0 - atmosphere.velocity[row, ::-1] / slant,
        microturbulence=atmosphere.microturbulence[row, ::-1],
        hydrogen=_hydrogen(temperature, pressure, nuclei),
        field=_field(
            atmosphere.field_strength[row, ::-1],
            np.radians(atmosphere.inclination[row, ::-1]),
            np.radians(atmosphere.azimuth[row, ::-1]),
            slant,
        ),
    )


def _present(values: Floats | None, row: int) -> Floats:
    if values is None:
        raise ValueError("the atmosphere has no electron pressure")
    return np.asarray(values[row])


def _hydrogen_nuclei(atmosphere: Atmosphere, row: int, gas: Mixture) -> Floats:
    """Hydrogen nuclei [cm⁻³]: of the density, else of the gas pressure, else of local equilibrium."""
    if atmosphere.density is not None and np.isfinite(atmosphere.density[row]).all():
        return np.asarray(atmosphere.density[row] / (_ATOMIC_MASS_UNIT * gas.weight_per_hydrogen))
    state = np.empty(N_STATE)
    nuclei = np.empty(atmosphere.n_depth)
    electron = _present(atmosphere.electron_pressure, row)
    known = None if atmosphere.gas_pressure is None else atmosphere.gas_pressure[row]
    for k in range(nuclei.size):
        gas_state(float(atmosphere.temperature[row, k]), float(electron[k]), gas, state)
        nuclei[k] = state[NH]
        if known is not None and np.isfinite(known[k]):
            nuclei[k] *= (known[k] - electron[k]) / (state[PG] - electron[k])
    return nuclei


def _hydrogen(temperature: Floats, electron_pressure: Floats, nuclei: Floats) -> Floats:
    """Levels of hydrogen in local equilibrium (Boltzmann, and Saha at the given electron pressure).

    RH adds them up, and distributes the sum anew where ``HYDROGEN_LTE`` holds.
    """
    energy = _HYDROGEN_EV * (1.0 - 1.0 / _LEVELS[:, None] ** 2) * ELECTRON_VOLT_KELVIN
    weights = 2.0 * _LEVELS[:, None] ** 2 * np.exp(-energy / temperature)
    ionised = np.exp(-_HYDROGEN_EV * ELECTRON_VOLT_KELVIN / temperature)
    # relative to the weight of a neutral atom; U(H⁺) = 1
    protons = SAHA_PRESSURE * temperature**2.5 * ionised / electron_pressure
    shares = np.concatenate([weights, protons[None]])
    return np.asarray(nuclei * shares / shares.sum(axis=0))


def _field(strength: Floats, inclination: Floats, azimuth: Floats, slant: float) -> Field | None:
    """The field in RH's frame: z outwards, and the ray in the x-z plane.

    On the ray (sin θ, 0, cos θ), RH's axes of polarization are the projected vertical and -y; turned by 180°,
    which linear polarization does not feel, they are (cos θ, 0, -sin θ) and y, and become x and y at disc
    centre.
    """
    if not strength.any():
        return None
    if slant != 1.0:
        across = np.sqrt(1.0 - slant**2)
        along, first, second = (
            np.cos(inclination),
            np.sin(inclination) * np.cos(azimuth),
            np.sin(inclination) * np.sin(azimuth),
        )
        x = along * across + first * slant
        z = along * slant - first * across
        inclination = np.arctan2(np.hypot(x, second), z)
        azimuth = np.arctan2(second, x)
    return Field(strength * _TESLA_PER_GAUSS, inclination, azimuth)
