"""``stokeswarm demo`` and ``stokeswarm sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stokeswarm.client.cli.common import InversionOption, PlanOption, SlotsOption, err, guarded, note, out
from stokeswarm.client.tiles import parse_tile


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the results.")] = Path(
        "demo-output"
    ),
    size: Annotated[
        str | None, typer.Option(metavar="ROWSxCOLUMNS", help="Size of the synthetic region.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small region, for a look.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic region and its noise.")] = 1,
    slots: SlotsOption = None,
) -> None:
    """Invert a synthetic active region with the whole system, compare with the truth, and draw it."""
    with guarded():
        from stokeswarm.client.demo import run_demo

        shape = parse_tile(size) if size else None
        run_demo(output, size=shape, quick=quick, seed=seed, slots=slots)


def sample(
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Atmospheres to draw.")] = 1000,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="Training set, .npz.")
    ] = "training.npz",
    plan: PlanOption = "training",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same set.")] = 0,
    engine: Annotated[str, typer.Option(help="Engine of the inversion service.")] = "lte",
    inversion: InversionOption = None,
    slots: SlotsOption = None,
) -> None:
    """Make a training set: random atmospheres and their synthetic profiles."""
    with guarded():
        from rich.progress import Progress

        from stokeswarm.client.cluster import connect
        from stokeswarm.client.prepare import as_project
        from stokeswarm.client.sampling import sample as draw

        project = as_project(plan)
        with connect(None, inversion, slots) as cluster, Progress(console=err, transient=True) as bar:
            task = bar.add_task("synthesising", total=n)

            def progress(done: int, total: int, failed: int) -> None:
                description = f"synthesising ({failed} failed)" if failed else "synthesising"
                bar.update(task, completed=done, total=total, description=description)

            sampled = draw(cluster, project.plan, n, seed, output, engine=engine, progress=progress)
        out.print(f"{sampled.kept} atmospheres: {sampled.output}", markup=False, highlight=False)
        for reason, count in sampled.reasons:
            note(f"left out {count}: {reason}")
