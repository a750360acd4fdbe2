"""One GPU through real nvitop: exact values, each failure, and the cost of a sample."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pynvml
import pytest

from agent.readings import GpuIdentity, GpuProcess, GpuReading, NvLinks, ProcessType, SourceError
from agent.simulation import DRIVER_GENERATIONS, MODELS, FieldId, NvmlReturn, SimulatedProcess
from agent.sources.gpu.paces import PROCESS_PACE, SLOW_PACE
from agent.sources.nvml import DriverSource
from tests.sources.gpu.detail_feeds import APART, DETAIL_FEEDS, DETAILS, LINK_FEEDS
from tests.sources.one_gpu import OneGpu, one_gpu
from tests.support.readings import leaves, reading, with_values

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = reading()
ALL_READ_AGAIN = 6.0  # seconds after which even the slow values are read again
MODES_READ_AGAIN = 32.0  # after which the modes are read again, too
PROCESSES = [SimulatedProcess(100, "C", 2**30, sm_utilization=40), SimulatedProcess(200, "C", 2**20)]


@pytest.fixture
def one() -> Iterator[OneGpu]:
    """A GPU that supports everything, with fixed values."""
    with one_gpu() as one:
        one.gpu.fix(**EVERYTHING)
        one.gpu.processes = PROCESSES
        yield one


EVERYTHING: dict[str, int | float] = {  # in NVML's units
    "memory_total": 80 * 2**30,
    "memory_reserved": 0,
    "memory_used": 30 * 2**30,
    "gpu_utilization": 71,
    "memory_utilization": 33,
    "sm_activity": 55.5,
    "dram_activity": 22.25,
    "temperature": 61,
    "power_usage": 350_250,
    "power_limit": 700_000,
    "graphics_clock": 1755,
    "memory_clock": 2619,
    "max_graphics_clock": 1980,
    "max_memory_clock": 2619,
    "pcie_generation": 3,
    "pcie_width": 8,
    "pcie_max_generation": 5,
    "pcie_max_width": 16,
    "pcie_tx": 1000,
    "pcie_rx": 2000,
    "clocks_event_reasons": 4,
    "fan_speed": 47,
    "fan_speed_rpm": 1500,
}


def expected(one: OneGpu) -> GpuReading:
    """The exact reading of the simulated GPU as it is now."""
    values, model = one.gpu.values, one.gpu.model
    supports = one.gpu.supports
    processes = [
        GpuProcess(
            process.pid,
            ProcessType(process.type),
            process.memory_bytes,
            *(
                (
                    process.sm_utilization,
                    process.memory_utilization,
                    process.encoder_utilization,
                    process.decoder_utilization,
                )
                if supports("nvmlDeviceGetProcessUtilization")
                else ()
            ),
        )
        for process in one.gpu.processes
    ]
    return reading(
        sampled_since_boot=one.clock.now,
        identity=GpuIdentity(uuid=values.uuid, name=values.name, pci_bus_id="00000000:01:00.0"),
        memory_total_bytes=values.memory_total,
        clocks_max_graphics_mhz=values.max_graphics_clock,
        clocks_max_memory_mhz=values.max_memory_clock,
        pcie_max_generation=values.pcie_max_generation,
        pcie_max_width=values.pcie_max_width,
        pcie_port_width=one.gpu.port_width,
        pcie_port_generation=one.gpu.port_generation,
        memory_used_bytes=values.memory_used,
        memory_free_bytes=values.memory_free,
        memory_reserved_bytes=values.memory_reserved,
        utilization_gpu_percent=values.gpu_utilization,
        utilization_memory_controller_percent=values.memory_utilization,
        gpm_supported=model.gpm,
        gpm_sm_activity_percent=values.sm_activity,
        gpm_dram_activity_percent=values.dram_activity,
        thermal_gpu_celsius=values.temperature,
        power_usage_watts=None if values.power_usage is None else values.power_usage / 1000,
        power_limit_watts=None if values.power_limit is None else values.power_limit / 1000,
        clocks_graphics_mhz=values.graphics_clock,
        clocks_memory_mhz=values.memory_clock,
        pcie_generation=values.pcie_generation,
        pcie_width=values.pcie_width,
        pcie_tx_kib_per_second=values.pcie_tx,
        pcie_rx_kib_per_second=values.pcie_rx,
        clocks_event_reasons=values.clocks_event_reasons,
        fans_speed_percent=values.fan_speed,
        fans_speed_rpm=values.fan_speed_rpm,
        modes_compute_mode=one.gpu.compute_mode,
        processes=tuple(sorted(processes, key=lambda process: process.pid)),
        mig_enabled=False if model.mig_profiles else None,
        mig_pending=False if model.mig_profiles else None,
    )


def plain(reported: GpuReading) -> GpuReading:
    """What every answer shows; the rest is tested in test_detail, test_pcie, test_fans and test_unknown."""
    return with_values(
        without(reported, *DETAILS),
        fans_each=(),
        pcie_samples=(),
        nvlink=NvLinks(),
        unknown=NOTHING.unknown,
        driver_errors=NOTHING.driver_errors,
    )


def without(reported: GpuReading, *unknown: str) -> GpuReading:
    """The same reading with these fields unknown, as in power.usage_watts."""
    return with_values(reported, **{name.replace(".", "_", 1): None for name in unknown})


def test_every_value_is_reported_exactly(one: OneGpu) -> None:
    one.read()

    reading = one.read(after=ALL_READ_AGAIN)

    assert plain(reading) == expected(one)
    reported = [value for name, value in leaves(reading).items() if name not in DETAILS]
    assert None not in reported, "the test would not see a field that is never filled"


PCIE_RATES: dict[
    str, dict[str, float | None]
] = {  # the link of each model, KiB/s; where it has none, nothing can be fixed
    "h100": {"pcie_tx": 4_000_000, "pcie_rx": 9_000_000, "sm_activity": 70.5, "dram_activity": 30.25},
    "a100": {"pcie_tx": 2_000_000, "pcie_rx": 5_000_000},
    "rtx4090": {"pcie_tx": 2_000_000, "pcie_rx": 5_000_000},
    "gb10": {},
    "k80": {"pcie_tx": None, "pcie_rx": None},  # neither counters nor windows
}


@pytest.mark.parametrize("seconds", [6, 60, 95, 600])
@pytest.mark.parametrize("model", MODELS)
def test_each_gpu_model_reports_exactly_its_own_features(model: str, seconds: float) -> None:
    with one_gpu(model) as one:
        one.gpu.fix(**PCIE_RATES[model])
        processes = [SimulatedProcess(100, "C", 2**30, sm_utilization=40)]
        one.gpu.processes = processes
        one.read()
        one.read(after=seconds - ALL_READ_AGAIN + 0.05)  # away from the edge of the simulation's steps

        assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


MEMORY = ("memory.total_bytes", "memory.used_bytes", "memory.free_bytes", "memory.reserved_bytes")
GPM = ("gpm.sm_activity_percent", "gpm.dram_activity_percent")
FEEDS: dict[str, tuple[str, ...]] = {  # NVML symbol -> the fields that nothing else can fill
    "nvmlDeviceGetUUID": ("identity.uuid",),
    "nvmlDeviceGetName": ("identity.name",),
    "nvmlDeviceGetPciInfo_v3": ("identity.pci_bus_id", "pcie.port_width", "pcie.port_generation"),
    "nvmlDeviceGetMaxClockInfo": ("clocks.max_graphics_mhz", "clocks.max_memory_mhz"),
    "nvmlDeviceGetMaxPcieLinkGeneration": ("pcie.max_generation",),
    "nvmlDeviceGetMaxPcieLinkWidth": ("pcie.max_width",),
    "nvmlDeviceGetMemoryInfo_v2": MEMORY,
    "nvmlDeviceGetUtilizationRates": ("utilization.gpu_percent", "utilization.memory_controller_percent"),
    "nvmlDeviceGetTemperatureV": ("thermal.gpu_celsius",),
    "nvmlDeviceGetPowerUsage": (),  # a field value stands in
    "nvmlDeviceGetPowerManagementLimit": (),  # the limit in force stands in
    "nvmlDeviceGetClockInfo": ("clocks.graphics_mhz", "clocks.memory_mhz"),
    "nvmlDeviceGetCurrPcieLinkGeneration": ("pcie.generation",),
    "nvmlDeviceGetCurrPcieLinkWidth": ("pcie.width",),
    "nvmlDeviceGetFieldValues": (),  # the windows stand in
    "nvmlDeviceGetCurrentClocksEventReasons": (),  # its old name stands in
    "nvmlDeviceGetSupportedClocksEventReasons": (),  # the same
    "nvmlDeviceGetFanSpeed": ("fans.speed_percent",),
    "nvmlDeviceGetFanSpeedRPM": ("fans.speed_rpm",),
    "nvmlDeviceGetComputeMode": ("modes.compute_mode",),
    "nvmlDeviceGetComputeRunningProcesses_v3": ("processes",),
    "nvmlDeviceGetGraphicsRunningProcesses_v3": (),  # there are none
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": (),  # the same
    "nvmlDeviceGetProcessUtilization": (),  # a newer one stands in
    "nvmlDeviceGetMigMode": ("mig.enabled", "mig.pending"),
    "nvmlGpmSampleAlloc": GPM,
    "nvmlGpmSampleGet": GPM,
    "nvmlGpmMetricsGet": GPM,
    "nvmlGpmSampleFree": (),
}
OLDER_VERSION_LACKS: dict[str, tuple[str, ...]] = {
    "nvmlDeviceGetMemoryInfo_v2": ("memory.reserved_bytes",),
    "nvmlDeviceGetTemperatureV": (),
    "nvmlDeviceGetComputeRunningProcesses_v3": (),
}
WHOLE = {  # tested in tests of their own
    "nvmlInitWithFlags",
    "nvmlDeviceGetHandleByIndex_v2",
    "nvmlGpmQueryDeviceSupport",
}


def test_the_table_of_functions_names_every_nvml_function_that_is_called(one: OneGpu) -> None:
    one.read()
    one.read(after=ALL_READ_AGAIN)
    one.source.release()

    assert set(one.simulation.calls) == FEEDS.keys() | WHOLE | DETAIL_FEEDS.keys() | {*LINK_FEEDS} | APART, (
        "add a new NVML function to tests/sources/gpu/detail_feeds.py, or to FEEDS of test_gpu.py"
    )


# A list of processes that not every GPU has; where it is refused otherwise, there may be some on it.
OPTIONAL_LISTS = {
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
}
# No other function stands in for a forbidden one.
FORBIDDEN_LACKS: dict[str, tuple[str, ...]] = {
    "nvmlDeviceGetPowerUsage": ("power.usage_watts",),
    "nvmlDeviceGetPowerManagementLimit": ("power.limit_watts",),
}


@pytest.mark.parametrize(
    "code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.NO_PERMISSION], ids=["not supported", "no permission"]
)
@pytest.mark.parametrize("symbol", FEEDS)
def test_a_refused_function_hides_only_its_own_fields(one: OneGpu, symbol: str, code: NvmlReturn) -> None:
    one.simulation.fail(symbol, code)
    one.read()

    lacking = (
        FORBIDDEN_LACKS.get(symbol, FEEDS[symbol]) if code is NvmlReturn.NO_PERMISSION else FEEDS[symbol]
    )
    may_be_more = symbol in OPTIONAL_LISTS and code is NvmlReturn.NO_PERMISSION
    assert plain(one.read(after=ALL_READ_AGAIN)) == replace(
        without(expected(one), *lacking), process_list_is_partial=may_be_more
    )


@pytest.mark.parametrize("symbol", FEEDS)
def test_a_missing_function_hides_only_its_own_fields(one: OneGpu, symbol: str) -> None:
    one.simulation.remove_function(symbol)
    one.read()

    lacking = OLDER_VERSION_LACKS.get(symbol, FEEDS[symbol])
    assert plain(one.read(after=ALL_READ_AGAIN)) == without(expected(one), *lacking)


PASSING = [NvmlReturn.TIMEOUT, NvmlReturn.UNKNOWN, NvmlReturn.INVALID_ARGUMENT]
PROBE = "nvmlDeviceGetMemoryInfo_v2"


FIRST_FAN = {"nvmlDeviceGetFanSpeed", "nvmlDeviceGetFanSpeedRPM"}  # rarely called, because this GPU has none
ONCE = {
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetName",
    "nvmlDeviceGetPciInfo_v3",
    "nvmlDeviceGetMaxClockInfo",
    "nvmlDeviceGetMaxPcieLinkGeneration",
    "nvmlDeviceGetMaxPcieLinkWidth",
}


@pytest.mark.parametrize("code", PASSING, ids=lambda code: code.name)
@pytest.mark.parametrize("symbol", sorted(FEEDS.keys() - {PROBE, *FIRST_FAN}))
def test_a_transient_fault_hides_only_the_fields_of_its_function_for_one_reading(
    one: OneGpu, symbol: str, code: NvmlReturn
) -> None:
    one.read()
    one.simulation.fail(symbol, code)

    unknown = {
        **dict.fromkeys(ONCE, ()),  # known already
        "nvmlDeviceGetFieldValues": ("pcie.tx_kib_per_second", "pcie.rx_kib_per_second"),  # no window yet
    }.get(symbol, FEEDS[symbol])
    may_be_more = symbol in OPTIONAL_LISTS and code is not NvmlReturn.INVALID_ARGUMENT
    assert plain(one.read(after=MODES_READ_AGAIN)) == replace(
        without(expected(one), *unknown), process_list_is_partial=may_be_more
    )
    one.simulation.heal()
    assert plain(one.read(after=MODES_READ_AGAIN)) == expected(one)


@pytest.mark.parametrize("code", PASSING, ids=lambda code: code.name)
@pytest.mark.parametrize("symbol", sorted(ONCE))
def test_a_transient_fault_at_first_contact_hides_the_identity_only_for_a_while(
    one: OneGpu, symbol: str, code: NvmlReturn
) -> None:
    one.simulation.fail(symbol, code)
    assert plain(one.read()).lasting() == without(expected(one), *FEEDS[symbol]).lasting()

    one.simulation.heal()

    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


@pytest.mark.parametrize("garbage", [2**62, 2**64 - 1])
def test_an_impossibly_large_memory_is_unknown(one: OneGpu, garbage: int) -> None:
    one.gpu.fix(memory_total=2**63, memory_used=garbage)

    reading = replace(one.read(), unknown={})

    assert plain(reading) == without(
        expected(one), *MEMORY, *GPM, "pcie.tx_kib_per_second", "pcie.rx_kib_per_second"
    )


LACKS = {
    "current": (),
    "r575": (),
    "r535": ("fans.speed_rpm",),
    "r470": ("fans.speed_rpm", "memory.reserved_bytes", *GPM),
    "r418": ("fans.speed_rpm", "memory.reserved_bytes", *GPM, "mig.enabled", "mig.pending"),
}


@pytest.mark.parametrize("generation", DRIVER_GENERATIONS)
def test_each_driver_generation_reports_what_it_supports(one: OneGpu, generation: str) -> None:
    one.simulation.set_driver_generation(generation)
    one.read()

    reading = one.read(after=ALL_READ_AGAIN)

    has_gpm = generation in {"current", "r575", "r535"}
    reported = without(expected(one), *LACKS[generation])
    assert plain(reading) == with_values(reported, gpm_supported=has_gpm)


WHY = {
    NvmlReturn.GPU_IS_LOST: "The GPU is lost: it fell off the bus, or the driver cannot reach it",
    pynvml.NVML_ERROR_RESET_REQUIRED: "The GPU requires a reset",
    NvmlReturn.UNKNOWN: "The driver refuses to read the GPU: Unknown Error",
}


LIVE = (
    PROBE,
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetComputeRunningProcesses_v3",
)


@pytest.mark.parametrize("code", WHY, ids=["lost", "reset required", "unknown"])
@pytest.mark.parametrize("at", [LIVE, ("nvmlDeviceGetHandleByIndex_v2",)], ids=["mid-run", "first contact"])
def test_a_gpu_that_cannot_be_read_reports_the_reason_until_it_can_be_read(
    one: OneGpu, at: tuple[str, ...], code: int
) -> None:
    for symbol in at:
        one.gpu.fail(symbol, code)
    for _ in range(2):
        with pytest.raises(SourceError) as caught:
            one.read(after=1)
        assert str(caught.value) == WHY[code]
    one.gpu.heal()

    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


@pytest.mark.parametrize("code", [NvmlReturn.UNKNOWN, pynvml.NVML_ERROR_RESET_REQUIRED])
def test_a_failing_memory_function_alone_does_not_hide_the_gpu(one: OneGpu, code: int) -> None:
    one.read()
    one.gpu.fail(PROBE, code)

    read = plain(one.read(after=ALL_READ_AGAIN))

    assert with_values(read, recovery_requires_reset=False) == without(expected(one), *MEMORY)


@pytest.mark.parametrize("symbol", sorted(FEEDS.keys() - {"nvmlGpmSampleFree"}))
def test_a_gpu_lost_in_the_middle_of_a_sample_is_reported_as_lost(one: OneGpu, symbol: str) -> None:
    if symbol == "nvmlGpmMetricsGet":
        one.read()  # it compares two samples: the first read does not call it
    one.simulation.fail(symbol, NvmlReturn.GPU_IS_LOST)
    with pytest.raises(SourceError, match="The GPU is lost"):
        one.read(after=1)

    one.simulation.heal()

    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


@pytest.mark.parametrize(
    ("fault", "heal", "why"),
    [
        pytest.param("lose", "restore", "The GPU is lost", id="lost"),
        pytest.param("deny", "permit", "No permission to read the GPU", id="denied"),
    ],
)
@pytest.mark.parametrize("seen_before", [True, False], ids=["mid-run", "first contact"])
def test_a_lost_or_denied_gpu_is_read_again_once_it_is_back(
    one: OneGpu, fault: str, heal: str, why: str, seen_before: bool
) -> None:
    if seen_before:
        one.read()
    getattr(one.gpu, fault)()
    for _ in range(3):
        with pytest.raises(SourceError, match=why):
            one.read(after=1)

    getattr(one.gpu, heal)()

    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


def test_forbidden_memory_alone_does_not_hide_the_gpu(one: OneGpu) -> None:
    one.gpu.fail(PROBE, NvmlReturn.NO_PERMISSION)
    one.read()

    assert plain(one.read(after=ALL_READ_AGAIN)) == without(expected(one), *MEMORY)


@pytest.mark.parametrize("beneath", ["reload_driver", "shutdown_nvml"])
def test_a_stale_handle_is_replaced_once_the_driver_is_found_again(one: OneGpu, beneath: str) -> None:
    driver = DriverSource()
    driver.read()
    one.read()
    getattr(one.simulation, beneath)()
    with pytest.raises(SourceError, match="The driver refuses to read the GPU: Uninitialized"):
        one.read(after=1)

    driver.read()

    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


def test_a_handle_that_the_driver_no_longer_knows_is_replaced(one: OneGpu) -> None:
    one.read()
    one.simulation.reload_driver()
    pynvml.nvmlInit()
    with pytest.raises(SourceError, match="The driver refuses to read the GPU: Invalid Argument"):
        one.read(after=1)

    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)


def test_a_hung_call_continues_normally_once_it_returns(one: OneGpu) -> None:
    one.read()
    one.gpu.hang("nvmlDeviceGetPowerUsage")
    readings: list[GpuReading] = []
    thread = threading.Thread(target=lambda: readings.append(one.read(after=ALL_READ_AGAIN)), daemon=True)
    thread.start()
    assert one.gpu.wait_until_blocked()
    assert readings == []

    one.gpu.release()
    thread.join(timeout=10)

    assert [plain(reading) for reading in readings] == [expected(one)]


def test_a_sample_is_timed_by_the_clock_since_boot(one: OneGpu) -> None:
    one.clock.now, one.clock.wall_offset = 5000.25, 1_000_000.5

    assert one.read().sampled_since_boot == 5000.25


# One sample a second, two processes that work. The calls for details and links are counted in test_detail.py
# and test_nvlink.py.
CALLS_IN_20_SECONDS = {
    "nvmlInitWithFlags": 1,
    # once
    "nvmlDeviceGetHandleByIndex_v2": 1,
    "nvmlDeviceGetUUID": 1,
    "nvmlDeviceGetName": 1,
    "nvmlDeviceGetMaxClockInfo": 4,
    "nvmlDeviceGetMaxPcieLinkGeneration": 1,
    "nvmlDeviceGetMaxPcieLinkWidth": 1,
    "nvmlDeviceGetPciInfo_v3": 1,
    "nvmlGpmQueryDeviceSupport": 1,
    "nvmlGpmSampleAlloc": 2,
    # each sample
    "nvmlDeviceGetMemoryInfo_v2": 20,
    "nvmlDeviceGetUtilizationRates": 20,
    "nvmlDeviceGetTemperatureV": 20,
    "nvmlDeviceGetPowerUsage": 20,
    "nvmlDeviceGetClockInfo": 20 + 4 + 2 * 2,
    "nvmlDeviceGetCurrentClocksEventReasons": 20,
    "nvmlDeviceGetFieldValues": 20
    + 2 * 4
    + 2
    + 1
    + 4,  # details every 5 s and 10 s, once, and of links once a minute
    "nvmlGpmSampleGet": 20,
    "nvmlGpmMetricsGet": 19,
    # every 2 s; NVML is asked for the size, then for the list
    "nvmlDeviceGetComputeRunningProcesses_v3": 2 * 10,
    "nvmlDeviceGetGraphicsRunningProcesses_v3": 10,  # there are none: no list
    "nvmlDeviceGetMPSComputeRunningProcesses_v3": 10,  # the same
    "nvmlDeviceGetProcessUtilization": 10 + 1,
    # every 5 s
    "nvmlDeviceGetPowerManagementLimit": 4,
    "nvmlDeviceGetCurrPcieLinkGeneration": 4,
    "nvmlDeviceGetCurrPcieLinkWidth": 4,
    "nvmlDeviceGetMigMode": 4,
    # every 30 s
    "nvmlDeviceGetComputeMode": 1,
    # every 5 minutes
    "nvmlDeviceGetSupportedClocksEventReasons": 1,
    # the same, for there is none
    "nvmlDeviceGetFanSpeed": 1,
    "nvmlDeviceGetFanSpeedRPM": 1,
}


def calls_of(one: OneGpu, samples: int, interval: float) -> dict[str, int]:
    """NVML calls in this many samples, by symbol."""
    for _ in range(samples):
        one.read(after=interval)
    return plain_calls(one)


def plain_calls(one: OneGpu) -> dict[str, int]:
    """The NVML calls without those for details, which are tested in test_detail.py."""
    details = DETAIL_FEEDS.keys() | {*LINK_FEEDS} | APART
    return {symbol: calls for symbol, calls in one.simulation.calls.items() if symbol not in details}


def test_twenty_seconds_take_the_expected_nvml_calls(one: OneGpu) -> None:
    assert calls_of(one, 20, 1.0) == CALLS_IN_20_SECONDS, (
        "CALLS_IN_20_SECONDS of tests/sources/gpu/test_gpu.py"
    )


def test_expensive_values_keep_their_pace_at_four_samples_a_second(one: OneGpu) -> None:
    calls = calls_of(one, 80, 0.25)

    expensive = {symbol: number for symbol, number in CALLS_IN_20_SECONDS.items() if number <= 20}
    cheap_or_gpm = {symbol for symbol, number in CALLS_IN_20_SECONDS.items() if number >= 19}
    expensive_only = expensive.keys() - cheap_or_gpm | {
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetProcessUtilization",
    }
    assert {symbol: calls[symbol] for symbol in expensive_only} == {
        symbol: expensive[symbol] for symbol in expensive_only
    }


def test_a_sample_that_comes_slightly_early_does_not_miss_its_pace(one: OneGpu) -> None:
    early_and_late = [1.0, 0.95, 1.05] * 7
    for interval in early_and_late[:20]:
        one.read(after=interval)

    assert plain_calls(one) == CALLS_IN_20_SECONDS


def test_without_counters_two_pcie_windows_are_measured_every_5_seconds(one: OneGpu) -> None:
    one.gpu.unsupport(FieldId.PCIE_COUNT_TX_BYTES, FieldId.PCIE_COUNT_RX_BYTES)

    calls = calls_of(one, 20, 1.0)

    assert calls == CALLS_IN_20_SECONDS | {
        "nvmlDeviceGetFieldValues": 1 + 8 + 2 + 1 + 4,
        "nvmlDeviceGetPcieThroughput": 8,
    }


def test_no_nvml_function_is_called_before_the_first_read(one: OneGpu) -> None:
    one.source.measure_slow_counters()
    one.source.release()

    assert dict(one.simulation.calls) == {}


def test_release_frees_every_gpm_buffer_and_the_next_read_opens_the_gpu_again(one: OneGpu) -> None:
    for _ in range(3):
        one.read(after=1)
    assert len(one.simulation.gpm_samples.by_pointer) == 2

    one.source.release()

    assert one.simulation.gpm_samples.by_pointer == {}
    one.read(after=1)
    assert plain(one.read(after=ALL_READ_AGAIN)) == expected(one)
    assert one.simulation.calls["nvmlDeviceGetHandleByIndex_v2"] == 2


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_lost_gpu_leaves_no_gpm_buffer_behind(one: OneGpu, samples: int) -> None:
    for _ in range(samples):
        one.read(after=1)
    one.gpu.fail("nvmlGpmSampleGet", NvmlReturn.GPU_IS_LOST)

    with pytest.raises(SourceError):
        one.read(after=1)

    assert one.simulation.gpm_samples.by_pointer == {}


def test_the_paces_are_as_documented() -> None:
    assert (PROCESS_PACE, SLOW_PACE) == (2.0, 5.0)
