"""Whether one GPU is active, and by which comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.activity import Activity

if TYPE_CHECKING:
    from agent.derive.activity import ActivityJudgement


class DebugInfo(BaseModel):
    """The comparisons behind `status`, with the thresholds in force."""

    gpu_util_threshold: str | None = Field(description="GPU utilization compared with its threshold")
    power_threshold: str | None = Field(description="power draw compared with its threshold")
    memory_util_threshold: str | None = Field(
        description="share of memory in use compared with its threshold"
    )
    clock_threshold: str | None = Field(description="graphics clock compared with its threshold")
    temp_threshold: str | None = Field(description="temperature compared with its threshold")
    is_active: bool | None = Field(description="whether any comparison makes the GPU active")


def debug_info_view(judgement: ActivityJudgement) -> DebugInfo:
    """The wire shape of the comparisons."""
    return DebugInfo(
        gpu_util_threshold=judgement.gpu_utilization.words,
        power_threshold=judgement.power.words,
        memory_util_threshold=judgement.memory_utilization.words,
        clock_threshold=judgement.clock.words,
        temp_threshold=judgement.temperature.words,
        is_active=None
        if judgement.activity is Activity.UNAVAILABLE
        else judgement.activity is Activity.ACTIVE,
    )
