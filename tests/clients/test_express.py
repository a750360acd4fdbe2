"""Express with compression() in front of the agent does not compress the stream."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.simulation import Simulation
from tests.clients.npm import install
from tests.support import loopback
from tests.support.agents import agent_server, clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = """
import compression from "compression";
import express from "express";
import http from "node:http";

const [, , agent, dropped] = process.argv;
const app = express();
app.use(compression());
app.use((request, response) => {
  http.get(agent + request.url, { headers: request.headers }, (answer) => {
    delete answer.headers[dropped];
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
STREAM = "/gpu/stream?interval=60"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("express")
    install(folder, "express@5", "compression@1")
    (folder / "proxy.mjs").write_text(PROGRAM)
    return folder


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    with Simulation(gpus=8), agent_server() as url:
        yield url


@contextmanager
def express(project: Path, agent: str, *, dropped: str = "") -> Iterator[str]:
    """The URL of the proxy, which does not pass on the header `dropped` of the agent's answers."""
    command = [shutil.which("node") or "node", "proxy.mjs", agent, dropped]
    with subprocess.Popen(command, cwd=project, env=clean_environ(), stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def first_line(url: str, *, patience: float) -> str:
    """The first line of the stream, for a client that accepts gzip."""
    with loopback.stream("GET", url + STREAM, timeout=patience, trust_env=False) as response:
        return next(response.iter_lines())


def test_an_event_arrives_at_once_even_if_the_next_is_a_minute_away(project: Path, agent: str) -> None:
    with express(project, agent) as url:
        assert first_line(url, patience=20).startswith("data: {")


def test_without_no_transform_compression_delays_the_event(project: Path, agent: str) -> None:
    """Without Cache-Control, the compression holds the event back until much more data has arrived."""
    with express(project, agent, dropped="cache-control") as url, pytest.raises(httpx.ReadTimeout):
        first_line(url, patience=3)


def test_an_answer_that_the_agent_compressed_is_not_compressed_again(project: Path, agent: str) -> None:
    with express(project, agent) as url:
        response = loopback.get(f"{url}/gpu", headers={"Accept-Encoding": "gzip"}, trust_env=False)
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["gpu_count"] == 8
