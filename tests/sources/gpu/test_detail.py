"""The details of one GPU: exact values, what each missing function costs, how often they are read."""

from __future__ import annotations

from dataclasses import astuple, is_dataclass
from typing import TYPE_CHECKING, Any

import pytest

from agent.readings import GpuReading, MemoryErrors, RemapBanks, SramSources
from agent.simulation import DRIVER_GENERATIONS, MODELS, FieldId, NvmlReturn
from agent.simulation.error_counters import ErrorCounters
from agent.sources.gpu.paces import ERRORS_PACE, FIXED_PACE
from tests.sources.gpu.detail_feeds import DETAIL_FEEDS, DETAILS
from tests.sources.one_gpu import OneGpu, one_gpu
from tests.support.readings import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_ERRORS = ErrorCounters(
    corrected_volatile=1,
    uncorrected_volatile=2,
    corrected_aggregate=3,
    uncorrected_aggregate=4,
    sram_corrected_volatile=21,
    sram_corrected_aggregate=22,
    sram_uncorrected_volatile=23 + 25,
    sram_uncorrected_aggregate=24 + 26,
    sram_parity_volatile=23,
    sram_parity_aggregate=24,
    sram_secded_volatile=25,
    sram_secded_aggregate=26,
    sram_sources=(31, 32, 33, 34, 35),
    dram_corrected_volatile=41,
    dram_corrected_aggregate=42,
    dram_uncorrected_volatile=43,
    dram_uncorrected_aggregate=44,
    remapped_rows_corrected=5,
    remapped_rows_uncorrected=6,
    remapping_pending=True,
    remapping_failed=True,
    remap_banks=(630, 4, 3, 2, 1),
    pcie_replays=7,
    recovery_action=1,
    sram_threshold_exceeded=1,
    unrepairable_memory=1,
    channel_repair_pending=1,
    tpc_repair_pending=1,
)


@pytest.fixture
def one() -> Iterator[OneGpu]:
    with one_gpu() as one:
        one.gpu.error_counters = ALL_ERRORS
        one.gpu.fix(
            power_usage=350_250,
            power_limit=600_000,
            graphics_clock=1755,
            video_clock=1300,
            encoder_utilization=11,
            decoder_utilization=12,
            memory_temperature=71,
            performance_state=2,
            temperature_margin=-1,
            slowed_by_power_cap=4_251_825_415_123,
            slowed_by_sync_boost=1_000_000_000,
            slowed_by_software_thermal=2_500_000_000,
            slowed_by_hardware_thermal=3_000_000_001,
            slowed_by_power_brake=4_000_000_000,
            slowed_by_thermal=5_000_000_000,
            encoder_stats=(3, 60, 4100),
            capture_stats=(2, 30, 5200),
            memory_power_average=61_500,
            memory_power_instant=62_500,
            module_power_average=488_000,
            module_power_instant=489_000,
            module_power_limit=2_900_000,
            pcie_card_generation=6,
            addressing_mode=2,
            ecc_pending=0,
        )
        yield one


def details(reading: GpuReading) -> dict[str, Any]:
    """Every detail by its dotted name."""
    return {name: value for name, value in leaves(reading).items() if name in DETAILS}


