"""The InfoROM: whether its checksum is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.nvml.registry import device_function

if TYPE_CHECKING:
    from agent.simulation.library import Device


@device_function("nvmlDeviceValidateInforom")
def validate(device: Device) -> None:
    if device.gpu.error_counters.inforom != NvmlReturn.SUCCESS:
        raise NvmlFailure(device.gpu.error_counters.inforom)
