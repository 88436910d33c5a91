"""Spectral regions and lines as the forward model takes them, and how a plan becomes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.abundances import atomic_number
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.hsra import hsra_continuum
from stokeswarm.inversion.engines.lte import broadening, constants
from stokeswarm.inversion.engines.lte.terms import measured_lande_factors, parse_term
from stokeswarm.inversion.engines.lte.zeeman import ZeemanPattern, triplet, zeeman_pattern

if TYPE_CHECKING:
    from stokeswarm.contract.plan import Line, Plan
    from stokeswarm.inversion.engines.lte.elements import Mixture

Array = npt.NDArray[np.float64]

LINE_OPACITY: Final = (
    math.sqrt(math.pi) * constants.ELECTRON_CHARGE**2 / (constants.ELECTRON_MASS * constants.SPEED_OF_LIGHT)
)
"""√π e²/(mₑc) [cm² s⁻¹]: times gf n/g λ/v_D H(a, v), the opacity of a line (Mihalas 1978, eq. 4-13 with the
Voigt profile of area √π)."""


@dataclass(frozen=True, slots=True, eq=False)
class LineData:
    """One spectral line.

    Attributes
    ----------
    atomic_number : int
        Atomic number, 1-92.
    stage : int
        0 neutral, 1 singly ionised.
    wavelength_A : float
        Wavelength in air [Å].
    excitation_eV : float
        Excitation energy of the lower level [eV].
    log_gf : float
        log10 of statistical weight times oscillator strength.
    zeeman : ZeemanPattern
        Pattern of its components.
    abo_alpha : float
        Velocity exponent of the ABO theory; with `abo_sigma_cm2`, 0 asks for Unsöld's approximation.
    abo_sigma_cm2 : float
        ABO cross-section at 10⁶ cm s⁻¹ [cm²].
    damping_factor : float
        Multiplier of Unsöld's damping; ABO data are used as they are, as SIR does.
    """

    atomic_number: int
    stage: int
    wavelength_A: float  # noqa: N815  the unit
    excitation_eV: float  # noqa: N815  the unit
    log_gf: float
    zeeman: ZeemanPattern
    abo_alpha: float = 0.0
    abo_sigma_cm2: float = 0.0
    damping_factor: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.atomic_number <= 92:
            raise ValueError(f"atomic_number must be 1 to 92, found {self.atomic_number}")
        if self.stage not in (0, 1):
            raise ValueError(f"stage must be 0 (neutral) or 1 (singly ionised), found {self.stage}")
        if not self.wavelength_A > 2000.0:
            raise ValueError(
                f"wavelength_A must be an air wavelength above 2000 Å, found {self.wavelength_A}"
            )
        if not self.excitation_eV >= 0.0:
            raise ValueError(f"excitation_eV must not be negative, found {self.excitation_eV}")
        if not math.isfinite(self.log_gf):
            raise ValueError(f"log_gf must be finite, found {self.log_gf}")
        if not (self.abo_sigma_cm2 >= 0.0 and self.damping_factor >= 0.0 and math.isfinite(self.abo_alpha)):
            raise ValueError("abo_sigma_cm2 and damping_factor must not be negative, and abo_alpha be finite")


@dataclass(frozen=True, slots=True, eq=False)
class RegionSetup:
    """One spectral region.

    Attributes
    ----------
    wavelengths : np.ndarray
        Wavelengths in air [Å], ascending, (nw,) float64.
    lines : tuple of LineData
        Lines that absorb in it; overlapping lines add their opacity. Continuum opacity and Planck
        function are taken at the wavelength of the first one throughout, as in SIR, so that the continuum
        is flat.
    continuum_reference : float
        Intensity that divides the Stokes profiles [erg cm⁻² s⁻¹ sr⁻¹ cm⁻¹].
    """

    wavelengths: Array
    lines: tuple[LineData, ...]
    continuum_reference: float

    def __post_init__(self) -> None:
        wavelengths = np.ascontiguousarray(self.wavelengths, dtype=np.float64)
        if wavelengths.ndim != 1 or wavelengths.size == 0:
            raise ValueError(f"wavelengths must be a non-empty vector, found shape {wavelengths.shape}")
        if not (np.all(np.isfinite(wavelengths)) and np.all(np.diff(wavelengths) > 0.0)):
            raise ValueError("wavelengths must be finite and ascending")
        if not (self.continuum_reference > 0.0 and math.isfinite(self.continuum_reference)):
            raise ValueError(f"continuum_reference must be positive, found {self.continuum_reference}")
        wavelengths = wavelengths.copy()
        wavelengths.flags.writeable = False
        object.__setattr__(self, "wavelengths", wavelengths)

    @property
    def reference_wavelength(self) -> float:
        """Wavelength of continuum opacity and Planck function [Å]: the first line's, or else the middle."""
        if self.lines:
            return self.lines[0].wavelength_A
        return float(0.5 * (self.wavelengths[0] + self.wavelengths[-1]))


