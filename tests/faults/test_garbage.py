"""Impossible values from the driver: no answer has such a number, or a number for an unknown value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import SimulatedProcess, Simulation
from tests.faults.endpoints import SCHEDULING, TimedClient, every_gpu_is_ok
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

NOT_AVAILABLE_32, NOT_AVAILABLE_64 = 2**32 - 1, 2**64 - 1
GIB = 2**30
OF_NO_GPU = ("nvmlDeviceGetHandle", "nvmlDeviceGetCount")

# The values that the driver reports for one GPU -> where /gpu and /status show that they are unknown.
GARBAGE: dict[str, tuple[dict[str, int], str, dict[str, object]]] = {
    "utilization above 100": (
        {"gpu_utilization": 101, "memory_utilization": 250},
        "utilization.gpu_percent utilization.memory_percent",
        {"gpu_utilization": "N/A"},
    ),
    "utilization of 2^32-1": (
        {"gpu_utilization": NOT_AVAILABLE_32, "memory_utilization": NOT_AVAILABLE_32},
        "utilization.gpu_percent utilization.memory_percent",
        {"gpu_utilization": "N/A"},
    ),
    "memory of 2^64-1": (
        {"memory_total": NOT_AVAILABLE_64, "memory_used": NOT_AVAILABLE_64, "memory_reserved": 0},
        "memory.total_mb memory.used_mb memory.utilization_percent",
        {"memory_total_human": "N/A", "memory_used_human": "N/A", "memory_utilization": "N/A"},
    ),
    "used memory of 2^64-1": (
        {"memory_used": NOT_AVAILABLE_64},
        "memory.used_mb memory.utilization_percent",
        {"memory_used_human": "N/A", "memory_utilization": "N/A"},
    ),
    "power of 2^32-1": (
        {"power_usage": NOT_AVAILABLE_32, "power_limit": NOT_AVAILABLE_32},
        "power.usage_watts power.limit_watts power.budget_watts power.efficiency_percent",
        {"power_status": "N/A / N/A"},
    ),
    "clocks of 2^32-1": (
        {"graphics_clock": NOT_AVAILABLE_32, "memory_clock": NOT_AVAILABLE_32},
        "clocks.graphics_mhz clocks.memory_mhz clocks.efficiency_percent",
        {},
    ),
    "a link of 2^32-1": (
        {"pcie_generation": NOT_AVAILABLE_32, "pcie_width": NOT_AVAILABLE_32},
        "pcie.current_generation pcie.current_width",
        {},
    ),
    "a fan of 2^32-1": (
        {"fan_speed": NOT_AVAILABLE_32, "fan_speed_rpm": NOT_AVAILABLE_32},
        "fan_speed_percent fan_speed_rpm",
        {"fan_speed": "N/A"},
    ),
    "activity above 100": (
        {"sm_activity": 1000, "dram_activity": -3},
        "utilization.sm_percent memory.bandwidth_utilization_percent",
        {},
    ),
}


def at(shown: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        shown = shown[name]
    return shown


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from numbers(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


async def test_impossible_values_are_unknown_and_all_others_are_shown() -> None:
    """Each kind on its own GPU; the sums leave it out."""
    with Simulation(len(GARBAGE) + 1) as simulation:
        for gpu, (values, _, _) in zip(simulation.gpus, GARBAGE.values(), strict=False):
            gpu.fix(**values)
        simulation.gpus[-1].fix(memory_used=40 * GIB, power_usage=300_000, gpu_utilization=50)
        with agent_server(SAMPLE_INTERVAL="0.5") as url:
            async with TimedClient(url) as client:
                await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
                shown = (await client.get("/gpu")).json
                devices = (await client.status())["data"]["devices"]
    for number, (kind, (_, unknown, strings)) in enumerate(GARBAGE.items()):
        gpu, device = shown["gpus"][number], devices[number]
        assert "ok" == gpu["state"] == device["state"], kind
        assert [None] * len(unknown.split()) == [at(gpu, path) for path in unknown.split()], kind
        assert strings == {name: device[name] for name in strings}, kind
        assert gpu["temperature_celsius"] is not None, kind
    everything = list(numbers(shown))
    assert len(everything) > 100
    assert all(math.isfinite(number) for number in everything)
    assert shown["summary"]["total_memory_mb"] < 100 * 81_559
    assert shown["summary"]["total_power_usage_watts"] < 100 * 700
    assert 0 <= shown["summary"]["average_gpu_utilization_percent"] <= 100


@pytest.mark.slow
async def test_unsupported_values_are_unknown_and_no_error() -> None:
    """The GPU can be read, but reports no values. The others stay exact."""
    with Simulation(4) as simulation:
        for gpu in simulation.gpus:
            gpu.fix(temperature=40 + gpu.index)
        with agent_server(SAMPLE_INTERVAL="0.5") as url:
            async with TimedClient(url) as client:
                await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
                called = [symbol for symbol in simulation.calls if symbol.startswith("nvmlDeviceGet")]
                simulation.gpus[2].unsupport(
                    *(symbol for symbol in called if not symbol.startswith(OF_NO_GPU))
                )
                expected = [40, 41, "N/A", 43]
                seen = lambda status: [one["temperature"] for one in status["data"]["devices"]] == expected  # noqa: E731
                status = await client.wait_for(seen, 2, "the GPU reports no values")
                gpu = (await client.get("/gpu?idx=2")).json["gpus"][0]
    assert [device["state"] for device in status["data"]["devices"]] == ["ok"] * 4
    assert (gpu["state"], gpu["error"]) == ("ok", None)
    assert (gpu["temperature_celsius"], gpu["power"]["usage_watts"]) == (None, None)


async def test_impossible_values_of_processes_are_unknown() -> None:
    with Simulation(1) as simulation:
        simulation.gpus[0].processes = [
            SimulatedProcess(pid=4_194_300, memory_bytes=None, sm_utilization=2**31),
            SimulatedProcess(pid=4_194_301, memory_bytes=2**63, sm_utilization=101),
            SimulatedProcess(pid=4_194_302, memory_bytes=GIB, sm_utilization=100),
        ]
        with agent_server() as url:
            async with TimedClient(url) as client:
                status = await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
    shown_processes = [(one["gpu_memory"], one["gpu_sm_utilization"]) for one in status["data"]["processes"]]
    assert shown_processes == [("N/A", "N/A"), ("N/A", "N/A"), ("1024MiB", 100)]


async def test_unified_memory_is_unknown_in_every_answer() -> None:
    """GB10: total and used memory are unknown, the memory of each process is known."""
    with Simulation(2, models=["gb10"]) as simulation:
        simulation.gpus[0].processes = [SimulatedProcess(pid=4_194_300, memory_bytes=3 * GIB)]
        with agent_server() as url:
            async with TimedClient(url) as client:
                status = await client.wait_for(every_gpu_is_ok, SCHEDULING, "every GPU is ok")
                shown = (await client.get("/gpu")).json
    device, gpu = status["data"]["devices"][0], shown["gpus"][0]
    assert "ok" == device["state"] == gpu["state"]
    assert [
        device[name]
        for name in ("memory_total_human", "memory_used_human", "memory_free_human", "memory_utilization")
    ] == ["N/A"] * 4
    memory = ("total_mb", "used_mb", "free_mb", "utilization_percent")
    assert [gpu["memory"][name] for name in memory] == [None] * 4
    assert status["data"]["processes"][0]["gpu_memory"] == "3072MiB"
    assert (
        gpu["top_processes"][0]["memory_mb"],
        gpu["top_processes"][0]["memory_percent"],
    ) == (3072.0, None)
    assert shown["summary"]["total_memory_mb"] is None
    assert shown["summary"]["memory_utilization_percent"] is None
    assert gpu["status"] in ("active", "idle")
    assert shown["status"] == "ok"
