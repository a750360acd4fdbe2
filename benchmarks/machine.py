"""The machine that is measured: what it is, which cores are whose, and how quiet it is."""

from __future__ import annotations

import os
import platform
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("uvicorn", "fastapi", "nvitop")
QUIET_PERCENT = 10.0  # of all cores: less than this is what a machine does by itself
QUIET_DEADLINE = 60.0  # seconds after which it is measured all the same


def describe() -> str:
    """One line: processor, cores, Python and the packages that matter."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    number = len(os.sched_getaffinity(0))
    system = f"Linux {platform.release()}; Python {platform.python_version()}"
    return f"{_processor()}, {number} cores; {system}, {packages}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def client_core() -> int:
    """Where the load comes from."""
    return min(os.sched_getaffinity(0))


def server_core() -> int:
    """Where what is measured runs: another core than the client's, if there is another."""
    return max(os.sched_getaffinity(0))


def pinned(core: int, *command: str) -> list[str]:
    """The command, kept to that core."""
    return ["taskset", "--cpu-list", str(core), *command]


def wait_until_quiet() -> None:
    """Until others leave the machine alone, or QUIET_DEADLINE has passed."""
    deadline = time.monotonic() + QUIET_DEADLINE
    while time.monotonic() < deadline and psutil.cpu_percent(interval=1.0) > QUIET_PERCENT:
        pass


@dataclass
class Effort:
    """How long something took, and how many cores others kept busy meanwhile."""

    seconds: float = 0.0
    others_cores: float = 0.0


@contextmanager
def effort() -> Iterator[Effort]:
    """Filled in at the end; every child process must have ended by then."""
    spent = Effort()
    started, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()
    yield spent
    spent.seconds = time.monotonic() - started
    others = _busy_seconds() - busy - (_own_seconds() - own)
    spent.others_cores = max(0.0, others / spent.seconds)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
