"""Where an inversion starts: a model, a network's guess, classes of profiles, an earlier result (``--init``).

==========================  ===========================================================================
``model``                   the plan's own guess (the model that a control file names), or its own atmosphere
                            of every pixel
``model:NAME``              a named model atmosphere, inclination 45° or 135° by the sign of V
``cnn``, ``cnn:INSTRUMENT`` a network's guess on its nodes, brought onto the plan's depth axis
``clusters:FILE``           the inverted mean profile of the pixel's class, from ``stokeswarm cluster``
``previous:URL``            the atmospheres of an earlier result store, at the same pixels
``best-of:A,B``             every start in turn; the fit with the lowest χ² is kept
==========================  ===========================================================================

A pixel that a network or an earlier result has nothing for starts from the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from stokeswarm.client.layout import Start
from stokeswarm.client.network_units import for_network
from stokeswarm.client.polarity import mirrored, points_away
from stokeswarm.client.smooth import error_within, within_nodes
from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED, Atmosphere, Floats
from stokeswarm.contract.errors import InvalidArgumentError, PlanError
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.plan import DEFAULT_LIMITS, Plan
from stokeswarm.contract.spectra import Spectra

Bools = npt.NDArray[np.bool_]

#: model of `--init cnn` for pixels without a guess, and of the gate, where the plan brings none
DEFAULT_MODEL: Final = "hsra"
#: smallest values of a guess that leave every response function alive (at B = 0 the angles have none)
FLOORS: Final = {"field_strength": 10.0, "microturbulence": 0.1, "macroturbulence": 0.1}
#: keeps the inclination of a guess off the poles, where the azimuth has no response [deg]
POLE_MARGIN: Final = 1.0

_KINDS: Final = ("model", "cnn", "clusters", "previous", "best-of")
#: kinds that say nothing without an argument, and what it is
_NEEDED: Final = {
    "previous": "the URL of a result store, previous:URL",
    "clusters": "a file of classes, clusters:FILE",
}
_EXPECTED: Final = "expected model:NAME, cnn[:INSTRUMENT], clusters:FILE, previous:URL or best-of:A,B"


@dataclass(frozen=True, slots=True)
class StartSpec:
    """A parsed ``--init``.

    Attributes
    ----------
    kind : str
        model, cnn, clusters, previous or best-of.
    argument : str
        Name, instrument, file or URL; empty where none was given.
    parts : tuple of StartSpec
        Of best-of.
    """

    kind: str
    argument: str = ""
    parts: tuple[StartSpec, ...] = ()

    def __str__(self) -> str:
        tail = ",".join(map(str, self.parts)) if self.parts else self.argument
        return f"{self.kind}:{tail}" if tail else self.kind

    @property
    def needs_inference(self) -> bool:
        """Whether a network takes part."""
        return self.kind == "cnn" or any(part.needs_inference for part in self.parts)


def parse_start(text: str) -> StartSpec:
    """Read an ``--init`` option.

    Raises
    ------
    InvalidArgumentError
        Unknown kind, or a missing argument.
    """
    kind, _, argument = text.strip().partition(":")
    if kind not in _KINDS:
        raise InvalidArgumentError(f"--init {text!r}: {_EXPECTED}")
    if kind in _NEEDED and not argument:
        raise InvalidArgumentError(f"--init {kind}: expected {_NEEDED[kind]}")
    if kind != "best-of":
        return StartSpec(kind, argument)
    parts = tuple(parse_start(part) for part in argument.split(",") if part.strip())
    if len(parts) < 2 or any(part.kind == "best-of" for part in parts):
        raise InvalidArgumentError(
            f"--init {text!r}: expected two or more starts, for example best-of:cnn,model:hsra"
        )
    return StartSpec(kind, parts=parts)


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels that want a start.

    Attributes
    ----------
    identifier, y, x : ndarray (n,) int64
        y and x in the coordinates of the whole observation.
    spectra : Spectra
        Their n profiles.
    """

    identifier: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    x: npt.NDArray[np.int64]
    spectra: Spectra

    def __len__(self) -> int:
        return int(self.identifier.size)

    def take(self, rows: npt.ArrayLike) -> Pixels:
        """Some of them."""
        rows = np.asarray(rows)
        spectra = replace(self.spectra, stokes=self.spectra.stokes[rows])
        return Pixels(self.identifier[rows], self.y[rows], self.x[rows], spectra)


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts of n pixels.

    Attributes
    ----------
    atmosphere : tuple of Atmosphere
        One per component, n pixels each; where ``available`` is False they hold whatever.
    available : ndarray (n,) bool
    novelty : ndarray (n,) float64
        NaN where no network looked.
    error : tuple of Atmosphere
        1σ, like ``atmosphere``; empty where the start knows of none.
    """

    atmosphere: tuple[Atmosphere, ...]
    available: Bools
    novelty: Floats
    error: tuple[Atmosphere, ...] = ()

    def take(self, rows: npt.ArrayLike) -> Starts:
        """Those of some pixels."""
        rows = np.asarray(rows)
        parts = tuple(part.take(rows) for part in self.atmosphere)
        error = tuple(part.take(rows) for part in self.error)
        return Starts(parts, self.available[rows], self.novelty[rows], error)


class Starter(Protocol):
    """Makes starts for pixels; a pixel's start depends on that pixel alone."""

    @property
    def label(self) -> Start:
        """How the store names it."""
        ...

    @property
    def assisted(self) -> bool:
        """Whether the last cycle alone is enough after it, under the gate."""
        ...

    def start(self, pixels: Pixels) -> Starts:
        """Starts of these pixels."""
        ...


