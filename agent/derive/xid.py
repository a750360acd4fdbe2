"""The meaning of an XID error and its remedy, from the rows of the catalogue."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from agent.derive.xid_catalogue import CATALOGUE, OLDER, Action, Xid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.readings import XidCount

AMPERE = (8, 0)  # compute capability; NVIDIA's catalogue is for these and newer


class Remedy(StrEnum):
    """The action that most likely helps against an XID."""

    NONE = "none"  # informational, or the driver has recovered by itself
    APPLICATION = "application"  # a fault of the program; restart it, and look for its bug
    RESET = "reset"  # the GPU works again after a reset, or a restart of the virtual machine
    REPLACE = "replace"  # hardware: a reboot first, the GPU's vendor if it comes back
    UNKNOWN = "unknown"  # NVIDIA names no action, or the code is not in this catalogue


_BY_ACTION: Mapping[Action | None, Remedy] = {
    Action.IGNORE: Remedy.NONE,
    Action.XID_154: Remedy.NONE,  # the driver reports what it asks for: see the finding recovery_action
    Action.RESTART_APP: Remedy.APPLICATION,
    Action.WORKFLOW_XID_45: Remedy.APPLICATION,
    Action.RESET_GPU: Remedy.RESET,
    Action.WORKFLOW_XID_48: Remedy.RESET,  # with 63 or 64, those say what became of the memory
    Action.WORKFLOW_NVLINK_ERR: Remedy.RESET,
    Action.WORKFLOW_NVLINK5_ERR: Remedy.RESET,
    Action.CHECK_UVM: Remedy.RESET,  # where unified memory is in use, which CUDA always loads
    Action.RESTART_VM: Remedy.RESET,
    Action.RESTART_BM: Remedy.REPLACE,
    Action.CHECK_MECHANICALS: Remedy.REPLACE,
    Action.UPDATE_SWFW: Remedy.UNKNOWN,
    Action.CONTACT_SUPPORT: Remedy.UNKNOWN,
    None: Remedy.UNKNOWN,
}

# By code, the XIDs that are judged differently from their immediate action, and why.
OF_OUR_OWN: Mapping[int, tuple[Remedy, str]] = {
    43: (Remedy.APPLICATION, "a program has crashed, as with 13 and 31, which NVIDIA lets restart"),
    137: (Remedy.APPLICATION, "a program has crashed: it is 31 by way of NVLink"),
    157: (Remedy.UNKNOWN, "the faulty part stays in use, which somebody should know"),
    161: (Remedy.UNKNOWN, "the faulty part stays in use, which somebody should know"),
    162: (Remedy.NONE, "NVIDIA names no action, and it is good news"),
    163: (Remedy.NONE, "NVIDIA names no action, and says that none is required"),
    171: (Remedy.RESET, "NVIDIA names no action, but it is 48 in more detail"),
    172: (Remedy.RESET, "NVIDIA names no action, but it is 48 in more detail"),
}

# XIDs after which other error counts have changed.
ABOUT_MEMORY = frozenset({48, 63, 64, 92, 94, 95, 140, 156, 157, 160, 161, 171, 172})

_UNKNOWN = Xid("not in NVIDIA's catalogue as this agent knows it", None, None)


def look_up(code: int, compute_capability: tuple[int, int] | None = None) -> Xid:
    """The row of an XID on a GPU; one without actions for a code newer than the catalogue.

    Of a GPU whose generation is unknown (None) the older row, which is the graver.
    """
    newer, older = CATALOGUE.get(code), OLDER.get(code)
    is_older = compute_capability is None or compute_capability < AMPERE
    return (older if is_older else None) or newer or older or _UNKNOWN


def remedy(code: int, row: Xid) -> Remedy:
    """What helps against an XID that has this row."""
    own = OF_OUR_OWN.get(code)
    return _BY_ACTION[row.immediate] if own is None else own[0]


def blame(seen: XidCount) -> str:
    """The program that the driver blames: "python3 (pid 512) of alice in trainer"; empty: none."""
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
    """What an XID means, whatever the GPU."""
    return look_up(code).meaning
