"""A synthetic active region whose truth is known: spot with filaments, pore, plage, network, granulation.

Every structure is described where the Sun has it, in the local frame of the surface (x to the right, y up, z
outwards), and only then projected onto the line of sight, so that the Evershed flow changes sign across the
spot and the inclination follows the viewing angle, as observers see them. Orders of magnitude are those of
the reviews of Solanki 2003 (A&ARv 11, 153: fields, Wilson-corrected gradients, Evershed flow), Borrero &
Ichimoto 2011 (Living Rev. Sol. Phys. 8, 4: spines and intraspines) and Nordlund, Stein & Asplund 2009 (Living
Rev. Sol. Phys. 6, 2: granulation and its reversal with height).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stokeswarm.client.atmospheres import model_temperature
from stokeswarm.client.random_fields import Floats, filaments, plane
from stokeswarm.contract.atmosphere import Atmosphere
from stokeswarm.contract.errors import InvalidArgumentError

#: names of the classes, in the order of the class map's numbers
CLASSES: Final = ("granule", "intergranule", "network", "plage", "penumbra", "umbra", "pore")
MIN_SIZE: Final = 8
#: log τ₅₀₀₀ 1.2 … −4.0, the axis of the truth
LOG_TAU: Final = np.round(1.2 - 0.1 * np.arange(53), 6)
LOG_TAU.setflags(write=False)

# Geometry, in units of the spot's outer radius
_UMBRA_RADIUS = 0.42
_SPOT_CENTRE = (0.50, 0.36)  # (y, x), fractions of the map
_PORE_CENTRE = (0.26, 0.86)
_GRANULE_LENGTH = 1.4  # pixels
_FIRST_FILAMENTS = 14


@dataclass(frozen=True, slots=True)
class ActiveRegion:
    """The synthetic region.

    Attributes
    ----------
    atmosphere : Atmosphere
        ny·nx pixels, row by row, on `LOG_TAU`; angles and velocity with respect to the line of sight.
    classes : ndarray (ny, nx) int8
        Index into `CLASSES` of the structure with the largest share.
    view_angle : float
        Angle between the line of sight and the local vertical, degrees.
    pixel_size : float
        arcsec, nominal.
    seed : int
    """

    atmosphere: Atmosphere
    classes: npt.NDArray[np.int8]
    view_angle: float
    pixel_size: float
    seed: int

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        ny, nx = self.classes.shape
        return ny, nx

    @property
    def mu(self) -> float:
        """Cosine of the view angle."""
        return float(np.cos(np.deg2rad(self.view_angle)))


@dataclass(frozen=True, slots=True)
class _Structure:
    """One kind of structure all over the map: share (ny, nx), and quantities at every depth (ny, nx, nd).

    Field (Bx, By, Bz) in G and flow (vx, vy, vz) in km/s are in the local frame, z outwards.
    """

    share: Floats
    temperature: Floats
    field: tuple[Floats, Floats, Floats]
    flow: tuple[Floats, Floats, Floats]
    microturbulence: float


def active_region(
    ny: int = 32,
    nx: int = 48,
    seed: int = 1,
    *,
    view_angle: float = 25.0,
    view_azimuth: float = 20.0,
    pixel_size: float = 0.6,
) -> ActiveRegion:
    """Make a synthetic active region.

    Parameters
    ----------
    ny, nx : int
        Size of the map, at least `MIN_SIZE` each. The spot scales with the map; granules keep their size in
        pixels.
    seed : int
        Same seed and size, same region.
    view_angle : float
        Degrees from the local vertical, 0–75.
    view_azimuth : float
        Direction in the map towards which the line of sight leans, degrees from +x to +y.
    pixel_size : float
        arcsec.

    Returns
    -------
    ActiveRegion

    Raises
    ------
    InvalidArgumentError
        The map is too small or the view angle out of range.
    """
    if min(ny, nx) < MIN_SIZE:
        raise InvalidArgumentError(
            f"active region: expected at least {MIN_SIZE}×{MIN_SIZE} pixels, found {ny}×{nx}"
        )
    if not 0.0 <= view_angle <= 75.0:
        raise InvalidArgumentError(f"view angle [deg]: expected 0–75, found {view_angle:g}")
    random = np.random.default_rng(seed)
    frame = _Frame.of((ny, nx), random)
    granulation = np.tanh(1.2 * (plane(random, (ny, nx), _GRANULE_LENGTH) + 0.25))
    spot = _spot(frame, random)
    pore = _pore(frame)
    free = np.clip(1.0 - spot[0].share - spot[1].share - pore.share, 0.0, 1.0)
    plage, network = _plage_and_network(frame, random, granulation, free)
    quiet_share = np.clip(free - plage.share - network.share, 0.0, 1.0)
    quiet = _quiet(frame, random, granulation, quiet_share)
    structures = (quiet, network, plage, spot[1], spot[0], pore)
    atmosphere = _project(structures, frame, random, np.deg2rad(view_angle), np.deg2rad(view_azimuth))
    largest = np.argmax([s.share for s in structures], axis=0) + 1
    classes = np.where((largest == 1) & (granulation > 0), 0, largest).astype(np.int8)
    return ActiveRegion(atmosphere, classes, view_angle, pixel_size, seed)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Distance from the spot (in its ragged radius) and from the pore, position angle round the spot."""

    shape: tuple[int, int]
    radius: Floats
    angle: Floats
    pore_distance: Floats

    @classmethod
    def of(cls, shape: tuple[int, int], random: np.random.Generator) -> _Frame:
        ny, nx = shape
        y, x = np.mgrid[0:ny, 0:nx].astype(float)
        dy, dx = y - _SPOT_CENTRE[0] * (ny - 1), x - _SPOT_CENTRE[1] * (nx - 1)
        outer = min(0.42 * ny, 0.30 * nx)
        angle = np.arctan2(dy, dx)
        ragged = np.zeros(shape)
        for order in range(2, 6):
            amplitude, phase = random.normal(0.0, 0.12 / order), random.uniform(0, 2 * np.pi)
            ragged += amplitude * np.cos(order * angle + phase)
        px, py = x - _PORE_CENTRE[1] * (nx - 1), y - _PORE_CENTRE[0] * (ny - 1)
        distance = np.hypot(px, py) / (0.22 * outer + 0.8)
        return cls(shape, np.hypot(dy, dx) / (outer * (1 + ragged)), angle, distance)