@dataclass(frozen=True, slots=True)
class ModelStart:
    """One guess for all pixels.

    Attributes
    ----------
    guess : tuple of Atmosphere
        One pixel each, one per component.
    plan : Plan
    by_sign_of_v : bool
        Mirror the inclination (γ → 180° − γ) where Stokes V says that the field points away. A control file's
        own guess is used as it is.
    """

    guess: tuple[Atmosphere, ...]
    plan: Plan
    by_sign_of_v: bool

    @property
    def label(self) -> Start:
        """`Start.MODEL`."""
        return Start.MODEL

    @property
    def assisted(self) -> bool:
        """Never: a model is far from most pixels."""
        return False

    def start(self, pixels: Pixels) -> Starts:
        """The guess, repeated."""
        n = len(pixels)
        atmosphere = tuple(part.take(np.zeros(n, np.int64)) for part in self.guess)
        if self.by_sign_of_v:
            away = points_away(pixels.spectra, self.plan)
            atmosphere = tuple(mirrored(part, away) for part in atmosphere)
        return Starts(atmosphere, np.ones(n, np.bool_), np.full(n, np.nan))


@dataclass(frozen=True, slots=True)
class CnnStart:
    """A network's guess, brought from its nodes onto the plan's depth axis.

    Attributes
    ----------
    predict : callable (Spectra) -> Prediction
    model : ModelInfo
    base : ModelStart
        Gives what the network does not: temperature gradients outside its nodes, quantities it never learnt.
    plan : Plan
    mu : ndarray (ny, nx) float64 or None
        Of the pixels; None = the plan's.
    other_lines : bool
        Whether the network has seen lines of other strengths than the plan's.
    """

    predict: Callable[[Spectra], Prediction]
    model: ModelInfo
    base: ModelStart
    plan: Plan
    mu: Floats | None = None
    other_lines: bool = False

    @property
    def label(self) -> Start:
        """`Start.CNN`."""
        return Start.CNN

    @property
    def assisted(self) -> bool:
        """Always: that is what the network is for."""
        return True

    def start(self, pixels: Pixels) -> Starts:
        """Ask the network."""
        mu = self.plan.mu if self.mu is None else self.mu[pixels.y, pixels.x]
        guess = self.predict(for_network(pixels.spectra, self.model, mu))
        if len(guess) != len(pixels):
            raise InvalidArgumentError(
                f"the network answered for {len(guess)} pixels, asked for {len(pixels)}"
            )
        base = self.base.start(pixels).atmosphere[0]
        whole = on_axis(guess.atmosphere, base, self.plan, self.model.quantities)
        model = base.resample(self.plan.log_tau)
        brought = within_nodes(whole, model, self.plan, other_lines=self.other_lines)
        atmosphere = within_limits(brought, self.plan)
        error = () if guess.error is None else (error_within(guess.error, whole, atmosphere),)
        usable = np.array([status.has_result for status in guess.status], np.bool_)
        for name, values in atmosphere.arrays().items():
            if name in SCALAR or name in ("temperature", "field_strength", "velocity"):
                usable &= np.isfinite(values).reshape(len(pixels), -1).all(axis=1)
        for name in ("microturbulence", "inclination", "azimuth"):
            usable &= np.isfinite(getattr(atmosphere, name)).all(axis=1)
        return Starts((atmosphere,), usable, guess.novelty.astype(np.float64), error)