def test_every_detail_is_reported_exactly(one: OneGpu) -> None:
    reading = one.read()

    reported = details(reading)
    apart = {name for name in reported if name.startswith(("memory_errors.", "gpm.", "fabric.", "inforom."))}
    assert {name: reported[name] for name in reported.keys() - apart} == {
        "identity.serial": "1320621000000",
        "identity.part_number": "900-2G520-0000-000",
        "identity.vbios_version": "09.00.74.00.01",
        "identity.compute_capability": (9, 0),
        "identity.architecture": 9,
        "identity.gsp_firmware_version": "580.95.05",
        "identity.gsp_firmware_enabled": True,
        "modes.virtualization_mode": 0,
        "modes.addressing_mode": 2,
        "power.min_limit_watts": 200.0,
        "power.max_limit_watts": 700.0,
        "power.memory_average_watts": 61.5,
        "power.memory_instant_watts": 62.5,
        "power.module_average_watts": 488.0,
        "power.module_instant_watts": 489.0,
        "power.module_limit_watts": 2900.0,
        "pcie.card_generation": 6,
        "engines.encoder_sessions": 3,
        "engines.encoder_fps": 60,
        "engines.encoder_latency_microseconds": 4100,
        "engines.capture_sessions": 2,
        "engines.capture_fps": 30,
        "engines.capture_latency_microseconds": 5200,
        "power.default_limit_watts": 700.0,
        "clocks.max_sm_mhz": 1980,
        "clocks.supported_event_reasons": 0x1FF,
        "clocks.max_video_mhz": 1545,
        "fans.count": 0,
        "thermal.shutdown_celsius": 95,
        "thermal.slowdown_celsius": 92,
        "thermal.max_operating_celsius": 87,
        "thermal.memory_max_celsius": 95,
        "thermal.margin_celsius": -1,
        "thermal.shutdown_margin_celsius": -8,
        "thermal.slowdown_margin_celsius": -5,
        "thermal.max_operating_margin_celsius": 0,
        "thermal.memory_max_margin_celsius": 0,
        "throttling.power_cap_seconds": 4251.825415123,
        "throttling.sync_boost_seconds": 1.0,
        "throttling.software_thermal_seconds": 2.5,
        "throttling.hardware_thermal_seconds": 3.000000001,
        "throttling.power_brake_seconds": 4.0,
        "throttling.thermal_seconds": 5.0,
        "modes.performance_state": 2,
        "modes.persistence_mode": True,
        "recovery.action": 1,
        "recovery.channel_repair_pending": True,
        "recovery.tpc_repair_pending": True,
        "thermal.memory_celsius": 71,
        "power.average_watts": 350.25,
        "power.instant_watts": 350.25,
        "power.enforced_limit_watts": 600.0,
        "power.energy_joules": one.gpu.energy_mj.read() / 1000,
        "clocks.sm_mhz": 1755,
        "clocks.video_mhz": 1300,
        "engines.encoder_percent": 11,
        "engines.decoder_percent": 12,
        "engines.jpeg_percent": 0,
        "engines.ofa_percent": 0,
        "memory.bar1_total_bytes": 128 * 2**30,
        "memory.bar1_used_bytes": 2 * 2**20,
        "pcie.replays": 7,
        "pcie.widest_under_load": one.gpu.values.pcie_width,  # it works
        "fans.gpu_celsius": one.gpu.values.temperature,
    }
    assert reading.fans.each == ()
    assert reading.memory_errors == MemoryErrors(
        ecc_enabled=True,
        ecc_pending=False,
        corrected_volatile=1,
        uncorrected_volatile=2,
        corrected_aggregate=3,
        uncorrected_aggregate=4,
        sram_corrected_volatile=21,
        sram_corrected_aggregate=22,
        sram_uncorrected_volatile=23 + 25,
        sram_uncorrected_aggregate=24 + 26,
        sram_parity_volatile=23,
        sram_parity_aggregate=24,
        sram_secded_volatile=25,
        sram_secded_aggregate=26,
        sram_sources=SramSources(l2=31, sm=32, microcontroller=33, pcie=34, other=35),
        dram_corrected_volatile=41,
        dram_corrected_aggregate=42,
        dram_uncorrected_volatile=43,
        dram_uncorrected_aggregate=44,
        remapped_rows_corrected=5,
        remapped_rows_uncorrected=6,
        remapping_pending=True,
        remapping_failed=True,
        remap_banks=RemapBanks(630, 4, 3, 2, 1),
        sram_threshold_exceeded=True,
        unrepairable_memory=True,
    )


@pytest.mark.parametrize("code", [NvmlReturn.NOT_SUPPORTED, NvmlReturn.NO_PERMISSION, NvmlReturn.UNKNOWN])
@pytest.mark.parametrize("symbol", DETAIL_FEEDS)
def test_a_refused_function_hides_only_its_own_details(one: OneGpu, symbol: str, code: NvmlReturn) -> None:
    reported = details(one.read())
    one.source.release(may_be_another=True)
    one.simulation.fail(symbol, code)

    assert details(one.read()) == reported | dict.fromkeys(DETAIL_FEEDS[symbol])


@pytest.mark.parametrize("symbol", DETAIL_FEEDS)
def test_a_missing_function_hides_only_its_own_details(one: OneGpu, symbol: str) -> None:
    reported = details(one.read())
    one.source.release(may_be_another=True)
    one.simulation.remove_function(symbol)

    assert details(one.read()) == reported | dict.fromkeys(DETAIL_FEEDS[symbol])


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (FieldId.MEMORY_TEMP, ("thermal.memory_celsius",)),
        (FieldId.POWER_AVERAGE, tuple(f"power.{of}average_watts" for of in ("", "memory_", "module_"))),
        (FieldId.POWER_INSTANT, tuple(f"power.{of}instant_watts" for of in ("", "memory_", "module_"))),
        (FieldId.POWER_CURRENT_LIMIT, ("power.module_limit_watts",)),
        (FieldId.GPU_RECOVERY_ACTION, ("recovery.action",)),
        (FieldId.SHUTDOWN_TLIMIT, ("thermal.shutdown_margin_celsius",)),
        (FieldId.SLOWDOWN_TLIMIT, ("thermal.slowdown_margin_celsius",)),
        (FieldId.MEMORY_MAX_TLIMIT, ("thermal.memory_max_margin_celsius",)),
        (FieldId.MAX_OPERATING_TLIMIT, ("thermal.max_operating_margin_celsius",)),
        (FieldId.SLOWED_BY_SOFTWARE_HEAT, ("throttling.software_thermal_seconds",)),
        (FieldId.SLOWED_BY_HARDWARE_HEAT, ("throttling.hardware_thermal_seconds",)),
        (FieldId.SLOWED_BY_POWER_BRAKE, ("throttling.power_brake_seconds",)),
    ],
)
def test_a_missing_field_value_hides_only_its_own_details(
    one: OneGpu, field: FieldId, names: tuple[str, ...]
) -> None:
    reported = details(one.read())
    one.source.release(may_be_another=True)
    one.gpu.unsupport(field)

    assert details(one.read()) == reported | dict.fromkeys(names)


