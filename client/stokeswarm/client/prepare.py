"""From what a user asks for to a `Task`: which guess, which network, which engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stokeswarm.client.cluster_start import ClusterStart, cluster_start
from stokeswarm.client.clusters import Clusters
from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.finding import find_engine, find_model, find_network
from stokeswarm.client.gate import MODEL, Gate
from stokeswarm.client.map_start import MapStart
from stokeswarm.client.network_lines import other_strengths
from stokeswarm.client.network_units import for_network
from stokeswarm.client.positions import mu_of
from stokeswarm.client.previous import PreviousStart
from stokeswarm.client.project import AtmosphereMap, Project, engine_name
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
from stokeswarm.client.task import Task
from stokeswarm.contract.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from stokeswarm.contract.inference import ModelInfo, Prediction
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.spectra import Spectra


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks of an inversion.

    Attributes
    ----------
    init : str or None
        See `stokeswarm.client.starts`; None = the guess that a control file brings, else the network that
        knows the observation's wavelengths, else the model that the plan names, else the HSRA.
    engine : str
        Empty = the one that the project is written for, else the embedded one.
    gate : Gate
    seed : int
    all_cycles : bool
        Keep what every cycle made; also where the project says so.
    policy : RetryPolicy
    assisted : int
        Cycles after a warm start, the last ones of the plan.
    prior : bool
        Whether a network's errors hold the inversion to its guess where the profile says nothing.
    """

    init: str | None = None
    engine: str = ""
    gate: Gate = field(default_factory=Gate)
    seed: int = 0
    all_cycles: bool = False
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    assisted: int = 1
    prior: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    """What preparing needs of the servers.

    Attributes
    ----------
    engines : callable -> tuple of EngineInfo
    models : callable -> tuple of ModelInfo
        Starts the inference server where there is none yet.
    predict : callable (model, version, Spectra) -> Prediction
    features : callable (model, version, Spectra) -> Prediction
        With the network's features, where it gives them.
    diagnose : callable
    """

    engines: Callable[[], tuple[EngineInfo, ...]]
    models: Callable[[], tuple[ModelInfo, ...]]
    predict: Callable[[str, str, Spectra], Prediction]
    features: Callable[[str, str, Spectra], Prediction]
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


def prepare(observation: Observation, project: Project, wishes: Wishes, services: Services) -> Prepared:
    """Resolve everything that can be wrong before a pixel is sent.

    Raises
    ------
    StokeswarmError
        The engine, the network, the named model or the earlier result is missing or does not fit.
    """
    if not project.plan.cycles:
        raise InvalidArgumentError(f"plan {project.plan.name!r} has no cycles: it can synthesise, not invert")
    project.plan.region_slices(observation.wavelength)
    engine = find_engine(services.engines(), engine_name(wishes.engine, project))
    notes: list[str] = []
    wanted = wishes.init or project.init
    spec = parse_start(wanted) if wanted else _default_start(observation, project, services, notes)
    plan = _with_surface_pressure(project, spec)
    fallback = _model_start(StartSpec("model"), project, plan)
    models: list[ModelInfo] = []

    def starter(part: StartSpec) -> Starter:
        if part.kind == "model" and not part.argument and project.atmospheres is not None:
            return _map_start(project.atmospheres, observation, fallback)
        if part.kind == "model":
            return _model_start(part, project, plan)
        if part.kind == "previous":
            return PreviousStart(ResultStore.read(part.argument), fallback, plan)
        if part.kind == "clusters":
            return _cluster_start(part.argument, observation, fallback, plan, services, models)
        if plan.n_component != 1:
            raise InvalidArgumentError("--init cnn: a network starts one component, the plan has two")
        model = find_network(observation, part.argument, services)
        models.append(model)
        other = other_strengths(model, plan)
        if other:
            notes.append(
                f"network {model.name} has seen lines of other strengths ({'; '.join(other)}): of its "
                "temperatures only level and slope are taken"
            )
        name, version = model.name, model.version
        mu = mu_of(position) if own_mu and position is not None else None

        def predict(spectra: Spectra) -> Prediction:
            return services.predict(name, version, spectra)

        return CnnStart(predict, model, fallback, plan, mu, bool(other))

    position, own_mu = _position(observation, project)
    starters = tuple(starter(part) for part in (spec.parts or (spec,)))
    if spec == StartSpec("model"):
        starters += tuple(ModelStart((guess,), plan, by_sign_of_v=False) for guess in project.guesses)
    task = Task(
        observation=observation,
        plan=plan,
        starters=starters,
        fallback=fallback,
        engine=engine.name,
        gate=wishes.gate,
        gate_models=_gate_models(wishes.gate, plan),
        synthesizes=engine.synthesizes,
        assisted=wishes.assisted,
        prior=wishes.prior,
        stray_light_profile=project.stray_light_profile,
        position=position,
        own_mu=own_mu,
        all_cycles=wishes.all_cycles or project.all_cycles,
        seed=wishes.seed,
        policy=wishes.policy,
        diagnose=services.diagnose,
    )
    return Prepared(task, engine, tuple(models), spec, tuple(notes))