def _step(x: Floats, edge: float, width: float) -> Floats:
    """Smooth step from 0 to 1 where x passes the edge downwards."""
    return np.asarray(0.5 * (1.0 - np.tanh((x - edge) / width)))


def _depth(level: Floats, slope: Floats | float) -> Floats:
    """A map with a gradient per dex of log τ about log τ = −1: (ny, nx, nd)."""
    return np.asarray(level[..., None] + np.asarray(slope)[..., None] * (LOG_TAU + 1.0))


def _decay(deep: float, top: float) -> Floats:
    """Amplitude (nd,) of a convective flow: ``deep`` at log τ ≥ 0.5, falling to ``top`` high up."""
    return np.asarray(top + (deep - top) * 0.5 * (1 + np.tanh((LOG_TAU + 0.6) / 0.9)))


def _spot(frame: _Frame, random: np.random.Generator) -> tuple[_Structure, _Structure]:
    """Umbra and penumbra of the leading, positive spot."""
    r, phi = frame.radius, frame.angle
    inside = _step(r, 1.0, 0.06)
    umbra = _step(r, _UMBRA_RADIUS, 0.06) * inside
    number = max(6, min(_FIRST_FILAMENTS, int(0.5 * min(frame.shape))))
    spine = np.tanh(filaments(random, r, phi, number, 0.45))
    dots = plane(random, frame.shape, 1.5)
    zenith = np.deg2rad(np.clip(5 + 68 * r**0.9, 0, 78))
    strength = 2850.0 * np.exp(-1.2 * r**1.6)
    turn = np.deg2rad(8.0) * np.clip(r, 0, 1.2)  # a slight twist of the whole spot

    def radial(magnitude: Floats, tilt: Floats) -> tuple[Floats, Floats, Floats]:
        azimuth = (phi + turn)[..., None]
        return (
            magnitude * np.sin(tilt) * np.cos(azimuth),
            magnitude * np.sin(tilt) * np.sin(azimuth),
            magnitude * np.cos(tilt),
        )

    # umbra: hotter, weaker field outwards and in its dots
    core = np.clip(1 - r / _UMBRA_RADIUS, 0, 1)
    cool, hot = model_temperature("umbra", LOG_TAU), model_temperature("umbra-hot", LOG_TAU)
    warm = np.clip(0.75 - 0.6 * core + 0.10 * dots, 0.0, 1.0)[..., None]
    # high up the hot model is the cooler one; there the umbra keeps the temperature of the cool model
    umbra_hot = np.maximum(hot, cool)
    still = np.zeros((*frame.shape, LOG_TAU.size))
    umbral = _Structure(
        umbra,
        (1 - warm) * cool + warm * umbra_hot,
        radial(_depth(strength - 40 * dots, 90.0), np.broadcast_to(zenith[..., None], still.shape)),
        (still, still, still + 0.1 * dots[..., None]),
        0.4,
    )

    # penumbra: spines (> 0) strong, steep and quiet; intraspines (< 0) weak, flat, hot below, with the flow
    weak = 0.5 * (1 - spine)
    field = _depth(strength * (1 + 0.15 * spine), 60.0 + 60.0 * spine)
    flatter = np.deg2rad(9.0) * (weak - 0.5)
    tilt = np.clip(zenith + 1.5 * flatter, 0, np.deg2rad(88))[..., None] + np.deg2rad(4.0) * weak[
        ..., None
    ] * (LOG_TAU + 1.0)
    # chosen: 150 K below the mean model, so that the penumbra stands out from its surroundings
    heat = 1 / (1 + np.exp(-(LOG_TAU + 0.5) / 0.4))
    temperature = model_temperature("penumbra", LOG_TAU) + (
        -150.0 - 300.0 * spine + 350.0 * (np.clip(r, 0.3, 1.1) - 0.75)
    )[..., None] * (0.25 + 0.75 * heat)
    speed = (1.5 + 5.0 * weak) * np.exp(-0.5 * ((r - 0.8) / 0.25) ** 2)
    flow = speed[..., None] * _decay(1.1, 0.25)
    rise = np.deg2rad(90 - 14 * (0.8 - np.clip(r, 0.3, 1.2)) / 0.4)[..., None]  # up inside, down at the edge
    penumbral = _Structure(
        np.clip(inside - umbra, 0, 1), np.asarray(temperature), radial(field, tilt), radial(flow, rise), 0.8
    )
    return umbral, penumbral


