"""Parses lines of the NVIDIA driver and of the PCI core in the kernel log: a text in, an event out.

Their forms, by the driver's open kernel modules (kernel_rc.c, osapi.c, nv-linux.h, error_nvswitch.h) and by
what drivers from R310 to R610 have written:

    NVRM: Xid (0000:03:00): 14, Channel 00000001
    NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.
    NVRM: Xid (PCI:0000:3b:00 GPU-I:02 GPU-CI:00): 43, pid=512, name=python3, channel 0x0000000a
    NVRM: GPU at PCI:0000:3b:00: GPU-926ecdb0-...   (once, before the first XID of a GPU)
    NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.
    nvidia-nvswitch0: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault Up
    nvidia 0000:3b:00.0: reset done                 (the PCI core)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.readings.kernel_lines import FallenLine, ResetLine, SxidLine, UuidLine, XidLine
from agent.sources.command_line import clean

if TYPE_CHECKING:
    from agent.readings.kernel_lines import Line

_PLACE = r"(?P<bus>[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2})"
_BUS = rf"{_PLACE}(?:\.[0-7])?"
_DEVICE = rf"[\w-]+ {_PLACE}\.0"  # after its driver; the other functions of a card are sound and USB
_XID = re.compile(rf"NVRM: Xid \((?:PCI:)?{_BUS}[^)]{{0,40}}\): (?P<code>\d{{1,5}})(?=,|\s|$)(?P<rest>.*)")
# The name ends at the next comma: a program's name may contain one, and nothing is read after it.
_PROGRAM = re.compile(r", pid='?(?P<pid>\d{1,10}|<unknown>)'?(?:, name=(?P<name>.*?)(?:, |$))?")
_RECOVERED = re.compile(r"recovery action changed from 0x[124] .*\bto 0x0 ")
_UUID = re.compile(rf"NVRM: GPU at (?:PCI:)?{_BUS}: (?P<uuid>GPU-[0-9a-fA-F-]{{36}})\b")
_FALLEN = re.compile(rf"NVRM: .{{0,40}}?GPU (?:at )?(?:PCI:)?{_BUS}.{{0,120}}?fallen off the bus")
_SXID = re.compile(
    rf"nvidia-nvswitch(?P<index>\d{{1,4}}):? SXid \(PCI:{_BUS}\): (?P<code>\d{{1,5}}), (?P<rest>.*)"
)
# One SXID takes several lines; the first has its severity.
_MORE_OF_SXID = ("Severity ", "Data {")
_LINK = re.compile(r"\bLink (?P<link>\d{1,4})\b")
_RESET = re.compile(rf"{_DEVICE}: reset done$")
_NOT_RESET = re.compile(rf"{_DEVICE}: not ready \d+ms after .*; giving up$")


def parse(text: str) -> Line | None:
    """The event of a line; None: nothing of interest.

    Only the beginning counts, because the rest may contain a program's name.
    """
    first = text.partition("\n")[0]
    if found := _XID.match(first):
        return _xid(found)
    if found := _SXID.match(first):
        return _sxid(found)
    if found := _UUID.match(first):
        return UuidLine(_bus(found), found["uuid"])
    # if the GPU is lost while the driver starts, the sentence continues in the next lines
    if found := _FALLEN.match(text.replace("\nNVRM:", "").replace("\n", " ")):
        return FallenLine(_bus(found))
    if found := _RESET.match(first):
        return ResetLine(_bus(found))
    if found := _NOT_RESET.match(first):
        return ResetLine(_bus(found), failed=True)
    return None


def _bus(found: re.Match[str]) -> str:
    """The bus id with the shortest domain: four digits in the log, eight in NVML."""
    domain, _, rest = found["bus"].partition(":")
    return f"{int(domain, 16):04x}:{rest.lower()}"


def _xid(found: re.Match[str]) -> XidLine:
    rest = found["rest"]
    program = _PROGRAM.match(rest)
    pid, name = (program["pid"], program["name"]) if program else (None, None)
    return XidLine(
        _bus(found),
        int(found["code"]),
        int(pid) or None if pid and pid.isdecimal() else None,
        None if not name or name.strip("'") == "<unknown>" else clean(name),
        recovered=found["code"] == "154" and bool(_RECOVERED.search(rest)),
    )


def _sxid(found: re.Match[str]) -> SxidLine | None:
    rest = found["rest"]
    if rest.startswith(_MORE_OF_SXID):
        return None
    link = _LINK.search(rest)
    word = rest.partition(",")[0].lower()
    return SxidLine(
        int(found["index"]),
        _bus(found),
        int(found["code"]),
        {"fatal": True, "non-fatal": False}.get(word),
        int(link["link"]) if link else None,
    )
