"""docker-compose.yml: what a container needs to see the host's GPUs, processes and users, and no more."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from agent.settings import Settings
from tests.packaging.commands import run, succeed
from tests.packaging.dockerfile import only, parse
from tests.support.agents import ROOT, agent_process

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "docker-compose.yml").read_text()
KERNEL_LOG = TEXT.partition("# The kernel log, ")[2].partition("\n\n")[0]
TO_ROOT = re.findall(r"^    #     (sudo .*)$", KERNEL_LOG, re.MULTILINE)
STATE = "/var/lib/nvidia-smi-web-agent"
DOCUMENT = (ROOT / "docs" / "kernel-log.md").read_text()
MONITORING = (ROOT / "deploy" / "docker-compose.monitoring.yml").read_text()


@pytest.fixture
def service() -> dict[str, Any]:
    """The one service."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
    assert list(services) == ["gpu-metrics"]
    return services["gpu-metrics"]


def test_the_container_publishes_port_8008_which_clients_of_gpu_use(service: dict[str, Any]) -> None:
    assert service["ports"] == [f"8008:{Settings().port}"]


def test_the_container_sees_the_processes_and_the_user_names_of_the_host(service: dict[str, Any]) -> None:
    assert service["pid"] == "host"
    assert service["volumes"] == ["/etc/passwd:/etc/passwd:ro", "/etc/group:/etc/group:ro"]


def test_the_container_gets_every_gpu_and_the_driver_capabilities_of_the_image(
    service: dict[str, Any],
) -> None:
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]


def test_the_container_restarts_after_a_crash_and_a_reboot(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"


def test_the_container_has_no_privilege_and_a_read_only_file_system(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_commented_lines_for_the_kernel_log_are_valid() -> None:
    above, line, below = KERNEL_LOG.partition("    # user:")
    service = yaml.safe_load(f"{line}{below}".replace("    # ", "    "))
    assert service == {"user": "0:0", "cap_add": ["SYSLOG"], "devices": ["/dev/kmsg:/dev/kmsg:r"]}
    assert "docs/kernel-log.md" in above


def test_both_documents_give_the_same_files_to_root_for_the_kernel_log() -> None:
    assert ["sudo chown 0:0 token", f"sudo chown --recursive 0:0 {STATE}"] == TO_ROOT
    assert [line.strip() for line in re.findall(r"^ +sudo .*$", DOCUMENT, re.MULTILINE)] == TO_ROOT
    assert f"# - {STATE}:{STATE}\n" in TEXT


@pytest.mark.slow
def test_root_without_capabilities_reads_the_token_and_keeps_state_only_in_files_of_its_own(
    tmp_path: Path,
) -> None:
    if os.getuid() != 0:
        pytest.skip("giving away files requires root")
    user = ["--owner=10001", "--group=10001"]
    succeed(["install", *user, "--mode=0400", "/dev/null", "token"], tmp_path)
    succeed(["install", *user, "--mode=0700", "--directory", "state"], tmp_path)
    (tmp_path / "token").write_text("secret")
    token, state = str(tmp_path / "token"), str(tmp_path / "state")
    as_root = [*("setpriv", "--bounding-set=-all,+syslog", "--inh-caps=-all,+syslog", "--no-new-privs")]
    refused = run([*as_root, sys.executable, str(ROOT / "main.py"), "--check"], tmp_path, TOKEN_FILE=token)
    assert (refused.returncode, "TOKEN_FILE" in refused.stdout) == (2, True)
    assert run([*as_root, "touch", "state/file"], tmp_path).returncode == 1

    for command in TO_ROOT:
        succeed(command.removeprefix("sudo ").replace(STATE, "state").split(), tmp_path)

    with agent_process("--simulate", "2", inside=as_root, TOKEN_FILE=token, STATE_DIR=state) as agent:
        assert agent.get("/count").status_code == 401
        assert agent.get("/ready").json()["state"] == "kept"
    assert (tmp_path / "state" / "simulated.sqlite3").exists()


def test_the_token_is_a_file(service: dict[str, Any]) -> None:
    (secret,) = service["secrets"]
    assert service["environment"] == {"TOKEN_FILE": f"/run/secrets/{secret}"}
    assert yaml.safe_load(TEXT)["secrets"] == {secret: {"file": "./token"}}


def test_the_command_that_makes_the_token_makes_the_user_of_the_image_its_owner() -> None:
    user = only(parse((ROOT / "Dockerfile").read_text()), "USER").value.partition(":")[0]
    assert f"install --owner={user} --mode=0400 /dev/stdin token" in TEXT


def test_every_environment_variable_is_a_setting(service: dict[str, Any]) -> None:
    assert service["environment"]
    assert {name.lower() for name in service["environment"]} <= set(Settings.__dataclass_fields__)


@pytest.mark.slow
def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    assert succeed(["docker-compose", "config", "--services"], tmp_path) == "gpu-metrics\n"


@pytest.mark.slow
def test_an_env_file_reaches_the_container_only_with_the_documented_line(tmp_path: Path) -> None:
    line = "env_file: .env"
    assert f"`{line}` here in the service" in TEXT
    assert f"service has the line `{line}`" in (ROOT / "docs" / "install.md").read_text()
    (tmp_path / ".env").write_text("EXPECTED_GPUS=8\n")
    with_line = TEXT.replace("    image:", f"    {line}\n    image:", 1)
    for text, reaches in ((TEXT, False), (with_line, True)):
        (tmp_path / "docker-compose.yml").write_text(text)
        shown = yaml.safe_load(succeed(["docker-compose", "config"], tmp_path))
        assert ("EXPECTED_GPUS" in shown["services"]["gpu-metrics"]["environment"]) is reaches


@pytest.mark.slow
def test_docker_compose_accepts_the_file_together_with_the_monitoring(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    (tmp_path / ".env").write_text("GRAFANA_PASSWORD=secret")
    command = re.search(r"^# docker compose (-f .*) up --detach$", MONITORING, re.MULTILINE)
    assert command

    shown = succeed(["docker-compose", *command[1].split(), "config", "--services"], tmp_path)

    assert set(shown.split()) == {"gpu-metrics", "prometheus", "alertmanager", "grafana"}


def test_the_monitoring_mounts_existing_files_and_listens_only_on_loopback() -> None:
    services = yaml.safe_load(MONITORING)["services"]
    assert set(services) == {"prometheus", "alertmanager", "grafana"}
    for service in services.values():
        assert service["volumes"]
        assert service["ports"]
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
