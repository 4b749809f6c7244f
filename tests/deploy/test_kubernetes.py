"""packaging/kubernetes: its compositions against the schemas of the API, the restricted profile, and real processes."""

import base64
import json
import re
import subprocess
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.components import COMPONENTS, find_program, node_packages
from tests.deploy.kubernetes_manifests import COMPOSITIONS, FOLDER, WORKLOADS, composed, container, named
from tests.deploy.prometheus_rule import RULE, prometheus_rule
from tests.process.daypass import serving
from tests.process.daypass_gateway import gateway
from tests.project.public_names import SETTINGS
from tests.sockets import free_port
from tests.storage.postgresql import fresh_database

from daypass.config import Config, load_config
from daypass.http.listening import HANDSHAKE_SECONDS
from daypass.http.server import GRACE_SECONDS

_PAGE = Path(__file__).parents[2] / "docs/kubernetes.md"
_IMAGE = Path(__file__).parents[2] / "packaging/container/Containerfile"
_VALIDATE = Path(__file__).parent / "kubernetes/validate.mjs"
_VERSIONS = ("1.35", "1.36", "1.37")
_OF_OTHERS = ("gateway.networking.k8s.io", "monitoring.coreos.com")
_KEYS = {"DAYPASS_STORE": "daypass-postgresql", "DAYPASS_ROOT_ACCESS_KEY_ID": "daypass-keys"}

each_composition = pytest.mark.parametrize("folder", COMPOSITIONS)
each_workload = pytest.mark.parametrize(("folder", "name"), WORKLOADS)


def _is_of_others(document: Any) -> bool:
    return document["apiVersion"].partition("/")[0] in _OF_OTHERS


