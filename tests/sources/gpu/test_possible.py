"""An impossible number is unknown, in every field; values of real hardware are accepted."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pynvml
import pytest

from agent.readings import (
    GpuIdentity,
    GpuReading,
    Memory,
    Power,
    Reason,
    RemapBanks,
    SramSources,
    Thermal,
    Unknown,
)
from agent.simulation import MODELS
from agent.simulation.error_counters import ErrorCounters
from agent.sources.gpu.possible import only_possible
from agent.sources.gpu.ranges import RANGES
from tests.sources.gpu.numbers import GIB, PLAIN, value_at, with_value
from tests.sources.one_gpu import Garbage, one_gpu

# If one of these is unknown, the object or list that contains it is unknown as a whole.
WHOLE = {
    "processes.pid": "processes",
    "mig.instances.processes.pid": "mig.instances.processes",
    **{f"memory_errors.remap_banks.{name}": "memory_errors.remap_banks" for name in RemapBanks.__slots__},
    **{f"memory_errors.sram_sources.{name}": "memory_errors.sram_sources" for name in SramSources.__slots__},
}
LIST_NAMES = (
    "processes",
    "fans.each",
    "nvlink.links",
    "pcie.samples",
    "mig.instances",
    "memory_errors.remap_banks",
    "memory_errors.sram_sources",
)


def noted_as(path: str) -> str:
    """The name of this field in `GpuReading.unknown`."""
    return next((name for name in LIST_NAMES if path.startswith(f"{name}.")), path)


def without_reasons(reading: GpuReading) -> GpuReading:
    return dataclasses.replace(reading, unknown={})


@pytest.mark.parametrize("path", sorted(RANGES))
def test_an_impossible_value_is_unknown_and_no_other_value_is(path: str) -> None:
    for garbage in (math.nan, math.inf, -math.inf, -1000, 1 << 64):
        assert_unknown_alone(path, garbage)


def assert_unknown_alone(path: str, garbage: float) -> None:
    """A reading with this value in its field has the reason for it, and otherwise does not change."""
    reported = (9, garbage) if path == "identity.compute_capability" else garbage

    reading = only_possible(with_value(PLAIN, path, reported))

    gone = WHOLE.get(path, path)
    assert value_at(reading, gone) is None
    assert without_reasons(reading) == with_value(PLAIN, gone, None)
    (why,) = reading.unknown.items()
    assert why[0] == noted_as(path)
    assert why[1].reason is Reason.IMPOSSIBLE
    assert why[1].function == RANGES[path].function
    assert (why[1].error, why[1].since, why[1].reported_before) == ("NVML_SUCCESS", 100.0, False)


@pytest.mark.parametrize(
    ("path", "reported", "words"),
    [
        ("power.usage_watts", 4_294_967.295, "4,294,967.295 W"),
        ("thermal.gpu_celsius", 82_505, "82,505 °C"),
        ("memory_errors.remapped_rows_uncorrected", 4_294_967_294, "4,294,967,294 rows"),
        ("gpm.sm_activity_percent", math.nan, "nan %"),
        ("pcie.width", 255, "255 lanes"),
        ("pcie.width", 0, "0 lanes"),
        ("processes.gpu_memory_bytes", 32 << 40, "35,184,372,088,832 bytes (gpu_memory_bytes)"),
        ("identity.compute_capability", (9, 65_535), "(9, 65535)"),
    ],
)
def test_the_reason_quotes_the_impossible_value(path: str, reported: Any, words: str) -> None:
    assert only_possible(with_value(PLAIN, path, reported)).unknown[noted_as(path)].words == words


def test_an_impossible_memory_total_makes_its_whole_struct_unknown() -> None:
    memory = Memory(1 << 63, GIB, GIB, GIB, GIB, GIB)

    reading = only_possible(dataclasses.replace(PLAIN, memory=memory))

    assert reading.memory == Memory(bar1_total_bytes=GIB, bar1_used_bytes=GIB)


def test_an_impossible_power_limit_does_not_bound_the_usage() -> None:
    reading = only_possible(dataclasses.replace(PLAIN, power=Power(usage_watts=300.0, limit_watts=4.0e6)))

    assert reading.power == Power(usage_watts=300.0)


def test_an_impossible_value_has_the_start_of_its_run_and_whether_it_was_reported_before() -> None:
    path = "power.usage_watts"
    valid, garbage = (with_value(PLAIN, path, reported) for reported in (300.0, 4.0e6))

    first = only_possible(dataclasses.replace(garbage, sampled_since_boot=101.0), valid)
    second = only_possible(dataclasses.replace(garbage, sampled_since_boot=102.0), first)
    valid_again = only_possible(dataclasses.replace(valid, sampled_since_boot=103.0), second)
    again = only_possible(dataclasses.replace(garbage, sampled_since_boot=104.0), valid_again)

    assert [one.unknown[path].since for one in (first, second, again)] == [101.0, 101.0, 104.0]
    assert all(one.unknown[path].reported_before for one in (first, second, again))
    assert valid_again.unknown == {}


@pytest.mark.parametrize(("reason", "stays"), [(Reason.FAILED, True), (Reason.NOT_SUPPORTED, False)])
def test_a_list_keeps_the_graver_of_two_reasons(reason: Reason, stays: bool) -> None:
    earlier = Unknown(reason, "nvmlDeviceGetFanSpeedRPM", "NVML_ERROR_UNKNOWN", "Unknown Error", 1.0, False)
    reported = dataclasses.replace(
        with_value(PLAIN, "fans.each.speed_percent", 70_000), unknown={"fans.each": earlier}
    )

    reading = only_possible(reported)

    assert value_at(reading, "fans.each.speed_percent") is None
    assert (reading.unknown["fans.each"] == earlier) is stays


def test_lists_of_the_previous_reading_are_not_checked_again() -> None:
    reported = with_value(PLAIN, "processes.gpu_memory_bytes", 32 << 40)

    assert only_possible(reported, PLAIN).processes != reported.processes
    assert only_possible(reported, reported) is reported


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_simulated_gpu_reports_nothing_impossible(model: str) -> None:
    with one_gpu(model) as one:
        reasons = {why.reason for _ in range(60) for why in one.read(after=5).unknown.values()}

    assert Reason.IMPOSSIBLE not in reasons


def test_a_partitioned_gpu_reports_nothing_impossible() -> None:
    with one_gpu("a100") as one:
        one.gpu.enable_mig()
        reading = one.read(after=5)

    assert reading.mig.instances
    assert Reason.IMPOSSIBLE not in {why.reason for why in reading.unknown.values()}


def test_a_source_recovers_from_one_impossible_sample() -> None:
    with one_gpu() as one:
        before = one.read().power.usage_watts
        one.gpu.fix(power_usage=4_294_967_000)
        garbage = one.read(after=1)
        one.gpu.unfix()
        after = one.read(after=1)

    assert before is not None
    assert garbage.power.usage_watts is None
    assert garbage.unknown["power.usage_watts"].words == "4,294,967 W"
    assert garbage.unknown["power.usage_watts"].reported_before
    assert after.power.usage_watts is not None
    assert "power.usage_watts" not in after.unknown


@pytest.mark.parametrize("sentinel", [0xFFFF_FFFF], ids=hex)
def test_the_number_for_no_value_in_a_struct_is_not_supported_and_not_impossible(sentinel: int) -> None:
    with one_gpu() as one:
        one.gpu.error_counters = ErrorCounters(
            remapped_rows_corrected=sentinel, remap_banks=(640, 0, sentinel, 0, 0)
        )
        reading = one.read()

    assert reading.memory_errors.remapped_rows_corrected is None
    assert reading.memory_errors.remapped_rows_uncorrected == 0
    assert reading.memory_errors.remap_banks is None
    assert Reason.IMPOSSIBLE not in {why.reason for why in reading.unknown.values()}


def test_an_impossible_number_of_fans_is_unknown_and_no_fan_is_read() -> None:
    with one_gpu("rtx4090") as one:
        pynvml.nvmlLib = Garbage(one.simulation, 4_000_000_000, "nvmlDeviceGetNumFans")
        fans = one.read().fans

    assert (fans.count, fans.each) == (None, ())


@pytest.mark.parametrize(
    ("number", "words"), [(64, None), (65, "65 instances"), (4 * 10**9, "4,000,000,000 instances")]
)
def test_an_impossible_number_of_mig_devices_is_the_reason_why_no_instance_is_reported(
    number: int, words: str | None
) -> None:
    with one_gpu("a100") as one:
        one.gpu.enable_mig()
        pynvml.nvmlLib = Garbage(one.simulation, number, "nvmlDeviceGetMaxMigDeviceCount")
        reading = one.read()

    assert (reading.mig.enabled, reading.mig.instances is None) == (True, words is not None)
    why = reading.unknown.get("mig.instances")
    assert (None if why is None else why.words) == words


def test_a_value_that_is_read_once_is_read_again_after_an_impossible_one() -> None:
    with one_gpu() as one:
        one.gpu.fix(pcie_max_width=255)
        garbage = one.read().pcie.max_width
        one.gpu.unfix()
        later = one.read(after=5).pcie.max_width

    assert (garbage, later) == (None, 16)


def test_an_identity_without_a_capability_is_possible() -> None:
    reading = dataclasses.replace(PLAIN, identity=GpuIdentity(uuid="GPU-1"), thermal=Thermal())

    assert only_possible(reading) is reading