def _pore(frame: _Frame) -> _Structure:
    """A small pore of the opposite polarity."""
    d = frame.pore_distance
    warm = np.clip(0.3 + 0.7 * d, 0, 1.3)[..., None]
    temperature = (1 - warm) * model_temperature("umbra-hot", LOG_TAU) + warm * model_temperature(
        "penumbra", LOG_TAU
    )
    field = _depth(-2100.0 * np.exp(-0.25 * d**2), -80.0)
    zero = np.zeros_like(field)
    return _Structure(_step(d, 1.0, 0.3), temperature, (zero, zero, field), (zero, zero, zero - 0.3), 0.6)


def _plage_and_network(
    frame: _Frame, random: np.random.Generator, granulation: Floats, free: Floats
) -> tuple[_Structure, _Structure]:
    """Following plage of negative polarity round the pore, and thin network of both."""
    shape, lane = frame.shape, 0.5 * (1 - granulation)
    nx = shape[1]
    x = np.broadcast_to(np.arange(nx) / (nx - 1), shape)
    patches = plane(random, shape, max(2.0, 0.07 * min(shape)))
    plage_share = _step(-(patches + 2.5 * (x - 0.55)), -0.75, 0.25) * free
    ridges = np.abs(plane(random, shape, max(3.0, 0.12 * min(shape))))
    network_share = 0.8 * _step(ridges, 0.10, 0.05) * np.clip(free - plage_share, 0, 1)
    wobble = [plane(random, shape, 3.0) for _ in range(3)]
    plage_field = _depth(-(1300.0 + 120.0 * wobble[0]) * (0.85 + 0.15 * lane), -120.0)
    polarity = np.where(plane(random, shape, 0.2 * min(shape)) - 1.5 * (x - 0.5) > 0, 1.0, -1.0)
    network_field = _depth(polarity * (700.0 + 120.0 * wobble[1]), 60.0 * polarity)

    def upright(field: Floats) -> tuple[Floats, Floats, Floats]:
        lean = np.deg2rad(7.0)
        return field * lean * wobble[1][..., None], field * lean * wobble[2][..., None], field

    def settling(amplitude: float, down: float) -> tuple[Floats, Floats, Floats]:
        vertical = (amplitude * granulation)[..., None] * _decay(1.3, 0.2) - down * _decay(1.0, 0.3)
        zero = np.zeros_like(vertical)
        return zero, zero, vertical

    quiet = _granular_temperature(granulation, 0.6)
    plage_heat = np.clip(0.45 + 0.12 * wobble[0], 0.2, 0.7)[..., None]
    network_heat = np.clip(0.25 + 0.08 * wobble[1], 0.1, 0.4)[..., None]
    tube = model_temperature("plage", LOG_TAU)
    plage = _Structure(
        plage_share,
        (1 - plage_heat) * quiet + plage_heat * tube,
        upright(plage_field),
        settling(0.5, 0.5),
        1.2,
    )
    network = _Structure(
        network_share,
        (1 - network_heat) * quiet + network_heat * tube,
        upright(network_field),
        settling(0.8, 0.4),
        1.1,
    )
    return plage, network


