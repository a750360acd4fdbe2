"""Bad values: a GPU that fails to report some values, or reports impossible ones.

Each GPU except the first has a different fault; a single GPU has the first fault.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

from agent.simulation.call_faults import FIELD_VALUES
from agent.simulation.codes import VALUE_NOT_AVAILABLE_32, FieldId, NvmlReturn

if TYPE_CHECKING:
    from agent.simulation.gpu import SimulatedGpu
    from agent.simulation.library import SimulatedLibrary
    from agent.simulation.processes import SimulatedProcess

_MEMORY = ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2")
_TEMPERATURE = ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV")
_PROCESS_UTILIZATION = ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetProcessesUtilizationInfo")


def begin_anew(library: SimulatedLibrary) -> None:
    """No faults; the second faulty GPU never reports one optional value, like eight real V100s."""
    library.heal()
    for number, gpu in enumerate(_in_trouble(library)):
        gpu.heal()
        if number % len(_ERRORS) == 1:
            gpu.fail("nvmlDeviceGetPcieReplayCounter", NvmlReturn.UNKNOWN)


def fail_values(library: SimulatedLibrary) -> None:
    """Make each faulty GPU fail to report something."""
    for gpu, trouble in zip(_in_trouble(library), cycle(_ERRORS), strict=False):
        trouble(gpu)


def heal_temperature(library: SimulatedLibrary) -> None:
    """Make every temperature succeed again."""
    for gpu in _in_trouble(library):
        for symbol in _TEMPERATURE:
            gpu.heal(symbol)


def report_garbage(library: SimulatedLibrary) -> None:
    """Make each faulty GPU report an impossible value."""
    for gpu, trouble in zip(_in_trouble(library), cycle(_GARBAGE), strict=False):
        trouble(gpu)


def report_real_values(library: SimulatedLibrary) -> None:
    """End `report_garbage`."""
    for gpu in _in_trouble(library):
        gpu.unfix()
        gpu.churn = False
        gpu.error_counters.remapped_rows_corrected = gpu.error_counters.remapped_rows_uncorrected = 0


def _in_trouble(library: SimulatedLibrary) -> list[SimulatedGpu]:
    return library.gpus[1:] or library.gpus


def _fail_memory_and_utilization(gpu: SimulatedGpu) -> None:
    for symbol in (*_MEMORY, "nvmlDeviceGetUtilizationRates"):
        gpu.fail(symbol, NvmlReturn.UNKNOWN)


def _nothing_more(_: SimulatedGpu) -> None:
    """Values that it does not report now, it never reports."""


def _fail_power(gpu: SimulatedGpu) -> None:
    gpu.fail("nvmlDeviceGetPowerUsage", NvmlReturn.TIMEOUT)
    for field in (FieldId.POWER_AVERAGE, FieldId.POWER_INSTANT):
        gpu.fail(FIELD_VALUES, NvmlReturn.TIMEOUT, entry=field)


def _fail_temperature(gpu: SimulatedGpu) -> None:
    for symbol in _TEMPERATURE:
        gpu.fail(symbol, NvmlReturn.UNKNOWN)


def _fail_memory_temperature(gpu: SimulatedGpu) -> None:
    gpu.fail(FIELD_VALUES, NvmlReturn.CORRUPTED_INFOROM, entry=FieldId.MEMORY_TEMP)


def _forbid_process_utilization(gpu: SimulatedGpu) -> None:
    for symbol in _PROCESS_UTILIZATION:
        gpu.fail(symbol, NvmlReturn.NO_PERMISSION)


def _wild_sensors(gpu: SimulatedGpu) -> None:
    gpu.fix(power_usage=4_000_000_000, temperature=82_505, gpu_utilization=255)


def _more_used_than_there_is(gpu: SimulatedGpu) -> None:
    gpu.fix(memory_used=2 * (gpu.values.memory_total or 0))


def _rows_not_available(gpu: SimulatedGpu) -> None:
    gpu.error_counters.remapped_rows_corrected = VALUE_NOT_AVAILABLE_32
    gpu.error_counters.remapped_rows_uncorrected = VALUE_NOT_AVAILABLE_32


def _giant_process(gpu: SimulatedGpu) -> None:
    gpu.churn = _with_32_tib


def _with_32_tib(processes: list[SimulatedProcess]) -> list[SimulatedProcess]:
    return [replace(process, memory_bytes=32 * 1024**4) for process in processes]


def _wild_fan_and_link(gpu: SimulatedGpu) -> None:
    gpu.fix(fan_speed=65_535, fan_speed_rpm=VALUE_NOT_AVAILABLE_32, pcie_width=255, pcie_generation=99)


def _wild_clocks_and_activity(gpu: SimulatedGpu) -> None:
    gpu.fix(graphics_clock=4_000_000, memory_clock=4_000_000, sm_activity=1e12, tensor_activity=-5.0)


_ERRORS = (
    _fail_memory_and_utilization,
    _nothing_more,
    _fail_power,
    _fail_temperature,
    _fail_memory_temperature,
    _forbid_process_utilization,
)
_GARBAGE = (
    _wild_sensors,
    _more_used_than_there_is,
    _rows_not_available,
    _giant_process,
    _wild_fan_and_link,
    _wild_clocks_and_activity,
)
