"""SIR's control files, ``.trol``, as plans: users bring what they have.

What SIR's 42 lines say is mapped as follows; everything else is refused with the name of its line.

==============================  ======================================================================
line                            becomes
==============================  ======================================================================
cycles                          `Plan.cycles`; 0 = synthesis, −1 = response functions (no cycles either)
observed, stray light, PSF      `Project.observation`, `Project.stray_light_profile`, `Region.psf`
grid, atomic parameters         `Plan.regions`; without a grid the observed samples, without blends
models 1, 2                     `Project.guess`; model 1's depth grid is the plan's
weights                         `Cycle.weights` (both multiply 1/σ²)
nodes, automatic selection      `Cycle.components`, `Cycle.automatic`
mu                              `Plan.mu` (in both only hydrostatic equilibrium sees it)
S/N                             `Plan.noise` = 1 / (S/N), default 1000
SVD tolerance, diagonal         `Plan.svd_tolerance`, `Plan.initial_damping`
gas pressures                   `Plan.top_gas_pressure`; blank = that of the guess's electron pressure
contrast, interpolation,        options ``sir.contrast``, ``sir.interpolation``, ``sir.magnetic_pressure``,
magnetic pressure               which SIR obeys and the embedded engine passes over
==============================  ======================================================================

SIR weighs every line by its own depth or polarisation amplitude, σ² ∝ amplitude / (S/N)². In the embedded
engine σ is the same for all samples of a Stokes parameter, so the two merit functions differ by these
amplitudes.
"""

from __future__ import annotations

from typing import Any, Final

from stokeswarm.client.control_fields import SIR
from stokeswarm.client.control_reading import ControlReading

FAMILY: Final = "sir"


class SirReading(ControlReading):
    """A SIR control file being read."""

    family = FAMILY
    layout = SIR

    def refuse_unknown(self) -> None:
        """Refuse departure coefficients; set the options."""
        super().refuse_unknown()
        fields = self.fields
        if fields["NLTE departures"].text():
            raise fields["NLTE departures"].refuse(
                "departure coefficients are not supported: leave it blank (LTE)"
            )
        pressure = fields["magnetic pressure"]
        if (wanted := pressure.one_integer()) not in (0, 1):
            raise pressure.refuse("expected 0 or 1")
        if wanted:
            self.option("magnetic_pressure", "on")
        for key in self.options:
            self.notes.append(f"option {key} = {self.options[key]}: of SIR; the embedded engine ignores it")

    def more(self) -> dict[str, Any]:
        """The angle."""
        mu = self.fields["mu"].real(1.0)
        if mu < 0:
            self.notes.append(f"mu {mu:g}: the sign (west of the meridian) is left out")
        return {"mu": abs(mu)}
