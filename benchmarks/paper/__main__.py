"""The experiment of Gafeira et al. 2021 (A&A 651, A31) again, on maps that the project makes itself.

Everything is kept in a folder and continued where it was interrupted; ``docs/paper.md`` is written anew after
every experiment that ends. The full size takes hours: ``--only unseen`` is the first thing to look at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from experiments import EXPERIMENTS, Setting
from findings import record
from page import write_page

from stokeswarm.client.cluster import Cluster, connect
from stokeswarm.client.servers import LocalServer
from stokeswarm.client.tiles import parse_tile


def main() -> None:
    """Run what is wanted and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("paper-output"))
    parser.add_argument("--size", default="100x100", help="rows and columns of every map (100x100)")
    parser.add_argument("--only", action="append", choices=EXPERIMENTS, help="this one; may be given again")
    parser.add_argument("--minutes", type=float, default=20.0, help="that a training may take (20)")
    parser.add_argument("--slots", type=int, help="threads (one a core)")
    parser.add_argument("--page", type=Path, default=Path("docs/paper.md"))
    parser.add_argument("--write-only", action="store_true", help="only write the page from what there is")
    options = parser.parse_args()
    folder: Path = options.output
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{(time.monotonic() - began) / 60:6.1f} min  {text}", flush=True)

    with Services(folder, options.slots) as services:
        setting = Setting(folder, parse_tile(options.size), services.cluster, say, options.minutes)
        for name in () if options.write_only else options.only or EXPERIMENTS:
            case = EXPERIMENTS[name](setting)
            if case is not None:
                record(case, folder / "findings" / name)
                write_page(folder, options.page)
                say(f"{name}: done")
    write_page(folder, options.page)


class Services:
    """The two servers on this machine, started when they are needed, and anew when there is a new network."""

    def __init__(self, folder: Path, slots: int | None) -> None:
        self._models = folder / "models"
        self._slots = slots
        self._networks: list[Path] | None = None
        self._ends = ExitStack()
        self._cluster: Cluster | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._ends.close()

    def cluster(self) -> Cluster:
        """A cluster that knows every network there is."""
        networks = sorted(self._models.glob("*/*/model.onnx"))
        if self._cluster is None or networks != self._networks:
            self._ends.close()
            self._models.mkdir(parents=True, exist_ok=True)
            logs = Path(self._ends.enter_context(tempfile.TemporaryDirectory()))
            serve = ("--workers", "1", "--drain-seconds", "0", "--models", str(self._models))
            server = LocalServer("inference", serve, logs)
            self._ends.callback(server.stop)
            self._cluster = self._ends.enter_context(connect(server.address(), None, self._slots))
            self._networks = networks
        return self._cluster


if __name__ == "__main__":
    main()
