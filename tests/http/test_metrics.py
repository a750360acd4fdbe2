"""`/metrics` through the whole agent: formats, compression, and a scrape that never fails."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from agent.simulation import Simulation
from tests.support.agents import agent_client, hung_agent_client

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


async def test_each_client_gets_the_format_it_accepts() -> None:
    with Simulation(2):
        async with agent_client(SAMPLE_INTERVAL="60") as client:
            for _ in range(2):  # made, then kept
                text = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
                modern = await client.get(
                    "/metrics", headers={"Accept": PROMETHEUS, "Accept-Encoding": "gzip"}
                )
                assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
                assert modern.headers["content-type"].startswith(
                    "application/openmetrics-text; version=1.0.0"
                )
                assert modern.headers["content-encoding"] == "gzip"
                assert text.headers["vary"] == modern.headers["vary"] == "Accept, Accept-Encoding"
                assert "content-encoding" not in text.headers
                assert list(text_string_to_metric_families(modern.text))
                assert text.text.splitlines()[-1] != "# EOF"


async def test_accept_headers_may_be_split_into_several_lines() -> None:
    with Simulation(1):
        async with agent_client(SAMPLE_INTERVAL="60") as client:
            for quality, chosen in [("0", "text/plain"), ("1", "application/openmetrics-text")]:
                headers = [
                    ("Accept", "*/*;q=0.5"),
                    ("Accept", f"application/openmetrics-text;q={quality}"),
                    ("Accept-Encoding", "br"),
                    ("Accept-Encoding", f"gzip;q={quality}"),
                ]
                answer = await client.get("/metrics", headers=headers)
                assert answer.headers["content-type"].startswith(chosen)
                assert ("content-encoding" in answer.headers) == (quality == "1")


async def test_a_gzip_answer_has_its_real_length_and_content() -> None:
    with Simulation(2):
        async with (
            agent_client(SAMPLE_INTERVAL="60") as client,
            client.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as packed,
        ):
            raw = b"".join([chunk async for chunk in packed.aiter_raw()])

    assert int(packed.headers["content-length"]) == len(raw)
    assert gzip.decompress(raw).startswith(b"# HELP nvidia_gpu_agent_build_info ")


async def test_a_scrape_without_a_driver_succeeds_with_driver_up_0() -> None:
    with Simulation(1) as simulation:
        simulation.remove_driver()
        async with agent_client() as client:
            answer = await client.get("/metrics")

    assert answer.status_code == 200
    assert "nvidia_gpu_agent_driver_up 0.0" in answer.text


async def scrape(client: httpx.AsyncClient) -> str:
    response = await client.get("/metrics")
    return response.text


async def test_a_driver_that_hangs_from_the_start_is_a_call_that_does_not_return() -> None:
    with Simulation(1) as simulation:
        simulation.hang("nvmlInitWithFlags")
        async with hung_agent_client(SAMPLE_INTERVAL="0.5", SAMPLE_TIMEOUT="0.5") as client:
            async with asyncio.timeout(20):
                while "stuck_calls 1.0" not in (text := await scrape(client)):  # noqa: ASYNC110  (only answers show it)
                    await asyncio.sleep(0.1)
        simulation.release()

    assert "nvidia_gpu_agent_driver_up 0.0" in text


async def test_driver_calls_and_the_duration_of_samples_are_exported() -> None:
    def value(text: str, name: str) -> float:
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    with Simulation(2) as simulation:
        async with agent_client(SAMPLE_INTERVAL="0.5", HISTORY_INTERVAL="0") as client:
            first, calls_at_first = (await client.get("/metrics")).text, simulation.total_calls
            await asyncio.sleep(0.6)  # the next answer is of another sample
            second, calls_at_second = (await client.get("/metrics")).text, simulation.total_calls
    counted = value(second, "nvidia_gpu_agent_driver_calls_total") - value(
        first, "nvidia_gpu_agent_driver_calls_total"
    )

    # Slow counters are read after a sample is reported, so they are counted in the next one.
    assert 10 < counted <= calls_at_second - calls_at_first + 40
    assert 0 < value(first, "nvidia_gpu_sample_duration_seconds{") < 1


async def test_processes_are_left_out_with_metrics_processes_0() -> None:
    with Simulation(2):
        async with agent_client(METRICS_PROCESSES="0") as client:
            assert 'pid="' not in (await client.get("/metrics")).text
        async with agent_client() as client:
            assert 'pid="' in (await client.get("/metrics")).text


@pytest.mark.parametrize(("environ", "simulated"), [({}, "0.0"), ({"SIMULATE_GPUS": "1"}, "1.0")])
async def test_the_exposition_shows_whether_the_driver_is_simulated(
    environ: dict[str, str], simulated: str
) -> None:
    with Simulation(1):
        async with agent_client(**environ) as client:
            assert f"nvidia_gpu_agent_simulated {simulated}" in (await client.get("/metrics")).text


async def test_nvlinks_are_left_out_with_metrics_nvlink_0() -> None:
    with Simulation(2, models=["h100"]):
        found = {}
        for wanted in ("1", "0"):
            async with agent_client(METRICS_NVLINK=wanted) as client:
                text = (await client.get("/metrics")).text
                found[wanted] = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))

    left_out = found["1"] - found["0"]
    assert {
        "nvidia_gpu_nvlink_up",
        "nvidia_gpu_nvlink_errors_total",
        "nvidia_gpu_nvlink_speed_bytes_per_second",
    } <= left_out
    assert all("nvlink" in name for name in left_out)
    assert not any("nvlink" in name for name in found["0"])
    assert found["0"] <= found["1"]
    assert len(found["0"]) > 50
