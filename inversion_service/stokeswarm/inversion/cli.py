"""``stokeswarm-inversion``: run the inversion server, list its engines."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Final

from stokeswarm.contract.errors import StokeswarmError
from stokeswarm.contract.inversion import EngineInfo
from stokeswarm.inversion.cores import available_cores
from stokeswarm.inversion.registry import EngineRegistry
from stokeswarm.inversion.server import DEFAULT_PORT, DRAIN_SECONDS, GRACE_SECONDS, ServerSettings, run
from stokeswarm.inversion.servicer import StreamSettings

#: characters of a digest that tell engines apart
DIGEST_SHOWN: Final = 12
LOG_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s [%(threadName)s] %(message)s"


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="stokeswarm-inversion", description="Inverts and synthesises Stokes profiles as a gRPC service"
    )
    top.add_argument("--version", action="version", version=metadata.version("stokeswarm"))
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description='Serves until SIGTERM or SIGINT. Writes READY {"address": "HOST:PORT"} to standard '
        "output once the engines are warm; logs to standard error.",
    )
    listen = serve.add_argument_group("listening")
    listen.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (%(default)s); 0.0.0.0 in a pod"
    )
    listen.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 = any free one (%(default)s)")
    listen.add_argument("--metrics-port", type=int, help="serve Prometheus metrics here; 0 = any free")
    work = serve.add_argument_group("work")
    work.add_argument("--slots", type=int, help="threads that invert (the cores of this process or pod)")
    work.add_argument(
        "--engine",
        action="append",
        default=[],
        metavar="NAME",
        help="serve this engine only; may be given again (all that are found)",
    )
    work.add_argument("--queue", type=int, help="requests open at once (four per slot)")
    work.add_argument(
        "--heartbeat-seconds", type=float, default=5.0, help="silence before a heartbeat (%(default)s)"
    )
    end = serve.add_argument_group("the end")
    end.add_argument(
        "--drain-seconds",
        type=float,
        help="seconds from NOT_SERVING until new calls are refused (5; 0 with --exit-with-parent)",
    )
    end.add_argument(
        "--grace-seconds", type=float, default=GRACE_SECONDS, help="for running calls to end (%(default)s)"
    )
    end.add_argument(
        "--exit-with-parent", action="store_true", help="end when the process that started this one does"
    )
    serve.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))

    engines = commands.add_parser(
        "engines",
        help="list and test the engines",
        description="Engines of this machine: the embedded one, and the codes that STOKESWARM_SIR, "
        "STOKESWARM_DESIRE and STOKESWARM_RH name (an executable or its folder; STOKESWARM_SIR_2015 adds "
        "'sir-2015', and so on). Each runs a self-test of one pixel.",
    )
    engines.add_argument("--no-test", action="store_true", help="only list them, run nothing")
    engines.add_argument(
        "--engine", action="append", default=[], metavar="NAME", help="this one only; may be given again"
    )
    engines.add_argument("--json", action="store_true", help="as JSON, for programs")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point.

    Returns
    -------
    int
        Exit code: 0, or 1 with the reason on standard error; argparse itself exits with 2.
    """
    options = parser().parse_args(arguments)
    try:
        if options.command == "engines":
            return list_engines(options.engine, as_json=options.json, test=not options.no_test)
        configure_logging(options.log_level)
        slots = available_cores() if options.slots is None else options.slots
        drain = options.drain_seconds
        if drain is None:
            # A child's only client is its parent: no load balancer needs time to notice.
            drain = 0.0 if options.exit_with_parent else DRAIN_SECONDS
        settings = ServerSettings(
            host=options.host,
            port=options.port,
            metrics_port=options.metrics_port,
            drain_seconds=drain,
            grace_seconds=options.grace_seconds,
            exit_with_parent=options.exit_with_parent,
            stream=StreamSettings(heartbeat=options.heartbeat_seconds),
        )
        registry = EngineRegistry(slots=slots, only=options.engine)
        ended = run(registry, settings, slots=slots, queue=options.queue)
    except StokeswarmError as error:
        print(f"stokeswarm-inversion: {error}", file=sys.stderr)
        return 1
    if not ended:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)  # see `run`: an ordinary exit would crash in the compiler's own clean-up
    return 0


def configure_logging(level: str) -> None:
    """Log to standard error, one line an event, in UTC."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(LOG_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def list_engines(only: Sequence[str] = (), *, as_json: bool = False, test: bool = True) -> int:
    """Print the engines after their self-test; the exit code is 1 where none can be used."""
    # The table gives the reason in one line; Python's handler of last resort would add a traceback.
    logging.getLogger("stokeswarm.inversion").addHandler(logging.NullHandler())
    registry = EngineRegistry(slots=available_cores(), only=only)
    try:
        if test:
            registry.warm_up()
        infos = registry.infos()
    finally:
        registry.close()
    if as_json:
        print(json.dumps([dataclasses.asdict(info) for info in infos], indent=2))
    else:
        print(table(infos))
    return 0 if any(info.available for info in infos) else 1


def table(infos: Sequence[EngineInfo]) -> str:
    """The engines as aligned columns."""
    rows = [("ENGINE", "VERSION", "DIGEST", "AVAILABLE", "CAN")]
    for info in infos:
        flags = (("invert", info.inverts), ("synthesize", info.synthesizes), ("respond", info.responds))
        can = ",".join(name for name, able in flags if able)
        available = "yes" if info.available else f"no: {info.message}"
        rows.append((info.name, info.version or "-", info.digest[:DIGEST_SHOWN] or "-", available, can))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
