"""An agent in a pod, scraped as in the PodMonitor: the labels of a process are those of the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kubernetes.manifests import manifest
from tests.prometheus.engine import prometheus
from tests.support.agents import agent_process, wait_until
from tests.support.crowded_host import CrowdedHost, Started
from tests.support.real_processes import REAL_PROCESSES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.prometheus.engine import Engine

pytestmark = pytest.mark.slow

ID, OTHER, AGENTS = "4f2d9c0a" * 8, "9687bac5" * 8, "0badcafe" * 8
UID, AGENTS_UID = "57e67067-89e4-4001-bdd4-8632d39ea02b", "0a1b2c3d-89e4-4001-bdd4-8632d39ea02b"
NODE = "gpu-node-1"
# The labels that Prometheus discovers for the agent's pod.
DISCOVERED = {
    "__meta_kubernetes_namespace": "monitoring",
    "__meta_kubernetes_pod_name": "gpu-agent-x7k2p",
    "__meta_kubernetes_pod_container_name": "agent",
    "__meta_kubernetes_pod_container_port_name": "http",
    "__meta_kubernetes_pod_node_name": NODE,
}
# The relabelings that the operator puts before those of any PodMonitor.
OPERATORS = [
    {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
    {"source_labels": ["__meta_kubernetes_pod_container_name"], "target_label": "container"},
    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    {"target_label": "job", "replacement": "monitoring/nvidia-smi-web-agent"},
    {"target_label": "endpoint", "replacement": "http"},
]
OURS = ("container_id", "container_name", "pod_uid", "pod_name", "pod_namespace", "job_scheduler", "job_id")
PROCESSES = {
    f"/kubepods/pod{UID}/{ID}": (ID, "trainer", UID, "train-0", "ml", "", ""),
    f"/system.slice/docker-{OTHER}.scope": (OTHER, "", "", "", "", "", ""),
    "/system.slice/slurmstepd.scope/job_4711/step_0": ("", "", "", "", "", "slurm", "4711"),
    "/pbs_jobs.service/jobs/7[2].srv": ("", "", "", "", "", "pbs", "7[2].srv"),
    "/lxc.payload.gpu-box/init.scope": ("gpu-box", "gpu-box", "", "", "", "", ""),
    "/system.slice/jupyter.service": ("", "", "", "", "", "", ""),
}
OF_THE_AGENTS_PROCESS = (AGENTS, "agent", AGENTS_UID, "gpu-agent-x7k2p", "monitoring", "", "")


def shipped() -> list[dict[str, Any]]:
    """The relabelings of our PodMonitor, with the keys of a Prometheus configuration."""
    (endpoint,) = manifest("podmonitor")["spec"]["podMetricsEndpoints"]
    words = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return [{words.get(key, key): value for key, value in one.items()} for one in endpoint["relabelings"]]


HELD = "nvidia_gpu_process_memory_used_bytes"


def process_labels(engine: Engine) -> dict[int, tuple[str, ...]]:
    """The agent's labels of each process, by pid."""
    metrics = [one["metric"] for one in engine.query(HELD)]
    return {int(one["pid"]): tuple(one.get(label, "") for label in OURS) for one in metrics}


def keep_logs(folder: Path) -> None:
    """Write the folders of pod logs as the kubelet does."""
    (folder / "pods" / f"ml_train-0_{UID}" / "trainer").mkdir(parents=True)
    (folder / "pods" / f"monitoring_gpu-agent-x7k2p_{AGENTS_UID}" / "agent").mkdir(parents=True)
    (folder / "containers").mkdir()


def test_only_the_process_of_the_agent_is_attributed_to_the_pod_of_the_agent(tmp_path: Path) -> None:
    keep_logs(tmp_path)
    host = CrowdedHost(tmp_path)
    inside = host.inside(f"/kubepods/pod{AGENTS_UID}/{AGENTS}", *map(Started, PROCESSES))
    tokens = {"TOKEN": "everything", "METRICS_TOKEN": "only-metrics"}
    with agent_process(
        *("--simulate", "8"),
        program=REAL_PROCESSES,
        inside=inside,
        POD_LOGS=str(tmp_path),
        HISTORY_INTERVAL="1",
        **tokens,
    ) as agent:
        target = {"targets": [agent.url.split("/")[2]], "labels": DISCOVERED}
        scrape: dict[str, Any] = {
            "job_name": "podMonitor/monitoring/nvidia-smi-web-agent/0",
            "static_configs": [target],
            "authorization": {"type": "Bearer", "credentials": tokens["METRICS_TOKEN"]},
            "relabel_configs": [*OPERATORS, *shipped()],
        }
        folder = tmp_path / "prometheus"
        folder.mkdir()
        with prometheus(folder, [scrape | {"honor_labels": False}]) as engine:
            wanted = dict(zip(host.pids, PROCESSES.values(), strict=True)) | {1: OF_THE_AGENTS_PROCESS}
            wait_until(
                lambda: process_labels(engine) == wanted,
                lambda: f"each process has its labels: {process_labels(engine)}",
            )
            every = [one["metric"] for one in engine.query('{__name__=~"nvidia_gpu_.*"}')]
            alike = engine.query(f'{HELD}{{pod_name="train-0",pod_namespace="ml",container_name="trainer"}}')

    assert {int(one["metric"]["pid"]) for one in alike} == {host.pids[0]}
    # Prometheus has renamed no label of the agent to exported_… because the scraped pod has the same label.
    assert len({one["__name__"] for one in every}) > 60
    assert {label for one in every for label in one if label.startswith("exported_")} == set()
    assert {label for one in every for label in one if label in ("namespace", "pod", "container")} == set()
    assert {(one["job"], one["instance"]) for one in every} == {("gpu", NODE)}
