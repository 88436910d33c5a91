"""``stokeswarm synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stokeswarm.client.cli.common import (
    FAILED,
    InversionOption,
    PlanOption,
    SlotsOption,
    guarded,
    note,
    out,
    say_error,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stokeswarm.client.project import Project
    from stokeswarm.contract.inversion import SynthesizeResults


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
    engine: Annotated[str, typer.Option(help="Engine of the inversion service.")] = "lte",
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
        import numpy as np

        from stokeswarm.client.cluster import connect
        from stokeswarm.client.prepare import as_project
        from stokeswarm.client.sir_files import load, parse_model
        from stokeswarm.client.synthesis import profiles
        from stokeswarm.contract.errors import InvalidArgumentError, OutputExistsError
        from stokeswarm.contract.inversion import SynthesizeRequest

        path = Path(output)
        if path.suffix not in (".per", ".npz"):
            raise InvalidArgumentError(f"output {output}: expected a name that ends in .per or .npz")
        if path.exists() and not overwrite:
            raise OutputExistsError(f"output {output} exists already; name another, or add --overwrite")
        project = as_project(plan)
        for text in project.notes:
            note(f"note: {text}")
        atmosphere = tuple(load(model, parse_model) for model in models or ()) or project.guess
        if not atmosphere:
            raise InvalidArgumentError("no model atmosphere given, and the plan names none")
        wavelength = _wavelength(project)
        request = SynthesizeRequest(
            engine=engine,
            plan=project.plan,
            atmosphere=atmosphere,
            pixel=np.zeros(1, np.int64),
            wavelength=wavelength,
            stray_light_profile=project.stray_light_profile,
            hydrostatic=hydrostatic,
        )
        with connect(None, inversion, slots) as cluster:
            results = profiles(cluster.synthesize, request)
        if not results.status[0].has_result:
            say_error(f"{results.status[0].name}: {results.message[0]}")
            raise typer.Exit(FAILED)
        _write(path, project, wavelength, results)
        out.print(f"{wavelength.size} wavelengths: {output}", markup=False, highlight=False)


def _wavelength(project: Project) -> npt.NDArray[np.float64]:
    """The plan's grid, or that of the profiles that the control file names."""
    from stokeswarm.client.readers import read

    if all(region.step for region in project.plan.regions) or project.observation is None:
        return project.plan.wavelength
    return read(project.observation, plan=project.plan).wavelength


def _write(
    path: Path, project: Project, wavelength: npt.NDArray[np.float64], results: SynthesizeResults
) -> None:
    import numpy as np

    from stokeswarm.client.sir_files import format_profile, profile_from_spectra

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".per":
        path.write_text(format_profile(profile_from_spectra(project.plan, wavelength, results.stokes[0])))
        return
    np.savez(
        path,
        stokes=results.stokes[None],
        wavelength=wavelength,
        reference=np.array(str(project.plan.reference)),
    )
