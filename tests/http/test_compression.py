"""gzip for clients that accept it, made once for each cached answer; never on the stream."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import TYPE_CHECKING

import pytest
from anyio import CapacityLimiter, to_thread

from agent.http import compression
from agent.http.kept_response import KeptResponse
from agent.http.web import BUILD
from agent.simulation import Simulation
from agent.simulation.processes import SimulatedProcess
from benchmarks.sections.size import NAMES, named_programs
from benchmarks.server import sleepers
from tests.http.wire import A_TOKEN, request
from tests.support import loopback
from tests.support.agents import agent_client, agent_server
from tests.support.endpoints import CONSTANT, OF_ONE_SNAPSHOT
from tests.support.limits import no_more_threads

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.anyio

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
KEPT = sorted({*OF_ONE_SNAPSHOT, *CONSTANT})
TINY = 1024  # bytes: longer answers are compressed
QUICK = 64 * 1024  # bytes: longer answers are compressed in a thread


@pytest.mark.usefixtures("simulation")
async def test_every_long_cached_answer_is_compressed_for_clients_that_accept_gzip() -> None:
    """The content is the same, and the length is that of the compressed bytes, for HEAD too."""
    longer = set()
    async with agent_client(SAMPLE_INTERVAL="60", HISTORY_INTERVAL="10") as client:
        for path in KEPT:
            plain, head = await client.get(path, headers=PLAIN), await client.head(path, headers=GZIP)
            async with client.stream("GET", path, headers=GZIP) as packed:
                raw = b"".join([chunk async for chunk in packed.aiter_raw()])
            is_long = len(plain.content) > TINY
            assert (path, 200) == (path, packed.status_code)
            assert (path, is_long) == (path, packed.headers.get("content-encoding") == "gzip")
            assert (path, is_long) == (path, "Accept-Encoding" in plain.headers.get("vary", ""))
            assert plain.headers.get("vary") == packed.headers.get("vary")
            assert "content-encoding" not in plain.headers
            assert plain.content == (gzip.decompress(raw) if is_long else raw)
            assert int(packed.headers["content-length"]) == len(raw) <= int(plain.headers["content-length"])
            assert (packed.headers, b"") == (head.headers, head.content)
            longer |= {path} if is_long else set()
    assert {"/gpu", "/status", "/metrics", "/openapi.json", "/", f"/web/{BUILD}/page.js"} <= longer
    assert not {"/count", "/health"} & longer


@pytest.mark.parametrize(
    ("accept_encoding", "is_packed"),
    [
        ([], False),
        (["gzip"], True),
        (["gzip, deflate, br, zstd"], True),
        (["br", "gzip"], True),
        (["gzip;q=0", "br", "*"], False),
        (["*"], True),
        (["gzip;q=0"], False),
        (["gzip;q=0, *"], False),
        (["identity;q=1, gzip;q=0.5"], False),
        (["br"], False),
        ([""], False),
        (["gzip" + " " * 8000], True),
    ],
)
async def test_gzip_is_used_by_its_weight_in_accept_encoding(
    simulation: Simulation, accept_encoding: list[str], is_packed: bool
) -> None:
    del simulation
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        del client.headers["accept-encoding"]
        headers = [("Accept-Encoding", line) for line in accept_encoding]
        response = await client.get("/gpu", headers=headers)
    assert is_packed == (response.headers.get("content-encoding") == "gzip")


@pytest.mark.usefixtures("simulation")
def test_a_compressed_answer_is_complete_over_a_real_socket() -> None:
    with agent_server(URL_PREFIX="server1", SAMPLE_INTERVAL="60") as url:
        for method in (b"GET", b"HEAD"):
            reply = request(url, b"/server1/gpu", b"Accept-Encoding: gzip", method=method)
            assert (reply.status, reply.headers["content-encoding"]) == (200, "gzip")
            assert "transfer-encoding" not in reply.headers
            if method == b"GET":
                assert int(reply.headers["content-length"]) == len(reply.body)
                assert gzip.decompress(reply.body).startswith(b'{"')


@pytest.mark.usefixtures("simulation")
def test_streams_and_errors_are_never_compressed() -> None:
    """A compressor would hold back each event until the next ones."""
    with agent_server(TOKEN=A_TOKEN) as url:
        headers = {"Authorization": A_TOKEN, **GZIP}
        with loopback.stream("GET", f"{url}/gpu/stream", headers=headers) as response:
            assert "content-encoding" not in response.headers
            assert next(response.iter_raw()).startswith(b"data: {")
        for path, status in [("/gpu?idx=x", 400), ("/nothing", 404)]:
            failed = loopback.get(url + path, headers=headers)
            assert (failed.status_code, "content-encoding" in failed.headers) == (status, False)


async def suited(response: KeptResponse, accepted: bytes, limiter: CapacityLimiter) -> KeptResponse:
    """The response that a client gets from the cache."""
    return response.form_for([(b"accept-encoding", accepted)]) or await response.compressed(limiter)


async def test_an_answer_is_compressed_once_for_all_clients() -> None:
    """This holds for simultaneous requests too, whatever else they accept."""
    limiter = CapacityLimiter(1)
    for length in (TINY + 1, QUICK, QUICK + 1, 500_000):
        response = KeptResponse(200, [(b"content-length", str(length).encode())], b"x" * length)
        assert response.size == length
        asked = [b"gzip, x%d" % number for number in range(20)]
        given = await asyncio.gather(*(suited(response, accepted, limiter) for accepted in asked))
        assert {id(one) for one in given} == {id(response.form_for([(b"accept-encoding", b"gzip")]))}
        assert gzip.decompress(given[0].body) == response.body
        assert response.form_for([]) is response
        assert response.size == length + len(given[0].body), (
            "what is kept is bounded by its size, packed or not"
        )


async def test_an_answer_of_up_to_1_kib_is_not_compressed() -> None:
    tiny = KeptResponse(200, [], b"x" * TINY)
    assert tiny.form_for([(b"accept-encoding", b"gzip")]) is tiny


def test_compression_is_reproducible_and_within_10_percent_of_the_best_level() -> None:
    body = json.dumps(
        [{"value": number * 7919 % 1000, "half": number / 2} for number in range(2000)]
    ).encode()

    assert compression.compress(body) == gzip.compress(body, 5, mtime=0)
    assert len(compression.compress(body)) < 1.1 * len(gzip.compress(body, 9))


async def test_a_client_that_leaves_does_not_cancel_the_compression_for_others() -> None:
    response = KeptResponse(200, [], b"x" * 500_000)
    asking = [asyncio.create_task(response.compressed(CapacityLimiter(1))) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    first, *others = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert all(isinstance(other, KeptResponse) for other in others)


async def test_a_long_answer_is_compressed_in_a_thread_and_a_short_one_at_once() -> None:
    """While the only thread is busy, the long answer waits, and the event loop goes on."""
    limiter, door = CapacityLimiter(1), asyncio.Event()
    loop = asyncio.get_running_loop()

    def take() -> None:
        loop.call_soon_threadsafe(taken.set)
        asyncio.run_coroutine_threadsafe(door.wait(), loop).result()

    taken = asyncio.Event()
    other = asyncio.create_task(to_thread.run_sync(take, limiter=limiter))
    await taken.wait()
    long = asyncio.create_task(KeptResponse(200, [], b"x" * (QUICK + 1)).compressed(limiter))
    short = await KeptResponse(200, [], b"x" * QUICK).compressed(limiter)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(gzip.decompress(short.body)), long.done()) == (QUICK, False)
    door.set()
    await other
    assert len(gzip.decompress((await long).body)) == QUICK + 1


async def test_without_a_thread_an_answer_is_sent_as_it_is_and_compressed_for_the_next_client() -> None:
    response = KeptResponse(200, [], b"x" * 500_000)
    limiter = CapacityLimiter(1)
    with no_more_threads():
        sent = await asyncio.gather(*[response.compressed(limiter) for _ in range(2)])
    assert [form is response for form in sent] == [True, True]
    assert gzip.decompress((await response.compressed(limiter)).body) == response.body


async def test_an_existing_vary_header_is_extended() -> None:
    response = KeptResponse()
    await response.record({"type": "http.response.start", "status": 200, "headers": [(b"vary", b"Accept")]})
    for more_body in (True, False):
        await response.record({"type": "http.response.body", "body": b"x" * 1000, "more_body": more_body})
    assert response.headers == [(b"vary", b"Accept, Accept-Encoding")]


async def test_gpu_with_eight_gpus_of_five_processes_each_is_4_kib_of_gzip_at_most(
    tmp_path: Path,
) -> None:
    """The names are not shortened."""
    with Simulation(8) as simulation, sleepers(5 * 8, named_programs(tmp_path)) as pids:
        for number, gpu in enumerate(simulation.gpus):
            own = pids[5 * number : 5 * number + 5]
            gpu.processes = [SimulatedProcess(pid, "C", 2**30, sm_utilization=10) for pid in own]
        async with agent_client(SAMPLE_INTERVAL="0.5") as client:
            end = time.monotonic() + 20
            shown: set[str] = set()
            while shown != set(NAMES):
                assert time.monotonic() < end, f"shown are only {shown}"
                response = await client.get("/gpu", headers=GZIP)
                listed = response.json()["gpus"]
                shown = {process["name"] for gpu in listed for process in gpu["top_processes"]}
    assert [len(gpu["top_processes"]) for gpu in listed] == [5] * 8
    assert int(response.headers["content-length"]) <= 4 * 1024
