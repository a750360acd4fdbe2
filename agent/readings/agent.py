"""The agent's own process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentReading:
    """Values that the kernel reports about the agent's process."""

    started_at: float | None = None  # seconds of Unix time
    resident_bytes: int | None = None  # memory in RAM
    cpu_seconds: float | None = None  # of all its threads, since its start
    open_files: int | None = None  # descriptors
    max_open_files: int | None = None  # None: without a limit, too
