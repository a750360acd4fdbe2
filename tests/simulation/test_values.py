"""Values of a simulated GPU can be set separately, also to each return code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from agent.simulation import NvmlReturn, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.simulation import SimulatedGpu

FIELD_IDS = {
    "power_average": pynvml.NVML_FI_DEV_POWER_AVERAGE,
    "power_instant": pynvml.NVML_FI_DEV_POWER_INSTANT,
}


@pytest.fixture
def gpu() -> Iterator[SimulatedGpu]:
    with Simulation(2, models=["a100"]) as simulation:
        pynvml.nvmlInit()
        yield simulation.gpus[1]


def handle() -> Any:
    return pynvml.nvmlDeviceGetHandleByIndex(1)


def field(name: str) -> Any:
    (answer,) = pynvml.nvmlDeviceGetFieldValues(handle(), [FIELD_IDS[name]])
    return answer.value.uiVal if answer.nvmlReturn == 0 else pynvml.NVMLError(answer.nvmlReturn)


# By value: a number that differs from that of the GPU, and the call that reports it.
REPORTED: dict[str, tuple[Any, Callable[[], Any]]] = {
    "bus_id": ("0000000A:8F:1E.0", lambda: pynvml.nvmlDeviceGetPciInfo(handle()).busId),
    "serial": ("1320", lambda: pynvml.nvmlDeviceGetSerial(handle())),
    "part_number": ("900-1", lambda: pynvml.nvmlDeviceGetBoardPartNumber(handle())),
    "vbios_version": ("96.00.1", lambda: pynvml.nvmlDeviceGetVbiosVersion(handle())),
    "compute_capability": ((1, 2), lambda: pynvml.nvmlDeviceGetCudaComputeCapability(handle())),
    "bar1_used": (7, lambda: pynvml.nvmlDeviceGetBAR1MemoryInfo(handle()).bar1Used),
    "bar1_total": (2**30, lambda: pynvml.nvmlDeviceGetBAR1MemoryInfo(handle()).bar1Total),
    "memory_free": (11, lambda: pynvml.nvmlDeviceGetMemoryInfo(handle(), pynvml.nvmlMemory_v2).free),
    "jpeg_utilization": (3, lambda: pynvml.nvmlDeviceGetJpgUtilization(handle())[0]),
    "ofa_utilization": (4, lambda: pynvml.nvmlDeviceGetOfaUtilization(handle())[0]),
    "shutdown_threshold": (101, lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle(), 0)),
    "slowdown_threshold": (102, lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle(), 1)),
    "memory_max_threshold": (103, lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle(), 2)),
    "max_operating_threshold": (104, lambda: pynvml.nvmlDeviceGetTemperatureThreshold(handle(), 3)),
    "power_average": (201, lambda: field("power_average")),
    "power_instant": (202, lambda: field("power_instant")),
    "power_limit": (203, lambda: pynvml.nvmlDeviceGetPowerManagementLimit(handle())),
    "enforced_power_limit": (204, lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle())),
    "default_power_limit": (205, lambda: pynvml.nvmlDeviceGetPowerManagementDefaultLimit(handle())),
    "sm_clock": (301, lambda: pynvml.nvmlDeviceGetClockInfo(handle(), pynvml.NVML_CLOCK_SM)),
    "max_sm_clock": (302, lambda: pynvml.nvmlDeviceGetMaxClockInfo(handle(), pynvml.NVML_CLOCK_SM)),
    "persistence_mode": (0, lambda: pynvml.nvmlDeviceGetPersistenceMode(handle())),
    "ecc_mode": (0, lambda: pynvml.nvmlDeviceGetCurrentEccMode(handle())),
    "ecc_pending": (0, lambda: pynvml.nvmlDeviceGetPendingEccMode(handle())),
}


def outcome(call: Callable[[], Any]) -> Any:
    """The result of a call, or the symbol of its return code."""
    try:
        result = call()
    except pynvml.NVMLError as error:
        result = error
    return NvmlReturn(result.value).name if isinstance(result, pynvml.NVMLError) else result


@pytest.mark.parametrize("name", REPORTED)
def test_each_value_can_be_set_separately(gpu: SimulatedGpu, name: str) -> None:
    value, call = REPORTED[name]
    others = {other: outcome(REPORTED[other][1]) for other in REPORTED}
    gpu.fix(**{name: value})
    assert outcome(call) == value != others[name]
    follow = {"power_limit": {"enforced_power_limit"}, "ecc_mode": {"ecc_pending"}}.get(name, set())
    steady = others.keys() - {name, "power_average", "power_instant", "sm_clock", "memory_free"} - follow
    assert {other: outcome(REPORTED[other][1]) for other in steady} == {
        other: others[other] for other in steady
    }


@pytest.mark.parametrize(
    "code", [NvmlReturn.UNKNOWN, NvmlReturn.RESET_REQUIRED, NvmlReturn.FUNCTION_NOT_FOUND]
)
@pytest.mark.parametrize("name", sorted(REPORTED.keys() - {"memory_free"}))
def test_each_value_can_fail_with_any_return_code(gpu: SimulatedGpu, name: str, code: NvmlReturn) -> None:
    gpu.fix(**{name: code})
    assert outcome(REPORTED[name][1]) == code.name
    gpu.fix(**{name: None})
    assert outcome(REPORTED[name][1]) == NvmlReturn.NOT_SUPPORTED.name


def test_an_unreported_member_of_a_struct_is_marked_as_such(gpu: SimulatedGpu) -> None:
    gpu.fix(memory_free=NvmlReturn.UNKNOWN, memory_utilization=NvmlReturn.UNKNOWN)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle(), pynvml.nvmlMemory_v2)
    assert memory.free == 2**64 - 1
    assert memory.total == gpu.values.memory_total
    assert pynvml.nvmlDeviceGetUtilizationRates(handle()).memory == 2**32 - 1


def test_a_gpu_is_found_by_its_assigned_bus_id(gpu: SimulatedGpu) -> None:
    gpu.fix(bus_id="0000000A:8F:1E.0")
    found = pynvml.nvmlDeviceGetHandleByPciBusId("0000000A:8F:1E.0")
    assert pynvml.nvmlDeviceGetIndex(found) == gpu.index
    info = pynvml.nvmlDeviceGetPciInfo(found)
    assert (info.domain, info.bus, info.device, info.busIdLegacy) == (0xA, 0x8F, 0x1E, "000A:8F:1E.0")


def test_compute_instances_share_the_memory_of_their_gpu_instance(gpu: SimulatedGpu) -> None:
    gpu.enable_mig("1c.2g.20gb", "1c.2g.20gb", "1c.2g.20gb", "1g.10gb")
    found = []
    for index in range(4):
        one = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle(), index)
        ids = pynvml.nvmlDeviceGetGpuInstanceId(one), pynvml.nvmlDeviceGetComputeInstanceId(one)
        found.append((*ids, pynvml.nvmlDeviceGetMemoryInfo(one).total // 2**30))
    assert found == [(1, 0, 19), (1, 1, 19), (2, 0, 19), (3, 0, 9)]


def test_compute_instances_that_do_not_fit_are_refused(gpu: SimulatedGpu) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        gpu.enable_mig("2c.4g.40gb", "3c.4g.40gb")


def test_nvlink_is_refused_in_mig_mode(gpu: SimulatedGpu) -> None:
    assert pynvml.nvmlDeviceGetNvLinkState(handle(), 0) == 1
    gpu.enable_mig("3g.40gb")
    with pytest.raises(pynvml.NVMLError_NotSupported):
        pynvml.nvmlDeviceGetNvLinkState(handle(), 0)
    (answer,) = pynvml.nvmlDeviceGetFieldValues(handle(), [(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, 0)])
    assert answer.nvmlReturn == NvmlReturn.NOT_SUPPORTED


def test_the_mig_mode_after_the_next_reset_can_differ(gpu: SimulatedGpu) -> None:
    gpu.mig_pending = True
    assert pynvml.nvmlDeviceGetMigMode(handle()) == [0, 1]
