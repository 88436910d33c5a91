"""From what a user asks for to a `Task`: which guess, which network, which engine; and the run's identity."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

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
    StokeswarmError,
    UnsupportedError,
)
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra, invalid_reason

#: a network reads an observation whose samples lie this close to its own, in units of the step
WAVELENGTH_TOLERANCE = 0.02


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
        model = find_model(services.models(), part.argument, observation)
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
        model = find_model(services.models(), "", observation)
        probe = _probe(observation)
        if probe is not None:
            services.predict(model.name, model.version, probe)
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


def find_model(models: tuple[ModelInfo, ...], name: str, observation: Observation) -> ModelInfo:
    """The network of that name, or the one that knows the observation's wavelengths.

    The inference service lists the newest version of each model last.

    Raises
    ------
    NotFoundError
        There is none.
    FailedPreconditionError
        It is not ready.
    InvalidArgumentError
        It reads other wavelengths.
    """
    if not name:
        fitting = [m for m in models if m.ready and _fits(m, observation)]
        if not fitting:
            there = ", ".join(sorted({m.name for m in models})) or "none"
            raise NotFoundError(f"no network reads these wavelengths; there are: {there}")
        return fitting[-1]
    named = [m for m in models if m.name == name]
    if not named:
        there = ", ".join(sorted({m.name for m in models})) or "none"
        raise NotFoundError(f"network {name!r} is unknown to the inference server; there are: {there}")
    model = named[-1]
    if not model.ready:
        raise FailedPreconditionError(f"network {name!r} is not ready: {model.message}")
    if not _fits(model, observation):
        axis = observation.wavelength
        raise InvalidArgumentError(
            f"network {name!r} reads {model.wavelength.size} samples from {model.wavelength[0]:.4f} to "
            f"{model.wavelength[-1]:.4f} Å; "
            f"the observation has {axis.size} from {axis[0]:.4f} to {axis[-1]:.4f} Å"
        )
    return model


def _fits(model: ModelInfo, observation: Observation) -> bool:
    axis = observation.wavelength
    if model.wavelength.size < 2 or model.wavelength.size != axis.size:
        return False
    step = float(np.median(np.abs(np.diff(model.wavelength))))
    return bool(np.abs(model.wavelength - axis).max() <= WAVELENGTH_TOLERANCE * step)


def identity(prepared: Prepared, region: str) -> dict[str, Any]:
    """What must agree for a run to be the same run; JSON-able."""
    task = prepared.task
    guess = [array for part in task.fallback.guess for array in part.arrays().values()]
    return {
        "input": input_identity(task.observation),
        "plan": plan_document(task.plan),
        "guess": _digest(*guess),
        "stray_light_profile": "" if task.stray_light_profile is None else _digest(task.stray_light_profile),
        "engine": {
            "name": prepared.engine.name,
            "version": prepared.engine.version,
            "digest": prepared.engine.digest,
        },
        "models": [{"name": m.name, "version": m.version, "digest": m.digest} for m in prepared.models],
        "start": str(prepared.spec),
        "gate": {"chi2": _json(task.gate.chi2), "novelty": _json(task.gate.novelty)},
        "region": region,
        "seed": task.seed,
    }


def input_identity(observation: Observation) -> dict[str, Any]:
    """The observation's content; its name and date may change between two runs."""
    known = observation.identity.sha256 if observation.identity is not None else ""
    parts = [observation.stokes, observation.wavelength]
    parts += [part for part in (observation.mask, observation.weights) if part is not None]
    return {
        "sha256": known or _digest(*parts),
        "shape": list(observation.stokes.shape),
        "reference": str(observation.reference),
        # The reader's options change what is made of the same file.
        "content": _digest(observation.stokes[0], *parts[1:]),
    }


def software() -> dict[str, str]:
    """Versions of what shapes a result on the client's side."""
    return {name: metadata.version(name) for name in ("stokeswarm", "numpy", "zarr", "xarray", "grpcio")}


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan as a JSON document."""
    document: dict[str, Any] = _json(asdict(plan))
    return document


def _json(value: Any) -> Any:
    """JSON-able copy: tuples as lists, NaN as null, infinities as text, enumerations as their values."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(values.data)
    return digest.hexdigest()


__all__ = [
    "Prepared",
    "Services",
    "StokeswarmError",
    "Wishes",
    "as_project",
    "find_engine",
    "find_model",
    "identity",
    "input_identity",
    "plan_document",
    "prepare",
    "software",
]
