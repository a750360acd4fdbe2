"""Lines that the driver (R310 to R610) and the PCI core write into the kernel log."""

from __future__ import annotations

import pytest

from agent.readings.kernel_lines import FallenLine, Line, ResetLine, SxidLine, UuidLine, XidLine
from agent.sources.kernel_lines import parse

BUS = "0000:3b:00"
UUID = "GPU-926ecdb0-adb1-6ee9-2fad-52e7214c5011"

LINES: dict[str, tuple[str, Line | None]] = {
    "R580": (
        "NVRM: Xid (PCI:0000:3b:00): 31, pid=495, name=python3, channel 0x0000000a, intr 00000000. MMU Fault",
        XidLine(BUS, 31, 495, "python3"),
    ),
    "no program": (
        "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.",
        XidLine(BUS, 79),
    ),
    "R450, unknown program": (
        "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        XidLine(BUS, 79),
    ),
    "R418 has only the pid": (
        "NVRM: Xid (PCI:0000:3b:00): 62, pid=2763, 0c83(1870) 00000000 00000000",
        XidLine(BUS, 62, 2763),
    ),
    "R310, without PCI": ("NVRM: Xid (0000:3b:00): 14, Channel 00000001", XidLine(BUS, 14)),
    "MIG instances": (
        "NVRM: Xid (PCI:0000:3B:00 GPU-I:02 GPU-CI:00): 43, pid=512, name=python3, channel 0x0000000a",
        XidLine(BUS, 43, 512, "python3"),
    ),
    "a long PCI domain": ("NVRM: Xid (PCI:10000:01:00): 48, x", XidLine("10000:01:00", 48)),
    "with a PCI function": ("NVRM: Xid (PCI:0000:3b:00.0): 48, x", XidLine(BUS, 48)),
    "a name is cut at its comma": (
        "NVRM: Xid (PCI:0000:3b:00): 13, pid=7, name=a, b, Graphics Exception",
        XidLine(BUS, 13, 7, "a"),
    ),
    "a name that changes the text direction": (
        "NVRM: Xid (PCI:0000:3b:00): 13, pid=7, name=a\u202eb\x1b[0m, x",
        XidLine(BUS, 13, 7, "a\\u202eb\\x1b[0m"),
    ),
    "pid 0 is the kernel itself": ("NVRM: Xid (PCI:0000:3b:00): 119, pid=0, name=, x", XidLine(BUS, 119)),
    "recovery action back to none": (
        "NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x1 (GPU Reset) to 0x0 (None)",
        XidLine(BUS, 154, recovered=True),
    ),
    "a recovery action": (
        "NVRM: Xid (PCI:0000:3b:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset)",
        XidLine(BUS, 154),
    ),
    "the UUID of a GPU": (f"NVRM: GPU at PCI:0000:3b:00: {UUID}", UuidLine(BUS, UUID)),
    "off the bus": ("NVRM: GPU 0000:3b:00.0: GPU has fallen off the bus.", FallenLine(BUS)),
    "off the bus, R331": ("NVRM: GPU at 0000:3b:00.0 has fallen off the bus.", FallenLine(BUS)),
    "off the bus when the driver loads": (
        (
            "NVRM: The NVIDIA GPU 0000:3b:00.0\nNVRM: (PCI ID: 10de:1eb8) installed in this system has\n"
            "NVRM: fallen off the bus and is not responding to commands."
        ),
        FallenLine(BUS),
    ),
    "fatal SXid": (
        "nvidia-nvswitch0: SXid (PCI:0000:3b:00.0): 20034, Fatal, Link 30 LTSSM Fault Up",
        SxidLine(0, BUS, 20034, fatal=True, link=30),
    ),
    "non-fatal SXid, with leading zeros": (
        "nvidia-nvswitch12: SXid (PCI:0000:3b:00.0): 00012, Non-fatal, Link 04 egress error (First)",
        SxidLine(12, BUS, 12, fatal=False, link=4),
    ),
    "SXid without a severity": (
        "nvidia-nvswitch3: SXid (PCI:0000:3b:00.0): 10004, Thermal Slowdown Engaged",
        SxidLine(3, BUS, 10004, fatal=None, link=None),
    ),
    "details of an SXid": (
        "nvidia-nvswitch3: SXid (PCI:0000:3b:00.0): 12028, Severity 0 Engine instance 32 Sub-engine 00",
        None,
    ),
    "data of an SXid": (
        "nvidia-nvswitch3: SXid (PCI:0000:3b:00.0): 12028, Data {0x00140004, 0x00000000}",
        None,
    ),
    "reset": ("nvidia 0000:3b:00.0: reset done", ResetLine(BUS)),
    "a reset that failed": (
        "nvidia 0000:3b:00.0: not ready 65535ms after FLR; giving up",
        ResetLine(BUS, failed=True),
    ),
    "a reset of the audio function of a card": ("snd_hda_intel 0000:3b:00.1: reset done", None),
    "a reset in progress": ("nvidia 0000:3b:00.0: not ready 1023ms after FLR; waiting", None),
    "cut within the code": ("NVRM: Xid (PCI:0000:3b:00): 7x", None),
    "cut within the bus ID": ("NVRM: Xid (PCI:0000:3b", None),
    "without a code": ("NVRM: Xid (PCI:0000:3b:00): , pid=7", None),
    "a program with the name of a line": ("NVRM: Xid (0000[17]: segfault at 0 ip 0 sp 0 error 4", None),
    "in the middle of a line": ("evil[17]: NVRM: Xid (PCI:0000:3b:00): 79, x", None),
    "in a second line": ("evil\nNVRM: Xid (PCI:0000:3b:00): 79, x", None),
    "the driver is loaded": ("NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  580.159.04", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("what", LINES)
def test_each_line_of_the_kernel_log_is_parsed(what: str) -> None:
    text, line = LINES[what]

    assert parse(text) == line
