"""``stokeswarm cluster`` and ``stokeswarm repair``: better starts before an inversion, and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stokeswarm.client.cli.common import (
    AxesOption,
    ContinuumOption,
    EngineOption,
    InferenceOption,
    InversionOption,
    MediumOption,
    PlanOption,
    SearchOption,
    SlotsOption,
    StokesOrderOption,
    UnitOption,
    err,
    guarded,
    note,
    out,
    resuming,
)

if TYPE_CHECKING:
    from stokeswarm.client.cluster import Cluster
    from stokeswarm.client.neighbours import Rule
    from stokeswarm.client.progress import Reporter
    from stokeswarm.client.project import Project
    from stokeswarm.client.repair import RepairRun


def cluster(
    obs: Annotated[
        str | None,
        typer.Argument(
            metavar="[OBS]", help="Observation: FITS cube, .npz, Zarr; path or URL.", show_default=False
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Classes and their guesses (Zarr), path or URL."),
    ] = "clusters.zarr",
    classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 20,
    features: Annotated[
        str,
        typer.Option(
            metavar="cnn|pca",
            help="What tells profiles apart: a network's features, or principal components. Without it the "
            "network's, where one reads the observation and gives them.",
            show_default=False,
        ),
    ] = "",
    network: Annotated[
        str, typer.Option(metavar="NAME", help="The network; the one that fits without it.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the grouping and of the inversions.")] = 0,
    plan: PlanOption = "reference",
    engine: EngineOption = "",
    search: SearchOption = None,
    inference: InferenceOption = None,
    inversion: InversionOption = None,
    slots: SlotsOption = None,
    axes: AxesOption = "",
    stokes_order: StokesOrderOption = "",
    unit: UnitOption = "",
    medium: MediumOption = "",
    continuum: ContinuumOption = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
) -> None:
    """Group an observation's profiles into classes and invert each one's mean, for --init clusters:FILE."""
    with guarded():
        from stokeswarm.client.cli.inverting import load_observation, load_project, reading_hints
        from stokeswarm.client.cluster import connect
        from stokeswarm.client.clustering import Grouping
        from stokeswarm.client.clusters import refuse_existing
        from stokeswarm.client.prepare import Wishes
        from stokeswarm.client.project import engine_name

        grouping = Grouping(classes, features, network, seed)
        refuse_existing(output)
        hints = reading_hints(axes, stokes_order, unit, medium, continuum)
        project = load_project(plan, search or ())
        observation = load_observation(project, obs, hints, quiet=quiet)
        name = engine_name(engine, project)
        with connect(inference, inversion, slots, engines=(name,)) as services:
            if not quiet and inversion is None:
                note("starting the services on this machine …")
            found = services.classify(
                observation, project, grouping, wishes=Wishes(engine=name, seed=seed)
            )  # fmt: skip
        found.write(output)
        if quiet:
            return
        for text in found.attrs["notes"]:
            note(text)
        for number, (count, chi2) in enumerate(zip(found.count.tolist(), found.chi2.tolist(), strict=True)):
            share = 100.0 * count / int(found.count.sum())
            guess = f"chi2 of its mean {chi2:.3g}" if found.available[number] else "no guess"
            out.print(f"class {number:3d}  {count:8d} pixels  {share:5.1f} %  {guess}", highlight=False)
        out.print(f"classes: {output}", markup=False, highlight=False, soft_wrap=True)
        out.print(
            f"use:     stokeswarm invert OBS --init clusters:{output}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip


def repair(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A finished result store, path or URL.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="REPAIRED", help="The repaired store, path or URL.")
    ] = "repaired.zarr",
    gate: Annotated[
        float,
        typer.Option(help="Reduced chi-square up to which a pixel is good whatever its neighbours are."),
    ] = 3.0,
    ratio: Annotated[
        float, typer.Option(help="A bad pixel's is above this multiple of its good neighbours' median.")
    ] = 2.0,
    neighbours: Annotated[
        int, typer.Option(min=1, max=8, help="Good neighbours, of eight, that a repair needs.")
    ] = 3,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            "-p",
            metavar="PLAN",
            help="Brings what a store does not keep: a profile of stray light, positions on the disc.",
        ),
    ] = None,
    search: SearchOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an output that was interrupted.")
    ] = False,
    inversion: InversionOption = None,
    slots: SlotsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Invert isolated bad pixels of a result again, from their neighbours; the others are copied."""
    with guarded(lambda: resuming(output)):
        from stokeswarm.client.cluster import connect
        from stokeswarm.client.neighbours import Rule
        from stokeswarm.client.plan_files import as_project
        from stokeswarm.client.progress import Silent, reporter
        from stokeswarm.client.store import ResultStore

        rule = Rule(gate, ratio, neighbours)
        project = None if plan is None else as_project(plan, search or ())
        name = ResultStore.read(result).attrs["engine"]["name"]
        with connect(None, inversion, slots, engines=(name,)) as services:
            if not quiet and inversion is None:
                note("starting the inversion service on this machine …")
            progress = Silent() if quiet else reporter(err)
            run = repair_into(services, result, output, project, rule, resume=resume, reporter=progress)
        if not quiet:
            say_repaired(run, output)


def repair_into(
    services: Cluster,
    result: str,
    output: str,
    project: Project | None,
    rule: Rule,
    *,
    resume: bool,
    reporter: Reporter,
) -> RepairRun:
    """Repair a result into another store; a resumed command may not have begun it yet."""
    from stokeswarm.contract.errors import NotFoundError

    def begin(resume: bool) -> RepairRun:
        return services.repair(result, output, plan=project, rule=rule, resume=resume, reporter=reporter)

    try:
        run = begin(resume)
    except NotFoundError:
        if not resume:
            raise
        run = begin(False)
    for text in run.notes:
        note(text)
    for _ in run:
        pass
    return run


def say_repaired(run: RepairRun, output: str) -> None:
    """What a repair did."""
    counts = run.counts()
    text = f"{counts['improved']} of {counts['bad']} isolated bad pixels improved"
    for line in (text, f"repaired: {output}"):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
