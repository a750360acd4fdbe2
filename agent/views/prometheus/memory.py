"""The memory of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    ("memory_total_bytes", "GPU memory.", lambda r: r.memory.total_bytes),
    ("memory_used_bytes", "GPU memory in use.", lambda r: r.memory.used_bytes),
    ("memory_free_bytes", "GPU memory that can be taken.", lambda r: r.memory.free_bytes),
    (
        "bar1_total_bytes",
        "Window through which the host sees GPU memory.",
        lambda r: r.memory.bar1_total_bytes,
    ),
    ("bar1_used_bytes", "Of that window, in use.", lambda r: r.memory.bar1_used_bytes),
)
