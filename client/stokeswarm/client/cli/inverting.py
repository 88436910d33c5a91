"""``stokeswarm check`` and ``stokeswarm invert``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stokeswarm.client.cli.common import (
    BAD_INPUT,
    FAILED,
    AxesOption,
    ContinuumOption,
    EngineOption,
    InferenceOption,
    InversionOption,
    MediumOption,
    PlanOption,
    PositionOption,
    SearchOption,
    SlotsOption,
    StokesOrderOption,
    UnitOption,
    err,
    guarded,
    note,
    out,
    resuming,
    say_error,
)
from stokeswarm.client.cli.refining import repair_into, say_repaired

if TYPE_CHECKING:
    from stokeswarm.client.check import Report
    from stokeswarm.client.project import Project
    from stokeswarm.client.readers import Observation

DEFAULT_PLAN = "reference"

ObservationArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[OBS]",
        help="Observation: FITS cube, .npz, SIR .per, Zarr; path or URL. "
        "Not needed where the control file names it.",
        show_default=False,
    ),
]


def check(
    obs: ObservationArgument = None,
    plan: PlanOption = DEFAULT_PLAN,
    search: SearchOption = None,
    axes: AxesOption = "",
    stokes_order: StokesOrderOption = "",
    unit: UnitOption = "",
    medium: MediumOption = "",
    continuum: ContinuumOption = "",
) -> None:
    """Say what an observation and a plan are taken for, and whether they go together. Nothing is computed."""
    with guarded():
        hints = reading_hints(axes, stokes_order, unit, medium, continuum)
        project = load_project(plan, search or ())
        observation = load_observation(project, obs, hints, quiet=True)
        report = _check(observation, project)
        _print_report(report, (*project.notes, *observation.notes))
        if report.errors:
            raise typer.Exit(BAD_INPUT)


def invert(
    obs: ObservationArgument = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="Result store (Zarr), path or URL.")
    ] = "result.zarr",
    plan: PlanOption = DEFAULT_PLAN,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="START",
            help="Where to start: model[:NAME], cnn[:INSTRUMENT], clusters:FILE, previous:URL or "
            "best-of:A,B. Without it: the control file's own guess, else the network that fits, else the "
            "plan's model.",
        ),
    ] = None,
    engine: EngineOption = "",
    all_cycles: Annotated[
        bool, typer.Option("--all-cycles", help="Keep what every cycle made, not only the best.")
    ] = False,
    position: PositionOption = "",
    search: SearchOption = None,
    region: Annotated[
        str | None, typer.Option(metavar="Y0:Y1,X0:X1", help="Only this part of the map.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an output that was interrupted.")
    ] = False,
    inference: InferenceOption = None,
    inversion: InversionOption = None,
    slots: SlotsOption = None,
    assisted_cycles: Annotated[
        int, typer.Option(min=1, help="Cycles that a warm start's inversion runs: the last ones of the plan.")
    ] = 1,
    prior: Annotated[
        bool,
        typer.Option(
            "--prior/--no-prior",
            help="Hold the fit to a network's guess, within its errors, where the profile says nothing.",
        ),
    ] = True,
    gate: Annotated[
        float, typer.Option(help="Reduced chi-square above which a warm start's fit is done again in full.")
    ] = 3.0,
    novelty: Annotated[
        float, typer.Option(help="Novelty above which a network's guess is done again in full.")
    ] = 1.0,
    gate_starts: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Starts that such a pixel may have; it takes the one that looks most like it: model, "
            "model:NAME, guess, mirrored. Without it: model, and models of penumbra, umbra and plage.",
            show_default=False,
        ),
    ] = "",
    gate_tries: Annotated[
        int, typer.Option(min=1, help="Starts that it is inverted from, besides the plan's own model.")
    ] = 1,
    gate_polarity: Annotated[
        bool,
        typer.Option(
            "--gate-polarity/--no-gate-polarity",
            help="Let Stokes V turn a guess of the wrong polarity, and do its fit again in full.",
        ),
    ] = True,
    gate_scout: Annotated[
        bool,
        typer.Option(
            "--gate-scout/--no-gate-scout",
            help="Spare it the full cycles where short ones from that start end at the same chi-square.",
        ),
    ] = True,
    repair: Annotated[
        str | None,
        typer.Option(metavar="REPAIRED", help="Then repair isolated bad pixels, into another store."),
    ] = None,
    tile: Annotated[
        str | None, typer.Option(metavar="ROWSxCOLUMNS", help="Tile; results do not depend on it.")
    ] = None,
    in_flight: Annotated[
        int | None, typer.Option(min=1, help="Tiles on their way at once; two a slot without it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of whatever is random.")] = 0,
    axes: AxesOption = "",
    stokes_order: StokesOrderOption = "",
    unit: UnitOption = "",
    medium: MediumOption = "",
    continuum: ContinuumOption = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Invert an observation: atmospheres, fits, quality flags and provenance go into a Zarr store."""
    with guarded(lambda: resuming(output)), ExitStack() as ends:
        from stokeswarm.client.servers import LocalServers

        name, project = engine, None
        if not name:
            from stokeswarm.client.project import engine_name

            project = load_project(plan, search or ())
            name = engine_name("", project)
        servers = ends.enter_context(LocalServers(slots, (name,)))
        # They become ready while this process imports what it needs and reads the observation.
        if inversion is None:
            servers.begin("inversion")
        if inference is None and init is not None and init.startswith("cnn"):
            servers.begin("inference")
        from stokeswarm.client.cluster import connect
        from stokeswarm.client.gate import DEFAULT_STARTS, Gate, parse_starts
        from stokeswarm.client.neighbours import Rule
        from stokeswarm.client.prepare import Wishes
        from stokeswarm.client.progress import Silent, reporter
        from stokeswarm.client.summary import render, summarize
        from stokeswarm.client.tiles import parse_tile

        hints = reading_hints(axes, stokes_order, unit, medium, continuum)
        project = project or load_project(plan, search or ())
        observation = load_observation(project, obs, hints, quiet=quiet)
        if position:
            project, observation = _place(project, observation, position)
        report = _check(observation, project)
        for text in report.errors:
            say_error(text)
        if report.errors:
            raise typer.Exit(BAD_INPUT)
        if not quiet:
            for text in report.warnings:
                note(f"warning: {text}")
        starts = parse_starts(gate_starts) or DEFAULT_STARTS
        the_gate = Gate(gate, novelty, starts, gate_tries, gate_scout, gate_polarity)
        wishes = Wishes(init, name, the_gate, seed, all_cycles, assisted=assisted_cycles, prior=prior)
        progress = Silent() if quiet else reporter(err)
        with connect(inference, inversion, servers=servers) as cluster:
            if not quiet and inversion is None:
                note("starting the services on this machine …")
            run = cluster.begin(
                observation,
                project,
                output,
                resume=resume,
                region=region,
                tile=parse_tile(tile) if tile else None,
                in_flight=in_flight,
                wishes=wishes,
                reporter=progress,
            )
            for text in () if quiet else run.prepared.notes:
                note(text)
            for _ in run:
                pass
            repaired = None
            if repair:
                progress = Silent() if quiet else reporter(err)
                repaired = repair_into(
                    cluster, output, repair, _placed(project, observation), Rule(chi2=gate),
                    resume=resume, reporter=progress,
                )  # fmt: skip
        summary = summarize(run.store)
        if not quiet:
            lines = (
                f"result: {output}",
                f'open:   xarray.open_datatree("{output}", engine="zarr")',
                f"draw:   stokeswarm plot {output}",
            )
            out.print(render(summary, f"{summary.with_result} of {summary.pixels} pixels inverted", lines))
            if repaired is not None:
                say_repaired(repaired, str(repair))
        if not summary.with_result:
            raise typer.Exit(FAILED)


