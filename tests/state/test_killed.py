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

from tests.support.agents import ROOT, agent_process, free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.agents import Process

pytestmark = pytest.mark.slow

KILLS = 100
AGENTS = 5


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
            stack.enter_context(agent_process("--simulate", "2", STATE_DIR=str(folder), **environ))
            for folder in folders
        ]
        began = time.time()
        killed = []
        for number, agent in enumerate(agents):
            wait_until(lambda: time.time() >= began + 62 + 3 * number, "it is time", deadline=120)  # noqa: B023
            killed.append((history(agent)["ts"], xids(agent)))
            agent.stop(signal.SIGKILL)
    for folder, (before, counted) in zip(folders, killed, strict=True):
        with agent_process("--simulate", "2", STATE_DIR=str(folder), HISTORY_INTERVAL="1") as agent:
            wait_until(lambda: history(agent)["devices"], "it samples")
            ts = history(agent)["ts"]
            kept = [at for at in ts if at <= before[-1]]
            # The history is thinned to a moment a second in the file, and told to a tenth of a second.
            assert before[-1] - kept[-1] <= 61_000 + 3_000
            assert abs(kept[0] - before[0]) < 3_000
            assert len(set(ts)) == len(ts)
            assert xids(agent) == counted
            assert counted[31] >= 2


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


def xids(agent: Process) -> dict[int, int]:
    """How often each code was counted, on all GPUs together."""
    gpus = agent.get("/gpu?detail=1").json()["gpus"]
    return {xid["code"]: xid["times"] for gpu in gpus for xid in gpu["detail"]["xids"] or ()}
