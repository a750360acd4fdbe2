"""The examples of both seeds as acceptance tests: with the values of an example, the answer is the same.

`seeds/gpu.json` and `seeds/status.json` are exact copies of the examples. Intended differences are listed.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from agent.readings import (
    DiskIo,
    DriverReading,
    GpuSample,
    GpuState,
    HostProcess,
    HostReading,
    ProcessesReading,
    Snapshot,
)
from agent.simulation import FieldId, SimulatedProcess, Simulation
from agent.sources.gpu import GpuSource
from agent.views.status import StatusJson
from agent.views.system_info import system_info_view
from tests.support.agents import agent_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

SEEDS = Path(__file__).parent / "seeds"
GPU_EXAMPLE: dict[str, Any] = json.loads((SEEDS / "gpu.json").read_text())
STATUS_EXAMPLE: dict[str, Any] = json.loads((SEEDS / "status.json").read_text())

MIB, GIB = 1024**2, 1024**3
DEADLINE = 10.0  # seconds


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document except objects and lists with elements, by its path."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from leaves(part, f"{path}.{number}")
    else:
        yield path, value


def at(document: Any, path: str) -> Any:
    """The value at a path from `leaves`."""
    for step in path.split("."):
        document = document[int(step) if isinstance(document, list) else step]
    return document


def exactly(value: Any) -> tuple[type, Any]:
    """The type and the value, because 45 and 45.0 differ for a strict JSON reader."""
    return type(value), value


async def answer(
    client: httpx.AsyncClient, path: str, known: Callable[[Any], bool] = lambda _: True
) -> dict[str, Any]:
    """The answer, as soon as the values that need two samples are known."""
    end = time.monotonic() + DEADLINE
    while True:
        response = await client.get(path)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        if known(body):
            return body
        assert time.monotonic() < end, body
        await anyio.sleep(0.05)


# The rich API

HELD: dict[str, float | str] = {  # the values of the example's GPU, in NVML's units
    "name": "NVIDIA GeForce RTX 4090",
    "memory_total": 24564 * MIB,
    "memory_reserved": 0,
    "memory_used": 20485 * MIB // 10,
    "gpu_utilization": 45,
    "memory_utilization": 12,
    "sm_activity": 45,
    "dram_activity": 15.2,
    "temperature": 58,
    "power_usage": 185_200,
    "power_limit": 450_000,
    "graphics_clock": 2520,
    "memory_clock": 10501,
    "max_graphics_clock": 2520,
    "max_memory_clock": 10501,
    "pcie_generation": 4,
    "pcie_width": 16,
    "pcie_max_generation": 4,
    "pcie_max_width": 16,
    "pcie_tx": round(1024.5 * 1024),
    "pcie_rx": round(512.3 * 1024),
    "clocks_event_reasons": 0,
    "fan_speed_rpm": 1200,
}
ON_PURPOSE = {"gpus.0.power.limit_watts": 450.0}  # watts: the example prints milliwatts under this name
LIVE = {"timestamp", "gpus.0.timestamp"}


@pytest.fixture
def rtx_4090() -> Iterator[Simulation]:
    """The GPU and driver of the example. Its values 15.2 and 12 need a GPU with GPM."""
    with Simulation(1, models=["h100"], pcie_window_seconds=0) as simulation:
        simulation.driver_version, simulation.cuda_version = "535.86.10", 12020
        simulation.nvml_version = "12.535.86"
        simulation.gpus[0].fix(**HELD)
        # Windows are exact. Counters would also depend on the microseconds between two reads of the clock.
        simulation.gpus[0].unsupport(FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES)
        yield simulation


def has_two_samples(body: Any) -> bool:
    """Whether the values that need two samples are known."""
    (gpu,) = body["gpus"]
    return None not in (gpu["pcie"]["tx_throughput_mbps"], gpu["utilization"]["sm_percent"])


@pytest.mark.anyio
@pytest.mark.usefixtures("rtx_4090")
async def test_the_example_of_gpu_is_answered_exactly() -> None:
    async with agent_client(SAMPLE_INTERVAL="0.5") as client:
        body = await answer(client, "/gpu", has_two_samples)

    promised = {
        path: exactly(ON_PURPOSE.get(path, value))
        for path, value in leaves(GPU_EXAMPLE)
        if path not in LIVE
        and not path.startswith(("system_info.cpu.", "system_info.memory.", "system_info.disk_"))
        and path
        != "system_info.temperature_celsius"  # depends on this host; the example's host is tested below
    }
    assert {path: exactly(at(body, path)) for path in promised} == promised
    assert len(promised) == 48


@pytest.mark.anyio
@pytest.mark.usefixtures("rtx_4090")
async def test_the_times_of_gpu_have_the_form_of_the_example() -> None:
    async with agent_client() as client:
        body = await answer(client, "/gpu")

    for path in LIVE:
        time.strptime(at(body, path), "%Y-%m-%dT%H:%M:%SZ")
        time.strptime(at(GPU_EXAMPLE, path), "%Y-%m-%dT%H:%M:%SZ")


def keys(value: Any, path: str = "") -> set[str]:
    """The path of every key of every object; all elements of a list have the same path."""
    if isinstance(value, dict):
        return {f"{path}.{name}" for name in value}.union(
            *(keys(part, f"{path}.{name}") for name, part in value.items())
        )
    return set().union(*(keys(part, path) for part in value)) if isinstance(value, list) else set()


@pytest.mark.anyio
async def test_every_gpu_has_every_key_of_the_example_of_gpu() -> None:
    with Simulation(5, scenario="mixed-models", pcie_window_seconds=0) as simulation:
        simulation.gpus[1].lose()
        async with agent_client() as client:
            body = await answer(client, "/gpu")

    assert len(body["gpus"]) == 5
    for gpu in body["gpus"]:
        assert keys(GPU_EXAMPLE) <= keys({**body, "gpus": [gpu]})


HOST = HostReading(
    hostname="node1",
    cpu_count_physical=8,
    cpu_count_logical=16,
    cpu_percent=25.5,
    cpu_per_core_percent=(20.1, 30.2, 15.3, 25.4, 22.1, 28.3, 18.9, 27.6),
    cpu_freq_current_mhz=3200.0,
    cpu_freq_min_mhz=800.0,
    cpu_freq_max_mhz=4200.0,
    memory_total_bytes=32768 * MIB,
    memory_available_bytes=16384 * MIB,
    memory_used_bytes=16384 * MIB,
    memory_percent=50.0,
    memory_cached_bytes=4096 * MIB,
    memory_buffers_bytes=512 * MIB,
    disk_used_bytes=int(500.5 * GIB),
    disk_available_bytes=int(199.5 * GIB),
    disk_io=DiskIo(
        read_bytes_per_second=1048576.0,
        write_bytes_per_second=524288.0,
        read_ops_per_second=150.5,
        write_ops_per_second=75.2,
        total_read_bytes=1099511627776,
        total_write_bytes=549755813888,
        total_read_ops=15728640,
        total_write_ops=7864320,
    ),
    temperature_celsius=45.0,
)
DRIVER = DriverReading(gpu_count=1, driver_version="535.86.10", cuda_version="12.2", nvml_version="12.535.86")


def test_the_host_of_the_example_of_gpu_is_answered_exactly() -> None:
    nobody = ProcessesReading(top_processes=())
    shown = json.loads(system_info_view(DRIVER, HOST, nobody).model_dump_json())

    assert shown.pop("hostname") == "node1"  # added
    assert dict(leaves(shown)) == dict(leaves(GPU_EXAMPLE["system_info"]))
    assert {path: type(value) for path, value in leaves(shown)} == {
        path: type(value) for path, value in leaves(GPU_EXAMPLE["system_info"])
    }


def test_the_largest_processes_of_the_host_have_the_keys_of_processes_of_a_gpu() -> None:
    largest = HostProcess(1, "root", "systemd", memory_rss_bytes=3 * MIB // 2, memory_percent=0.05)
    processes = ProcessesReading(top_processes=(largest, HostProcess(2)))

    shown = system_info_view(DRIVER, HOST, processes).memory.top_processes

    assert [process.model_dump() for process in shown or ()] == [
        {"pid": 1, "name": "systemd", "username": "root", "memory_mb": 1.5, "memory_percent": 0.1},
        {"pid": 2, "name": None, "username": None, "memory_mb": None, "memory_percent": None},
    ]


@pytest.mark.parametrize("host", [None, HostReading(hostname="")], ids=["not read", "nothing known"])
def test_every_value_of_an_unknown_host_is_null(host: HostReading | None) -> None:
    shown = json.loads(system_info_view(DriverReading(gpu_count=1), host, None).model_dump_json())

    assert {path for path, value in leaves(shown) if value is not None} == set()
    assert keys(GPU_EXAMPLE["system_info"]) <= keys(shown)


# The envelope API

USERS_PID = 2879221
NVIDIA_SMI = [  # of the example's GPUs: fan, temperature, mW, used and free MiB, process's MiB
    (51, 55, 119_000, 11728, 12525, 11710),
    (58, 66, 121_000, 11768, 12485, 11750),
    (60, 60, 112_000, 11768, 12485, 11750),
    (66, 64, 131_000, 11782, 12470, 11750),
]
ADDED_TO_DEVICES = {"uuid", "state", "age_ms", "health"}
ADDED_TO_PROCESSES = {"running_time", "gpu_sm_utilization", "cpu_percent", "host_memory"}


def rtx_3090s(pid: int) -> Simulation:
    """The four GPUs of the example, with one process on all of them."""
    simulation = Simulation(4, models=["rtx4090"], pcie_window_seconds=0)
    for gpu, (fan, temperature, power, used, free, of_process) in zip(
        simulation.gpus, NVIDIA_SMI, strict=True
    ):
        gpu.fix(
            name="NVIDIA GeForce RTX 3090",
            fan_speed=fan,
            temperature=temperature,
            power_usage=power,
            power_limit=350_000,
            gpu_utilization=5,
            memory_total=24576 * MIB,
            memory_used=used * MIB,
            memory_reserved=(24576 - used - free) * MIB,
        )
        gpu.processes = [SimulatedProcess(pid, "C", of_process * MIB)]
    return simulation


def only(keys_of: dict[str, Any], entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries with only the keys of an example's entry."""
    return [{name: entry[name] for name in keys_of} for entry in entries]


