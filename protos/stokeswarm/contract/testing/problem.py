"""The small problem on which the suite tries an engine: a plan, atmospheres to find, a start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.instrument import FE_6302, hinode_sp
from stokeswarm.contract.inversion import InvertRequest, ResponseRequest, SynthesizeRequest
from stokeswarm.contract.plan import Cycle, Line, Nodes, Plan
from stokeswarm.contract.spectra import Spectra
from stokeswarm.contract.status import ContinuumReference

Floats = npt.NDArray[np.float64]

#: log τ₅₀₀₀ and a temperature [K] like the quiet Sun's at it; nothing depends on its being right
_LOG_TAU: Final = (-4.0, -3.0, -2.0, -1.0, 0.0, 0.5, 1.2)
_TEMPERATURE: Final = (4250.0, 4530.0, 4890.0, 5490.0, 6430.0, 7550.0, 9300.0)
#: what tells the pixels apart: ΔT [K], B [G], v [km/s], γ, φ [degrees]
_PIXELS: Final = (
    (0.0, 1500.0, 0.5, 50.0, 30.0),
    (-250.0, 2200.0, -0.8, 130.0, 70.0),
    (150.0, 900.0, 1.2, 75.0, 110.0),
    (-80.0, 1200.0, 0.0, 30.0, 150.0),
)
_START: Final = (100.0, 1000.0, 0.0, 80.0, 60.0)
#: pixels have identifiers that are no positions
_FIRST_PIXEL: Final = 100
_PIXEL_STEP: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What the suite asks an engine.

    Attributes
    ----------
    plan : Plan
        One component, at least two cycles, a region with its own grid.
    truth : Atmosphere
        At least three different pixels on the plan's depth axis, with a field, inclined to either side.
    start : Atmosphere
        As many, from which the inversion begins.
    line : Line
        An isolated line of the plan, on which signs and sizes are measured.
    lande : float
        Its effective Landé factor.
    window : float
        Å on either side of the line's centre that belong to it.
    stokes : ndarray (n, 4, n_wavelength) float32 or None
        What was observed; None = the engine's own synthesis of the truth, with noise.
    seed : int
        Of that noise.
    """

    plan: Plan
    truth: Atmosphere
    start: Atmosphere
    line: Line
    lande: float
    window: float = 0.4
    stokes: npt.NDArray[np.float32] | None = None
    seed: int = 20

    @property
    def n_pixel(self) -> int:
        """Number of pixels."""
        return len(self.truth)

    @property
    def pixel(self) -> npt.NDArray[np.int64]:
        """Identifiers (n,) int64."""
        return _FIRST_PIXEL + _PIXEL_STEP * np.arange(self.n_pixel, dtype=np.int64)

    @property
    def wavelength(self) -> Floats:
        """The plan's wavelengths, Å."""
        return self.plan.wavelength

    def synthesis(self, engine: str, *components: Atmosphere, **changes: object) -> SynthesizeRequest:
        """A request to synthesise the truth, or other atmospheres of one or two components."""
        parts = components or (self.truth,)
        values: dict[str, object] = {
            "engine": engine,
            "plan": self.plan,
            "atmosphere": parts,
            "pixel": _FIRST_PIXEL + _PIXEL_STEP * np.arange(len(parts[0])),
            "wavelength": self.wavelength,
        }
        return SynthesizeRequest(**(values | changes))  # type: ignore[arg-type]

    def inversion(self, engine: str, stokes: npt.ArrayLike, **changes: object) -> InvertRequest:
        """A request to invert profiles from the start.

        Parameters
        ----------
        engine : str
        stokes : array_like (n, 4, n_wavelength) float32
        **changes
            Fields of the request; ``weights`` (4, n_wavelength) goes into its spectra.
        """
        spectra = Spectra(
            self.wavelength,
            np.asarray(stokes, np.float32),
            self.plan.reference,
            changes.pop("weights", None),  # type: ignore[arg-type]
        )
        values: dict[str, object] = {
            "engine": engine,
            "plan": self.plan,
            "spectra": spectra,
            "pixel": self.pixel,
            "start": (self.start,),
        }
        return InvertRequest(**(values | changes))  # type: ignore[arg-type]

    def response(self, engine: str, quantities: tuple[str, ...], **changes: object) -> ResponseRequest:
        """A request for response functions of the truth."""
        values: dict[str, object] = {
            "engine": engine,
            "plan": self.plan,
            "atmosphere": self.truth,
            "pixel": self.pixel,
            "wavelength": self.wavelength,
            "quantities": quantities,
        }
        return ResponseRequest(**(values | changes))  # type: ignore[arg-type]

    def noise(self, shape: tuple[int, ...]) -> Floats:
        """Noise of the plan's size, the same every time."""
        sigma = np.asarray(self.plan.noise)[:, None]
        noise: Floats = np.random.default_rng(self.seed).normal(size=shape) * sigma
        return noise


