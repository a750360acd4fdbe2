"""deploy/alertmanager.yml in a real Alertmanager: receivers, and one notification for one fault."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.packaging.commands import succeed
from tests.prometheus.engine import running
from tests.support import loopback
from tests.support.agents import ROOT, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

DEPLOY = ROOT / "deploy"
HOST = {"job": "gpu", "instance": "gpu01"}


def amtool(*arguments: str) -> str:
    if shutil.which("amtool") is None:
        pytest.skip("needs amtool (Debian, Ubuntu: apt-get install prometheus-alertmanager)")
    return succeed(["amtool", *arguments], DEPLOY)


def test_alertmanager_accepts_its_configuration() -> None:
    assert "SUCCESS" in amtool("check-config", "alertmanager.yml")


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("critical", "on-call"), ("warning", "people"), ("info", "people-by-the-week")],
)
def test_the_severity_chooses_the_receiver(severity: str, receiver: str) -> None:
    notified = amtool("config", "routes", "test", "--config.file=alertmanager.yml", f"severity={severity}")
    assert notified.split() == [receiver]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running Alertmanager with our configuration."""
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("needs Alertmanager (Debian, Ubuntu: apt-get install prometheus-alertmanager)")
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={DEPLOY / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        "--cluster.listen-address=",
    ]
    with running(command, folder, address):
        yield f"http://{address}/api/v2/alerts"


def shown(url: str, instances: str) -> list[tuple[dict[str, str], bool]]:
    """The labels of each alert on the instances, a regular expression, and whether the alert is sent."""
    alerts = loopback.get(url, params={"filter": f'instance=~"{instances}"'}).json()
    return [(one["labels"], not one["status"]["inhibitedBy"]) for one in alerts]


def alert(name: str, severity: str, instance: str, **labels: str) -> dict[str, Any]:
    return {"labels": {"alertname": name, "severity": severity, **HOST, **labels, "instance": instance}}


# By the name of a host: the alerts that fire there, and those of them that are sent.
FAULTS = {
    "agent": (
        [("AgentDown", "critical"), ("AgentRestarting", "warning"), ("GpuLost", "critical")],
        {"AgentDown"},
    ),
    "driver": (
        [("DriverDown", "critical"), ("GpuMissing", "critical"), ("GpuXid", "critical")],
        {"DriverDown"},
    ),
    "lost": (
        [
            ("GpuLost", "critical"),
            ("GpuStuck", "critical"),
            ("GpuXid", "critical"),
            ("GpuSampleStale", "warning"),
            ("GpuNeedsReset", "critical"),
        ],
        {"GpuLost"},
    ),
    "stuck": (
        [("GpuStuck", "critical"), ("GpuSampleStale", "warning"), ("GpuCritical", "critical")],
        {"GpuStuck"},
    ),
    "memory": (
        [
            ("GpuNeedsReset", "critical"),
            ("GpuEccUncorrected", "critical"),
            ("GpuXid", "critical"),
            ("GpuRepairPending", "warning"),
        ],
        {"GpuNeedsReset"},
    ),
    "fabric": (
        [("GpuFabricFailed", "critical"), ("GpuFanStopped", "critical")],
        {"GpuFabricFailed", "GpuFanStopped"},
    ),
    "ecc": ([("GpuEccUncorrected", "critical"), ("GpuXid", "critical")], {"GpuEccUncorrected"}),
    "two": ([("GpuFanStopped", "critical"), ("GpuMemoryFull", "info")], {"GpuFanStopped", "GpuMemoryFull"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_sends_one_notification(url: str, fault: str) -> None:
    fire, wanted = FAULTS[fault]
    loopback.post(
        url, json=[alert(name, severity, fault, gpu="3", xid="48") for name, severity in fire]
    ).raise_for_status()

    def notified() -> dict[str, bool]:
        """Whether each alert is sent, by its name."""
        return {labels["alertname"]: is_sent for labels, is_sent in shown(url, fault)}

    expected = {name: name in wanted for name, _ in fire}
    wait_until(lambda: notified() == expected, lambda: f"{expected} is expected, not {notified()}")


def test_the_same_fault_on_another_gpu_or_host_is_reported_too(url: str) -> None:
    fire = [
        alert("GpuLost", "critical", "pair", gpu="3"),
        alert("GpuXid", "critical", "pair", gpu="4"),
        alert("GpuXid", "critical", "neighbour", gpu="3"),
        alert("GpuMissing", "critical", "pair"),
    ]
    loopback.post(url, json=fire).raise_for_status()

    def notified() -> list[bool]:
        return [is_sent for _, is_sent in shown(url, "pair|neighbour")]

    wait_until(lambda: notified() == [True] * len(fire), lambda: f"all alerts are sent: {notified()}")


def test_an_agent_that_is_down_does_not_silence_a_host_of_the_same_name_in_another_cluster(url: str) -> None:
    fire = [
        alert("AgentDown", "critical", "twin", cluster="lab"),
        alert("GpuLost", "critical", "twin", cluster="lab", gpu="3"),
        alert("GpuLost", "critical", "twin", cluster="attic", gpu="3"),
    ]
    loopback.post(url, json=fire).raise_for_status()

    def notified() -> set[tuple[str, str]]:
        """Name and cluster of each alert that is sent; empty until all are there."""
        alerts = shown(url, "twin")
        sent = {(labels["alertname"], labels["cluster"]) for labels, is_sent in alerts if is_sent}
        return sent if len(alerts) == len(fire) else set()

    wait_until(
        lambda: notified() == {("AgentDown", "lab"), ("GpuLost", "attic")},
        lambda: f"the lost GPU of the other cluster is sent: {notified()}",
    )


def test_only_the_graver_of_two_severities_of_an_alert_is_reported(url: str) -> None:
    fire = [alert("GpuThermalThrottling", severity, "hot", gpu="3") for severity in ("warning", "critical")]
    loopback.post(url, json=fire).raise_for_status()

    def notified() -> dict[str, bool]:
        return {labels["severity"]: is_sent for labels, is_sent in shown(url, "hot")}

    wait_until(
        lambda: notified() == {"warning": False, "critical": True},
        lambda: f"only the graver alert is sent: {notified()}",
    )


def test_an_error_that_lasts_for_weeks_does_not_hide_a_different_error(url: str) -> None:
    fire = [
        alert("GpuEccUncorrected", "critical", "weeks", gpu="3"),
        alert("GpuXid", "critical", "weeks", gpu="3", xid="48"),
        alert("GpuXid", "critical", "weeks", gpu="3", xid="119"),
    ]
    loopback.post(url, json=fire).raise_for_status()

    def notified() -> dict[str, bool]:
        return {labels.get("xid", ""): is_sent for labels, is_sent in shown(url, "weeks")}

    wait_until(
        lambda: notified() == {"": True, "48": False, "119": True}, lambda: f"XID 119 is sent: {notified()}"
    )
