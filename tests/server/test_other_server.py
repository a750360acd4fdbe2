"""Under `uvicorn main:app` the app refuses invalid requests that uvicorn accepts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.http.wire import A_TOKEN, exchange
from tests.support import loopback
from tests.support.agents import agent_process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.agents import Process

TOKEN = b"Authorization: " + A_TOKEN.encode() + b"\r\n"
REQUEST = b"GET /count HTTP/1.1\r\nConnection: close\r\n"
HOST = b"Host: agent\r\n"


@pytest.fixture(scope="module")
def agent() -> Iterator[Process]:
    uvicorn = (f"{sys.prefix}/bin/uvicorn", "main:app")
    with agent_process(program=uvicorn, SIMULATE_GPUS="1", TOKEN=A_TOKEN) as agent:
        yield agent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rest", "status"),
    [
        pytest.param(HOST + TOKEN + b"\r\n", 200, id="valid"),
        pytest.param(HOST + TOKEN + b"Content-Length: 2\r\n\r\nab", 200, id="a body"),
        pytest.param(
            HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + TOKEN + b"\r\n", 400, id="a trailer"
        ),
        pytest.param(TOKEN + b"\r\n", 400, id="no Host"),
        pytest.param(HOST + HOST + TOKEN + b"\r\n", 400, id="two Hosts"),
        pytest.param(b"Host: a/b\r\n" + TOKEN + b"\r\n", 400, id="an invalid host"),
    ],
)
def test_requests_that_are_not_exactly_http_are_refused_under_uvicorn_too(
    agent: Process, rest: bytes, status: int
) -> None:
    reply = exchange(agent.url, REQUEST + rest)
    assert (reply.status, status == 200 or bool(reply.error)) == (status, True)


@pytest.mark.slow
def test_a_forwarded_client_that_is_not_an_address_is_not_logged(agent: Process) -> None:
    for value in (b"evil", b"fe80::1%\x9b31m", b"fe80::1%\xe9", b"203.0.113.9"):
        loopback.get(f"{agent.url}/named", headers={b"X-Forwarded-For": value})
    wait_until(lambda: agent.log.count("/named") == 4, "all is logged")
    logged = [line.split(" - ")[0] for line in agent.log.splitlines() if "/named" in line]
    assert [line.split()[1:] for line in logged] == [[], [], [], ["203.0.113.9:0"]]
