"""The memory of one GPU, and the window through which the CPU sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """Total memory, and memory in use."""

    total_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2; None with unified memory
    used_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2, without what the driver reserves
    free_bytes: int | None = None  # nvmlDeviceGetMemoryInfo_v2
    # nvmlDeviceGetMemoryInfo_v2, by the driver; None: it is not reported, and part of what is used
    reserved_bytes: int | None = None
    bar1_total_bytes: int | None = None  # nvmlDeviceGetBAR1MemoryInfo: the window that the CPU sees
    bar1_used_bytes: int | None = None  # nvmlDeviceGetBAR1MemoryInfo
