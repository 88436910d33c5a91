"""What to invert and how: lines, regions, cycles of nodes, noise, limits. One `Plan` = one TOML file.

Everything is validated on construction; a plan that exists is consistent in itself. What depends on the
observation's wavelengths is checked by `Plan.region_slices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.abundances import N_ELEMENTS, abundance_table, atomic_number
from stokeswarm.contract.errors import PlanError, SpectraError
from stokeswarm.contract.options import AtomModel, check_models, check_options
from stokeswarm.contract.spectra import check_wavelength
from stokeswarm.contract.status import ContinuumReference

#: quantities of a component that take nodes, in the order of the wire and of response functions
QUANTITIES: Final = (
    "temperature",
    "electron_pressure",
    "microturbulence",
    "field_strength",
    "velocity",
    "inclination",
    "azimuth",
)
MAX_CYCLES: Final = 9
MAX_DEPTHS: Final = 400
MAX_WAVELENGTHS: Final = 5000
MAX_LINES: Final = 200
MAX_NAME: Final = 200

#: quantity → (lower, upper) that an inversion may reach, in the contract's units
DEFAULT_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (2000.0, 20000.0),
    "electron_pressure": (1e-6, 1e8),
    "microturbulence": (0.0, 10.0),
    "field_strength": (0.0, 10000.0),
    "velocity": (-30.0, 30.0),
    "inclination": (0.0, 180.0),
    "macroturbulence": (0.0, 10.0),
    "filling_factor": (0.0, 1.0),
    "stray_light": (0.0, 1.0),
}


def _finite(name: str, value: float, low: float = -np.inf, high: float = np.inf) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise PlanError(f"{name}: expected a number in [{low:g}, {high:g}], found {value}")


@dataclass(frozen=True, slots=True)
class Line:
    """One spectral line.

    Attributes
    ----------
    index : int
        Label that regions and SIR's files use.
    element : str
        Chemical symbol.
    ion : int
        1 = neutral, 2 = once ionised …
    wavelength : float
        Å in air.
    excitation : float
        Lower level, eV.
    log_gf : float
    lower_term, upper_term : str
        LS term and J as SIR writes them, e.g. ``"5P2.0"``.
    damping_factor : float
        Multiplies the Unsöld (1955) van der Waals width where no ABO data are given.
    abo_alpha, abo_sigma : float
        Velocity exponent and cross-section at 10 km/s [cm²] (Anstee & O'Mara 1995); 0, 0 = Unsöld.
    effective_lande : float or None
        Overrides the Zeeman pattern with a normal triplet.
    """

    index: int
    element: str
    ion: int
    wavelength: float
    excitation: float
    log_gf: float
    lower_term: str
    upper_term: str
    damping_factor: float = 1.0
    abo_alpha: float = 0.0
    abo_sigma: float = 0.0
    effective_lande: float | None = None

    def __post_init__(self) -> None:
        where = f"line {self.index}"
        atomic_number(self.element)
        if not 1 <= self.ion <= 3:
            raise PlanError(f"{where}: ion must be 1 (neutral), 2 or 3, found {self.ion}")
        _finite(f"{where} wavelength [Å]", self.wavelength, 2000.0, 120000.0)
        _finite(f"{where} excitation [eV]", self.excitation, 0.0, 50.0)
        _finite(f"{where} log gf", self.log_gf, -15.0, 5.0)
        _finite(f"{where} damping factor", self.damping_factor, 0.0, 100.0)
        _finite(f"{where} ABO alpha", self.abo_alpha, 0.0, 2.0)
        _finite(f"{where} ABO sigma [cm2]", self.abo_sigma, 0.0, 1e-10)
        if self.effective_lande is not None:
            _finite(f"{where} effective Landé factor", self.effective_lande, -10.0, 10.0)


@dataclass(frozen=True, slots=True)
class Psf:
    """Spectral point-spread function: offsets [mÅ, strictly increasing] and transmission (any norm)."""

    offset: tuple[float, ...]
    transmission: tuple[float, ...]
    name: str = ""

    def __post_init__(self) -> None:
        offset, value = np.asarray(self.offset, float), np.asarray(self.transmission, float)
        if offset.size != value.size or offset.size < 2:
            raise PlanError(f"psf {self.name!r}: {offset.size} offsets and {value.size} transmissions")
        if not (np.isfinite(offset).all() and np.isfinite(value).all() and (np.diff(offset) > 0).all()):
            raise PlanError(f"psf {self.name!r}: expected finite values and strictly increasing offsets")
        if value.sum() <= 0:
            raise PlanError(f"psf {self.name!r}: transmission sums to {value.sum():g}, expected > 0")


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of spectrum with its lines.

    Attributes
    ----------
    name : str
    lines : tuple of Line
        The first one is the reference: SIR's offsets and continuum constant belong to it.
    start, stop : float
        Å, both inclusive.
    step : float
        Å; 0 = the observation's own sampling.
    psf : Psf or None
    samples : tuple of float
        Å; the wavelengths themselves where they are not even, as a filtergraph's. They replace the step.
    """

    name: str
    lines: tuple[Line, ...]
    start: float
    stop: float
    step: float = 0.0
    psf: Psf | None = None
    samples: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.lines:
            raise PlanError(f"region {self.name!r}: no lines")
        _finite(f"region {self.name!r} start [Å]", self.start, 2000.0, 120000.0)
        _finite(f"region {self.name!r} stop [Å]", self.stop, self.start, 120000.0)
        _finite(f"region {self.name!r} step [Å]", self.step, 0.0, 100.0)
        # compared as a quotient: a step near zero overflows any number of samples
        if self.step and (self.stop - self.start) / self.step > MAX_WAVELENGTHS - 1:
            raise PlanError(
                f"region {self.name!r}: a step of {self.step:g} Å asks for more than {MAX_WAVELENGTHS} "
                f"wavelengths from {self.start:g} to {self.stop:g} Å"
            )

        if self.samples:
            self._check_samples()

    def _check_samples(self) -> None:
        where = f"region {self.name!r} samples [Å]"
        if len(self.samples) > MAX_WAVELENGTHS:
            raise PlanError(f"{where}: {len(self.samples)} of them, at most {MAX_WAVELENGTHS}")
        axis = np.asarray(self.samples, dtype=np.float64)
        if self.step:
            raise PlanError(f"{where}: given together with a step of {self.step:g} Å; leave one of them out")
        if not (np.isfinite(axis).all() and (np.diff(axis) > 0).all()):
            raise PlanError(f"{where}: expected finite, increasing wavelengths")
        if axis[0] < self.start or axis[-1] > self.stop:
            raise PlanError(
                f"{where}: expected them within {self.start:g}–{self.stop:g}, found {axis[0]:g}–{axis[-1]:g}"
            )

    @property
    def n_wavelength(self) -> int:
        """Number of samples of the region's own grid (0 where it has none)."""
        if self.samples:
            return len(self.samples)
        return round((self.stop - self.start) / self.step) + 1 if self.step else 0

    def grid(self) -> npt.NDArray[np.float64]:
        """The region's own wavelengths.

        Raises
        ------
        PlanError
            The region has neither samples nor a step.
        """
        if self.samples:
            return np.array(self.samples, dtype=np.float64)
        if not self.step:
            raise PlanError(f"region {self.name!r}: a step [Å] is needed where no observation gives the grid")
        return self.start + self.step * np.arange(self.n_wavelength, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of one component's quantities; 0 = kept as it is, 1 = shifted as a whole, 2 = tilted …"""

    temperature: int = 0
    electron_pressure: int = 0
    microturbulence: int = 0
    field_strength: int = 0
    velocity: int = 0
    inclination: int = 0
    azimuth: int = 0
    macroturbulence: bool = False

    def __post_init__(self) -> None:
        for name in QUANTITIES:
            if not 0 <= getattr(self, name) <= MAX_DEPTHS:
                raise PlanError(f"{name}: expected 0–{MAX_DEPTHS} nodes, found {getattr(self, name)}")

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return sum(int(getattr(self, name)) for name in QUANTITIES) + int(self.macroturbulence)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One inversion cycle.

    Attributes
    ----------
    components : tuple of Nodes
        One or two.
    filling_factor, stray_light : bool
        Whether they are free.
    weights : tuple of 4 floats
        Of I, Q, U, V in the merit function, multiplying 1/σ².
    automatic : bool
        The node numbers are upper limits (SIR's automatic selection).
    """

    components: tuple[Nodes, ...]
    filling_factor: bool = False
    stray_light: bool = False
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    automatic: bool = False

    def __post_init__(self) -> None:
        if len(self.components) not in (1, 2):
            raise PlanError(f"a cycle has one or two components, found {len(self.components)}")
        if len(self.weights) != 4:
            raise PlanError(f"cycle weights: expected four (I Q U V), found {len(self.weights)}")
        for stokes, weight in zip("IQUV", self.weights, strict=True):
            _finite(f"weight of Stokes {stokes}", weight, 0.0, 1e6)
        if not any(self.weights):
            raise PlanError("cycle weights: all four are zero")

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return sum(n.n_free for n in self.components) + int(self.filling_factor) + int(self.stray_light)


@dataclass(frozen=True, slots=True)
class Plan:
    """A complete inversion (or synthesis) set-up.

    Attributes
    ----------
    name : str
    regions : tuple of Region
    cycles : tuple of Cycle
        Empty = synthesis only.
    abundances : tuple of 92 floats
        log10 ε (H = 12), Z = 1 … 92, NaN = absent.
    noise : tuple of 4 floats
        Standard deviation of I, Q, U, V in units of the continuum reference.
    mu : float
        Cosine of the heliocentric angle where the pixel does not bring its own.
    depth_bottom, depth_top, depth_step : float
        log10 τ₅₀₀₀ axis on which an inversion runs.
    top_gas_pressure : tuple of floats
        dyn cm⁻² at the highest point, one per component; empty = that of the start.
    svd_tolerance, initial_damping : float
        Singular values below tolerance × largest are dropped; first Levenberg–Marquardt λ.
    max_iterations : int
        Per cycle.
    limits : mapping
        Quantity → (lower, upper) in the contract's units; missing ones from `DEFAULT_LIMITS`.
    pixel_timeout : float
        Wall seconds.
    reference : ContinuumReference
    options : mapping of str to str
        ``family.key`` → value, what one engine alone understands; see `stokeswarm.contract.options`.
    atoms, molecules : tuple of AtomModel
        Models of a non-LTE engine; empty = the engine's own set.
    vacuum : bool
        Every wavelength of this plan and of its spectra is one in vacuum, not in air.
    """

    name: str
    regions: tuple[Region, ...]
    cycles: tuple[Cycle, ...] = ()
    abundances: tuple[float, ...] = field(
        default_factory=lambda: tuple(float(a) for a in abundance_table("asplund-2009"))
    )
    noise: tuple[float, float, float, float] = (1e-3, 1e-3, 1e-3, 1e-3)
    mu: float = 1.0
    depth_bottom: float = 1.2
    depth_top: float = -4.0
    depth_step: float = 0.1
    top_gas_pressure: tuple[float, ...] = ()
    svd_tolerance: float = 1e-4
    initial_damping: float = 1e-3
    max_iterations: int = 20
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    pixel_timeout: float = 300.0
    reference: ContinuumReference = ContinuumReference.LOCAL_QUIET_SUN
    options: Mapping[str, str] = field(default_factory=dict)
    atoms: tuple[AtomModel, ...] = ()
    molecules: tuple[AtomModel, ...] = ()
    vacuum: bool = False

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > MAX_NAME:
            raise PlanError(f"plan name: expected 1–{MAX_NAME} characters, found {len(self.name)}")
        if not self.regions:
            raise PlanError("plan: no spectral region")
        ordered = sorted(self.regions, key=lambda region: region.start)
        for low, high in pairwise(ordered):
            if high.start <= low.stop:
                raise PlanError(f"regions {low.name!r} and {high.name!r} overlap at {high.start:.4f} Å")
        if sum(len(region.lines) for region in self.regions) > MAX_LINES:
            raise PlanError(f"plan: more than {MAX_LINES} lines")
        if len(self.cycles) > MAX_CYCLES:
            raise PlanError(f"plan: {len(self.cycles)} cycles, at most {MAX_CYCLES}")
        if len({len(cycle.components) for cycle in self.cycles}) > 1:
            raise PlanError("plan: every cycle needs the same number of components")
        self._check_numbers()
        self._check_nodes()
        check_options(self.options)
        check_models(self.atoms, "atoms")
        check_models(self.molecules, "molecules")

    def _check_numbers(self) -> None:
        if len(self.abundances) != N_ELEMENTS:
            raise PlanError(f"abundances: expected {N_ELEMENTS} values, found {len(self.abundances)}")
        if self.abundances[0] != 12.0:
            raise PlanError(f"abundances: log ε(H) must be 12, found {self.abundances[0]}")
        for value in self.abundances:
            if not np.isnan(value):
                _finite("abundances", value, -12.0, 12.0)
        for line in (line for region in self.regions for line in region.lines):
            if np.isnan(self.abundances[atomic_number(line.element) - 1]):
                raise PlanError(f"line {line.index}: the abundance of {line.element} is missing")
        if len(self.noise) != 4:
            raise PlanError(f"noise: expected four values (I Q U V), found {len(self.noise)}")
        for stokes, sigma in zip("IQUV", self.noise, strict=True):
            _finite(f"noise of Stokes {stokes}", sigma, 1e-12, 10.0)
        _finite("mu", self.mu, 0.01, 1.0)
        _finite("depth_step", self.depth_step, 1e-3, 1.0)
        _finite("depth_top", self.depth_top, -10.0, 0.0)
        _finite("depth_bottom", self.depth_bottom, 0.0, 5.0)
        if self.n_depth > MAX_DEPTHS:
            raise PlanError(f"depth axis: {self.n_depth} points, at most {MAX_DEPTHS}")
        for pressure in self.top_gas_pressure:
            _finite("top_gas_pressure [dyn cm-2]", pressure, 1e-6, 1e8)
        _finite("svd_tolerance", self.svd_tolerance, 0.0, 1.0)
        _finite("initial_damping", self.initial_damping, 0.0, 1e6)
        _finite("pixel_timeout [s]", self.pixel_timeout, 1e-3, 1e6)
        if not 1 <= self.max_iterations <= 1000:
            raise PlanError(f"max_iterations: expected 1–1000, found {self.max_iterations}")
        for name, (low, high) in self.limits.items():
            if name not in DEFAULT_LIMITS:
                raise PlanError(f"limits: {name!r} is not one of {', '.join(DEFAULT_LIMITS)}")
            _finite(f"limits of {name}", low)
            _finite(f"limits of {name}", high, low)

    def _check_nodes(self) -> None:
        for number, cycle in enumerate(self.cycles, start=1):
            if cycle.n_free == 0:
                raise PlanError(f"cycle {number}: nothing is free")
            if cycle.automatic:
                continue
            for nodes in cycle.components:
                for quantity in QUANTITIES:
                    count = getattr(nodes, quantity)
                    if count and count not in node_numbers(self.n_depth):
                        fit = ", ".join(map(str, node_numbers(self.n_depth)))
                        raise PlanError(
                            f"cycle {number}: {count} nodes of {quantity} do not fit a grid of "
                            f"{self.n_depth} depths; it can carry {fit} "
                            "(n-1 must divide depths-1)"
                        )

    @property
    def n_component(self) -> int:
        """Number of atmospheric components (1 where there is no cycle)."""
        return len(self.cycles[0].components) if self.cycles else 1

    @property
    def n_depth(self) -> int:
        """Number of depth points of the inversion."""
        return round((self.depth_bottom - self.depth_top) / self.depth_step) + 1

    @property
    def log_tau(self) -> npt.NDArray[np.float64]:
        """Depth axis (n_depth,), log10 τ₅₀₀₀ decreasing."""
        return np.round(self.depth_bottom - self.depth_step * np.arange(self.n_depth), 6)

    @property
    def wavelength(self) -> npt.NDArray[np.float64]:
        """The plan's own wavelengths, regions in order [Å].

        Raises
        ------
        PlanError
            A region has no step.
        """
        return np.concatenate([region.grid() for region in self.regions])

    def limit(self, quantity: str) -> tuple[float, float]:
        """Bounds of a quantity in the contract's units."""
        return self.limits.get(quantity, DEFAULT_LIMITS[quantity])

    def region_slices(self, wavelength: npt.ArrayLike) -> tuple[slice, ...]:
        """Where each region lies on an observation's axis.

        Returns
        -------
        tuple of slice
            One per region, in the plan's order.

        Raises
        ------
        SpectraError
            A sample belongs to no region, or a region has no sample or not one increasing run of them.
        """
        axis = check_wavelength(wavelength)
        if axis.size > MAX_WAVELENGTHS:
            raise SpectraError(f"wavelength: {axis.size} samples, at most {MAX_WAVELENGTHS}")
        owner = np.full(axis.size, -1)
        for number, region in enumerate(self.regions):
            margin = 0.51 * region.step if region.step else 1e-6
            near = (axis >= region.start - margin) & (axis <= region.stop + margin)
            # a neighbour's margin must not take what lies inside a region
            inside = (axis >= region.start - 1e-6) & (axis <= region.stop + 1e-6)
            owner[(near & (owner < 0)) | inside] = number
        if (owner < 0).any():
            first = int(np.flatnonzero(owner < 0)[0])
            ranges = "; ".join(f"{r.name} {r.start:.3f}–{r.stop:.3f}" for r in self.regions)
            raise SpectraError(
                f"wavelength: sample {first} at {axis[first]:.4f} Å lies in none of the plan's regions "
                f"({ranges}); expected air wavelengths in Å (vacuum ones are about 1.7 Å larger at 6300 Å)"
            )
        slices = []
        for number, region in enumerate(self.regions):
            where = np.flatnonzero(owner == number)
            if where.size == 0:
                raise SpectraError(
                    f"wavelength: no sample in region {region.name!r} "
                    f"({region.start:.3f}–{region.stop:.3f} Å)"
                )
            if where[-1] - where[0] + 1 != where.size or (np.diff(axis[where]) <= 0).any():
                raise SpectraError(
                    f"wavelength: the samples of region {region.name!r} are not contiguous and increasing"
                )
            slices.append(slice(int(where[0]), int(where[-1]) + 1))
        return tuple(slices)

    def carried_nodes(self, cycle: Cycle) -> Cycle:
        """The cycle with automatic node numbers lowered to what the depth grid carries."""
        if not cycle.automatic:
            return cycle
        allowed = (0, *node_numbers(self.n_depth))

        def lower(nodes: Nodes) -> Nodes:
            counts: dict[str, Any] = {
                q: max(n for n in allowed if n <= getattr(nodes, q)) for q in QUANTITIES
            }
            return replace(nodes, **counts)

        return replace(cycle, components=tuple(lower(nodes) for nodes in cycle.components))

    def with_cycles(self, cycles: tuple[Cycle, ...]) -> Self:
        """The same plan with other cycles."""
        return replace(self, cycles=cycles)


def node_numbers(n_depth: int) -> tuple[int, ...]:
    """Node numbers that a grid of n_depth points can carry: n with (n−1) | (n_depth−1), and 1."""
    return (1, *(n for n in range(2, n_depth + 1) if (n_depth - 1) % (n - 1) == 0))
