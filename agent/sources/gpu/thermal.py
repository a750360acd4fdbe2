"""Temperatures of one GPU, and their thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Thermal
from agent.sources.gpu.fields import field_values
from agent.sources.gpu.fixed import Fixed
from agent.sources.gpu.paces import DETAIL_PACE
from agent.sources.paced_value import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle
    from agent.sources.gpu.moment import Moment

MEMORY = pynvml.NVML_FI_DEV_MEMORY_TEMP
FIELDS = {MEMORY: "thermal.memory_celsius"}
ZERO_IS_NONE = {MEMORY}  # there is no such sensor


class ThermalSource:
    """The temperatures of the GPU behind one handle."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._thresholds = Fixed(handle, lambda: _read_thresholds(handle) | _read_tlimits(handle))
        self._margin: Paced[int | None] = Paced(  # 1 ms on an H100
            DETAIL_PACE, lambda: handle.query("thermal.margin_celsius", "nvmlDeviceGetMarginTemperature")
        )

    def read(self, moment: Moment) -> Thermal:
        """NVML: see the fields of Thermal."""
        return Thermal(
            gpu_celsius=self._handle.query(
                "thermal.gpu_celsius", "nvmlDeviceGetTemperature", pynvml.NVML_TEMPERATURE_GPU
            ),
            memory_celsius=self._fields.get(moment.verdicts)[MEMORY],
            margin_celsius=self._margin.get(moment.verdicts),
            **self._thresholds.get(moment.details),
        )


_THRESHOLDS = {
    "shutdown_celsius": pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN,
    "slowdown_celsius": pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
    "max_operating_celsius": pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX,
    "memory_max_celsius": pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX,
}


def _read_thresholds(handle: GpuHandle) -> dict[str, int | None]:
    return {
        name: handle.take(
            f"thermal.{name}",
            handle.call("nvmlDeviceGetTemperatureThreshold", threshold),
            lambda celsius: celsius or None,  # 0: there is none
        )
        for name, threshold in _THRESHOLDS.items()
    }


_TLIMITS = {
    "shutdown_margin_celsius": pynvml.NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT,
    "slowdown_margin_celsius": pynvml.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT,
    "memory_max_margin_celsius": pynvml.NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT,
    "max_operating_margin_celsius": pynvml.NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT,
}


def _read_tlimits(handle: GpuHandle) -> dict[str, int | None]:
    """Signed, and 0 is one of them."""
    answers = field_values(handle, list(_TLIMITS.values()))
    return {
        name: handle.take(f"thermal.{name}", answer, int)
        for name, answer in zip(_TLIMITS, answers, strict=True)
    }
