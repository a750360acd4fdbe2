"""kill -9 at any moment: the file is whole, and what was written is in it once."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from agent.state.file import open_to_read
from tests.support.agents import ROOT, agent_process, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

KILLS = 100
AGENTS = 5
GPUS = 2
FILE = "simulated.sqlite3"
HELD = re.compile(r"^nvidia_gpu_user_held_seconds_total\{.*\} (\S+)$", re.MULTILINE)


def test_the_writer_at_a_hundred_random_moments(tmp_path: Path) -> None:
    told = subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, "-m", "tests.state.killing", str(tmp_path), str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert told.returncode == 0, told.stderr[-2000:]
    found = re.search(r"^100 kills, (\d+) batches$", told.stdout)
    assert found
    assert int(found[1]) > KILLS


def test_five_whole_agents_lose_a_minute_at_most_and_count_nothing_twice(tmp_path: Path) -> None:
    """Each at another moment of its second minute; each has heard an XID after 20 seconds."""
    environ = {"SIMULATE_SCENARIO": "xid", "HISTORY_INTERVAL": "1"}
    folders = [tmp_path / f"{number}" for number in range(AGENTS)]
    with ExitStack() as stack:
        agents = [
            stack.enter_context(agent_process("--simulate", f"{GPUS}", STATE_DIR=str(folder), **environ))
            for folder in folders
        ]
        began = time.time()
        killed = []
        for number, agent in enumerate(agents):
            wait_until(lambda: time.time() >= began + 62 + 3 * number, "it is time", deadline=120)  # noqa: B023
            killed.append(
                (history(agent)["ts"], xids(agent), sum(seconds_held(agent)), kept(folders[number]))
            )
            agent.stop(signal.SIGKILL)
    for folder, (before, counted, used, written) in zip(folders, killed, strict=True):
        restarted_at = time.monotonic()
        with agent_process("--simulate", f"{GPUS}", STATE_DIR=str(folder), HISTORY_INTERVAL="1") as agent:
            wait_until(lambda: agent.get("/history").status_code == 200, "it samples", deadline=60)
            ts = history(agent)["ts"]
            known = [at for at in ts if at <= before[-1]]
            # The history is thinned to a moment a second in the file, and told to a tenth of a second.
            assert before[-1] - known[-1] <= 61_000 + 3_000
            assert abs(known[0] - before[0]) < 3_000
            assert len(set(ts)) == len(ts)
            assert xids(agent) == counted
            assert counted[31] >= 2
            assert kept(folder) == written > 0
            print(used, written, seconds_held(agent))
            # Each user lost at most the last minute on each GPU.
            holders = len(seconds_held(agent)) * GPUS
            assert used - holders * 63 <= written <= used + 1
            assert agent.stop() == 0
        assert 0 <= kept(folder) - written <= holders * (time.monotonic() - restarted_at)


def test_a_second_agent_on_the_folder_says_so_and_does_not_start(tmp_path: Path) -> None:
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
    """GPU-seconds of all users in the file; it can be read whoever writes."""
    file = open_to_read(folder / FILE)
    (seconds,) = file.execute("SELECT coalesce(sum(held_seconds), 0) FROM user_days").fetchone()
    file.close()
    return float(seconds)


def xids(agent: Process) -> dict[int, int]:
    """How often each code was counted, on all GPUs together."""
    gpus = agent.get("/gpu?detail=1").json()["gpus"]
    return {xid["code"]: xid["times"] for gpu in gpus for xid in gpu["detail"]["xids"] or ()}
