"""A full or a read-only disk, in a mount namespace: the agent continues, and writes when it can again."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

# Mounts a disk at the agent's folder, and runs the agent, which is "$@".
ON_A_DISK = 'mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@"'


def inside(folder: Path, options: str) -> list[str]:
    """The first words of a command that runs with this disk."""
    return [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        ON_A_DISK,
        "sh",
        options,
        str(folder),
    ]


def run_at_agent(agent: Process, command: str) -> None:
    """Run a shell command in the mount namespace of the agent."""
    place = ["nsenter", f"--target={agent.popen.pid}", "--user", "--mount", "--preserve-credentials"]
    subprocess.run([*place, "sh", "-c", command], check=True)  # noqa: S603  (our own words)


def wait_for(agent: Process, word: str) -> None:
    """Wait until /ready reports this state of the file."""
    wait_until(lambda: agent.get("/ready").json().get("state") == word, f"the state is {word}", deadline=120)


def test_an_agent_on_a_full_or_read_only_disk_continues_and_writes_when_it_can(tmp_path: Path) -> None:
    """The XIDs after 20, 40 and 60 seconds are written at once, which shows the state of the file."""
    full, closed = tmp_path / "full", tmp_path / "closed"
    full.mkdir()
    closed.mkdir()
    environ = {"SIMULATE_SCENARIO": "xid", "HISTORY_INTERVAL": "1"}
    with (
        agent_process(
            "--simulate", "2", inside=inside(full, "size=4k"), STATE_DIR=str(full), **environ
        ) as on_full,
        agent_process(
            "--simulate", "2", inside=inside(closed, "ro,size=10m"), STATE_DIR=str(closed), **environ
        ) as on_closed,
    ):
        wait_for(on_full, "full")
        wait_for(on_closed, "read_only")
        assert "\nnvidia_gpu_agent_state_kept 0.0\n" in on_full.get("/metrics").text
        run_at_agent(on_full, f"mount -o remount,size=10m {full}")
        run_at_agent(on_closed, f"mount -o remount,rw {closed}")
        for agent in (on_full, on_closed):
            wait_for(agent, "kept")
            assert len(agent.get("/history").json()["data"]["ts"]) > 5

        run_at_agent(on_full, f"dd if=/dev/zero of={full}/filler bs=4k 2>/dev/null || true")
        wait_for(on_full, "full")
        assert on_full.get("/gpu").status_code == 200
        run_at_agent(on_full, f"rm {full}/filler")
        wait_for(on_full, "kept")
        lines = [line for line in on_full.log.splitlines() if " STATE_DIR " in line]
        assert ["STATE_DIR can be written again" in line for line in lines] == [False, True, False, True]
