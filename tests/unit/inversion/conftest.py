"""Fixtures of the inversion service's unit tests."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def scripted() -> ModuleType:
    """The module with the scripted engine (tests are no package, so it is loaded from its file)."""
    name = "stokeswarm_tests_scripted"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("scripted.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def make_core(scripted: ModuleType) -> Iterator[Callable[..., Any]]:
    """Makes cores; their pools are closed in the end, and every slot must return."""
    cores = []

    def make(engine: Any, slots: int = 2, **pool: Any) -> Any:
        cores.append(scripted.core(engine, slots, **pool))
        return cores[-1]

    yield make
    for core in cores:
        assert core.pool.close(scripted.PATIENCE)
