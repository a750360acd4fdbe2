"""The processes of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlReturn
from agent.simulation.processes import SimulatedProcess
from agent.simulation.replay.words import is_absent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.processes import ProcessLists
    from agent.simulation.replay.words import Section

# The last two are clients of MPS, which are on a list of their own.
_TYPES: Mapping[str, ProcessLists] = {"C": "C", "G": "G", "C+G": "C+G", "M+C": "M", "M+C+G": "G+M"}
_LISTS = (
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetMPSComputeRunningProcesses",
)


def replay_processes(gpu: SimulatedGpu, section: Section) -> Mapping[int, str | None]:
    """Give the GPU the processes of the document; returns their names, None if unknown."""
    processes: list[SimulatedProcess] = []
    names: dict[int, str | None] = {}
    refusal = None if section.is_blank("processes") else section.text("processes")
    for one in section.sections("processes/process_info"):
        pid, name = one.number("pid"), one.text("process_name")
        if isinstance(pid, NvmlReturn):  # NVML lists none without: what is left is not the whole list
            refusal = NvmlReturn.UNKNOWN if is_absent(pid) else pid
        else:
            processes.append(_process(gpu, pid, one))
            names[pid] = None if isinstance(name, NvmlReturn) else name
    gpu.processes = processes
    if isinstance(refusal, NvmlReturn):
        for symbol in _LISTS:
            for version in ("", "_v2", "_v3"):
                gpu.fail(f"{symbol}{version}", refusal)
    return names


def _process(gpu: SimulatedGpu, pid: int, section: Section) -> SimulatedProcess:
    kind, memory = section.text("type"), section.bytes("used_memory")
    ids = _ids(section.number("gpu_instance_id"), section.number("compute_instance_id"))
    on = (
        one
        for one in gpu.mig_instances
        if ids is not None and _ids(one.gpu_instance_id, one.compute_instance_id) == ids
    )
    return SimulatedProcess(
        pid,
        _TYPES.get(str(kind), "C"),
        None if isinstance(memory, NvmlReturn) else memory,
        mig_index=next((one.mig_index for one in on), None),
    )


def _ids(gpu_instance: int, compute_instance: int) -> tuple[int, int] | None:
    """None where one is not reported: as a number, its return code may be that of an instance."""
    ids = gpu_instance, compute_instance
    return None if any(isinstance(one, NvmlReturn) for one in ids) else ids