def _granular_temperature(granulation: Floats, contrast: float) -> Floats:
    """Temperature between the granular and the intergranular model; the models bring the reversal above."""
    hot = 0.5 * (1 + contrast * granulation)[..., None]
    granule, lane = model_temperature("granule", LOG_TAU), model_temperature("intergranule", LOG_TAU)
    # the two-component model's own reversal near log τ −1.2 exceeds what a resolved map shows
    share = np.where(LOG_TAU > -0.9, hot, 0.5 + 0.5 * (hot - 0.5))
    return np.asarray(share * granule + (1 - share) * lane)


def _quiet(frame: _Frame, random: np.random.Generator, granulation: Floats, share: Floats) -> _Structure:
    """Granulation with its weak, tangled field."""
    shape = frame.shape
    lane = 0.5 * (1 - granulation)
    waves = 0.2 * plane(random, shape, 5.0)  # five-minute oscillation, growing with height
    vertical = (1.5 * granulation)[..., None] * _decay(1.3, 0.12) + waves[..., None] * (1 - 0.3 * LOG_TAU)
    tangled = [_depth(60.0 * (0.6 + lane) * plane(random, shape, 2.5), 0.0) for _ in range(3)]
    stronger = 1.0 + 0.15 * (LOG_TAU + 1.0)
    zero = np.zeros_like(vertical)
    return _Structure(
        share,
        _granular_temperature(granulation, 0.9),
        (tangled[0] * stronger, tangled[1] * stronger, tangled[2] * stronger),
        (zero, zero, vertical),
        1.0,
    )


def _project(
    structures: tuple[_Structure, ...],
    frame: _Frame,
    random: np.random.Generator,
    tilt: float,
    lean: float,
) -> Atmosphere:
    """Mix the structures by their shares and look at them from the given direction (radians)."""
    total = np.sum([s.share for s in structures], axis=0)

    def mix(values: list[Floats]) -> Floats:
        parts = [s.share[..., None] * value for s, value in zip(structures, values, strict=True)]
        return np.asarray(np.sum(parts, axis=0) / total[..., None])

    field = np.stack([mix([s.field[axis] for s in structures]) for axis in range(3)])
    flow = np.stack([mix([s.flow[axis] for s in structures]) for axis in range(3)])
    sine, cosine = np.sin(tilt), np.cos(tilt)
    to_observer = np.array([sine * np.cos(lean), sine * np.sin(lean), cosine])
    # on the sky: the map's own x and y axes, less their part along the line of sight (Gram-Schmidt)
    east = np.array([1.0, 0.0, 0.0]) - to_observer[0] * to_observer
    east /= np.linalg.norm(east)
    north = np.cross(to_observer, east)
    along, right, up = (np.tensordot(axis, field, axes=1) for axis in (to_observer, east, north))
    strength = np.sqrt(along**2 + right**2 + up**2)
    inclination = np.rad2deg(np.arccos(np.clip(along / np.maximum(strength, 1e-9), -1, 1)))
    azimuth = np.mod(np.rad2deg(np.arctan2(up, right)), 180.0)
    velocity = -np.tensordot(to_observer, flow, axes=1)
    ripple = 25.0 * plane(random, frame.shape, 2.0)
    temperature = mix([s.temperature for s in structures]) + ripple[..., None]
    turbulence = mix([np.full_like(temperature, s.microturbulence) for s in structures])
    turbulence = np.clip(turbulence + 0.12 * plane(random, frame.shape, 2.0)[..., None], 0.1, None)
    macroturbulence = np.clip(1.0 + 0.2 * plane(random, frame.shape, 3.0), 0.4, 1.8)
    n = frame.shape[0] * frame.shape[1]

    def flat(cube: Floats) -> Floats:
        return np.ascontiguousarray(cube.reshape(n, LOG_TAU.size))

    return Atmosphere(
        log_tau=LOG_TAU,
        temperature=flat(temperature),
        microturbulence=flat(turbulence),
        field_strength=flat(strength),
        velocity=flat(velocity),
        inclination=flat(inclination),
        azimuth=flat(azimuth),
        macroturbulence=macroturbulence.ravel(),
        filling_factor=np.ones(n),
        stray_light=np.zeros(n),
    )
