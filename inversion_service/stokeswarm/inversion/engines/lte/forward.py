"""The forward model: a stratified atmosphere in, Stokes profiles and their response functions out.

A :class:`ForwardModel` holds what stays the same for all pixels of a plan (wavelengths, lines,
composition) and changes nothing after its construction; what changes lives in a :class:`Workspace`, one a
thread. All the work is done in compiled code without the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.inversion.engines.lte import absorption, constants, population
from stokeswarm.inversion.engines.lte.blocks import BLOCK, BLOCK_ROWS, SWEEP_ROWS, Column, Tables, evaluate
from stokeswarm.inversion.engines.lte.eos import N_STATE
from stokeswarm.inversion.engines.lte.regions import LineData, RegionSetup, line_constants, regions_of

if TYPE_CHECKING:
    from stokeswarm.inversion.engines.lte.elements import Mixture

__all__ = [
    "SIR_DAMPING_LIMIT",
    "Column",
    "ForwardModel",
    "LineData",
    "RegionSetup",
    "Workspace",
    "regions_of",
]

Array = npt.NDArray[np.float64]

SIR_DAMPING_LIMIT: Final = 3.0
"""Damping above which SIR2017 rescales a line (`amaxim` in its ``blends2``), for `damping_limit`."""


class Workspace:
    """Memory that an evaluation writes to: one a thread, reused from call to call.

    Attributes
    ----------
    n_depth : int
        Depths for which it is laid out.
    response : np.ndarray
        Response functions of the last evaluation, (7, nd, 4, nw) float64.
    """

    __slots__ = (
        "_sizes", "block", "continuum", "gas", "n_depth", "planck", "response", "stencil", "sweep", "table",
        "values",
    )  # fmt: skip

    def __init__(self, n_depth: int, n_wavelength: int, n_region: int, n_line: int) -> None:
        self._sizes = n_wavelength, n_region, n_line
        self.lay_out(n_depth)

    def lay_out(self, n_depth: int) -> None:
        """Allocate for columns of another length.

        Parameters
        ----------
        n_depth : int
            Depths.
        """
        n_wavelength, n_region, n_line = self._sizes
        self.n_depth = n_depth
        self.block = np.zeros(n_depth * BLOCK_ROWS * BLOCK)
        self.sweep = np.zeros(SWEEP_ROWS * BLOCK)
        self.continuum = np.zeros((n_depth, n_region, 3))
        self.table = np.zeros((n_depth, n_line, 2, 3))
        self.planck = np.zeros((n_region, n_depth, 3))
        self.stencil = np.zeros((n_depth, 3))
        self.gas = np.zeros(N_STATE)
        self.values = np.zeros((2, n_region + 2 * n_line))
        self.response = np.zeros((absorption.N_QUANTITY, n_depth, 4, n_wavelength))


class ForwardModel:
    """Synthesis of Stokes profiles in LTE, with response functions.

    Immutable and safe to share between threads, each with its own :meth:`workspace`.

    Parameters
    ----------
    regions : sequence of RegionSetup
        Spectral regions; their wavelengths follow each other on one axis.
    mixture : Mixture
        Chemical composition, from ``elements.mixture``.
    damping_limit : float, optional
        If given, a line whose damping exceeds this many Doppler widths *anywhere* has it scaled down
        *everywhere* by one factor, held constant in the response functions. No physics asks for it: SIR
        does so with `SIR_DAMPING_LIMIT`, which changes infrared lines of cool umbrae (a > 3 in their
        deepest layers) by up to 3 % of the continuum; it is here to reproduce SIR.

    Attributes
    ----------
    regions : tuple of RegionSetup
        As given.
    mixture : Mixture
        As given.
    n_wavelength : int
        Total number of wavelengths.
    slices : tuple of slice
        Where each region lies on the wavelength axis.

    Raises
    ------
    ValueError
        Where there is no region, a line's element has no abundance, or `damping_limit` is not positive.
    """

    __slots__ = ("_damping_limit", "_tables", "mixture", "n_wavelength", "regions", "slices")

    def __init__(
        self,
        regions: Sequence[RegionSetup],
        mixture: Mixture,
        damping_limit: float | None = None,
    ) -> None:
        if not regions:
            raise ValueError("a forward model needs at least one spectral region")
        self.regions = tuple(regions)
        if damping_limit is not None and not damping_limit > 0.0:
            raise ValueError(f"damping_limit must be positive or None, found {damping_limit}")
        self.mixture = mixture
        self._damping_limit = 0.0 if damping_limit is None else float(damping_limit)
        edges = np.concatenate([[0], np.cumsum([region.wavelengths.size for region in self.regions])])
        self.n_wavelength = int(edges[-1])
        self.slices = tuple(slice(int(a), int(b)) for a, b in pairwise(edges))
        lines = [line for region in self.regions for line in region.lines]
        for line in lines:
            if not mixture.abundance[line.atomic_number - 1] > 0.0:
                raise ValueError(
                    f"the line at {line.wavelength_A} Å belongs to element {line.atomic_number}, which is "
                    "absent from the abundances"
                )
        counts = [len(region.lines) for region in self.regions]
        components = [line.zeeman.kind.size for line in lines]
        empty = np.zeros(0)
        self._tables = Tables(
            wavelength=np.concatenate([region.wavelengths for region in self.regions]),
            region_start=edges.astype(np.int64),
            region_cm=np.array([region.reference_wavelength * 1.0e-8 for region in self.regions]),
            region_unit=np.array([float(region.continuum_reference) for region in self.regions]),
            line_start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            species=np.array([(line.atomic_number, line.stage) for line in lines], dtype=np.int64).reshape(
                -1, 2
            ),
            centre=np.array([line.wavelength_A for line in lines], dtype=np.float64),
            lines=np.array([line_constants(line, mixture) for line in lines]).reshape(-1, population.N_LINE),
            mass=np.array([mixture.weight[line.atomic_number - 1] for line in lines]).reshape(-1)
            * constants.ATOMIC_MASS_UNIT,
            component_start=np.concatenate([[0], np.cumsum(components)]).astype(np.int64),
            shift=np.concatenate([empty, *(line.zeeman.shift for line in lines)]),
            strength=np.concatenate([empty, *(line.zeeman.strength for line in lines)]),
            kind=np.concatenate([empty, *(line.zeeman.kind for line in lines)]).astype(np.int64),
        )

    def workspace(self, n_depth: int = 64) -> Workspace:
        """Make the memory that one thread needs.

        Parameters
        ----------
        n_depth : int
            Depths expected; a longer or shorter column makes the workspace lay itself out anew.

        Returns
        -------
        Workspace
        """
        return Workspace(n_depth, self.n_wavelength, len(self.regions), self._tables.centre.size)

    def synthesize(self, column: Column, workspace: Workspace, mu: float = 1.0) -> Array:
        """Compute the emergent Stokes profiles.

        Parameters
        ----------
        column : Column
            The atmosphere.
        workspace : Workspace
            Memory of this thread.
        mu : float
            Cosine of the angle between the line of sight and the direction along which `log_tau` is
            measured. It is 1 also off disc centre where the atmosphere is given along the line of sight,
            which is SIR's meaning.

        Returns
        -------
        np.ndarray
            I, Q, U, V over the regions' continuum references, (4, nw) float64, newly allocated. NaN where a
            quantity of the column is NaN.

        Raises
        ------
        ValueError
            Where the column's arrays differ in shape, or `log_tau` is not decreasing, or `mu` not in (0, 1].
        """
        return self._run(column, workspace, mu, with_response=False)

    def synthesize_with_response(
        self, column: Column, workspace: Workspace, mu: float = 1.0
    ) -> tuple[Array, Array]:
        """Compute the emergent Stokes profiles and their response functions.

        The response functions are the exact derivatives of the computed profiles to the value of one
        quantity at one grid point, everything else being held: temperature (at fixed electron pressure)
        [K⁻¹], electron pressure [cm² dyn⁻¹], microturbulence [s cm⁻¹], field strength [G⁻¹], velocity [s
        cm⁻¹], inclination and azimuth [rad⁻¹].

        Parameters
        ----------
        column, workspace, mu
            As for :meth:`synthesize`.

        Returns
        -------
        stokes : np.ndarray
            As from :meth:`synthesize`.
        response : np.ndarray
            Response functions in the order above, (7, nd, 4, nw) float64. It belongs to the workspace:
            the next call with the same workspace overwrites it.

        Raises
        ------
        ValueError
            As :meth:`synthesize`.
        """
        stokes = self._run(column, workspace, mu, with_response=True)
        return stokes, workspace.response

    def _run(self, column: Column, workspace: Workspace, mu: float, *, with_response: bool) -> Array:
        arrays = Column(*(np.ascontiguousarray(values, dtype=np.float64) for values in column))
        n_depth = arrays.log_tau.size
        for name, values in zip(Column._fields, arrays, strict=True):
            if values.shape != (n_depth,):
                raise ValueError(f"{name} must have shape ({n_depth},) like log_tau, found {values.shape}")
        if n_depth < 2 or not bool(np.all(np.diff(arrays.log_tau) < 0.0)):
            raise ValueError("log_tau must have at least two values and decrease: deepest first")
        if not 0.0 < mu <= 1.0:
            raise ValueError(f"mu must lie in (0, 1], found {mu}")
        if workspace.n_depth != n_depth:
            workspace.lay_out(n_depth)
        stokes = np.empty((4, self.n_wavelength))
        evaluate(
            arrays,
            self.mixture,
            self._tables,
            float(mu),
            with_response,
            self._damping_limit,
            workspace.block,
            workspace.sweep,
            workspace.continuum,
            workspace.table,
            workspace.planck,
            workspace.stencil,
            workspace.gas,
            workspace.values,
            stokes,
            workspace.response,
        )
        return stokes