def uniform(
    log_tau: npt.ArrayLike,
    *,
    temperature_offset: npt.ArrayLike = 0.0,
    field_strength: npt.ArrayLike = 0.0,
    velocity: npt.ArrayLike = 0.0,
    inclination: npt.ArrayLike = 0.0,
    azimuth: npt.ArrayLike = 0.0,
    microturbulence: npt.ArrayLike = 0.8,
    macroturbulence: npt.ArrayLike = 0.0,
) -> Atmosphere:
    """Quiet-Sun-like atmospheres, everything but the temperature constant with height.

    Parameters
    ----------
    log_tau : array_like (n_depth,)
    temperature_offset, field_strength, velocity, inclination, azimuth, microturbulence, macroturbulence
        Of each pixel, K, G, km/s, degrees; numbers or arrays (n,).

    Returns
    -------
    Atmosphere
        n pixels, without pressures: the engine finds them.
    """
    given = (
        temperature_offset,
        field_strength,
        velocity,
        inclination,
        azimuth,
        microturbulence,
        macroturbulence,
    )
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in given))
    axis = np.asarray(log_tau, dtype=np.float64)
    quiet = np.interp(axis, _LOG_TAU, _TEMPERATURE)
    ones = np.ones_like(axis)
    offset, *rest, micro, macro = columns
    strength, speed, gamma, phi = (value[:, None] * ones for value in rest)
    return Atmosphere(
        log_tau=axis,
        temperature=quiet + offset[:, None] * ones,
        microturbulence=micro[:, None] * ones,
        field_strength=strength,
        velocity=speed,
        inclination=gamma,
        azimuth=phi,
        macroturbulence=macro,
        filling_factor=np.ones(macro.size),
        stray_light=np.zeros(macro.size),
    )


def hinode_problem() -> Problem:
    """Four pixels, Fe I 6301.5 and 6302.5 on Hinode's grid without its PSF, 53 depths, two short cycles.

    Fe I 6302.5 (⁵P₁–⁵D₀) is a normal Zeeman triplet with a Landé factor of 2.5, and nothing else of the plan
    lies within its window.
    """
    region = replace(hinode_sp().regions[0], psf=None)
    first = Nodes(temperature=2, field_strength=1, velocity=1, inclination=1, azimuth=1)
    second = replace(first, temperature=3, microturbulence=1)
    plan = Plan(
        name="conformance",
        regions=(region,),
        cycles=(Cycle((first,)), Cycle((second,))),
        reference=ContinuumReference.DISC_CENTRE,
        pixel_timeout=60.0,
    )
    offset, strength, velocity, inclination, azimuth = np.array(_PIXELS).T

    def made(offset: Floats, strength: Floats, velocity: Floats, gamma: Floats, phi: Floats) -> Atmosphere:
        return uniform(
            plan.log_tau,
            temperature_offset=offset,
            field_strength=strength,
            velocity=velocity,
            inclination=gamma,
            azimuth=phi,
        )

    start = (np.full(len(_PIXELS), value) for value in _START)
    return Problem(
        plan=plan,
        truth=made(offset, strength, velocity, inclination, azimuth),
        start=made(*start),
        line=FE_6302,
        lande=2.5,
    )
