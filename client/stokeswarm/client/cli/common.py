"""What the commands share: options, consoles, and errors as one clear line with an exit code."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
from rich.console import Console

from stokeswarm.contract.errors import (
    AccessDeniedError,
    CancelledByCallerError,
    InvalidArgumentError,
    NotFoundError,
    OutputExistsError,
    StokeswarmError,
    UnsupportedError,
)

FAILED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
TERMINATED: Final = 143
#: errors that the user mends by asking differently
_USER: Final = (InvalidArgumentError, NotFoundError, OutputExistsError, AccessDeniedError, UnsupportedError)

#: results and answers
out = Console(soft_wrap=False)
#: progress, notes and errors
err = Console(stderr=True)

AxesOption = Annotated[
    str,
    typer.Option(
        "--axes",
        metavar="ORDER",
        help="Order of the cube's axes, slowest first, e.g. yxsw (s: Stokes, w: wavelength).",
    ),
]
StokesOrderOption = Annotated[
    str, typer.Option("--stokes-order", metavar="IQUV", help="Order of the Stokes parameters.")
]
UnitOption = Annotated[str, typer.Option("--unit", metavar="UNIT", help="Unit of the wavelengths, e.g. nm.")]
MediumOption = Annotated[
    str, typer.Option("--medium", metavar="air|vacuum", help="Medium the wavelengths were measured in.")
]
ContinuumOption = Annotated[
    str,
    typer.Option(
        "--continuum",
        metavar="LEVEL|map",
        help="What intensities in counts are divided by: a number, or map for the map's own continuum.",
    ),
]

PlanOption = Annotated[
    str,
    typer.Option(
        "--plan",
        "-p",
        metavar="PLAN",
        help="Preset name, TOML file, control file of SIR (.trol) or DeSIRe (.dtrol), or a project's "
        "initialization.input.",
        show_default=True,
    ),
]
SearchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        metavar="FOLDER",
        help="Where files that the plan names are looked for besides its own folder; may be given again.",
        show_default=False,
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Engine of the inversion service: lte, sir, desire, rh, or another installation of theirs, such "
        "as sir-2015. Without it the one that the plan is written for, else lte.",
        show_default=False,
    ),
]
PositionOption = Annotated[
    str,
    typer.Option(
        "--position",
        metavar="X,Y|FILE",
        help="Place on the disc in solar radii (X west, Y north): of all pixels, from a .coor file, or of "
        "each pixel from the array position of an .npz.",
        show_default=False,
    ),
]
InferenceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TARGET", help="Inference service, host:port. Without it one starts here if needed."
    ),
]
InversionOption = Annotated[
    str | None,
    typer.Option(metavar="TARGET", help="Inversion service, host:port. Without it one starts here."),
]
SlotsOption = Annotated[
    int | None, typer.Option(min=1, help="Threads of the local inversion server; all cores without it.")
]


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that servers and stores are closed on the way out."""


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Terminated


@contextmanager
def guarded(hint: Callable[[], str] = str) -> Iterator[None]:
    """Turn what a user may meet into one line on standard error and an exit code.

    Exit codes: 2 = the input is at fault, 1 = something failed, 130 = Ctrl-C, 143 = SIGTERM.

    Parameters
    ----------
    hint : callable () -> str
        What to do after an interruption; empty = nothing to say.
    """
    before = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        yield
    except (KeyboardInterrupt, _Terminated, CancelledByCallerError) as error:
        advice = hint()
        say_error(f"interrupted; {advice}" if advice else "interrupted")
        code = TERMINATED if isinstance(error, _Terminated) else INTERRUPTED
        raise typer.Exit(code) from None
    except _USER as error:
        say_error(str(error))
        raise typer.Exit(BAD_INPUT) from None
    except StokeswarmError as error:
        say_error(text_of(error))
        raise typer.Exit(FAILED) from None
    except OSError as error:
        say_error(f"{error.filename or 'the system'}: {error.strerror or error}")
        raise typer.Exit(FAILED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def resuming(output: str) -> str:
    """How to go on with an output that was interrupted; empty where there is none yet."""
    begun = "://" in output or Path(output).exists()
    return f"the complete tiles are kept: run again with --resume to continue {output}" if begun else ""


def text_of(error: BaseException) -> str:
    """An error's message; of an OSError without the number in front."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def say_error(text: str) -> None:
    """One error line."""
    err.print(f"[bold red]error:[/] {_escaped(text)}", highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """One line of information, on standard error: standard output is for results."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
