"""Failed values, from NVML to the finding: only if the failure lasts and matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.derive.health import examine
from agent.readings import GpuSample, GpuState, Snapshot
from agent.simulation import NvmlReturn, Simulation
from agent.simulation.call_faults import FIELD_VALUES, GPM_METRICS
from agent.simulation.nvml.registry import FIELDS
from agent.sources.gpu import GpuSource
from agent.sources.return_codes import FATAL
from tests.simulation.test_return_codes import CODES, OF_A_GPU
from tests.sources.one_gpu import OneGpu, TwoClocks, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuReading

STEP = 5.0  # seconds between two samples
VITAL = {
    "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetPowerUsage",
}


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


def found_in(reading: GpuReading) -> list[str]:
    """The findings about this reading, with their verdicts."""
    gpu = GpuSample(0, GpuState.OK, reading)
    health = examine(Snapshot(0.0, 0.0, gpus=(gpu,), taken_since_boot=reading.sampled_since_boot))[0]
    return [f"{finding.verdict.word} {finding.name}" for finding in health.findings]


def findings(one: OneGpu, seconds: float) -> list[str]:
    """The findings of the last sample within this many seconds."""
    for _ in range(int(seconds / STEP)):
        reading = one.read(after=STEP)
    return found_in(reading)


@pytest.mark.parametrize("symbol", sorted(VITAL))
def test_a_vital_value_that_fails_for_a_minute_is_a_finding_until_it_is_reported_again(
    one: OneGpu, symbol: str
) -> None:
    one.gpu.fail(symbol, NvmlReturn.UNKNOWN)
    for field in (185, 186):  # power has other names
        one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=field)

    assert findings(one, 60) == []  # 55 s after the first sample
    assert findings(one, 5) == ["warning driver_errors"]
    one.gpu.heal()
    assert findings(one, 5) == []


def test_a_value_that_is_reported_once_in_between_starts_a_new_minute(one: OneGpu) -> None:
    for _ in range(4):
        one.gpu.fail("nvmlDeviceGetPowerUsage", NvmlReturn.UNKNOWN)
        one.gpu.fail("nvmlDeviceGetTemperatureV", NvmlReturn.UNKNOWN)
        assert findings(one, 50) == []
        one.gpu.heal()
        assert findings(one, 5) == []


def test_failed_memory_and_utilization_together_are_critical(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetMemoryInfo_v2", NvmlReturn.UNKNOWN)
    one.gpu.fail("nvmlDeviceGetUtilizationRates", NvmlReturn.TIMEOUT)

    assert findings(one, 65) == ["critical driver_errors"]


@pytest.mark.parametrize("symbol", sorted(set(OF_A_GPU) - VITAL))
def test_an_optional_value_that_fails_from_the_first_call_is_not_judged(one: OneGpu, symbol: str) -> None:
    one.gpu.fail(symbol, NvmlReturn.UNKNOWN)

    assert findings(one, 10) == []
    one.clock.now += 600
    assert findings(one, 10) == []


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_fails_from_the_first_call_is_not_judged(one: OneGpu, field: int) -> None:
    one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=field)

    assert findings(one, 10) == []
    one.clock.now += 600
    assert findings(one, 10) == []


def test_an_optional_value_that_fails_after_it_was_reported_is_a_finding(one: OneGpu) -> None:
    assert findings(one, 10) == []
    one.gpu.fail(FIELD_VALUES, NvmlReturn.UNKNOWN, entry=82)
    assert findings(one, 60) == []
    assert findings(one, 10) == ["warning driver_errors"]


def test_a_gpm_metric_that_fails_after_it_was_reported_is_a_finding(one: OneGpu) -> None:
    assert findings(one, 10) == []
    one.gpu.fail(GPM_METRICS, NvmlReturn.UNKNOWN, entry=2)
    assert findings(one, 70) == ["warning driver_errors"]


def test_a_single_error_of_a_rarely_read_value_is_not_a_finding(one: OneGpu) -> None:
    """The thresholds are read every five minutes, and every five seconds while that fails."""
    assert findings(one, 300) == []
    one.gpu.fail("nvmlDeviceGetTemperatureThreshold", NvmlReturn.UNKNOWN, times=1)
    assert findings(one, 300) == []
    one.gpu.fail("nvmlDeviceGetTemperatureThreshold", NvmlReturn.UNKNOWN)
    assert findings(one, 370) == ["warning driver_errors"]
    one.gpu.heal()
    assert findings(one, 5) == []


OF_THE_WHOLE_GPU = {code for code in CODES if isinstance(pynvml.NVMLError(code), FATAL)}


@pytest.mark.parametrize("code", sorted({*CODES} - OF_THE_WHOLE_GPU - {NvmlReturn.RESET_REQUIRED}))
def test_a_gpu_stays_healthy_for_30_seconds_when_all_its_optional_functions_fail(
    one: OneGpu, code: int
) -> None:
    assert findings(one, 10) == []
    for symbol in set(OF_A_GPU) - VITAL:
        one.gpu.fail(symbol, code)

    assert findings(one, 30) == []


SHOWN: dict[str, set[tuple[int, str]]] = {  # scenario -> its findings within two and a half minutes
    "errors": {
        (1, "critical driver_errors"),
        (3, "warning driver_errors"),
        (5, "warning driver_errors"),
    },
    "garbage": set(),
    "reset-required": {(1, "critical reset_required")},
}


@pytest.mark.parametrize("scenario", SHOWN)
def test_each_fault_scenario_causes_exactly_the_findings_it_is_made_for(scenario: str) -> None:
    clock = TwoClocks()
    seen = set()
    with Simulation(7, scenario=scenario, clock=clock, wall_clock=clock.wall, pcie_window_seconds=0):
        gpus = [GpuSource(index, clock=clock, now=clock.wall, since_boot=clock) for index in range(7)]
        for _ in range(30):
            clock.now += STEP
            seen |= {(gpu.index, found) for gpu in gpus for found in found_in(gpu.read())}

    assert seen == SHOWN[scenario]
