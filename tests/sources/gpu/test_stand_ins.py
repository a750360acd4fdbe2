"""If one NVML function does not report a value, a substitute does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

import agent.readings
from agent.simulation import NvmlReturn, wire
from agent.sources.gpu.stand_ins import STAND_INS
from tests.sources.gpu.detail_feeds import DETAIL_FEEDS
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

POWER, LIMIT = "nvmlDeviceGetPowerUsage", "nvmlDeviceGetPowerManagementLimit"
ENFORCED = "nvmlDeviceGetEnforcedPowerLimit"
FIELD_VALUES = "nvmlDeviceGetFieldValues"
INSTANT, AVERAGE = pynvml.NVML_FI_DEV_POWER_INSTANT, pynvml.NVML_FI_DEV_POWER_AVERAGE

SYMBOLS = {
    "power.usage_watts": POWER,
    "power.limit_watts": LIMIT,
    **{path: symbol for symbol, paths in DETAIL_FEEDS.items() for path in paths},
}
BY_FIELD = {path: stand_in.fields for path, stand_in in STAND_INS.items() if stand_in.fields}


class ByField:
    """The simulated library, but it reports only these field values, and records each request."""

    def __init__(self, library: Any, reported: dict[int, int]) -> None:
        self._library = library
        self.reported = reported
        self.requested: list[list[int]] = []  # the field IDs of the GPU itself in each call

    def __getattr__(self, symbol: str) -> Any:
        return self._report if symbol == FIELD_VALUES else getattr(self._library, symbol)

    def _report(self, _handle: Any, count: Any, entries: Any) -> int:
        listed = [wire.target(entries)[place] for place in range(wire.number(count))]
        self.requested.append([entry.fieldId for entry in listed if entry.scopeId == 0])
        for entry in listed:
            value = self.reported.get(entry.fieldId)
            entry.nvmlReturn = NvmlReturn.NOT_SUPPORTED if value is None else NvmlReturn.SUCCESS
            entry.valueType = pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
            entry.value.ullVal = value or 0
        return int(NvmlReturn.SUCCESS)

    def calls_with(self, field: int) -> int:
        return sum(field in fields for fields in self.requested)


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.fix(power_usage=300_000)
        yield one


def by_field(one: OneGpu, reported: dict[int, int]) -> ByField:
    """Let the GPU report these field values from now on, and no others."""
    library = ByField(one.simulation, reported)
    pynvml.nvmlLib = library  # the simulation's end restores it
    return library


def value_at(reading: Any, path: str) -> Any:
    for name in path.split("."):
        reading = getattr(reading, name)
    return reading


def test_the_fan_speed_of_a_gpu_is_that_of_its_first_fan() -> None:
    fans = agent.readings.Fans(each=(agent.readings.Fan(40, 1200), agent.readings.Fan(50, 1500)))
    reading = agent.readings.GpuReading(0.0, fans=fans)

    known = [STAND_INS[f"fans.{name}"].known(reading) for name in ("speed_percent", "speed_rpm")]
    assert known == [40, 1200]


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.TIMEOUT, NvmlReturn.UNKNOWN])
@pytest.mark.parametrize(
    ("reported", "expected"),
    [({INSTANT: 250_000, AVERAGE: 200_000}, 250.0), ({AVERAGE: 200_000}, 200.0), ({}, None)],
)
def test_power_usage_falls_back_to_the_instant_and_then_to_the_average_value(
    one: OneGpu, code: NvmlReturn, reported: dict[int, int], expected: float | None
) -> None:
    one.simulation.fail(POWER, code)
    by_field(one, reported)

    reading = one.read()

    assert reading.power.usage_watts == expected
    assert ("power.usage_watts" in reading.unknown) is (expected is None)


def test_nothing_stands_in_for_a_forbidden_value(one: OneGpu) -> None:
    one.simulation.fail(POWER, NvmlReturn.NO_PERMISSION)
    by_field(one, {INSTANT: 250_000})

    assert one.read().power.usage_watts is None


def test_a_stand_in_is_read_in_every_sample_and_only_while_it_is_needed(one: OneGpu) -> None:
    library = by_field(one, {INSTANT: 250_000})
    one.gpu.unsupport(POWER)
    first = one.read().power.usage_watts
    library.reported[INSTANT] = 260_000
    second = one.read(after=1).power.usage_watts
    one.gpu.support(POWER)
    third = one.read(after=1).power.usage_watts

    assert (first, second, third) == (250.0, 260.0, 300.0)


def test_a_stand_in_for_error_counts_is_read_at_once_when_fresh_counts_are_needed(one: OneGpu) -> None:
    library = by_field(one, {pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL: 0})
    one.gpu.unsupport("nvmlDeviceGetTotalEccErrors")
    one.read()
    library.reported[pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL] = 2

    assert one.read(after=1).memory_errors.uncorrected_volatile == 0
    one.clock.now += 1
    assert one.source.read_with_fresh_errors().memory_errors.uncorrected_volatile == 2


@pytest.mark.parametrize("path", sorted(BY_FIELD))
def test_a_field_value_stands_in_for_its_function(one: OneGpu, path: str) -> None:
    one.gpu.unsupport(SYMBOLS[path], ENFORCED)
    for field in BY_FIELD[path]:
        by_field(one, {field: 150_000})

        reported = value_at(one.read(after=301), path)

        assert reported == (150 if path.startswith("power.") else 150_000)


def test_an_unsupported_power_limit_is_replaced_by_the_enforced_limit(one: OneGpu) -> None:
    one.gpu.fix(power_limit=175_000)
    one.gpu.unsupport(LIMIT)
    library = by_field(one, {})

    assert one.read().power.limit_watts == 175.0
    assert library.calls_with(pynvml.NVML_FI_DEV_POWER_REQUESTED_LIMIT) == 1


@pytest.mark.parametrize("field", ["speed_percent", "speed_rpm"])
def test_the_first_fan_stands_in_for_the_function_of_a_single_fan(field: str) -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fix(fan_speed=40, fan_speed_rpm=1280)
        one.gpu.unsupport("nvmlDeviceGetFanSpeed")
        fans = one.read().fans

    assert getattr(fans, field) == getattr(fans.each[0], field)
    assert getattr(fans, field) is not None


def test_a_gpu_without_any_stand_in_is_asked_once_in_five_minutes(one: OneGpu) -> None:
    one.gpu.unsupport(*(symbol for path, symbol in SYMBOLS.items() if path in STAND_INS))
    library = by_field(one, {})
    for _ in range(400):
        one.read(after=0.5)

    assert library.calls_with(pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER) == 1
    assert library.calls_with(pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL) == 1


def test_stand_ins_take_at_most_one_more_call_a_second(one: OneGpu) -> None:
    one.gpu.unsupport(*(symbol for path, symbol in SYMBOLS.items() if path in STAND_INS))
    fields = {field for fields in BY_FIELD.values() for field in fields}
    library = by_field(one, dict.fromkeys(fields, 150_000))
    one.read()
    library.requested.clear()
    for _ in range(80):
        one.read(after=0.25)

    own = [
        requested
        for requested in library.requested
        if {INSTANT} <= set(requested) and pynvml.NVML_FI_DEV_MEMORY_TEMP not in requested
    ]
    assert len(own) == 20


def test_a_gpu_that_reports_everything_takes_no_stand_in_calls(one: OneGpu) -> None:
    fields = {field for fields in BY_FIELD.values() for field in fields} - {INSTANT, AVERAGE}
    library = by_field(one, dict.fromkeys(fields, 150_000))
    for _ in range(20):
        one.read(after=1)

    assert [field for field in fields if library.calls_with(field)] == []


def test_a_stand_in_value_is_checked_for_its_range_too(one: OneGpu) -> None:
    one.gpu.unsupport(POWER)
    by_field(one, {INSTANT: 4_294_967_000})

    reading = one.read()

    assert reading.power.usage_watts is None
    assert reading.unknown["power.usage_watts"].words == "4,294,967 W"


@pytest.mark.parametrize("path", sorted(BY_FIELD))
def test_the_source_of_a_reading_names_the_field_values_that_stand_in(path: str) -> None:
    subject = path.split(".")[0]
    text = Path(agent.readings.__file__).with_name("gpu").joinpath(f"{subject}.py").read_text()

    assert "field value" in text
    assert all(str(field) in text for field in BY_FIELD[path])
