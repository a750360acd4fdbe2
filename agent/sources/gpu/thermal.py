"""How hot one GPU is, and how hot it may get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pynvml

from agent.readings import Thermal
from agent.sources.gpu.paces import FIXED_PACE
from agent.sources.nvml import query_or_none
from agent.sources.paced import Paced

if TYPE_CHECKING:
    from agent.sources.gpu.fields import SlowFields

(MEMORY,) = FIELDS = (pynvml.NVML_FI_DEV_MEMORY_TEMP,)


class ThermalSource:
    """The temperatures of the GPU behind one handle."""

    def __init__(self, handle: Any, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields
        self._thresholds = Paced(FIXED_PACE, lambda: _read_thresholds(handle))

    def read(self, now: float) -> Thermal:
        """NVML: see the fields of Thermal."""
        return Thermal(
            gpu_celsius=query_or_none("nvmlDeviceGetTemperature", self._handle, pynvml.NVML_TEMPERATURE_GPU),
            memory_celsius=self._fields.get(now)[MEMORY] or None,  # 0 where there is no such sensor
            **self._thresholds.get(now),
        )


def _read_thresholds(handle: Any) -> dict[str, int | None]:
    return {
        "shutdown_celsius": _threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN),
        "slowdown_celsius": _threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN),
        "max_operating_celsius": _threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX),
        "memory_max_celsius": _threshold(handle, pynvml.NVML_TEMPERATURE_THRESHOLD_MEM_MAX),
    }


def _threshold(handle: Any, which: int) -> int | None:
    return query_or_none("nvmlDeviceGetTemperatureThreshold", handle, which) or None  # 0: there is none
