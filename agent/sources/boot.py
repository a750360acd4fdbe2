"""The id of the present boot."""

from __future__ import annotations

from agent.sources.procfs import PROC, read_beginning

MAX_BYTES = 64  # a UUID and a newline


def boot_id(proc_root: str = PROC) -> str:
    """The kernel's id of this boot, random(4); empty if it cannot be read, which equals no boot's id."""
    try:
        return (
            read_beginning(f"{proc_root}/sys/kernel/random/boot_id", MAX_BYTES).data.decode("ascii").strip()
        )
    except (OSError, ValueError):
        return ""
