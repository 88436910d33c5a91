r"""Equation of state of the photosphere: ionisation and hydrogen molecules in local equilibrium.

Everything follows from temperature and electron pressure. With partial pressures in units of that of neutral
hydrogen, *x*, Saha's equation gives H+ and H-, the law of mass action H2 and H2+, and Saha again the
electrons per hydrogen nucleus that the other elements give, *g*. The balance of charge

.. math:: P_e = p(H^+) - p(H^-) + p(H_2^+) + g P_H,
          \quad P_H = p(H) + p(H^+) + p(H^-) + 2 p(H_2) + 2 p(H_2^+)

is then a quadratic in x whose leading coefficient is positive: one positive root, and no iteration (Mihalas
1967, Methods in Computational Physics 7, 1, there for the fictitious pressure P_H). Other molecules are
left out, as in SIR: of the electron donors only silicon and titanium bind noticeably, below 3500 K.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.constants import (
    ATOMIC_MASS_UNIT,
    BOLTZMANN,
    ELECTRON_VOLT_KELVIN,
    HYDROGEN_MINUS_BINDING_EV,
    SAHA_PRESSURE,
)
from stokeswarm.inversion.engines.lte.partition import (
    THETA_TEMPERATURE,
    partition_functions,
    spline_position,
    spline_weights,
    weighted_sum,
)

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

FloatArray = npt.NDArray[np.float64]

PG: Final = 0
"""Gas pressure [dyn cm^-2], electrons included."""
RHO: Final = 1
"""Mass density [g cm^-3]."""
NH: Final = 2
"""Hydrogen nuclei, in whatever form [cm^-3]."""
N_E: Final = 3
"""Electrons [cm^-3]."""
N_HI: Final = 4
"""Neutral hydrogen atoms [cm^-3]."""
N_HII: Final = 5
"""Protons [cm^-3]."""
N_HMINUS: Final = 6
"""Negative hydrogen ions [cm^-3]."""
N_H2: Final = 7
"""Hydrogen molecules [cm^-3]."""
N_H2PLUS: Final = 8
"""Ionised hydrogen molecules [cm^-3]."""
N_HEI: Final = 9
"""Neutral helium atoms [cm^-3]."""
N_HEII: Final = 10
"""Singly ionised helium [cm^-3]."""
N_CI: Final = 11
"""Neutral carbon atoms [cm^-3]."""
N_NAI: Final = 12
"""Neutral sodium atoms [cm^-3]."""
N_MGI: Final = 13
"""Neutral magnesium atoms [cm^-3]."""
N_STATE: Final = 14
"""Length of the `state` array that :func:`gas_state` fills."""

HYDROGEN_NUMBER: Final = 1
HELIUM_NUMBER: Final = 2
CARBON_NUMBER: Final = 6
SODIUM_NUMBER: Final = 11
MAGNESIUM_NUMBER: Final = 12
LN10: Final = float(np.log(10.0))
LN_SAHA: Final = float(np.log(SAHA_PRESSURE))
NEWTON_TOLERANCE: Final = 1.0e-12
"""Relative step at which the electron pressure counts as converged."""
MAXIMUM_ITERATIONS: Final = 100
"""Each step halves the bracket at least: 100 exhaust double precision from any start."""
SMALLEST_ELECTRON_FRACTION: Final = 1.0e-25
LARGEST_ELECTRON_FRACTION: Final = 0.999
"""Bracket of Pe / Pg in the search for the electron pressure."""


@njit
def ln_saha(temperature: float, chi: float) -> float:
    """Saha's equation without the partition functions: ln(n1 Pe U0 / (n0 U1)).

    Parameters
    ----------
    temperature : float
        Temperature [K].
    chi : float
        Ionisation energy [eV].

    Returns
    -------
    float
        Natural logarithm of a pressure in dyn cm^-2.
    """
    return float(LN_SAHA + 2.5 * np.log(temperature) - chi * ELECTRON_VOLT_KELVIN / temperature)


@njit
def hydrogen_molecules(temperature: float) -> tuple[float, float]:
    """Mass action of H2 and H2+: p(H2) / p(H)^2 and p(H2+) / (p(H) p(H+)).

    Polynomials in theta of Vardya (1965, MNRAS 129, 205).

    Parameters
    ----------
    temperature : float
        Temperature [K].

    Returns
    -------
    tuple of 2 float
        Equilibrium constants of H2 and H2+ [dyn^-1 cm^2].
    """
    theta = THETA_TEMPERATURE / temperature
    log_h2 = -12.533505 + theta * (4.9251644 + theta * (-5.6191273e-2 + theta * 3.2687661e-3))
    log_h2plus = -11.206998 + theta * (2.7942767 + theta * (7.9196803e-2 - theta * 2.4790744e-2))
    return np.exp(LN10 * log_h2), np.exp(LN10 * log_h2plus)


@njit
def saha_factors(temperature: float, mix: Mixture, factors: FloatArray) -> None:
    """First and second ionisation of the electron donors, times the electron pressure.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    mix : Mixture
        Chemical composition.
    factors : ndarray of float64, shape (n_donors, 2)
        Filled with n1 Pe / n0 and n2 Pe / n1 [dyn cm^-2].
    """
    cell, fraction = spline_position(temperature)
    w0, w1, w2, w3 = spline_weights(fraction)
    per_volt = ELECTRON_VOLT_KELVIN / temperature
    common = LN_SAHA + 2.5 * np.log(temperature)
    for i in range(mix.donors.size):
        z = mix.donors[i]
        ln_u1 = weighted_sum(mix.ln_partition, cell, z, 0, w0, w1, w2, w3)
        ln_u2 = weighted_sum(mix.ln_partition, cell, z, 1, w0, w1, w2, w3)
        ln_u3 = weighted_sum(mix.ln_partition, cell, z, 2, w0, w1, w2, w3)
        factors[i, 0] = np.exp(common + ln_u2 - ln_u1 - mix.chi1[z] * per_volt)
        factors[i, 1] = np.exp(common + ln_u3 - ln_u2 - mix.chi2[z] * per_volt)


@njit
def donated_electrons(pe: float, mix: Mixture, factors: FloatArray) -> tuple[float, float]:
    """Electrons per hydrogen nucleus from the elements other than hydrogen.

    Parameters
    ----------
    pe : float
        Electron pressure [dyn cm^-2].
    mix : Mixture
        Chemical composition.
    factors : ndarray of float64, shape (n_donors, 2)
        From :func:`saha_factors`.

    Returns
    -------
    electrons : float
        Electrons per hydrogen nucleus.
    derivative : float
        Its derivative with respect to ln Pe.
    """
    electrons = 0.0
    derivative = 0.0
    for i in range(mix.donors.size):
        once = factors[i, 0] / pe
        twice = once * factors[i, 1] / pe
        total = 1.0 + once + twice
        mean = (once + 2.0 * twice) / total
        mean_square = (once + 4.0 * twice) / total
        abundance = mix.abundance[mix.donors[i]]
        electrons += abundance * mean
        # The variance of the charge: d<q>/d ln Pe = -(<q^2> - <q>^2).
        derivative -= abundance * (mean_square - mean * mean)
    return electrons, derivative


@njit
def hydrogen_balance(
    pe: float,
    electrons: float,
    electrons_derivative: float,
    protons: float,
    negative: float,
    k_h2: float,
    k_h2plus: float,
    nuclei: float,
) -> tuple[float, float, float, float]:
    """Solve the balance of charge for neutral hydrogen.

    Parameters
    ----------
    pe : float
        Electron pressure [dyn cm^-2].
    electrons, electrons_derivative : float
        Electrons per hydrogen nucleus from other elements, and derivative with respect to ln Pe.
    protons, negative : float
        p(H+) / p(H) and p(H-) / p(H) at this electron pressure.
    k_h2, k_h2plus : float
        p(H2) / p(H)^2 and p(H2+) / (p(H) p(H+)) [dyn^-1 cm^2].
    nuclei : float
        Nuclei other than hydrogen, per hydrogen nucleus.

    Returns
    -------
    neutral : float
        p(H) [dyn cm^-2].
    total : float
        Pressure that all hydrogen nuclei would have as single particles [dyn cm^-2].
    pg : float
        Gas pressure [dyn cm^-2].
    pg_derivative : float
        d Pg / d ln Pe at constant temperature [dyn cm^-2].
    """
    atoms = 1.0 + protons + negative
    atoms_derivative = negative - protons
    ionised_pairs = protons * k_h2plus
    pairs = k_h2 + ionised_pairs
    square = ionised_pairs + 2.0 * electrons * pairs
    linear = protons - negative + electrons * atoms
    root = np.sqrt(linear * linear + 4.0 * square * pe)
    # Of the two forms of the root, the one without cancellation.
    neutral = 2.0 * pe / (linear + root) if linear > 0.0 else (root - linear) / (2.0 * square)
    square_derivative = 2.0 * electrons_derivative * pairs - (1.0 + 2.0 * electrons) * ionised_pairs
    linear_derivative = -protons - negative + electrons_derivative * atoms + electrons * atoms_derivative
    neutral_derivative = (pe - neutral * (linear_derivative + neutral * square_derivative)) / root

    molecules = neutral * neutral * pairs
    molecules_derivative = neutral * (2.0 * neutral_derivative * pairs - neutral * ionised_pairs)
    singles = neutral * atoms
    singles_derivative = neutral_derivative * atoms + neutral * atoms_derivative
    total = singles + 2.0 * molecules
    pg = pe + singles + molecules + total * nuclei
    pg_derivative = pe + singles_derivative * (1.0 + nuclei) + molecules_derivative * (1.0 + 2.0 * nuclei)
    return neutral, total, pg, pg_derivative


@njit
def gas_state(temperature: float, pe: float, mix: Mixture, state: FloatArray) -> None:
    """Pressures and number densities of the gas from temperature and electron pressure.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2], positive.
    mix : Mixture
        Chemical composition.
    state : ndarray of float64, shape (N_STATE,)
        Filled; the constants of this module (``PG``, ``RHO``, ``NH`` ...) index it and state the units. NaN
        throughout where temperature or electron pressure is not positive.
    """
    if not (temperature > 0.0 and pe > 0.0):
        state[:] = np.nan
        return
    factors = np.empty((mix.donors.size, 2))
    saha_factors(temperature, mix, factors)
    electrons, electrons_derivative = donated_electrons(pe, mix, factors)
    u1, u2, _ = partition_functions(temperature, HYDROGEN_NUMBER, mix)
    protons = np.exp(ln_saha(temperature, mix.chi1[0])) * u2 / (u1 * pe)
    negative = pe * np.exp(-ln_saha(temperature, HYDROGEN_MINUS_BINDING_EV)) / u1
    k_h2, k_h2plus = hydrogen_molecules(temperature)
    neutral, total, pg, _ = hydrogen_balance(
        pe, electrons, electrons_derivative, protons, negative, k_h2, k_h2plus, mix.nuclei_per_hydrogen
    )
    per_pressure = 1.0 / (BOLTZMANN * temperature)
    nuclei = total * per_pressure
    state[PG] = pg
    state[RHO] = nuclei * mix.weight_per_hydrogen * ATOMIC_MASS_UNIT
    state[NH] = nuclei
    state[N_E] = pe * per_pressure
    state[N_HI] = neutral * per_pressure
    state[N_HII] = neutral * protons * per_pressure
    state[N_HMINUS] = neutral * negative * per_pressure
    state[N_H2] = neutral * neutral * k_h2 * per_pressure
    state[N_H2PLUS] = neutral * neutral * protons * k_h2plus * per_pressure
    for i in range(N_HEI, N_STATE):
        state[i] = 0.0
    for i in range(mix.donors.size):
        atomic_number = mix.donors[i] + 1
        if atomic_number > MAGNESIUM_NUMBER:
            break
        once = factors[i, 0] / pe
        twice = once * factors[i, 1] / pe
        neutral_atoms = nuclei * mix.abundance[mix.donors[i]] / (1.0 + once + twice)
        if atomic_number == HELIUM_NUMBER:
            state[N_HEI] = neutral_atoms
            state[N_HEII] = neutral_atoms * once
        elif atomic_number == CARBON_NUMBER:
            state[N_CI] = neutral_atoms
        elif atomic_number == SODIUM_NUMBER:
            state[N_NAI] = neutral_atoms
        elif atomic_number == MAGNESIUM_NUMBER:
            state[N_MGI] = neutral_atoms


@njit
def ion_over_partition(
    temperature: float, pe: float, atomic_number: int, stage: int, state: FloatArray, mix: Mixture
) -> float:
    """Number density of an ion over its partition function: what Boltzmann's law multiplies.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pe : float
        Electron pressure [dyn cm^-2].
    atomic_number : int
        Atomic number, 1-92.
    stage : int
        0 for the neutral atom, 1 for the singly, 2 for the doubly ionised.
    state : ndarray of float64, shape (N_STATE,)
        From :func:`gas_state` at the same temperature and electron pressure.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    float
        n / U [cm^-3]; the population of a level is this times its weight times exp(-E/kT).
    """
    u1, u2, u3 = partition_functions(temperature, atomic_number, mix)
    if atomic_number == HYDROGEN_NUMBER:
        return float(state[N_HI]) / u1 if stage == 0 else float(state[N_HII]) / u2
    z = atomic_number - 1
    once = np.exp(ln_saha(temperature, mix.chi1[z])) * u2 / (u1 * pe)
    twice = once * np.exp(ln_saha(temperature, mix.chi2[z])) * u3 / (u2 * pe)
    neutral = float(state[NH]) * float(mix.abundance[z]) / (1.0 + once + twice)
    if stage == 0:
        return float(neutral / u1)
    if stage == 1:
        return float(neutral * once / u2)
    return float(neutral * twice / u3)


@njit
def electron_pressure(temperature: float, pg: float, pe_guess: float, mix: Mixture) -> float:
    """Electron pressure of a gas of given temperature and pressure.

    Newton's method on ln Pg(ln Pe), which is smooth and increasing, inside a bracket that falls back on
    bisection.

    Parameters
    ----------
    temperature : float
        Temperature [K].
    pg : float
        Gas pressure [dyn cm^-2].
    pe_guess : float
        First guess [dyn cm^-2]; anything not between 0 and `pg` is replaced by Pg / 1000.
    mix : Mixture
        Chemical composition.

    Returns
    -------
    float
        Electron pressure [dyn cm^-2], to a relative precision better than 1e-9; NaN if temperature or gas
        pressure is not a positive number, or no electron pressure between 1e-25 and 0.999 times Pg gives
        it.
    """
    if not (temperature > 0.0 and pg > 0.0 and np.isfinite(temperature) and np.isfinite(pg)):
        return np.nan
    factors = np.empty((mix.donors.size, 2))
    saha_factors(temperature, mix, factors)
    u1, u2, _ = partition_functions(temperature, HYDROGEN_NUMBER, mix)
    proton_factor = np.exp(ln_saha(temperature, mix.chi1[0])) * u2 / u1
    negative_factor = np.exp(-ln_saha(temperature, HYDROGEN_MINUS_BINDING_EV)) / u1
    k_h2, k_h2plus = hydrogen_molecules(temperature)

    lowest = np.log(SMALLEST_ELECTRON_FRACTION * pg)
    highest = np.log(LARGEST_ELECTRON_FRACTION * pg)
    ln_pe = np.log(pe_guess) if 0.0 < pe_guess < pg else np.log(1.0e-3 * pg)
    ln_pg = np.log(pg)
    for _iteration in range(MAXIMUM_ITERATIONS):
        pe = np.exp(ln_pe)
        electrons, electrons_derivative = donated_electrons(pe, mix, factors)
        _neutral, _total, found, slope = hydrogen_balance(
            pe,
            electrons,
            electrons_derivative,
            proton_factor / pe,
            negative_factor * pe,
            k_h2,
            k_h2plus,
            mix.nuclei_per_hydrogen,
        )
        misfit = np.log(found) - ln_pg
        if np.isnan(misfit):
            return np.nan
        if misfit > 0.0:
            highest = ln_pe
        else:
            lowest = ln_pe
        step = -misfit * found / slope
        if abs(step) < NEWTON_TOLERANCE:
            return float(np.exp(ln_pe + step))
        ln_pe += step
        if not lowest < ln_pe < highest:
            ln_pe = 0.5 * (lowest + highest)
            if highest - lowest < NEWTON_TOLERANCE:
                break
    return np.nan