def reading_hints(axes: str, stokes_order: str, unit: str, medium: str, continuum: str) -> dict[str, Any]:
    """What the user says of a file, for its reader."""
    from stokeswarm.contract.errors import InvalidArgumentError

    level: float | str | None = None
    if continuum:
        try:
            level = continuum if continuum == "map" else float(continuum)
        except ValueError:
            raise InvalidArgumentError(
                f"--continuum: expected a number or map, found {continuum!r}"
            ) from None
    return {"axes": axes, "stokes_order": stokes_order, "unit": unit, "medium": medium, "continuum": level}


def load_project(plan: str, search: Sequence[str]) -> Project:
    """Read the plan."""
    from stokeswarm.client.plan_files import as_project

    return as_project(plan, search)


def load_observation(
    project: Project, obs: str | None, hints: dict[str, Any], *, quiet: bool = False
) -> Observation:
    """Read the observation, and say how it and the plan were understood."""
    from stokeswarm.client.observing import observe

    observation = observe(project, obs, **hints)
    if not quiet:
        note(f"plan: {project.plan.name} ({project.source or project.plan.name})")
        note(f"observation: {observation.recognised or observation.source}")
        for text in (*project.notes, *observation.notes):
            note(f"note: {text}")
    return observation


def _place(project: Project, observation: Observation, position: str) -> tuple[Project, Observation]:
    """Put the pixels where the command line says, whatever the project and the observation say."""
    from dataclasses import replace

    from stokeswarm.client.positions import read_position

    return replace(project, position=read_position(position)), replace(observation, position=None)


def _placed(project: Project, observation: Observation) -> Project:
    """The project with the positions that the observation brings, which a store does not keep."""
    from dataclasses import replace

    return project if observation.position is None else replace(project, position=observation.position)


def _check(observation: Observation, project: Project) -> Report:
    from stokeswarm.client.check import check as check_input

    return check_input(observation, project)


def _print_report(report: Report, notes: tuple[str, ...]) -> None:
    for text in report.facts:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    for text in notes:
        out.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)
    for text in report.warnings:
        out.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)
    for text in report.errors:
        out.print(f"error: {text}", markup=False, highlight=False, soft_wrap=True)
    verdict = "ready to invert" if not report.errors else f"{len(report.errors)} error(s)"
    out.print(verdict, markup=False, highlight=False)
