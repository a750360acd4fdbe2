"""The client examples of both predecessors run unchanged, except for the URL, against a real agent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import loopback
from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "changeme"  # noqa: S105  (the example's)
API_KEY = "your-api-key-here"

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

READ_STREAM = """
import requests
import json

api_key = 'your-api-key-here'
interval = 1.0
url = f'{URL}/gpu/stream?api_key={api_key}&interval={interval}'

with requests.get(url, stream=True, headers={'Accept': 'text/event-stream'}) as response:
    for line in response.iter_lines():
        if line:
            # SSE format: "data: {json}\\n"
            if line.startswith(b'data: '):
                json_str = line[6:].decode('utf-8')
                metrics = json.loads(json_str)
                print('GPU Metrics:', metrics)
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with agent_process(
        "--simulate", "2", "--url-prefix", "server1", prefix="/server1", TOKEN=TOKEN, API_KEYS=API_KEY
    ) as agent:
        wait_until(lambda: loopback.get(f"{agent.url}/ready").is_success, lambda: agent.log)
        yield agent.url


def curl(*arguments: str, seconds: float = 10) -> str:
    """The output of curl; a stream is cut after `seconds`."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(seconds), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=30).stdout  # noqa: S603  (our own command)


def events_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]


@pytest.mark.slow
@needs_curl
def test_curl_with_the_token_reads_the_status(url: str) -> None:
    answer = json.loads(curl("-H", f"Authorization: {TOKEN}", f"{url}/status"))
    assert (answer["code"], answer["data"]["count"]) == (0, 2)


@pytest.mark.slow
@needs_curl
def test_curl_with_the_key_in_a_header_reads_the_stream(url: str) -> None:
    events = events_in(curl("-N", "-H", f"X-API-Key: {API_KEY}", f"{url}/gpu/stream?interval=1", seconds=4.2))
    assert 2 <= len(events) <= 6
    assert all(event["gpu_count"] == 2 for event in events)


@pytest.mark.slow
@needs_curl
@pytest.mark.parametrize(
    ("path", "header"),
    [
        pytest.param("/status", "Authorization: wrong", id="status, wrong token"),
        pytest.param("/status", "X-Nothing: 1", id="status, no token"),
        pytest.param("/status", f"X-API-Key: {API_KEY}", id="status, API key instead of token"),
        pytest.param("/gpu", "X-Nothing: 1", id="gpu, no token"),
        pytest.param("/gpu/stream", "X-API-Key: wrong", id="stream, wrong key"),
        pytest.param("/gpu/stream?api_key=wrong", "X-Nothing: 1", id="stream, wrong key in the query"),
        pytest.param("/gpu/stream", "X-Nothing: 1", id="stream, no key"),
    ],
)
def test_a_wrong_or_missing_credential_is_401_in_the_envelope(url: str, path: str, header: str) -> None:
    body, status = curl("-w", "\n%{http_code}", "-H", header, url + path).rsplit("\n", 1)
    answer = json.loads(body)
    assert (status, answer["code"], answer["data"]) == ("401", 401, None)
    assert TOKEN not in body
    assert API_KEY not in body


@pytest.mark.slow
def test_python_requests_reads_the_stream_with_the_key_in_the_query(url: str) -> None:
    with subprocess.Popen(  # noqa: S603  (our own script)
        [sys.executable, "-u", "-c", f"URL = {url!r}\n{READ_STREAM}"], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        lines = [reader.stdout.readline() for _ in range(3)]
        reader.kill()
    assert all(line.startswith("GPU Metrics: {'timestamp': ") for line in lines)
