"""Strength and damping of lines, and continuum opacity, at one depth, with derivatives to temperature and Pe.

The population of the lower level follows Saha and Boltzmann with the ionisation energies lowered by the
plasma. The derivatives are forward differences of all of it at once: the equation of state is closed in
(T, Pe), smooth to rounding, and costs little at one depth, so that three evaluations replace a chain of
analytic derivatives that would have to follow every change of an opacity formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import (
    BOLTZMANN,
    SECOND_RADIATION_CONSTANT,
)
from stokeswarm.inversion.engines.lte.continuum import continuum_opacity, continuum_opacity_5000
from stokeswarm.inversion.engines.lte.eos import (
    HYDROGEN_NUMBER,
    N_E,
    N_H2,
    N_HEI,
    N_HI,
    NH,
    gas_state,
    ion_over_partition,
    ln_saha,
)
from stokeswarm.inversion.engines.lte.partition import partition_functions

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RELATIVE_STEP: Final = 1.0e-6
"""Relative step of the forward differences: truncation near 1e-5, rounding near 1e-9 of the derivative."""

LOWERING_EV: Final = 6.96e-7
"""Lowering of the ionisation energy of a neutral atom over the cube root of the electron density [eV cm]
(Unsöld 1948, Z. Astrophys. 24, 355; value of Wittmann 1974, Solar Phys. 35, 11)."""
LOWERING_ION_EV: Final = 1.1048e-6
"""The same for a singly charged ion: 2^(2/3) times as much."""

VACUUM_CM: Final = 0
EXCITATION_K: Final = 1
OPACITY_FACTOR: Final = 2
RADIATIVE: Final = 3
HYDROGEN: Final = 4
HELIUM: Final = 5
MOLECULAR: Final = 6
EXPONENT: Final = 7
N_LINE: Final = 8
"""Columns of the table of line constants: vacuum wavelength [cm], excitation [K], √π e²/(mₑc) gf λ [cm³ s⁻¹],
radiative damping [rad s⁻¹], and the four numbers of ``CollisionalDamping``; and their number."""


@njit
def lowered_population(
    temperature: float, pe: float, atomic_number: int, stage: int, state: Array, mix: Mixture
) -> float:
    """Number density over partition function, with ionisation energies lowered by the plasma.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm⁻²].
    atomic_number : int
        Atomic number, 1-92.
    stage : int
        0 neutral, 1 singly ionised.
    state : np.ndarray
        From ``gas_state``, (N_STATE,) float64.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    float
        n/U [cm⁻³].
    """
    if atomic_number == HYDROGEN_NUMBER:
        return ion_over_partition(temperature, pe, atomic_number, stage, state, mix)
    z = atomic_number - 1
    u1, u2, u3 = partition_functions(temperature, atomic_number, mix)
    cube_root = state[N_E] ** (1.0 / 3.0)
    once = np.exp(ln_saha(temperature, mix.chi1[z] - LOWERING_EV * cube_root)) * u2 / (u1 * pe)
    twice = np.exp(ln_saha(temperature, mix.chi2[z] - LOWERING_ION_EV * cube_root)) * u3 / (u2 * pe)
    neutral = float(state[NH]) * float(mix.abundance[z]) / (1.0 + once * (1.0 + twice))
    if stage == 0:
        return float(neutral / u1)
    return float(neutral * once / u2)


@njit
def _evaluate(
    temperature: float,
    pe: float,
    mix: Mixture,
    region_cm: Array,
    species: Integers,
    lines: Array,
    state: Array,
    values: Array,
) -> None:
    """Continuum opacity ratio of each region, then strength and damping rate of each line."""
    gas_state(temperature, pe, mix, state)
    reference = continuum_opacity_5000(temperature, pe, state, mix)
    n_region = region_cm.shape[0]
    for region in range(n_region):
        values[region] = continuum_opacity(region_cm[region], temperature, pe, state, mix) / reference
    for line in range(lines.shape[0]):
        row = lines[line]
        population = lowered_population(temperature, pe, species[line, 0], species[line, 1], state, mix)
        emission = -np.expm1(-SECOND_RADIATION_CONSTANT / (row[VACUUM_CM] * temperature))
        boltzmann = np.exp(-row[EXCITATION_K] / temperature)
        values[n_region + 2 * line] = row[OPACITY_FACTOR] * population * boltzmann * emission / reference
        values[n_region + 2 * line + 1] = row[RADIATIVE] + temperature ** row[EXPONENT] * (
            row[HYDROGEN] * state[N_HI] + row[HELIUM] * state[N_HEI] + row[MOLECULAR] * state[N_H2]
        )


@njit
def opacities(
    temperature: float,
    pe: float,
    mix: Mixture,
    region_cm: Array,
    species: Integers,
    lines: Array,
    with_response: bool,
    state: Array,
    values: Array,
    continuum: Array,
    table: Array,
) -> None:
    """Fill what the absorption matrix needs to know of the gas at one depth.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm⁻²].
    mix : Mixture
        Chemical composition.
    region_cm : np.ndarray
        Wavelength at which each region's continuum is evaluated [cm], (n_region,) float64.
    species : np.ndarray
        Atomic number and stage of each line, (n_line, 2) int64.
    lines : np.ndarray
        Line constants, (n_line, N_LINE) float64.
    with_response : bool
        Whether to fill the derivatives.
    state : np.ndarray
        Scratch for ``gas_state``.
    values : np.ndarray
        Scratch, (2, n_region + 2 n_line) float64.
    continuum : np.ndarray
        Receives continuum opacity over that at 5000 Å and its derivatives to temperature [K⁻¹] and electron
        pressure [cm² dyn⁻¹], (n_region, 3) float64.
    table : np.ndarray
        Receives, for each line, opacity factor [cm s⁻¹] and damping rate [rad s⁻¹] with the same derivatives,
        (n_line, 2, 3) float64.
    """
    n_region = region_cm.shape[0]
    n_line = lines.shape[0]
    base = values[0]
    shifted = values[1]
    _evaluate(temperature, pe, mix, region_cm, species, lines, state, base)
    for region in range(n_region):
        continuum[region, 0] = base[region]
    for line in range(n_line):
        for row in range(2):
            table[line, row, 0] = base[n_region + 2 * line + row]
    if not with_response:
        return
    for quantity in range(1, 3):
        if quantity == 1:
            step = RELATIVE_STEP * temperature
            _evaluate(temperature + step, pe, mix, region_cm, species, lines, state, shifted)
        else:
            step = RELATIVE_STEP * pe
            _evaluate(temperature, pe + step, mix, region_cm, species, lines, state, shifted)
        for region in range(n_region):
            continuum[region, quantity] = (shifted[region] - base[region]) / step
        for line in range(n_line):
            for row in range(2):
                index = n_region + 2 * line + row
                table[line, row, quantity] = (shifted[index] - base[index]) / step


@njit
def doppler_velocity(temperature: float, microturbulence: float, weight_g: float, out: Array) -> None:
    """Doppler velocity v_D = sqrt(2kT/m + ξ²) and its logarithmic derivatives.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    microturbulence : float
        Microturbulent velocity ξ [cm s⁻¹].
    weight_g : float
        Mass of the atom [g].
    out : np.ndarray
        Receives v_D [cm s⁻¹], d ln v_D / dT [K⁻¹] and d ln v_D / dξ [s cm⁻¹] in its first three elements.
    """
    thermal = 2.0 * BOLTZMANN / weight_g
    square = thermal * temperature + microturbulence * microturbulence
    out[0] = np.sqrt(square)
    out[1] = 0.5 * thermal / square
    out[2] = microturbulence / square
