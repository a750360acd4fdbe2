"""The scenarios in which a GPU answers only some calls: errors, impossible values, a required reset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # nvidia-ml-py carries no types

import pynvml
from nvitop import NA, Device, libnvml

from tests.simulation.test_scenarios import simulated

if TYPE_CHECKING:
    from collections.abc import Callable


def failing(device: Device) -> set[str]:
    """Which of these values the driver fails to report."""
    handle = device.handle
    calls: dict[str, Callable[[], Any]] = {
        "memory": lambda: libnvml.nvmlDeviceGetMemoryInfo(handle),
        "utilization": lambda: pynvml.nvmlDeviceGetUtilizationRates(handle),
        "power": lambda: pynvml.nvmlDeviceGetPowerUsage(handle),
        "temperature": lambda: pynvml.nvmlDeviceGetTemperatureV(handle, 0),
        "replays": lambda: pynvml.nvmlDeviceGetPcieReplayCounter(handle),
        "processes": lambda: pynvml.nvmlDeviceGetProcessesUtilizationInfo(handle, 0),
    }
    failures = set()
    for name, call in calls.items():
        try:
            call()
        except pynvml.NVMLError_NotFound:  # no process has worked
            continue
        except pynvml.NVMLError:
            failures.add(name)
    (field,) = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_MEMORY_TEMP])
    return failures | ({"memory temperature"} if field.nvmlReturn else set())


def test_the_scenario_errors_fails_values_for_a_time_and_one_optional_value_always() -> None:
    at, simulation = simulated("errors", gpus=7)
    calm: list[set[str]] = [set(), set(), {"replays"}, set(), set(), set(), set()]
    trouble = [
        set(),
        {"memory", "utilization"},
        {"replays"},
        {"power"},
        {"temperature"},
        {"memory temperature"},
        {"processes"},
    ]
    pause = [*trouble[:4], set(), *trouble[5:]]
    seen = []
    with simulation:
        devices = Device.all()
        for at.seconds in (0, 29, 30, 79, 80, 84, 85, 129, 130, 149, 150, 179, 210):
            seen.append([failing(device) for device in devices])

    assert seen == [
        *[calm] * 2,
        *[trouble] * 2,
        *[pause] * 2,
        *[trouble] * 2,
        *[pause] * 2,
        *[calm] * 2,
        trouble,
    ]


def garbage(device: Device) -> list[str]:
    """Which of its numbers are impossible."""
    memory = device.memory_info()
    impossible = {
        "power": device.power_usage() == 4_000_000_000,
        "temperature": device.temperature() == 82_505,
        "utilization": device.gpu_utilization() == 255,
        "memory": memory.used > memory.total,
        "rows": 2**32 - 1 in pynvml.nvmlDeviceGetRemappedRows(device.handle),
        "process": any(process.gpu_memory() == 32 * 2**40 for process in device.processes().values()),
        "fan": device.fan_speed() == 65_535,
        "clock": device.graphics_clock() == 4_000_000,
    }
    return [name for name, is_so in impossible.items() if is_so]


def test_the_scenario_garbage_reports_impossible_values_every_other_half_minute() -> None:
    at, simulation = simulated("garbage", gpus=7)
    seen = []
    with simulation:
        devices = Device.all()
        for at.seconds in (29, 30, 59, 60, 90):
            seen.append([garbage(device) for device in devices])

    wild = [
        [],
        ["power", "temperature", "utilization"],
        ["memory"],
        ["rows"],
        ["process"],
        ["fan"],
        ["clock"],
    ]
    assert seen == [[[]] * 7, wild, wild, [[]] * 7, wild]


def test_reset_required_leaves_identity_memory_and_processes_every_other_minute() -> None:
    at, simulation = simulated("reset-required")
    seen = []
    with simulation:
        one, healthy = Device(1), Device(0)
        for at.seconds in (59, 60, 119, 120, 180):
            pynvml.nvmlDeviceGetUUID(one.handle)
            assert one.memory_used() > 0
            assert one.processes()
            assert healthy.temperature() > 0
            seen.append(one.temperature() is NA)

    assert seen == [False, True, True, False, True]
