"""What the driver wants done to one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynvml

from agent.readings import Recovery

if TYPE_CHECKING:
    from agent.sources.gpu.fields import SlowFields

(ACTION,) = FIELDS = (pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION,)


class RecoverySource:
    """What is wanted of the GPU whose field values these are."""

    def __init__(self, fields: SlowFields) -> None:
        self._fields = fields

    def read(self, now: float) -> Recovery:
        """NVML: see the fields of Recovery."""
        return Recovery(action=self._fields.get(now)[ACTION])
