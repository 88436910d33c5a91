"""From an atmosphere to the observable profile and its derivatives with respect to the free parameters.

observable = (1 − α) Σ_c f_c · P · M_c · S_c + α · stray light,

with the component's emergent profile S_c, macroturbulence M_c, instrumental profile P, filling factor f_c and
stray-light fraction α (Ruiz Cobo & del Toro Iniesta 1992; SIR). Response functions are projected on the nodes
before they are convolved: a few tens of convolutions instead of one for every depth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.limb import limb_darkening
from stokeswarm.contract.plan import QUANTITIES, Plan
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inversion.engines.lte import kernels
from stokeswarm.inversion.engines.lte.constants import SOLAR_GRAVITY
from stokeswarm.inversion.engines.lte.degrade import macroturbulence_derivative, macroturbulence_matrix
from stokeswarm.inversion.engines.lte.elements import mixture
from stokeswarm.inversion.engines.lte.forward import Column, ForwardModel, Workspace, regions_of
from stokeswarm.inversion.engines.lte.hydrostatic import hydrostatic_equilibrium, hydrostatic_response
from stokeswarm.inversion.engines.lte.parameters import (
    FRACTION_UNIT,
    Group,
    Layout,
    macroturbulence_unit,
    units,
)
from stokeswarm.inversion.engines.lte.sampling import sampling
from stokeswarm.inversion.engines.lte.state import (
    ELECTRON_PRESSURE,
    TEMPERATURE,
    Component,
)

Floats = npt.NDArray[np.float64]
#: transposed convolutions of one region, one after the other
Chain = tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that the profile of one pixel depends on."""

    components: tuple[Component, ...]
    filling_factor: float
    """Of the second component; the first has the rest. 0 where there is one component."""
    stray_light: float

    def fraction(self, component: int) -> float:
        """Filling factor of a component."""
        return self.filling_factor if component == 1 else 1.0 - self.filling_factor


