"""The compiled part of the forward model: all regions of one column, in blocks of wavelengths.

The blocks are small enough for the processor's cache, with the wavelength innermost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte import absorption, population, sensitivity, transfer
from stokeswarm.inversion.engines.lte._numba import njit
from stokeswarm.inversion.engines.lte.continuum import planck, planck_derivative

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BLOCK: Final = 56
"""Wavelengths processed together: the tables of 53 depths then stay within 1.5 MB. With half as many the
loops, which the core and the wings of each component divide further, are too short to vectorise."""

_PROFILE, _DERIVATIVE = absorption.N_PROFILE, absorption.N_SCALAR_QUANTITY * absorption.N_PROFILE
BLOCK_ROWS: Final = absorption.N_ELEMENT + _PROFILE + _DERIVATIVE + transfer.N_STATE
"""Rows a depth of the block tables."""
SWEEP_ROWS: Final = 48 + absorption.WORK_ROWS + 32 + 4 + 3 * 28 * 2 + 3 * 4 * 2 + _PROFILE + 28
"""Rows of the scratch of one block."""


class Column(NamedTuple):
    """A stratified atmosphere; every array is (nd,) float64.

    Attributes
    ----------
    log_tau : np.ndarray
        log10 of the continuum optical depth at 5000 Å, decreasing (deepest first).
    temperature : np.ndarray
        [K].
    electron_pressure : np.ndarray
        [dyn cm⁻²].
    microturbulence : np.ndarray
        [cm s⁻¹].
    field_strength : np.ndarray
        [G].
    velocity : np.ndarray
        Line of sight [cm s⁻¹], positive away from the observer.
    inclination : np.ndarray
        From the line of sight [rad].
    azimuth : np.ndarray
        [rad].
    """

    log_tau: Array
    temperature: Array
    electron_pressure: Array
    microturbulence: Array
    field_strength: Array
    velocity: Array
    inclination: Array
    azimuth: Array


class Tables(NamedTuple):
    """A forward model in arrays, as the kernels take it.

    Attributes
    ----------
    wavelength : np.ndarray
        Wavelengths of all regions [Å], (nw,) float64.
    region_start : np.ndarray
        First wavelength of each region, and nw, (n_region + 1,) int64.
    region_cm : np.ndarray
        Wavelength of continuum opacity and Planck function [cm], (n_region,) float64.
    region_unit : np.ndarray
        Continuum reference [erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹], (n_region,) float64.
    line_start : np.ndarray
        First line of each region, and the number of lines, (n_region + 1,) int64.
    species : np.ndarray
        Atomic number and stage of the lines, (n_line, 2) int64.
    centre : np.ndarray
        Their wavelengths in air [Å], (n_line,) float64.
    lines : np.ndarray
        Their constants, columns of ``population``, (n_line, N_LINE) float64.
    mass : np.ndarray
        Mass of their atoms [g], (n_line,) float64.
    component_start : np.ndarray
        First Zeeman component of each line, and their number, (n_line + 1,) int64.
    shift, strength, kind : np.ndarray
        The components, as in ``ZeemanPattern``, (n_component,) float64, float64, int64.
    """

    wavelength: Array
    region_start: Integers
    region_cm: Array
    region_unit: Array
    line_start: Integers
    species: Integers
    centre: Array
    lines: Array
    mass: Array
    component_start: Integers
    shift: Array
    strength: Array
    kind: Integers


@njit
def _limit_damping(column: Column, tables: Tables, limit: float, table: Array) -> None:
    """Scale the damping of a line at all depths so that its largest value [Doppler widths] is the limit."""
    velocities = np.empty(4)
    n_depth = column.log_tau.shape[0]
    for line in range(tables.centre.shape[0]):
        largest = 0.0
        for depth in range(n_depth):
            population.doppler_velocity(
                column.temperature[depth], column.microturbulence[depth], tables.mass[line], velocities
            )
            damping = table[depth, line, absorption.DAMPING_RATE, 0] / velocities[0]
            largest = max(largest, damping * tables.lines[line, population.VACUUM_CM] / (4.0 * np.pi))
        if largest > limit:
            for depth in range(n_depth):
                for entry in range(3):
                    table[depth, line, absorption.DAMPING_RATE, entry] *= limit / largest


@njit
def _prepare(
    column: Column,
    mix: Mixture,
    tables: Tables,
    with_response: bool,
    damping_limit: float,
    gas: Array,
    values: Array,
    continuum: Array,
    table: Array,
    source: Array,
    stencil: Array,
) -> None:
    """Everything that depends on depth and not on wavelength; `source` receives B, dB/dlog τ and dB/dT."""
    n_depth = column.log_tau.shape[0]
    transfer.parabolic_stencil(column.log_tau, stencil)
    for depth in range(n_depth):
        population.opacities(
            column.temperature[depth],
            column.electron_pressure[depth],
            mix,
            tables.region_cm,
            tables.species,
            tables.lines,
            with_response,
            gas,
            values,
            continuum[depth],
            table[depth],
        )
    if damping_limit > 0.0:
        _limit_damping(column, tables, damping_limit, table)
    for region in range(tables.region_cm.shape[0]):
        wavelength_cm = tables.region_cm[region]
        rows = source[region]
        for depth in range(n_depth):
            rows[depth, 0] = planck(wavelength_cm, column.temperature[depth])
            rows[depth, 2] = planck_derivative(wavelength_cm, column.temperature[depth])
        for depth in range(n_depth):
            rows[depth, 1] = (
                stencil[depth, 0] * rows[max(depth - 1, 0), 0]
                + stencil[depth, 1] * rows[depth, 0]
                + stencil[depth, 2] * rows[min(depth + 1, n_depth - 1), 0]
            )


@njit
def _absorb(
    column: Column,
    tables: Tables,
    region: int,
    wavelength: Array,
    continuum: Array,
    table: Array,
    mu: float,
    with_response: bool,
    work: Array,
    profile: Array,
    derivative: Array,
    matrix: Array,
) -> None:
    """Profiles, derivatives and propagation matrix of one block of wavelengths at every depth."""
    velocities = np.empty(4)
    profile[:, :, :] = 0.0
    if with_response:
        derivative[:, :, :, :] = 0.0
    for depth in range(column.log_tau.shape[0]):
        for line in range(tables.line_start[region], tables.line_start[region + 1]):
            population.doppler_velocity(
                column.temperature[depth], column.microturbulence[depth], tables.mass[line], velocities
            )
            velocities[3] = column.velocity[depth]
            first, last = tables.component_start[line], tables.component_start[line + 1]
            absorption.add_line(
                wavelength,
                tables.centre[line],
                tables.lines[line, population.VACUUM_CM],
                tables.shift[first:last],
                tables.strength[first:last],
                tables.kind[first:last],
                table[depth, line],
                velocities,
                column.field_strength[depth],
                with_response,
                work,
                profile[depth],
                derivative[depth],
            )
        absorption.propagation_matrix(
            profile[depth],
            continuum[depth, region, 0],
            column.inclination[depth],
            column.azimuth[depth],
            10.0 ** column.log_tau[depth] * np.log(10.0) / mu,
            matrix[depth],
        )


@njit
def _respond(
    column: Column,
    stencil: Array,
    continuum: Array,
    region: int,
    source: Array,
    unit: float,
    mu: float,
    matrix: Array,
    state: Array,
    profile: Array,
    derivative: Array,
    sweep: Array,
    first: int,
    response: Array,
) -> None:
    """Sweep down one block and write its response functions, `first` being its first wavelength.

    The derivatives of E and S to log τ at a depth hang on its neighbours: their sensitivities are kept for
    three depths, and a depth is finished when the one below it is known.
    """
    n = matrix.shape[2]
    n_depth = matrix.shape[0]
    work = sweep[: 48 * n].reshape((48, n))
    at = 48 * n
    transmission = sweep[at : at + 16 * n].reshape((4, 4, n))
    at += 16 * n
    pending = sweep[at : at + 16 * n].reshape((4, 4, n))
    at += 16 * n
    to_matrix = sweep[at : at + 84 * n].reshape((3, 4, 7, n))
    at += 84 * n
    to_derivative = sweep[at : at + 84 * n].reshape((3, 4, 7, n))
    at += 84 * n
    to_source = sweep[at : at + 12 * n].reshape((3, 4, n))
    at += 12 * n
    to_slope = sweep[at : at + 12 * n].reshape((3, 4, n))
    at += 12 * n
    weights = sweep[at : at + 6 * n].reshape((6, n))
    at += 6 * n
    local = sweep[at : at + 28 * n].reshape((7, 4, n))

    sensitivity.start_sensitivity(transmission, pending)
    for step in range(n_depth + 1):
        depth = n_depth - 1 - step
        if depth >= 0:
            slot = depth % 3
            sensitivity.sensitivity_at(
                depth,
                column.log_tau,
                matrix,
                source,
                stencil,
                state,
                transmission,
                pending,
                work,
                to_matrix[slot],
                to_derivative[slot],
                to_source[slot],
                to_slope[slot],
            )
        done = depth + 1
        if done >= n_depth:
            continue
        here = done % 3
        for neighbour in range(max(done - 1, 0), min(done + 2, n_depth)):
            weight = stencil[neighbour, done - neighbour + 1]
            other = neighbour % 3
            for stokes in range(4):
                for element in range(7):
                    total, part = to_matrix[here, stokes, element], to_derivative[other, stokes, element]
                    for i in range(n):
                        total[i] += weight * part[i]
                total, part = to_source[here, stokes], to_slope[other, stokes]
                for i in range(n):
                    total[i] += weight * part[i]
        absorption.contract(
            to_matrix[here],
            to_source[here],
            profile[done],
            derivative[done],
            continuum[done, region, 1:],
            source[done, 2],
            column.inclination[done],
            column.azimuth[done],
            10.0 ** column.log_tau[done] * np.log(10.0) / mu,
            unit,
            weights,
            local,
        )
        for quantity in range(7):
            for stokes in range(4):
                row = local[quantity, stokes]
                for i in range(n):
                    response[quantity, done, stokes, first + i] = row[i]


@njit
def evaluate(
    column: Column,
    mix: Mixture,
    tables: Tables,
    mu: float,
    with_response: bool,
    damping_limit: float,
    block: Array,
    sweep: Array,
    continuum: Array,
    table: Array,
    source: Array,
    stencil: Array,
    gas: Array,
    values: Array,
    stokes: Array,
    response: Array,
) -> None:
    """Evaluate all regions, block by block.

    Parameters
    ----------
    column : Column
        The atmosphere.
    mix : Mixture
        Chemical composition.
    tables : Tables
        The model.
    mu : float
        Divides the optical path.
    with_response : bool
        Whether to fill `response`.
    damping_limit : float
        See ``ForwardModel``; 0 for none.
    block, sweep : np.ndarray
        Scratch of at least nd BLOCK_ROWS BLOCK and SWEEP_ROWS BLOCK numbers.
    continuum, table, source, stencil, gas, values : np.ndarray
        Scratch of the shapes of ``Workspace``.
    stokes : np.ndarray
        Receives I, Q, U, V, (4, nw) float64.
    response : np.ndarray
        Receives the response functions, (7, nd, 4, nw) float64.
    """
    _prepare(
        column, mix, tables, with_response, damping_limit, gas, values, continuum, table, source, stencil
    )
    n_depth = column.log_tau.shape[0]
    for region in range(tables.region_cm.shape[0]):
        start, stop = tables.region_start[region], tables.region_start[region + 1]
        n_block = (stop - start + BLOCK - 1) // BLOCK
        unit = tables.region_unit[region]
        for b in range(n_block):
            first = start + b * (stop - start) // n_block
            last = start + (b + 1) * (stop - start) // n_block
            n = last - first
            at = n_depth * 7 * n
            matrix = block[:at].reshape((n_depth, 7, n))
            profile = block[at : at + n_depth * 6 * n].reshape((n_depth, 6, n))
            at += n_depth * 6 * n
            derivative = block[at : at + n_depth * 30 * n].reshape((n_depth, 5, 6, n))
            at += n_depth * 30 * n
            state = block[at : at + n_depth * 20 * n].reshape((n_depth, 20, n))
            line_work = sweep[: absorption.WORK_ROWS * n].reshape((absorption.WORK_ROWS, n))
            _absorb(
                column, tables, region, tables.wavelength[first:last], continuum, table, mu, with_response,
                line_work, profile, derivative, matrix,
            )  # fmt: skip
            emergent = sweep[48 * n : 52 * n].reshape((4, n))
            transfer.solve(
                column.log_tau,
                matrix,
                source[region],
                stencil,
                state,
                sweep[: 48 * n].reshape((48, n)),
                emergent,
            )
            for s in range(4):
                for i in range(n):
                    stokes[s, first + i] = emergent[s, i] / unit
            if with_response:
                _respond(
                    column, stencil, continuum, region, source[region], unit, mu, matrix, state, profile,
                    derivative, sweep, first, response,
                )  # fmt: skip
