"""Parsed lines of the kernel log. kernel_log.py and gpu/xid.py have the results."""

from __future__ import annotations

from typing import NamedTuple


class XidLine(NamedTuple):
    """An XID. `bus`: as in 0000:3b:00, in small letters."""

    bus: str
    code: int
    pid: int | None = None
    name: str | None = None
    recovered: bool = False  # XID 154 that reports that the GPU no longer needs recovery


class UuidLine(NamedTuple):
    """The UUID of the GPU at a PCI bus id."""

    bus: str
    uuid: str


class FallenLine(NamedTuple):
    """A GPU has fallen off the bus."""

    bus: str


class SxidLine(NamedTuple):
    """An SXID of nvidia-nvswitchN. `switch`: N."""

    switch: int
    bus: str
    code: int
    fatal: bool | None
    link: int | None


class ResetLine(NamedTuple):
    """A GPU was reset, or did not come back from a reset."""

    bus: str
    failed: bool = False


Line = XidLine | UuidLine | FallenLine | SxidLine | ResetLine


class Logged(NamedTuple):
    """A line of interest, and when it was written, in seconds since boot."""

    at: float
    line: Line


class Batch(NamedTuple):
    """The lines of one read of the log."""

    lines: list[Logged]
    oldest_at: float | None  # seconds since boot: the first record of all that were read; None: none was yet
    lost: int  # records that were overwritten before they were read, since the agent started
    is_all: bool  # False: there is more to be read at once
