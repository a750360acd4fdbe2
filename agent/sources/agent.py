"""The agent's own process, from /proc/self."""

from __future__ import annotations

import os
import resource
import time

from agent.readings import AgentReading, seconds_since_boot
from agent.sources import procfs
from agent.sources.attempt import attempt


class AgentSource:
    """Can be read by any thread: the kernel's files about the own process never hang."""

    def __init__(self, proc_root: str = procfs.PROC) -> None:
        self._proc_root = proc_root
        # Once, because the clock may be set later, and the start time must not change.
        self._started_at = attempt(self._read_start, None)

    def read(self) -> AgentReading:
        """The reading; a value that cannot be read is None."""
        root, pid = self._proc_root, os.getpid()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return AgentReading(
            started_at=self._started_at,
            resident_bytes=attempt(lambda: procfs.read_resident_bytes(root, pid), None),
            cpu_seconds=attempt(
                lambda: procfs.read_stat(root, pid).cpu_ticks / procfs.TICKS_PER_SECOND, None
            ),
            open_files=attempt(lambda: procfs.count_open_files(root, pid), None),
            max_open_files=None if limit == resource.RLIM_INFINITY else limit,
        )

    def _read_start(self) -> float | None:
        ticks = procfs.read_stat(self._proc_root, os.getpid()).start_ticks
        return time.time() - seconds_since_boot() + ticks / procfs.TICKS_PER_SECOND
