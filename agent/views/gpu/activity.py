"""Whether one GPU is active, and by which comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.activity import Activity

if TYPE_CHECKING:
    from agent.derive.activity import ActivityJudgement


class DebugInfo(BaseModel):
    """The comparisons behind `status`, with the thresholds in force."""

    gpu_util_threshold: str | None = Field(description="GPU utilization")
    power_threshold: str | None = Field(description="power")
    memory_util_threshold: str | None = Field(description="memory in use")
    clock_threshold: str | None = Field(description="graphics clock")
    temp_threshold: str | None = Field(description="temperature")
    is_active: bool | None = Field(description="whether any of them makes the GPU active")


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
