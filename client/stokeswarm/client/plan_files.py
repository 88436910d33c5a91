"""Plans by name or file: presets, TOML files, control files and projects of other tools."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from importlib import resources

import numpy as np

from stokeswarm.client.control_fields import layout_of
from stokeswarm.client.plan_schema import plan_from_table
from stokeswarm.client.plan_table import Table
from stokeswarm.client.plan_writer import format_plan
from stokeswarm.client.project import Project
from stokeswarm.client.sources import Source, load, source
from stokeswarm.client.trol import SUFFIXES, read_control_file
from stokeswarm.client.wrapper_file import FILE_NAME, is_wrapper_file
from stokeswarm.client.wrapper_project import load_wrapper_project
from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, PlanError
from stokeswarm.contract.plan import Plan
from stokeswarm.contract.sir_files import parse_model, parse_profile

_SUFFIX = ".toml"


def preset_names() -> tuple[str, ...]:
    """Names of the presets."""
    folder = resources.files("stokeswarm.client").joinpath("presets")
    return tuple(sorted(e.name.removesuffix(_SUFFIX) for e in folder.iterdir() if e.name.endswith(_SUFFIX)))


def load_plan(place: str | os.PathLike[str], search: Sequence[str | os.PathLike[str]] = ()) -> Project:
    """A preset, a TOML plan, a control file of SIR or DeSIRe, or a project of their parallel wrapper.

    Parameters
    ----------
    place : str, path or fsspec URL
        The name of a preset (``"assisted"``), or a file that is recognised by what stands in it: a control
        file, an ``initialization.input`` (its folder will do), or else TOML.
    search : sequence of folders
        Where files that the plan names are looked for after the plan's own folder.

    Returns
    -------
    Project

    Raises
    ------
    NotFoundError
        Neither a preset nor a file, or a file that the plan names does not exist.
    PlanError
        The TOML is malformed, or a key is unknown, missing or wrong; the message names it.
    SirFileError
        A control file, or a file of SIR's that the plan names, is malformed.
    """
    name = os.fspath(place)
    if name in preset_names():
        return preset(name)
    try:
        file = source(name)
    except NotFoundError as error:
        names = preset_names()
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the presets are {', '.join(names)}"
        raise NotFoundError(f"plan {name!r}: neither a preset nor a file; {hint}") from error
    if file.is_directory():
        file = file.child(FILE_NAME)
    text = file.read_text()
    if is_wrapper_file(text):
        return load_wrapper_project(file, text, tuple(os.fspath(folder) for folder in search))
    if file.suffix in SUFFIXES or layout_of(text) is not None:
        return read_control_file(file, text, search)
    return parse_plan(text, file.display, file, search)


def as_project(
    plan: Plan | Project | str | os.PathLike[str], search: Sequence[str | os.PathLike[str]] = ()
) -> Project:
    """A project from what a user may hand over: an object, a preset's name, a TOML or a control file.

    Parameters
    ----------
    plan : Plan, Project, str or Path
    search : sequence of folders
        Where files that it names are looked for besides its own folder.
    """
    if isinstance(plan, Project):
        return plan
    if isinstance(plan, Plan):
        return Project(plan)
    return load_plan(plan, search)


def preset(name: str) -> Project:
    """A plan that comes with the package.

    Raises
    ------
    NotFoundError
        There is no preset of that name.
    """
    if name not in preset_names():
        raise NotFoundError(f"preset {name!r} is unknown; there are {', '.join(preset_names())}")
    text = (
        resources.files("stokeswarm.client").joinpath("presets", name + _SUFFIX).read_text(encoding="utf-8")
    )
    return parse_plan(text, f"preset {name}")


def parse_plan(
    text: str,
    name: str,
    file: Source | None = None,
    search: Sequence[str | os.PathLike[str]] = (),
) -> Project:
    """A TOML text as a project.

    Parameters
    ----------
    text, name : str
        Contents, and a name for messages.
    file : Source or None
        Where it lies: files it names are looked for beside it. None = it may name none.
    search : sequence of folders

    Raises
    ------
    PlanError, NotFoundError, SirFileError
        See `load_plan`.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{name}: not valid TOML: {error}") from error
    table = Table(content, name)

    def locate(wanted: str, owner: Table, key: str) -> str:
        """The path of a file that the plan names."""
        candidates = [] if file is None else [file.sibling(wanted)]
        candidates += [source(folder).child(wanted) for folder in search]
        if wanted.startswith("/") or "://" in wanted:
            return source(wanted).name
        for candidate in candidates:
            if candidate.exists():
                return candidate.name
        places = "; ".join(candidate.display for candidate in candidates) or "nowhere (the plan is no file)"
        raise NotFoundError(f"{owner.where}: {key}: no file {wanted!r}; looked for {places}")

    plan = plan_from_table(table, locate)
    start = table.table("start") or Table({}, f"{name} [start]")
    model, files = start.text("model", ""), start.texts("files")
    start.finish()
    if model and files:
        raise start.error("model", "give a model or files, not both")
    stray, observation = table.text("stray_light_profile", ""), table.text("observation", "")
    table.finish()
    profile = None
    if stray:
        found = load(locate(stray, table, "stray_light_profile"), parse_profile)
        if not np.isfinite(found.stokes).all():
            raise table.error("stray_light_profile", "the profile has missing samples")
        profile = found.stokes.astype(np.float32)
    guess = tuple(load(locate(item, start, "files"), parse_model) for item in files)
    try:
        return Project(
            plan=plan,
            guess=guess,
            start=model,
            stray_light_profile=profile,
            observation=locate(observation, table, "observation") if observation else None,
            source=name,
        )
    except InvalidArgumentError as error:
        raise PlanError(f"{name}: {error}") from error


def dump_plan(plan: Plan | Project) -> str:
    """A plan as the text of a TOML file; `parse_plan` of it gives the same plan.

    Of a project the plan and the name of the start are written; guesses and a stray light profile are files
    of their own (see `stokeswarm.contract.sir_files`).
    """
    if isinstance(plan, Project):
        return format_plan(plan.plan, plan.start)
    return format_plan(plan)
