"""What the driver wants done to the GPU, so that it works again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.simulation.codes import FieldId
from agent.simulation.nvml.registry import field_value

if TYPE_CHECKING:
    from agent.simulation.library import Device


@field_value(FieldId.GPU_RECOVERY_ACTION)
def recovery_action(device: Device, _scope: int) -> int | None:
    return device.gpu.error_counters.recovery_action if device.library.recovery_action else None
