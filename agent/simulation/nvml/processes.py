"""Process lists and their utilization. Each is called twice: for the size, then to fill an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.codes import (
    VALUE_NOT_AVAILABLE_32,
    VALUE_NOT_AVAILABLE_64,
    NvmlFailure,
    NvmlReturn,
)
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device
    from agent.simulation.processes import SimulatedProcess

SAMPLES_PER_SECOND = 6


def _processes(device: Device, kind: str, *, filling: bool) -> list[SimulatedProcess]:
    """Those on the list "C", "G" or "M"; all of them for an empty `kind`."""
    processes = device.gpu.processes_to_fill() if filling else device.gpu.processes
    if device.instance is not None:
        if device.instance.mig_index in device.gpu.forbidden_instances:
            raise NvmlFailure(NvmlReturn.NO_PERMISSION)
        processes = [one for one in processes if one.mig_index == device.instance.mig_index]
    return [one for one in processes if kind in one.type]


def _fill(device: Device, entry: Any, process: SimulatedProcess) -> None:
    entry.pid = process.pid
    memory = process.memory_bytes
    entry.usedGpuMemory = VALUE_NOT_AVAILABLE_64 if memory is None else memory
    if hasattr(entry, "gpuInstanceId"):  # version 1 has no such field
        instances = device.gpu.mig_instances
        instance = next((one for one in instances if one.mig_index == process.mig_index), None)
        entry.gpuInstanceId = instance.gpu_instance_id if instance else VALUE_NOT_AVAILABLE_32
        entry.computeInstanceId = instance.compute_instance_id if instance else VALUE_NOT_AVAILABLE_32
    if hasattr(entry, "usedGpuCcProtectedMemory"):
        entry.usedGpuCcProtectedMemory = 0


def _list_processes(device: Device, kind: str, count: Any, entries: Any) -> None:
    room = wire.number(wire.target(count)) if entries is not None else 0
    processes = _processes(device, kind, filling=entries is not None)
    wire.write(count, len(processes))
    if len(processes) > room:
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    for number, process in enumerate(processes):
        _fill(device, wire.target(entries)[number], process)


def _versions(symbol: str) -> tuple[str, str, str]:
    return symbol, f"{symbol}_v2", f"{symbol}_v3"


@device_function(*_versions("nvmlDeviceGetComputeRunningProcesses"), on_instance=True)
def compute_processes(device: Device, count: Any, entries: Any) -> None:
    _list_processes(device, "C", count, entries)


@device_function(*_versions("nvmlDeviceGetGraphicsRunningProcesses"), on_instance=True)
def graphics_processes(device: Device, count: Any, entries: Any) -> None:
    _list_processes(device, "G", count, entries)


@device_function(*_versions("nvmlDeviceGetMPSComputeRunningProcesses"), on_instance=True)
def mps_processes(device: Device, count: Any, entries: Any) -> None:
    _list_processes(device, "M", count, entries)


@device_function("nvmlDeviceGetRunningProcessDetailList", on_instance=True)
def process_details(device: Device, details: Any) -> None:
    details = wire.target(details)
    kind = {0: "C", 1: "G", 2: "M", 3: ""}.get(details.mode)  # nvmlProcessMode_t
    if kind is None:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    filling = bool(details.procArray)
    room = details.numProcArrayEntries if filling else 0
    processes = _processes(device, kind, filling=filling)
    details.numProcArrayEntries = len(processes)
    if len(processes) > room:
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    for number, process in enumerate(processes):
        _fill(device, details.procArray[number], process)


def _samples(device: Device, last_seen: int, *, filling: bool) -> list[tuple[SimulatedProcess, int]]:
    """The busy processes, each with when it was sampled (us since the epoch); NOT_FOUND if none is newer."""
    newest = int(device.library.wall_clock() * SAMPLES_PER_SECOND) * 1_000_000 // SAMPLES_PER_SECOND
    sampled = [
        (one, newest - int(one.worked_ago * 1_000_000))
        for one in _processes(device, "", filling=filling)
        if any((one.sm_utilization, one.memory_utilization, one.encoder_utilization, one.decoder_utilization))
    ]
    newer = [(one, at) for one, at in sampled if at > last_seen]
    if not newer:
        raise NvmlFailure(NvmlReturn.NOT_FOUND)
    return newer


def _fill_sample(entry: Any, process: SimulatedProcess, at: int) -> None:
    entry.pid, entry.timeStamp = process.pid, at
    entry.smUtil, entry.memUtil = process.sm_utilization, process.memory_utilization
    entry.encUtil, entry.decUtil = process.encoder_utilization, process.decoder_utilization


@device_function("nvmlDeviceGetProcessUtilization", on_partitioned=False)
def process_utilization(device: Device, entries: Any, count: Any, last_seen: Any) -> None:
    """The newest sample of each busy process, if newer than `last_seen` (us since the epoch)."""
    samples = _samples(device, wire.number(last_seen), filling=entries is not None)
    room = wire.number(wire.target(count)) if entries is not None else 0
    wire.write(count, len(samples))
    if len(samples) > room:
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    for number, (process, at) in enumerate(samples):
        _fill_sample(wire.target(entries)[number], process, at)


@device_function("nvmlDeviceGetProcessesUtilizationInfo", on_partitioned=False)
def processes_utilization_info(device: Device, info: Any) -> None:
    """The same in one struct, with JPEG and OFA engines beside."""
    info = wire.target(info)
    filling = bool(info.procUtilArray)
    samples = _samples(device, info.lastSeenTimeStamp, filling=filling)
    room = info.processSamplesCount if filling else 0
    info.processSamplesCount = len(samples)
    if len(samples) > room:
        raise NvmlFailure(NvmlReturn.INSUFFICIENT_SIZE)
    for number, (process, at) in enumerate(samples):
        _fill_sample(info.procUtilArray[number], process, at)
