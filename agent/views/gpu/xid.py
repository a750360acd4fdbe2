"""The XID errors of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.xid import Remedy, look_up
from agent.views.units import iso_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import XidCount


class GpuXid(BaseModel):
    """One kind of XID error. NVML: nvmlEventSetWait_v2."""

    code: int = Field(description="code of the XID error")
    meaning: str = Field(description="meaning of the XID by NVIDIA's catalogue")
    remedy: Remedy = Field(description="what helps, by NVIDIA's catalogue")
    times: int = Field(description="number of times since the agent started")
    last_at: str = Field(description="when it was last reported, ISO 8601 UTC")


def xids_view(xids: Mapping[int, XidCount] | None) -> list[GpuXid] | None:
    """The wire shape of each code."""
    if xids is None:
        return None
    latest_first = sorted(xids.items(), key=lambda entry: -entry[1].last_at)
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
