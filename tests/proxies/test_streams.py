"""Event streams through a proxy: each event arrives at once, and a stream ends when either end closes it."""

from __future__ import annotations

import asyncio
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.http.wire import error_of
from tests.proxies.conftest import agent_behind
from tests.proxies.event_source import EventSource, events_in
from tests.proxies.reverse_proxy import TOKENS, proxy
from tests.support import loopback
from tests.support.agents import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.proxies.reverse_proxy import Origin, Program, Setup

    SetUp = Callable[[tuple[str, str]], Setup]

pytestmark = pytest.mark.slow

INTERVAL = 0.5
READ_TIMEOUT = 2.0  # of the proxies, shortened
HEARTBEAT = "1"  # seconds, shortened
NEVER = "300"  # seconds
SPARED = 2  # of 8 events: a loaded machine may delay this many; a proxy that collects events delays more

VERSIONS = ["--http1.1", "--http2"]
each_version = pytest.mark.parametrize("version", VERSIONS)


@contextmanager
def read_by_curl(origin: Origin, path: str, *options: str) -> Iterator[Iterator[str]]:
    """The lines that curl reads."""
    process = origin.curl(path, "--max-time", "30", *options)
    assert process.stdout is not None
    with process, io.TextIOWrapper(process.stdout) as lines:
        try:
            yield (line.rstrip("\n") for line in lines)
        finally:
            process.kill()


@pytest.mark.parametrize(("server", "version"), list(zip(TOKENS, VERSIONS, strict=True)))
def test_each_event_arrives_as_soon_as_it_is_made(
    origin: Origin, agents: dict[bool, tuple[str, str]], strip: bool, server: str, version: str
) -> None:
    agent = dict(zip(TOKENS, agents[strip], strict=True))[server]
    query = f"/gpu/stream?interval={INTERVAL}"
    with (
        loopback.Client(headers={"Authorization": TOKENS[server]}, trust_env=False) as client,
        ThreadPoolExecutor() as pool,
    ):
        without_proxy = pool.submit(lambda: list(islice(EventSource(client, agent + query), 10)))
        began = time.monotonic()
        with read_by_curl(origin, f"/{server}{query}", version, "--compressed") as lines:
            events = list(islice(events_in(lines), 8))
    assert events[0].at - began <= 2
    assert events[0].data["gpu_count"] == 2
    gaps = [after.at - before.at for before, after in pairwise(events)]
    assert sorted(gaps)[-1 - SPARED] <= INTERVAL + 0.25
    assert sorted(gaps[2:])[SPARED] >= INTERVAL - 0.25, "events made apart came together"  # the first may be
    made = {json.dumps(event.data): event.at for event in without_proxy.result()}
    delays = [event.at - made[key] for event in events if (key := json.dumps(event.data)) in made]
    assert len(delays) >= 6
    assert sorted(delays)[-1 - SPARED] <= 0.25


@each_version
def test_a_stream_has_the_headers_of_a_stream_over_http_1_and_http_2(origin: Origin, version: str) -> None:
    path = f"/server1/gpu/stream?interval={INTERVAL}"
    with read_by_curl(origin, path, version, "--compressed", "--include") as lines:
        head = [line.lower() for line in iter(lines.__next__, "")]
    assert head[0].startswith("http/1.1 200" if version == "--http1.1" else "http/2 200")
    assert "content-type: text/event-stream; charset=utf-8" in head
    assert "cache-control: no-cache, no-transform" in head
    assert not [line for line in head if line.startswith(("content-encoding:", "content-length:"))]


@pytest.fixture(scope="package")
def quiet() -> Iterator[tuple[str, str]]:
    """Two agents: the first sends heartbeats; the second sends none, and serves only one stream."""
    with ExitStack() as stack:
        yield (
            agent_behind(stack, "server1", STREAM_HEARTBEAT=HEARTBEAT).url,
            agent_behind(stack, "server2", STREAM_HEARTBEAT=NEVER, MAX_STREAMS="1").url,
        )


