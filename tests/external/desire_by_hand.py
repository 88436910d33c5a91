"""DeSIRe run by hand, as its users do: in a folder two levels below ``var``, from a control file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

VARIABLE = "STOKESWARM_DESIRE"


@dataclass(frozen=True, slots=True)
class Shipped:
    """The installation that the environment names, with its examples."""

    program: Path
    root: Path

    @classmethod
    def find(cls) -> Shipped:
        """The installation; the test is skipped, saying so, where there is none or without the examples."""
        value = os.environ.get(VARIABLE, "").strip()
        if not value:
            pytest.skip(f"{VARIABLE} is not set: it names the executable, or its folder")
        path = Path(value).absolute()
        program = path / "bin" / "desire" if path.is_dir() else path
        root = program.parent.parent
        for part in ("var", "run/example"):
            if not (root / part).is_dir():
                pytest.skip(f"{root} has no folder {part}")
        return cls(program, root)

    def example(self, name: str, folder: Path, label: str = "") -> Example:
        """A copy of an example, in a tree of DeSIRe's own shape."""
        place = folder / (label or name) / "run" / name
        shutil.copytree(self.root / "run" / name, place)
        (place.parent.parent / "var").symlink_to(self.root / "var")
        for left in [*place.glob("guess_*"), *place.glob("*.chi"), *place.glob("*.log")]:
            left.unlink()
        return Example(place, self.program)


@dataclass(frozen=True, slots=True)
class Example:
    """An example that can be changed and run."""

    folder: Path
    program: Path
    edits: dict[str, str] = field(default_factory=dict)

    def control(self, name: str, values: Mapping[str, str]) -> Path:
        """Change lines of a control file: beginning of the label → value."""
        path = self.folder / name
        lines = path.read_text().splitlines()
        for label, value in values.items():
            rows = [i for i, line in enumerate(lines) if line.startswith(label)]
            assert len(rows) == 1, f"{label}: {rows}"
            lines[rows[0]] = f"{lines[rows[0]].partition(':')[0]}: {value}"
        path.write_text("\n".join(lines) + "\n")
        return path

    def replace(self, name: str, pattern: str, value: str) -> None:
        """Change a file by regular expression, which must be found."""
        path = self.folder / name
        text, count = re.subn(pattern, value, path.read_text())
        assert count, f"{name}: {pattern} not found"
        path.write_text(text)

    def run(self, control: str) -> str:
        """Run DeSIRe on a control file; what it said."""
        done = subprocess.run(
            [str(self.program), control], cwd=self.folder, capture_output=True, text=True, check=True
        )
        assert "TERMINATING" not in done.stdout
        return done.stdout

    def read(self, name: str) -> str:
        """A file."""
        return (self.folder / name).read_text()
