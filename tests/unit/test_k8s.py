"""The manifests: valid to the letter, and true to the servers, the images and each other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stokeswarm.inference import cli as inference_cli
from stokeswarm.inversion import cli as inversion_cli

yaml = pytest.importorskip("yaml", reason="PyYAML reads the manifests")

ROOT = Path(__file__).parents[2]
BASE = ROOT / "k8s" / "base"
OVERLAYS = sorted(path.parent for path in (ROOT / "k8s" / "overlays").glob("*/kustomization.yaml"))
#: oldest Kubernetes in which everything used here is stable (gRPC probes)
OLDEST = "1.27"
SERVICES = {"inference": 50051, "inversion": 50052}
Manifest = dict[str, Any]


def load(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def kustomization(folder: Path) -> Manifest:
    (content,) = load(folder / "kustomization.yaml")
    return dict(content)


def documents() -> list[Manifest]:
    return [manifest for name in kustomization(BASE)["resources"] for manifest in load(BASE / name)]


def find(kind: str, service: str) -> Manifest:
    name = f"stokeswarm-{service}"
    (found,) = (m for m in documents() if m["kind"] == kind and m["metadata"]["name"] == name)
    return found


def pod(service: str) -> Manifest:
    return dict(find("Deployment", service)["spec"]["template"]["spec"])


def container(service: str) -> Manifest:
    (only,) = pod(service)["containers"]
    return dict(only)


def validate(manifests: Sequence[Manifest]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate has the schemas")
    for version in (OLDEST, validator.latest_version()):
        for manifest in manifests:
            validator.validate(manifest, version, strict=True)


def test_the_base_is_valid_to_the_letter() -> None:
    validate(documents())


def test_the_base_lists_each_of_its_files() -> None:
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    resources = kustomization(BASE)["resources"]
    assert sorted(files) == sorted(resources)
    kinds = [(m["kind"], m["metadata"]["name"]) for m in documents()]
    assert len(kinds) == len(set(kinds))
    for service in SERVICES:
        for kind in (
            "Deployment",
            "Service",
            "HorizontalPodAutoscaler",
            "PodDisruptionBudget",
            "NetworkPolicy",
        ):
            assert (kind, f"stokeswarm-{service}") in kinds


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_overlays_patch_what_exists(overlay: Path) -> None:
    content = kustomization(overlay)
    assert [(overlay / name).resolve() for name in content["resources"]] == [BASE]
    here = {(m["kind"], m["metadata"]["name"]) for m in documents()}
    for patch in content.get("patches", ()):
        for manifest in load(overlay / patch["path"]):
            assert (manifest["kind"], manifest["metadata"]["name"]) in here
            assert manifest["metadata"]["namespace"] == kustomization(BASE)["namespace"]
    images = {container(service)["image"].split(":")[0] for service in SERVICES}
    assert {image["name"] for image in content.get("images", ())} <= images


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda path: path.name)
def test_kubectl_renders_what_the_schemas_accept(folder: Path) -> None:
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    validate(rendered)
    assert len(rendered) == len(documents())
    for manifest in rendered:
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "stokeswarm"


@pytest.mark.parametrize("service", SERVICES)
def test_selectors_find_the_pods(service: str) -> None:
    labels = find("Deployment", service)["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        find("Deployment", service)["spec"]["selector"]["matchLabels"],
        find("Service", service)["spec"]["selector"],
        find("PodDisruptionBudget", service)["spec"]["selector"]["matchLabels"],
        find("NetworkPolicy", service)["spec"]["podSelector"]["matchLabels"],
        *(c["labelSelector"]["matchLabels"] for c in pod(service)["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels


@pytest.mark.parametrize("service", SERVICES)
def test_the_autoscaler_owns_the_replicas(service: str) -> None:
    deployment, scaler = find("Deployment", service), find("HorizontalPodAutoscaler", service)["spec"]
    reference = scaler["scaleTargetRef"]
    assert (reference["apiVersion"], reference["kind"], reference["name"]) == (
        deployment["apiVersion"],
        deployment["kind"],
        deployment["metadata"]["name"],
    )
    assert "replicas" not in deployment["spec"]
    assert 1 < scaler["minReplicas"] <= scaler["maxReplicas"]
    # a percentage of the request needs a request
    assert container(service)["resources"]["requests"]["cpu"]


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_clients_reach_every_pod(service: str, port: int) -> None:
    spec = find("Service", service)["spec"]
    assert spec["clusterIP"] == "None"  # headless
    named = {p["name"]: p["containerPort"] for p in container(service)["ports"]}
    assert [(p["port"], named[p["targetPort"]]) for p in spec["ports"]] == [(port, port)]
    for rule in find("NetworkPolicy", service)["spec"]["ingress"]:
        assert all(p["port"] in named for p in rule["ports"])


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_probes_ask_grpc_health(service: str, port: int) -> None:
    spec = container(service)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert spec[probe]["grpc"]["port"] == port
    assert spec["readinessProbe"]["grpc"]["service"] == f"stokeswarm.v1.{service.title()}Service"


@pytest.mark.parametrize("service", SERVICES)
def test_pods_have_no_more_rights_than_they_need(service: str) -> None:
    context = pod(service)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    inner = container(service)["securityContext"]
    assert inner["allowPrivilegeEscalation"] is False
    assert inner["readOnlyRootFilesystem"] is True
    assert inner["capabilities"] == {"drop": ["ALL"]}
    assert pod(service)["automountServiceAccountToken"] is False
    account = find("ServiceAccount", service)
    assert pod(service)["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_mount_has_its_volume_and_a_limit(service: str) -> None:
    volumes = {volume["name"]: volume["emptyDir"]["sizeLimit"] for volume in pod(service)["volumes"]}
    assert {mount["name"] for mount in container(service)["volumeMounts"]} == set(volumes)


def arguments(service: str) -> list[str]:
    """The container's arguments as Kubernetes expands them."""
    values = {
        entry["name"]: container(service)["resources"]["requests"]["cpu"]
        for entry in container(service)["env"]
    }
    expanded = []
    for argument in container(service)["args"]:
        for name, value in values.items():
            argument = argument.replace(f"$({name})", value)
        expanded.append(argument)
    return expanded


def parse(service: str) -> Any:
    parser = inversion_cli.parser() if service == "inversion" else inference_cli._parser()
    return parser.parse_args(arguments(service))


@pytest.mark.parametrize(("service", "port"), SERVICES.items())
def test_the_servers_understand_their_arguments(service: str, port: int) -> None:
    options = parse(service)
    assert (options.host, options.port) == ("0.0.0.0", port)  # noqa: S104 - a pod's own network
    named = {p["name"]: p["containerPort"] for p in container(service)["ports"]}
    assert getattr(options, "metrics_port", None) == named.get("metrics")
    assert pod(service)["terminationGracePeriodSeconds"] >= options.drain_seconds + options.grace_seconds + 10


def test_slots_and_workers_follow_the_request() -> None:
    assert parse("inversion").slots == int(container("inversion")["resources"]["requests"]["cpu"])
    assert parse("inference").workers == int(container("inference")["resources"]["requests"]["cpu"])
