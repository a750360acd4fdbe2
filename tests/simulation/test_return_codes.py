"""Every simulated NVML function, field and GPM metric can return every code of NVML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any  # Any: nvidia-ml-py carries no types

import pynvml
import pytest
from nvitop import libnvml

from agent.simulation import FieldId, NvmlReturn, Simulation
from agent.simulation.call_faults import FIELD_VALUES, GPM_METRICS
from agent.simulation.nvml import FUNCTIONS
from agent.simulation.nvml.registry import FIELDS
from agent.simulation.reset import ANSWERED_UNTIL_RESET

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = [*range(1, 30), 999]
HANDLES = ("Index_v2", "PciBusId_v2", "UUID")
OF_A_GPU = [  # functions that take a GPU handle
    symbol
    for symbol in FUNCTIONS
    if symbol.startswith("nvmlDevice") and not symbol.endswith(("Count_v2", *HANDLES))
] + ["nvmlGpmQueryDeviceSupport", "nvmlGpmSampleGet", "nvmlGpmMigSampleGet"]
SM_ACTIVITY = 2  # NVML_GPM_METRIC_SM_UTIL
POWER_INSTANT = pynvml.NVML_FI_DEV_POWER_INSTANT


@pytest.fixture
def two() -> Iterator[Simulation]:
    with Simulation(2, pcie_window_seconds=0) as simulation:
        pynvml.nvmlInit()
        yield simulation


def handle(index: int) -> Any:
    return pynvml.nvmlDeviceGetHandleByIndex(index)


def field(index: int, field_id: int = POWER_INSTANT) -> int:
    """The return code of a field value."""
    (value,) = pynvml.nvmlDeviceGetFieldValues(handle(index), [field_id])
    return int(value.nvmlReturn)


def test_every_error_code_of_nvml_has_its_name() -> None:
    errors = {name: code for name, code in NvmlReturn.__members__.items() if name != "SUCCESS"}

    assert sorted(errors.values()) == CODES
    assert errors == {name: getattr(pynvml, f"NVML_ERROR_{name}") for name in errors}


@pytest.mark.parametrize("code", CODES)
def test_every_function_can_return_each_code_for_the_whole_library(two: Simulation, code: int) -> None:
    for symbol in FUNCTIONS:
        two.fail(symbol, code)

    assert {getattr(two, symbol)() for symbol in FUNCTIONS} == {code}
    two.heal()
    assert pynvml.nvmlDeviceGetCount() == 2


@pytest.mark.parametrize("code", CODES)
def test_every_function_of_a_gpu_can_return_each_code_for_that_gpu_only(two: Simulation, code: int) -> None:
    faulty, healthy = handle(0), handle(1)
    for symbol in OF_A_GPU:
        two.gpus[0].fail(symbol, code)

    assert {getattr(two, symbol)(faulty) for symbol in OF_A_GPU} == {code}
    assert pynvml.nvmlDeviceGetPowerUsage(healthy) > 0
    two.gpus[0].heal()
    assert pynvml.nvmlDeviceGetPowerUsage(faulty) > 0


# Fields of links that count packets, and of a module with a CPU.
OF_OTHER_GPUS = {
    FieldId.POWER_CURRENT_LIMIT,
    *(field for field in FieldId if FieldId.NVLINK_SENT_BYTES <= field <= FieldId.NVLINK_SYMBOL_ERRORS),
}
EXPECTED = {
    **dict.fromkeys(OF_OTHER_GPUS, NvmlReturn.NOT_SUPPORTED),
    **dict.fromkeys((FieldId.RESET_STATUS, FieldId.DRAIN_AND_RESET_STATUS), NvmlReturn.DEPRECATED),
}


@pytest.mark.parametrize("code", CODES)
def test_every_field_can_return_each_code_separately(two: Simulation, code: int) -> None:
    for field_id in FIELDS:
        two.gpus[0].fail(FIELD_VALUES, code, entry=field_id)
        expected = EXPECTED.get(FieldId(field_id), NvmlReturn.SUCCESS)
        assert field(0, field_id) == code
        assert field(1, field_id) == expected
        two.gpus[0].heal(FIELD_VALUES)
        assert field(0, field_id) == expected


def test_a_field_of_every_gpu_fails_the_requested_number_of_times(two: Simulation) -> None:
    two.fail(FIELD_VALUES, NvmlReturn.TIMEOUT, times=2, entry=POWER_INSTANT)

    assert [field(0), field(1), field(0)] == [NvmlReturn.TIMEOUT, NvmlReturn.TIMEOUT, NvmlReturn.SUCCESS]


def metrics(index: int) -> dict[int, int]:
    """The return codes of two GPM metrics, SM activity and occupancy."""
    request = pynvml.c_nvmlGpmMetricsGet_t()
    request.version, request.numMetrics = pynvml.NVML_GPM_METRICS_GET_VERSION, 2
    request.sample1, request.sample2 = pynvml.nvmlGpmSampleAlloc(), pynvml.nvmlGpmSampleAlloc()
    for slot in range(2):
        request.metrics[slot].metricId = SM_ACTIVITY + slot
    for sample in (request.sample1, request.sample2):
        pynvml.nvmlGpmSampleGet(handle(index), sample)
    pynvml.nvmlGpmMetricsGet(request)
    return {one.metricId: one.nvmlReturn for one in request.metrics[:2]}


@pytest.mark.parametrize("code", CODES)
def test_a_gpm_metric_can_return_each_code_separately(two: Simulation, code: int) -> None:
    two.gpus[0].fail(GPM_METRICS, code, entry=SM_ACTIVITY)

    assert metrics(0) == {SM_ACTIVITY: code, SM_ACTIVITY + 1: NvmlReturn.SUCCESS}
    assert metrics(1) == {SM_ACTIVITY: NvmlReturn.SUCCESS, SM_ACTIVITY + 1: NvmlReturn.SUCCESS}


def test_only_functions_with_many_values_have_entries() -> None:
    with pytest.raises(
        ValueError, match="nvmlDeviceGetPowerUsage has no entries; nvmlDeviceGetFieldValues and"
    ):
        Simulation(1).fail("nvmlDeviceGetPowerUsage", NvmlReturn.UNKNOWN, entry=1)


def test_a_gpu_that_requires_a_reset_reports_only_identity_memory_and_processes(two: Simulation) -> None:
    two.gpus[0].require_reset()
    faulty = handle(0)

    assert FUNCTIONS.keys() >= ANSWERED_UNTIL_RESET
    refused = set(OF_A_GPU) - ANSWERED_UNTIL_RESET
    assert {getattr(two, symbol)(faulty) for symbol in refused} == {NvmlReturn.RESET_REQUIRED}
    assert pynvml.nvmlDeviceGetUUID(faulty) == two.gpus[0].values.uuid
    assert libnvml.nvmlDeviceGetMemoryInfo(faulty).total > 0
    assert libnvml.nvmlDeviceGetComputeRunningProcesses(faulty)
    assert pynvml.nvmlDeviceGetPowerUsage(handle(1)) > 0
    two.gpus[0].reset()
    assert pynvml.nvmlDeviceGetPowerUsage(faulty) > 0
