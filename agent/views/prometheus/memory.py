"""The memory of each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.views.prometheus.families import ReadingValues


GAUGES: ReadingValues = (
    ("memory_total_bytes", "GPU memory, in bytes.", lambda r: r.memory.total_bytes),
    ("memory_used_bytes", "GPU memory in use, in bytes.", lambda r: r.memory.used_bytes),
    ("memory_free_bytes", "GPU memory that is free, in bytes.", lambda r: r.memory.free_bytes),
    (
        "memory_reserved_bytes",
        "GPU memory reserved by the driver, in bytes.",
        lambda r: r.memory.reserved_bytes,
    ),
    (
        "bar1_total_bytes",
        "BAR1 memory, the window through which the host sees GPU memory, in bytes.",
        lambda r: r.memory.bar1_total_bytes,
    ),
    ("bar1_used_bytes", "BAR1 memory in use, in bytes.", lambda r: r.memory.bar1_used_bytes),
)
