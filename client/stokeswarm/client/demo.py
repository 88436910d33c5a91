"""The demonstration: a region whose truth is known, observed by an imaginary Hinode/SP, inverted, compared.

Nothing is short-cut: the profiles come from the inversion service's `Synthesize`, get the spectrograph's PSF
and noise, are written to a file, and that file goes through reader, network, inversion service and store like
any observation.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from stokeswarm.client.active_region import CLASSES, ActiveRegion, active_region
from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.plan_files import as_project
from stokeswarm.client.plots import plot_comparison, plot_maps, plot_pixel
from stokeswarm.client.prepare import Wishes
from stokeswarm.client.progress import reporter
from stokeswarm.client.project import DEFAULT_ENGINE, Project
from stokeswarm.client.readers import read
from stokeswarm.client.sampling import synthesize_all
from stokeswarm.client.summary import Summary, render
from stokeswarm.client.truth import DEPTHS, QUANTITIES, Error, compare
from stokeswarm.contract.errors import DataLossError, OutputExistsError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.plan import Plan

INSTRUMENT: Final = "hinode-sp"
PRESET: Final = "assisted"
#: about a minute on two cores once the kernels are compiled
DEFAULT_SIZE: Final = (20, 30)
QUICK_SIZE: Final = (12, 18)
#: what marks a folder as the demo's own, which a later run may replace
MARK: Final = "demo.json"
_STORE: Final = "result.zarr"
_FILES: Final = ("observation.npz", "truth.npz", "maps.png", "comparison.png", "pixel.png", MARK)


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demonstration did.

    Attributes
    ----------
    output : Path
        Folder of its files.
    shape : tuple of int
        (ny, nx).
    summary : dict
        Of the run, as the store holds it.
    errors : tuple of Error
        Result against truth.
    """

    output: Path
    shape: tuple[int, int]
    summary: dict[str, object]
    errors: tuple[Error, ...]

    @property
    def store(self) -> Path:
        """The result store."""
        return self.output / _STORE


def demo_project(mu: float = 1.0) -> Project:
    """The preset ``assisted`` of the spectrograph, seen at an angle.

    Parameters
    ----------
    mu : float
        Cosine of the heliocentric angle.
    """
    project = as_project(PRESET)
    return replace(project, plan=replace(project.plan, mu=mu))


def run_demo(
    output: str | Path = "demo-output",
    *,
    size: tuple[int, int] | None = None,
    quick: bool = False,
    seed: int = 1,
    slots: int | None = None,
    init: str | None = None,
    cluster: Cluster | None = None,
    console: Console | None = None,
) -> Demo:
    """Run the demonstration and say what happens.

    Parameters
    ----------
    output : path
        Folder; made where it is missing. What an earlier demonstration left in it is replaced; a folder that
        holds anything else is refused.
    size : (int, int), optional
        (ny, nx); None = `DEFAULT_SIZE`, or `QUICK_SIZE` where ``quick``.
    quick : bool
        A smaller map.
    seed : int
        Of the region and the noise.
    slots : int, optional
        Threads of the local inversion server; None = one a core.
    init : str, optional
        Start, as of ``stokeswarm invert``; None = the network that knows the wavelengths.
    cluster : Cluster, optional
        Services to use; None = local ones, ended afterwards.
    console : Console, optional

    Returns
    -------
    Demo

    Raises
    ------
    OutputExistsError
        The folder holds something else than an earlier demonstration.
    StokeswarmError
        A service could not start, or the inversion failed as a whole.
    """
    say = console or Console()
    folder = Path(output)
    _clear(folder)
    ny, nx = size or (QUICK_SIZE if quick else DEFAULT_SIZE)
    region = active_region(ny, nx, seed)
    (folder / MARK).write_text("{}\n")
    project = demo_project(region.mu)
    plan = project.plan
    say.print(
        f"[bold]1[/] a synthetic active region of {ny} × {nx} pixels, μ = {region.mu:.2f}: {_parts(region)}"
    )
    services: AbstractContextManager[Cluster] = (
        nullcontext(cluster) if cluster else connect(slots=slots, engines=(DEFAULT_ENGINE,))
    )
    with services as pool:
        with say.status("starting the inversion server, synthesising the profiles") as status:

            def progress(done: int, total: int, failed: int) -> None:
                status.update(f"synthesising: {done} of {total} pixels, {failed} failed")

            _observe(region, plan, pool, folder, seed, progress)
        say.print(
            f"[bold]2[/] its profiles, as {instrument(INSTRUMENT).title} would see them: PSF, noise of "
            f"{plan.noise[0]:g} of the continuum, {plan.wavelength.size} wavelengths"
        )
        observation = read(folder / "observation.npz")
        say.print(f"[bold]3[/] inverting {folder / 'observation.npz'} with the plan {plan.name}")
        run = pool.begin(
            observation, project, folder / _STORE, wishes=Wishes(init=init, seed=seed), reporter=reporter(say)
        )
        for note in run.prepared.notes:
            say.print(f"  {note}", markup=False, highlight=False)
        for _ in run:
            pass
        summary = run.store.attrs["summary"]
    errors = compare(folder / _STORE, region.atmosphere, plan.noise)
    _draw(folder, region, errors)
    result = Demo(folder, region.shape, summary, errors)
    (folder / MARK).write_text(
        json.dumps(
            {"seed": seed, "shape": [ny, nx], "summary": summary, "errors": [asdict(e) for e in errors]}
        )
        + "\n"
    )
    _conclude(say, result)
    return result


