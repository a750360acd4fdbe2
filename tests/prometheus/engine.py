"""A real Prometheus with the rules of deploy/, with waits of seconds instead of minutes."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from tests.support import loopback
from tests.support.agents import ROOT, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEPLOY = ROOT / "deploy" / "prometheus"


def program(name: str) -> str:
    """The path of a program. Skips the test if the program is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian, Ubuntu: apt-get install prometheus)")
    return found


def promtool(*arguments: str, given: str = "") -> str:
    """The output of promtool for these arguments. AssertionError if it reports an error."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(  # noqa: S603  (no outside input)
        command, input=given, cwd=DEPLOY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Engine:
    """A client of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._client = loopback.Client(base_url=url, timeout=10)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query. AssertionError if Prometheus refuses it."""
        answer = self._client.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The value of the first series of a query; None if there is no series."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Name and instance of every alert that fires."""
        alerts = self._client.get("/api/v1/alerts").json()["data"]["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"]["instance"])
            for one in alerts
            if one["state"] == "firing"
        }


@contextmanager
def running(command: list[str], folder: Path, address: str) -> Iterator[None]:
    """Run Prometheus or Alertmanager, and wait until it is ready. Its log is in the folder."""

    def is_ready() -> bool:
        try:
            return loopback.get(f"http://{address}/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    arguments = [*command, f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        popen = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)  # noqa: S603  (no outside input)
    try:
        wait_until(is_ready, lambda: f"{command[0]} is ready: {(folder / 'log').read_text()}")
        yield
    finally:
        popen.terminate()
        popen.wait(timeout=20)


@contextmanager
def prometheus(
    folder: Path, scrape_configs: list[dict[str, Any]], more_rules: tuple[str, ...] = ()
) -> Iterator[Engine]:
    """A Prometheus that scrapes each second, and for whose alerts a minute is a second."""
    rules = ["recording.yml", "alerts.yml", *more_rules]
    for name in rules:
        (folder / name).write_text(re.sub(r"\b(\d+)m\b", r"\1s", (DEPLOY / name).read_text()))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": rules,
        "scrape_configs": scrape_configs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        "--config.file=prometheus.yml",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    with running(command, folder, address):
        yield Engine(f"http://{address}")