class Evaluator:
    """Profiles and derivatives for one plan, wavelength axis and depth axis; immutable, one for all slots.

    Parameters
    ----------
    plan : Plan
    wavelength : ndarray (n_wavelength,) float64
        Å.
    log_tau : ndarray (n_depth,) float64
    reference : ContinuumReference, optional
        What the profiles are divided by; the plan's where it is not given.

    Raises
    ------
    SpectraError
        The axis does not fit the plan's regions.
    PlanError
        A line cannot be synthesised, or a PSF does not fit its region's sampling.
    """

    def __init__(
        self,
        plan: Plan,
        wavelength: Floats,
        log_tau: Floats,
        reference: ContinuumReference | None = None,
    ) -> None:
        self.plan = plan
        self._reference = plan.reference if reference is None else reference
        # copies: an array decoded from a message is read-only, which is another type to the compiler
        self.wavelength = np.array(wavelength, dtype=np.float64)
        self.log_tau = np.array(log_tau, dtype=np.float64)
        self.slices = plan.region_slices(wavelength)
        self.mixture = mixture(np.asarray(plan.abundances))
        self._samplings = [
            sampling(region, self.wavelength[where])
            for region, where in zip(plan.regions, self.slices, strict=True)
        ]
        self._psf = [
            None if made.operator is None else np.ascontiguousarray(made.operator.T)
            for made in self._samplings
        ]
        axes = [made.axis for made in self._samplings]
        ends = np.cumsum([0, *(axis.size for axis in axes)]).tolist()
        #: where each region lies among the computed wavelengths
        self._computed = [slice(a, b) for a, b in pairwise(ends)]
        self._n_computed = ends[-1]
        self.forward = ForwardModel(regions_of(plan, axes), self.mixture)

    def workspace(self) -> Workspace:
        """Scratch arrays of one slot."""
        return self.forward.workspace(self.log_tau.size)

    def in_equilibrium(self, component: Component, mu: float) -> Component:
        """The component with pressures, density and heights in hydrostatic equilibrium."""
        values = component.values.copy()
        pe, pg, rho, z = (np.empty(self.log_tau.size) for _ in range(4))
        hydrostatic_equilibrium(
            self.log_tau,
            values[TEMPERATURE],
            component.top_gas_pressure,
            SOLAR_GRAVITY * mu,
            self.mixture,
            pe,
            pg,
            rho,
            z,
        )
        values[ELECTRON_PRESSURE] = pe
        return replace(component, values=values, gas_pressure=pg, density=rho, height=z)

    def _unit(self, mu: float) -> Floats:
        """Factor (n_computed,) from the HSRA disc-centre continuum to the continuum reference."""
        unit = np.ones(self._n_computed)
        if self._reference is ContinuumReference.LOCAL_QUIET_SUN:
            for region, where in zip(self.plan.regions, self._computed, strict=True):
                unit[where] = 1.0 / limb_darkening(region.lines[0].wavelength, mu)
        return unit

    def profile(self, model: Model, stray_light: Floats | None, mu: float, workspace: Workspace) -> Floats:
        """Observable Stokes profile (4, n_wavelength) of a model."""
        total = np.zeros((4, self.wavelength.size))
        for c, component in enumerate(model.components):
            emergent = self._unit(mu) * self.forward.synthesize(self._column(component), workspace)
            chains = self._chains(component.macroturbulence)
            total += model.fraction(c) * self._convolved(emergent[None], chains)[0]
        return self._with_stray_light(model, total, stray_light)

    def profile_and_jacobian(
        self, model: Model, layout: Layout, stray_light: Floats | None, mu: float, workspace: Workspace
    ) -> tuple[Floats, Floats]:
        """Observable profile (4, n_wavelength) and its derivatives (n_free, 4, n_wavelength).

        Derivatives are with respect to the scaled parameters of `parameters`.
        """
        n_wavelength = self.wavelength.size
        jacobian = np.zeros((layout.n_free, 4, n_wavelength))
        n_nodes = sum(g.functions.shape[1] for g in layout.groups)
        unit = self._unit(mu)
        profiles = []
        for c, component in enumerate(model.components):
            emergent, response = self.forward.synthesize_with_response(self._column(component), workspace)
            n_own = sum(g.functions.shape[1] for g in layout.groups if g.component == c)
            block = np.zeros((n_own + 1, 4, self._n_computed))
            block[n_own] = emergent
            at = 0
            rows = []
            for index, group in self._indexed(layout, c):
                width = group.functions.shape[1]
                self._project(group, component, layout, response, mu, block[at : at + width])
                rows.append((index, at, width))
                at += width
            block *= unit
            emergent = block[n_own]
            convolved = self._convolved(block, self._chains(component.macroturbulence))
            factor = (1.0 - model.stray_light) * model.fraction(c)
            for index, at, width in rows:
                jacobian[index : index + width] = factor * convolved[at : at + width]
            if c in layout.macroturbulence:
                row = n_nodes + layout.macroturbulence.index(c)
                changes = self._chains(component.macroturbulence, derivative=True)
                slope = self._convolved(emergent[None], changes)[0]
                jacobian[row] = factor * macroturbulence_unit(component.macroturbulence) * slope
            profiles.append(convolved[n_own])
        total = np.zeros((4, n_wavelength))
        for c, profile in enumerate(profiles):
            total += model.fraction(c) * profile
        row = n_nodes + len(layout.macroturbulence)
        if layout.filling_factor:
            jacobian[row] = FRACTION_UNIT * (1.0 - model.stray_light) * (profiles[1] - profiles[0])
            row += 1
        if layout.stray_light and stray_light is not None:
            jacobian[row] = FRACTION_UNIT * (stray_light - total)
        return self._with_stray_light(model, total, stray_light), jacobian

    @staticmethod
    def node_groups(quantities: tuple[str, ...], functions: Floats) -> tuple[Group, ...]:
        """Groups of one component that give several quantities the same cardinal functions."""
        return tuple(Group(0, QUANTITIES.index(name), functions) for name in quantities)

    @staticmethod
    def unscaled(jacobian: Floats, layout: Layout, component: Component) -> Floats:
        """Derivatives per engine unit at every node, from those per scaled parameter (one node a depth)."""
        result = jacobian.copy()
        at = 0
        for group in layout.groups:
            width = group.functions.shape[1]
            result[at : at + width] /= units(component, group.quantity)[:, None, None]
            at += width
        return result

    @staticmethod
    def _indexed(layout: Layout, component: int) -> list[tuple[int, Group]]:
        """First parameter and group of every group of a component."""
        found, index = [], 0
        for group in layout.groups:
            if group.component == component:
                found.append((index, group))
            index += group.functions.shape[1]
        return found

    def _project(
        self,
        group: Group,
        component: Component,
        layout: Layout,
        response: Floats,
        mu: float,
        out: Floats,
    ) -> None:
        """Fill out (n_node, 4, n_wavelength) with the response to a group's scaled nodes."""
        scaled = group.functions * units(component, group.quantity)[:, None]
        kernels.project(response[group.quantity], np.ascontiguousarray(scaled), out)
        if group.quantity == TEMPERATURE and ELECTRON_PRESSURE not in layout.free(group.component):
            n_depth = self.log_tau.size
            pressure_response = np.empty((n_depth, n_depth))
            hydrostatic_response(
                self.log_tau,
                component.values[TEMPERATURE],
                component.values[ELECTRON_PRESSURE],
                SOLAR_GRAVITY * mu,
                self.mixture,
                pressure_response,
            )
            through_pressure = np.empty_like(scaled)
            kernels.multiply(pressure_response, np.ascontiguousarray(scaled), through_pressure)
            kernels.project(response[ELECTRON_PRESSURE], through_pressure, out)

    def _column(self, component: Component) -> Column:
        return Column(self.log_tau, *component.values)

    def _chains(self, macroturbulence: float, *, derivative: bool = False) -> list[Chain]:
        """Macroturbulence M and instrument P of every region, or ∂M/∂v [s km⁻¹] and P.

        They are applied one after the other: two convolutions of a few tens of spectra cost less than the
        product of the two matrices.
        """
        chains: list[Chain] = []
        for made, psf in zip(self._samplings, self._psf, strict=True):
            instrument = () if psf is None else (psf,)
            if derivative:
                matrix = macroturbulence_derivative(made.axis, macroturbulence)
                chains.append((np.ascontiguousarray(matrix.T), *instrument))
            elif macroturbulence > 0.0:
                matrix = macroturbulence_matrix(made.axis, macroturbulence)
                chains.append((np.ascontiguousarray(matrix.T), *instrument))
            else:
                chains.append(instrument)
        return chains

    def _convolved(self, spectra: Floats, chains: list[Chain]) -> Floats:
        out = np.empty((*spectra.shape[:-1], self.wavelength.size))
        for where, computed, chain in zip(self.slices, self._computed, chains, strict=True):
            part, at = spectra, computed.start
            for operator in chain[:-1]:
                done = np.empty((*spectra.shape[:-1], operator.shape[1]))
                kernels.convolve(part, operator, at, 0, done)
                part, at = done, 0
            if chain:
                kernels.convolve(part, chain[-1], at, where.start, out)
            else:
                out[..., where] = spectra[..., computed]
        return out

    @staticmethod
    def _with_stray_light(model: Model, total: Floats, stray_light: Floats | None) -> Floats:
        if stray_light is None or model.stray_light == 0.0:
            return total
        return (1.0 - model.stray_light) * total + model.stray_light * stray_light
