"""The commands' names and their order; each imports what it needs only when it runs."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from stokeswarm.client.cli.inverting import check, invert
from stokeswarm.client.cli.making import demo, sample
from stokeswarm.client.cli.refining import cluster, repair
from stokeswarm.client.cli.results import compare, export, plot
from stokeswarm.client.cli.synthesizing import synthesize
from stokeswarm.client.cli.watching import status

app = typer.Typer(
    name="stokeswarm",
    help="CNN-assisted Stokes inversion of solar spectra, on this machine or on a cluster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stokeswarm {metadata.version('stokeswarm')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[  # handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """CNN-assisted Stokes inversion of solar spectra, on this machine or on a cluster."""


for command in (demo, check, invert, cluster, repair, synthesize, sample, compare, plot, export, status):
    app.command()(command)


def main() -> None:
    """Entry point of ``stokeswarm``."""
    app()
