"""From what a user asks for to a `Task`: which guess, which network, which engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.gate import Gate
from stokeswarm.client.pipeline import Task
from stokeswarm.client.previous import PreviousStart
from stokeswarm.client.project import Project
from stokeswarm.client.readers import Observation
from stokeswarm.client.starts import (
    DEFAULT_MODEL,
    CnnStart,
    ModelStart,
    Starter,
    StartSpec,
    named_guess,
    parse_start,
)
from stokeswarm.client.store import ResultStore
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnsupportedError,
)
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra, invalid_reason


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks of an inversion.

    Attributes
    ----------
    init : str or None
        See `stokeswarm.client.starts`; None = the guess that a control file brings, else the network that
        knows the observation's wavelengths, else the model that the plan names, else the HSRA.
    engine : str
    gate : Gate
    seed : int
    policy : RetryPolicy
    """

    init: str | None = None
    engine: str = "lte"
    gate: Gate = field(default_factory=Gate)
    seed: int = 0
    policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True, slots=True)
class Services:
    """What preparing needs of the servers.

    Attributes
    ----------
    engines : callable -> tuple of EngineInfo
    models : callable -> tuple of ModelInfo
        Starts the inference server where there is none yet.
    predict : callable (model, version, Spectra) -> Prediction
    diagnose : callable
    """

    engines: Callable[[], tuple[EngineInfo, ...]]
    models: Callable[[], tuple[ModelInfo, ...]]
    predict: Callable[[str, str, Spectra], Prediction]
    diagnose: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task and what is recorded of it.

    Attributes
    ----------
    task : Task
    engine : EngineInfo
    models : tuple of ModelInfo
        Networks that take part.
    spec : StartSpec
    notes : tuple of str
        Choices made for the user.
    """

    task: Task
    engine: EngineInfo
    models: tuple[ModelInfo, ...]
    spec: StartSpec
    notes: tuple[str, ...]


def as_project(plan: Plan | Project | str | Path) -> Project:
    """A project from what a user may hand over: an object, a preset's name, a TOML or a control file."""
    if isinstance(plan, Project):
        return plan
    if isinstance(plan, Plan):
        return Project(plan)
    from stokeswarm.client.plan_files import load_plan

    return load_plan(plan)


def prepare(observation: Observation, project: Project, wishes: Wishes, services: Services) -> Prepared:
    """Resolve everything that can be wrong before a pixel is sent.

    Raises
    ------
    StokeswarmError
        The engine, the network, the named model or the earlier result is missing or does not fit.
    """
    plan = _with_surface_pressure(project.plan, project)
    if not plan.cycles:
        raise InvalidArgumentError(f"plan {plan.name!r} has no cycles: it can synthesise, not invert")
    plan.region_slices(observation.wavelength)
    engine = find_engine(services.engines(), wishes.engine)
    notes: list[str] = []
    spec = parse_start(wishes.init) if wishes.init else _default_start(observation, project, services, notes)
    fallback = _model_start(StartSpec("model"), project, plan)
    models: list[ModelInfo] = []

    def starter(part: StartSpec) -> Starter:
        if part.kind == "model":
            return _model_start(part, project, plan)
        if part.kind == "previous":
            return PreviousStart(ResultStore.read(part.argument), fallback, plan)
        if plan.n_component != 1:
            raise InvalidArgumentError("--init cnn: a network starts one component, the plan has two")
        model = find_network(observation, part.argument, services)
        models.append(model)
        name, version = model.name, model.version
        return CnnStart(lambda spectra: services.predict(name, version, spectra), model, fallback, plan)

    starters = tuple(starter(part) for part in (spec.parts or (spec,)))
    task = Task(
        observation=observation,
        plan=plan,
        starters=starters,
        fallback=fallback,
        engine=engine.name,
        gate=wishes.gate,
        stray_light_profile=project.stray_light_profile,
        seed=wishes.seed,
        policy=wishes.policy,
        diagnose=services.diagnose,
    )
    return Prepared(task, engine, tuple(models), spec, tuple(notes))


def _with_surface_pressure(plan: Plan, project: Project) -> Plan:
    """Give the plan the gas pressure at its top where neither it nor the guess says one."""
    from stokeswarm.client.atmospheres import top_gas_pressure

    if plan.top_gas_pressure or any(part.gas_pressure is not None for part in project.guess):
        return plan
    pressure = top_gas_pressure(project.start or DEFAULT_MODEL, plan.depth_top)
    return replace(plan, top_gas_pressure=(pressure,) * plan.n_component)


