"""The model repository: ``<root>/<instrument>/<version>/{model.onnx, card.json}``.

The models that come with the package are always there; further roots add to them, and a model of the same
name and version in a later root replaces the earlier one. A model that cannot be used is kept in the list
with the reason, so that nobody has to search a log for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from stokeswarm.inference.card import Card, check_name, check_version

MODEL_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"
#: protobuf, and so ONNX without external data, ends at 2 GiB; a start network is a few MiB
MAX_MODEL_BYTES: Final = 512 * 2**20
MAX_CARD_BYTES: Final = 8 * 2**20
#: the models that come with the package: wheels are installed unpacked, so they are plain files
BUNDLED: Final = Path(__file__).with_name("models")

_LOG = logging.getLogger(__name__)


class ModelError(FailedPreconditionError):
    """A model exists but cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the repository.

    Attributes
    ----------
    name, version : str
    folder : Path
    card : Card or None
        None where it cannot be read.
    problem : str
        Why the model cannot be used; empty where nothing is known against it.
    """

    name: str
    version: str
    folder: Path
    card: Card | None
    problem: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """Sorting key: name, then version as a number."""
        return self.name, int(self.version) if self.version.isdigit() else 0

    def read_model(self) -> bytes:
        """The ONNX file's bytes, checked against the card's digest.

        The session is made from these very bytes: what was hashed is what runs, and ONNX Runtime cannot
        follow references to other files.

        Raises
        ------
        ModelError
            The model is broken, unreadable, too large, or not the file that the card describes.
        """
        if self.card is None or self.problem:
            raise ModelError(self.problem or f"{self.folder}: no card")
        data = _read(self.folder / MODEL_FILE, MAX_MODEL_BYTES)
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.card.digest:
            raise ModelError(
                f"{self.folder / MODEL_FILE}: sha256 is {digest}, the card describes {self.card.digest}"
            )
        return data


class Repository:
    """The models found under some roots.

    Parameters
    ----------
    roots : sequence of Path
        Later ones win.

    Raises
    ------
    NotFoundError
        A root is not a folder.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        found: dict[tuple[str, str], Entry] = {}
        for root in roots:
            if not root.is_dir():
                raise NotFoundError(f"model repository: {root} is not a folder")
            for entry in _scan(root):
                found[entry.name, entry.version] = entry
                if entry.problem:
                    _LOG.warning("model %s/%s: %s", entry.name, entry.version, entry.problem)
        self.entries = tuple(sorted(found.values(), key=lambda entry: entry.key))


def default_roots(extra: Sequence[Path] = (), *, bundled: bool = True) -> tuple[Path, ...]:
    """The package's own models, then the caller's roots."""
    own = (BUNDLED,) if bundled and BUNDLED.is_dir() else ()
    return (*own, *extra)


def _scan(root: Path) -> Iterator[Entry]:
    for model in _folders(root):
        for version in _folders(model):
            yield _inspect(model.name, version)


def _folders(parent: Path) -> list[Path]:
    # A Kubernetes volume holds hidden folders of its own ("..data"), Python its caches.
    hidden = (".", "__")
    try:
        children = sorted(parent.iterdir())
    except OSError as error:
        _LOG.warning("model repository: %s: %s", parent, error.strerror)
        return []
    return [path for path in children if path.is_dir() and not path.name.startswith(hidden)]


def _inspect(name: str, folder: Path) -> Entry:
    try:
        check_name(name)
        check_version(folder.name)
        if not (folder / MODEL_FILE).is_file():
            raise ModelError(f"{folder}: {MODEL_FILE} is missing")
        card = _read_card(folder / CARD_FILE)
        if (card.instrument, card.version) != (name, folder.name):
            raise ModelError(
                f"{folder / CARD_FILE}: describes {card.instrument}/{card.version}, "
                f"expected {name}/{folder.name}"
            )
    except (ModelError, InvalidArgumentError) as error:
        return Entry(name, folder.name, folder, None, str(error))
    return Entry(name, folder.name, folder, card)


def _read_card(path: Path) -> Card:
    try:
        return Card.from_json(_read(path, MAX_CARD_BYTES).decode())
    except UnicodeDecodeError:
        raise ModelError(f"{path}: not UTF-8 text") from None
    except InvalidArgumentError as error:
        raise ModelError(f"{path}: {error}") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelError(f"{path}: {size} bytes, at most {limit}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
