"""The MIG devices of one GPU."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import GpuProcess, MigInstance, ProcessType
from agent.sources.gpu_processes import merge, read_list
from agent.sources.nvml import ask, byte_count


def read_mig_instances(handle: Any) -> tuple[MigInstance, ...] | None:
    """Every MIG device of this GPU; None where MIG is off or unknown.

    NVML: nvmlDeviceGetMigMode, nvmlDeviceGetMigDeviceHandleByIndex.
    """
    mode = ask("nvmlDeviceGetMigMode", handle)  # [current, pending]
    if mode is None or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return None
    slots = range(ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0)
    handles = ((slot, ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)) for slot in slots)
    return tuple(_read_instance(slot, instance) for slot, instance in handles if instance is not None)


def _read_instance(mig_index: int, handle: Any) -> MigInstance:
    memory = ask("nvmlDeviceGetMemoryInfo", handle)
    compute = read_list("nvmlDeviceGetComputeRunningProcesses", handle) or ()
    return MigInstance(
        mig_index=mig_index,
        uuid=ask("nvmlDeviceGetUUID", handle),
        name=ask("nvmlDeviceGetName", handle),
        memory_total_bytes=byte_count(memory, "total"),
        memory_used_bytes=byte_count(memory, "used"),
        memory_free_bytes=byte_count(memory, "free"),
        processes=tuple(  # utilization by process is not supported on MIG devices, graphics neither
            GpuProcess(pid, kind, used)
            for pid, (kind, used) in sorted(merge([(ProcessType.COMPUTE, compute)]).items())
        ),
    )
