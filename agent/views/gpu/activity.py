"""Whether one GPU is active, and by which comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.derive.activity import Activity

if TYPE_CHECKING:
    from agent.derive.activity import Verdict


class DebugInfo(BaseModel):
    """The comparisons behind `status`, with the thresholds in force."""

    gpu_util_threshold: str | None = Field(description="GPU utilization")
    power_threshold: str | None = Field(description="power")
    memory_util_threshold: str | None = Field(description="memory in use")
    clock_threshold: str | None = Field(description="graphics clock")
    temp_threshold: str | None = Field(description="temperature")
    is_active: bool | None = Field(description="whether any of them makes the GPU active")


def debug_info_view(verdict: Verdict) -> DebugInfo:
    """The wire shape of the comparisons."""
    return DebugInfo(
        gpu_util_threshold=verdict.gpu_utilization.words,
        power_threshold=verdict.power.words,
        memory_util_threshold=verdict.memory_utilization.words,
        clock_threshold=verdict.clock.words,
        temp_threshold=verdict.temperature.words,
        is_active=None if verdict.activity is Activity.UNAVAILABLE else verdict.activity is Activity.ACTIVE,
    )
