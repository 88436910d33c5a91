"""A plan's lines as RH's background lines, in the format of R. L. Kurucz's line lists.

RH reads the first four numbers of a record freely and the rest by columns. It labels a level by its
configuration and its LS term; the last letter of the former decides whether tabulated cross-sections of
Anstee, Barklem and O'Mara are looked for. A cross-section of one's own takes the place of the van der Waals
constant: its whole part is σ [a0²], its fraction α (then any s-p pair will do as the configurations).
"""

from __future__ import annotations

import math
from typing import Final

from stokeswarm.contract.abundances import atomic_number
from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.plan import Line
from stokeswarm.inversion.engines.lte import constants
from stokeswarm.inversion.engines.lte.broadening import (
    ABO_REFERENCE_VELOCITY,
    CLASSICAL_DAMPING,
    unsold_damping,
)
from stokeswarm.inversion.engines.lte.elements import Mixture
from stokeswarm.inversion.engines.lte.terms import INTEGER_LETTERS, Term, measured_lande_factors, parse_term
from stokeswarm.inversion.engines.rh.air import Air, to_air, to_vacuum

#: bytes of a record, without the end of line
RECORD: Final = 153
#: columns that the four numbers which are read freely may take
_FREE: Final = 35
#: [cm⁻¹] of one electronvolt
_WAVENUMBER_PER_EV: Final = constants.ELECTRON_VOLT / (constants.PLANCK * constants.SPEED_OF_LIGHT)
#: smallest cross-section [a0²] that RH does not take for the logarithm of a van der Waals constant
_SMALLEST_CROSS_SECTION: Final = 20
_LARGEST_CROSS_SECTION: Final = 99999
#: exponent by which the ABO theory's width grows with temperature as Unsöld's does: (1 - α)/2 = 0.3
_UNSOLD_ALPHA: Final = 0.4
#: configurations: a pair for which RH looks for a cross-section, and one for which it does not
_WITH_CROSS_SECTION: Final = ("s", "p")
_WITHOUT: Final = ("s", "s")


def vacuum_wavelength(line: Line, *, vacuum: bool, air: Air) -> float:
    """Wavelength of a plan's line in vacuum [Å]."""
    return line.wavelength if vacuum else float(to_vacuum(line.wavelength, air))


def format_line(line: Line, gas: Mixture, *, vacuum: bool, air: Air) -> str:
    """One record.

    Parameters
    ----------
    line : Line
    gas : Mixture
        Chemical composition, for weights and ionisation energies.
    vacuum : bool
        Whether the line's wavelength is one in vacuum.
    air : Air
        Else, which air.

    Returns
    -------
    str
        With its end of line. The wavelength is such that RH arrives at the wanted one in vacuum.

    Raises
    ------
    PlanError
        RH cannot take the line as the plan describes it.
    """
    where = f"line {line.index} at {line.wavelength:g} Å"
    number = atomic_number(line.element)
    lower, upper = _terms(line, number, where)
    wavelength = vacuum_wavelength(line, vacuum=vacuum, air=air)
    low = line.excitation * _WAVENUMBER_PER_EV
    high = low + 1e8 / wavelength
    width, configurations = _collisions(line, gas, number, wavelength, where)
    natural = math.log10(CLASSICAL_DAMPING / (wavelength * 1e-8) ** 2)
    listed = float(to_air(wavelength, Air.EDLEN)) / 10.0
    free = _free(listed, line.log_gf, f"{number}.{line.ion - 1:02d}", low, where)
    broadening = f"{natural:.3f} 0.0 {width}".ljust(20)
    record = [
        f"{free}{lower.total:5.1f} {_label(configurations[0], lower)}",
        f"{high:12.3f}{upper.total:5.1f} {_label(configurations[1], upper)}",
        f"{broadening}       0  0.000  0 0.000    0    0".ljust(64),
        "    0    0",
    ]
    return "".join(record) + "\n"


