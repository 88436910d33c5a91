"""The house itself: what the wheel holds, namespace, layers, stubs, and the Makefile's first words."""

from __future__ import annotations

import ast
import configparser
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: top folder → components of the namespace that it holds
COMPONENTS = {
    "protos": ("v1", "contract"),
    "client": ("client",),
    "inference_service": ("inference",),
    "inversion_service": ("inversion",),
}
#: component → components that it may import besides itself
LAYERS: dict[str, tuple[str, ...]] = {
    "v1": (),
    "contract": ("v1",),
    "client": ("v1", "contract"),
    "inference": ("v1", "contract"),
    "inversion": ("v1", "contract"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def folder(component: str) -> Path:
    (top,) = (top for top, names in COMPONENTS.items() if component in names)
    return ROOT / top / "stokeswarm" / component


def sources() -> Iterator[Path]:
    """Every file of the package, relative to its source root."""
    for top in COMPONENTS:
        root = ROOT / top
        for path in sorted((root / "stokeswarm").rglob("*")):
            inner = path.relative_to(root)
            # what tools leave behind is ignored by git, and so by the build
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inner.parts):
                yield inner


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    place = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = place.glob("stokeswarm-*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {path.as_posix() for path in sources()}
    assert {tuple(name.split("/"))[:2] for name in names} == {("stokeswarm", name) for name in LAYERS}
    assert "stokeswarm/__init__.py" not in names


def test_the_wheel_is_typed_and_licensed(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert all(f"stokeswarm/{component}/py.typed" in names for component in LAYERS)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_three_commands_are_installed(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(name).decode())
    assert dict(parser["console_scripts"]) == PROJECT["scripts"]
    assert set(PROJECT["scripts"]) == {"stokeswarm", "stokeswarm-inference", "stokeswarm-inversion"}


def test_every_module_of_the_contract_imports_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    modules = [
        ".".join(path.with_suffix("").parts)
        for path in sources()
        if path.suffix == ".py" and path.parts[1] in ("v1", "contract")
    ]
    script = (
        "import importlib, sys\n"
        f"sys.path[:] = [{str(tmp_path)!r}, *(p for p in sys.path if not p.startswith({str(ROOT)!r} + '/')"
        " or 'site-packages' in p)]\n"
        f"for name in {modules!r}:\n"
        f"    assert importlib.import_module(name).__file__.startswith({str(tmp_path)!r}), name\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_namespace_has_no_init() -> None:
    for top in COMPONENTS:
        assert not (ROOT / top / "stokeswarm" / "__init__.py").exists()
        assert not list((ROOT / top).glob("*.py")), f"no module belongs directly below {top}"
        found = {path.name for path in (ROOT / top / "stokeswarm").iterdir() if path.name != "__pycache__"}
        assert found == set(COMPONENTS[top])


@pytest.mark.parametrize("component", LAYERS)
def test_the_layers_hold(component: str) -> None:
    allowed = {component, *LAYERS[component]}
    for path in sorted(folder(component).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            used = {name.split(".")[1] for name in names if name.startswith("stokeswarm.")}
            assert used <= allowed, f"{path.relative_to(ROOT)}:{node.lineno} imports {used - allowed}"


@pytest.mark.parametrize("command", sorted(PROJECT["scripts"]))
def test_commands_start_without_what_only_some_need(command: str) -> None:
    module = PROJECT["scripts"][command].split(":")[0]
    heavy = ("tensorflow", "keras", "tf2onnx", "matplotlib")
    script = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_the_stubs_are_those_of_the_protos(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools generates the stubs")
    place = ROOT / "protos" / "stokeswarm" / "v1"
    protos = sorted(place.glob("*.proto"))
    arguments = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT / "protos"), *arguments]
    subprocess.run([*command, *map(str, protos)], check=True, capture_output=True)
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "stokeswarm" / "v1").iterdir()}
    for proto in protos:
        if "\nservice " not in proto.read_text(encoding="utf-8"):
            del fresh[f"{proto.stem}_pb2_grpc.py"]
    kept = {path.name: path.read_bytes() for path in place.glob("*_pb2*.py*")}
    assert sorted(kept) == sorted(fresh)
    stale = [name for name in kept if kept[name] != fresh[name]]
    assert not stale, f"run `make protos`: {stale}"


def test_all_extras_but_training_stay_out_of_the_demo() -> None:
    extras = PROJECT["optional-dependencies"]
    assert extras["demo"] == ["stokeswarm[client,inference,inversion]"]
    light = [name for extra in ("client", "inference", "inversion") for name in extras[extra]]
    assert not any(name.startswith(("tensorflow", "pytest", "mypy", "ruff")) for name in light)


# ---- Makefile ------------------------------------------------------------------------------------------

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@needs_make
def test_make_alone_explains_every_target() -> None:
    listed = {line.split()[0] for line in make().stdout.splitlines() if line.strip()}
    assert listed >= {
        "demo",
        "test",
        "test-slow",
        "test-external",
        "lint",
        "bench",
        "protos",
        "help",
        "clean",
    }


@needs_make
@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("", "stokeswarm-no-such-python was not found (Debian: apt-get install python3 python3-venv)"),
        ('[ "$1" = -V ] && echo Python 3.9.2; exit 1', "needs Python 3.11 or newer"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "Debian: apt-get install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_explained(python: str, message: str, tmp_path: Path) -> None:
    interpreter = "stokeswarm-no-such-python"
    if python:
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
        script.chmod(0o755)
        interpreter = str(script)
    venv = tmp_path / "venv"
    done = make("demo", f"PYTHON={interpreter}", f"VENV={venv}")
    assert done.returncode != 0
    assert message in done.stderr
    assert not venv.exists()


def test_the_ci_script_is_bash() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    done = subprocess.run([bash, "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
