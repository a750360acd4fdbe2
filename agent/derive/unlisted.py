"""Use of a GPU by processes that are not listed: in a container the list may lack processes of others.

Also the opposite, ghost utilization: a GPU that reports high utilization while nothing uses it. It happens on
Blackwell after a suspend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.derive.rounding import sum_if_all_known

if TYPE_CHECKING:
    from agent.readings import GpuReading

# From this much unexplained memory on, in bytes or in percent, a process holds it: the driver takes less for
# itself. If the driver does not report reserved memory, that memory counts as used.
UNLISTED_BYTES, UNLISTED_PERCENT = 1 << 30, 5
UNLISTED_BYTES_WITH_RESERVED, UNLISTED_PERCENT_WITH_RESERVED = 2 << 30, 10
# Utilization in percent above which a process works.
UNLISTED_UTILIZATION_PERCENT = 10
# The minimum utilization of a ghost, and the memory in use below which there is no CUDA context, which takes
# 100 MiB and more.
GHOST_PERCENT = 90
GHOST_BYTES = 64 << 20


def holds_unlisted_memory(reading: GpuReading) -> bool:
    """Whether memory is in use that the listed processes do not account for; False where that is unknown."""
    memory = reading.memory
    listed = sum_if_all_known(*(process.gpu_memory_bytes for process in reading.processes or ()))
    if memory.used_bytes is None or memory.total_bytes is None or listed is None:
        return False
    unlisted = memory.used_bytes - listed
    if memory.reserved_bytes is None:
        limits = UNLISTED_BYTES_WITH_RESERVED, UNLISTED_PERCENT_WITH_RESERVED
    else:
        limits = UNLISTED_BYTES, UNLISTED_PERCENT
    return unlisted >= limits[0] or unlisted * 100 >= limits[1] * memory.total_bytes


def may_have_unknown_processes(reading: GpuReading | None) -> bool:
    """Whether the list is not known, may lack some, or is empty although something uses the GPU now."""
    return reading is None or not reading.knows_all_processes or _lists_none_of_its_users(reading)


def _lists_none_of_its_users(reading: GpuReading) -> bool:
    """Whether it works or has memory in use, and no process is listed.

    A list with a process is taken as whole: managed memory of that process is not counted as its memory.
    """
    works = works_unlisted(reading, reading.utilization.gpu_percent) and not looks_like_ghost(reading)
    return works or (lists_no_process(reading) and holds_unlisted_memory(reading))


def lists_no_process(reading: GpuReading) -> bool:
    """Whether it is known that no process is listed."""
    return reading.knows_all_processes and not reading.processes


def works_unlisted(reading: GpuReading, peak_percent: int | None) -> bool:
    """Whether the GPU works with no listed process; `peak_percent`: its highest utilization then."""
    return (
        lists_no_process(reading) and peak_percent is not None and peak_percent > UNLISTED_UTILIZATION_PERCENT
    )


def looks_like_ghost(reading: GpuReading) -> bool:
    """Whether the GPU reports high utilization with no process and no memory in use."""
    used, percent = reading.memory.used_bytes, reading.utilization.gpu_percent
    return (
        lists_no_process(reading)
        and percent is not None
        and percent >= GHOST_PERCENT
        and used is not None
        and used < GHOST_BYTES
    )