@pytest.mark.anyio
async def test_the_example_of_status_is_answered_exactly() -> None:
    with rtx_3090s(os.getpid()):  # a process that is known on this host
        async with agent_client() as client:
            body = await answer(client, "/status")
            count = await answer(client, "/count")

    example = STATUS_EXAMPLE["data"]
    devices = only(example["devices"][0], body["data"]["devices"])
    processes = only(example["processes"][0], body["data"]["processes"])
    now = time.time() * 1000
    for device, expected in zip(devices, example["devices"], strict=True):
        assert now - 60_000 < device["ts"] <= now
        assert list(map(exactly, device.values())) == list(
            map(exactly, (expected | {"ts": device["ts"]}).values())
        )
    assert processes == [
        expected | {"pid": os.getpid(), "username": process["username"], "command": process["command"]}
        for process, expected in zip(processes, example["processes"], strict=True)
    ]
    assert all("N/A" not in process.values() for process in processes)
    assert (body["code"], body["data"]["count"], count) == (0, 4, {"code": 0, "data": 4})
    assert {frozenset(device) - frozenset(example["devices"][0]) for device in body["data"]["devices"]} == {
        frozenset(ADDED_TO_DEVICES)
    }
    assert {frozenset(one) - frozenset(example["processes"][0]) for one in body["data"]["processes"]} == {
        frozenset(ADDED_TO_PROCESSES)
    }


def test_the_example_of_status_is_answered_exactly_on_its_own_host() -> None:
    example = STATUS_EXAMPLE["data"]
    samples = []
    with rtx_3090s(USERS_PID):
        for device in example["devices"]:
            reading = GpuSource(device["idx"]).read()
            samples.append(GpuSample(device["idx"], GpuState.OK, reading, None, device["ts"] / 1000, 0))
    processes = ProcessesReading({USERS_PID: HostProcess(USERS_PID, "do1e", command="...")})
    snapshot = Snapshot(0.0, 0.0, DRIVER, gpus=tuple(samples), processes=processes)

    shown = json.loads(b"".join(StatusJson(snapshot)(samples, None, mig=False)))["data"]

    assert {
        "count": shown["count"],
        "devices": only(example["devices"][0], shown["devices"]),
        "processes": only(example["processes"][0], shown["processes"]),
    } == example
