"""A process with a command line of 600 MB costs the agent nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.sources.procfs import PROC, by_resident_bytes
from tests.support import loopback
from tests.support.agents import ROOT, agent_process
from tests.support.real_processes import REAL_PROCESSES
from tests.support.stretched_process import STRETCHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

pytestmark = pytest.mark.measures

SEARCH_INTERVAL = 10.0  # seconds between two searches for the largest processes
MIB = 2**20


def peak_resident_bytes(pid: int) -> int:
    """The most that the process ever had in RAM."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def shown_bytes(pid: int) -> int:
    """The length of the command line that the kernel shows."""
    with Path(f"/proc/{pid}/cmdline").open("rb") as file:
        return sum(len(part) for part in iter(lambda: file.read(MIB), b""))


@contextmanager
def stretched_process() -> Iterator[int]:
    """The pid of a process that is among the five largest, even when others grow a little."""
    second = by_resident_bytes(PROC, 5)[1][0]
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-m", "tests.support.stretched_process", str(min(second, 1024 * MIB) + 64 * MIB)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        if said != "ready\n":
            pytest.skip(f"this kernel lets no process stretch its command line: {said.strip()}")
        try:
            yield child.pid
        finally:
            child.kill()


def request_repeatedly(client: httpx.Client, seconds: float) -> tuple[float, set[int]]:
    """The 99th percentile of the seconds that `/health` takes, and the pids of the largest processes."""
    taken: list[float] = []
    largest: set[int] = set()
    end, asked = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        if time.monotonic() - asked >= 1:
            asked = time.monotonic()
            listed = client.get("/gpu").json()["system_info"]["memory"]["top_processes"]
            largest |= {process["pid"] for process in listed}
        began = time.perf_counter()
        client.get("/health").raise_for_status()
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    return sorted(taken)[int(len(taken) * 0.99)], largest


def test_a_command_line_of_600_mb_among_the_largest_processes_costs_nothing() -> None:
    with (
        agent_process("--simulate", "8", program=REAL_PROCESSES) as agent,
        loopback.Client(base_url=agent.url) as client,
    ):
        quiet, _ = request_repeatedly(client, SEARCH_INTERVAL + 1)
        before = peak_resident_bytes(agent.popen.pid)
        with stretched_process() as pid:
            assert shown_bytes(pid) == STRETCHED
            busy, largest = request_repeatedly(client, 2 * SEARCH_INTERVAL + 1)
            grown = peak_resident_bytes(agent.popen.pid) - before
    sys.stdout.write(f"grown {grown / MIB:.1f} MiB; p99 {quiet * 1e3:.1f} -> {busy * 1e3:.1f} ms\n")
    assert pid in largest
    assert grown < 8 * MIB
    assert busy < max(0.05, 2 * quiet)  # twice: other programs run on the machine too
