"""The documentation is true where a machine can tell: links lead somewhere, named options exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stokeswarm.contract.atmosphere import SCALAR, STRATIFIED

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "changes" / "README.md"])
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
KINDS = ("added", "changed", "fixed", "removed")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / t).resolve() for t in re.findall(r"\]\(([^)#:]+)\)", index.read_text("utf-8"))}
    assert {page for page in PAGES if "docs" in page.parts and page != index} <= linked


def documented_options() -> Iterator[tuple[str, tuple[str, ...]]]:
    """(command, options that the reference page names)."""
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        options = re.findall(r"^\| `(-[a-z-]+)` \|", section, re.MULTILINE)
        yield section.split("\n")[0].strip("`"), tuple(options)


@pytest.mark.parametrize(("command", "options"), list(documented_options()))
def test_documented_commands_and_options_exist(command: str, options: tuple[str, ...]) -> None:
    script, subcommand = command.split()
    module, function = SCRIPTS[script].split(":")
    call = f"import sys; from {module} import {function}; sys.exit({function}())"
    # wide and plain, or a help page may cut an option in two
    environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", call, subcommand, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    offered = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", done.stdout))
    assert set(options) <= offered


def test_the_store_page_names_every_quantity() -> None:
    text = (ROOT / "docs" / "reference" / "store.md").read_text(encoding="utf-8")
    assert [name for name in (*STRATIFIED, *SCALAR) if f"`{name}`" not in text] == []


def test_news_fragments_have_a_kind() -> None:
    for path in (ROOT / "changes").glob("*.md"):
        if path.name != "README.md":
            assert path.name.split(".")[1] in KINDS
            assert path.read_text(encoding="utf-8").strip()