def line_of(line: Line) -> LineData:
    """Translate a line of a plan.

    Parameters
    ----------
    line : Line
        As the plan has it; its ion counts from 1 (neutral).

    Returns
    -------
    LineData

    Raises
    ------
    PlanError
        Where the ion is higher than the second, a level cannot be read, or no electric dipole joins the
        levels.
    """
    where = f"line {line.index} ({line.element} {line.ion}, {line.wavelength} Å)"
    if line.ion not in (1, 2):
        raise PlanError(f"{where}: the lte engine takes ions 1 (neutral) and 2, found {line.ion}")
    z = atomic_number(line.element)
    stage = line.ion - 1
    try:
        if line.effective_lande is not None:
            pattern = triplet(line.effective_lande)
        else:
            lower, upper = parse_term(line.lower_term), parse_term(line.upper_term)
            factors = measured_lande_factors(z, stage, line.wavelength)
            g_lower, g_upper = factors or (lower.lande_factor, upper.lande_factor)
            pattern = zeeman_pattern(g_lower, g_upper, lower.total, upper.total)
        return LineData(
            atomic_number=z,
            stage=stage,
            wavelength_A=line.wavelength,
            excitation_eV=line.excitation,
            log_gf=line.log_gf,
            zeeman=pattern,
            abo_alpha=line.abo_alpha,
            abo_sigma_cm2=line.abo_sigma,
            damping_factor=line.damping_factor,
        )
    except ValueError as error:
        raise PlanError(f"{where}: {error}") from None


def regions_of(plan: Plan, axes: Sequence[Array]) -> tuple[RegionSetup, ...]:
    """Translate the regions of a plan, sampled as given, with SIR's unit of intensity.

    Parameters
    ----------
    plan : Plan
        The plan.
    axes : sequence of np.ndarray
        Wavelengths of each of its regions [Å], float64.

    Returns
    -------
    tuple of RegionSetup
        Their continuum reference is the disc-centre continuum of the HSRA at the first line.

    Raises
    ------
    PlanError
        Where a line cannot be synthesised, or the wavelengths of a region do not ascend.
    """
    setups = []
    for region, axis in zip(plan.regions, axes, strict=True):
        lines = tuple(line_of(line) for line in region.lines)
        try:
            setups.append(RegionSetup(axis, lines, hsra_continuum(lines[0].wavelength_A)))
        except ValueError as error:
            raise PlanError(f"region {region.name!r}: {error}") from None
    return tuple(setups)


def line_constants(line: LineData, mixture: Mixture) -> tuple[float, ...]:
    """Numbers of a line that no atmosphere changes, in the order of the columns of ``population``.

    Parameters
    ----------
    line : LineData
        The line.
    mixture : Mixture
        Chemical composition, for weight and ionisation energies.

    Returns
    -------
    tuple of float
    """
    z = line.atomic_number - 1
    vacuum_cm = line.wavelength_A * broadening.refractive_index(line.wavelength_A) * 1.0e-8
    weight = float(mixture.weight[z])
    if line.abo_alpha != 0.0 and line.abo_sigma_cm2 != 0.0:
        collisions = broadening.abo_damping(weight, line.abo_alpha, line.abo_sigma_cm2)
    else:
        ionisation = float(mixture.chi1[z] if line.stage == 0 else mixture.chi2[z])
        collisions = broadening.unsold_damping(
            weight, line.stage, ionisation, line.excitation_eV, vacuum_cm, line.damping_factor
        )
    return (
        vacuum_cm,
        line.excitation_eV * constants.ELECTRON_VOLT_KELVIN,
        LINE_OPACITY * 10.0**line.log_gf * vacuum_cm,
        broadening.CLASSICAL_DAMPING / vacuum_cm**2,
        *collisions,
    )
