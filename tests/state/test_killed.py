"""After kill -9 at any moment the file is valid, and has each written row once."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from agent.state.file import open_file
from tests.support.agents import ROOT, agent_process, free_port, wait_until
from tests.support.state_file import SIMULATED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

KILLS = 100
AGENTS = 5
GPUS = 2
HELD = re.compile(r"^nvidia_gpu_user_held_seconds_total\{.*\} (\S+)$", re.MULTILINE)


def test_a_writer_killed_at_a_hundred_random_moments_leaves_a_valid_file(tmp_path: Path) -> None:
    writer = subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, "-m", "tests.state.killing", str(tmp_path), str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert writer.returncode == 0, writer.stderr[-2000:]
    found = re.search(r"^100 kills, (\d+) batches$", writer.stdout)
    assert found
    assert int(found[1]) > KILLS


def test_five_killed_agents_lose_at_most_a_minute_and_count_nothing_twice(tmp_path: Path) -> None:
    """Each is killed at another time of its second minute, after an XID at 20 seconds."""
    environ = {"SIMULATE_SCENARIO": "xid", "HISTORY_INTERVAL": "1"}
    folders = [tmp_path / f"{number}" for number in range(AGENTS)]
    with ExitStack() as stack:
        agents = [
            stack.enter_context(agent_process("--simulate", f"{GPUS}", STATE_DIR=str(folder), **environ))
            for folder in folders
        ]
        began = time.time()
        killed = []
        for number, (agent, folder) in enumerate(zip(agents, folders, strict=True)):
            wait_until(lambda: time.time() >= began + 62 + 3 * number, "it is time", deadline=120)  # noqa: B023
            read_at = time.monotonic()
            before, counted, held = history(agent)["ts"], xids(agent), seconds_held(agent)
            agent.stop(signal.SIGKILL)
            late = time.monotonic() - read_at
            killed.append((folder, before, counted, held, kept(folder), late))
    for folder, before, counted, held, written, late in killed:
        restarted_at = time.monotonic()
        with agent_process("--simulate", f"{GPUS}", STATE_DIR=str(folder), HISTORY_INTERVAL="1") as agent:
            wait_until(lambda: agent.get("/history").status_code == 200, "the agent samples", deadline=60)
            ts, found = history(agent)["ts"], xids(agent)
            assert agent.stop() == 0
        known = [at for at in ts if at <= before[-1]]
        # The history in the file has at most one time a second, and its answer tenths of a second.
        assert before[-1] - known[-1] <= 61_000 + 3_000
        assert abs(known[0] - before[0]) < 3_000
        assert len(set(ts)) == len(ts)
        # One more XID may have come before the kill.
        assert all(times - 1 <= counted.get(code, 0) <= times for code, times in found.items())
        assert counted[31] >= 2
        # The file has the first minute. Only the time of the second agent is new, in which each user can
        # hold each GPU in every second.
        most = len(held) * GPUS
        assert 0 < written <= sum(held) + most * (late + 1)
        assert written >= sum(held) * (1 - 63 / (before[-1] - before[0]) * 1000)
        assert 0 <= kept(folder) - written <= most * (time.monotonic() - restarted_at)


def test_a_second_agent_on_the_folder_reports_the_reason_and_does_not_start(tmp_path: Path) -> None:
    with agent_process("--simulate", "1", STATE_DIR=str(tmp_path)):
        second = subprocess.run(  # noqa: S603  (our own program)
            [sys.executable, "main.py", "--simulate", "1", "--host", "127.0.0.1", "--port", f"{free_port()}"],
            cwd=ROOT,
            env={"STATE_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert second.returncode == 2
    assert f"STATE_DIR is '{tmp_path}', which is in use by another agent" in second.stderr


def history(agent: Process) -> dict[str, Any]:
    found: dict[str, Any] = agent.get("/history").json()["data"]
    return found


def seconds_held(agent: Process) -> list[float]:
    """GPU-seconds of each user, as the agent counts them in memory since it started."""
    return [float(seconds) for seconds in HELD.findall(agent.get("/metrics").text)]


def kept(folder: Path) -> float:
    """GPU-seconds of all users in the file, while no agent has it open."""
    file = open_file(folder / SIMULATED)
    (seconds,) = file.execute("SELECT coalesce(sum(held_seconds), 0) FROM user_days").fetchone()
    file.close()
    return float(seconds)


def xids(agent: Process) -> dict[int, int]:
    """How often each code was counted, on all GPUs together."""
    gpus = agent.get("/gpu?detail=1").json()["gpus"]
    return {xid["code"]: xid["times"] for gpu in gpus for xid in gpu["detail"]["xids"] or ()}
