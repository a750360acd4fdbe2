"""What the agent reports about its own process."""

from __future__ import annotations

import os
import resource
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from agent.readings import AgentReading
from agent.sources.agent import AgentSource


def test_the_reading_of_the_agent_s_process_agrees_with_psutil() -> None:
    process = psutil.Process()
    reading = AgentSource().read()
    assert reading.started_at == pytest.approx(process.create_time(), abs=2)
    assert reading.resident_bytes == pytest.approx(process.memory_info().rss, rel=0.5)
    used = process.cpu_times()
    assert reading.cpu_seconds == pytest.approx(used.user + used.system, abs=5)
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert reading.max_open_files == (None if limit == resource.RLIM_INFINITY else limit)


def test_open_files_and_cpu_time_of_the_agent_grow_with_their_use() -> None:
    source = AgentSource()
    before = source.read()
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Path(os.devnull).open())
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        after = source.read()
    assert before.open_files
    assert after.open_files
    assert after.open_files >= before.open_files + 90  # other threads may have closed some of theirs
    assert before.cpu_seconds is not None
    assert after.cpu_seconds is not None
    assert after.cpu_seconds > before.cpu_seconds
    assert after.started_at == before.started_at


def test_unreadable_values_of_the_agent_are_unknown(tmp_path: Path) -> None:
    limit = AgentSource().read().max_open_files
    assert AgentSource(str(tmp_path)).read() == AgentReading(max_open_files=limit)