def _terms(line: Line, number: int, where: str) -> tuple[Term, Term]:
    """Lower and upper level, in LS coupling."""
    if line.effective_lande is not None:
        raise PlanError(f"{where}: RH takes Landé factors from the terms, so effective_lande cannot be given")
    if measured_lande_factors(number, line.ion - 1, line.wavelength) is not None:
        raise PlanError(f"{where}: its upper level is not in LS coupling, which RH would need to be told of")
    try:
        lower, upper = parse_term(line.lower_term), parse_term(line.upper_term)
    except ValueError as error:
        raise PlanError(f"{where}: {error}") from None
    if abs(lower.total - upper.total) > 1.0 or lower.total + upper.total == 0.0:
        raise PlanError(
            f"{where}: expected an electric dipole transition, found {line.lower_term} – {line.upper_term}"
        )
    for term, text in ((lower, line.lower_term), (upper, line.upper_term)):
        if term.orbital != int(term.orbital) or term.spin > 4.0 or term.orbital > 6.0:
            raise PlanError(f"{where}: {text!r} is not a term of LS coupling that RH's line lists can hold")
    return lower, upper


def _label(configuration: str, term: Term) -> str:
    """Label of a level, ten characters."""
    return f"{configuration} {round(2 * term.spin) + 1}{INTEGER_LETTERS[int(term.orbital)]}".ljust(10)


def _free(nanometre: float, log_gf: float, code: str, energy: float, where: str) -> str:
    """The four numbers that are read freely, in as many decimals as there is room for."""
    for decimals in (8, 7, 6):
        for energy_decimals in (3, 2, 1):
            text = f"{nanometre:.{decimals}f} {log_gf:.3f} {code} {energy:.{energy_decimals}f}"
            if len(text) <= _FREE:
                return text.ljust(_FREE)
    raise PlanError(f"{where}: its numbers do not fit a record of RH's line list")


def _collisions(
    line: Line, gas: Mixture, number: int, wavelength: float, where: str
) -> tuple[str, tuple[str, str]]:
    """The van der Waals entry, and the configurations that make RH take it so."""
    if line.abo_sigma > 0.0 and line.abo_alpha > 0.0:
        return _cross_section(line.abo_sigma, line.abo_alpha, where), _WITH_CROSS_SECTION
    if line.damping_factor == 1.0:
        return "0.0", _WITHOUT
    weight = float(gas.weight[number - 1])
    ionisation = float((gas.chi1 if line.ion == 1 else gas.chi2)[number - 1])
    helium = float(gas.abundance[1])
    damping = unsold_damping(
        weight, line.ion - 1, ionisation, line.excitation, wavelength * 1e-8, line.damping_factor
    )
    # the inverse of the width of Anstee & O'Mara (1995, eq. 1) for hydrogen as the perturber
    reduced = 1.0 / (1.0 / float(gas.weight[0]) + 1.0 / weight) * constants.ATOMIC_MASS_UNIT
    speed = math.sqrt(8.0 * constants.BOLTZMANN / (math.pi * reduced))
    shape = 2.0 * (4.0 / math.pi) ** (0.5 * _UNSOLD_ALPHA) * math.gamma(2.0 - 0.5 * _UNSOLD_ALPHA)
    unit = shape * speed * (speed / ABO_REFERENCE_VELOCITY) ** -_UNSOLD_ALPHA
    sigma = (damping.hydrogen + helium * damping.helium) / unit
    return _cross_section(sigma, _UNSOLD_ALPHA, where), _WITH_CROSS_SECTION


def _cross_section(sigma: float, alpha: float, where: str) -> str:
    """σ [cm²] and α as RH reads them: whole part and fraction of one number."""
    area = round(sigma / constants.BOHR_RADIUS**2)
    fraction = round(alpha, 4)
    if not _SMALLEST_CROSS_SECTION <= area <= _LARGEST_CROSS_SECTION or not 0.0 < fraction < 1.0:
        raise PlanError(
            f"{where}: RH takes cross-sections of {_SMALLEST_CROSS_SECTION} to {_LARGEST_CROSS_SECTION} a0² "
            f"with 0 < α < 1, found {area} and {fraction}"
        )
    return f"{area + fraction:.4f}"
