"""`/free` over HTTP: its parameters, its answers, and waiting."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from agent.routes.free import CHECK_INTERVAL
from agent.simulation import SimulatedProcess, Simulation
from tests.http.schema import faults
from tests.http.wire import A_TOKEN, error_in
from tests.support import loopback
from tests.support.agents import agent_client, agent_process, agent_server, wait_until
from tests.test_readme import SHOWN_IN_TESTS_HTTP

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from agent.simulation import SimulatedGpu

pytestmark = pytest.mark.anyio

BEYOND_ANY_PID = 2**22 + 1
SIZES = "whole bytes, or a number with B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, as in 20GiB"
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def four() -> Iterator[Simulation]:
    """Four GPUs without any process or load, the later ones with less free memory."""
    with Simulation(4) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=gpu.index * 100 * 2**20, gpu_utilization=0, temperature=30)
            gpu.processes = []
        yield simulation


def occupy(*gpus: SimulatedGpu) -> None:
    """Let a compute process run on these GPUs."""
    for gpu in gpus:
        gpu.processes = [SimulatedProcess(BEYOND_ANY_PID, "C", 2**30)]


def indices(response: httpx.Response) -> list[int]:
    """The indices of the GPUs in a successful answer."""
    assert response.status_code == 200, response.text
    return [gpu["idx"] for gpu in response.json()["data"]["gpus"]]


def uuids(simulation: Simulation, *indices: int) -> str:
    return ",".join(str(simulation.gpus[index].values.uuid) for index in indices)


async def test_a_gpu_with_only_mps_clients_is_in_use(four: Simulation) -> None:
    for gpu in four.gpus[:3]:
        gpu.fix(memory_used=0, gpu_utilization=0)
        gpu.processes = [SimulatedProcess(BEYOND_ANY_PID, "M", 0)]
    async with agent_client() as client:
        assert indices(await client.get("/free?count=4")) == [3]


async def test_the_offered_gpu_of_the_simulation_is_the_idle_one() -> None:
    with Simulation(8):
        async with agent_client() as client:
            data = (await client.get("/free")).json()["data"]
            assert (data["count"], data["satisfied"], data["gpus"][0]["idx"]) == (1, True, 3)
            assert data["cuda_visible_devices"] == data["gpus"][0]["uuid"]
            assert indices(await client.get("/free?count=2")) == [3]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0]),
        ("count=2", [0, 2]),
        ("count=4", [0, 2, 3]),
        ("count=4&max_utilization=0", [0, 2, 3, 1]),
        ("count=4&min_free_memory=78.9GiB", [0, 2]),
        ("count=4&min_free_memory=78.9+GiB", [0, 2]),
        ("count=4&min_free_memory=78.9%20GiB&max_utilization=0.5", [0, 2, 1]),
        ("count=4&min_free_memory=1&exclude_users=nobody-here", [0, 2, 3]),
        ("min_free_memory=1TiB", []),
        ("min_free_memory=&exclude_users=&format=", [0]),
        ("exclude_users=+a+,b", [0]),
        ("count=4&model=", [0, 2, 3]),
        ("count=4&model=+h100+80gb+", [0, 2, 3]),
        ("count=4&model=A100", []),
        ("exclude_users=&exclude_users=", [0]),
        ("wait=0", [0]),
    ],
)
async def test_the_parameters_filter_and_limit_the_offer(
    four: Simulation, query: str, expected: list[int]
) -> None:
    occupy(four.gpus[1])
    async with agent_client() as client:
        response = await client.get(f"/free?{query}")
    assert indices(response) == expected
    data = response.json()["data"]
    assert data["cuda_visible_devices"] == uuids(four, *expected)
    assert data["satisfied"] == (len(expected) == data["count"])


async def test_a_gpu_of_an_excluded_user_is_not_offered(four: Simulation) -> None:
    """The process on the GPU is one of our own here."""
    four.gpus[0].processes = [SimulatedProcess(os.getpid(), "C", 2**30)]
    async with agent_client() as client:
        status = (await client.get("/status?idx=0")).json()["data"]
        user = status["processes"][0]["username"]
        assert user != "N/A"
        everybody = await client.get("/free?max_utilization=100&count=4")
        by_name = f"exclude_users=root-not,{user}"
        by_number = f"exclude_users={os.getuid()}"
        in_a_list = f"exclude_users=a,b&exclude_users={user}&exclude_users="
        others = [
            await client.get(f"/free?max_utilization=100&count=4&{wish}")
            for wish in (by_name, by_number, in_a_list)
        ]
        one_name = await client.get(
            f"/free?max_utilization=100&count=4&exclude_users=a,{user}&exclude_users=b"
        )
    assert 0 in indices(everybody)
    assert [0 in indices(other) for other in others] == [False] * 3
    assert 0 in indices(one_name), "given twice, each value is one whole name"


async def test_gpus_that_cannot_be_taken_are_passed_over_with_the_reason(four: Simulation) -> None:
    occupy(four.gpus[0])
    four.gpus[1].compute_mode = 2
    four.gpus[2].enable_mig()
    four.gpus[2].mig_instances = []
    four.gpus[3].lose()
    async with agent_client() as client:
        data = (await client.get("/free?count=2")).json()["data"]
    assert data["passed_over"] == [
        {"idx": 0, "reason": "a compute process runs on it"},
        {"idx": 1, "reason": "its compute mode is prohibited"},
        {"idx": 2, "reason": "MIG is enabled: programs use one of its instances"},
        {"idx": 3, "reason": "it cannot be read: lost"},
    ]
    assert (data["gpus"], data["satisfied"], data["cuda_visible_devices"]) == ([], False, "")


async def test_a_gpu_in_not_offered_is_never_offered(four: Simulation) -> None:
    uuid = uuids(four, 2)
    async with agent_client(NOT_OFFERED=f" 0,{uuid.upper()}") as client:
        data = (await client.get("/free?count=4")).json()["data"]
        summary = (await client.get("/summary")).json()["data"]
        metrics = (await client.get("/metrics")).text
    assert data["passed_over"] == [{"idx": index, "reason": "kept out by the operator"} for index in (0, 2)]
    assert data["cuda_visible_devices"] == uuids(four, 1, 3)
    assert [gpu.get("kept_out") for gpu in summary["gpus"]] == [True, None, True, None]
    assert [gpu["free"] for gpu in summary["gpus"]] == [False, True, False, True]
    assert f'nvidia_gpu_kept_out{{gpu="2",uuid="{uuid}"}} 1.0' in metrics
    assert metrics.count("nvidia_gpu_kept_out{") == 4


async def test_an_unknown_gpu_in_not_offered_is_a_warning(four: Simulation) -> None:
    async with agent_client(NOT_OFFERED=f"3,4,{uuids(four, 1)}") as client:
        health = (await client.get("/gpu")).json()["health"]
    assert health == {
        "verdict": "warning",
        "reasons": ["NOT_OFFERED names 4, and the driver lists no such GPU"],
    }


async def test_the_utilization_is_the_maximum_of_the_last_minute(four: Simulation) -> None:
    for gpu in four.gpus:
        gpu.fix(gpu_utilization=90)
    async with agent_client(HISTORY_INTERVAL="10", SAMPLE_INTERVAL="0.5") as client:
        await client.get("/count")
        for gpu in four.gpus:
            gpu.fix(gpu_utilization=0)
        await asyncio.sleep(0.6)  # past SAMPLE_INTERVAL
        assert indices(await client.get("/free?max_utilization=89")) == []
        data = (await client.get("/free?max_utilization=90")).json()["data"]
    assert data["gpus"][0]["utilization_percent"] == 90


async def test_two_gpus_with_an_nvlink_bridge_are_offered_together() -> None:
    with Simulation(4, models=["rtx4090"]) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(memory_used=0, gpu_utilization=0)
            gpu.processes = []
        simulation.gpus[1].bridge(simulation.gpus[3])
        async with agent_client() as client:
            assert sorted(indices(await client.get("/free?count=2"))) == [1, 3]


async def test_a_gpu_with_unified_memory_is_offered_only_without_min_free_memory() -> None:
    with Simulation(1, models=["gb10"]) as simulation:
        simulation.gpus[0].fix(gpu_utilization=0)
        simulation.gpus[0].processes = []
        async with agent_client() as client:
            assert indices(await client.get("/free")) == [0]
            assert indices(await client.get("/free?min_free_memory=1")) == []


# Plain


async def test_plain_is_only_the_value_of_cuda_visible_devices(four: Simulation) -> None:
    async with agent_client() as client:
        response = await client.get("/free?count=2&format=plain")
        head = await client.head("/free?count=2&format=plain")
    assert response.status_code == head.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == uuids(four, 0, 1) + "\n"
    assert (head.content, head.headers["content-length"]) == (b"", str(len(response.content)))


async def test_plain_with_too_few_gpus_is_409_without_a_body(four: Simulation) -> None:
    occupy(*four.gpus[1:])
    async with agent_client() as client:
        plain = await client.get("/free?count=2&format=plain")
        head = await client.head("/free?count=2&format=plain")
        json = await client.get("/free?count=2")
    assert (plain.status_code, plain.content) == (head.status_code, head.content) == (409, b"")
    assert indices(json) == [0]


@pytest.mark.usefixtures("four")
async def test_head_with_wait_withholds_no_gpu(four: Simulation) -> None:
    occupy(*four.gpus[1:])
    async with agent_client() as client:
        assert (await client.head("/free?wait=5")).status_code == 200
        assert (await client.get("/free")).json()["data"]["withheld"] == 0


async def test_an_error_with_format_plain_is_an_envelope() -> None:
    async with agent_client(TOKEN=A_TOKEN) as client:
        assert error_in(await client.get("/free?format=plain"))
        wrong = await client.get("/free?format=plain&count=x", headers={"Authorization": A_TOKEN})
    assert (wrong.status_code, bool(error_in(wrong))) == (400, True)


WRONG = [
    ("count=0", "Invalid count: it should be greater than or equal to 1, got '0'"),
    ("count=129", "Invalid count: it should be less than or equal to 128, got '129'"),
    (
        "count=x",
        "Invalid count: it should be a valid integer, unable to parse string as an integer, got 'x'",
    ),
    ("count=1&count=1", "Invalid count: it is given 2 times, it takes one value"),
    (
        "min_free_memory=20+apples",
        f"Invalid min_free_memory: '20 apples' is no amount of memory; accepted: {SIZES}",
    ),
    ("min_free_memory=-1", f"Invalid min_free_memory: '-1' is no amount of memory; accepted: {SIZES}"),
    (
        "min_free_memory=9999999999GiB",
        f"Invalid min_free_memory: '9999999999GiB' is more memory than there can be; accepted: {SIZES}",
    ),
    ("max_utilization=-1", "Invalid max_utilization: it should be greater than or equal to 0, got '-1'"),
    ("max_utilization=101", "Invalid max_utilization: it should be less than or equal to 100, got '101'"),
    ("max_utilization=nan", "Invalid max_utilization: it should be a finite number, got 'nan'"),
    ("wait=50.1", "Invalid wait: it should be less than or equal to 50, got '50.1'"),
    ("wait=-1", "Invalid wait: it should be greater than or equal to 0, got '-1'"),
    ("wait=inf", "Invalid wait: it should be a finite number, got 'inf'"),
    ("format=xml", "Invalid format: it should be 'json', 'plain' or '', got 'xml'"),
    (
        "exclude_users=a,,b",
        "Invalid exclude_users: 'a,,b'; accepted: names or numbers of users joined by commas, as in ann,1001",
    ),
    (
        f"exclude_users=,{'a' * 80}",
        (
            f"Invalid exclude_users: ',{'a' * 79}'; accepted: names or numbers of users joined by commas,"
            " as in ann,1001"
        ),
    ),
]


@pytest.mark.usefixtures("four")
async def test_the_error_of_bad_input_is_code_1_with_the_accepted_values() -> None:
    async with agent_client() as client:
        for query, error in WRONG:
            response = await client.get(f"/free?{query}")
            assert (query, 400, error) == (query, response.status_code, error_in(response))


async def test_without_a_driver_free_reports_the_error(four: Simulation) -> None:
    four.remove_driver()
    async with agent_client() as client:
        for query in ("", "?wait=50", "?format=plain"):
            response = await client.get(f"/free{query}")
            assert response.status_code == 500
            assert error_in(response).startswith("No NVIDIA driver")


@pytest.mark.usefixtures("four")
async def test_the_answers_of_free_conform_to_the_openapi_document() -> None:
    async with agent_client() as client:
        document = (await client.get("/openapi.json")).json()
        answers = [(await client.get(f"/free?count={count}")).json() for count in (1, 4, 5)]
    responses: dict[str, Any] = document["paths"]["/free"]["get"]["responses"]
    assert responses["200"]["content"].keys() == {"application/json", "text/plain"}
    assert "content" not in responses["409"]
    schema = responses["200"]["content"]["application/json"]["schema"]
    assert [list(faults(answer, schema, document)) for answer in answers] == [[], [], []]


# Waiting


async def test_a_waiting_request_is_answered_once_a_gpu_is_free(four: Simulation) -> None:
    assert CHECK_INTERVAL == 1
    occupy(*four.gpus)
    async with agent_client() as client:
        waiting = asyncio.create_task(client.get("/free?wait=30&format=plain"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        four.gpus[2].processes = []
        response = await asyncio.wait_for(waiting, timeout=10)
        assert response.text == uuids(four, 2) + "\n"
        now = await client.get("/free")
    assert (indices(now), now.json()["data"]["withheld"]) == ([], 1)


async def test_a_waiting_request_is_answered_with_too_few_gpus_when_its_time_is_up(four: Simulation) -> None:
    occupy(*four.gpus[1:])
    async with agent_client() as client:
        began = time.monotonic()
        response = await client.get("/free?count=2&wait=0.7")
        assert 0.6 < time.monotonic() - began < 5
        assert (indices(response), response.json()["data"]["satisfied"]) == ([0], False)
        assert (await client.get("/free?count=2&wait=0.1&format=plain")).status_code == 409
        assert indices(await client.get("/free")) == [0], "GPUs of an insufficient offer are not withheld"


async def test_a_driver_that_is_unloaded_ends_a_waiting_request_with_an_error(four: Simulation) -> None:
    occupy(*four.gpus)
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        waiting = asyncio.create_task(client.get("/free?wait=30"))
        await asyncio.sleep(0.2)
        four.remove_driver()
        response = await asyncio.wait_for(waiting, timeout=10)
    assert (response.status_code, bool(error_in(response))) == (500, True)


@pytest.mark.slow
async def test_4_of_20_waiting_requests_get_one_of_4_gpus_each(four: Simulation) -> None:
    """No GPU is given twice, and the other requests are answered with too few GPUs."""
    occupy(*four.gpus)
    async with agent_client() as client:
        waiting = [asyncio.create_task(client.get("/free?wait=4&format=plain")) for _ in range(20)]
        await asyncio.sleep(0.5)
        for gpu in four.gpus:
            gpu.processes = []
        responses = await asyncio.gather(*waiting)
    given = [response.text.strip() for response in responses if response.status_code == 200]
    assert sorted(given) == sorted(uuids(four, index) for index in range(4))
    assert [response.status_code for response in responses] == [200] * 4 + [409] * 16, "in order of arrival"


async def test_waiting_requests_count_in_max_streams(four: Simulation) -> None:
    occupy(*four.gpus)
    async with agent_client(MAX_STREAMS="2") as client:
        waiting = [asyncio.create_task(client.get("/free?wait=1.2")) for _ in range(2)]
        await asyncio.sleep(0.3)
        refused = await client.get("/free?wait=1")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert error_in(refused) == "All 2 streams are taken (MAX_STREAMS); try again later"
        assert indices(await client.get("/free")) == [], "a request that does not wait is answered"
        await asyncio.gather(*waiting)
        assert (await client.get("/free?wait=0.1")).status_code == 200


def test_a_waiting_client_that_disconnects_releases_its_place_and_its_gpus(four: Simulation) -> None:
    occupy(four.gpus[0])
    with agent_server(MAX_STREAMS="1") as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(b"GET /free?count=4&wait=50 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(
                lambda: loopback.get(f"{url}/free").json()["data"]["withheld"] == 3,
                "the waiting request reserves the free GPUs",
            )
        wait_until(
            lambda: indices(loopback.get(f"{url}/free?count=4")) == [1, 2, 3],
            "the reserved GPUs are free again",
        )
        wait_until(lambda: loopback.get(f"{url}/free?wait=1").status_code == 200, "its place is free")


@pytest.mark.slow
async def test_sampling_continues_while_a_request_waits_and_stops_afterwards(four: Simulation) -> None:
    occupy(*four.gpus)
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        waiting = asyncio.create_task(client.get("/free?wait=5"))
        await asyncio.sleep(3)  # longer than sampling goes on after a poll
        before = four.total_calls
        await asyncio.sleep(1.5)
        assert four.total_calls > before
        await waiting
        await asyncio.sleep(0.5)
        before = four.total_calls
        await asyncio.sleep(1.5)
        assert four.total_calls == before


@pytest.mark.slow
def test_sigterm_answers_the_waiting_requests() -> None:
    with (
        agent_process("--simulate", "2", MAX_STREAMS="8") as agent,  # both GPUs are busy
        ThreadPoolExecutor(8) as pool,
    ):

        def wait_in_line(query: str) -> httpx.Response:
            while True:
                response = loopback.get(f"{agent.url}/free?wait=50{query}", timeout=60)
                if response.status_code != 503:  # the request below that tests for a free place had taken one
                    return response

        waiting = [pool.submit(wait_in_line, query) for query in ("", "&format=plain") for _ in range(4)]
        wait_until(
            lambda: loopback.get(f"{agent.url}/free?wait=0.1").status_code == 503, "all places are taken"
        )
        began = time.monotonic()
        assert agent.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 3
        assert [future.result().status_code for future in waiting] == [200] * 4 + [409] * 4
        assert waiting[0].result().json()["data"]["satisfied"] is False
        assert "Traceback" not in agent.log


# From a shell


@needs_curl
@pytest.mark.parametrize(("count", "status"), [("1", 0), ("2", 22)])
def test_curl_fails_if_there_are_too_few_gpus(four: Simulation, count: str, status: int) -> None:
    occupy(*four.gpus[1:])
    with agent_server() as url:
        curl = run(f'curl -fsS "{url}/free?count={count}&format=plain"')
    assert (curl.returncode, curl.stdout) == (status, "" if status else uuids(four, 0) + "\n")


@pytest.mark.slow
@needs_curl
def test_the_shell_line_of_the_readme_starts_a_job_once_the_gpus_are_free(four: Simulation) -> None:
    """The line is used as written, except for its URL, its job and its waiting time."""
    (line,) = (line for line in SHOWN_IN_TESTS_HTTP if line.endswith("train.py"))
    line = line.replace("wait=50", "wait=1").replace("python train.py", "printenv CUDA_VISIBLE_DEVICES")
    occupy(*four.gpus[1:])
    with agent_server() as url, ThreadPoolExecutor(1) as pool:
        job = pool.submit(run, line.replace("http://localhost:8000", url))
        wait_until(lambda: loopback.get(f"{url}/free").json()["data"]["withheld"], "the job waits")
        four.gpus[2].processes = []
        assert job.result().stdout == uuids(four, 0, 2) + "\n"


def run(script: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  (our own)
