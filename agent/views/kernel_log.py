"""What the kernel log reports beside the XIDs of each GPU, as `/gpu?detail=1` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from agent.views.units import iso_utc

if TYPE_CHECKING:
    from agent.readings import KernelLogReading


class NvSwitchSxid(BaseModel):
    """One kind of error of an NVSwitch."""

    nvswitch: int = Field(description="number of the NVSwitch: N of nvidia-nvswitchN")
    pci_bus_id: str = Field(description="place of the NVSwitch on the PCI bus")
    code: int = Field(description="code of the SXID")
    fatal: bool | None = Field(
        description="whether an error since the last reset was fatal; null: the log does not say"
    )
    link: int | None = Field(description="NVLink port of the switch in the last error; null: none is named")
    times: int = Field(description="number of errors, as far back as the kernel log reaches")
    last_at: str = Field(description="when it was last reported, ISO 8601 UTC")
    was_reset: bool = Field(description="whether the switch was reset after the last error")


class KernelLog(BaseModel):
    """The kernel log as far as it was read."""

    is_read: bool = Field(description="whether the kernel log can be read now")
    error: str | None = Field(description="why it is not read, and what to do")
    reaches_back_to: str | None = Field(
        description="time of its oldest line, ISO 8601 UTC; nothing is known of the time before"
    )
    lost_lines: int = Field(description="lines that were overwritten before they were read")
    sxids: list[NvSwitchSxid] = Field(description="errors of NVSwitches, by switch and code")
    fallen: list[str] = Field(
        description="PCI bus ids of GPUs that fell off the bus and that the driver does not list"
    )


def kernel_log_view(log: KernelLogReading | None) -> KernelLog | None:
    """The wire shape; None: KERNEL_LOG is off."""
    if log is None:
        return None
    return KernelLog(
        is_read=log.is_read,
        error="; ".join(filter(None, (log.error, log.todo))) or None,
        reaches_back_to=None if log.reaches_back_to is None else iso_utc(log.reaches_back_to),
        lost_lines=log.lost_lines,
        sxids=[
            NvSwitchSxid(
                nvswitch=switch.index,
                pci_bus_id=switch.pci_bus_id,
                code=code,
                fatal=seen.fatal,
                link=seen.link,
                times=seen.times,
                last_at=iso_utc(seen.last_at),
                was_reset=seen.was_reset,
            )
            for switch in log.switches
            for code, seen in switch.sxids.items()
        ],
        fallen=list(log.fallen),
    )
