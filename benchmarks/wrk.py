"""HTTP load made by wrk, and its results."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REQUIRED = ("wrk", "taskset")
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
TIMEOUT = 30  # seconds; a handler that reads the driver in each request is slow, but does not fail


@dataclass(frozen=True, slots=True)
class Load:
    """The results of the clients; latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


def missing() -> str | None:
    """What must be installed before load can be made; None if nothing is missing."""
    lacking = [program for program in REQUIRED if shutil.which(program) is None]
    if not lacking:
        return None
    return f"Not found: {' and '.join(lacking)}. On Debian and Ubuntu: apt-get install wrk util-linux"


def run(url: str, *, connections: int, seconds: int, headers: Mapping[str, str]) -> Load:
    """Send requests on keep-alive connections without a pause. Raises ValueError as `parse` does."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--latency"]
    options += ["--timeout", f"{TIMEOUT}s"]
    for name, value in headers.items():
        options += ["--header", f"{name}: {value}"]
    command = machine.pinned(machine.client_core(), "wrk", *options, url)
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  (wrk)
    return parse(done.stdout)


def parse(report: str) -> Load:
    """The results in wrk's report. Raises ValueError if a request failed, or none was answered."""
    if failures := re.findall(r"(?m)^ *(?:Non-2xx|Socket errors).*$", report):
        raise ValueError("; ".join(line.strip() for line in failures))
    per_second = re.search(r"Requests/sec: +([\d.]+)", report)
    if per_second is None or not float(per_second[1]):
        raise ValueError(f"wrk got no answer:\n{report}")
    return Load(float(per_second[1]), _percentile(report, 50), _percentile(report, 99))


def best(loads: Iterable[Load]) -> Load:
    """The best of several runs: the one that other programs disturbed least."""
    return max(loads, key=lambda load: load.per_second)


def _percentile(report: str, percent: int) -> float:
    found = re.search(rf"(?m)^ +{percent}% +([\d.]+)(us|ms|s|m) *$", report)
    if found is None:
        raise ValueError(f"wrk told no latency:\n{report}")
    return float(found[1]) * MILLISECONDS[found[2]]