def _model_start(spec: StartSpec, project: Project, plan: Plan) -> ModelStart:
    """A named model; without a name the project's guess, its named model, or the default."""
    if not spec.argument and project.guess:
        return ModelStart(project.guess, plan, by_sign_of_v=False)
    name = spec.argument or project.start or DEFAULT_MODEL
    return ModelStart(named_guess(name, plan), plan, by_sign_of_v=True)


def _default_start(
    observation: Observation, project: Project, services: Services, notes: list[str]
) -> StartSpec:
    """What ``--init`` means where it is not given."""
    if project.guess:
        notes.append("start: model, the plan's own guess")
        return StartSpec("model")
    name = project.start or DEFAULT_MODEL
    try:
        model = find_network(observation, "", services)
    except (NotFoundError, InvalidArgumentError, FailedPreconditionError) as error:
        notes.append(f"start: model:{name}, because no network fits ({error})")
        return StartSpec("model", name)
    notes.append(f"start: cnn:{model.name}, version {model.version}")
    return StartSpec("cnn", model.name)


def _probe(observation: Observation) -> Spectra | None:
    """The first valid pixel, to ask a network whether it takes this observation at all."""
    width = observation.shape[1]
    for flat in range(observation.n_pixel):
        profile = observation.stokes[flat // width, flat % width]
        if not invalid_reason(profile):
            return Spectra(observation.wavelength, profile[None], observation.reference, observation.weights)
    return None


def find_engine(engines: tuple[EngineInfo, ...], name: str) -> EngineInfo:
    """The engine of that name.

    Raises
    ------
    NotFoundError
        The server does not know it.
    FailedPreconditionError
        It cannot be used there.
    UnsupportedError
        It does not invert.
    """
    found = {engine.name: engine for engine in engines}
    if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NotFoundError(f"engine {name!r} is unknown to the inversion server; it has {there}")
    engine = found[name]
    if not engine.available:
        raise FailedPreconditionError(f"engine {name!r} is not available: {engine.message}")
    if not engine.inverts:
        raise UnsupportedError(f"engine {name!r} does not invert")
    return engine


def find_network(observation: Observation, name: str, services: Services) -> ModelInfo:
    """The network of that name, or the one that reads the observation's wavelengths, tried on one pixel.

    The server decides what a network can read (it may interpolate): what it refuses here it would refuse
    for every tile.

    Raises
    ------
    NotFoundError
        There is none.
    FailedPreconditionError
        It is not ready.
    InvalidArgumentError
        It does not read this observation: other wavelengths, another continuum reference.
    """
    model = find_model(services.models(), name, observation)
    probe = _probe(observation)
    if probe is not None:
        services.predict(model.name, model.version, probe)
    return model


def find_model(models: tuple[ModelInfo, ...], name: str, observation: Observation) -> ModelInfo:
    """The network of that name, or the one closest to the observation's wavelengths; the newest that works.

    Raises
    ------
    NotFoundError
        There is none of that name, or none whose wavelengths overlap the observation's.
    FailedPreconditionError
        It is not ready.
    """
    there = ", ".join(sorted({m.name for m in models})) or "none"
    if name:
        named = [m for m in models if m.name == name]
        if not named:
            raise NotFoundError(f"network {name!r} is unknown to the inference server; there are: {there}")
        model = max(named, key=lambda m: (m.ready, _version(m)))
        if not model.ready:
            raise FailedPreconditionError(f"network {name!r} is not ready: {model.message}")
        return model
    axis = observation.wavelength
    near = [m for m in models if m.ready and _overlap(m, axis) > 0.0]
    if not near:
        raise NotFoundError(f"no network reads these wavelengths; there are: {there}")
    return max(near, key=lambda m: (_overlap(m, axis), m.name, _version(m)))


def _overlap(model: ModelInfo, axis: npt.NDArray[np.float64]) -> float:
    """Share of the model's samples in the observation's range, times the reverse; 0 = apart."""
    low, high = float(axis.min()), float(axis.max())
    wavelength = model.wavelength
    if wavelength.size == 0:
        return 0.0
    seen = (axis >= wavelength.min()) & (axis <= wavelength.max())
    return float(((wavelength >= low) & (wavelength <= high)).mean() * seen.mean())


def _version(model: ModelInfo) -> tuple[tuple[int, str], ...]:
    """Version as numbers where it has them: 10 comes after 9."""
    parts = re.findall(r"\d+|\D+", model.version)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


__all__ = [
    "Prepared",
    "Services",
    "Wishes",
    "as_project",
    "find_engine",
    "find_model",
    "find_network",
    "prepare",
]
