"""The record of unknown values: since when, whether ever reported, how often failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.derive.candidates import candidates
from agent.derive.free import Offer, Wish, choose
from agent.readings import DriverReading, GpuSample, GpuState, Reason, Snapshot, SourceError, Unknown
from agent.simulation import NvmlReturn
from agent.sources.gpu.paces import FIXED_PACE, SLOW_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.readings import GpuReading

MAX_GAP = 600.0


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        yield one


TEMPERATURE, CELSIUS = "nvmlDeviceGetTemperatureV", "thermal.gpu_celsius"
SELDOM, STATE = "nvmlDeviceGetPerformanceState", "modes.performance_state"


def test_a_rarely_read_value_keeps_its_reason_until_it_is_reported_again(one: OneGpu) -> None:
    one.read()
    one.gpu.fail(SELDOM, NvmlReturn.TIMEOUT)
    began = one.read(after=SLOW_PACE).sampled_since_boot
    first = Unknown(
        Reason.FAILED,
        SELDOM,
        "NVML_ERROR_TIMEOUT",
        "Timeout",
        since=began,
        reported_before=True,
        called_at=began,
    )
    second = replace(first, called_at=began + SLOW_PACE)

    assert [one.read(after=1).unknown.get(STATE) for _ in range(8)] == [first] * 4 + [second] * 4
    one.gpu.heal()
    assert [STATE in one.read(after=1).unknown for _ in range(5)][-1] is False


def test_a_failure_dates_from_the_first_sample_of_its_run(one: OneGpu) -> None:
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)
    since = [one.read(after=1).unknown[CELSIUS].since for _ in range(3)]
    one.gpu.fail(TEMPERATURE, NvmlReturn.TIMEOUT)
    as_bad = one.read(after=1).unknown[CELSIUS].since
    one.gpu.fail(TEMPERATURE, NvmlReturn.NO_PERMISSION)
    other = one.read(after=1)
    one.gpu.heal()
    one.read(after=1)
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)
    again = one.read(after=1)

    assert {*since, as_bad} == {1001.0}
    assert other.unknown[CELSIUS].since == other.sampled_since_boot
    assert again.unknown[CELSIUS].since == again.sampled_since_boot


@pytest.mark.parametrize(("gap", "goes_on"), [(MAX_GAP, True), (MAX_GAP + 1, False)])
def test_failures_with_more_than_ten_minutes_between_them_are_separate(
    one: OneGpu, gap: float, goes_on: bool
) -> None:
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)
    first = one.read(after=1).sampled_since_boot

    second = one.read(after=gap)

    assert second.unknown[CELSIUS].since == (first if goes_on else second.sampled_since_boot)


def celsius_was_reported_before(one: OneGpu) -> bool:
    return one.read(after=FIXED_PACE).unknown[CELSIUS].reported_before


def test_whether_a_value_was_reported_before_is_remembered_by_gpu_and_not_by_handle(one: OneGpu) -> None:
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)
    assert not celsius_was_reported_before(one)
    one.gpu.heal()
    one.read(after=1)
    one.source.release()
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)

    assert celsius_was_reported_before(one)


def test_another_gpu_at_the_index_has_its_own_record_and_the_first_is_remembered(one: OneGpu) -> None:
    one.read()
    first = one.gpu.values.uuid
    one.source.release(may_be_another=True)
    one.gpu.fix(uuid="GPU-another")
    one.gpu.fail(TEMPERATURE, NvmlReturn.UNKNOWN)
    assert not celsius_was_reported_before(one)

    one.source.release(may_be_another=True)
    one.gpu.fix(uuid=first)

    assert celsius_was_reported_before(one)


def test_failures_are_counted_as_long_as_the_agent_runs(one: OneGpu) -> None:
    one.read()
    one.gpu.fail("nvmlDeviceGetPowerUsage", NvmlReturn.UNKNOWN, times=3)
    counts = [one.read(after=1).driver_errors for _ in range(4)]
    one.source.release()
    one.gpu.fail("nvmlDeviceGetTemperatureV", NvmlReturn.TIMEOUT, times=1)

    power = ("nvmlDeviceGetPowerUsage", "NVML_ERROR_UNKNOWN")
    assert counts == [{power: n} for n in (1, 2, 3, 3)]
    assert one.read(after=1).driver_errors == {
        power: 3,
        ("nvmlDeviceGetTemperature", "NVML_ERROR_TIMEOUT"): 1,
    }


def lasting(one: OneGpu) -> GpuReading:
    with pytest.raises(SourceError) as caught:
        one.read(after=1)
    assert caught.value.lasting is not None
    return caught.value.lasting


def test_the_failure_that_loses_a_gpu_is_counted_too(one: OneGpu) -> None:
    one.read()
    one.gpu.lose()
    first, second = lasting(one), lasting(one)

    assert first.driver_errors == {("nvmlDeviceGetMemoryInfo", "NVML_ERROR_GPU_IS_LOST"): 1}
    assert second.driver_errors == {
        ("nvmlDeviceGetMemoryInfo", "NVML_ERROR_GPU_IS_LOST"): 1,
        ("nvmlDeviceGetHandleByIndex", "NVML_ERROR_GPU_IS_LOST"): 1,
    }
    assert first.identity.uuid == second.identity.uuid == one.gpu.values.uuid


@pytest.mark.parametrize(
    ("symbol", "field"),
    [("nvmlDeviceGetUUID", "uuid"), ("nvmlDeviceGetName", "name"), ("nvmlDeviceGetPciInfo_v3", "pci_bus_id")],
)
def test_a_gpu_lost_at_first_contact_keeps_each_part_of_its_identity_that_is_reported(
    one: OneGpu, symbol: str, field: str
) -> None:
    identity: Any = one.read().identity
    one.source.release(may_be_another=True)
    for other in {"nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetPciInfo_v3"} - {symbol}:
        one.gpu.fail(other, NvmlReturn.GPU_IS_LOST)
    one.gpu.fail("nvmlDeviceGetMemoryInfo_v2", NvmlReturn.GPU_IS_LOST)

    reported = lasting(one).identity

    assert getattr(reported, field) == getattr(identity, field)


def offer(reading: GpuReading) -> Offer:
    snapshot = Snapshot(0.0, 0.0, driver=DriverReading(1), gpus=(GpuSample(0, GpuState.OK, reading),))
    return choose(candidates(snapshot), Wish())


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("nvmlDeviceGetMemoryInfo_v2", "its memory in use is unknown: Unknown Error"),
        ("nvmlDeviceGetUtilizationRates", "its utilization is unknown: Unknown Error"),
    ],
)
def test_a_gpu_is_not_offered_while_the_driver_fails_to_report_its_use(
    one: OneGpu, symbol: str, words: str
) -> None:
    one.gpu.processes = []
    one.gpu.fix(gpu_utilization=0, memory_used=0)
    assert len(offer(one.read()).gpus) == 1
    one.gpu.fail(symbol, NvmlReturn.UNKNOWN)
    assert [why for _, why in offer(one.read(after=1)).unsuitable] == [words]

    one.gpu.fail(symbol, NvmlReturn.NOT_SUPPORTED)

    assert len(offer(one.read(after=1)).gpus) == 1, "otherwise no GPU of this kind could ever be offered"


@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        ({"gpu_utilization": 255}, "its utilization is unknown: the driver reports 255 %"),
        ({"memory_used": 2**40}, "its memory in use is unknown: the driver reports 1,099,511,627,776 bytes"),
    ],
)
def test_a_gpu_is_not_offered_while_it_reports_an_impossible_use(
    one: OneGpu, garbage: dict[str, int], words: str
) -> None:
    one.gpu.processes = []
    one.gpu.fix(**{"gpu_utilization": 0, "memory_used": 0} | garbage)
    assert [why for _, why in offer(one.read()).unsuitable] == [words]

    one.gpu.fix(gpu_utilization=0, memory_used=0)

    assert len(offer(one.read(after=1)).gpus) == 1
