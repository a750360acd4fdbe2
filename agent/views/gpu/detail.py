"""`detail` of `/gpu?detail=1`: everything else that the driver reports of one GPU. Unknown is null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.views.gpu.clocks import GpuClockDetail, clock_detail_view
from agent.views.gpu.engines import GpuEngines, engines_view
from agent.views.gpu.fabric import GpuFabric, fabric_view
from agent.views.gpu.fans import GpuFanDetail, fans_view
from agent.views.gpu.gpm import GpuPerformance, performance_view
from agent.views.gpu.identity import GpuBoard, board_view
from agent.views.gpu.memory import GpuBar1, GpuMemoryDetail, bar1_view, memory_detail_view
from agent.views.gpu.memory_errors import (
    GpuEcc,
    GpuRemappedRows,
    GpuRetiredPages,
    ecc_view,
    remapped_rows_view,
    retired_pages_view,
)
from agent.views.gpu.mig import GpuMigInstance, mig_instances_view
from agent.views.gpu.modes import GpuModes, modes_view
from agent.views.gpu.nvlink import GpuNvLink, nvlinks_view
from agent.views.gpu.pcie import GpuPcieDetail, pcie_detail_view
from agent.views.gpu.power import GpuPowerDetail, power_detail_view
from agent.views.gpu.recovery import GpuRepairs, repairs_view
from agent.views.gpu.thermal import GpuTemperatures, temperatures_view
from agent.views.gpu.throttling import GpuThrottledSeconds, throttled_seconds_view
from agent.views.gpu.unknown import DESCRIPTION, FAILED_DESCRIPTION
from agent.views.gpu.xid import GpuXid, xids_view
from agent.views.health import HealthFinding, findings_view

if TYPE_CHECKING:
    from agent.derive.health import Health
    from agent.readings import GpuSample


class GpuDetail(BaseModel):
    """What `/gpu?detail=1` adds."""

    board: GpuBoard
    modes: GpuModes
    temperatures: GpuTemperatures
    power: GpuPowerDetail
    clocks: GpuClockDetail
    throttled_seconds: GpuThrottledSeconds
    engines: GpuEngines
    performance: GpuPerformance
    memory: GpuMemoryDetail
    bar1: GpuBar1
    fan_count: int | None = Field(description="number of fans")
    fans: list[GpuFanDetail] | None = Field(
        description="every fan of the GPU; empty: it has none; null: the GPU cannot be read"
    )
    pcie: GpuPcieDetail
    pcie_replays: int | None = Field(description="PCIe packets sent again, since the GPU was reset")
    nvlinks: list[GpuNvLink] | None = Field(
        description="each NVLink of the GPU; null: it has none, or the driver does not report them"
    )
    fabric: GpuFabric
    ecc: GpuEcc
    retired_pages: GpuRetiredPages
    remapped_rows: GpuRemappedRows
    repairs: GpuRepairs
    inforom_valid: bool | None = Field(
        description="whether the checksum of the InfoROM is right; read every hour"
    )
    xids: list[GpuXid] | None = Field(
        description="XID errors, the latest first; null: unknown, because the agent does not hear them"
    )
    mig_instances: list[GpuMigInstance] | None = Field(
        description="MIG instances; empty: MIG is off, or there is none yet; null: the GPU cannot be read"
    )
    findings: list[HealthFinding] = Field(description="all reasons of the verdict, the worst first")
    unknown: dict[str, list[str]] = Field(description=DESCRIPTION)
    failed: dict[str, str] = Field(description=FAILED_DESCRIPTION)


def detail_view(gpu: GpuSample, health: Health) -> GpuDetail:
    """The part of a GPU's object that only detail=1 shows."""
    reading = gpu.values
    return GpuDetail(
        board=board_view(reading.identity),
        modes=modes_view(gpu),
        temperatures=temperatures_view(reading.thermal),
        power=power_detail_view(reading.power),
        clocks=clock_detail_view(reading.clocks),
        throttled_seconds=throttled_seconds_view(reading.throttling),
        engines=engines_view(reading.engines),
        performance=performance_view(reading.gpm),
        memory=memory_detail_view(reading.memory),
        bar1=bar1_view(reading.memory),
        fan_count=reading.fans.count,
        fans=fans_view(gpu),
        pcie=pcie_detail_view(reading.pcie),
        pcie_replays=reading.pcie.replays,
        nvlinks=nvlinks_view(reading.nvlink),
        fabric=fabric_view(reading.fabric),
        ecc=ecc_view(reading.memory_errors),
        retired_pages=retired_pages_view(reading.memory_errors),
        remapped_rows=remapped_rows_view(reading.memory_errors),
        repairs=repairs_view(reading.recovery),
        inforom_valid=reading.inforom.is_valid,
        xids=xids_view(gpu),
        mig_instances=mig_instances_view(gpu),
        findings=findings_view(health),
        unknown={},  # last, when all nulls are known
        failed={},
    )
