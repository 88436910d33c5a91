"""The Dockerfiles: small, without rights, true to project and manifests, with a health check that works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOLDERS = {"inversion": "inversion_service", "inference": "inference_service", "client": "client"}
SERVERS = {"inversion": 50052, "inference": 50051}
#: of the one user that images and manifests share
USER = "10001"


def instructions(name: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continuation lines joined, comments left out."""
    text = (ROOT / FOLDERS[name] / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    lines = (line.strip() for line in joined.splitlines())
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line]


def last_stage(name: str) -> dict[str, str]:
    """The final image: the last arguments of each instruction after the last FROM."""
    steps = instructions(name)
    start = max(i for i, (word, _) in enumerate(steps) if word == "FROM")
    return dict(steps[start:])


@pytest.mark.parametrize("name", FOLDERS)
def test_one_service_one_extra(name: str) -> None:
    (build,) = (
        value for word, value in instructions(name) if word == "RUN" and "install" in value and "pip" in value
    )
    (extras,) = re.findall(r'"\.\[([a-z0-9,]+)\]"', build)
    assert extras.split(",")[0] == name
    assert set(extras.split(",")) <= {name, "observability", "s3"}
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", FOLDERS)
def test_the_last_image_holds_no_build_and_no_root(name: str) -> None:
    steps, final = instructions(name), last_stage(name)
    assert sum(word == "FROM" for word, _ in steps) == 2
    assert final["COPY"].startswith("--from=build ")
    assert "pip" not in final["RUN"]
    assert final["USER"] == f"{USER}:{USER}"
    assert final["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.parametrize("name", FOLDERS)
def test_process_one_is_the_command_itself(name: str) -> None:
    command = json.loads(last_stage(name)["ENTRYPOINT"])
    assert command == ["stokeswarm" if name == "client" else f"stokeswarm-{name}"]
    assert command[0] in PROJECT["scripts"]


@pytest.mark.parametrize("name", FOLDERS)
def test_images_carry_the_projects_version(name: str) -> None:
    assert last_stage(name)["ARG"] == f"VERSION={PROJECT['version']}"


@pytest.mark.parametrize(("name", "port"), SERVERS.items())
def test_images_and_manifests_agree(name: str, port: int) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the manifests")
    path = ROOT / "k8s" / "base" / f"{name}-deployment.yaml"
    pod = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    final = last_stage(name)
    assert container["image"] == f"stokeswarm/{name}:{PROJECT['version']}"
    assert str(pod["securityContext"]["runAsUser"]) == USER
    assert final["EXPOSE"] == str(port)
    assert json.loads(final["CMD"])[-1] == str(port)
    (scratch,) = (mount["mountPath"] for mount in container["volumeMounts"])
    places = re.findall(r"(?:TMPDIR|NUMBA_CACHE_DIR)=(\S+)", final["ENV"])
    assert places
    assert all(place == scratch or place.startswith(f"{scratch}/") for place in places)


@pytest.fixture
def served() -> Iterator[tuple[health.HealthServicer, int]]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(None).wait()


@pytest.mark.parametrize(("name", "port"), SERVERS.items())
def test_the_health_check_tells_serving_from_draining(
    name: str, port: int, served: tuple[health.HealthServicer, int]
) -> None:
    servicer, free = served
    check = last_stage(name)["HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"]
    script = command[2].replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
    assert script != command[2]

    def healthy() -> bool:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        return done.returncode == 0

    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    assert healthy()
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert not healthy()


def test_only_sources_reach_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert kept == {"pyproject.toml", "README.md", "LICENSE", "protos", *FOLDERS.values()}
    assert all((ROOT / name).exists() for name in kept)
