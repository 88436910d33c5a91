"""``stokeswarm-inference serve | models | train``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import InvalidArgumentError, NotFoundError, StokeswarmError
from stokeswarm.contract.instrument import instrument
from stokeswarm.contract.status import ContinuumReference
from stokeswarm.inference.lifecycle import DEFAULT_PORT, DRAIN_SECONDS, GRACE_SECONDS
from stokeswarm.inference.settings import ARCHITECTURES, TrainSettings

#: exit codes: a wrong input is the user's to mend, everything else ours
_FAILED: Final = 1
_BAD_INPUT: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        code: int = options.run(options)
    except (StokeswarmError, ValueError) as error:
        sys.stderr.write(f"stokeswarm-inference: {error}\n")
        return _BAD_INPUT if isinstance(error, (InvalidArgumentError, ValueError)) else _FAILED
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stokeswarm-inference",
        description="Guesses atmospheres from Stokes profiles with pre-trained networks.",
    )
    parser.add_argument("--version", action="version", version=metadata.version("stokeswarm"))
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_models(commands)
    _add_train(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="what stderr gets (%(default)s)",
    )
    return parser


def _add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="model repository (DIR/INSTRUMENT/VERSION/model.onnx + card.json); repeatable, later ones win",
    )
    parser.add_argument("--no-bundled", action="store_true", help="leave out the models of the package")
    parser.add_argument("--require-gpu", action="store_true", help="fail where a model runs on the CPU")
    parser.add_argument(
        "--threads", type=int, default=1, help="ONNX Runtime threads inside one request (%(default)s)"
    )
    parser.add_argument(
        "--batch", type=int, default=0, help="rows of one call (0: 32 on a CPU, 1024 on a GPU)"
    )


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "serve", "Run the gRPC server until SIGTERM.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 = any free one (%(default)s)")
    _add_repository(parser)
    parser.add_argument("--workers", type=int, default=0, help="requests computed at a time (0: one a core)")
    parser.add_argument("--queue", type=int, default=-1, help="requests waiting (-1: four per worker)")
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=argparse.SUPPRESS,
        help="from NOT_SERVING until the socket closes (5; 0 with --exit-with-parent)",
    )
    parser.add_argument(
        "--grace-seconds", type=float, default=GRACE_SECONDS, help="for running calls to end (%(default)s)"
    )
    parser.add_argument(
        "--metrics-port",
        type=int,
        default=argparse.SUPPRESS,
        help="serve Prometheus metrics here ; 0 = any free one",
    )
    parser.add_argument("--exit-with-parent", action="store_true", help="end when the parent process is gone")
    parser.set_defaults(run=_serve)


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "models", "List the models that a server would offer; 1 if one is broken.")
    _add_repository(parser)
    parser.add_argument("--json", action="store_true", help="the cards of those that are ready, as JSON")
    parser.set_defaults(run=_models, log_level="error")


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    default = TrainSettings()
    parser = _command(
        commands, "train", "Train a network on a set of `stokeswarm sample` (needs the `train` extra)."
    )
    parser.add_argument("dataset", metavar="DATASET", help="training set: a Zarr group (path or URL) or .npz")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="model repository")
    parser.add_argument("--instrument", required=True, help="name of the model, e.g. hinode-sp")
    parser.add_argument("--version", default="1", help="version of the model (%(default)s)")
    parser.add_argument(
        "--replace", action="store_true", help="replace a model that is there; forget an unfinished training"
    )
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished training")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="checkpoints and loss curve (OUTPUT/.training/NAME-VERSION)"
    )
    parser.add_argument(
        "--architecture",
        default=default.architecture,
        choices=tuple(ARCHITECTURES),
        help="our own, or that of Gafeira et al. 2021 (%(default)s)",
    )
    parser.add_argument("--epochs", type=int, default=default.epochs, help="at most (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=default.minutes, help="stop after so much wall time (no limit)"
    )
    parser.add_argument(
        "--patience", type=int, default=default.patience, help="epochs without progress (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="of everything random (%(default)s)")
    parser.add_argument(
        "--noise", type=float, help=f"1 sigma, of the continuum (the instrument's, or {default.noise:g})"
    )
    parser.add_argument(
        "--validation",
        type=float,
        default=default.validation,
        help="share held out for validation, and again for the test (%(default)s)",
    )
    parser.add_argument(
        "--no-symmetries",
        action="store_true",
        help="do not teach that the frame may be turned and mirrored",
    )
    parser.add_argument(
        "--one-class", action="store_true", help="the training set is meant to hold one class only"
    )
    parser.add_argument("--width", type=int, default=default.width, help="of a dense layer (%(default)s)")
    parser.add_argument("--blocks", type=int, default=default.blocks, help="residual ones (%(default)s)")
    parser.add_argument("--filters", type=int, default=0, help="of each convolution (32; paper: 64)")
    parser.add_argument("--batch-size", type=int, default=0, help="profiles a step (128; paper: 64)")
    parser.add_argument("--learning-rate", type=float, default=0.0, help="at first (0.003; paper: 0.002)")
    parser.add_argument("--threads", type=int, default=default.threads, help="TensorFlow's (%(default)s)")
    parser.add_argument(
        "--nodes",
        type=float,
        nargs="+",
        default=list(default.log_tau),
        metavar="LOGTAU",
        help="log tau of the output nodes, deepest first (1.2 … -4.0, ten)",
    )
    parser.add_argument(
        "--also-accept",
        action="append",
        default=[],
        choices=[reference.value for reference in ContinuumReference],
        help="a further continuum reference that requests may have; repeatable",
    )
    parser.add_argument(
        "--licence", default="BSD-3-Clause", help="of the trained model, for its card (%(default)s)"
    )
    parser.set_defaults(run=_train)


def _serve(options: argparse.Namespace) -> int:
    from stokeswarm.inference.server import ServerOptions, serve
    from stokeswarm.inference.session import SessionOptions

    # A child's only client is its parent: no load balancer needs time to notice.
    usual = 0.0 if options.exit_with_parent else DRAIN_SECONDS
    serve(
        ServerOptions(
            host=options.host,
            port=options.port,
            models=tuple(options.models),
            bundled=not options.no_bundled,
            workers=options.workers,
            queue=options.queue,
            drain_seconds=getattr(options, "drain_seconds", usual),
            grace_seconds=options.grace_seconds,
            exit_with_parent=options.exit_with_parent,
            metrics_port=getattr(options, "metrics_port", None),
            session=SessionOptions(options.threads, options.require_gpu, options.batch),
        )
    )
    return 0


def _models(options: argparse.Namespace) -> int:
    from stokeswarm.inference.predictor import Predictor
    from stokeswarm.inference.repository import Repository, default_roots
    from stokeswarm.inference.session import SessionOptions

    roots = default_roots(options.models, bundled=not options.no_bundled)
    session = SessionOptions(options.threads, options.require_gpu, options.batch)
    models = Predictor(Repository(roots), session).models
    broken = [model.info() for model in models if model.session is None]
    if options.json:
        cards = [json.loads(model.info().card) for model in models if model.session is not None]
        sys.stdout.write(json.dumps(cards, indent=1, ensure_ascii=False) + "\n")
        return _FAILED if broken or not models else 0
    head = ("MODEL", "VERSION", "STATE", "PROVIDER", "SAMPLES", "NODES", "REFERENCE", "SHA256")
    rows: list[tuple[str, ...]] = [head]
    for info in (model.info() for model in models):
        row = [info.name, info.version, "ready" if info.ready else "broken", info.provider or "-"]
        if info.digest:
            row += [str(info.wavelength.size), str(info.log_tau.size), info.reference.value, info.digest[:12]]
        rows.append((*row, *["-"] * (len(head) - len(row))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for line in rows:
        sys.stdout.write("  ".join(map(str.ljust, line, widths)).rstrip() + "\n")
    for info in broken:
        sys.stdout.write(f"{info.name}/{info.version}: {info.message}\n")
    return _FAILED if broken or not models else 0


def _noise_of(name: str) -> float:
    """The noise that an instrument typically reaches; that of the default settings where it is not known."""
    try:
        return instrument(name).noise
    except NotFoundError:
        return TrainSettings().noise


def _train(options: argparse.Namespace) -> int:
    from stokeswarm.inference.train import train

    settings = TrainSettings(
        architecture=options.architecture,
        epochs=options.epochs,
        minutes=options.minutes,
        patience=options.patience,
        seed=options.seed,
        noise=_noise_of(options.instrument) if options.noise is None else options.noise,
        symmetries=not options.no_symmetries,
        validation=options.validation,
        width=options.width,
        blocks=options.blocks,
        filters=options.filters,
        batch=options.batch_size,
        learning_rate=options.learning_rate,
        threads=options.threads,
        log_tau=tuple(options.nodes),
    )
    train(
        options.dataset,
        options.output,
        options.instrument,
        options.version,
        settings,
        also_accept=tuple(ContinuumReference(name) for name in options.also_accept),
        licence=options.licence,
        replace=options.replace,
        resume=options.resume,
        one_class=options.one_class,
        work=options.work,
        report=lambda line: print(line, flush=True),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
