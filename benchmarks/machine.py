"""The machine that runs the measurement: its description, the cores of client and server, and other load."""

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
QUIET_PERCENT = 10.0  # of all cores; a machine without other programs uses less
QUIET_DEADLINE = 60.0  # seconds after which the measurement starts in any case


def describe() -> str:
    """One line: processor, cores, Python and the relevant packages."""
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
    """The core of the clients that make the load."""
    return min(os.sched_getaffinity(0))


def server_core() -> int:
    """The core of the program under measurement: not the clients' core, if there is another."""
    return max(os.sched_getaffinity(0))


def pinned(core: int, *command: str) -> list[str]:
    """The command, pinned to this core."""
    return ["taskset", "--cpu-list", str(core), *command]


def wait_until_quiet() -> None:
    """Wait until other programs use little CPU, or until QUIET_DEADLINE has passed."""
    deadline = time.monotonic() + QUIET_DEADLINE
    while time.monotonic() < deadline and psutil.cpu_percent(interval=1.0) > QUIET_PERCENT:
        pass


@dataclass
class Effort:
    """How long something took, and how many cores other programs used meanwhile."""

    seconds: float = 0.0
    others_cores: float = 0.0


@contextmanager
def effort() -> Iterator[Effort]:
    """Yields an Effort, which is filled in at the end; every child process must have ended by then."""
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
