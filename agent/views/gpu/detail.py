"""Fills `detail` of `/gpu?detail=1`. Unknown is null."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.derive import pcie
from agent.derive.rounding import tenths
from agent.derive.xid import look_up
from agent.readings import ComputeMode
from agent.views.gpu.detail_shape import (
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
    errors = reading.memory_errors
    return GpuDetail(
        board=GpuBoard(
            serial=reading.identity.serial,
            part_number=reading.identity.part_number,
            vbios_version=reading.identity.vbios_version,
            pci_bus_id=gpu.identity.pci_bus_id,
            compute_capability=None
            if reading.identity.compute_capability is None
            else "{}.{}".format(*reading.identity.compute_capability),
        ),
        modes=_modes(reading, is_known=gpu.reading is not None),
        temperatures=GpuTemperatures(
            memory_celsius=reading.thermal.memory_celsius,
            max_operating_celsius=reading.thermal.max_operating_celsius,
            slowdown_celsius=reading.thermal.slowdown_celsius,
            shutdown_celsius=reading.thermal.shutdown_celsius,
            memory_max_celsius=reading.thermal.memory_max_celsius,
        ),
        power=GpuPowerDetail(
            instant_watts=tenths(reading.power.instant_watts),
            average_watts=tenths(reading.power.average_watts),
            enforced_limit_watts=tenths(reading.power.enforced_limit_watts),
            default_limit_watts=tenths(reading.power.default_limit_watts),
            energy_joules=tenths(reading.power.energy_joules),
        ),
        clocks=GpuClockDetail(
            sm_mhz=reading.clocks.sm_mhz,
            video_mhz=reading.clocks.video_mhz,
            max_sm_mhz=reading.clocks.max_sm_mhz,
            max_video_mhz=reading.clocks.max_video_mhz,
        ),
        engines=GpuEngines(
            encoder_percent=reading.engines.encoder_percent,
            decoder_percent=reading.engines.decoder_percent,
            jpeg_percent=reading.engines.jpeg_percent,
            ofa_percent=reading.engines.ofa_percent,
        ),
        performance=GpuPerformance(
            sm_percent=tenths(reading.gpm.sm_activity_percent),
            sm_occupancy_percent=tenths(reading.gpm.sm_occupancy_percent),
            tensor_percent=tenths(reading.gpm.tensor_activity_percent),
            dram_percent=tenths(reading.gpm.dram_activity_percent),
        ),
        bar1=GpuBar1(
            total_mb=tenths(mib(reading.memory.bar1_total_bytes)),
            used_mb=tenths(mib(reading.memory.bar1_used_bytes)),
        ),
        fan_count=reading.fans.count,
        fans=[GpuFan(speed_percent=fan.speed_percent, speed_rpm=fan.speed_rpm) for fan in reading.fans.each],
        pcie_replays=reading.pcie.replays,
        nvlinks=None if reading.nvlink.links is None else [_nvlink(link) for link in reading.nvlink.links],
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
        mig_instances=[_mig_instance(instance) for instance in reading.mig.instances],
        findings=[
            GpuFinding(name=finding.name, verdict=finding.verdict.word, what=finding.what, todo=finding.todo)
            for finding in health.findings
        ],
    )


def _modes(reading: GpuReading, *, is_known: bool) -> GpuModes:
    mode = reading.modes.compute_mode
    state = reading.modes.performance_state
    return GpuModes(
        performance_state=None if state is None else f"P{state}",
        persistence_mode=reading.modes.persistence_mode,
        compute_mode=ComputeMode(mode).name.lower() if mode in set(ComputeMode) else None,
        ecc_enabled=reading.memory_errors.ecc_enabled,
        mig_enabled=reading.mig.enabled if is_known else None,
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
