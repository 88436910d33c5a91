"""Control files of SIR and DeSIRe as projects, recognised by what stands in them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from stokeswarm.client.control_fields import DESIRE, layout_of
from stokeswarm.client.control_inputs import NOTHING, Elsewhere
from stokeswarm.client.dtrol import DesireReading
from stokeswarm.client.project import Project
from stokeswarm.client.sir_control import SirReading
from stokeswarm.client.sources import Source, source

#: a file so named is a control file, whatever is wrong with it
DESIRE_SUFFIX: Final = ".dtrol"
SUFFIXES: Final = (".trol", DESIRE_SUFFIX)


def load_control_file(path: str | os.PathLike[str], search: Sequence[str | os.PathLike[str]] = ()) -> Project:
    """Read a control file and everything it names.

    Parameters
    ----------
    path : path or fsspec URL
        Of SIR (42 lines) or DeSIRe (45).
    search : sequence of folders
        Where the named files are looked for after the control file's own folder.

    Returns
    -------
    Project
        Its notes say how the control file was understood.

    Raises
    ------
    NotFoundError
        The control file, or a file it names, does not exist.
    SirFileError
        A line is malformed or asks for what has no counterpart; the message names it.
    PlanError
        The plan that comes out contradicts itself.
    """
    file = source(path)
    return read_control_file(file, file.read_text(), search)


def read_control_file(
    file: Source,
    text: str,
    search: Sequence[str | os.PathLike[str]] = (),
    elsewhere: Elsewhere = NOTHING,
) -> Project:
    """The same, of a file whose text is at hand.

    Parameters
    ----------
    file, text, search
        See `load_control_file`.
    elsewhere : Elsewhere
        What it gets otherwise than from files that it names.
    """
    layout = layout_of(text)
    desire = layout is DESIRE or (layout is None and file.suffix == DESIRE_SUFFIX)
    reading = DesireReading if desire else SirReading
    folders = tuple(os.fspath(folder) for folder in search)
    return reading(file, text, folders, elsewhere).project()


def inverts(text: str) -> bool:
    """Whether a control file asks for inversion cycles, by its first line; no check of the rest."""
    found = re.search(r":\s*(-?\d+)", text.partition("\n")[0])
    return found is not None and int(found[1]) > 0
