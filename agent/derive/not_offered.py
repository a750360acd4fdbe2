"""Which GPUs the operator keeps out of `/free` (NOT_OFFERED), by index or by UUID."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.readings import GpuSample, Snapshot


def is_kept_out(gpu: GpuSample, snapshot: Snapshot) -> bool | None:
    """Whether this GPU is kept out; None: its UUID is unknown, and NOT_OFFERED has UUIDs."""
    named = snapshot.not_offered
    if str(gpu.index) in named or gpu.identity.uuid in named:
        return True
    is_unknown = gpu.identity.uuid is None and not all(entry.isdigit() for entry in named)
    return None if is_unknown else False


def entries_without_gpu(snapshot: Snapshot) -> tuple[str, ...]:
    """Entries of NOT_OFFERED that match no GPU of the driver; empty while that is unknown."""
    if snapshot.driver is None:
        return ()
    uuids = {gpu.identity.uuid for gpu in snapshot.gpus}
    count = snapshot.driver.gpu_count
    are_all_known = None not in uuids and len(snapshot.gpus) == count
    return tuple(
        entry
        for entry in snapshot.not_offered
        if (int(entry) >= count if entry.isdigit() else are_all_known and entry not in uuids)
    )
