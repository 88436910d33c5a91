"""The stand-in for SIR, for tests of external engines without their codes.

Tests are no package, so the modules of its folder are loaded from their files, once, under the names
``standin_commands``, ``standin_installing`` and ``standin_scene``; test modules of this folder import them by
these.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "standin"


def _load(name: str) -> None:
    label = f"standin_{name}"
    if label in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(label, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[label] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[label])


_load("commands")
_load("installing")
_load("scene")


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Any]:
    """A stand-in of this test's own; nothing of it may be alive in the end."""
    made = sys.modules["standin_installing"].install(tmp_path / "standin")
    yield made
    left = made.alive()
    assert not left, f"processes of the stand-in outlived the test: {left}"
