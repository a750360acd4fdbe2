"""`uv run python -m benchmarks.fleet [--agents 50]`: what many agents cost an (installed) Prometheus."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from benchmarks.server import ROOT, free_port, usual_driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCRAPE_SECONDS = 15
START_SECONDS = 120.0  # seconds until every agent has been scraped
WINDOW_SECONDS = 60.0  # seconds over which CPU time is counted
# The figures: a description, and the query to Prometheus.
QUESTIONS = (
    ("agents up", "sum(up{job='gpu'})"),
    ("series of a scrape, mean", "avg(scrape_samples_scraped{job='gpu'})"),
    ("scrape, mean (s)", "avg(scrape_duration_seconds{job='gpu'})"),
    ("scrape, slowest (s)", "max(scrape_duration_seconds{job='gpu'})"),
    ("series in memory", "prometheus_tsdb_head_series"),
    ("Prometheus, resident (MiB)", "process_resident_memory_bytes{job='self'} / 2^20"),
    ("Prometheus, CPU (% of a core)", "100 * rate(process_cpu_seconds_total{job='self'}[45s])"),
)


def main() -> int:
    """Prints a line for each figure. The exit status is 1 if an agent was not scraped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--agents", type=int, default=50)
    count = parser.parse_args().agents
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports = [free_port() for _ in range(count)]
        driver = stack.enter_context(usual_driver())
        agents = [psutil.Process(stack.enter_context(agent(port, driver)).pid) for port in ports]
        url = stack.enter_context(prometheus(Path(folder), ports))
        end = time.monotonic() + START_SECONDS
        while (value(url, QUESTIONS[0][1]) or 0) < count and time.monotonic() < end:
            time.sleep(1)
        before = sum(sum(one.cpu_times()[:2]) for one in agents)
        time.sleep(WINDOW_SECONDS)
        spent = sum(sum(one.cpu_times()[:2]) for one in agents) - before
        resident = sum(one.memory_info().rss for one in agents) / count / 2**20
        figures = {words: value(url, question) for words, question in QUESTIONS}
        figures["an agent, CPU (% of a core)"] = 100 * spent / WINDOW_SECONDS / count
        figures["an agent, resident (MiB)"] = resident
        figures["bytes of a scrape"] = len(fetch(f"http://127.0.0.1:{ports[0]}/metrics"))
        sys.stdout.write(f"{count} agents of 8 simulated GPUs, scraped every {SCRAPE_SECONDS} s\n")
        for words, figure in figures.items():
            sys.stdout.write(f"{words:32} {'unknown' if figure is None else f'{figure:,.6g}'}\n")
        return int(value(url, QUESTIONS[0][1]) != count)


@contextmanager
def agent(port: int, driver: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """An agent with 8 simulated GPUs whose processes exist in /proc."""
    listen = "--host", "127.0.0.1", "--port", str(port)
    command = [sys.executable, "-m", "benchmarks.programs.agent", *listen, *driver]
    with _running(command, ROOT) as process:
        yield process


@contextmanager
def prometheus(folder: Path, ports: list[int]) -> Iterator[str]:
    """A Prometheus that scrapes these ports and itself; yields its address."""
    address = f"127.0.0.1:{free_port()}"
    targets = [f"127.0.0.1:{port}" for port in ports]
    config = {  # JSON is valid YAML
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {"job_name": "gpu", "static_configs": [{"targets": targets}]},
            {"job_name": "self", "static_configs": [{"targets": [address]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address={address}"]
    with _running([*command, f"--storage.tsdb.path={folder / 'data'}"], folder):
        yield f"http://{address}"


def value(url: str, question: str) -> float | None:
    """The single value of the query; None as long as there is none."""
    try:
        answer: Any = json.loads(fetch(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': question})}"))
    except OSError:
        return None
    found = answer["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def fetch(url: str) -> bytes:
    """The body of the answer."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  (our own address)
        body: bytes = answer.read()
        return body


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  (no outside input)
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
