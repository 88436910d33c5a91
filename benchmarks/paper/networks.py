"""Networks that the experiment trains itself: the paper's, on an inverted map, and one of a narrow world."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

#: command that trains, where TensorFlow is in another environment than this one
COMMAND = "STOKESWARM_TRAIN"
#: depth by which the polarity of an atmosphere is told
LINE_FORMING = -1.0


def trainer() -> list[str]:
    """The training command; empty where TensorFlow is not at hand."""
    given = os.environ.get(COMMAND, "")
    if given:
        return shlex.split(given)
    beside = Path(sys.executable).with_name("stokeswarm-inference")
    done = subprocess.run(  # our own interpreter
        [sys.executable, "-c", "import tensorflow, tf2onnx"], capture_output=True, check=False
    )
    return [str(beside)] if done.returncode == 0 else []


def train(
    dataset: Path, name: str, folder: Path, say: Callable[[str], None], options: tuple[str, ...]
) -> bool:
    """Train a network, unless it is there; returns whether it is.

    Parameters
    ----------
    dataset : Path
    name : str
        Of the model, in the experiment's own repository.
    folder : Path
    say : callable
    options : tuple of str
        Of ``stokeswarm-inference train``.
    """
    repository = folder / "models"
    if (repository / name / "1" / "model.onnx").exists():
        return True
    command = trainer()
    if not command:
        say(f"network {name}: not trained, TensorFlow is not installed here (set {COMMAND})")
        return False
    say(f"training {name} on {dataset}")
    work = repository / ".training" / f"{name}-1"
    resume = ("--resume",) if work.exists() else ()
    done = subprocess.run(  # noqa: S603  # a command of the user's own
        [*command, "train", str(dataset), "-o", str(repository), "--instrument", name, *options, *resume],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        say(f"network {name}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
        return False
    return True


def one_polarity(source: Path, target: Path) -> Path:
    """The atmospheres of a training set whose field points towards us, as a training set of their own."""
    if target.exists():
        return target
    root = zarr.open_group(str(source), mode="r")
    arrays = {name: np.asarray(array[...]) for name, array in root.arrays()}
    depth = int(np.abs(arrays["log_tau"] - LINE_FORMING).argmin())
    rows = arrays["inclination"][:, depth] < 90.0
    chosen = {
        name: values[rows] if values.shape[:1] == rows.shape else values for name, values in arrays.items()
    }
    part = target.with_suffix(".part.npz")
    np.savez(part, allow_pickle=False, reference=np.array(str(root.attrs["reference"])), **chosen)
    shutil.move(part, target)
    return target
