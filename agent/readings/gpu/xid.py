"""Counts of XID errors of one GPU."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agent.readings.host import Belonging


class XidSource(Enum):
    """The source of an XID."""

    NVML = "nvml"  # an event
    KERNEL_LOG = "kernel_log"  # a line of the driver's
    BOTH = "both"


class Blamed(NamedTuple):
    """The program that the driver names in the kernel log: the owner of the failed channel."""

    pid: int | None  # in the host's namespace
    name: str | None
    username: str | None = None  # of its owner; None: unknown, or it was not seen while it ran
    belonging: Belonging | None = None  # where it ran; None: it was not seen


class XidCount(NamedTuple):
    """How often the driver reported one XID on a GPU."""

    times: int
    last_at: float  # seconds since the epoch
    source: XidSource = XidSource.NVML
    blamed: Blamed | None = None  # for the last one of which the driver names a program
    was_reset: bool = False  # the kernel log reports a reset of the GPU after the last one
    restored: int = 0  # of `times`, those that only an earlier run of the agent counted