@pytest.mark.parametrize("symbol", DETAIL_FEEDS)
def test_details_come_back_after_a_transient_fault(one: OneGpu, symbol: str) -> None:
    one.simulation.fail(symbol, NvmlReturn.UNKNOWN)
    one.read()
    one.simulation.heal()

    reported = details(one.read(after=max(FIXED_PACE, ERRORS_PACE)))

    assert None not in [reported[name] for name in DETAIL_FEEDS[symbol] if "retire" not in name]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("generation", DRIVER_GENERATIONS)
def test_every_model_on_every_driver_reports_finite_values(model: str, generation: str) -> None:
    with one_gpu(model) as one:
        one.simulation.set_driver_generation(generation)
        one.read()
        reported = details(one.read(after=6))

    assert reported
    for value in reported.values():
        for number in astuple(value) if is_dataclass(value) and not isinstance(value, type) else [value]:
            assert number != -1
            assert not isinstance(number, float) or number >= 0


CALLS_IN_A_MINUTE = {
    # once in 5 minutes
    **dict.fromkeys(
        [
            "nvmlDeviceGetSerial",
            "nvmlDeviceGetBoardPartNumber",
            "nvmlDeviceGetVbiosVersion",
            "nvmlDeviceGetCudaComputeCapability",
            "nvmlDeviceGetPowerManagementDefaultLimit",
            "nvmlDeviceGetNumFans",
            "nvmlDeviceGetArchitecture",
            "nvmlDeviceGetGspFirmwareVersion",
            "nvmlDeviceGetGspFirmwareMode",
            "nvmlDeviceGetVirtualizationMode",
            "nvmlDeviceGetAddressingMode",
            "nvmlDeviceGetPowerManagementLimitConstraints",
            "nvmlDeviceGetGpuMaxPcieLinkGeneration",
        ],
        1,
    ),
    "nvmlDeviceGetTemperatureThreshold": 4,
    # every 30 s
    "nvmlDeviceGetPersistenceMode": 2,
    "nvmlDeviceGetPcieReplayCounter": 2,
    **dict.fromkeys(
        ["nvmlDeviceGetEccMode", "nvmlDeviceGetRemappedRows", "nvmlDeviceGetRowRemapperHistogram"], 2
    ),
    "nvmlDeviceGetRetiredPagesPendingStatus": 2,
    "nvmlDeviceGetRetiredPages": 2 * 2,
    "nvmlDeviceGetTotalEccErrors": 4 * 2,
    "nvmlDeviceGetSramEccErrorStatus": 2,
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": 2,
    "nvmlDeviceGetRepairStatus": 2,
    "nvmlDeviceGetMemoryErrorCounter": 4 * 2,
    # every 5 s
    **dict.fromkeys(
        [
            "nvmlDeviceGetPerformanceState",
            "nvmlDeviceGetEnforcedPowerLimit",
            "nvmlDeviceGetEncoderUtilization",
            "nvmlDeviceGetDecoderUtilization",
        ],
        12,
    ),
    # every 10 s
    **dict.fromkeys(
        [
            "nvmlDeviceGetTotalEnergyConsumption",
            "nvmlDeviceGetJpgUtilization",
            "nvmlDeviceGetOfaUtilization",
            "nvmlDeviceGetEncoderStats",
            "nvmlDeviceGetFBCStats",
            "nvmlDeviceGetBAR1MemoryInfo",
            "nvmlDeviceGetMarginTemperature",
        ],
        6,
    ),
}


def test_one_minute_of_details_takes_the_expected_nvml_calls(one: OneGpu) -> None:
    for _ in range(60):
        one.read(after=1)

    calls = {symbol: calls for symbol, calls in one.simulation.calls.items() if symbol in DETAIL_FEEDS}
    assert calls == CALLS_IN_A_MINUTE, "CALLS_IN_A_MINUTE of tests/sources/gpu/test_detail.py"
