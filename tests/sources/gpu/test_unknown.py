"""Why a value of a GPU is unknown: for every function and every class of error, by field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import NvLinks, Reason
from agent.simulation import FieldId, NvmlReturn, SimulatedProcess
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.unknown import Record, Refusal
from tests.sources.gpu.detail_feeds import DETAIL_FEEDS, LINK_FEEDS
from tests.sources.gpu.test_gpu import FEEDS, FORBIDDEN_LACKS, OLDER_VERSION_LACKS
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.readings import GpuReading

ALL_READ_AGAIN = (
    301.0  # seconds after which everything is read again; GPM is known, because the gap is not too long
)
FIELDS: Mapping[str, tuple[str, ...]] = {
    **{symbol: fields for symbol, fields in FEEDS.items() if not symbol.startswith("nvmlGpm")},
    **DETAIL_FEEDS,
    **dict.fromkeys(LINK_FEEDS, ("nvlink.links",)),
    "nvmlDeviceGetNvLinkRemoteDeviceType": (),  # the bus ID of the other end stands in
    "nvmlDeviceGetPciInfo_v3": (
        "identity.pci_bus_id",
    ),  # the values that depend on it have no reason of their own
    "nvmlDeviceGetClockInfo": tuple(f"clocks.{name}_mhz" for name in ("graphics", "memory", "sm", "video")),
    "nvmlDeviceGetMaxClockInfo": tuple(
        f"clocks.max_{name}_mhz" for name in ("graphics", "memory", "sm", "video")
    ),
    "nvmlDeviceGetFieldValues": (
        "power.average_watts",
        "power.instant_watts",
        *(f"power.{name}_watts" for name in ("memory_average", "memory_instant")),
        *(f"power.module_{name}_watts" for name in ("average", "instant", "limit")),
        "thermal.memory_celsius",
        "recovery.action",
        "nvlink.links",
        *(
            f"thermal.{name}_margin_celsius"
            for name in ("shutdown", "slowdown", "memory_max", "max_operating")
        ),
        *(f"throttling.{name}_seconds" for name in ("software_thermal", "hardware_thermal", "power_brake")),
    ),
}
# Another function reports these counters, but nothing stands in for a forbidden one.
FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    **FORBIDDEN_LACKS,
    "nvmlDeviceGetFieldValues": (
        *FIELDS["nvmlDeviceGetFieldValues"],
        *(f"throttling.{name}_seconds" for name in ("power_cap", "sync_boost", "thermal")),
    ),
}
GPM = tuple(
    f"gpm.{name}_percent" for name in ("sm_activity", "sm_occupancy", "tensor_activity", "dram_activity")
)
GRAPHICS_LIST = "nvmlDeviceGetGraphicsRunningProcesses_v3"
MPS_LIST = "nvmlDeviceGetMPSComputeRunningProcesses_v3"
CODES = {  # one of each class; test_return_codes has every code
    NvmlReturn.NOT_SUPPORTED: Reason.NOT_SUPPORTED,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: Reason.MISSING,
    NvmlReturn.NO_PERMISSION: Reason.NO_PERMISSION,
    NvmlReturn.UNKNOWN: Reason.FAILED,
}


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.processes = [SimulatedProcess(100, "C", 2**30, sm_utilization=40)]
        yield one


def reasons(reading: GpuReading) -> dict[str, Reason]:
    return {field: unknown.reason for field, unknown in reading.unknown.items()}


def unversioned(symbol: str) -> str:
    """The name of the function in nvidia-ml-py."""
    return re.sub(r"_v[2-9]$|(?<=Temperature)V$", "", symbol)


def lacks(symbol: str, reason: Reason) -> tuple[str, ...]:
    """The fields it hides. Not every GPU has each list of processes; an unreported list may have some."""
    is_optional_list = symbol in {GRAPHICS_LIST, MPS_LIST}
    may_have_some = is_optional_list and reason in {Reason.FAILED, Reason.NO_PERMISSION}
    return ("processes",) if may_have_some else FIELDS[symbol]


# Quick: each function in one class, each class with a quarter of the functions. The rest is slow.
EACH_IN_EACH = [
    pytest.param(symbol, code, marks=() if (row + column) % len(CODES) == 0 else pytest.mark.slow)
    for row, symbol in enumerate(FIELDS)
    for column, code in enumerate(CODES)
]


@pytest.mark.parametrize(("symbol", "code"), EACH_IN_EACH)
def test_an_error_of_each_class_is_the_reason_for_the_fields_of_its_function_alone(
    one: OneGpu, symbol: str, code: int
) -> None:
    before = reasons(one.read())
    one.source.release()
    one.gpu.fail(symbol, code)

    reading = one.read(after=ALL_READ_AGAIN)

    lacking = lacks(symbol, CODES[code])
    if code is NvmlReturn.NO_PERMISSION:
        lacking = FORBIDDEN.get(symbol, lacking)
    assert reasons(reading) == before | dict.fromkeys(lacking, CODES[code])
    for field in lacking:
        assert reading.unknown[field].function == unversioned(symbol)
    assert bool(reading.driver_errors) == (CODES[code] is Reason.FAILED)


@pytest.mark.parametrize("symbol", FIELDS)
def test_a_function_that_the_driver_lacks_is_a_reason_and_no_failure(one: OneGpu, symbol: str) -> None:
    before = reasons(one.read())
    one.source.release()
    one.simulation.remove_function(symbol)

    reading = one.read(after=ALL_READ_AGAIN)

    if symbol not in OLDER_VERSION_LACKS:
        assert reasons(reading) == before | dict.fromkeys(FIELDS[symbol], Reason.MISSING)
    assert reading.driver_errors == {}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("symbol", ["nvmlGpmSampleAlloc", "nvmlGpmSampleGet", "nvmlGpmMetricsGet"])
def test_a_failed_gpm_call_is_the_reason_for_its_metrics(one: OneGpu, symbol: str, code: int) -> None:
    one.simulation.fail(symbol, code)
    one.read()

    reading = one.read(after=1)

    assert {field: reasons(reading)[field] for field in GPM} == dict.fromkeys(GPM, CODES[code])


def test_each_gpm_metric_has_its_own_return_code(one: OneGpu) -> None:
    one.gpu.fix(dram_activity=None)
    one.read()

    assert [field for field in GPM if field in one.read(after=1).unknown] == ["gpm.dram_activity_percent"]


def test_values_that_need_a_second_sample_have_no_reason_in_the_first(one: OneGpu) -> None:
    assert not reasons(one.read()).keys() & {*GPM, "pcie.tx_kib_per_second", "pcie.rx_kib_per_second"}


def test_each_field_value_has_its_own_return_code(one: OneGpu) -> None:
    one.gpu.unsupport(FieldId.POWER_AVERAGE)

    unknown = one.read().unknown

    assert unknown["power.average_watts"].reason is Reason.NOT_SUPPORTED
    assert "power.instant_watts" not in unknown


def test_fans_have_one_reason_for_the_whole_list() -> None:
    with one_gpu("rtx4090") as one:
        one.gpu.fail("nvmlDeviceGetFanSpeed_v2", NvmlReturn.UNKNOWN)

        assert one.read().unknown["fans.each"].reason is Reason.FAILED
        one.gpu.heal()
        assert "fans.each" not in one.read(after=SLOW_PACE).unknown


def test_mig_instances_have_one_reason_for_the_whole_list(one: OneGpu) -> None:
    one.gpu.enable_mig("1g.10gb", "1g.10gb")
    one.gpu.forbidden_instances = {1}

    assert one.read().unknown["mig.instances"].reason is Reason.NO_PERMISSION


def test_links_are_unknown_and_not_fewer_where_their_states_fail(one: OneGpu) -> None:
    one.gpu.fail("nvmlDeviceGetFieldValues", NvmlReturn.UNKNOWN, entry=FieldId.NVLINK_STATE)

    reading = one.read()

    assert reading.nvlink == NvLinks()
    assert reading.unknown["nvlink.links"].reason is Reason.FAILED


def test_a_failure_dates_from_the_first_of_its_run_without_a_pause_of_ten_minutes() -> None:
    record = Record()
    since = []
    for at in (100.0, 700.0, 1300.0, 1900.5):
        record.begin(at)
        record.note("failed", Refusal("f", 999))
        record.note("missing", Refusal("f", 13))
        since.append((record.unknown["failed"].since, record.unknown["missing"].since))

    assert since == [(100, 100), (100, 100), (100, 100), (1900.5, 100)]


def test_a_value_reported_again_has_no_reason_and_counts_as_reported_before() -> None:
    record = Record()
    reported_before = []
    for _ in range(2):
        record.note("field", Refusal("f", 999))
        reported_before.append(record.unknown["field"].reported_before)
        record.note_reported("field")
        assert not record.unknown

    assert reported_before == [False, True]


def test_an_impossible_value_dates_from_the_first_of_its_run() -> None:
    record = Record()
    since = []
    for at, impossible in ((1.0, False), (2.0, True), (3.0, True), (4.0, False), (5.0, True)):
        record.begin(at)
        if impossible:
            record.note_impossible("field", "f", "-1")
        else:
            record.note("field", Refusal("f", 999))
        since.append(record.unknown["field"].since)

    assert since == [1, 2, 2, 4, 5]


def test_failed_calls_are_counted_by_function_and_code() -> None:
    record = Record()
    for function, code in (("f", 999), ("g", 999), ("f", 999), ("f", 10), ("f", 3)):
        record.count(Refusal(function, code))

    unknown, timeout = "NVML_ERROR_UNKNOWN", "NVML_ERROR_TIMEOUT"
    assert record.errors == {("f", unknown): 2, ("g", unknown): 1, ("f", timeout): 1}


def test_the_most_informative_reason_of_several_calls_counts() -> None:
    missing, failed = Refusal("a", 13), Refusal("b", 999)
    with one_gpu() as one:
        one.simulation.remove_function("nvmlDeviceGetCurrentClocksThrottleReasons")
        one.gpu.fail("nvmlDeviceGetCurrentClocksEventReasons", NvmlReturn.UNKNOWN)

        unknown = one.read().unknown["clocks.event_reasons"]

        one.gpu.heal()
        assert "clocks.event_reasons" not in one.read(after=1).unknown, "once one of them answers"

    assert (unknown.reason, unknown.function) == (Reason.FAILED, "nvmlDeviceGetCurrentClocksEventReasons")
    record = Record()
    record.note("field", failed)
    record.note("field", missing)
    assert record.unknown["field"].reason is Reason.MISSING, "the latest reading counts"
