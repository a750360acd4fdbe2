"""Throttled time: counted in nanoseconds, under each number that drivers give its field value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from agent.readings import Reason, Throttling
from agent.simulation import FieldId, NvmlReturn
from agent.sources.gpu.paces import COUNTERS_PACE
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_HEAT_AND_BRAKE = {269, 270, 271}
NANOSECONDS = {
    "slowed_by_power_cap": 1_500_000_000,
    "slowed_by_sync_boost": 20_000_001,
    "slowed_by_software_thermal": 3_000,
    "slowed_by_hardware_thermal": 4_000_000_000_000,
    "slowed_by_power_brake": 5,
    "slowed_by_thermal": 6_000_000_000,
}
SECONDS = Throttling(1.5, 0.020000001, 3e-6, 4000.0, 5e-9, 6.0)


class OfThirtyTwoBits:
    """The simulated library, but these fields are settings and no counters."""

    def __init__(self, library: Any, *fields: int) -> None:
        self._library = library
        self._fields = fields

    def __getattr__(self, symbol: str) -> Any:
        return self._fill if symbol == "nvmlDeviceGetFieldValues" else getattr(self._library, symbol)

    def _fill(self, handle: Any, count: Any, entries: Any) -> int:
        code: int = self._library.nvmlDeviceGetFieldValues(handle, count, entries)
        for entry in entries._obj:  # noqa: SLF001  (what ctypes.byref refers to)
            if entry.fieldId in self._fields:
                entry.nvmlReturn, entry.valueType = NvmlReturn.SUCCESS, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT
                entry.value.uiVal = 1
        return code


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fix(**NANOSECONDS)
        yield one


def test_each_counter_is_reported_in_seconds(one: OneGpu) -> None:
    assert one.read().throttling == SECONDS


def test_a_driver_with_other_field_numbers_reports_the_same_times(one: OneGpu) -> None:
    one.simulation.set_driver_generation("r575")
    pynvml.nvmlLib = OfThirtyTwoBits(
        one.simulation, *BY_HEAT_AND_BRAKE
    )  # what these numbers mean in that driver

    assert one.read().throttling == SECONDS


def test_a_32_bit_setting_is_not_read_as_a_counter(one: OneGpu) -> None:
    one.gpu.unsupport(*BY_HEAT_AND_BRAKE)
    pynvml.nvmlLib = OfThirtyTwoBits(one.simulation, 251, 252, 253)

    reading = one.read()

    throttling = reading.throttling
    assert (throttling.software_thermal_seconds, throttling.hardware_thermal_seconds) == (None, None)
    assert reading.unknown["throttling.power_brake_seconds"].reason is Reason.NOT_SUPPORTED


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.UNKNOWN])
def test_the_older_function_stands_in_where_no_field_reports_a_counter(one: OneGpu, code: NvmlReturn) -> None:
    one.gpu.fail("nvmlDeviceGetFieldValues", code)

    reading = one.read()

    assert reading.throttling == Throttling(
        power_cap_seconds=1.5, sync_boost_seconds=0.020000001, thermal_seconds=6.0
    )
    unknown = {field for field in reading.unknown if field.startswith("throttling.")}
    assert unknown == {
        f"throttling.{name}_seconds" for name in ("software_thermal", "hardware_thermal", "power_brake")
    }


def test_an_unreported_counter_has_the_gravest_of_its_reasons(one: OneGpu) -> None:
    one.gpu.unsupport(FieldId.SLOWED_BY_POWER_CAP)
    one.gpu.fail("nvmlDeviceGetViolationStatus", NvmlReturn.UNKNOWN)

    unknown = one.read().unknown["throttling.power_cap_seconds"]

    assert (unknown.reason, unknown.function) == (Reason.FAILED, "nvmlDeviceGetViolationStatus")


def test_the_counters_are_read_every_ten_seconds(one: OneGpu) -> None:
    one.read()
    one.gpu.fix(slowed_by_power_cap=2_500_000_000)

    assert one.read(after=COUNTERS_PACE - 1).throttling.power_cap_seconds == 1.5
    assert one.read(after=1).throttling.power_cap_seconds == 2.5
