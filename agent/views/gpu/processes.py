"""The processes on one GPU that hold the most memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from agent.derive.rounding import percent, tenths
from agent.views.top_process import TopProcess
from agent.views.units import mib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import GpuReading, HostProcess

TOP_PROCESSES = 5


class GpuTopProcess(TopProcess):
    """A process among those that hold the most memory of a GPU."""

    cpu_percent: float | None = Field(description="percent of one CPU core")


def top_processes_view(
    reading: GpuReading, described: Mapping[int, HostProcess]
) -> list[GpuTopProcess] | None:
    """The wire shape of the largest; `described` are the host's processes by pid."""
    if not reading.processes:
        return [] if reading.knows_all_processes else None
    largest = sorted(reading.processes, key=lambda process: process.gpu_memory_bytes or 0, reverse=True)
    return [
        GpuTopProcess(
            pid=process.pid,
            name=host.name if host else None,
            username=host.username if host else None,
            memory_mb=tenths(mib(process.gpu_memory_bytes)),
            memory_percent=tenths(percent(process.gpu_memory_bytes, reading.memory.total_bytes)),
            cpu_percent=tenths(host.cpu_percent) if host else None,
        )
        for process in largest[:TOP_PROCESSES]
        for host in [described.get(process.pid)]
    ]
