"""Fixtures shared by every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The reference data (golden SIR output, maps, observations); a test that needs it skips without it."""
    place = Path(os.environ.get("STOKESWARM_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (place / "golden").is_dir():
        pytest.skip(f"reference data not found at {place} (set STOKESWARM_DATA)")
    return place
