"""The MIG devices of one GPU."""

from __future__ import annotations

from typing import Any, NamedTuple

import pynvml

from agent.readings import GpuProcess, Mig, MigInstance, ProcessType
from agent.sources.gpu.processes import ProcessList, merge, read_list
from agent.sources.nvml import FATAL, number, query, query_or_none

_MOST_INSTANCES = 64  # more is garbage; GPUs of 2026 have seven at most


class MigReading(NamedTuple):
    """What is known of the MIG devices; `all_told`: whether they are all that there are."""

    mig: Mig
    all_told: bool = True

    def processes(self, of_gpu: ProcessList) -> ProcessList:
        """The processes on the GPU as a whole, whose own list is `of_gpu`."""
        if not self.mig.instances:
            return ProcessList(of_gpu.processes, of_gpu.is_partial or not (self.all_told or of_gpu.processes))
        # The parent's own list is empty, or only for root: its instances know.
        lists = [instance.processes for instance in self.mig.instances]
        told = [processes for processes in lists if processes is not None]
        return ProcessList(
            tuple(process for processes in told for process in processes) if told else None,
            is_partial=len(told) < len(lists) or not self.all_told,
        )


def read_mig(handle: Any) -> MigReading:
    """Every MIG device of this GPU; none where MIG is off or unknown.

    NVML: nvmlDeviceGetMigMode, nvmlDeviceGetMigDeviceHandleByIndex.
    """
    mode = query_or_none("nvmlDeviceGetMigMode", handle)  # [current, pending]
    if mode is None:
        return MigReading(Mig())
    if mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return MigReading(Mig(enabled=False))
    count = query_or_none("nvmlDeviceGetMaxMigDeviceCount", handle)
    if count is not None and count > _MOST_INSTANCES:
        count = None
    all_told, instances = count is not None, []
    for slot in range(count or 0):
        try:
            instance = query("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot)
        except (pynvml.NVMLError_NotFound, pynvml.NVMLError_InvalidArgument):
            continue  # there is none
        except FATAL:
            raise
        except pynvml.NVMLError:
            instance = None
        if instance is None:
            all_told = False
        else:
            instances.append(_read_instance(slot, instance))
    return MigReading(Mig(enabled=True, instances=tuple(instances)), all_told)


def _read_instance(mig_index: int, handle: Any) -> MigInstance:
    memory = query_or_none("nvmlDeviceGetMemoryInfo", handle)
    compute = read_list("nvmlDeviceGetComputeRunningProcesses", handle)
    return MigInstance(
        mig_index=mig_index,
        uuid=query_or_none("nvmlDeviceGetUUID", handle),
        name=query_or_none("nvmlDeviceGetName", handle),
        memory_total_bytes=number(memory, "total"),
        memory_used_bytes=number(memory, "used"),
        memory_free_bytes=number(memory, "free"),
        processes=None
        if compute is None
        else tuple(  # utilization by process is not supported on MIG devices, graphics neither
            GpuProcess(pid, kind, used)
            for pid, (kind, used) in sorted(merge([(ProcessType.COMPUTE, compute)]).items())
        ),
    )
