"""What the driver and the kernel have written about GPUs and NVSwitches into the kernel log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class SxidCount(NamedTuple):
    """How often an NVSwitch reported one SXID."""

    times: int
    last_at: float  # seconds since the epoch
    fatal: bool | None  # one of them was, since the last reset; None: the line does not say
    link: int | None  # NVLink port of the switch, of the last one
    was_reset: bool = False  # the switch was reset after the last one


@dataclass(frozen=True, slots=True)
class NvSwitch:
    """The SXIDs of one NVSwitch by code."""

    index: int  # N of nvidia-nvswitchN
    pci_bus_id: str  # as the driver writes it into the log: 0000:c1:00
    sxids: Mapping[int, SxidCount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KernelLogReading:
    """The kernel log as far as it has been read. `error`: one sentence, why it is not read now."""

    error: str | None = None
    todo: str | None = None  # what to do about `error`
    reaches_back_to: float | None = None  # seconds since the epoch: its oldest line; None: none was read
    lost_lines: int = 0  # overwritten before they were read, since the agent started
    switches: tuple[NvSwitch, ...] = ()
    # PCI bus ids, as in the log, of GPUs that fell off the bus, were not reset since, and that the
    # driver does not list.
    fallen: tuple[str, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether it is read now."""
        return self.error is None
