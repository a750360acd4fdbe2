"""The MIG devices of one GPU."""

from __future__ import annotations

from typing import Any

import pynvml

from agent.readings import GpuProcess, Mig, MigInstance, ProcessType
from agent.sources.gpu.processes import merge, read_list
from agent.sources.nvml import byte_count, query_or_none


def read_mig(handle: Any) -> Mig:
    """Every MIG device of this GPU; none where MIG is off or unknown.

    NVML: nvmlDeviceGetMigMode, nvmlDeviceGetMigDeviceHandleByIndex.
    """
    mode = query_or_none("nvmlDeviceGetMigMode", handle)  # [current, pending]
    if mode is None or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return Mig()
    slots = range(query_or_none("nvmlDeviceGetMaxMigDeviceCount", handle) or 0)
    handles = ((slot, query_or_none("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)) for slot in slots)
    instances = (_read_instance(slot, instance) for slot, instance in handles if instance is not None)
    return Mig(enabled=True, instances=tuple(instances))


def _read_instance(mig_index: int, handle: Any) -> MigInstance:
    memory = query_or_none("nvmlDeviceGetMemoryInfo", handle)
    compute = read_list("nvmlDeviceGetComputeRunningProcesses", handle) or ()
    return MigInstance(
        mig_index=mig_index,
        uuid=query_or_none("nvmlDeviceGetUUID", handle),
        name=query_or_none("nvmlDeviceGetName", handle),
        memory_total_bytes=byte_count(memory, "total"),
        memory_used_bytes=byte_count(memory, "used"),
        memory_free_bytes=byte_count(memory, "free"),
        processes=tuple(  # utilization by process is not supported on MIG devices, graphics neither
            GpuProcess(pid, kind, used)
            for pid, (kind, used) in sorted(merge([(ProcessType.COMPUTE, compute)]).items())
        ),
    )
