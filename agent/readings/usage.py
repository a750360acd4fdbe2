"""Who used the GPUs how much on one day: sums, which only grow while the day lasts."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class UsageSums(NamedTuple):
    """What somebody had of GPUs. A MIG instance counts by its share of the memory of its GPU.

    A sum says nothing of the time in which the driver did not tell: `told_seconds` is the part of
    `held_seconds` that `used_seconds` and `idle_seconds` are of; `memory_seconds` is the time for which the
    memory was reported, and is not counted by shares.
    """

    held_seconds: float = 0.0  # of GPUs with a process; a GPU counts once, however many there are
    told_seconds: float = 0.0  # of them, those for which the SM utilization of every process was reported
    used_seconds: float = 0.0  # SM utilization, at most the share that is held, times time
    idle_seconds: float = 0.0  # of `told_seconds`, those in which no process did any work
    memory_seconds: float = 0.0
    memory_byte_seconds: float = 0.0  # memory on one GPU times time
    memory_peak_bytes: int = 0  # the most on one GPU at a time


class UserDay(NamedTuple):
    """What one user had of all GPUs on one day."""

    day: str  # local date of the host: "2026-11-26"
    uid: int | None  # None: all processes whose owner is unknown
    sums: UsageSums


class GpuDay(NamedTuple):
    """What all users together had of one GPU on one day; its memory is all that was in use."""

    day: str
    uuid: str
    name: str | None  # NVML: nvmlDeviceGetName
    watched_seconds: float  # for which all its processes were reported
    energy_joules: float | None  # by its energy counter; None: never reported
    sums: UsageSums


class UsageDays(NamedTuple):
    """The sums of these days, as far as this process of the agent counted them."""

    users: tuple[UserDay, ...] = ()
    gpus: tuple[GpuDay, ...] = ()


class UsageBy(StrEnum):
    """Of what the totals are."""

    USER = "user"
    DAY = "day"
    GPU = "gpu"


class UsageTotal(NamedTuple):
    """The sums of one user, one day or one GPU, over all that was asked for."""

    key: int | str | None  # uid, day or UUID; None: unknown owners
    name: str | None  # last known name of the user or of the GPU; None: unknown, or a day
    sums: UsageSums
    watched_seconds: float | None = None  # see GpuDay; None: a user
    energy_joules: float | None = None  # None: never reported, or a user


class UsageReading(NamedTuple):
    """What is kept, of the days asked for."""

    totals: tuple[UsageTotal, ...] = ()
    left_out: int = 0  # more of them, which are not in `totals`
    since: str | None = None  # the first day of which anything is kept; None: there is none
    watched_seconds: float = 0.0  # of all GPUs on the days asked for, see GpuDay