def _clear(folder: Path) -> None:
    """Make the folder, and take an earlier demonstration away."""
    if folder.exists():
        if not folder.is_dir():
            raise OutputExistsError(f"{folder}: is a file; name another folder for the demonstration")
        if any(folder.iterdir()) and not (folder / MARK).is_file():
            raise OutputExistsError(
                f"{folder}: holds files that are not an earlier demonstration's; name another folder"
            )
        if (folder / _STORE).exists():
            shutil.rmtree(folder / _STORE)
        for name in _FILES:
            (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def _parts(region: ActiveRegion) -> str:
    counts = [(name, int((region.classes == number).sum())) for number, name in enumerate(CLASSES)]
    return ", ".join(f"{name} {count}" for name, count in counts if count)


def _observe(
    region: ActiveRegion,
    plan: Plan,
    cluster: Cluster,
    folder: Path,
    seed: int,
    progress: Callable[[int, int, int], None],
) -> None:
    """Synthesise the region, add noise, and write observation and truth."""
    stokes, used, message = synthesize_all(cluster, plan, region.atmosphere, progress=progress)
    failed = [reason for reason in message if reason]
    if len(failed) == len(message):
        raise DataLossError(f"none of the {len(message)} pixels could be synthesised: {failed[0]}")
    ny, nx = region.shape
    cube = stokes.reshape(ny, nx, 4, -1)
    noise = np.random.default_rng([seed, 2]).standard_normal(cube.shape).astype(np.float32)
    sigma = np.asarray(plan.noise, dtype=np.float32)
    observed: npt.NDArray[np.float32] = cube + sigma[:, None] * noise
    np.savez(
        folder / "observation.npz",
        stokes=observed,
        wavelength=plan.wavelength,
        reference=np.array(str(plan.reference)),
        noise=sigma,
    )
    truth = {
        name: values.reshape(ny, nx, *values.shape[1:]).astype(np.float32)
        for name, values in used.arrays().items()
    }
    np.savez(
        folder / "truth.npz",
        allow_pickle=False,
        log_tau=used.log_tau,
        classes=region.classes,
        class_names=np.array(CLASSES),
        mu=np.array(region.mu),
        stokes=cube,
        **truth,
    )


def _draw(folder: Path, region: ActiveRegion, errors: tuple[Error, ...]) -> None:
    store = folder / _STORE
    plot_maps(store, folder / "maps.png", title="stokeswarm: inversion of a synthetic active region")
    rms = {error.quantity: error.rms for error in errors if error.log_tau == -1.0}
    plot_comparison(store, region.atmosphere, folder / "comparison.png", title="log τ = −1", rms=rms)
    y, x = _telling_pixel(region)
    plot_pixel(store, y, x, folder / "pixel.png", truth=region.atmosphere)


def _telling_pixel(region: ActiveRegion) -> tuple[int, int]:
    """The penumbral pixel with the strongest flow: inclined field, asymmetric profiles."""
    speed = np.abs(region.atmosphere.velocity[:, 12]).reshape(region.shape)
    speed = np.where(region.classes == CLASSES.index("penumbra"), speed, -1.0)
    y, x = np.unravel_index(int(np.argmax(speed)), region.shape)
    return int(y), int(x)


def _conclude(say: Console, demo: Demo) -> None:
    """Print the summary, the errors and where the files are."""
    say.print()
    say.print(render(Summary(**demo.summary), "inversion"))  # type: ignore[arg-type]
    table = Table(title="\nrms of result − truth", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for depth in DEPTHS:
        table.add_column(f"log τ {depth:+.0f}".replace("-", "−").replace("+0", "0"), justify="right")
    table.add_column("pixels", justify="right")
    for quantity in QUANTITIES:
        row = [error for error in demo.errors if error.quantity == quantity]
        cells = [f"{error.rms:.3g} {error.unit}" for error in row]
        table.add_row(quantity.replace("_", " "), *cells, str(row[0].pixels))
    say.print(table)
    say.print("field and angles are judged where the polarisation exceeds 5 σ", style="dim")
    say.print(f"\nfiles in [bold]{demo.output}[/]:")
    for name, what in (
        ("comparison.png", "truth, inversion and their difference"),
        ("maps.png", "the inversion at three depths"),
        ("pixel.png", "a penumbral pixel: fit and stratification"),
        (_STORE, "the whole result, for xarray.open_datatree"),
        ("observation.npz", "what was inverted: stokeswarm invert reads it"),
        ("truth.npz", "what the region really is"),
    ):
        say.print(f"  {name:<16} {what}", highlight=False)
