"""Which boot of the machine this is."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id(path: str = BOOT_ID) -> str:
    """The kernel's id of this boot, random(4); empty where it cannot be read, which is no boot's id."""
    try:
        return Path(path).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
