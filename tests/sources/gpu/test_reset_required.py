"""A GPU that requires a reset: its remaining values are shown, and it is critical."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.derive.candidates import candidates
from agent.derive.findings import HealthVerdict
from agent.derive.free import Wish, choose
from agent.derive.health import examine
from agent.readings import DriverReading, GpuSample, GpuState, Reason, Snapshot, SourceError
from agent.simulation import SimulatedProcess
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from tests.sources.gpu.test_gpu import FEEDS
from tests.sources.gpu.test_unknown import GPM, lacks
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.processes = [SimulatedProcess(100, "C", 2**30, sm_utilization=40)]
        yield one


LIVE_FUNCTIONS = sorted(FEEDS.keys() - {"nvmlGpmSampleFree", "nvmlGpmSampleAlloc", "nvmlGpmMetricsGet"})


@pytest.mark.parametrize("symbol", LIVE_FUNCTIONS)
def test_a_call_that_requires_a_reset_is_reported_and_hides_no_other_value(one: OneGpu, symbol: str) -> None:
    before = one.read()
    one.source.release()
    one.gpu.fail(symbol, pynvml.NVML_ERROR_RESET_REQUIRED)

    reading = one.read(after=1)

    assert reading.recovery.requires_reset
    fields = {field for field, unknown in reading.unknown.items() if unknown.words == "GPU requires restart"}
    assert fields == set(GPM if symbol.startswith("nvmlGpm") else lacks(symbol, Reason.FAILED))
    if symbol != "nvmlDeviceGetMemoryInfo_v2":
        assert reading.memory.total_bytes == before.memory.total_bytes
    if symbol != "nvmlDeviceGetComputeRunningProcesses_v3":
        assert reading.processes == before.processes
    one.gpu.heal()
    assert not one.read(after=FIXED_PACE).recovery.requires_reset


def test_after_a_reset_a_gpu_is_well_once_its_frequent_calls_answer(one: OneGpu) -> None:
    for symbol in ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetVbiosVersion"):
        one.gpu.fail(symbol, pynvml.NVML_ERROR_RESET_REQUIRED)
    assert one.read().recovery.requires_reset
    assert one.read(after=1).recovery.requires_reset

    one.gpu.heal()
    reading = one.read(after=1)

    assert reading.unknown["identity.vbios_version"].words == "GPU requires restart", "not asked again yet"
    assert not reading.recovery.requires_reset


def test_only_a_gpu_whose_live_values_all_require_a_reset_is_lost(one: OneGpu) -> None:
    one.read()
    for symbol in LIVE_FUNCTIONS:
        one.gpu.fail(symbol, pynvml.NVML_ERROR_RESET_REQUIRED)

    with pytest.raises(SourceError, match="The GPU requires a reset"):
        one.read(after=SLOW_PACE)


def test_a_gpu_that_requires_a_reset_is_critical_and_not_offered(one: OneGpu) -> None:
    one.gpu.processes = []
    one.gpu.fix(gpu_utilization=0, memory_used=0)
    one.gpu.fail("nvmlDeviceGetPowerUsage", pynvml.NVML_ERROR_RESET_REQUIRED)
    snapshot = Snapshot(
        0.0, 0.0, driver=DriverReading(1), gpus=(GpuSample(0, GpuState.OK, one.read(), age_ms=1),)
    )

    health = examine(snapshot)[0]
    offer = choose(candidates(snapshot), Wish())

    assert health.verdict is HealthVerdict.CRITICAL
    assert "The GPU requires a reset" in health.reasons[0]
    assert offer.gpus == ()
    assert offer.unsuitable[0][1] == "it is not healthy: The GPU requires a reset"
