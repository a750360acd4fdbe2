"""The MIG devices of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml

from agent.readings import GpuProcess, Mig, MigInstance
from agent.sources.gpu.handle import Elements
from agent.sources.gpu.paces import SLOW_PACE
from agent.sources.gpu.processes import ProcessList, compute_processes, graphics_processes, merge
from agent.sources.gpu.unknown import Refusal
from agent.sources.nvml import number
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

# NVML's return codes for an index without a MIG device.
_THERE_IS_NONE = {pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_INVALID_ARGUMENT}

_COUNT = "nvmlDeviceGetMaxMigDeviceCount"
_MOST_INSTANCES = 64  # more is garbage; GPUs of 2026 have seven at most


class MigReading(NamedTuple):
    """The known MIG devices; `is_complete`: whether these are all."""

    mig: Mig
    is_complete: bool = True

    def processes(self, of_gpu: ProcessList) -> ProcessList:
        """The processes on the GPU as a whole, whose own list is `of_gpu`."""
        if not self.mig.instances:
            return ProcessList(
                of_gpu.processes, of_gpu.is_partial or not (self.is_complete or of_gpu.processes)
            )
        # The parent's own list is empty, or only for root: use those of its instances.
        lists = [instance.processes for instance in self.mig.instances]
        known = [processes for processes in lists if processes is not None]
        return ProcessList(
            tuple(process for processes in known for process in processes) if known else None,
            is_partial=len(known) < len(lists) or not self.is_complete,
        )


class MigSource:
    """The MIG devices of the GPU behind one handle; `clients` returns the MPS clients on one of them."""

    def __init__(self, handle: GpuHandle, clients: Callable[[Any], Iterable[Any] | Refusal]) -> None:
        self._handle = handle
        self._clients = clients
        # GPU and compute instance by UUID, which is made of them; of those that there are.
        self._ids: dict[str, tuple[int | None, int | None]] = {}
        self._last: MigReading | None = None
        self._paced = Paced(SLOW_PACE, self._read)

    def read(self, moment: Moment) -> MigReading:
        """Every MIG device of this GPU; none where MIG is off or unknown.

        NVML: nvmlDeviceGetMigMode, nvmlDeviceGetMaxMigDeviceCount, nvmlDeviceGetMigDeviceHandleByIndex.
        """
        # Processes are read in every sample; whether MIG is on can be read less often.
        is_on = self._last is None or self._last.mig.enabled is not False
        self._last = self._paced.get(moment.now if is_on else moment.verdicts)
        return self._last

    def _read(self) -> MigReading:
        handle = self._handle
        mode = handle.call("nvmlDeviceGetMigMode")  # [current, pending]
        current = handle.take("mig.enabled", mode, lambda mode: mode[0])
        pending = handle.take("mig.pending", mode, lambda mode: mode[1])
        is_pending = None if pending is None else pending == pynvml.NVML_DEVICE_MIG_ENABLE
        if current is None:  # if the driver failed to report the mode, there may be instances
            has_none = not isinstance(mode, Refusal) or mode.is_absence
            return MigReading(Mig(pending=is_pending), is_complete=has_none)
        if current != pynvml.NVML_DEVICE_MIG_ENABLE:
            return MigReading(Mig(enabled=False, pending=is_pending))
        elements = Elements(handle)
        count = elements.query(_COUNT)
        can_be = count is None or count <= _MOST_INSTANCES
        is_complete, instances = count is not None and can_be, []
        for slot in range(count if is_complete else 0):
            instance = handle.call("nvmlDeviceGetMigDeviceHandleByIndex", slot)
            if not isinstance(instance, Refusal):
                instances.append(self._instance(slot, instance, elements))
            elif instance.code not in _THERE_IS_NONE:
                elements.take(instance)
                is_complete = False
        if can_be:
            elements.record("mig.instances")
        else:
            handle.record.note_impossible("mig.instances", _COUNT, f"{count:,} instances")
        self._ids = {
            one.uuid: (one.gpu_instance_id, one.compute_instance_id) for one in instances if one.uuid
        }
        known = tuple(instances) if instances or is_complete else None
        return MigReading(Mig(enabled=True, pending=is_pending, instances=known), is_complete)

    def _instance(self, mig_index: int, raw: Any, elements: Elements) -> MigInstance:
        uuid = elements.query_handle(raw, "nvmlDeviceGetUUID")
        ids = self._ids.get(uuid, (None, None))
        if None in ids:
            ids = (
                elements.query_handle(raw, "nvmlDeviceGetGpuInstanceId"),
                elements.query_handle(raw, "nvmlDeviceGetComputeInstanceId"),
            )
        clients = elements.take(self._clients(raw))
        return _read_instance(mig_index, raw, elements, clients, uuid, ids)


def _read_instance(
    mig_index: int,
    raw: Any,
    elements: Elements,
    clients: Iterable[Any] | None,
    uuid: str | None,
    ids: tuple[int | None, int | None],
) -> MigInstance:
    memory = elements.query_handle(raw, "nvmlDeviceGetMemoryInfo")
    compute = elements.query_handle(raw, compute_processes)
    name = elements.query_handle(raw, "nvmlDeviceGetName")
    graphics = _graphics(raw, name, elements)
    of_mps = {entry.pid for entry in clients or ()}
    return MigInstance(
        mig_index=mig_index,
        uuid=uuid,
        name=name,
        gpu_instance_id=ids[0],
        compute_instance_id=ids[1],
        memory_total_bytes=number(memory, "total"),
        memory_used_bytes=number(memory, "used"),
        memory_free_bytes=number(memory, "free"),
        processes=None
        if compute is None or graphics is None or clients is None
        else tuple(  # utilization by process is not supported on MIG devices
            GpuProcess(pid, kind, used, mps=pid in of_mps)
            for pid, (kind, used) in sorted(merge(compute, graphics, clients).items())
        ),
    )


def _graphics(raw: Any, name: str | None, elements: Elements) -> Iterable[Any] | None:
    """Only instances with graphics (1g.24gb+gfx) have such a list; None: there may be some."""
    if name is not None and "gfx" not in name:
        return ()
    answer: Any = elements.handle.call_exactly(graphics_processes, raw)
    return () if isinstance(answer, Refusal) and answer.is_absence else elements.take(answer)
