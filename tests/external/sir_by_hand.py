"""SIR run by hand: in a fresh folder, with files as its users write them, and no part of the engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: positions of a control file's lines
CYCLES, PROFILE, STRAY, PSF, GRID, LINES, ABUNDANCES, MODEL_1, MODEL_2 = range(9)
FIRST_NODES = 14


def control(example: Path, changes: Mapping[int, str]) -> str:
    """A control file with other values on some lines."""
    lines = example.read_text(encoding="utf-8").splitlines()
    for number, value in changes.items():
        label = lines[number].partition(":")[0]
        lines[number] = f"{label}:{value}"
    return "\n".join(lines) + "\n"


def run(program: Path, folder: Path, files: Mapping[str, Path | str]) -> str:
    """Run SIR on files: name → where it is, or its text.

    Returns
    -------
    str
        What it wrote. Its exit code is 0 whatever happened, which is asserted.
    """
    folder.mkdir()
    for name, content in files.items():
        if isinstance(content, Path):
            shutil.copyfile(content, folder / name)
        else:
            (folder / name).write_text(content, encoding="utf-8")
    (name,) = (name for name in files if name.endswith(".trol"))
    done = subprocess.run(
        [program], input=f"{name}\n", cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0
    return done.stdout + done.stderr
