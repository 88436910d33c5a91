"""``stokeswarm status``."""

from __future__ import annotations

from typing import Annotated

import typer

from stokeswarm.client.cli.common import InferenceOption, InversionOption, guarded, out
from stokeswarm.contract.errors import InvalidArgumentError

#: characters of a digest that tell one from another
DIGEST_SHOWN = 12


def status(
    store: Annotated[
        str | None, typer.Argument(metavar="[STORE]", help="Result store, path or URL.", show_default=False)
    ] = None,
    inference: InferenceOption = None,
    inversion: InversionOption = None,
) -> None:
    """Say how far a result store is, or what remote services offer."""
    with guarded():
        if store is None and inference is None and inversion is None:
            raise InvalidArgumentError("status: name a STORE, --inference TARGET or --inversion TARGET")
        if store is not None:
            _of_store(store)
        if inversion is not None:
            _of_inversion(inversion)
        if inference is not None:
            _of_inference(inference)


def _of_store(url: str) -> None:
    from stokeswarm.client.store import ResultStore
    from stokeswarm.client.summary import render, summarize

    found = ResultStore.read(url)
    done = found.done
    state = "complete" if found.complete else "incomplete; continue it with --resume"
    attrs = found.attrs
    lines = (
        f"input:  {attrs.get('observation', {}).get('source') or 'in memory'}",
        f"plan:   {attrs.get('plan', {}).get('name')}, start {attrs.get('start')}",
        f"engine: {attrs.get('engine', {}).get('name')} {attrs.get('engine', {}).get('version')}",
    )
    out.print(render(summarize(found), f"{url}: {done.sum()} of {done.size} tiles, {state}", lines))


def _of_inversion(target: str) -> None:
    from rich.table import Table

    from stokeswarm.client.cluster import connect

    table = Table(title=f"inversion service at {target}", title_justify="left")
    for name in ("engine", "version", "digest", "slots", "state"):
        table.add_column(name)
    with connect(None, target) as cluster:
        for engine in cluster.engines():
            state = "available" if engine.available else f"not available: {engine.message}"
            table.add_row(engine.name, engine.version, engine.digest[:DIGEST_SHOWN], str(engine.slots), state)
    out.print(table)


def _of_inference(target: str) -> None:
    from rich.table import Table

    from stokeswarm.client.cluster import connect

    table = Table(title=f"inference service at {target}", title_justify="left")
    for name in ("network", "version", "digest", "samples", "provider", "state"):
        table.add_column(name)
    with connect(target, None) as cluster:
        for model in cluster.models():
            state = "ready" if model.ready else f"not ready: {model.message}"
            table.add_row(
                model.name,
                model.version,
                model.digest[:DIGEST_SHOWN],
                str(model.wavelength.size),
                model.provider,
                state,
            )
    out.print(table)
