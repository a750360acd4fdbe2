"""Fills `detail` of `/gpu?detail=1`. Unknown is null."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.derive import pcie
from agent.derive.rounding import tenths
from agent.derive.xid import look_up
from agent.readings import ComputeMode
from agent.views.gpu_detail_shape import (
    GpuBar1,
    GpuBoard,
    GpuClockDetail,
    GpuDetail,
    GpuEcc,
    GpuEngines,
    GpuFan,
    GpuFinding,
    GpuMigInstance,
    GpuModes,
    GpuNvLink,
    GpuPerformance,
    GpuPowerDetail,
    GpuRemapBanks,
    GpuRemappedRows,
    GpuRetiredPages,
    GpuTemperatures,
    GpuXid,
    MigProcess,
)
from agent.views.units import iso_utc, mib

if TYPE_CHECKING:
    from agent.derive.health import Health
    from agent.readings import GpuReading, GpuSample, MigInstance, NvLink


def detail_view(gpu: GpuSample, health: Health) -> GpuDetail:
    """The wire shape of what one reading tells beyond the plain answer."""
    reading = gpu.values
    board, condition, errors = reading.board, reading.condition, reading.memory_errors
    return GpuDetail(
        board=GpuBoard(
            serial=board.serial,
            part_number=board.part_number,
            vbios_version=board.vbios_version,
            pci_bus_id=gpu.identity.pci_bus_id,
            compute_capability=None
            if board.compute_capability is None
            else "{}.{}".format(*board.compute_capability),
        ),
        modes=_modes(reading, is_known=gpu.reading is not None),
        temperatures=GpuTemperatures(
            memory_celsius=condition.memory_temperature_celsius,
            max_operating_celsius=board.max_operating_celsius,
            slowdown_celsius=board.slowdown_celsius,
            shutdown_celsius=board.shutdown_celsius,
            memory_max_celsius=board.memory_max_celsius,
        ),
        power=GpuPowerDetail(
            instant_watts=tenths(condition.instant_power_watts),
            average_watts=tenths(condition.average_power_watts),
            enforced_limit_watts=tenths(condition.enforced_power_limit_watts),
            default_limit_watts=tenths(board.default_power_limit_watts),
            energy_joules=tenths(condition.energy_joules),
        ),
        clocks=GpuClockDetail(
            sm_mhz=condition.sm_clock_mhz,
            video_mhz=condition.video_clock_mhz,
            max_sm_mhz=board.max_sm_clock_mhz,
            max_video_mhz=board.max_video_clock_mhz,
        ),
        engines=GpuEngines(
            encoder_percent=condition.encoder_percent,
            decoder_percent=condition.decoder_percent,
            jpeg_percent=condition.jpeg_percent,
            ofa_percent=condition.ofa_percent,
        ),
        performance=GpuPerformance(
            sm_percent=tenths(reading.sm_activity_percent),
            sm_occupancy_percent=tenths(reading.sm_occupancy_percent),
            tensor_percent=tenths(reading.tensor_activity_percent),
            dram_percent=tenths(reading.dram_activity_percent),
        ),
        bar1=GpuBar1(
            total_mb=tenths(mib(condition.bar1_total_bytes)), used_mb=tenths(mib(condition.bar1_used_bytes))
        ),
        fan_count=board.fan_count,
        fans=[GpuFan(speed_percent=fan.speed_percent, speed_rpm=fan.speed_rpm) for fan in condition.fans],
        pcie_replays=condition.pcie_replays,
        nvlinks=None if reading.nvlinks is None else [_nvlink(link) for link in reading.nvlinks],
        ecc=GpuEcc(
            corrected_volatile=errors.corrected_volatile,
            uncorrected_volatile=errors.uncorrected_volatile,
            corrected_aggregate=errors.corrected_aggregate,
            uncorrected_aggregate=errors.uncorrected_aggregate,
        ),
        retired_pages=GpuRetiredPages(
            corrected=errors.retired_pages_corrected,
            uncorrected=errors.retired_pages_uncorrected,
            pending=errors.retirement_pending,
        ),
        remapped_rows=GpuRemappedRows(
            corrected=errors.remapped_rows_corrected,
            uncorrected=errors.remapped_rows_uncorrected,
            pending=errors.remapping_pending,
            failed=errors.remapping_failed,
            banks=None if errors.remap_banks is None else GpuRemapBanks(**asdict(errors.remap_banks)),
        ),
        xids=_xids(gpu),
        mig_instances=[_mig_instance(instance) for instance in reading.mig_instances],
        findings=[
            GpuFinding(name=finding.name, verdict=finding.verdict.word, what=finding.what, todo=finding.todo)
            for finding in health.findings
        ],
    )


def _modes(reading: GpuReading, *, is_known: bool) -> GpuModes:
    condition, mode = reading.condition, reading.compute_mode
    state = condition.performance_state
    return GpuModes(
        performance_state=None if state is None else f"P{state}",
        persistence_mode=condition.persistence_mode,
        compute_mode=ComputeMode(mode).name.lower() if mode in set(ComputeMode) else None,
        ecc_enabled=reading.memory_errors.ecc_enabled,
        mig_enabled=reading.mig_enabled if is_known else None,
    )


def _nvlink(link: NvLink) -> GpuNvLink:
    return GpuNvLink(
        link=link.link,
        is_active=link.is_active,
        version=link.version,
        peer=link.peer,
        tx_throughput_mbps=tenths(pcie.mbps(link.tx_kib_per_second)),
        rx_throughput_mbps=tenths(pcie.mbps(link.rx_kib_per_second)),
        replay_errors=link.replay_errors,
        recovery_errors=link.recovery_errors,
        crc_flit_errors=link.crc_flit_errors,
        crc_data_errors=link.crc_data_errors,
    )


def _xids(gpu: GpuSample) -> list[GpuXid] | None:
    if gpu.xids is None:
        return None
    latest_first = sorted(gpu.xids.items(), key=lambda entry: -entry[1].last_at)
    return [
        GpuXid(
            code=code,
            meaning=look_up(code).meaning,
            remedy=look_up(code).remedy,
            times=seen.times,
            last_at=iso_utc(seen.last_at),
        )
        for code, seen in latest_first
    ]


def _mig_instance(instance: MigInstance) -> GpuMigInstance:
    return GpuMigInstance(
        mig_index=instance.mig_index,
        uuid=instance.uuid,
        name=instance.name,
        memory_total_mb=tenths(mib(instance.memory_total_bytes)),
        memory_used_mb=tenths(mib(instance.memory_used_bytes)),
        memory_free_mb=tenths(mib(instance.memory_free_bytes)),
        processes=[
            MigProcess(pid=process.pid, memory_mb=tenths(mib(process.gpu_memory_bytes)))
            for process in instance.processes
        ],
    )
