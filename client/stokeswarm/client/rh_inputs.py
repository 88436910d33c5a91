"""RH's input files, as DeSIRe's users keep them: ``keyword.input``, ``atoms.input``, ``molecules.input``.

The formats are those of RH (Uitenbroek 2001, ApJ 557, 389): what follows ``#`` is a comment, keywords are
``NAME = value``, model files are listed after their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from stokeswarm.contract.errors import PlanError
from stokeswarm.contract.options import AtomModel
from stokeswarm.contract.sir_files import SirFileError
from stokeswarm.contract.sir_files.text import integer

_COMMENT: Final = "#"
#: an entry of a list: file, whether active, how its populations begin, and perhaps where they are kept
_ENTRY: Final = 3
_ACTIVE: Final = ("ACTIVE", "PASSIVE")


def parse_keywords(text: str, name: str) -> dict[str, str]:
    """The keywords of a ``keyword.input``.

    Parameters
    ----------
    text, name : str
        Contents, and file name for messages.

    Returns
    -------
    dict
        Keyword → value as it is written, in the file's order.

    Raises
    ------
    SirFileError
        With the line number, where a line is not ``NAME = value`` or a keyword occurs twice.
    """
    found: dict[str, str] = {}
    for count, line in _content(text):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key or not value:
            raise SirFileError(f"{name}: line {count}: expected KEYWORD = value, found {line!r}")
        if key in found:
            raise SirFileError(f"{name}: line {count}: keyword {key} occurs twice")
        found[key] = value
    return found


def parse_models(text: str, name: str, extension: str) -> tuple[AtomModel, ...]:
    """The models of an ``atoms.input`` or ``molecules.input``.

    Parameters
    ----------
    text, name : str
        Contents, and file name for messages.
    extension : str
        Of the model files, ``".atom"`` or ``".molecule"``; folder and extension are left out of the names.

    Raises
    ------
    SirFileError
        With the line number, where the list is not as RH has it, or a model has no counterpart.
    """
    rows = list(_content(text))
    if not rows:
        raise SirFileError(f"{name}: list of models: the file holds no number of models")
    count, first = rows[0]
    number = integer(first.split()[0], f"{name}: line {count}", "number of models")
    if len(rows) - 1 < number:
        raise SirFileError(f"{name}: list of models: expected {number} models, found {len(rows) - 1}")
    models = []
    for count, row in rows[1 : number + 1]:
        where = f"{name}: line {count}"
        fields = row.split()
        if len(fields) < _ENTRY or fields[1] not in _ACTIVE:
            raise SirFileError(
                f"{where}: expected model file, {' or '.join(_ACTIVE)} and initial solution, found {row!r}"
            )
        file = fields[0].replace("\\", "/").rsplit("/", 1)[-1]
        try:
            models.append(AtomModel(file.removesuffix(extension), fields[1] == _ACTIVE[0], fields[2]))
        except PlanError as error:
            raise SirFileError(f"{where}: {error}") from error
    return tuple(models)


def _content(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without comments and blank ones."""
    for count, line in enumerate(text.splitlines(), start=1):
        told = line.split(_COMMENT, 1)[0].strip()
        if told:
            yield count, told
