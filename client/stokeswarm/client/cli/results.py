"""``stokeswarm plot``, ``stokeswarm export`` and ``stokeswarm compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stokeswarm.client.cli.common import guarded, out

StoreArgument = Annotated[str, typer.Argument(metavar="STORE", help="Result store, path or URL.")]


def plot(
    store: StoreArgument,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="PNG, PDF or SVG; beside the store without it.")
    ] = None,
    log_tau: Annotated[
        str, typer.Option(metavar="LIST", help="Depths of the maps, log10 tau at 5000 angstrom.")
    ] = "0,-1,-2",
    pixel: Annotated[
        str | None,
        typer.Option(metavar="Y,X", help="Instead of maps: profiles, fit and atmosphere of this pixel."),
    ] = None,
    title: Annotated[str, typer.Option(help="Title of the maps.")] = "",
) -> None:
    """Draw maps of T, v, B, inclination and azimuth, or one pixel with its fit."""
    with guarded():
        from stokeswarm.client.plots import plot_maps, plot_pixel

        stem = store.rstrip("/").rsplit("/", 1)[-1].removesuffix(".zarr") if "://" in store else None
        base = Path(stem) if stem else Path(store.removesuffix("/")).with_suffix("")
        if pixel is None:
            depths = [_number(text, "--log-tau") for text in log_tau.split(",")]
            found = plot_maps(store, output or f"{base}.png", depths, title)
        else:
            y, x = _pair(pixel)
            found = plot_pixel(store, y, x, output or f"{base}-{y}-{x}.png")
        out.print(str(found), markup=False, highlight=False, soft_wrap=True)


def export(
    store: StoreArgument,
    output: Annotated[str | None, typer.Option("--output", "-o", help="FITS file; beside the store.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write the result as FITS: one extension a quantity, with BTYPE, BUNIT and the input's WCS."""
    with guarded():
        from stokeswarm.client.export import export_fits

        place = output or f"{store.rstrip('/').rsplit('/', 1)[-1].removesuffix('.zarr')}.fits"
        found = export_fits(store, Path(place), overwrite=overwrite)
        out.print(str(found), markup=False, highlight=False, soft_wrap=True)


def compare(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="Result store, path or URL; or atmospheres in an .npz.")
    ],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Another result of the same map.")],
    truth: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What the map really is: .npz or .mod atmospheres, or a store."),
    ] = None,
    log_tau: Annotated[
        str, typer.Option(metavar="LIST", help="Depths, log10 tau at 5000 angstrom.")
    ] = "0,-1,-2",
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write comparison.json and figures there."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    min_polarisation: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SIGMA",
            help="Judge field and angles once more where the polarisation exceeds this.",
        ),
    ] = 5.0,
    reached_noise: Annotated[
        bool,
        typer.Option(
            "--reached-noise",
            help="Tables and histograms of the pixels where REF's reduced chi2 is at most 1.5 x its median.",
        ),
    ] = False,
) -> None:
    """Say how two results of one map differ: correlations, errors, fits, cost, and the worst pixels."""
    with guarded():
        from stokeswarm.client.comparison import load
        from stokeswarm.client.comparison.measure import measure
        from stokeswarm.client.comparison.outcome import ALL, REACHED_NOISE
        from stokeswarm.client.comparison.report import as_json, write_report
        from stokeswarm.client.comparison.table import render
        from stokeswarm.contract.errors import InvalidArgumentError

        depths = tuple(_number(text, "--log-tau") for text in log_tau.split(","))
        pair = load(reference, other, truth, depths)
        found = measure(pair, min_polarisation)
        selection = REACHED_NOISE if reached_noise else ALL
        if selection not in found.pixels:
            raise InvalidArgumentError(f"--reached-noise: {reference} has no chi-square to judge by")
        written = () if output is None else write_report(pair, found, output, selection)
        if json:
            typer.echo(as_json(found))
            return
        out.print(render(found, selection))
        for path in written:
            out.print(str(path), markup=False, highlight=False, soft_wrap=True)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint=option) from None


def _pair(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter(f"{text!r}: expected Y,X, for example 12,7", param_hint="--pixel")
    return int(parts[0]), int(parts[1])
