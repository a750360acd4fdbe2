"""The processes of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlReturn
from agent.simulation.processes import SimulatedProcess

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


def replay_processes(gpu: SimulatedGpu, told: Section) -> Mapping[int, str | None]:
    """Let the GPU list the processes that the document lists; returns their names, None where not told."""
    listed = list(told.sections("processes/process_info"))
    gpu.processes = [process for one in listed if (process := _process(gpu, one)) is not None]
    refusal = told.text("processes")
    if isinstance(refusal, NvmlReturn) and not told.is_blank("processes"):
        for symbol in _LISTS:
            for version in ("", "_v2", "_v3"):
                gpu.fail(f"{symbol}{version}", refusal)
    names = {}
    for one in listed:
        pid, name = one.number("pid"), one.text("process_name")
        if not isinstance(pid, NvmlReturn):
            names[pid] = None if isinstance(name, NvmlReturn) else name
    return names


def _process(gpu: SimulatedGpu, told: Section) -> SimulatedProcess | None:
    """None for an entry without a pid: NVML lists none."""
    pid, kind, memory = told.number("pid"), told.text("type"), told.bytes("used_memory")
    if isinstance(pid, NvmlReturn):
        return None
    ids = told.number("gpu_instance_id"), told.number("compute_instance_id")
    on = (one for one in gpu.mig_instances if (one.gpu_instance_id, one.compute_instance_id) == ids)
    return SimulatedProcess(
        pid,
        _TYPES.get(str(kind), "C"),
        None if isinstance(memory, NvmlReturn) else memory,
        mig_index=next((one.mig_index for one in on), None),
    )
