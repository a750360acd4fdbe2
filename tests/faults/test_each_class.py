"""A function that fails: the absent metrics, the findings, and the answer of /free.

Each function of the sources in each class of error. The fields and their reasons are in
tests/sources/gpu/test_unknown.py; the functions are the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.derive.candidates import candidates
from agent.derive.free import Wish, why_not
from agent.derive.health import examine
from agent.derive.holdings import holdings
from agent.readings import DriverReading, GpuSample, GpuState, Reason, Snapshot
from agent.simulation import SimulatedProcess
from agent.sources.gpu import GpuSource
from agent.sources.gpu.possible import only_possible
from agent.sources.gpu.ranges import RANGES
from agent.views.prometheus.gpus import gpu_families
from agent.views.prometheus.processes import process_families
from tests.exact.reading import OF_PACKETS
from tests.sources.gpu.numbers import value_at, with_value
from tests.sources.gpu.test_unknown import (
    ALL_READ_AGAIN,
    CODES,
    EACH_IN_EACH,
    FIELDS,
    GRAPHICS_LIST,
    MPS_LIST,
)
from tests.sources.one_gpu import OneGpu, one_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.readings import GpuReading

HEALTHY_VALUES = {
    "memory_used": 2**28,
    "memory_reserved": 2**27,
    "gpu_utilization": 5,
    "clocks_event_reasons": 0,
    "slowed_by_sync_boost": 10**9,
    "temperature": 50,  # different from the impossible numbers, like the next
    "memory_temperature": 56,
}

# The metrics without a sample, without "nvidia_gpu_", by function; other functions remove none.
GONE: Mapping[str, str] = {
    "nvmlDeviceGetPciInfo_v3": "pcie_max_width pcie_port_generation",  # the port is not known
    "nvmlDeviceGetMaxClockInfo": "clock_max_hertz",
    "nvmlDeviceGetMaxPcieLinkGeneration": "pcie_max_generation",
    "nvmlDeviceGetMaxPcieLinkWidth": "pcie_max_width",
    "nvmlDeviceGetMemoryInfo_v2": (
        "memory_free_bytes memory_reserved_bytes memory_total_bytes memory_used_bytes"
    ),
    "nvmlDeviceGetUtilizationRates": "memory_controller_utilization_ratio utilization_ratio",
    "nvmlDeviceGetTemperatureV": "temperature_celsius",
    "nvmlDeviceGetClockInfo": "clock_hertz",
    "nvmlDeviceGetCurrPcieLinkGeneration": "pcie_link_generation",
    "nvmlDeviceGetCurrPcieLinkWidth": "pcie_link_width",
    "nvmlDeviceGetFieldValues": (
        "memory_power_watts memory_temperature_celsius nvlink_speed_bytes_per_second recovery_action"
        " temperature_margin_threshold_celsius"
    ),
    "nvmlDeviceGetMarginTemperature": "temperature_margin_celsius",
    "nvmlDeviceGetSramEccErrorStatus": "sram_threshold_exceeded",
    "nvmlDeviceGetUnrepairableMemoryFlag_v1": "unrepairable_memory",
    "nvmlDeviceGetRepairStatus": "channel_repair_pending tpc_repair_pending",
    "nvmlDeviceGetComputeMode": "compute_mode",
    "nvmlDeviceGetComputeRunningProcesses_v3": "processes",
    GRAPHICS_LIST: "process_memory_used_bytes process_sm_utilization_ratio",
    "nvmlDeviceGetMigMode": "mig_enabled mig_pending",
    "nvmlDeviceGetPowerManagementLimitConstraints": "power_max_limit_watts power_min_limit_watts",
    "nvmlDeviceGetGpuMaxPcieLinkGeneration": "pcie_card_generation",
    "nvmlDeviceGetEncoderStats": "encoder_frames_per_second encoder_sessions",
    "nvmlDeviceGetFBCStats": "capture_frames_per_second capture_sessions",
    "nvmlDeviceGetEccMode": "ecc_enabled ecc_pending",
    "nvmlDeviceGetPowerManagementDefaultLimit": "power_default_limit_watts",
    "nvmlDeviceGetNumFans": "fans",
    "nvmlDeviceGetTemperatureThreshold": "temperature_threshold_celsius",
    "nvmlDeviceGetPerformanceState": "performance_state",
    "nvmlDeviceGetPersistenceMode": "persistence_mode",
    "nvmlDeviceGetEnforcedPowerLimit": "power_enforced_limit_watts",
    "nvmlDeviceGetTotalEnergyConsumption": "energy_joules_total",
    "nvmlDeviceGetEncoderUtilization": "encoder_utilization_ratio",
    "nvmlDeviceGetDecoderUtilization": "decoder_utilization_ratio",
    "nvmlDeviceGetJpgUtilization": "jpeg_utilization_ratio",
    "nvmlDeviceGetOfaUtilization": "ofa_utilization_ratio",
    "nvmlDeviceGetBAR1MemoryInfo": "bar1_total_bytes bar1_used_bytes",
    "nvmlDeviceGetPcieReplayCounter": "pcie_replays_total",
    "nvmlDeviceGetTotalEccErrors": "ecc_errors_total",
    "nvmlDeviceGetRemappedRows": "remapped_rows remapping_failed remapping_pending",
}
# The same, for one class of error only.
GONE_IN: Mapping[tuple[str, Reason], str] = {
    ("nvmlDeviceGetPowerUsage", Reason.NO_PERMISSION): "power_watts",  # otherwise another function reports it
    ("nvmlDeviceGetPowerManagementLimit", Reason.NO_PERMISSION): "power_limit_watts",
    # Nothing stands in for a forbidden value, nor for links that the driver fails to report.
    ("nvmlDeviceGetFieldValues", Reason.NO_PERMISSION): (
        "memory_power_watts memory_temperature_celsius nvlink_speed_bytes_per_second recovery_action"
        " nvlink_errors_total nvlink_up temperature_margin_threshold_celsius throttled_seconds_total"
    ),
    ("nvmlDeviceGetFieldValues", Reason.FAILED): (
        "memory_power_watts memory_temperature_celsius nvlink_speed_bytes_per_second recovery_action"
        " nvlink_errors_total nvlink_up temperature_margin_threshold_celsius"
    ),
    **dict.fromkeys(
        ((GRAPHICS_LIST, Reason.FAILED), (GRAPHICS_LIST, Reason.NO_PERMISSION)),
        "process_memory_used_bytes process_sm_utilization_ratio processes",
    ),
    **dict.fromkeys(((MPS_LIST, Reason.FAILED), (MPS_LIST, Reason.NO_PERMISSION)), "processes"),
}
# Another function reports the same, or this GPU never reported it: then a failure is no finding.
NOT_JUDGED = {
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetPowerManagementLimit",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetSupportedClocksEventReasons",
    "nvmlDeviceGetFanSpeed",
    "nvmlDeviceGetFanSpeedRPM",
    "nvmlDeviceGetProcessUtilization",
    "nvmlDeviceGetRetiredPages",
    "nvmlDeviceGetRetiredPagesPendingStatus",
    "nvmlDeviceGetNvLinkRemoteDeviceType",
}
# Why /free does not offer the GPU, by function and class of error; None: each class.
NOT_OFFERED: Mapping[tuple[str, Reason | None], str] = {
    ("nvmlDeviceGetUUID", None): "its UUID is unknown",
    ("nvmlDeviceGetComputeRunningProcesses_v3", None): "its processes are unknown",
    (GRAPHICS_LIST, Reason.FAILED): "its processes are unknown",
    (GRAPHICS_LIST, Reason.NO_PERMISSION): "its processes are unknown",
    (MPS_LIST, Reason.FAILED): "its processes are unknown",
    (MPS_LIST, Reason.NO_PERMISSION): "its processes are unknown",
    ("nvmlDeviceGetMemoryInfo_v2", Reason.FAILED): "its memory in use is unknown: Unknown Error",
    (
        "nvmlDeviceGetMemoryInfo_v2",
        Reason.NO_PERMISSION,
    ): "its memory in use is unknown: Insufficient Permissions",
    ("nvmlDeviceGetUtilizationRates", Reason.FAILED): "its utilization is unknown: Unknown Error",
    (
        "nvmlDeviceGetUtilizationRates",
        Reason.NO_PERMISSION,
    ): "its utilization is unknown: Insufficient Permissions",
    ("nvmlDeviceGetMigMode", Reason.FAILED): "its MIG mode is unknown: Unknown Error",
    ("nvmlDeviceGetMigMode", Reason.NO_PERMISSION): "its MIG mode is unknown: Insufficient Permissions",
    ("nvmlDeviceGetComputeMode", Reason.FAILED): "its compute mode is unknown: Unknown Error",
    (
        "nvmlDeviceGetComputeMode",
        Reason.NO_PERMISSION,
    ): "its compute mode is unknown: Insufficient Permissions",
}


@pytest.fixture(scope="module")
def one() -> Iterator[OneGpu]:
    """A healthy, free GPU with one graphics process."""
    with one_gpu() as one:
        one.gpu.fix(**HEALTHY_VALUES)
        one.gpu.processes = [SimulatedProcess(4_194_303, "G", 2**27, sm_utilization=5)]
        yield one


def start_again(one: OneGpu) -> None:
    """Start again with a new source that has read the GPU once."""
    one.gpu.heal()
    one.source.release()
    one.source = GpuSource(0, clock=one.clock, now=one.clock.wall, since_boot=one.clock)
    one.read()


def snapshot_of(reading: GpuReading) -> Snapshot:
    sample = GpuSample(0, GpuState.OK, reading, sampled_at=1.0, age_ms=1)
    return Snapshot(1.0, 1.0, driver=DriverReading(1), gpus=(sample,))


def metrics(reading: GpuReading) -> dict[str, list[float]]:
    """The values of the metrics by name."""
    snapshot = snapshot_of(reading)
    found: dict[str, list[float]] = {}
    for family in (
        *gpu_families(snapshot, DriverReading(1), nvlinks=True),
        *process_families(snapshot, holdings(snapshot, snapshot.gpus, 60), each=True),
    ):
        name = family.series_name.removeprefix("nvidia_gpu_")
        for _, value in family.samples:
            found.setdefault(name, []).append(value)
    return found


def become_zero(before: GpuReading, after: GpuReading) -> list[str]:
    """The metrics that are 0 now and were not before."""
    earlier = metrics(before)
    return [name for name, values in metrics(after).items() if any(earlier.get(name, ())) and not any(values)]


def findings(reading: GpuReading) -> list[str]:
    return [f"{finding.verdict.name} {finding.name}" for finding in examine(snapshot_of(reading))[0].findings]


def not_offered(reading: GpuReading) -> str | None:
    return why_not(candidates(snapshot_of(reading))[0], Wish())


@pytest.mark.parametrize(("symbol", "code"), EACH_IN_EACH)
def test_a_failed_function_has_the_expected_effect_on_metrics_findings_and_offers(
    one: OneGpu, symbol: str, code: int
) -> None:
    reason = CODES[code]
    start_again(one)
    before = one.read(after=ALL_READ_AGAIN)
    assert (findings(before), not_offered(before)) == ([], None)
    one.source.release()
    one.gpu.fail(symbol, code)
    one.read(after=ALL_READ_AGAIN)

    after = one.read(after=ALL_READ_AGAIN)

    gone = GONE_IN.get((symbol, reason), GONE.get(symbol, ""))
    assert metrics(before).keys() - metrics(after).keys() == set(gone.split())
    # A GPU without the list of graphics processes has none.
    has_none = symbol == GRAPHICS_LIST and reason in {Reason.NOT_SUPPORTED, Reason.MISSING}
    assert become_zero(before, after) == (["processes"] if has_none else [])
    is_judged = reason is Reason.FAILED and symbol not in NOT_JUDGED
    assert findings(after) == (["WARNING driver_errors"] if is_judged else [])
    expected = NOT_OFFERED.get((symbol, reason), NOT_OFFERED.get((symbol, None)))
    assert not_offered(after) == expected


def test_the_tables_name_only_functions_that_are_called() -> None:
    named = {*GONE, *NOT_JUDGED, *(symbol for symbol, _ in (*GONE_IN, *NOT_OFFERED))}

    assert named <= FIELDS.keys()


# Why /free does not offer the GPU, by the field with an impossible number; other fields have no such effect.
IMPOSSIBLE_NOT_OFFERED = {
    "memory.used_bytes": "its memory in use is unknown: the driver reports",
    "memory.total_bytes": "its memory in use is unknown: the driver reports",
    "utilization.gpu_percent": "its utilization is unknown: the driver reports",
    "processes.pid": "its processes are unknown",
    "modes.compute_mode": "its compute mode is unknown: the driver reports",
    "fabric.state": "its state in the NVLink fabric is unknown: the driver reports",
}


# Numbers that this GPU does not have: of fans, MIG, retired pages, NVLink 5 and a module with a CPU; and
# numbers that need a second sample.
NOT_HERE = {
    path
    for path in RANGES
    if path.startswith(
        (
            *("gpm.", "fans.speed", "fans.each.", "memory_errors.retired_pages", "mig.instances."),
            *("power.module_", "power.memory_instant"),
        )
    )
    or path.endswith(("tx_kib_per_second", "rx_kib_per_second"))
    or path in {f"nvlink.links.{name}" for name in OF_PACKETS}
}


def has_number(reading: GpuReading, path: str) -> bool:
    try:
        return value_at(reading, path) is not None
    except (IndexError, AttributeError):  # its list is empty, or None
        return False


def test_this_gpu_has_every_number_that_is_not_excepted(one: OneGpu) -> None:
    start_again(one)
    reading = one.read(after=ALL_READ_AGAIN)

    plain = {path for path, one in RANGES.items() if one.is_plain}

    assert {path for path in plain if not has_number(reading, path)} == plain & NOT_HERE


@pytest.mark.parametrize(
    "path", [path for path, one in RANGES.items() if one.is_plain and path not in NOT_HERE]
)
def test_an_impossible_number_is_in_no_metric_and_no_finding(one: OneGpu, path: str) -> None:
    start_again(one)
    before = one.read(after=ALL_READ_AGAIN)
    wild = RANGES[path].most * 4 + 1

    after = only_possible(replace(with_value(before, path, wild), sampled_since_boot=one.clock.now), before)

    assert findings(after) == []
    assert not [name for name, values in metrics(after).items() if wild in values]
    assert become_zero(before, after) == []
    assert (not_offered(after) or "").startswith(IMPOSSIBLE_NOT_OFFERED.get(path, ""))
    assert (path in IMPOSSIBLE_NOT_OFFERED) == (not_offered(after) is not None)