@pytest.mark.slow
@pytest.mark.component("kubectl")
@pytest.mark.component("kubernetes-validate")
@each_composition
def test_the_api_accepts_each_document(folder: str, tmp_path: Path) -> None:
    """Each document of Kubernetes itself has the form that its schema demands, without an unknown field."""
    program = COMPONENTS["kubernetes-validate"].find()
    documents = [each for each in composed(folder) if not _is_of_others(each)]
    file = tmp_path / "documents.yaml"
    file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    for version in _VERSIONS:
        words = [str(program), "--kubernetes-version", version, "--strict", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (done.stdout + done.stderr).count(" passed for resource ") == len(documents)


@pytest.mark.slow
@pytest.mark.component("kubectl")
@pytest.mark.component("kubernetes-models")
def test_operators_accept_their_documents() -> None:
    """Routes, monitors and rules have the form of the published models, which find a fault."""
    documents = [each for each in composed("overlays/production") if _is_of_others(each)]
    assert {each["kind"] for each in documents} == {"HTTPRoute", "PrometheusRule", "ServiceMonitor"}
    assert _faults(documents) == []
    wrong = [{**each, "spec": {**each["spec"], **_WRONG[each["kind"]]}} for each in documents]
    assert len(_faults(wrong)) == len(wrong)


_WRONG: Mapping[str, Any] = {
    "HTTPRoute": {"hostnames": ["not a name"]},
    "PrometheusRule": {"groups": [{"rules": []}]},
    "ServiceMonitor": {"endpoints": [{"interval": "often"}]},
}


def _faults(documents: Any) -> list[str]:
    node = find_program("node")
    assert node is not None
    done = subprocess.run(
        [node, "--input-type=module", "--eval", _VALIDATE.read_text(encoding="utf-8")],
        input=json.dumps(documents),
        cwd=node_packages(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.component("kubectl")
@each_workload
def test_a_pod_fits_the_restricted_profile(folder: str, name: str) -> None:
    """The rules of Kubernetes' Pod Security Standards, profile Restricted, and a root file system that is read-only."""
    pod = named(folder, "Deployment", name)["spec"]["template"]["spec"]
    inside = container(folder, name)
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"} & set(pod)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
    assert all("hostPort" not in port for port in inside["ports"])
    assert inside["resources"]["limits"]["memory"]
    user = str(pod["securityContext"]["runAsUser"])
    assert f"USER {user}:{pod['securityContext']['runAsGroup']}" in _IMAGE.read_text(encoding="utf-8")
    labels = named(folder, "Namespace", "daypass")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.component("kubectl")
@each_workload
def test_a_pod_stops_and_moves_without_a_lost_request(folder: str, name: str) -> None:
    """It has more time to stop than it needs, and replicas are replaced one by one."""
    spec = named(folder, "Deployment", name)["spec"]
    needs = Config().drain_seconds + HANDSHAKE_SECONDS + GRACE_SECONDS
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > needs
    probe = container(folder, name)["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] < Config().drain_seconds
    if spec["replicas"] == 1:
        assert spec["strategy"] == {"type": "Recreate"}
        assert all(each["kind"] != "PodDisruptionBudget" for each in composed(folder))
        return
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = named(folder, "PodDisruptionBudget", name)["spec"]
    assert budget["maxUnavailable"] < spec["replicas"]
    assert budget["selector"] == spec["selector"]


@pytest.mark.component("kubectl")
@each_workload
def test_selectors_ports_and_volumes_agree(folder: str, name: str) -> None:
    """Each selector finds its own pods alone, each named port exists, and each mount has its volume."""
    spec = named(folder, "Deployment", name)["spec"]
    labels = spec["template"]["metadata"]["labels"]
    ports = {port["name"] for port in container(folder, name)["ports"]}
    service = named(folder, "Service", name)["spec"]
    policy = named(folder, "NetworkPolicy", name)["spec"]
    for selector in (spec["selector"], {"matchLabels": service["selector"]}, policy["podSelector"]):
        assert set(selector["matchLabels"].items()) <= set(labels.items())
        assert "app.kubernetes.io/component" in selector["matchLabels"]
    assert {port["targetPort"] for port in service["ports"]} == ports
    for rule in policy["ingress"]:
        assert {port["port"] for port in rule["ports"]} == ports - {"metrics"}
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container(folder, name)["volumeMounts"]} == volumes
    for volume in spec["template"]["spec"]["volumes"]:
        if "configMap" in volume:
            assert volume["configMap"]["name"] in {each["metadata"]["name"] for each in composed(folder)}


@pytest.mark.component("kubectl")
def test_metrics_are_for_prometheus_alone() -> None:
    """Routes lead to the other port, and one policy lets the namespace `monitoring` in."""
    documents = composed("overlays/production")
    for route in (each for each in documents if each["kind"] == "HTTPRoute"):
        (rule,) = route["spec"]["rules"]
        (backend,) = rule["backendRefs"]
        service = named("overlays/production", "Service", backend["name"])["spec"]
        (port,) = (each for each in service["ports"] if each["port"] == backend["port"])
        assert port["targetPort"] != "metrics"
    policy = named("overlays/production", "NetworkPolicy", "daypass-metrics")["spec"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == ["metrics"]
    monitor = named("overlays/production", "ServiceMonitor", "daypass")["spec"]
    found = [
        each["metadata"]["name"]
        for each in documents
        if each["kind"] == "Service"
        and monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    assert sorted(found) == ["daypass", "daypass-gateway"]
    jobs = {named("overlays/production", "Service", name)["metadata"]["labels"][monitor["jobLabel"]] for name in found}
    assert jobs == set(re.findall(r'job="([^"]*)"', RULE.read_text(encoding="utf-8")))


def test_the_alerts_are_those_of_prometheus() -> None:
    """The resource has the rules of packaging/monitoring/alerts.yaml."""
    assert RULE.read_text(encoding="utf-8") == prometheus_rule()


@pytest.mark.component("kubectl")
@each_composition
def test_secrets_are_references(folder: str) -> None:
    """No document is a Secret, no setting has the value of one, and the page makes each Secret and key."""
    page = _PAGE.read_text(encoding="utf-8")
    for document in composed(folder):
        assert document["kind"] != "Secret"
        if document["kind"] == "ConfigMap":
            assert not re.search(r"(?i)password|postgresql://|secret_access_key *=|AKIA", json.dumps(document["data"]))
        if document["kind"] != "Deployment":
            continue
        pod = document["spec"]["template"]["spec"]
        for variable in pod["containers"][0].get("env", ()):
            if variable.get("value", "").startswith("/run/secrets/"):
                continue
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == _KEYS[variable["name"]]
            assert reference["key"] in page
        for volume in pod["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                assert f"create secret generic {volume['secret']['secretName']}" in page


def _settings(folder: str) -> dict[str, str]:
    data: dict[str, str] = named(folder, "ConfigMap", "daypass")["data"]
    return data


@pytest.mark.component("kubectl")
@each_composition
def test_the_settings_load(folder: str) -> None:
    """Each is a setting of Daypass, its value is valid, and the ports are those of the container."""
    settings = _settings(folder)
    named_settings = {name.removeprefix("DAYPASS_").lower() for name in settings if not name.endswith("_FILE")}
    assert named_settings <= set(SETTINGS)
    config = load_config({"host": "0.0.0.0"}, settings)  # noqa: S104 - as the manifest does
    ports = {port["name"]: port["containerPort"] for port in container(folder, "daypass")["ports"]}
    assert ports == {"http": config.port, "metrics": config.metrics_port}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Make the files of the Secrets."""
    key = base64.b64encode(bytes(32)).decode()
    store = json.dumps({"AccessKeyId": "store", "SecretAccessKey": "secret"})
    for name, value in (("master.key", key), ("root.secret", "x" * 40), ("backend.json", store)):
        (tmp_path / name).write_text(value + "\n", encoding="utf-8")
        (tmp_path / name).chmod(0o400)
    return tmp_path


def _answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _assert_probes(inside: Any, ports: Mapping[str, int]) -> None:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = inside[probe]["httpGet"]
        assert _answer(f"http://127.0.0.1:{ports[get['port']]}{get['path']}")[0] == 200


@pytest.mark.slow
@pytest.mark.component("kubectl")
@pytest.mark.component("postgresql")
def test_processes_with_these_settings_answer_the_probes(keys: Path) -> None:
    """A real server and a real gateway on PostgreSQL answer each probe, and metrics on the ports for them alone."""
    inside = container("base", "daypass")
    settings = {name: value.replace("/run/secrets/daypass", str(keys)) for name, value in _settings("base").items()}
    metrics = free_port()
    settings |= {"DAYPASS_ROOT_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "DAYPASS_METRICS_PORT": str(metrics)}
    with fresh_database() as store, serving(store, *inside["args"][1:], environment=settings) as server:
        _assert_probes(inside, {"http": int(server.url.rpartition(":")[2])})
        assert "daypass_ready 1" in _answer(f"http://127.0.0.1:{metrics}/metrics")[1]
        assert "daypass_ready" not in _answer(f"{server.url}/metrics")[1]
        _assert_gateway_answers(store, keys)


def _assert_gateway_answers(store: str, keys: Path) -> None:
    inside = container("overlays/production", "daypass-gateway")
    assert inside["args"][0] == "gateway"
    text: str = named("overlays/production", "ConfigMap", "daypass-gateway")["data"]["gateway.toml"]
    listens = tomllib.loads(text)["gateway"]
    declared = {port["name"]: f"0.0.0.0:{port['containerPort']}" for port in inside["ports"]}
    assert declared == {"s3": listens["listen"], "metrics": listens["admin_listen"]}
    text = text.replace("/run/secrets/backend", str(keys))
    (keys / "gateway.toml").write_text(text, encoding="utf-8")
    admin = free_port()
    (file,) = (each["value"] for each in inside["env"] if each["name"] == "DAYPASS_MASTER_KEY_FILE")
    variables = {"DAYPASS_MASTER_KEY_FILE": file.replace("/run/secrets/daypass", str(keys))}
    with gateway(store, "--config", str(keys / "gateway.toml"), "--no-self-check", admin=admin, environment=variables):
        _assert_probes(inside, {"metrics": admin})
        assert "daypass_gateway" in _answer(f"http://127.0.0.1:{admin}/metrics")[1]


def test_each_file_is_composed() -> None:
    """Each manifest is named by a kustomization beside it."""
    for file in FOLDER.rglob("*.yaml"):
        if file.name == "kustomization.yaml":
            continue
        kustomization = yaml.safe_load((file.parent / "kustomization.yaml").read_text(encoding="utf-8"))
        assert file.name in kustomization["resources"]