def test_heartbeats_keep_a_silent_stream_open(
    program: Program, set_up: SetUp, quiet: tuple[str, str]
) -> None:
    setup = replace(set_up(quiet), read_timeout=f"{READ_TIMEOUT:g}s")
    with proxy(program, setup) as running, running.client() as client:
        silent = client.build_request("GET", "/server1/gpu/stream?interval=60")
        others = running.curl("/server1/gpu/stream?interval=0.5", "--output", "/dev/null")
        response = client.send(silent, stream=True)
        lines = response.iter_lines()
        began = time.monotonic()
        assert next(lines).startswith("data: ")
        while time.monotonic() - began < 3 * READ_TIMEOUT:
            line = next(lines)
            assert line.startswith(":") or not line
        others.kill()
        others.communicate()
        response.close()


def test_an_event_source_reconnects_after_a_stream_is_cut(
    program: Program, set_up: SetUp, quiet: tuple[str, str]
) -> None:
    """There are no heartbeats here, so this also shows the bound on silence that the test above relies on."""
    setup = replace(set_up(quiet), read_timeout=f"{READ_TIMEOUT:g}s")
    with proxy(program, setup) as running, running.client() as client:
        began = time.monotonic()
        source = EventSource(client, "/server2/gpu/stream?interval=60")
        events = list(islice(source, 3))
        assert (len(events), source.connections, source.heartbeats) == (3, 3, 0)
        assert 2 * READ_TIMEOUT <= time.monotonic() - began <= 2 * (READ_TIMEOUT + 2)


def test_an_event_source_reads_several_events_over_one_connection(origin: Origin) -> None:
    with origin.client() as client:
        source = EventSource(client, f"/server1/gpu/stream?interval={INTERVAL}")
        events = list(islice(source, 4))
        assert source.connections == 1
        assert len({json.dumps(event.data) for event in events}) == 4, "nothing is replayed"


@each_version
def test_the_agent_notices_at_once_that_a_client_has_left(
    program: Program, set_up: SetUp, quiet: tuple[str, str], version: str
) -> None:
    """The stream is silent meanwhile, so that no failed write shows that the client has left."""
    path = "/server2/gpu/stream?interval=60"
    with proxy(program, set_up(quiet)) as running, running.client() as client:

        def has_room() -> bool:
            with client.stream("GET", path) as response:
                return response.status_code == 200

        with ExitStack() as stack:

            def is_reading() -> bool:
                lines = stack.enter_context(read_by_curl(running, path, version))
                return next(lines, "").startswith("data: ")  # empty if the proxy had no answer yet

            wait_until(is_reading, "the stream of the test before is over", deadline=20)
            refused = client.get(path)
            assert error_of(refused.status_code, refused.content).startswith("All 1 streams are taken")
            assert refused.headers["Retry-After"] == "1", "the agent's, not the proxy's"
        wait_until(has_room, "the slot is free", deadline=20)  # long before the next event, after 60 s


@pytest.mark.measures
@pytest.mark.anyio
async def test_a_hundred_streams_at_once_all_get_their_events(program: Program, set_up: SetUp) -> None:
    with ExitStack() as stack:
        agent = agent_behind(stack, "server1", MAX_STREAMS="100")
        running = stack.enter_context(proxy(program, set_up((agent.url, agent.url))))
        for _ in range(2):  # the second hundred streams need every slot of the first
            await _hundred_streams(running)
        assert "Traceback" not in agent.log


async def _hundred_streams(running: Origin) -> None:
    url = f"{running.url}/server1/gpu/stream?interval=1"
    limits = httpx.Limits(max_connections=None)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            httpx.AsyncClient(verify=running.certificate.trust(), limits=limits, timeout=20, trust_env=False)
        )

        async def opened() -> httpx.Response:
            while True:  # the agent may need a moment to see that earlier clients have gone
                response = await stack.enter_async_context(client.stream("GET", url))
                if response.status_code == 200:
                    return response
                assert response.headers["Retry-After"] == "1"
                await response.aread()
                await asyncio.sleep(0.1)

        async with asyncio.timeout(20):
            streams = await asyncio.gather(*(opened() for _ in range(100)))
            refused = await client.get(url)
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "1"
            await asyncio.gather(*(_read(stream, events=4) for stream in streams))


async def _read(stream: httpx.Response, *, events: int) -> None:
    arrived: list[float] = []
    async for line in stream.aiter_lines():
        arrived += [event.at for event in events_in([line])]
        if len(arrived) == events:
            break
    # The first events waited until all streams were open.
    assert max(after - before for before, after in pairwise(arrived[1:])) <= 1.5
