"""GPU use by day: sums, which only grow during the day."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class UsageSums(NamedTuple):
    """The use of GPUs.

    A MIG instance counts by its share of the memory of its GPU. Time without a report of the driver is not in
    a sum: `told_seconds` is the part of `held_seconds` that `used_seconds` and `idle_seconds` cover;
    `memory_seconds` is the time for which the memory was reported, without shares.
    """

    held_seconds: float = 0.0  # of GPUs with a process; a GPU counts once, however many there are
    told_seconds: float = 0.0  # of them, those for which the SM utilization of every process was reported
    used_seconds: float = 0.0  # SM utilization, at most the share that is held, times time
    idle_seconds: float = 0.0  # of `told_seconds`, those in which no process did any work
    memory_seconds: float = 0.0
    memory_byte_seconds: float = 0.0  # memory on one GPU times time
    memory_peak_bytes: int = 0  # the most on one GPU at a time


class UserDay(NamedTuple):
    """The use of all GPUs by one user on one day."""

    day: str  # local date of the host: "2026-11-26"
    uid: int | None  # None: all processes whose owner is unknown
    sums: UsageSums


class GpuDay(NamedTuple):
    """The use of one GPU by all users on one day; its memory is all memory in use."""

    day: str
    uuid: str
    name: str | None  # NVML: nvmlDeviceGetName
    watched_seconds: float  # for which all its processes were reported
    energy_joules: float | None  # by its energy counter; None: never reported
    sums: UsageSums


class UsageDays(NamedTuple):
    """The sums of these days, as counted by this process."""

    users: tuple[UserDay, ...] = ()
    gpus: tuple[GpuDay, ...] = ()


class UsageBy(StrEnum):
    """What a row of totals is about."""

    USER = "user"
    DAY = "day"
    GPU = "gpu"


class UsageTotal(NamedTuple):
    """The sums of one user, one day or one GPU over the selected days."""

    key: int | str | None  # uid, day or UUID; None: unknown owners
    name: str | None  # last known name of the user or of the GPU; None: unknown, or a day
    sums: UsageSums
    watched_seconds: float | None = None  # see GpuDay; None: a user
    energy_joules: float | None = None  # None: never reported, or a user


class UsageReading(NamedTuple):
    """The totals of the selected days."""

    totals: tuple[UsageTotal, ...] = ()
    left_out: int = 0  # the number of rows that are not in `totals`
    since: str | None = None  # the first day with data; None: there is none
    watched_seconds: float = 0.0  # of all GPUs on the days asked for, see GpuDay
