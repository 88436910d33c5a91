"""``stokeswarm synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stokeswarm.client.cli.common import (
    FAILED,
    EngineOption,
    InversionOption,
    PlanOption,
    PositionOption,
    SearchOption,
    SlotsOption,
    guarded,
    note,
    out,
    say_error,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stokeswarm.client.chosen import Chosen
    from stokeswarm.client.project import Project
    from stokeswarm.contract.inversion import SynthesizeResults

#: failures that are said one by one
SAID = 5


def synthesize(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]…",
            help="Model atmosphere (.mod); a second one is the second component. Not needed where the "
            "control file names it.",
            show_default=False,
        ),
    ] = None,
    plan: PlanOption = "reference",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT", help="Profiles: .per (SIR) or .npz.")
    ] = "profiles.per",
    engine: EngineOption = "",
    mu: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Cosines of the heliocentric angle, e.g. 1.0,0.6,0.3: one profile each, into an .npz. "
            "Without it the plan's.",
            show_default=False,
        ),
    ] = "",
    position: PositionOption = "",
    search: SearchOption = None,
    hydrostatic: Annotated[
        bool,
        typer.Option(
            "--hydrostatic",
            help="Recompute the electron pressure from the top gas pressure, even where given.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    inversion: InversionOption = None,
    slots: SlotsOption = None,
) -> None:
    """Synthesise Stokes profiles from a model atmosphere."""
    with guarded():
        from dataclasses import replace

        import numpy as np

        from stokeswarm.client.chosen import everywhere, of_map, of_models
        from stokeswarm.client.cluster import connect
        from stokeswarm.client.plan_files import as_project
        from stokeswarm.client.positions import read_position
        from stokeswarm.client.project import engine_name
        from stokeswarm.client.sources import load
        from stokeswarm.client.synthesis import profiles
        from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
        from stokeswarm.contract.inversion import SynthesizeRequest
        from stokeswarm.contract.sir_files import parse_model

        path = Path(output)
        if path.suffix not in (".per", ".npz"):
            raise InvalidArgumentError(f"output {output}: expected a name that ends in .per or .npz")
        if path.exists() and not overwrite:
            raise OutputExistsError(f"output {output} exists already; name another, or add --overwrite")
        project = as_project(plan, search or ())
        rays = _rays(mu)
        if rays is not None and path.suffix == ".per" and rays.size > 1:
            raise InvalidArgumentError(f"output {output}: a .per holds one ray; name an .npz for --mu {mu}")
        for text in project.notes:
            note(f"note: {text}")
        atmosphere = tuple(load(model, parse_model) for model in models or ())
        if not atmosphere and project.atmospheres is not None:
            chosen = of_map(project, rays, path)
        else:
            chosen = of_models(atmosphere or project.guess, project, rays)
        if position:
            chosen = replace(chosen, position=everywhere(read_position(position), len(chosen)))
        wavelength = _wavelength(project)
        request = SynthesizeRequest(
            engine=engine_name(engine, project),
            plan=project.plan,
            atmosphere=chosen.atmosphere,
            pixel=np.arange(len(chosen)),
            wavelength=wavelength,
            mu=chosen.mu,
            stray_light_profile=project.stray_light_profile,
            hydrostatic=hydrostatic,
            position=chosen.position,
        )
        with connect(None, inversion, slots, engines=(request.engine,)) as cluster:
            results = profiles(cluster.synthesize, request)
        lost = [i for i, status in enumerate(results.status) if not status.has_result]
        for i in lost[:SAID]:
            say_error(f"{chosen.labels(i)}{results.status[i].name}: {results.message[i]}")
        if len(lost) > SAID:
            say_error(f"and {len(lost) - SAID} more")
        if len(lost) == len(chosen):
            raise typer.Exit(FAILED)
        _write(path, project, chosen, wavelength, results)
        out.print(f"{wavelength.size} wavelengths: {output}", markup=False, highlight=False)
        if lost:
            raise typer.Exit(FAILED)


def _rays(text: str) -> npt.NDArray[np.float64] | None:
    """The rays of ``--mu``, None where none are given."""
    import numpy as np

    from stokeswarm.contract.errors import InvalidArgumentError

    if not text:
        return None
    try:
        rays = np.array([float(part) for part in text.split(",")])
    except ValueError:
        rays = np.array([np.nan])
    if not ((rays > 0) & (rays <= 1)).all():
        raise InvalidArgumentError(f"--mu {text!r}: expected numbers in (0, 1], for example 1.0,0.6,0.3")
    return rays


def _wavelength(project: Project) -> npt.NDArray[np.float64]:
    """The plan's grid, or that of the profiles that the control file names."""
    from stokeswarm.client.readers import read

    if all(region.n_wavelength for region in project.plan.regions) or project.observation is None:
        return project.plan.wavelength
    return read(project.observation, plan=project.plan).wavelength


def _write(
    path: Path,
    project: Project,
    chosen: Chosen,
    wavelength: npt.NDArray[np.float64],
    results: SynthesizeResults,
) -> None:
    """Profiles as ``.per``, or as an archive: stokes (1, mu, 4, wavelength), or (y, x, 4, wavelength)."""
    import numpy as np

    from stokeswarm.contract.sir_files import format_profile, profile_from_spectra

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".per":
        path.write_text(format_profile(profile_from_spectra(project.plan, wavelength, results.stokes[0])))
        return
    arrays: dict[str, Any] = {
        "stokes": chosen.arranged(results.stokes),
        "wavelength": wavelength,
        "reference": np.array(str(project.plan.reference)),
        "medium": np.array("vacuum" if project.plan.vacuum else "air"),
    }
    if chosen.rays is not None:
        arrays["mu"] = chosen.rays
    np.savez(path, allow_pickle=False, **arrays)
