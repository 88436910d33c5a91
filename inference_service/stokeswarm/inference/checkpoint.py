"""A training's work folder: what it needs to go on after it was killed, and its loss curve.

``checkpoint.npz``
    After every epoch, replaced in one step: weights, optimiser, seeds of the layers, the best weights so
    far and the history. What else is random depends on the seed and the number of the epoch alone, so a
    training that goes on ends where an uninterrupted one does, bit for bit (on the same machine, with as
    many threads).
``loss.csv``, ``loss.svg``
    The history as a table and as a drawing.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stokeswarm.contract.errors import FailedPreconditionError, InvalidArgumentError, OutputExistsError
from stokeswarm.inference import curves

CHECKPOINT: Final = "checkpoint.npz"
TABLE: Final = "loss.csv"
DRAWING: Final = "loss.svg"
#: the training sets and settings of two trainings that are one
_FORMAT: Final = "stokeswarm training 1"

Array = npt.NDArray[Any]


@dataclass(slots=True)
class Progress:
    """Where a training stands.

    Attributes
    ----------
    epoch : int
        Finished ones.
    best_epoch : int
    seconds : float
        Of training so far.
    history : list of curves.Epoch
    state : list of ndarray
        Variables of network and optimiser, in Keras's order.
    best : list of ndarray
        Weights of the network after the best epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[curves.Epoch] = field(default_factory=list)
    state: list[Array] = field(default_factory=list)
    best: list[Array] = field(default_factory=list)


class WorkFolder:
    """Where a training keeps its state.

    Parameters
    ----------
    path : Path
        Made if needed.
    identity : mapping
        What must be the same when a training goes on; plain JSON.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(dict(identity)))

    def open(self, *, resume: bool, begin_anew: bool = False) -> Progress:
        """Begin, or go on.

        Parameters
        ----------
        resume : bool
            Go on; a training that has not finished its first epoch begins.
        begin_anew : bool
            Forget an unfinished training.

        Raises
        ------
        OutputExistsError
            There is an unfinished training, and nobody said what to do with it.
        InvalidArgumentError
            It cannot be resumed: other settings or another training set; the message names what differs.
        FailedPreconditionError
            The folder cannot be made.
        """
        file = self.path / CHECKPOINT
        if file.exists() and resume:
            return self._load(file)
        if file.exists() and not begin_anew:
            raise OutputExistsError(
                f"{self.path} holds an unfinished training; go on with --resume, or begin anew with --replace"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in (CHECKPOINT, TABLE, DRAWING):
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise FailedPreconditionError(f"{self.path}: {error.strerror or error}") from None
        return Progress()

    def save(self, progress: Progress) -> None:
        """Keep the state after an epoch, and draw its history."""
        described = {
            "format": _FORMAT,
            "identity": self._identity,
            "epoch": progress.epoch,
            "best_epoch": progress.best_epoch,
            "seconds": progress.seconds,
            "history": [asdict(epoch) for epoch in progress.history],
        }
        arrays: dict[str, Array] = {"described": np.array(json.dumps(described))}
        arrays |= {f"state-{number}": values for number, values in enumerate(progress.state)}
        arrays |= {f"best-{number}": values for number, values in enumerate(progress.best)}
        part = self.path / f".{CHECKPOINT}.part"
        with part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # its flag is not among these names
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / CHECKPOINT)
        for name, text in (
            (TABLE, curves.table(progress.history)),
            (DRAWING, curves.drawing(progress.history)),
        ):
            part = self.path / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(self.path / name)

    def finish(self) -> None:
        """Forget the state of a training that has become a model; its curve stays."""
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def _load(self, file: Path) -> Progress:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("not a complete .npz archive")
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            described = json.loads(str(arrays.pop("described")))
            progress = Progress(
                epoch=int(described["epoch"]),
                best_epoch=int(described["best_epoch"]),
                seconds=float(described["seconds"]),
                history=[curves.Epoch(**epoch) for epoch in described["history"]],
                state=_numbered(arrays, "state"),
                best=_numbered(arrays, "best"),
            )
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InvalidArgumentError(
                f"{file}: not a checkpoint ({error}); begin anew with --replace"
            ) from None
        found = described.get("identity", {})
        differs = sorted(k for k in {**found, **self._identity} if found.get(k) != self._identity.get(k))
        if described.get("format") != _FORMAT or differs:
            name = differs[0] if differs else "format"
            raise InvalidArgumentError(
                f"{self.path}: the unfinished training is another one: {name} was {found.get(name)!r}, now "
                f"{self._identity.get(name)!r}; give the same training set and options, or --replace"
            )
        return progress


def _numbered(arrays: Mapping[str, Array], name: str) -> list[Array]:
    count = sum(key.startswith(f"{name}-") for key in arrays)
    return [arrays[f"{name}-{number}"] for number in range(count)]
