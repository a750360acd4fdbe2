"""deploy/kubernetes: what a pod needs to see the node's GPUs, processes, users and pods, and no more."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.settings import Settings
from agent.settings.token_file import read_token_file
from tests.kubernetes.manifests import FOLDER, RULES, daemonset_with_state, manifest, prometheus_rule
from tests.packaging.commands import run, succeed
from tests.packaging.dockerfile import only, parse
from tests.prometheus.engine import promtool
from tests.support.agents import ROOT
from tests.support.documents import commands

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
OF_KUBERNETES = sorted(set(NAMES) - {"kustomization", "podmonitor", "prometheusrule"})
DOCKERFILE = parse((ROOT / "Dockerfile").read_text())
DOCUMENTATION = (ROOT / "docs" / "kubernetes.md").read_text()
KERNEL_LOG = (ROOT / "docs" / "kernel-log.md").read_text()


@pytest.fixture
def pod() -> dict[str, Any]:
    """The pod that the DaemonSet starts."""
    spec: dict[str, Any] = manifest("daemonset")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only_one,) = pod["containers"]
    assert isinstance(only_one, dict)
    return only_one


def environ(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in container["env"]}


def test_the_kustomization_lists_every_other_file_and_changes_nothing() -> None:
    kustomization = manifest("kustomization")
    assert set(kustomization) == {"apiVersion", "kind", "resources"}
    others = [f"{name}.yaml" for name in NAMES if name not in ("kustomization", "secret")]
    assert sorted(kustomization["resources"]) == others, "and not the secret, whose tokens would be replaced"
    assert kustomization["resources"][0] == "namespace.yaml"


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_KUBERNETES)
@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_kubernetes_accepts_each_manifest(name: str, version: str) -> None:
    from kubernetes_validate import validate
    from kubernetes_validate.utils import all_versions

    versions = all_versions()
    assert versions[0] < "1.30" < versions[-1]
    validate(manifest(name), versions[0 if version == "oldest" else -1], strict=True)


@pytest.mark.slow
def test_kubernetes_accepts_the_daemonset_with_the_parts_for_state_dir() -> None:
    from kubernetes_validate import validate
    from kubernetes_validate.utils import latest_version

    validate(daemonset_with_state(), latest_version(), strict=True)


def test_with_the_parts_for_state_dir_the_agent_can_write_only_to_one_folder_of_the_node(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    changed = daemonset_with_state()["spec"]["template"]["spec"]
    (agent,), (before,) = changed["containers"], changed["initContainers"]
    folder = environ(agent)["STATE_DIR"]["value"]
    mount = {"name": "state", "mountPath": folder}
    assert agent["volumeMounts"] == [*container["volumeMounts"], mount]
    kept = {"name": "state", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}
    assert changed["volumes"] == [*pod["volumes"], kept]
    assert agent["securityContext"] == container["securityContext"]
    # There is no other way to let the agent write to the folder: fsGroup does nothing for a hostPath.
    assert before["volumeMounts"] == [mount]
    user, group = changed["securityContext"]["runAsUser"], changed["securityContext"]["runAsGroup"]
    assert before["command"] == ["chown", f"{user}:{group}", folder]
    assert before["image"] == container["image"]


@pytest.mark.slow
def test_the_validator_refuses_a_misspelt_field() -> None:
    from kubernetes_validate import ValidationError, validate
    from kubernetes_validate.utils import latest_version

    wrong = manifest("daemonset")
    wrong["spec"]["template"]["spec"]["hostPid"] = True
    with pytest.raises(ValidationError, match="hostPid"):
        validate(wrong, latest_version(), strict=True)


def test_with_the_documented_context_for_the_kernel_log_the_container_is_root_with_one_capability(
    container: dict[str, Any],
) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", KERNEL_LOG, re.DOTALL)
    assert yaml.safe_load(block)["securityContext"] == {
        **container["securityContext"],
        "runAsNonRoot": False,
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"], "add": ["SYSLOG"]},
    }


@pytest.mark.slow
def test_the_user_of_the_pod_may_not_open_the_kernel_log_whatever_the_container_may() -> None:
    """Only root gets the capabilities of its container."""
    if os.getuid() != 0 or Path("/proc/sys/kernel/dmesg_restrict").read_text() != "1\n":
        pytest.skip("needs root, and a kernel log that is closed to users")
    opens = ["sh", "-c", "exec 3</dev/kmsg"]
    (user,) = re.findall(r"because user\s+(\d+) has no capability", KERNEL_LOG)
    refused = run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *opens], ROOT)
    assert "Operation not permitted" in refused.stderr
    succeed(["setpriv", "--bounding-set=-all,+syslog", "--inh-caps=-all,+syslog", *opens], ROOT)


def test_every_object_is_in_the_namespace_that_admits_privileged_pods(pod: dict[str, Any]) -> None:
    namespace = manifest("namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    names = [name for name in NAMES if name not in ("namespace", "kustomization")]
    inside = [manifest(name)["metadata"]["namespace"] for name in names]
    assert set(inside) == {namespace["metadata"]["name"]}
    assert pod["hostPID"] is True
    assert "hostNetwork" not in pod


def test_the_container_has_no_privilege_and_can_write_no_file(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    user, group = only(DOCKERFILE, "USER").value.split(":")
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user),
        "runAsGroup": int(group),
        "fsGroup": int(group),
        "supplementalGroups": [0],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert all(mount["readOnly"] for mount in container["volumeMounts"])


def test_the_pod_runs_on_each_node_with_gpus_whatever_its_taints(pod: dict[str, Any]) -> None:
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert "nvidia.com/gpu" not in str(pod["containers"]), "no other pod could use a GPU that it requests"


def test_the_documented_label_takes_the_agent_off_a_node(pod: dict[str, Any]) -> None:
    """A node without the label gets an agent: NotIn also matches nodes that lack the key."""
    required = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    ((term,),) = (one["matchExpressions"] for one in required["nodeSelectorTerms"])
    (value,) = term["values"]
    assert term == {"key": term["key"], "operator": "NotIn", "values": ["off"]}
    labels = [line for line in commands("docs/kubernetes.md") if "kubectl label" in line]
    command = f"kubectl label node NODE {term['key']}"
    assert labels == [f"{command}={value}", f"{command}-"]
    assert f"{command}={value}\n" in (FOLDER / "daemonset.yaml").read_text()


def test_every_probe_asks_the_path_that_never_depends_on_the_driver(container: dict[str, Any]) -> None:
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert probes == [{"path": "/health", "port": "http"}] * 3


def test_the_port_of_the_container_is_the_default_port_and_that_of_the_image(
    container: dict[str, Any],
) -> None:
    assert container["ports"] == [{"name": "http", "containerPort": Settings().port}]
    assert only(DOCKERFILE, "EXPOSE").value == str(Settings().port)


def test_every_environment_variable_is_a_setting(container: dict[str, Any]) -> None:
    settings = set(Settings.__dataclass_fields__)
    assert {name.lower() for name in environ(container)} <= settings
    text = (FOLDER / "daemonset.yaml").read_text()
    commented = re.findall(r"^ *# - name: ([A-Z_]+)$", text, re.MULTILINE)
    assert commented
    assert {name.lower() for name in commented} <= settings


def test_the_tokens_come_from_the_secret_mounted_as_a_folder(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    """A single mounted file would never change when the secret does."""
    secret = manifest("secret")
    (volume,) = (one for one in pod["volumes"] if "secret" in one)
    (mount,) = (one for one in container["volumeMounts"] if one["name"] == volume["name"])
    (item,) = volume["secret"]["items"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert item["key"] in secret["stringData"]
    assert environ(container)["TOKEN_FILE"]["value"] == f"{mount['mountPath']}/{item['path']}"
    assert "subPath" not in mount
    key = environ(container)["METRICS_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert key == {"name": secret["metadata"]["name"], "key": "metrics-token"}
    assert key["key"] in secret["stringData"]


def test_the_secret_as_shipped_contains_no_token(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(manifest("secret")["stringData"]["token"])
    with pytest.raises(ValueError, match="no token"):
        read_token_file(str(token_file))


def test_user_and_pod_names_come_from_the_node(pod: dict[str, Any], container: dict[str, Any]) -> None:
    paths = {one["name"]: one["hostPath"]["path"] for one in pod["volumes"] if "hostPath" in one}
    mounted = {
        one["mountPath"]: paths[one["name"]] for one in container["volumeMounts"] if one["name"] in paths
    }
    logs = Settings().pod_logs
    wanted = ["/etc/passwd", "/etc/group", f"{logs}/pods", f"{logs}/containers"]
    assert mounted == {path: path for path in wanted}


def test_the_host_has_the_name_of_its_node(container: dict[str, Any]) -> None:
    assert environ(container)["NODE_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}


def test_the_image_is_named_in_one_place_and_without_a_registry() -> None:
    texts = {path.name: path.read_text() for path in FOLDER.glob("*.yaml")}
    images = [(name, image) for name, text in texts.items() for image in re.findall(r"image: (.*)", text)]
    ((name, image), of_a_comment) = images
    assert of_a_comment == (name, image)
    assert name == "daemonset.yaml"
    assert re.fullmatch(r"nvidia-smi-web-agent:\d+\.\d+\.\d+", image)


def test_the_pod_monitor_finds_the_pods_and_sends_the_token_for_metrics(container: dict[str, Any]) -> None:
    monitor = manifest("podmonitor")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert set(monitor["spec"]) == {"selector", "podMetricsEndpoints"}
    assert monitor["spec"]["selector"] == manifest("daemonset")["spec"]["selector"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert set(endpoint) == {"port", "path", "interval", "authorization", "relabelings"}
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    assert endpoint["path"] == "/metrics"
    key = environ(container)["METRICS_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": key}


def test_the_prometheusrule_has_the_rules_of_the_rule_files() -> None:
    rule = manifest("prometheusrule")
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    assert groups
    assert rule["spec"] == {"groups": groups}
    text = (FOLDER / "prometheusrule.yaml").read_text()
    assert text == prometheus_rule(), "write it again: python -m tests.kubernetes.manifests"


@pytest.mark.slow
def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump(manifest("prometheusrule")["spec"]))
    assert "SUCCESS" in promtool("check", "rules", str(file))


def test_the_documentation_names_every_file() -> None:
    assert [name for name in NAMES if f"{name}.yaml" not in DOCUMENTATION] == []
