"""``stokeswarm demo`` and ``stokeswarm sample``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stokeswarm.client.cli.common import (
    EngineOption,
    InversionOption,
    PlanOption,
    SearchOption,
    SlotsOption,
    err,
    guarded,
    note,
    out,
)
from stokeswarm.contract.errors import InvalidArgumentError

if TYPE_CHECKING:
    from stokeswarm.contract.plan import Plan


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
        from stokeswarm.client.tiles import parse_tile

        shape = parse_tile(size) if size else None
        run_demo(output, size=shape, quick=quick, seed=seed, slots=slots)


def sample(
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="Atmospheres to draw.")] = 1000,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="Training set, Zarr: a path or URL.")
    ] = "training.zarr",
    plan: PlanOption = "training",
    instrument: Annotated[
        str, typer.Option(metavar="NAME", help="Lines, sampling and PSF of this instrument, not the plan's.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same set.")] = 0,
    mu: Annotated[
        str, typer.Option(metavar="LOW,HIGH", help="Cosines of the heliocentric angle, evenly drawn.")
    ] = "0.2,1",
    log_gf_spread: Annotated[
        float,
        typer.Option(
            "--log-gf-spread", metavar="DEX", help="Vary the lines' log gf by this much (1 sigma, per 256)."
        ),
    ] = 0.0,
    classes: Annotated[
        str, typer.Option(metavar="A,B", help="Draw from these only: quiet, network, plage, …")
    ] = "",
    result: Annotated[
        str,
        typer.Option("--from", metavar="RESULT", help="Take the pixels of an inverted map; draw nothing."),
    ] = "",
    profiles: Annotated[str, typer.Option(help="With --from: observed profiles, or the fit.")] = "observed",
    max_chi2: Annotated[
        float, typer.Option("--max-chi2", help="With --from: leave out pixels fitted worse than this.")
    ] = 10.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a set that was interrupted.")] = False,
    engine: EngineOption = "",
    search: SearchOption = None,
    inversion: InversionOption = None,
    slots: SlotsOption = None,
) -> None:
    """Make a training set: random atmospheres and their synthetic profiles, or the pixels of a result."""
    with guarded():
        from rich.progress import Progress

        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("sampling", total=None)

            def progress(done: int, total: int, failed: int) -> None:
                description = f"sampling ({failed} replaced)" if failed else "sampling"
                bar.update(task, completed=done, total=total, description=description)

            if result:
                from stokeswarm.client.inverted_set import Selection, from_result

                made = from_result(result, output, Selection(profiles, max_chi2), progress=progress)
                note(f"{made.replaced} pixels of the map are left out")
            else:
                from stokeswarm.client.cluster import connect
                from stokeswarm.client.plan_files import as_project
                from stokeswarm.client.project import engine_name
                from stokeswarm.client.random_atmospheres import POPULATIONS, Recipe
                from stokeswarm.client.sampling import sample as draw

                low, high = _two(mu)
                chosen = tuple(part.strip() for part in classes.split(",") if part.strip())
                recipe = Recipe(n, seed, chosen or tuple(POPULATIONS), (low, high), log_gf_spread)
                project = as_project(plan, search or ())
                wanted = _seen_by(project.plan, instrument)
                name = engine_name(engine, project)
                with connect(None, inversion, slots, engines=(name,)) as cluster:
                    made = draw(
                        cluster, wanted, recipe, output, engine=name, resume=resume, progress=progress
                    )
                for reason, count in made.reasons:
                    note(f"replaced {count}: {reason}")
        out.print(f"{made.n} atmospheres: {made.output}", markup=False, highlight=False)


def _two(text: str) -> tuple[float, float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        values *= 2
    if len(values) != 2:
        raise InvalidArgumentError(f"--mu {text!r}: expected one number or LOW,HIGH, such as 0.2,1")
    return values[0], values[1]


def _seen_by(plan: Plan, name: str) -> Plan:
    """The plan with an instrument's regions and noise in the place of its own."""
    if not name:
        return plan
    from stokeswarm.contract.instrument import instrument as instrument_of

    known = instrument_of(name)
    return replace(plan, name=name, regions=known.regions, noise=(known.noise,) * 4)
