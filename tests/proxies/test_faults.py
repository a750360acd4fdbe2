"""An agent goes down and comes back; the proxy and the other agent stay up."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.http.wire import error_of
from tests.proxies.conftest import agent_behind
from tests.proxies.event_source import EventSource
from tests.proxies.reverse_proxy import proxy
from tests.support.agents import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.proxies.reverse_proxy import Program, Setup
    from tests.support.agents import Process

pytestmark = pytest.mark.slow


def test_an_agent_that_is_down_affects_only_its_own_prefix(
    program: Program, set_up: Callable[[tuple[str, str]], Setup]
) -> None:
    with ExitStack() as stack:
        stays, goes = agent_behind(stack, "server1"), agent_behind(stack, "server2")
        running = stack.enter_context(proxy(program, set_up((stays.url, goes.url))))
        client = stack.enter_context(running.client())
        other_stream = iter(EventSource(client, "/server1/gpu/stream?interval=0.5"))
        own_stream = stack.enter_context(client.stream("GET", "/server2/gpu/stream?interval=0.5"))
        assert next(other_stream).data["gpu_count"] == 2
        assert client.get("/server2/status").status_code == 200

        assert goes.stop() == 0
        own_stream.read()  # to the end, which is a proper one
        began = time.monotonic()
        for path in ("/server2/status", "/server2/gpu", "/server2/docs"):
            assert_down(client.get(path))
        assert_down(client.get("/server2/nothing"))
        for path in ("/server2/gpu/stream", "/server2/gpu/stream?interval=1", "/server2/gpu/stream/"):
            assert_stream_down(client.get(path))
        assert time.monotonic() - began < 20
        assert client.get("/server1/status").status_code == 200
        assert next(other_stream).data["gpu_count"] == 2

        start_again(stack, goes, "server2")
        assert client.get("/server2/status").status_code == 200, "at once, and without a restart of the proxy"
        events = iter(EventSource(client, "/server2/gpu/stream?interval=0.5"))
        assert next(events).data["gpu_count"] == 2
        assert next(other_stream).data["gpu_count"] == 2


def assert_down(response: httpx.Response) -> None:
    """The answer is the proxy's own, in the form of an agent's error."""
    assert response.status_code in {502, 503}
    assert error_of(response.status_code, response.content) == "The agent of this server does not answer"
    assert response.headers["content-type"] == "application/json"
    assert int(response.headers["retry-after"]) > 0


def assert_stream_down(response: httpx.Response) -> None:
    """The answer is a stream without events: an EventSource reconnects after it, but not after an error."""
    assert (response.status_code, response.text) == (200, "retry: 10000\n\n")
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert response.headers["cache-control"] == "no-store", "a cache may store an answer with status 200"


@pytest.mark.parametrize("is_up", [True, False])
def test_a_denied_client_is_refused_whether_or_not_the_agent_is_up(
    program: Program, set_up: Callable[[tuple[str, str]], Setup], *, is_up: bool
) -> None:
    """With the commented lines of each file, which allow only another network."""
    with ExitStack() as stack:
        agent = agent_behind(stack, "server1").url if is_up else f"http://127.0.0.1:{free_port()}"
        setup = replace(set_up((agent, agent)), deny=True)
        client = stack.enter_context(stack.enter_context(proxy(program, setup)).client())
        for path in ("/server1/gpu/stream", "/server1/status", "/server1/health"):
            refused = client.get(path)
            assert (path, refused.status_code) == (path, 403)
            assert "retry:" not in refused.text


def test_no_request_fails_after_a_restart_of_the_agent_between_two_requests(
    program: Program, set_up: Callable[[tuple[str, str]], Setup]
) -> None:
    """The connection that the proxy has kept open leads to a process that has ended."""
    with ExitStack() as stack:
        agent = agent_behind(stack, "server1")
        running = stack.enter_context(proxy(program, set_up((agent.url, agent.url))))
        client = stack.enter_context(running.client())
        assert client.get("/server1/health").status_code == 200
        assert agent.stop() == 0
        start_again(stack, agent, "server1")
        assert client.get("/server1/health").status_code == 200


def start_again(stack: ExitStack, agent: Process, server: str) -> None:
    """Start an agent on the port of one that has ended."""
    agent_behind(stack, server, port=str(httpx.URL(agent.url).port))
