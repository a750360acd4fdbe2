"""What the driver wants done to one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Recovery

if TYPE_CHECKING:
    from agent.sources.gpu.fields import SlowFields
    from agent.sources.gpu.handle import GpuHandle

ACTION = pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION
FIELDS = {ACTION: "recovery.action"}


class RecoverySource:
    """What is wanted of the GPU behind one handle, whose field values these are."""

    def __init__(self, handle: GpuHandle, fields: SlowFields) -> None:
        self._handle = handle
        self._fields = fields

    def read(self, now: float) -> Recovery:
        """NVML: see the fields of Recovery."""
        return Recovery(action=self._fields.get(now)[ACTION], requires_reset=self._handle.requires_reset)