def on_axis(
    nodes: Atmosphere, base: Atmosphere, plan: Plan, quantities: tuple[str, ...] | None = None
) -> Atmosphere:
    """Bring node atmospheres onto the plan's depth axis.

    Between the nodes: shape-preserving cubics, the azimuth on the double angle (as vectors cos 2χ, sin 2χ,
    so that 179° and 1° meet at 0°, not at 90°). Outside them: the temperature runs parallel to the base
    model's, as SIR's nodes would shift it; everything else is constant. The result is clipped into the
    plan's limits, and off the values where response functions vanish. Pressures are left to the engine.

    Parameters
    ----------
    nodes : Atmosphere
        n pixels on any axis.
    base : Atmosphere
        n pixels: the temperature gradients outside the nodes, and quantities that the nodes lack.
    plan : Plan
    quantities : tuple of str, optional
        What the nodes know; None = everything.

    Returns
    -------
    Atmosphere
        n pixels on ``plan.log_tau``.
    """
    axis = plan.log_tau
    known = tuple(STRATIFIED) + tuple(SCALAR) if quantities is None else quantities
    model = base.resample(axis)
    edges = base.resample(nodes.log_tau[[0, -1]]) if nodes.n_depth > 1 else base.resample(nodes.log_tau)
    guess = nodes.resample(axis)
    double = np.deg2rad(2.0 * nodes.azimuth)
    parts = replace(nodes, inclination=np.cos(double), azimuth=np.sin(double)).resample(axis)
    azimuth = np.rad2deg(np.arctan2(parts.azimuth, parts.inclination)) / 2.0 % 180.0

    deep, high = axis > nodes.log_tau[0], axis < nodes.log_tau[-1]
    below = model.temperature + (nodes.temperature[:, :1] - edges.temperature[:, :1])
    above = model.temperature + (nodes.temperature[:, -1:] - edges.temperature[:, -1:])
    temperature = np.where(deep, below, np.where(high, above, guess.temperature))

    values: dict[str, Any] = guess.arrays() | {"temperature": temperature, "azimuth": azimuth}
    values = {name: values[name] if name in known else array for name, array in _free(model).items()}
    return within_limits(Atmosphere(log_tau=axis, **values), plan)


def within_limits(guess: Atmosphere, plan: Plan) -> Atmosphere:
    """The guess clipped into the plan's limits, and off the values where response functions vanish."""
    values = guess.arrays()
    for name, array in values.items():
        if name in DEFAULT_LIMITS:
            low, high = plan.limit(name)
            floor = min(max(low, FLOORS.get(name, low)), high)
            values[name] = np.clip(array, floor, high)
    values["inclination"] = np.clip(values["inclination"], POLE_MARGIN, 180.0 - POLE_MARGIN)
    return replace(guess, **values)


def _free(atmosphere: Atmosphere) -> dict[str, Floats]:
    """The fields of a guess: all but pressures, density and height."""
    dropped = ("electron_pressure", "gas_pressure", "density", "height")
    return {name: array for name, array in atmosphere.arrays().items() if name not in dropped}


def named_guess(name: str, plan: Plan) -> tuple[Atmosphere, ...]:
    """A named model atmosphere on the plan's depth axis.

    Raises
    ------
    NotFoundError
        Unknown name.
    PlanError
        The plan has two components, which one model cannot start.
    """
    from stokeswarm.client.atmospheres import model_atmosphere

    if plan.n_component != 1:
        raise PlanError(
            f"plan {plan.name!r} has {plan.n_component} components: a named model or a network starts one "
            "only; use a control file that names a guess for each"
        )
    return (model_atmosphere(name, plan.log_tau),)
