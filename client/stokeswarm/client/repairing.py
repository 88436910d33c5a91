"""From a finished store to its repair: the plan, engine and profiles that the store itself names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from stokeswarm.client.delivery import RetryPolicy
from stokeswarm.client.digests import digest
from stokeswarm.client.finding import find_engine
from stokeswarm.client.neighbours import Rule
from stokeswarm.client.project import Project
from stokeswarm.client.provenance import software
from stokeswarm.client.readers import Observation
from stokeswarm.client.repair import Patient, fingerprint
from stokeswarm.client.store import ResultStore
from stokeswarm.client.stored_plan import stored_plan
from stokeswarm.client.task import Setup
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.contract.status import ContinuumReference

#: root attributes of a store that belong to the store, not to what it holds
_OWN = ("format", "identity", "region", "tile", "components", "stored_cycles", "summary", "repair")


def admit(
    store: ResultStore,
    engines: tuple[EngineInfo, ...],
    rule: Rule,
    project: Project | None = None,
    policy: RetryPolicy | None = None,
    diagnose: Callable[[], None] = lambda: None,
) -> tuple[Patient, EngineInfo, tuple[str, ...]]:
    """Make ready what a store's bad pixels are inverted again with.

    Parameters
    ----------
    store : ResultStore
    engines : tuple of EngineInfo
        That the inversion server offers; the store's own is taken.
    rule : Rule
    project : Project, optional
        Brings what a store does not keep: a profile of stray light, positions on the disc.
    policy : RetryPolicy, optional
    diagnose : callable

    Returns
    -------
    patient : Patient
    engine : EngineInfo
    notes : tuple of str

    Raises
    ------
    InvalidArgumentError
        The store is not complete, or was made with something that neither it nor the project holds.
    NotFoundError, FailedPreconditionError
        Its engine is not there.
    DataLossError
        Its plan cannot be read back.
    """
    attrs = store.attrs
    plan = stored_plan(attrs["plan"], store.url)
    identity: Mapping[str, Any] = attrs.get("identity", {})
    observed: Mapping[str, Any] = attrs["observation"]
    engine = find_engine(engines, attrs["engine"]["name"])
    notes = []
    if engine.digest != attrs["engine"]["digest"]:
        notes.append(
            f"engine {engine.name} is not the one that made {store.url} (version "
            f"{attrs['engine']['version']}, now {engine.version}): repaired pixels come from the present one"
        )
    stray = _given("a profile of stray light", identity.get("stray_light_profile", ""), store, project)
    position = _given("positions on the disc", identity.get("position", ""), store, project)
    try:
        weights = store.map("observation/weights")
    except NotFoundError:
        weights = None
    observation = Observation(
        store.map("observation/stokes"),
        store.map("wavelength"),
        ContinuumReference(observed["reference"]),
        weights=weights,
        source=str(observed.get("source", "")),
    )
    setup = Setup(
        observation,
        plan,
        engine=engine.name,
        stray_light_profile=stray,
        position=position,
        # A position of each pixel gives it a μ of its own, one for all does not.
        own_mu=project is not None and project.position is not None and project.position.ndim == 3,
        all_cycles=store.n_cycle > 0,
        seed=int(cast(int, attrs.get("seed", 0))),
        policy=policy or RetryPolicy(),
        diagnose=diagnose,
    )
    return Patient.of(store, setup, int(observed["shape"][1]), rule), engine, tuple(notes)


def _given(what: str, wanted: str, store: ResultStore, project: Project | None) -> Any:
    """What a store was made with but does not keep; None where it was made without.

    Raises
    ------
    InvalidArgumentError
        The project does not bring it, or brings another.
    """
    if not wanted:
        return None
    value = None
    if project is not None:
        value = project.stray_light_profile if "stray" in what else _positions(store, project)
    if value is None:
        raise InvalidArgumentError(
            f"{store.url} was made with {what}, which a store does not keep: name the plan that brings it"
        )
    if digest(value) != wanted:
        raise InvalidArgumentError(f"{store.url} was made with {what} that the plan's is not")
    return value


def _positions(store: ResultStore, project: Project) -> Any:
    shape = (*store.attrs["observation"]["shape"], 2)
    return None if project.position is None else np.broadcast_to(project.position, shape)


def repair_attrs(patient: Patient, engine: EngineInfo, notes: tuple[str, ...]) -> dict[str, Any]:
    """Root attributes of a repaired store: those of the first, and where it comes from."""
    store, rule = patient.store, patient.rule
    made = {"name": engine.name, "version": engine.version, "digest": engine.digest}
    origin = {"store": store.url, "fingerprint": fingerprint(store)}
    rules = {"chi2": rule.chi2, "ratio": rule.ratio, "neighbours": rule.enough}
    identity: Mapping[str, Any] = store.attrs.get("identity", {})
    kept = {name: value for name, value in store.attrs.items() if name not in _OWN}
    return {
        **kept,
        "notes": [*kept.get("notes", []), *notes],
        "identity": {
            "repair_of": origin["fingerprint"],
            "rule": rules,
            "engine": made,
            # Another repair will ask for them again.
            **{name: identity[name] for name in ("stray_light_profile", "position") if name in identity},
        },
        "repair": {
            **origin,
            "rule": rules,
            "engine": made,
            "software": software(),
            "before": store.attrs.get("repair"),
        },
    }


def open_output(
    output: str | Path | None, patient: Patient, attrs: Mapping[str, Any], *, resume: bool
) -> ResultStore:
    """The store that a repair writes, cut like the first.

    Parameters
    ----------
    output : str, Path or None
        None = in memory.
    patient : Patient
    attrs : mapping
        See `repair_attrs`.
    resume : bool
        Continue it.

    Raises
    ------
    OutputExistsError
        It is there, and is not to be continued.
    InvalidArgumentError
        It was begun by another repair.
    """
    if resume:
        if output is None:
            raise InvalidArgumentError("resume: name the output to continue")
        return ResultStore.resume(output, attrs["identity"])
    first, setup = patient.store, patient.setup
    return ResultStore.create(
        output,
        grid=first.grid,
        n_component=first.n_component,
        n_cycle=first.n_cycle,
        log_tau=setup.plan.log_tau,
        wavelength=setup.observation.wavelength,
        weights=setup.observation.weights,
        attrs=attrs,
    )
