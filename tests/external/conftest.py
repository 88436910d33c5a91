"""Fixtures of the tests that need the real codes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stokeswarm.inversion.engines.sir.engine import PROGRAMS, VARIABLE, SirEngine
from stokeswarm.inversion.external.executable import find


@pytest.fixture(scope="session")
def sir_program() -> Path:
    """The executable of SIR that the environment names."""
    if not os.environ.get(VARIABLE, "").strip():
        pytest.skip(f"{VARIABLE} is not set: it names sir.x, or the folder it is in")
    return find(VARIABLE, PROGRAMS).path


@pytest.fixture(scope="session")
def sir(sir_program: Path) -> Iterator[SirEngine]:
    """The engine on it, its self-test passed."""
    engine = SirEngine()
    engine.warm_up()
    yield engine
    engine.close()
