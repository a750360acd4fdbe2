"""Repairs of one GPU that wait for a reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from agent.readings import Recovery


class GpuRepairs(BaseModel):
    """NVML: nvmlDeviceGetRepairStatus."""

    channel_pending: bool | None = Field(
        description="whether a faulty memory channel will be repaired at the next reset"
    )
    tpc_pending: bool | None = Field(description="whether a faulty TPC will be repaired at the next reset")


def repairs_view(recovery: Recovery) -> GpuRepairs:
    """The wire shape of the repairs that wait for a reset."""
    return GpuRepairs(
        channel_pending=recovery.channel_repair_pending, tpc_pending=recovery.tpc_repair_pending
    )
