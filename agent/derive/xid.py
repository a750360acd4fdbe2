"""NVIDIA's catalogue of XID errors: what each means, and what is to be done about it.

Source: https://docs.nvidia.com/deploy/xid-errors/ (its columns "Description" and "Immediate Action").
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import XidCount


class Remedy(StrEnum):
    """Whose fault an XID most likely is, by what helps."""

    NONE = "none"  # for the record, or the driver has helped itself
    APPLICATION = "application"  # the program that ran; start it again, and look for its fault
    RESET = "reset"  # the GPU works again after a reset
    REPLACE = "replace"  # hardware: a reset or reboot first, the GPU's vendor if it comes back
    UNKNOWN = "unknown"  # not in this catalogue


class Xid(NamedTuple):
    """An entry of the catalogue."""

    meaning: str
    remedy: Remedy


CATALOGUE: Mapping[int, Xid] = {
    8: Xid("GPU stopped processing", Remedy.APPLICATION),
    11: Xid("Invalid or corrupted push buffer stream", Remedy.APPLICATION),
    13: Xid("Graphics engine exception", Remedy.APPLICATION),
    16: Xid("Display engine hung", Remedy.RESET),
    31: Xid("GPU memory page fault", Remedy.APPLICATION),
    32: Xid("Invalid or corrupted push buffer stream", Remedy.APPLICATION),
    37: Xid("Driver firmware error", Remedy.NONE),
    38: Xid("Driver firmware error", Remedy.RESET),
    43: Xid("GPU stopped processing", Remedy.APPLICATION),
    44: Xid("Graphics engine fault during context switch", Remedy.RESET),
    45: Xid("Preemptive cleanup, due to previous errors", Remedy.APPLICATION),
    46: Xid("GPU stopped processing", Remedy.RESET),
    48: Xid("Double-bit ECC error", Remedy.RESET),
    54: Xid("Auxiliary power is not connected to the GPU board", Remedy.REPLACE),
    56: Xid("Display engine error", Remedy.NONE),
    57: Xid("Error programming the video memory interface", Remedy.RESET),
    58: Xid("Unstable video memory interface", Remedy.RESET),
    60: Xid("Video processor exception", Remedy.APPLICATION),
    61: Xid("Internal micro-controller breakpoint", Remedy.RESET),
    62: Xid("Internal micro-controller halt", Remedy.RESET),
    63: Xid("Page retired or row remapped", Remedy.NONE),
    64: Xid("Page retirement or row remapping failed", Remedy.REPLACE),
    65: Xid("Video processor exception", Remedy.APPLICATION),
    66: Xid("Illegal access by the driver", Remedy.APPLICATION),
    67: Xid("Illegal access by the driver", Remedy.APPLICATION),
    68: Xid("Video decoder exception", Remedy.APPLICATION),
    69: Xid("Graphics engine class error", Remedy.APPLICATION),
    70: Xid("Copy engine 3: unknown error", Remedy.APPLICATION),
    71: Xid("Copy engine 4: unknown error", Remedy.APPLICATION),
    72: Xid("Copy engine 5: unknown error", Remedy.APPLICATION),
    73: Xid("Video encoder 2 error", Remedy.APPLICATION),
    74: Xid("NVLink error", Remedy.RESET),
    77: Xid("Video processor exception", Remedy.APPLICATION),
    78: Xid("vGPU start error", Remedy.RESET),
    79: Xid("GPU has fallen off the bus", Remedy.REPLACE),
    80: Xid("Corrupted data sent to the GPU", Remedy.RESET),
    81: Xid("VGA subsystem error", Remedy.RESET),
    82: Xid("JPEG decoder error", Remedy.APPLICATION),
    83: Xid("Video decoder error", Remedy.APPLICATION),
    84: Xid("Video decoder error", Remedy.APPLICATION),
    86: Xid("Optical flow accelerator exception", Remedy.APPLICATION),
    88: Xid("Video decoder error", Remedy.APPLICATION),
    89: Xid("Video decoder error", Remedy.APPLICATION),
    92: Xid("High rate of single-bit ECC errors", Remedy.NONE),
    94: Xid("Contained memory error", Remedy.APPLICATION),
    95: Xid("Uncontained memory error", Remedy.RESET),
    96: Xid("Video decoder error", Remedy.APPLICATION),
    97: Xid("Video decoder error", Remedy.APPLICATION),
    109: Xid("Context switch timeout", Remedy.RESET),
    110: Xid("Security fault", Remedy.RESET),
    118: Xid("JPEG decoder error", Remedy.APPLICATION),
    119: Xid("GPU system processor (GSP) did not answer in time", Remedy.RESET),
    120: Xid("GPU system processor (GSP) error", Remedy.RESET),
    121: Xid("Corrected error of the chip-to-chip link (C2C)", Remedy.NONE),
    122: Xid("Power management unit could not be read", Remedy.RESET),
    123: Xid("Power management unit could not be written", Remedy.RESET),
    126: Xid("Memory error while none is allowed", Remedy.APPLICATION),
    136: Xid("Link training failed", Remedy.RESET),
    137: Xid("NVLink: access without privilege", Remedy.APPLICATION),
    140: Xid("Unrecovered ECC error", Remedy.RESET),
    141: Xid("Memory or copy engine fault", Remedy.RESET),
    143: Xid("GPU could not be initialised", Remedy.RESET),
    144: Xid("NVLink: switch adapter error", Remedy.RESET),
    145: Xid("NVLink: receive logic error", Remedy.RESET),
    146: Xid("NVLink: transmit logic error", Remedy.RESET),
    147: Xid("NVLink: transport error", Remedy.RESET),
    148: Xid("NVLink: network port error", Remedy.RESET),
    149: Xid("NVLink: network port interrupt", Remedy.RESET),
    150: Xid("NVLink: memory management error", Remedy.RESET),
    151: Xid("Key rotation error", Remedy.RESET),
    154: Xid("The recovery that the GPU needs has changed", Remedy.NONE),
    155: Xid("NVLink: error defined by software", Remedy.RESET),
    156: Xid("Memory was taken out of use", Remedy.NONE),
    158: Xid("GPU fatal timeout", Remedy.RESET),
}

_UNKNOWN = Xid("not in NVIDIA's catalogue as this agent knows it", Remedy.UNKNOWN)


def look_up(code: int) -> Xid:
    """The entry of an XID; one whose remedy is UNKNOWN for a code newer than this table."""
    return CATALOGUE.get(code, _UNKNOWN)


def blame(seen: XidCount) -> str:
    """Whom the driver blames for the last one: "python3 (pid 512) of alice in trainer"; empty: nobody."""
    blamed = seen.blamed
    if blamed is None:
        return ""
    pid = f"pid {blamed.pid}" if blamed.pid is not None else ""
    program = f"{blamed.name} ({pid})" if blamed.name and pid else blamed.name or pid
    owner = f" of {blamed.username}" if blamed.username else ""
    place = blamed.belonging
    inside = (place.pod_name or place.container_name or (place.container_id or "")[:12]) if place else ""
    return f"{program}{owner}{f' in {inside}' if inside else ''}"


def meaning(code: int) -> str:
    """What an XID means."""
    return look_up(code).meaning
