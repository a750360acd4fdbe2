"""GPM: metrics of Hopper and newer, computed from two samples that the caller allocates and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.simulation import wire
from agent.simulation.call_faults import GPM_METRICS
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.gpm import GpmSample
from agent.simulation.nvml.registry import device_function, library_function

if TYPE_CHECKING:
    from agent.simulation.gpu_values import GpuValues
    from agent.simulation.library import Device, SimulatedLibrary

_METRICS = {  # NVML_GPM_METRIC_...: value of GpuValues
    2: "sm_activity",
    3: "sm_occupancy",
    5: "tensor_activity",
    10: "dram_activity",
}


@device_function("nvmlGpmQueryDeviceSupport")
def query_device_support(device: Device, support: Any) -> None:
    wire.target(support).isSupportedDevice = int(device.gpu.model.gpm)


@library_function("nvmlGpmSampleAlloc")
def sample_alloc(library: SimulatedLibrary, sample: Any) -> None:
    pointer = next(library.gpm_samples.pointers)
    library.gpm_samples.by_pointer[pointer] = None
    wire.write_handle(sample, pointer)


@library_function("nvmlGpmSampleFree")
def sample_free(library: SimulatedLibrary, sample: Any) -> None:
    pointer = wire.read_handle(sample)
    if pointer not in library.gpm_samples.by_pointer:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    del library.gpm_samples.by_pointer[pointer]


@device_function("nvmlGpmSampleGet")
def sample_get(device: Device, sample: Any) -> None:
    _take(device, sample)


@device_function("nvmlGpmMigSampleGet")
def mig_sample_get(device: Device, gpu_instance_id: Any, sample: Any) -> None:
    ids = {instance.gpu_instance_id for instance in device.gpu.mig_instances}
    if wire.number(gpu_instance_id) not in ids:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    _take(device, sample)


def _take(device: Device, sample: Any) -> None:
    if not device.gpu.model.gpm:
        raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)
    samples, pointer = device.library.gpm_samples.by_pointer, wire.read_handle(sample)
    if pointer not in samples:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    samples[pointer] = GpmSample(device.gpu, device.library.elapsed(), device.values)


@library_function(GPM_METRICS)
def metrics_get(library: SimulatedLibrary, request: Any) -> None:
    request = wire.target(request)
    samples = library.gpm_samples.by_pointer
    first, second = (samples.get(wire.read_handle(one)) for one in (request.sample1, request.sample2))
    if first is None or second is None or first.gpu is not second.gpu or second.elapsed < first.elapsed:
        raise NvmlFailure(NvmlReturn.INVALID_ARGUMENT)
    first.gpu.raise_if_faulty(GPM_METRICS, library.advance)
    faulty = [faults for faults in (library, first.gpu) if faults.fails]
    for metric in (request.metrics[slot] for slot in range(request.numMetrics)):
        number = metric.metricId
        metric.nvmlReturn, metric.value = NvmlReturn.SUCCESS, 0.0
        try:
            for faults in faulty:
                faults.raise_if_failing(GPM_METRICS, number)
            metric.value = _mean(number, first.values, second.values)
        except NvmlFailure as failure:
            metric.nvmlReturn = failure.code


def _mean(metric: int, first: GpuValues, second: GpuValues) -> float:
    """Over the time between two samples, of a load that moves little meanwhile."""
    name = wire.value_or_raise(_METRICS.get(metric))
    before: float = wire.value_or_raise(getattr(first, name))
    after: float = wire.value_or_raise(getattr(second, name))
    return (before + after) / 2