def _position(observation: Observation, project: Project) -> tuple[npt.NDArray[np.float64] | None, bool]:
    """Where the pixels lie on the disc, and whether that gives every pixel a μ of its own.

    Raises
    ------
    InvalidArgumentError
        The project's positions are those of another map.
    """
    if observation.position is not None:
        return observation.position, True
    if project.position is None:
        return None, False
    shape = (*observation.shape, 2)
    if project.position.ndim == 1:
        return np.broadcast_to(project.position, shape), False
    if project.position.shape != shape:
        raise InvalidArgumentError(
            f"position: the plan gives {project.position.shape[:2]} pixels (y, x), the observation has "
            f"{observation.shape}"
        )
    return project.position, True


def _with_surface_pressure(project: Project, spec: StartSpec) -> Plan:
    """Give the plan the gas pressure at its top where neither it nor any start says one.

    A project's own guess says it with its electron pressure, and is sent as it is. Other starts (a network's,
    an earlier result's) come without pressures and take the guess's, or the named model's.
    """
    from stokeswarm.client.atmospheres import top_gas_pressure

    plan = project.plan
    alone = spec.kind == "model" and not spec.argument
    own = project.guess if project.atmospheres is None else (project.atmospheres.atmosphere,)
    has_pressure = bool(own) and all(part.electron_pressure is not None for part in (*own, *project.guesses))
    if plan.top_gas_pressure or (alone and has_pressure):
        return plan
    of_guess = [part.gas_pressure for part in project.guess]
    if of_guess and all(pressure is not None for pressure in of_guess):
        tops = tuple(float(pressure[0, -1]) for pressure in of_guess if pressure is not None)
        return replace(plan, top_gas_pressure=tops)
    model = top_gas_pressure(project.start or DEFAULT_MODEL, plan.depth_top)
    return replace(plan, top_gas_pressure=(model,) * plan.n_component)


def _model_start(spec: StartSpec, project: Project, plan: Plan) -> ModelStart:
    """A named model; without a name the project's guess, its named model, or the default."""
    if not spec.argument and project.guess:
        return ModelStart(project.guess, plan, by_sign_of_v=False)
    name = spec.argument or project.start or DEFAULT_MODEL
    return ModelStart(named_guess(name, plan), plan, by_sign_of_v=True)


def _cluster_start(
    place: str,
    observation: Observation,
    base: ModelStart,
    plan: Plan,
    services: Services,
    models: list[ModelInfo],
) -> ClusterStart:
    """The guess of every pixel's class; the network joins the run where it has to tell the classes.

    Raises
    ------
    InvalidArgumentError
        The classes do not fit the observation or the plan, or their network has changed.
    """
    clusters = Clusters.read(place)

    def features(name: str, version: str, spectra: Spectra) -> Prediction:
        known = [m for m in services.models() if (m.name, m.version) == (name, version)]
        units = for_network(spectra, known[0], plan.mu) if known else spectra
        return services.features(name, version, units)

    start = cluster_start(clusters, observation, base, plan, features)
    space = clusters.space
    if space.kind == "cnn" and not start.mapped:
        there = [m for m in services.models() if (m.name, m.version) == (space.model, space.version)]
        if not there or there[0].digest != space.digest:
            raise InvalidArgumentError(
                f"--init clusters: {place} was made with network {space.model!r}, version {space.version} "
                f"({space.digest[:12]}), which the inference server does not have; make the classes again"
            )
        models.append(there[0])
    return start


def _gate_models(gate: Gate, plan: Plan) -> tuple[tuple[str, ModelStart], ...]:
    """The named models among the gate's starts; none of them can start two components.

    Raises
    ------
    NotFoundError
        Unknown name.
    """
    if plan.n_component != 1:
        return ()
    return tuple(
        (f"{MODEL}:{name}", ModelStart(named_guess(name, plan), plan, by_sign_of_v=True))
        for name in gate.models
    )


def _map_start(atmospheres: AtmosphereMap, observation: Observation, fallback: ModelStart) -> MapStart:
    """The project's own atmosphere of every pixel.

    Raises
    ------
    InvalidArgumentError
        They are those of another map.
    """
    if atmospheres.shape != observation.shape:
        raise InvalidArgumentError(
            f"start: the plan gives atmospheres of {atmospheres.shape} pixels (y, x), the observation has "
            f"{observation.shape}"
        )
    return MapStart(atmospheres, fallback)


def _default_start(
    observation: Observation, project: Project, services: Services, notes: list[str]
) -> StartSpec:
    """What ``--init`` means where it is not given."""
    if project.guess or project.atmospheres is not None:
        own = "guess" if project.atmospheres is None else "atmosphere of every pixel"
        notes.append(f"start: model, the plan's own {own}")
        return StartSpec("model")
    name = project.start or DEFAULT_MODEL
    try:
        model = find_network(observation, "", services)
    except (NotFoundError, InvalidArgumentError, FailedPreconditionError) as error:
        notes.append(f"start: model:{name}, because no network fits ({error})")
        return StartSpec("model", name)
    notes.append(f"start: cnn:{model.name}, version {model.version}")
    return StartSpec("cnn", model.name)


__all__ = [
    "Prepared",
    "Services",
    "Wishes",
    "find_engine",
    "find_model",
    "find_network",
    "prepare",
]
